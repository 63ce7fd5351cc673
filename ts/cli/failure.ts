import { basename, dirname, resolve } from 'node:path';
import { isTinyQuantError, TinyQuantError } from '../errors.js';

/** What the process exits with; scripts rely on these. */
export const EXIT = { done: 0, failed: 1, usage: 2, data: 3 } as const;

const SIGNAL_EXITS: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Why the work was aborted: the user or the system asked for it. */
export class Interrupted extends Error {
  readonly signal: string;

  constructor(signal: string) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

/** Why the work was aborted: nobody reads the output any more, which is no failure. */
export class BrokenPipe extends Error {}

/** The error for a wrong invocation. */
export function usage(message: string, details: object = {}): TinyQuantError {
  return new TinyQuantError('ERR_TQ_INVALID_ARG', message, { details: { ...details } });
}

/** The error for content that is not what it should be. */
export function badData(message: string, details: object, cause?: unknown): TinyQuantError {
  return new TinyQuantError('ERR_TQ_FORMAT', message, { details: { ...details }, cause });
}

/** What Node reports about a file operation. */
export interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly path?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  if (!(error instanceof Error) || isTinyQuantError(error)) return false;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
}

const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'the file exists',
  EISDIR: 'is a folder',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the file system is read-only',
};

/** The error for a file operation the system refused. */
export function ioError(error: unknown, path: string): unknown {
  if (!isSystemError(error)) return error;
  const { code, syscall } = error;
  const reason = SYSTEM_TEXTS[code] ?? error.message.replace(/^[A-Z0-9]+: /, '');
  return new TinyQuantError('ERR_TQ_IO', `${path}: ${reason}`, {
    cause: error,
    details: { errno: code, path, ...(syscall === undefined ? {} : { syscall }) },
  });
}

/** Runs a file operation; what the system refuses is named by path. */
export async function withPath<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw ioError(error, path);
  }
}

const DATA_CODES: ReadonlySet<string> = new Set([
  'ERR_TQ_FORMAT',
  'ERR_TQ_VERSION',
  'ERR_TQ_CHECKSUM',
  'ERR_TQ_TRUNCATED',
  'ERR_TQ_NON_FINITE',
  'ERR_TQ_DIM_MISMATCH',
  'ERR_TQ_CONFIG_MISMATCH',
  'ERR_TQ_CODEBOOK_MISMATCH',
  'ERR_TQ_ID_EXISTS',
  'ERR_TQ_ID_RANGE',
]);

/** Refusals of the place that is written to, wherever they are reported. */
const OUTPUT_ERRNOS: ReadonlySet<string> = new Set(['EEXIST', 'ENOSPC', 'EDQUOT', 'EROFS', 'EPIPE']);

/** Whether a path is that of an output, or of the temporary file beside it. */
function isOutput(path: string, outputs: ReadonlySet<string>): boolean {
  const full = resolve(path);
  for (const output of outputs) {
    if (full === output || full === dirname(output)) return true;
    if (dirname(full) === dirname(output) && basename(full).includes(basename(output))) return true;
  }
  return false;
}

function ioExit(details: Readonly<Record<string, unknown>>, paths: Paths): number {
  const { errno, path, kind } = details;
  if (kind === 'Locked' || typeof path !== 'string') return EXIT.failed;
  if (typeof errno === 'string' && OUTPUT_ERRNOS.has(errno)) return EXIT.failed;
  if (paths.inputs.has(resolve(path))) return EXIT.data;
  return isOutput(path, paths.outputs) ? EXIT.failed : EXIT.data;
}

/** Absolute paths a command reads and writes. */
export interface Paths {
  readonly inputs: ReadonlySet<string>;
  readonly outputs: ReadonlySet<string>;
}

/** Exit code for what ended a command. */
export function exitCodeOf(error: unknown, paths: Paths): number {
  if (error instanceof BrokenPipe) return EXIT.done;
  if (error instanceof Interrupted) return SIGNAL_EXITS[error.signal] ?? EXIT.failed;
  if (!isTinyQuantError(error)) return EXIT.failed;
  const { code, details = {} } = error;
  if (DATA_CODES.has(code)) return EXIT.data;
  switch (code) {
    case 'ERR_TQ_INVALID_ARG':
      // Too few distinct values to train on is a property of the data, not of the invocation.
      return details.kind === 'InsufficientTrainingData' ? EXIT.data : EXIT.usage;
    case 'ERR_TQ_POLICY':
      return EXIT.usage;
    case 'ERR_TQ_LIMIT':
      // With a row it is a value of the input that half precision cannot hold.
      return details.row === undefined ? EXIT.failed : EXIT.data;
    case 'ERR_TQ_IO':
      return ioExit(details, paths);
    default:
      return EXIT.failed;
  }
}

/** JSON text of a value; 64-bit integers, which JSON numbers cannot hold, become decimal text. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
}

/** An error as the `--json` mode reports it. */
export function errorJson(error: unknown): string {
  const body = isTinyQuantError(error)
    ? { code: error.code, message: oneLine(error.message), details: error.details ?? {} }
    : error instanceof Interrupted
      ? { code: error.signal, message: error.message, details: {} }
      : { code: 'ERR_TQ_INTERNAL', message: oneLine(messageOf(error)), details: {} };
  return toJson({ error: body });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A message of several lines in one. */
export function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*\n\s*/g, ' ');
}
