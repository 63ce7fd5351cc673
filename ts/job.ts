import { fromNative, native } from './native.js';
import type { NativeAbort, NativeProgress } from './native-types.js';
import { invalidArg } from './validate.js';

/** What `onProgress` receives. */
export interface Progress {
  /** The kind of work. */
  readonly phase: 'compress' | 'decompress';
  /** Vectors finished so far; never decreases. */
  readonly done: number;
  /** Vectors in all. */
  readonly total: number;
  /** Milliseconds since the call. */
  readonly elapsedMs: number;
}

/** Options of every asynchronous job. */
export interface JobOptions {
  /** Stops the job; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /**
   * Called at most ten times a second, and a last time with `done === total` before the promise resolves; never
   * after the promise has settled. An exception in it stops the job and is what the promise rejects with.
   */
  readonly onProgress?: (progress: Progress) => void;
}

/** Names of the options in {@link JobOptions}. */
export const JOB_OPTION_NAMES: readonly string[] = ['signal', 'onProgress'];

/** Options of {@link JobOptions} after their checks. */
export interface Job {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Checks the options of a job. A signal that has aborted already ends the call here, with its reason. */
export function job(given: Record<string, unknown>): Job {
  const { signal, onProgress } = given;
  if (signal !== undefined) {
    const candidate = signal as Partial<AbortSignal> | null;
    const isSignal =
      typeof candidate === 'object' &&
      candidate !== null &&
      typeof candidate.aborted === 'boolean' &&
      typeof candidate.addEventListener === 'function' &&
      typeof candidate.removeEventListener === 'function';
    if (!isSignal) throw invalidArg('signal', 'an AbortSignal', signal);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidArg('onProgress', 'a function', onProgress);
  const checked = signal as AbortSignal | undefined;
  if (checked?.aborted) throw checked.reason;
  return { signal: checked, onProgress: onProgress as ((progress: Progress) => void) | undefined };
}

/**
 * Runs a native job under a signal and a progress callback.
 *
 * @param total number of vectors, for the last report
 * @param start begins the native job; it must not run code of the caller
 */
export async function runJob<T>(
  { signal, onProgress }: Job,
  phase: Progress['phase'],
  total: number,
  start: (abort: NativeAbort | null, onProgress: NativeProgress | null) => Promise<T>,
): Promise<T> {
  const flag = signal === undefined && onProgress === undefined ? null : new native.NativeAbort();
  const startedAt = performance.now();
  let last = -1;
  let settled = false;
  let thrown: { readonly error: unknown } | undefined;

  const report = (done: number): void => {
    if (settled || thrown !== undefined || signal?.aborted || done <= last) return;
    last = done;
    try {
      onProgress?.({ phase, done, total, elapsedMs: performance.now() - startedAt });
    } catch (error) {
      thrown = { error };
      flag?.abort();
    }
  };
  const onAbort = (): void => flag?.abort();

  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    // A getter of the caller may have aborted while the input was read.
    if (signal?.aborted) throw signal.reason;
    const result = await start(flag, onProgress === undefined ? null : report);
    // The last report belongs before the promise settles, however the native side's queue was drained.
    if (onProgress !== undefined) report(total);
    if (thrown !== undefined) throw thrown.error;
    if (signal?.aborted) throw signal.reason;
    return result;
  } catch (error) {
    if (thrown !== undefined) throw thrown.error;
    if (signal?.aborted) throw signal.reason;
    throw fromNative(error);
  } finally {
    settled = true;
    signal?.removeEventListener('abort', onAbort);
  }
}
