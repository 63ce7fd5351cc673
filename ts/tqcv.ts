import { type CompressedBatch, nativeBatch, wrapBatch } from './compressed.js';
import { type BitWidth, type CodecConfig, type ConfigHash, nativeConfig } from './config.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, fromNative, native } from './native.js';
import type { NativeTqcvReader, NativeTqcvWriter } from './native-types.js';
import { type FilePath, filePath } from './path.js';
import { Serial } from './serial.js';
import { boolean, integer, notAHandle, options } from './validate.js';
import { bytes } from './vectors.js';

/** Options of {@link TqcvReader.open}. */
export interface TqcvReaderOptions {
  /** Maps the file into memory; see {@link OpenOptions}. Default `true`. */
  readonly mmap?: boolean;
}

/** A summary of a {@link TqcvReader}. */
export interface TqcvSummary {
  /** Number of records. */
  readonly length: number;
  /** Values per vector. */
  readonly dimension: number;
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Whether records keep a residual. */
  readonly hasResidual: boolean;
  /** Hash of the configuration. */
  readonly configHash: ConfigHash;
}

/** Records in a batch by default. */
const BATCH = 4096;

/**
 * Reads TinyQuant's corpus file (TQCV version 1): records of one configuration, without ids. The configuration itself
 * and the codebook are not in the file; keep them beside it.
 *
 * @example
 * using reader = await TqcvReader.open('vectors.tqcv');
 * for (const batch of reader.batches()) console.log(await codec.decompressBatch(batch, config, codebook));
 */
export class TqcvReader extends Handle {
  readonly #native: NativeTqcvReader;

  private constructor(token: typeof INTERNAL, handle: NativeTqcvReader) {
    super();
    assertInternal(token, 'TqcvReader', 'TqcvReader.open');
    this.#native = handle;
  }

  static #self(value: unknown): NativeTqcvReader {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'TqcvReader');
    return value.#native;
  }

  /**
   * Opens a file. Only the header is read, so the time does not depend on its size.
   *
   * @throws {TinyQuantError} ERR_TQ_IO; ERR_TQ_FORMAT, ERR_TQ_VERSION; ERR_TQ_TRUNCATED, also for a file (TQCX) that
   * was never finished
   */
  static async open(path: FilePath, o?: TqcvReaderOptions): Promise<TqcvReader> {
    return TqcvReader.openSync(path, o);
  }

  /**
   * {@link TqcvReader.open} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link TqcvReader.open}
   */
  static openSync(path: FilePath, o?: TqcvReaderOptions): TqcvReader {
    const target = filePath(path, 'path');
    const given = options(o, 'open options', ['mmap']);
    const mmap = given.mmap === undefined ? true : boolean(given.mmap, 'mmap');
    return new TqcvReader(
      INTERNAL,
      call(() => native.NativeTqcvReader.openSync(target, mmap)),
    );
  }

  /** Number of records. */
  get length(): number {
    const handle = TqcvReader.#self(this);
    return call(() => handle.length());
  }

  /** Values per vector. */
  get dimension(): number {
    const handle = TqcvReader.#self(this);
    return call(() => handle.dimension());
  }

  /** Bits per coordinate. */
  get bitWidth(): BitWidth {
    const handle = TqcvReader.#self(this);
    return call(() => handle.bitWidth()) as BitWidth;
  }

  /** Whether records keep a residual. */
  get hasResidual(): boolean {
    const handle = TqcvReader.#self(this);
    return call(() => handle.hasResidual());
  }

  /** Hash of the configuration that the records were made under. */
  get configHash(): ConfigHash {
    const handle = TqcvReader.#self(this);
    return call(() => handle.configHash());
  }

  /** A copy of the bytes that the writer put beside the header; their meaning is the writer's. */
  get metadata(): Uint8Array {
    const handle = TqcvReader.#self(this);
    return call(() => handle.metadata());
  }

  /**
   * Records `from` to `from + count - 1`, checked.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for records that are not there; ERR_TQ_FORMAT for a record that does not
   * agree with the header, with its offset; ERR_TQ_CLOSED
   */
  read(from: number, count: number): CompressedBatch {
    const handle = TqcvReader.#self(this);
    const length = call(() => handle.length());
    const first = integer(from, 'from', 0, length);
    const wanted = integer(count, 'count', 0, length - first);
    return wrapBatch(call(() => handle.read(first, wanted)));
  }

  /** All records, `size` at a time (default 4096). */
  *batches(size: number = BATCH): IterableIterator<CompressedBatch> {
    TqcvReader.#self(this);
    const step = integer(size, 'size', 1, Number.MAX_SAFE_INTEGER);
    for (let from = 0; from < this.length; from += step) yield this.read(from, Math.min(step, this.length - from));
  }

  /** Lets go of the file; later reads are ERR_TQ_CLOSED. */
  close(): void {
    const handle = TqcvReader.#self(this);
    call(() => handle.close());
  }

  /** The same as {@link TqcvReader.close}. */
  [Symbol.dispose](): void {
    const handle = TqcvReader.#self(this);
    call(() => handle.close());
  }

  /** A summary. */
  toJSON(): TqcvSummary {
    TqcvReader.#self(this);
    const { length, dimension, bitWidth, hasResidual, configHash } = this;
    return { length, dimension, bitWidth, hasResidual, configHash };
  }
}

