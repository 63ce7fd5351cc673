import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Codec, type CodecConfig, RotationMatrix } from '../index.js';
import { setup } from './helpers/data.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { sha256 } from './helpers/golden.js';

const codec = new Codec();
const { config, codebook, vectors } = setup(500, { dimension: 256 });
const batch = codec.compressBatchSync(vectors, config, codebook);

describe('a signal', () => {
  it('that has aborted rejects at once with its reason', async () => {
    const reason = new Error('not today');
    const signal = AbortSignal.abort(reason);
    expect(await reasonOf(codec.compressBatch(vectors, config, codebook, { signal }))).toBe(reason);
    expect(await reasonOf(codec.decompressBatch(batch, config, codebook, { signal }))).toBe(reason);
    expect(
      await reasonOf(codec.compressBatch(vectors, config, codebook, { signal: AbortSignal.abort() })),
    ).toMatchObject({
      name: 'AbortError',
    });
    const input = vectors.slice();
    await reasonOf(codec.compressBatch(input, config, codebook, { signal, transfer: true }));
    expect(input).toHaveLength(vectors.length);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('may abort with any value', async () => {
    for (const reason of ['text', 5, null, { custom: true }]) {
      const controller = new AbortController();
      const pending = codec.compressBatch(vectors, config, codebook, { signal: controller.signal });
      controller.abort(reason);
      expect(await reasonOf(pending)).toBe(reason);
    }
  });

  it('stops a running job early, and leaves nothing behind', async () => {
    const big = setup(6000, { dimension: 768, seed: 3 });
    RotationMatrix.fromConfig(big.config);
    const startedWhole = performance.now();
    const whole = await codec.compressBatch(big.vectors, big.config, big.codebook);
    const wholeMs = performance.now() - startedWhole;

    const controller = new AbortController();
    const { signal } = controller;
    const started = performance.now();
    const pending = codec.compressBatch(big.vectors, big.config, big.codebook, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    setTimeout(() => controller.abort(), wholeMs / 10);
    expect(await reasonOf(pending)).toBe(signal.reason);
    expect(performance.now() - started).toBeLessThan(wholeMs * 0.7);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);

    const again = await codec.compressBatch(big.vectors, big.config, big.codebook);
    expect(sha256(again.toBytes())).toBe(sha256(whole.toBytes()));

    const second = new AbortController();
    const reading = codec.decompressBatch(whole, big.config, big.codebook, { signal: second.signal });
    setTimeout(() => second.abort(), 1);
    expect(await reasonOf(reading)).toBe(second.signal.reason);
  });

  it('stops a job that is still building its matrix', async () => {
    const time = async (options: object): Promise<{ ms: number; error: unknown }> => {
      const large = setup(1, { dimension: 3000, bitWidth: 2, seed: Math.floor(Math.random() * 2 ** 50) });
      const started = performance.now();
      const error = await codec.compressBatch(large.vectors, large.config, large.codebook, options).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return { ms: performance.now() - started, error };
    };
    const whole = await time({});
    expect(whole.error).toBeUndefined();
    const signal = AbortSignal.timeout(50);
    const stopped = await time({ signal });
    expect(stopped.error).toBe(signal.reason);
    expect(stopped.error).toMatchObject({ name: 'TimeoutError' });
    expect(stopped.ms).toBeLessThan(whole.ms / 2);
  });

  it('that aborts afterwards changes nothing', async () => {
    const controller = new AbortController();
    const result = await codec.compressBatch(vectors, config, codebook, { signal: controller.signal });
    controller.abort();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(sha256(result.toBytes())).toBe(sha256(batch.toBytes()));
  });

  it('of another make is enough', async () => {
    const target = new EventTarget();
    const signal = Object.assign(target, { aborted: false, reason: undefined as unknown });
    const pending = codec.compressBatch(vectors, config, codebook, { signal: signal as unknown as AbortSignal });
    Object.assign(signal, { aborted: true, reason: 'polyfilled' });
    target.dispatchEvent(new Event('abort'));
    expect(await reasonOf(pending)).toBe('polyfilled');
    Object.assign(signal, { aborted: false });
    expect(
      (await codec.compressBatch(vectors, config, codebook, { signal: signal as unknown as AbortSignal })).length,
    ).toBe(500);
  });

  it('without reasons gives the usual one', async () => {
    for (const aborted of [true, false]) {
      const signal = Object.assign(new EventTarget(), { aborted }) as unknown as AbortSignal;
      const pending = codec.compressBatch(vectors, config, codebook, { signal });
      // An event alone is enough, whatever the signal says of itself.
      signal.dispatchEvent(new Event('abort'));
      expect(await reasonOf(pending)).toMatchObject({ name: 'AbortError' });
    }
  });

  it('does not outlive a failed call', async () => {
    const { signal } = new AbortController();
    const bad = vectors.slice();
    bad[5] = Number.NaN;
    await rejection(() => codec.compressBatch(bad, config, codebook, { signal }), 'ERR_TQ_NON_FINITE');
    await rejection(() => codec.compressBatch(bad, {} as CodecConfig, codebook, { signal }), 'ERR_TQ_INVALID_ARG');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('stops each of many jobs it was given', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const jobs = Array.from({ length: 8 }, () => codec.compressBatch(vectors, config, codebook, { signal }));
    const kept = codec.compressBatch(vectors, config, codebook);
    controller.abort();
    const reasons = await Promise.all(jobs.map(reasonOf));
    expect(new Set(reasons)).toEqual(new Set([signal.reason]));
    expect((await kept).length).toBe(500);
  });

  it('has one listener for all of its jobs, as Node warns of many', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = () => getEventListeners(signal, 'abort').length;
    const start = () => codec.compressBatch(vectors, config, codebook, { signal });
    const first = start();
    const others = Array.from({ length: 20 }, start);
    expect(listeners()).toBe(1);
    expect((await first).length).toBe(500);
    const late = start();
    await Promise.all([late, ...others]);
    expect(listeners()).toBe(0);

    const again = [start(), start()];
    expect(listeners()).toBe(1);
    controller.abort('now');
    expect(await Promise.all(again.map(reasonOf))).toEqual(['now', 'now']);
    expect(listeners()).toBe(0);
  });
});
