import { reasonOf } from '../job.js';

/** Milliseconds of work after which other tasks of the process get their turn. */
const TURN = 8;

/** Lets long work on the calling thread give way to others, and stops it by signal. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #since: number = performance.now();
  #away = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Milliseconds of this process' own time: those in which others had their turn do not count. */
  now(): number {
    return performance.now() - this.#away;
  }

  /** To be called every few milliseconds; gives way when a turn is over. */
  async breathe(): Promise<void> {
    const start = performance.now();
    if (start - this.#since < TURN) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    if (this.#signal?.aborted) throw reasonOf(this.#signal);
    this.#since = performance.now();
    this.#away += this.#since - start;
  }

  /** Calls `body` for consecutive ranges that cover 0 to `total`, `size` long but for the last. */
  async ranges(total: number, size: number, body: (from: number, to: number) => void): Promise<void> {
    for (let from = 0; from < total; from += size) {
      body(from, Math.min(total, from + size));
      await this.breathe();
    }
  }
}
