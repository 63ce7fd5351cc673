import { assertInternal, Handle, INTERNAL } from './handle.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeScaledRows } from './native-scalar.js';
import { invalidArg, notAHandle, oneOf, options, u32 } from './validate.js';
import { bytes, toVector, type Vector } from './vectors.js';

/** Bits of a code of {@link ScaledRows}. */
export type RowBits = 6 | 8;

/** The fields of {@link ScaledRows} that fit in a line. */
export interface ScaledRowsSummary {
  /** Rows of the matrix. */
  readonly rows: number;
  /** Columns of the matrix. */
  readonly cols: number;
  /** Bits of a value. */
  readonly bits: RowBits;
  /** Bytes of codes and scales. */
  readonly sizeBytes: number;
}

/** Options of {@link ScaledRows.toBytes}. */
export interface ScaledRowsBytesOptions {
  /**
   * `'bytes'` (default): a byte for each code, which general compressors make the most of. `'packed'`: four codes of 6
   * bits in three bytes; codes of 8 bits are written the same either way.
   */
  readonly layout?: 'bytes' | 'packed';
}

/** The native half of a matrix; refuses anything else. Set by the class below. */
export let nativeRows: (value: unknown, argument: string) => NativeScaledRows;
/** Wraps a matrix the native side made. Set by the class below. */
export let wrapRows: (handle: NativeScaledRows) => ScaledRows;

/**
 * A matrix of codes with one scale a row: `scale = max |w| / 127` (31 for 6 bits), `code = round(w / scale)` with halves away
 * from zero, back `code * scale`; a row of zeros has scale 1. The rows are those of model_compress. Immutable.
 *
 * @example
 * const quantized = quantizeRows(weights, 512, 512, 8);
 * const back = dequantizeRows(quantized); // every error is at most half the scale of its row
 */
export class ScaledRows extends Handle {
  readonly #native: NativeScaledRows;

  static {
    nativeRows = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, argument, 'ScaledRows');
      return value.#native;
    };
    wrapRows = (handle) => new ScaledRows(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeScaledRows) {
    super();
    assertInternal(token, 'ScaledRows', 'quantizeRows or ScaledRows.fromBytes');
    this.#native = handle;
  }

  /**
   * Reads what {@link ScaledRows.toBytes} wrote.
   *
   * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION or ERR_TQ_FORMAT with the offset in `details`
   */
  static fromBytes(b: Uint8Array): ScaledRows {
    const data = bytes(b, 'bytes');
    return new ScaledRows(
      INTERNAL,
      call(() => native.NativeScaledRows.fromBytes(data)),
    );
  }

  /** Number of rows. */
  get rows(): number {
    return nativeRows(this, 'this').rows;
  }

  /** Values of a row. */
  get cols(): number {
    return nativeRows(this, 'this').cols;
  }

  /** Bits of a code. */
  get bits(): RowBits {
    return nativeRows(this, 'this').bits as RowBits;
  }

  /** Bytes of codes and scales in memory. */
  get sizeBytes(): number {
    return nativeRows(this, 'this').sizeBytes;
  }

  /** A copy of the codes, row-major: from -31 to 31 or from -127 to 127. */
  codes(): Int8Array {
    return call(() => nativeRows(this, 'this').codes());
  }

  /** A copy of the scales, one a row. */
  scales(): Float32Array {
    return call(() => nativeRows(this, 'this').scales());
  }

  /**
   * The binary form: `TQRW`, version, bits, layout, rows, columns, scales, codes.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
   */
  toBytes(o?: ScaledRowsBytesOptions): Uint8Array {
    const handle = nativeRows(this, 'this');
    const { layout } = options(o, 'toBytes options', ['layout']);
    const packed = layout !== undefined && oneOf(layout, 'layout', ['bytes', 'packed'] as const) === 'packed';
    return call(() => handle.toBytes(packed));
  }

  /** A summary; the content is in {@link ScaledRows.toBytes}. */
  toJSON(): ScaledRowsSummary {
    const { rows, cols, bits, sizeBytes } = nativeRows(this, 'this');
    return { rows, cols, bits: bits as RowBits, sizeBytes };
  }
}

interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
  readonly bits: RowBits;
}

function matrixOf(matrix: unknown, rows: unknown, cols: unknown, bits: unknown): Matrix {
  const { data } = toVector(matrix, 'matrix');
  const count = u32(rows, 'rows', 'an integer of at least 1');
  const width = u32(cols, 'cols', 'an integer of at least 1');
  if (bits !== 6 && bits !== 8) throw invalidArg('bits', '6 or 8', bits);
  return { data, rows: count, cols: width, bits };
}

/**
 * Quantizes each row of a matrix for itself, symmetric around zero: the scale is the greatest magnitude over 127 (8 bits)
 * or 31 (6 bits), a code the nearest multiple of it, halves away from zero.
 *
 * @param matrix row-major `rows * cols` finite values
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE with row and column
 */
export function quantizeRows(matrix: Vector, rows: number, cols: number, bits: RowBits): ScaledRows {
  const given = matrixOf(matrix, rows, cols, bits);
  return wrapRows(call(() => native.NativeScaledRows.quantizeSync(given.data, given.rows, given.cols, given.bits)));
}

/**
 * {@link quantizeRows} on the thread pool. The matrix may be changed as soon as the call has returned.
 *
 * @throws {TinyQuantError} as {@link quantizeRows}; the promise rejects, the call itself never throws
 */
export async function quantizeRowsAsync(
  matrix: Vector,
  rows: number,
  cols: number,
  bits: RowBits,
  o?: JobOptions,
): Promise<ScaledRows> {
  const control = job(options(o, 'quantizeRows options', JOB_OPTION_NAMES));
  const given = matrixOf(matrix, rows, cols, bits);
  const handle = await runJob(control, 'compress', given.rows, (abort, onProgress) =>
    native.quantizeScaledRows(given.data, given.rows, given.cols, given.bits, abort, onProgress),
  );
  return wrapRows(handle);
}

/**
 * The values of a quantized matrix, row-major.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
 */
export function dequantizeRows(q: ScaledRows): Float32Array {
  const handle = nativeRows(q, 'q');
  return call(() => handle.dequantizeSync());
}

/**
 * {@link dequantizeRows} on the thread pool.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG; the promise rejects, the call itself never throws
 */
export async function dequantizeRowsAsync(q: ScaledRows, o?: Pick<JobOptions, 'signal'>): Promise<Float32Array> {
  const control = job(options(o, 'dequantizeRows options', ['signal']));
  const handle = nativeRows(q, 'q');
  return runJob(control, 'decompress', handle.rows, (abort) => handle.dequantize(abort));
}
