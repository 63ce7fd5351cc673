import { expectAddon, firstOf, openFile, pathIn } from './addon.js';
import { cutShort } from './elf.js';
import { ERROR_CODES, type ErrorCode, type ErrorDetails, TinyQuantError } from './errors.js';
import { loadFailure } from './load-failure.js';
import type { NativeBinding } from './native-types.js';
import { installedFiles, libc, tripleOf } from './platform.js';

const checked = (loaded: unknown): NativeBinding => expectAddon<NativeBinding>(loaded, 'NativeConfig', 'tinyquant');

/**
 * The package of this process' C library. The generated loader takes the library from a file of the distribution, which
 * need not be the one that Node is linked to, and then asks for the other package. Every name is a literal, so that
 * tracing tools see it.
 */
function loadForLibc(): NativeBinding {
  const triple = tripleOf(libc());
  try {
    if (triple === 'linux-x64-gnu') return checked(require('@tinyquant/native-linux-x64-gnu'));
    if (triple === 'linux-x64-musl') return checked(require('@tinyquant/native-linux-x64-musl'));
    if (triple === 'linux-arm64-gnu') return checked(require('@tinyquant/native-linux-arm64-gnu'));
    return checked(require('@tinyquant/native-linux-arm64-musl'));
  } catch (error) {
    // Bundlers let a package be absent only where its absence is caught here.
    throw error instanceof Error ? error : new Error(String(error));
  }
}

function loadGenerated(): NativeBinding {
  // The literal lets tracing tools and bundlers see the file; the path is relative to the compiled module in dist/.
  return checked(require('../native/binding.cjs'));
}

/** The ways to the addon, in the order in which they are tried. */
function waysTo(chosen: string | undefined): (() => NativeBinding)[] {
  if (chosen !== undefined) return [() => checked(openFile(chosen))];
  if (process.platform !== 'linux') return [loadGenerated];
  const files = installedFiles('native');
  const own = files.get(tripleOf(libc()) ?? '');
  const damaged = [...files.values()].filter((path) => cutShort(path) !== null);
  // Opening the file says what is wrong with it.
  if (own !== undefined && damaged.includes(own)) return [() => checked(openFile(own))];
  // The generated loader may take the damaged package of the other C library, which this process does not need.
  return damaged.length > 0 ? [loadForLibc] : [loadGenerated, loadForLibc];
}

function load(): NativeBinding {
  const chosen = pathIn('TINYQUANT_NATIVE_PATH');
  return firstOf(waysTo(chosen), (errors) => loadFailure(errors, chosen));
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