/** What {@link TqcvWriter.create} makes. */
export interface TqcvWriterOptions {
  /** The configuration of all records. */
  readonly codecConfig: CodecConfig;
  /** Bytes of the caller's own, at most 16 MiB. Default: none. */
  readonly metadata?: Uint8Array;
  /** Replaces a file that is there already. Default `false`. */
  readonly overwrite?: boolean;
}

/** What {@link TqcvWriter.finish} has brought to the disk. */
export interface WrittenTqcv {
  /** Records in the file. */
  readonly length: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
}

/**
 * Writes TinyQuant's corpus file (TQCV version 1), byte for byte as TinyQuant does. It takes its name when
 * {@link TqcvWriter.finish} resolves.
 *
 * @example
 * const writer = await TqcvWriter.create('vectors.tqcv', { codecConfig });
 * await writer.write(await codec.compressBatch(vectors, codecConfig, codebook));
 * await writer.finish();
 */
export class TqcvWriter extends Handle {
  readonly #native: NativeTqcvWriter;
  readonly #calls: Serial = new Serial();
  #length = 0;

  private constructor(token: typeof INTERNAL, handle: NativeTqcvWriter) {
    super();
    assertInternal(token, 'TqcvWriter', 'TqcvWriter.create');
    this.#native = handle;
  }

  static #self(value: unknown): TqcvWriter {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'TqcvWriter');
    return value;
  }

  /**
   * Begins a file.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, also for a file that is there already (EEXIST) or open in another writer;
   * ERR_TQ_LIMIT for metadata beyond 16 MiB; ERR_TQ_INVALID_ARG
   */
  static async create(path: FilePath, o: TqcvWriterOptions): Promise<TqcvWriter> {
    const target = filePath(path, 'path');
    const given = options(o, 'TqcvWriter options', ['codecConfig', 'metadata', 'overwrite'], true);
    const config = nativeConfig(given.codecConfig, 'codecConfig');
    const metadata = given.metadata === undefined ? new Uint8Array() : bytes(given.metadata, 'metadata');
    const overwrite = given.overwrite === undefined ? false : boolean(given.overwrite, 'overwrite');
    return new TqcvWriter(
      INTERNAL,
      call(() => native.NativeTqcvWriter.create(target, config, metadata, overwrite)),
    );
  }

  /** Records written so far. */
  get length(): number {
    return TqcvWriter.#self(this).#length;
  }

  /**
   * Adds the records of a batch, or none of them.
   *
   * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH and the like for records of another configuration, ERR_TQ_IO,
   * ERR_TQ_INVALID_ARG, ERR_TQ_CLOSED
   */
  async write(batch: CompressedBatch): Promise<void> {
    const self = TqcvWriter.#self(this);
    const handle = nativeBatch(batch);
    if (handle === undefined) throw notAHandle(batch, 'batch', 'CompressedBatch');
    await self.#run(() => self.#native.append(handle));
    self.#length += handle.length;
  }

  /**
   * Brings everything to the disk under its name. The writer is closed then, whether this succeeds or not.
   *
   * @throws {TinyQuantError} ERR_TQ_IO: the file is as it was before; ERR_TQ_CLOSED
   */
  async finish(): Promise<WrittenTqcv> {
    const self = TqcvWriter.#self(this);
    const sizeBytes = await self.#run(() => self.#native.finish());
    return { length: self.#length, sizeBytes };
  }

  /** Gives up: what was there stays as it was. */
  async abort(): Promise<void> {
    const self = TqcvWriter.#self(this);
    await self.#run(async () => self.#native.abort());
  }

  /** The same as {@link TqcvWriter.abort}. */
  async [Symbol.asyncDispose](): Promise<void> {
    const self = TqcvWriter.#self(this);
    await self.abort();
  }

  /** A summary. */
  toJSON(): { length: number } {
    return { length: TqcvWriter.#self(this).#length };
  }

  #run<T>(body: () => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      try {
        return await body();
      } catch (error) {
        throw fromNative(error);
      }
    });
  }
}
