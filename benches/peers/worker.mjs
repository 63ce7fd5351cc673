// A child process that runs one index of one engine, asked by JSON lines.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { capture } from '../../scripts/lib.mjs';
import { python } from './setup.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const THREAD_VARIABLES = [
  'LANCE_CPU_THREADS',
  'MKL_NUM_THREADS',
  'OMP_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'RAYON_NUM_THREADS',
  'SCANN_NUM_THREADS',
  'TINYQUANT_THREADS',
  'TOKIO_WORKER_THREADS',
];

/** Start of a command that keeps a program on as many processors as threads, the last ones; empty without taskset. */
export function pin(threads) {
  const last = availableParallelism() - 1;
  const list = `${Math.max(0, last + 1 - threads)}-${last}`;
  return capture('taskset', ['-c', list, 'true']) === null ? [] : ['taskset', '-c', list];
}

export class Worker {
  #answers;
  #child;
  #log = '';

  constructor({ worker, adapter }, threads) {
    const program =
      worker === 'python'
        ? [python, here('python/worker.py')]
        : [process.execPath, '--expose-gc', '--max-old-space-size=8192', here('node/worker.mjs')];
    const [command, ...args] = [...pin(threads), ...program, adapter, String(threads)];
    const limits = Object.fromEntries(THREAD_VARIABLES.map((name) => [name, String(threads)]));
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...limits };
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.on('data', (text) => {
      this.#log = (this.#log + text).slice(-4096);
    });
    this.#answers = this.#read();
  }

  async *#read() {
    const ended = new Promise((resolve) => {
      this.#child.on('error', ({ message }) => resolve(message));
      this.#child.on('close', (status, signal) => resolve(`ended by ${signal ?? `status ${status}`}`));
    });
    for await (const line of createInterface({ input: this.#child.stdout })) {
      if (/^(\{.*\}|null)$/.test(line)) yield JSON.parse(line);
    }
    const last = this.#log.trim().split('\n').at(-1);
    const how = await ended;
    throw new Error(last ? `${how}: ${last.slice(0, 200)}` : how);
  }

  /** Answer to a command; fails with the engine's message. */
  async ask(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value } = await this.#answers.next();
    if (value?.error !== undefined) throw new Error(value.error.split('\n')[0].slice(0, 200));
    return value;
  }

  /** Lets the process end by itself and waits for it. */
  quit() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return undefined;
    return new Promise((resolve) => {
      this.#child.on('close', resolve);
      this.#child.stdin.end();
      // A library that does not let go of its threads is not waited for.
      setTimeout(() => this.#child.kill('SIGKILL'), 3000).unref();
    });
  }
}
