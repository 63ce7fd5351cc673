import { resolve } from 'node:path';
import { version } from '../package.json';
import { cutShort } from './elf.js';
import { ERROR_CODES, type ErrorCode, type ErrorDetails, TinyQuantError } from './errors.js';
import { loadFailure, VersionMismatch } from './load-failure.js';
import type { NativeBinding } from './native-types.js';
import { installedFiles, libc, tripleOf } from './platform.js';

/** An addon that loads, but is not that of tinyquant in this version, is a failure too. */
function checked(loaded: unknown): NativeBinding {
  const binding = loaded as Partial<NativeBinding>;
  if (typeof binding.NativeConfig !== 'function' || typeof binding.version !== 'function') {
    throw new Error('the file is an addon, but not that of tinyquant');
  }
  const found = binding.version();
  if (found !== version) throw new VersionMismatch(found);
  return binding as NativeBinding;
}

/** A file that the system's loader must not see. */
class CutShort extends Error {}

/** Fails where a file on Linux is not all there: nothing could catch what comes of loading it. */
function expectWhole(path: string): void {
  const problem = process.platform === 'linux' ? cutShort(path) : null;
  if (problem !== null) throw new CutShort(problem);
}

function loadFile(path: string): NativeBinding {
  expectWhole(path);
  const target = { exports: {} };
  process.dlopen(target, path);
  return checked(target.exports);
}

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

function loadInstalled(): NativeBinding {
  for (const path of installedFiles()) expectWhole(path);
  // The literal lets tracing tools and bundlers see the file; the path is relative to the compiled module in dist/.
  return checked(require('../native/binding.cjs'));
}

function load(): NativeBinding {
  const path = process.env.TINYQUANT_NATIVE_PATH;
  const chosen = path === undefined || path === '' ? undefined : resolve(path);
  try {
    return chosen === undefined ? loadInstalled() : loadFile(chosen);
  } catch (error) {
    const isFinal = error instanceof VersionMismatch || error instanceof CutShort;
    if (chosen !== undefined || process.platform !== 'linux' || isFinal) throw loadFailure([error], chosen);
    try {
      return loadForLibc();
    } catch (other) {
      throw loadFailure([error, other], chosen);
    }
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
