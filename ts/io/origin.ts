import { type ErrorCode, type ErrorDetails, TinyQuantError } from '../errors.js';

/** Where bytes come from or go to, for messages and details. */
export interface Origin {
  /** Absent for a stream. */
  readonly path?: string;
}

/** A failure of the data, which names the file. */
export function failure(
  { path }: Origin,
  code: ErrorCode,
  text: string,
  details: ErrorDetails = {},
  options: { cause?: unknown } = {},
): TinyQuantError {
  return new TinyQuantError(code, `${path ?? 'the stream'}: ${text}`, {
    ...options,
    details: path === undefined ? details : { path, ...details },
  });
}

/** Turns what the file system threw into `ERR_TQ_IO`. */
export function ioFailure(error: unknown, path: string): unknown {
  if (typeof error !== 'object' || error === null || error instanceof TinyQuantError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || syscall === undefined) return error;
  return failure({ path }, 'ERR_TQ_IO', `${syscall} failed with ${code}`, { errno: code, syscall }, { cause: error });
}

/** Runs one operation of the file system. */
export async function io<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw ioFailure(error, path);
  }
}
