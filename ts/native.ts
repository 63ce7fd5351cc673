import { resolve } from 'node:path';
import { ERROR_CODES, type ErrorCode, type ErrorDetails, TinyQuantError } from './errors.js';
import { loadFailure } from './load-failure.js';
import type { NativeBinding } from './native-types.js';

function find(chosen: string | undefined): unknown {
  if (chosen !== undefined) {
    const target = { exports: {} };
    process.dlopen(target, chosen);
    return target.exports;
  }
  // The literal lets tracing tools and bundlers see the file; the path is relative to the compiled module in dist/.
  return require('../native/binding.cjs');
}

function load(): NativeBinding {
  const path = process.env.TINYQUANT_NATIVE_PATH;
  const chosen = path === undefined || path === '' ? undefined : resolve(path);
  try {
    const binding = find(chosen) as Partial<NativeBinding>;
    if (typeof binding.NativeConfig !== 'function') throw new Error('the file is an addon, but not that of tinyquant');
    return binding as NativeBinding;
  } catch (error) {
    throw loadFailure(error, chosen);
  }
}

/** The loaded addon. */
export const native: NativeBinding = load();

function isErrorCode(code: string): code is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(code);
}

/** Turns what a native call threw into a `TinyQuantError` that keeps code, details and the original as `cause`. */
export function fromNative(error: unknown): TinyQuantError {
  if (error instanceof TinyQuantError) return error;
  const { code, details, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    details?: unknown;
    message?: unknown;
  };
  const text = typeof message === 'string' && message !== '' ? message : String(error);
  if (typeof code === 'string' && isErrorCode(code)) {
    const hasDetails = typeof details === 'object' && details !== null && Object.keys(details).length > 0;
    return new TinyQuantError(
      code,
      text,
      hasDetails ? { cause: error, details: details as ErrorDetails } : { cause: error },
    );
  }
  // The engine refuses a buffer that is too large with a RangeError.
  if (error instanceof RangeError) return new TinyQuantError('ERR_TQ_LIMIT', text, { cause: error });
  return new TinyQuantError('ERR_TQ_INTERNAL', `unexpected failure of the native addon: ${text}`, { cause: error });
}

/** Runs a synchronous native call and translates its failure. */
export function call<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromNative(error);
  }
}
