import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import type { NativeQuantizedRows, NativeRowMethod } from './native-types.js';
import { notAHandle } from './validate.js';
import { bytes } from './vectors.js';

/** The native half of quantized rows; refuses anything else. Set by the class below. */
export let nativeRows: (value: unknown, argument: string) => NativeQuantizedRows;
/** Wraps rows the native side made. Set by the class below. */
export let wrapRows: (handle: NativeQuantizedRows) => QuantizedRows;

/** Which codec made rows. */
export type RowKind = 'mse' | 'prod';

/** Where the projections of a sketch come from. */
export type SketchKind = 'gaussian' | 'rotation';

/** A summary of {@link QuantizedRows}. */
export interface QuantizedRowsSummary {
  /** Codec of the rows. */
  readonly kind: RowKind;
  /** How many rows. */
  readonly rows: number;
  /** Values of a row. */
  readonly dim: number;
  /** Bits of a value. */
  readonly bits: number;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly seed: string;
  /** Only of rows of an `MseCodec`. */
  readonly unbiased?: boolean;
  /** Only of rows of a `ProdCodec`. */
  readonly sketch?: SketchKind;
  /** Bytes of the rows. */
  readonly nbytes: number;
}

/** The native name of a codec's method in the terms of its options. */
export function methodParts(method: NativeRowMethod): { kind: RowKind; unbiased?: boolean; sketch?: SketchKind } {
  if (method === 'mse' || method === 'unbiased') return { kind: 'mse', unbiased: method === 'unbiased' };
  return { kind: 'prod', sketch: method };
}

/**
 * Vectors quantized by an `MseCodec` or a `ProdCodec`. A row is its norm (a float), `ceil(dim * b / 8)` bytes of codes of `b`
 * bits, and from a `ProdCodec`, whose codes have one bit less than its `bits`, a second norm and `ceil(dim / 8)` bytes of
 * signs: `bits * dim + 32` or `bits * dim + 64` bits a row, rounded up to bytes. Immutable.
 *
 * @example
 * const rows = codec.quantize(vectors);
 * const same = QuantizedRows.fromBytes(rows.toBytes());
 */
export class QuantizedRows extends Handle {
  readonly #native: NativeQuantizedRows;

  static {
    nativeRows = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, argument, 'QuantizedRows');
      return value.#native;
    };
    wrapRows = (handle) => new QuantizedRows(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeQuantizedRows) {
    super();
    assertInternal(token, 'QuantizedRows', 'MseCodec.quantize, ProdCodec.quantize or QuantizedRows.fromBytes');
    this.#native = handle;
  }

  /**
   * Reads the bytes that {@link QuantizedRows.toBytes} writes, and refuses all others.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED or ERR_TQ_CHECKSUM, with the offset in
   * `details`
   */
  static fromBytes(b: Uint8Array): QuantizedRows {
    const data = bytes(b, 'bytes');
    return new QuantizedRows(
      INTERNAL,
      call(() => native.NativeQuantizedRows.fromBytes(data)),
    );
  }

  /** Number of vectors. */
  get rows(): number {
    return nativeRows(this, 'this').rows;
  }

  /** Values per vector. */
  get dim(): number {
    return nativeRows(this, 'this').dim;
  }

  /** Bits per value, those of a sketch included. */
  get bits(): number {
    return nativeRows(this, 'this').bits;
  }

  /** Seed of the codec. */
  get seed(): bigint {
    return nativeRows(this, 'this').seed;
  }

  /** Which codec made the rows. */
  get kind(): RowKind {
    return methodParts(nativeRows(this, 'this').method).kind;
  }

  /** Bytes of the rows; the serialised form has 36 more. */
  get nbytes(): number {
    return nativeRows(this, 'this').nbytes;
  }

  /** A copy of the norms: the length of each vector, or with `unbiased` what makes its inner products right on average. */
  norms(): Float32Array {
    return call(() => nativeRows(this, 'this').norms());
  }

  /** A copy of the packed codes, lowest bits first; each vector starts on a byte. */
  codes(): Uint8Array {
    return call(() => nativeRows(this, 'this').codes());
  }

  /** A copy of the lengths of what the codes leave of each vector brought to length 1; empty without a sketch. */
  residualNorms(): Float32Array {
    return call(() => nativeRows(this, 'this').residualNorms());
  }

  /** A copy of the packed signs, a bit for each projection, 1 where it is not negative; empty without a sketch. */
  signs(): Uint8Array {
    return call(() => nativeRows(this, 'this').signs());
  }

  /** Header with everything that {@link QuantizedRows.fromBytes} needs, rows, and a checksum. */
  toBytes(): Uint8Array {
    return call(() => nativeRows(this, 'this').toBytes());
  }

  /** A summary; the content is in {@link QuantizedRows.toBytes}. */
  toJSON(): QuantizedRowsSummary {
    const { rows, dim, bits, seed, method, nbytes } = nativeRows(this, 'this');
    return { ...methodParts(method), rows, dim, bits, seed: seed.toString(), nbytes };
  }
}
