import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './helpers/golden.js';

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds from the last output to the end of the process. */
  readonly idle: number;
}

/** Runs a script of benches/soak in a process of its own. */
function run(
  script: string,
  args: readonly string[],
  timeout: number,
  flags: readonly string[] = [],
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, join(ROOT, 'benches', 'soak', script), ...args], { timeout });
    let [stdout, stderr, last] = ['', '', performance.now()];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      last = performance.now();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ stdout, stderr, code, signal, idle: performance.now() - last }));
  });
}

/** The JSON that a script prints. */
async function json<T>(
  script: string,
  args: readonly string[],
  timeout: number,
  flags?: readonly string[],
): Promise<T> {
  const { stdout, stderr, code, signal } = await run(script, args, timeout, flags);
  expect({ stderr, code, signal }).toEqual({ stderr: '', code: 0, signal: null });
  return JSON.parse(stdout) as T;
}

interface Mixed {
  readonly counts: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
  readonly loop: { readonly p99: number; readonly idleProcessP99: number };
  readonly samples: readonly { readonly rssMB: number; readonly heapMB: number; readonly externalMB: number }[];
}

// The long form of all this is `npm run soak`.
describe('a process that runs for long', () => {
  it('starts 20 workers and terminates them while they search, again and again', async () => {
    const { first, last, ...rest } = await json<{
      readonly searched: number;
      readonly answers: number;
      readonly best: number;
      readonly first: { readonly threads: number; readonly rssMB: number };
      readonly last: { readonly threads: number; readonly rssMB: number };
    }>('workers.mjs', ['6', '20'], 60_000);
    expect(rest).toEqual({ rounds: 6, workers: 20, searched: 120, answers: 1, best: 9 });
    expect(last.threads).toBe(first.threads);
    // A worker by itself takes some 4 MB: 100 of them, kept, would show.
    expect(last.rssMB - first.rssMB).toBeLessThan(64);
  });

  it('keeps its memory and a free event loop under a mixed load', async () => {
    const { counts, wrong, loop, samples } = await json<Mixed>('mixed.mjs', ['10', '12'], 60_000, ['--expose-gc']);
    expect(wrong).toEqual([]);
    const names = ['batches', 'changer', 'compressor', 'failures', 'opener', 'pipeline', 'search'];
    expect(Object.keys(counts).sort()).toEqual(names);
    for (const name of names) expect(counts[name], name).toBeGreaterThan(5);
    // On a machine that is busy with other work an idle process is late as well, and one that works more so.
    expect(loop.p99).toBeLessThan(Math.max(10, 4 * loop.idleProcessP99));

    expect(samples).toHaveLength(12);
    for (const [field, most] of [
      ['rssMB', 24],
      ['heapMB', 4],
      ['externalMB', 24],
    ] as const) {
      const mean = (part: typeof samples): number => part.reduce((sum, each) => sum + each[field], 0) / part.length;
      expect(mean(samples.slice(-4)) - mean(samples.slice(0, 4)), field).toBeLessThan(most);
    }
  });

  it('gives external memory back when things are closed, without a collection', async () => {
    type Figures = { readonly before: number; readonly during: number; readonly after: number };
    const kinds = await json<Record<string, Figures>>('external.mjs', [], 60_000, ['--expose-gc']);
    expect(Object.keys(kinds)).toEqual(['SearchIndex', 'Corpus']);
    for (const [kind, { before, during, after }] of Object.entries(kinds)) {
      expect(during - before, kind).toBeGreaterThan(20);
      expect(Math.abs(after - before), kind).toBeLessThan(0.5);
    }
  });

  it('ends by itself with everything left open', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tinyquant-exit-'));
    const { idle, ...outcome } = await run('exit.mjs', [folder], 30_000);
    expect(outcome).toEqual({ stdout: 'idle\n', stderr: '', code: 0, signal: null });
    expect(idle).toBeLessThan(5000);
    // The writer that was never finished has published nothing.
    expect(readdirSync(folder)).not.toContain('b.tq');
    rmSync(folder, { recursive: true });
  });
});
