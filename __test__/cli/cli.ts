import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { ROOT } from '../helpers/golden.js';

/** The built command line. */
export const BIN: string = join(ROOT, 'dist', 'cli.js');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** Standard output as bytes. */
  readonly bytes: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  /** Leaves standard input open after `stdin`. */
  readonly hold?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** Another copy of the program. */
  readonly bin?: string;
  /** Words for Node itself. */
  readonly node?: readonly string[];
  /** Called when the process has been started. */
  readonly started?: (child: ChildProcess) => void;
}

/** Runs the command line and waits for its end. */
export function cli(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { CI: _ci, NO_COLOR: _noColor, FORCE_COLOR: _forceColor, ...env } = process.env;
    const child = spawn(process.execPath, [...(options.node ?? []), options.bin ?? BIN, ...args], {
      cwd: options.cwd ?? ROOT,
      env: { ...env, ...options.env },
      timeout: 50_000,
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const bytes = Buffer.concat(out);
      resolve({ code, signal, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() });
    });
    // A command that does not read its input closes it before this has been written.
    child.stdin.on('error', () => {});
    if (options.hold === true) child.stdin.write(options.stdin ?? '');
    else child.stdin.end(options.stdin ?? '');
    options.started?.(child);
  });
}

/** Runs the command line and expects it to succeed. */
export async function ok(args: readonly string[], options?: RunOptions): Promise<Outcome> {
  const outcome = await cli(args, options);
  expect({ args, code: outcome.code, stderr: outcome.code === 0 ? '' : outcome.stderr }).toEqual({
    args,
    code: 0,
    stderr: '',
  });
  return outcome;
}

/** Runs the command line with `--json` and returns what it prints. */
export async function json<T = Record<string, unknown>>(args: readonly string[], options?: RunOptions): Promise<T> {
  const { stdout, stderr } = await ok([...args, '--json'], options);
  expect(stderr).toBe('');
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout) as T;
}

/** The error of a `--json` run that must fail. */
export async function failure(
  args: readonly string[],
  options?: RunOptions,
): Promise<{ exit: number | null; code: string; message: string; details: Record<string, unknown> }> {
  const { code: exit, stdout, stderr } = await cli([...args, '--json'], options);
  expect(stdout).toBe('');
  const parsed = JSON.parse(stderr) as { error: { code: string; message: string; details: Record<string, unknown> } };
  expect(Object.keys(parsed)).toEqual(['error']);
  expect(Object.keys(parsed.error)).toEqual(['code', 'message', 'details']);
  return { exit, ...parsed.error };
}

/** A folder that is removed when the test file is done. */
export function folder(): (name: string) => string {
  const path = mkdtempSync(join(tmpdir(), 'tinyquant-cli-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return (name) => join(path, name);
}

/** Makes a child think that some of its standard streams are terminals. */
export function terminal(...streams: readonly ('stdin' | 'stdout' | 'stderr')[]): readonly string[] {
  const set = streams.map((stream) => `process.${stream}.isTTY = true;`).join('');
  return ['--import', `data:text/javascript,${encodeURIComponent(`${set} process.stderr.columns = 120;`)}`];
}

/** An .npy file of 32-bit floats. */
export function npy(values: Float32Array, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${values.length / dimension}, ${dimension}), }`;
  const header = Buffer.from(`\u0093NUMPY\u0001\u0000\u0000\u0000${text.padEnd(117)}\n`, 'latin1');
  header.writeUInt16LE(118, 8);
  return Buffer.concat([header, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}
