import { fromNative, native } from './native.js';
import type { NativeAbort, NativeProgress } from './native-types.js';
import { invalidArg } from './validate.js';

/** What `onProgress` receives. */
export interface Progress {
  /** The kind of work. */
  readonly phase: 'add' | 'build' | 'compress' | 'decompress' | 'fit' | 'save' | 'search' | 'train' | 'verify';
  /** Vectors finished so far, bytes where a file is verified; never decreases. */
  readonly done: number;
  /** Vectors or bytes in all. */
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
   * after the promise has settled. An exception in it stops the job and is what the promise rejects with; that of the
   * last call comes when the work is done, and undoes nothing.
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

/** Why a signal aborted. One that knows no reasons, as from an older polyfill, gets the usual one. */
export function reasonOf(signal: AbortSignal): unknown {
  const reason: unknown = signal.reason;
  return reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
}

interface Stops {
  readonly stops: Set<() => void>;
  readonly listener: () => void;
}

/** What to stop by signal. All jobs of a signal share one listener: Node warns of a leak beyond ten. */
const stopsOf = new WeakMap<AbortSignal, Stops>();

/**
 * Calls `stop` when the signal aborts.
 *
 * @returns ends that, and must be called
 */
export function whenAborted(signal: AbortSignal, stop: () => void): () => void {
  let entry = stopsOf.get(signal);
  if (entry === undefined) {
    const stops = new Set<() => void>();
    const listener = (): void => {
      stopsOf.delete(signal);
      for (const each of stops) each();
    };
    signal.addEventListener('abort', listener, { once: true });
    entry = { stops, listener };
    stopsOf.set(signal, entry);
  }
  const { stops, listener } = entry;
  stops.add(stop);
  return () => {
    stops.delete(stop);
    if (stops.size > 0) return;
    signal.removeEventListener('abort', listener);
    if (stopsOf.get(signal)?.stops === stops) stopsOf.delete(signal);
  };
}

/** Checks an option that is an `AbortSignal` or absent. */
export function abortSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const candidate = value as Partial<AbortSignal> | null;
  const isSignal =
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.aborted === 'boolean' &&
    typeof candidate.addEventListener === 'function' &&
    typeof candidate.removeEventListener === 'function';
  if (!isSignal) throw invalidArg('signal', 'an AbortSignal', value);
  return candidate as AbortSignal;
}

/** Checks the options of a job. A signal that has aborted already ends the call here, with its reason. */
export function job(given: Record<string, unknown>): Job {
  const { onProgress } = given;
  const signal = abortSignal(given.signal);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidArg('onProgress', 'a function', onProgress);
  if (signal?.aborted) throw reasonOf(signal);
  return { signal, onProgress: onProgress as ((progress: Progress) => void) | undefined };
}

/** The options again, for a call that checks them itself. */
export function jobOptions({ signal, onProgress }: Job): JobOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }) };
}

/** Work that is done once it has succeeded: a signal that aborts after that comes too late. */
const LASTING: ReadonlySet<Progress['phase']> = new Set(['add', 'fit', 'save']);

/**
 * Runs a native job under a signal and a progress callback.
 *
 * @param total number of vectors, for the last report
 * @param start begins the native job; it must not run code of the caller
 * @param newFlag makes the flag of the addon that runs the job
 */
export async function runJob<T>(
  { signal, onProgress }: Job,
  phase: Progress['phase'],
  total: number,
  start: (abort: NativeAbort | null, onProgress: NativeProgress | null) => Promise<T>,
  newFlag: () => NativeAbort = () => new native.NativeAbort(),
): Promise<T> {
  const flag = signal === undefined && onProgress === undefined ? null : newFlag();
  const startedAt = performance.now();
  let last = -1;
  let settled = false;
  let stopped = false;
  let thrown: { readonly error: unknown } | undefined;

  const report = (done: number): void => {
    if (settled || thrown !== undefined || stopped || signal?.aborted || done <= last) return;
    last = done;
    try {
      onProgress?.({ phase, done, total, elapsedMs: performance.now() - startedAt });
    } catch (error) {
      thrown = { error };
      flag?.abort();
    }
  };
  const stop = (): void => {
    stopped = true;
    flag?.abort();
  };
  /** Ends the job with the signal's reason if it has aborted, be it by event or by state alone. */
  const check = (): void => {
    if (signal !== undefined && (stopped || signal.aborted)) throw reasonOf(signal);
  };

  const forget = signal === undefined ? undefined : whenAborted(signal, stop);
  try {
    // A getter of the caller may have aborted while the input was read.
    check();
    const result = await start(flag, onProgress === undefined ? null : report);
    // The last report belongs before the promise settles, however the native side's queue was drained.
    if (onProgress !== undefined) report(total);
    if (thrown !== undefined) throw thrown.error;
    if (!LASTING.has(phase)) check();
    return result;
  } catch (error) {
    if (thrown !== undefined) throw thrown.error;
    check();
    throw fromNative(error);
  } finally {
    settled = true;
    forget?.();
  }
}
