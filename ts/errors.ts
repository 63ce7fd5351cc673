/**
 * Every code a `TinyQuantError` can carry. The native side keeps the same list; a test compares the two.
 *
 * | code | raised when |
 * | --- | --- |
 * | `ERR_TQ_INVALID_ARG` | an argument has the wrong type, range or shape, or an option is unknown |
 * | `ERR_TQ_DIM_MISMATCH` | a vector's length is not the configured dimension |
 * | `ERR_TQ_NON_FINITE` | a vector holds NaN or an infinity; `details` names row and column |
 * | `ERR_TQ_CONFIG_MISMATCH` | a record was written under another configuration |
 * | `ERR_TQ_CODEBOOK_MISMATCH` | codebook, record and configuration disagree about the bit width |
 * | `ERR_TQ_POLICY` | an operation does not fit the compression policy |
 * | `ERR_TQ_ID_EXISTS` | an id is already taken |
 * | `ERR_TQ_ID_NOT_FOUND` | no entry has that id |
 * | `ERR_TQ_ID_RANGE` | an id lies outside the range of its type |
 * | `ERR_TQ_CLOSED` | the object has been closed |
 * | `ERR_TQ_FORMAT` | serialised data breaks its format |
 * | `ERR_TQ_VERSION` | serialised data has a version this release does not read |
 * | `ERR_TQ_CHECKSUM` | a checksum does not match |
 * | `ERR_TQ_TRUNCATED` | serialised data ends too early |
 * | `ERR_TQ_IO` | the operating system refused a file operation |
 * | `ERR_TQ_LIMIT` | a value or size exceeds what the format or the machine can hold |
 * | `ERR_TQ_GPU` | a graphics device failed or is missing |
 * | `ERR_TQ_BACKEND` | a storage or search backend failed |
 * | `ERR_TQ_NATIVE_LOAD` | the native addon cannot be loaded |
 * | `ERR_TQ_INTERNAL` | a defect of this package |
 */
export const ERROR_CODES = [
  'ERR_TQ_INVALID_ARG',
  'ERR_TQ_DIM_MISMATCH',
  'ERR_TQ_NON_FINITE',
  'ERR_TQ_CONFIG_MISMATCH',
  'ERR_TQ_CODEBOOK_MISMATCH',
  'ERR_TQ_POLICY',
  'ERR_TQ_ID_EXISTS',
  'ERR_TQ_ID_NOT_FOUND',
  'ERR_TQ_ID_RANGE',
  'ERR_TQ_CLOSED',
  'ERR_TQ_FORMAT',
  'ERR_TQ_VERSION',
  'ERR_TQ_CHECKSUM',
  'ERR_TQ_TRUNCATED',
  'ERR_TQ_IO',
  'ERR_TQ_LIMIT',
  'ERR_TQ_GPU',
  'ERR_TQ_BACKEND',
  'ERR_TQ_NATIVE_LOAD',
  'ERR_TQ_INTERNAL',
] as const;
Object.freeze(ERROR_CODES);

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Facts about a failure, by name. `kind`, where present, is the name TinyQuant's own packages use for it. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** What {@link TinyQuantError} takes beside code and message. */
export interface TinyQuantErrorOptions {
  /** Facts about the failure: `row`, `column`, `offset`, `expected`, `got`, `kind` and the like. */
  readonly details?: ErrorDetails;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * The only error class this package throws on its own account. An aborted call rejects with `signal.reason` instead,
 * and an exception from a callback or an iterable of the caller passes through unchanged.
 *
 * @example
 * try {
 *   codec.compress(vector, config, codebook);
 * } catch (error) {
 *   if (isTinyQuantError(error) && error.code === 'ERR_TQ_NON_FINITE') console.log(error.details);
 * }
 */
export class TinyQuantError extends Error {
  /** Stable identifier of the failure; messages may change between releases, codes do not. */
  readonly code: ErrorCode;
  /** Facts about the failure; absent when there are none beyond the message. */
  declare readonly details?: ErrorDetails;

  /**
   * An error of this package.
   *
   * @param code one of {@link ERROR_CODES}
   * @param message what was given, what was expected and where
   * @param options details and cause
   */
  constructor(code: ErrorCode, message: string, options: TinyQuantErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options.details !== undefined) this.details = options.details;
  }

  static {
    Object.defineProperty(TinyQuantError.prototype, 'name', {
      value: 'TinyQuantError',
      writable: true,
      configurable: true,
    });
  }
}

/**
 * Tells whether a value is an error of this package. Unlike `instanceof` it also recognises errors that come from
 * another installed copy or another realm.
 *
 * @example
 * if (isTinyQuantError(error)) console.error(error.code, error.message);
 */
export function isTinyQuantError(value: unknown): value is TinyQuantError {
  if (typeof value !== 'object' || value === null) return false;
  const { name, code, message } = value as { name?: unknown; code?: unknown; message?: unknown };
  return (
    name === 'TinyQuantError' && typeof code === 'string' && code.startsWith('ERR_TQ_') && typeof message === 'string'
  );
}
