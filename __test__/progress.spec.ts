import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Codec, type Progress } from '../index.js';
import { setup } from './helpers/data.js';
import { reasonOf, rejection } from './helpers/failure.js';

const codec = new Codec();
const { config, codebook, vectors } = setup(4000, { dimension: 512 });

function check(reports: readonly Progress[], phase: Progress['phase'], total: number): void {
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.at(-1)).toMatchObject({ phase, done: total, total });
  for (const [i, report] of reports.entries()) {
    const before = reports[i - 1];
    expect(Object.keys(report).sort()).toEqual(['done', 'elapsedMs', 'phase', 'total']);
    expect(report.phase).toBe(phase);
    expect(report.total).toBe(total);
    expect(report.done).toBeLessThanOrEqual(total);
    if (before !== undefined) {
      expect(report.done).toBeGreaterThan(before.done);
      expect(report.elapsedMs).toBeGreaterThanOrEqual(before.elapsedMs);
    }
  }
}

describe('onProgress', () => {
  it('is monotonic, throttled, complete, and silent after the end', async () => {
    const reports: Progress[] = [];
    const onProgress = (progress: Progress): void => {
      reports.push(progress);
    };
    const started = performance.now();
    const batch = await codec.compressBatch(vectors, config, codebook, { onProgress });
    const seconds = (performance.now() - started) / 1000;
    check(reports, 'compress', 4000);
    expect(reports.length).toBeLessThanOrEqual(seconds * 10 + 2);
    const count = reports.length;
    await sleep(150);
    expect(reports).toHaveLength(count);

    reports.length = 0;
    await codec.decompressBatch(batch, config, codebook, { onProgress });
    check(reports, 'decompress', 4000);
    reports.length = 0;
    await codec.decompressBatch([batch.at(0), batch.at(1)], config, codebook, { onProgress });
    check(reports, 'decompress', 2);
  });

  it('reports an empty batch once', async () => {
    const reports: Progress[] = [];
    await codec.compressBatch([], config, codebook, { onProgress: (progress) => reports.push(progress) });
    expect(reports).toMatchObject([{ phase: 'compress', done: 0, total: 0 }]);
  });

  it('stops the job with the exception it throws', async () => {
    const boom = new Error('boom');
    let calls = 0;
    const pending = codec.compressBatch(vectors, config, codebook, {
      onProgress() {
        calls++;
        throw boom;
      },
    });
    expect(await reasonOf(pending)).toBe(boom);
    await sleep(150);
    expect(calls).toBe(1);
  });

  it('may abort its own job', async () => {
    const controller = new AbortController();
    const pending = codec.compressBatch(vectors, config, codebook, {
      signal: controller.signal,
      onProgress: () => controller.abort('enough'),
    });
    expect(await reasonOf(pending)).toBe('enough');
  });

  it('is not called for a job that fails its checks', async () => {
    let calls = 0;
    const onProgress = (): void => {
      calls++;
    };
    const bad = vectors.slice(0, 512);
    bad[0] = Number.NaN;
    await rejection(() => codec.compressBatch(bad, config, codebook, { onProgress }), 'ERR_TQ_NON_FINITE');
    await rejection(() => codec.compressBatch(bad.slice(1), config, codebook, { onProgress }), 'ERR_TQ_DIM_MISMATCH');
    await sleep(120);
    expect(calls).toBe(0);
  });
});
