import { type BitWidth, type CodecConfig, nativeConfig } from './config.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import type { NativeCodebook, TrainMethod } from './native-types.js';
import { bitWidth as checkedWidth, notAHandle, oneOf, options } from './validate.js';
import { bytes, toRows, toVector, type VectorRows } from './vectors.js';

/** Options of {@link Codebook.train}. */
export interface TrainOptions {
  /**
   * `'tinyquant'` (default): uniform quantiles of the training values, the same entries as every other TinyQuant
   * implementation. `'lloyd-max'`: the entries of least squared error on the rotated values (Max 1960, Lloyd 1982);
   * more accurate at equal size, and readable by every implementation.
   */
  readonly method?: TrainMethod;
}

export type { TrainMethod };

/** The native half of a codebook; refuses anything else. Set by the class below. */
export let nativeCodebook: (value: unknown, argument: string) => NativeCodebook;

/** Wraps a codebook the native side made. Set by the class below. */
export let wrapCodebook: (handle: NativeCodebook) => Codebook;

/**
 * The `2 ** bitWidth` ascending values that coordinates are rounded to. It is not part of a record: keep it (see
 * {@link Codebook.toBytes}) beside the records made with it.
 *
 * @example
 * const codebook = Codebook.train(vectors, config); // vectors: Float32Array of n * config.dimension
 * const same = Codebook.fromBytes(codebook.toBytes());
 */
export class Codebook extends Handle {
  readonly #native: NativeCodebook;

  static {
    nativeCodebook = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, argument, 'Codebook');
      return value.#native;
    };
    wrapCodebook = (handle) => new Codebook(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeCodebook) {
    super();
    assertInternal(token, 'Codebook', 'Codebook.train, Codebook.fromEntries or Codebook.fromBytes');
    this.#native = handle;
  }

  /**
   * Trains a codebook on sample vectors. Training sorts all values: O(m log m) for m values.
   *
   * @param vectors row-major `n * config.dimension` values, or an array of vectors
   * @param config gives bit width and dimension; with `'lloyd-max'` also the rotation
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InsufficientTrainingData when fewer than `2 ** bitWidth`
   * distinct entries result, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  static train(vectors: VectorRows, config: CodecConfig, o?: TrainOptions): Codebook {
    const configHandle = nativeConfig(config, 'config');
    const given = options(o, 'train options', ['method']);
    const method =
      given.method === undefined ? 'tinyquant' : oneOf(given.method, 'method', ['tinyquant', 'lloyd-max'] as const);
    const { data } = toRows(vectors, configHandle.dimension, 'vectors');
    return new Codebook(
      INTERNAL,
      call(() => native.NativeCodebook.train(data, configHandle, method)),
    );
  }

  /**
   * A codebook of given entries.
   *
   * @param entries `2 ** bitWidth` finite values, strictly ascending
   * @param bitWidth 2, 4 or 8
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind CodebookEntryCount, CodebookNotSorted, CodebookDuplicate or
   * UnsupportedBitWidth; ERR_TQ_NON_FINITE
   */
  static fromEntries(entries: Float32Array | readonly number[], bitWidth: BitWidth): Codebook {
    const width = checkedWidth(bitWidth, 'bitWidth');
    const { data } = toVector(entries, 'entries');
    return new Codebook(
      INTERNAL,
      call(() => native.NativeCodebook.fromEntries(data, width)),
    );
  }

  /**
   * Reads a TQCB file image, as {@link Codebook.toBytes} and TinyQuant's command line write it.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION or ERR_TQ_TRUNCATED; ERR_TQ_INVALID_ARG or
   * ERR_TQ_NON_FINITE where the entries are no valid codebook
   */
  static fromBytes(b: Uint8Array): Codebook {
    const data = bytes(b, 'bytes');
    return new Codebook(
      INTERNAL,
      call(() => native.NativeCodebook.fromBytes(data)),
    );
  }

  /** Bits per coordinate. */
  get bitWidth(): BitWidth {
    return nativeCodebook(this, 'this').bitWidth as BitWidth;
  }

  /** Number of entries, `2 ** bitWidth`. */
  get numEntries(): number {
    return nativeCodebook(this, 'this').numEntries;
  }

  /** A copy of the entries, ascending. */
  entries(): Float32Array {
    return call(() => nativeCodebook(this, 'this').entries());
  }

  /** A TQCB file image: magic, version, bit width, entry count, then the entries as little-endian f32. */
  toBytes(): Uint8Array {
    return call(() => nativeCodebook(this, 'this').toBytes());
  }

  /** A summary; the entries themselves are in {@link Codebook.entries}. */
  toJSON(): { bitWidth: BitWidth; numEntries: number } {
    const { bitWidth, numEntries } = nativeCodebook(this, 'this');
    return { bitWidth: bitWidth as BitWidth, numEntries };
  }
}
