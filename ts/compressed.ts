import type { BitWidth, ConfigHash } from './config.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import type { NativeBatch, NativeRecord } from './native-types.js';
import { integer, invalidArg, notAHandle } from './validate.js';
import { bytes } from './vectors.js';

/** The native half of a record; refuses anything else. Set by the class below. */
export let nativeRecord: (value: unknown, argument: string) => NativeRecord;
/** Wraps a record the native side made. Set by the class below. */
export let wrapRecord: (handle: NativeRecord) => CompressedVector;
/** The native half of a batch, or `undefined` for anything else. Set by the class below. */
export let nativeBatch: (value: unknown) => NativeBatch | undefined;
/** Wraps a batch the native side made. Set by the class below. */
export let wrapBatch: (handle: NativeBatch) => CompressedBatch;

/** The fields of a {@link CompressedVector} that fit in a line. */
export interface CompressedVectorSummary {
  /** Hash of the configuration. */
  readonly configHash: ConfigHash;
  /** Number of coordinates. */
  readonly dimension: number;
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Whether there is a residual. */
  readonly hasResidual: boolean;
  /** Bytes of the payload. */
  readonly sizeBytes: number;
}

/**
 * One compressed vector: an index into the codebook per coordinate and, where the configuration asks for it, a
 * half-precision residual. Immutable.
 *
 * @example
 * const record = codec.compress(vector, config, codebook);
 * const same = CompressedVector.fromBytes(record.toBytes());
 */
export class CompressedVector extends Handle {
  readonly #native: NativeRecord;

  static {
    nativeRecord = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, argument, 'CompressedVector');
      return value.#native;
    };
    wrapRecord = (handle) => new CompressedVector(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeRecord) {
    super();
    assertInternal(token, 'CompressedVector', 'Codec.compress or CompressedVector.fromBytes');
    this.#native = handle;
  }

  /**
   * Reads one Level-1 record. Anything the format does not allow is refused, trailing bytes and set padding bits
   * included, so that writing the result gives the same bytes again.
   *
   * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION or ERR_TQ_FORMAT with the offset in `details`
   */
  static fromBytes(b: Uint8Array): CompressedVector {
    const data = bytes(b, 'bytes');
    return new CompressedVector(
      INTERNAL,
      call(() => native.NativeRecord.fromBytes(data)),
    );
  }

  /** Hash of the configuration the record was made under. */
  get configHash(): ConfigHash {
    return nativeRecord(this, 'this').configHash;
  }

  /** Number of coordinates stored. */
  get dimension(): number {
    return nativeRecord(this, 'this').dimension;
  }

  /** Bits per coordinate. */
  get bitWidth(): BitWidth {
    return nativeRecord(this, 'this').bitWidth as BitWidth;
  }

  /** Whether the record keeps a residual. */
  get hasResidual(): boolean {
    return nativeRecord(this, 'this').hasResidual;
  }

  /**
   * Bytes of the payload: `ceil(dimension * bitWidth / 8)`, plus `2 * dimension` with a residual. The serialised
   * record is 71 bytes longer, 75 with a residual.
   */
  get sizeBytes(): number {
    return nativeRecord(this, 'this').sizeBytes;
  }

  /** A copy of the codebook indices, one byte per coordinate. */
  indices(): Uint8Array {
    return call(() => nativeRecord(this, 'this').indices());
  }

  /** A copy of the residual, `2 * dimension` bytes of little-endian binary16, or `null` without one. */
  residual(): Uint8Array | null {
    return call(() => nativeRecord(this, 'this').residual());
  }

  /** The Level-1 record: version, configuration hash, dimension, bit width, packed indices, residual. */
  toBytes(): Uint8Array {
    return call(() => nativeRecord(this, 'this').toBytes());
  }

  /** A summary; the content is in {@link CompressedVector.toBytes}. */
  toJSON(): CompressedVectorSummary {
    const { configHash, dimension, bitWidth, hasResidual, sizeBytes } = nativeRecord(this, 'this');
    return { configHash, dimension, bitWidth: bitWidth as BitWidth, hasResidual, sizeBytes };
  }
}

/**
 * Compressed vectors of one configuration, held together in native memory. Immutable.
 *
 * @example
 * const batch = await codec.compressBatch(vectors, config, codebook);
 * for (const record of batch) store(record.toBytes());
 */
export class CompressedBatch extends Handle {
  readonly #native: NativeBatch;

  static {
    nativeBatch = (value) =>
      typeof value === 'object' && value !== null && #native in value ? value.#native : undefined;
    wrapBatch = (handle) => new CompressedBatch(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeBatch) {
    super();
    assertInternal(token, 'CompressedBatch', 'Codec.compressBatch or CompressedBatch.fromBytes');
    this.#native = handle;
  }

  static #self(value: unknown): NativeBatch {
    const handle = nativeBatch(value);
    if (handle === undefined) throw notAHandle(value, 'this', 'CompressedBatch');
    return handle;
  }

  /**
   * Reads Level-1 records that follow one another, as {@link CompressedBatch.toBytes} writes them. All must share
   * configuration hash, dimension, bit width and residual flag; no bytes give an empty batch.
   *
   * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION or ERR_TQ_FORMAT with the offset in `details`
   */
  static fromBytes(b: Uint8Array): CompressedBatch {
    const data = bytes(b, 'bytes');
    return new CompressedBatch(
      INTERNAL,
      call(() => native.NativeBatch.fromBytes(data)),
    );
  }

  /** Number of vectors. */
  get length(): number {
    return CompressedBatch.#self(this).length;
  }

  /** Sum of the records' payload sizes in bytes. */
  get sizeBytes(): number {
    return CompressedBatch.#self(this).sizeBytes;
  }

  /**
   * The record at a position.
   *
   * @param i an integer from 0 to `length - 1`
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
   */
  at(i: number): CompressedVector {
    const handle = CompressedBatch.#self(this);
    const { length } = handle;
    if (length === 0) throw invalidArg('index', 'within the batch, which is empty', i);
    const index = integer(i, 'index', 0, length - 1);
    return wrapRecord(call(() => handle.at(index)));
  }

  /** The records in order. */
  *[Symbol.iterator](): IterableIterator<CompressedVector> {
    const handle = CompressedBatch.#self(this);
    const { length } = handle;
    for (let i = 0; i < length; i++) yield wrapRecord(call(() => handle.at(i)));
  }

  /** The Level-1 records one after another. */
  toBytes(): Uint8Array {
    const handle = CompressedBatch.#self(this);
    return call(() => handle.toBytes());
  }

  /** A summary; the content is in {@link CompressedBatch.toBytes}. */
  toJSON(): { length: number; sizeBytes: number } {
    const { length, sizeBytes } = CompressedBatch.#self(this);
    return { length, sizeBytes };
  }
}
