import { boolean, options } from './validate.js';

/** Options of {@link Corpus.open} and {@link SearchIndex.open}. */
export interface OpenOptions {
  /**
   * Maps the file into memory instead of reading it piece by piece. A mapped file must not be cut short by another
   * program: touching what is gone ends the process. Files that this package replaces or extends are safe. Default
   * `true`.
   */
  readonly mmap?: boolean;
  /** Checks the whole file first, as {@link verifyFile} does. Default `false`. */
  readonly verify?: boolean;
  /** Stops the opening; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Checks {@link OpenOptions}; the signal is not looked at. */
export function openOptions(value: unknown): { mmap: boolean; verify: boolean; signal: unknown } {
  const { mmap, verify, signal } = options(value, 'open options', ['mmap', 'verify', 'signal']);
  return {
    mmap: mmap === undefined ? true : boolean(mmap, 'mmap'),
    verify: verify === undefined ? false : boolean(verify, 'verify'),
    signal,
  };
}
