import { type Codebook, nativeCodebook, wrapCodebook } from './codebook.js';
import { type CompressedBatch, nativeBatch } from './compressed.js';
import { type CodecConfig, nativeConfig, wrapConfig } from './config.js';
import type { CorpusOptions } from './corpus.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { job, runJob } from './job.js';
import { fromMetadataJson, type Metadata, toMetadataJson } from './metadata.js';
import { call, fromNative, native } from './native.js';
import type { NativeCorpusWriter } from './native-types.js';
import { type FilePath, filePath } from './path.js';
import { type CompressionPolicy, policyKind, policyOf } from './policy.js';
import { Serial } from './serial.js';
import { boolean, invalidArg, moment, notAHandle, options, text } from './validate.js';
import { takeOver, toRows, type VectorRows } from './vectors.js';

/** What {@link CorpusWriter.create} makes. */
export interface CorpusWriterOptions extends CorpusOptions {
  /** Replaces a file that is there already. Default `false`: that is ERR_TQ_IO with `errno` EEXIST. */
  readonly overwrite?: boolean;
}

/** Options of {@link CorpusWriter.write}. */
export interface WriteRowsOptions {
  /** An id for each row. Without them the id of a row is its number in the file, in decimal. */
  readonly ids?: readonly string[];
  /** Metadata for each row. */
  readonly metadata?: readonly (Metadata | null)[];
  /** When the rows were inserted. Default: the epoch, so that the clock does not decide what a file holds. */
  readonly insertedAt?: Date | number;
  /** Reads a `Float32Array` in place and detaches it, as for {@link Codec.compressBatch}. Default `false`. */
  readonly transfer?: boolean;
  /** Stops the call; no row is written then, and the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What {@link CorpusWriter.finish} has brought to the disk. */
export interface WrittenCorpus {
  /** Vectors in the file. */
  readonly vectorCount: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
}

/** A summary of a {@link CorpusWriter}. */
export interface CorpusWriterSummary {
  /** The file that is written. */
  readonly path: string;
  /** The caller's name for the corpus. */
  readonly corpusId: string;
  /** Rows taken so far. */
  readonly rows: number;
}

/**
 * {@link CorpusWriter.write} for an array that nobody else changes or reads any more: detaching it would take longer than
 * to widen it from half floats. Set by the class below.
 */
export let writeOwned: (
  writer: CorpusWriter,
  vectors: Float32Array,
  o: Omit<WriteRowsOptions, 'transfer'>,
) => Promise<void>;

interface WriterState {
  readonly handle: NativeCorpusWriter;
  readonly config: CodecConfig;
  readonly codebook: Codebook;
  readonly calls: Serial;
}

function list(value: unknown, argument: string, rows: number): readonly unknown[] | null {
  if (value === undefined) return null;
  if (!Array.isArray(value)) throw invalidArg(argument, 'an array', value);
  if (value.length !== rows) throw invalidArg(argument, `an array of ${rows} items, one a row`, value, { rows });
  return value;
}

/** Options that say something about the rows of a call. */
const FACT_NAMES: readonly string[] = ['ids', 'metadata', 'insertedAt', 'signal'];

/** {@link WriteRowsOptions} about `rows` rows, after their checks. */
function facts(
  given: Record<string, unknown>,
  rows: number,
): { ids: string[] | null; metadataJson: (string | null)[]; insertedAt: number } {
  const metadata = list(given.metadata, 'metadata', rows);
  return {
    ids: list(given.ids, 'ids', rows)?.map((id, row) => text(id, `ids[${row}]`)) ?? null,
    metadataJson: metadata?.map((item, row) => toMetadataJson(item, `metadata[${row}]`)) ?? [],
    insertedAt: moment(given.insertedAt ?? 0, 'insertedAt'),
  };
}

/**
 * Writes a corpus file row by row, in memory that does not grow with their number except for 11 to 16 bytes for each
 * id that is not a row number. Nothing is to be seen at `path` until {@link CorpusWriter.finish} resolves; a process
 * that dies before leaves what was there.
 *
 * @example
 * const writer = await CorpusWriter.create('docs.tq', { corpusId: 'docs', codecConfig, codebook, compressionPolicy });
 * for await (const { vectors, ids } of batches) await writer.write(vectors, { ids });
 * await writer.finish();
 */
export class CorpusWriter extends Handle {
  readonly #state: WriterState;
  #rows = 0;

  static {
    writeOwned = (writer, vectors, o) => writer.#add(vectors, { ...o }, (data) => data);
  }

  private constructor(token: typeof INTERNAL, handle: NativeCorpusWriter) {
    super();
    assertInternal(token, 'CorpusWriter', 'CorpusWriter.create or CorpusWriter.append');
    this.#state = call(() => ({
      handle,
      config: wrapConfig(handle.config()),
      codebook: wrapCodebook(handle.codebook()),
      calls: new Serial(),
    }));
  }

  static #self(value: unknown): WriterState {
    if (typeof value !== 'object' || value === null || !(#state in value))
      throw notAHandle(value, 'this', 'CorpusWriter');
    return value.#state;
  }

  /**
   * Begins a new file.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG; ERR_TQ_CODEBOOK_MISMATCH; ERR_TQ_IO with `errno` and `path`, also for a
   * file that is there already (EEXIST) or open in another writer (kind Locked)
   */
  static async create(path: FilePath, o: CorpusWriterOptions): Promise<CorpusWriter> {
    const target = filePath(path, 'path');
    const given = options(
      o,
      'CorpusWriter options',
      ['corpusId', 'codecConfig', 'codebook', 'compressionPolicy', 'metadata', 'overwrite'],
      true,
    );
    const corpusId = text(given.corpusId, 'corpusId');
    const config = nativeConfig(given.codecConfig, 'codecConfig');
    const codebook = nativeCodebook(given.codebook, 'codebook');
    const kind = policyKind(given.compressionPolicy, 'compressionPolicy');
    const metadata = toMetadataJson(given.metadata, 'metadata');
    const overwrite = given.overwrite === undefined ? false : boolean(given.overwrite, 'overwrite');
    const create = (): NativeCorpusWriter =>
      native.NativeCorpusWriter.create(target, corpusId, config, codebook, kind, metadata, overwrite);
    return new CorpusWriter(INTERNAL, call(create));
  }

  /**
   * Opens a corpus file to add rows to it. The rows that it holds are not written again.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, also while another writer has the file open; ERR_TQ_FORMAT, ERR_TQ_VERSION,
   * ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
   */
  static async append(path: FilePath): Promise<CorpusWriter> {
    const target = filePath(path, 'path');
    return new CorpusWriter(
      INTERNAL,
      call(() => native.NativeCorpusWriter.append(target)),
    );
  }

  /** The file that is written, as an absolute path where it could be resolved. */
  get path(): string {
    return CorpusWriter.#self(this).handle.path;
  }

  /** The name of the corpus. */
  get corpusId(): string {
    return CorpusWriter.#self(this).handle.corpusId;
  }

  /** The configuration of the file. */
  get codecConfig(): CodecConfig {
    return CorpusWriter.#self(this).config;
  }

  /** The codebook of the file. */
  get codebook(): Codebook {
    return CorpusWriter.#self(this).codebook;
  }

  /** The policy of the file. */
  get compressionPolicy(): CompressionPolicy {
    return policyOf(CorpusWriter.#self(this).handle.policy);
  }

  /** The metadata of the corpus, or `null`. */
  get metadata(): Metadata | null {
    return fromMetadataJson(CorpusWriter.#self(this).handle.metadataJson);
  }

  /** Rows that this writer has taken. */
  get rows(): number {
    CorpusWriter.#self(this);
    return this.#rows;
  }

  /**
   * Encodes rows on the thread pool and adds them, all or none. Calls may overlap: they run one after another, in the
   * order they were made. A call that fails for its arguments changes nothing; after ERR_TQ_IO the writer takes no
   * more rows.
   *
   * @param vectors row-major `n * codecConfig.dimension` values, or an array of `n` vectors
   * @throws {TinyQuantError} ERR_TQ_ID_EXISTS with the row; ERR_TQ_NON_FINITE with row and column, counted from the first
   * row of the call; ERR_TQ_DIM_MISMATCH, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG, ERR_TQ_IO, ERR_TQ_CLOSED
   */
  async write(vectors: VectorRows, o?: WriteRowsOptions): Promise<void> {
    CorpusWriter.#self(this);
    const { transfer, ...rest } = options(o, 'write options', [...FACT_NAMES, 'transfer']);
    const moved = transfer === undefined ? false : boolean(transfer, 'transfer');
    return this.#add(vectors, rest, (data, owned) => {
      // What waits for its turn must not change meanwhile.
      return moved ? takeOver(vectors, 'vectors') : owned ? data : data.slice();
    });
  }

  /** Adds rows whose values `take` gives, once the arguments have passed their checks. */
  async #add(
    vectors: VectorRows,
    given: Record<string, unknown>,
    take: (data: Float32Array, owned: boolean) => Float32Array,
  ): Promise<void> {
    const { handle, config, calls } = CorpusWriter.#self(this);
    const control = job({ signal: given.signal });
    const { data, owned, count } = toRows(vectors, config.dimension, 'vectors');
    const { ids, metadataJson, insertedAt } = facts(given, count);
    const taken = take(data, owned);
    await calls.run(() =>
      runJob(control, 'compress', count, (abort) => handle.push(taken, ids, metadataJson, insertedAt, abort)),
    );
    this.#rows += count;
  }

  /**
   * Adds records of the codec as they are, all or none; otherwise as {@link CorpusWriter.write}. The file must have the
   * policy `COMPRESS` and the configuration of the records, and the codebook that they were made with.
   *
   * @throws {TinyQuantError} ERR_TQ_POLICY; ERR_TQ_CONFIG_MISMATCH and the like for records of another configuration;
   * ERR_TQ_ID_EXISTS, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG, ERR_TQ_IO, ERR_TQ_CLOSED
   */
  async writeRecords(batch: CompressedBatch, o?: Omit<WriteRowsOptions, 'transfer'>): Promise<void> {
    const { handle, calls } = CorpusWriter.#self(this);
    const given = options(o, 'write options', FACT_NAMES);
    const control = job({ signal: given.signal });
    const records = nativeBatch(batch);
    if (records === undefined) throw notAHandle(batch, 'batch', 'CompressedBatch');
    const { length } = records;
    const { ids, metadataJson, insertedAt } = facts(given, length);
    await calls.run(() =>
      runJob(control, 'compress', length, (abort) => handle.pushRecords(records, ids, metadataJson, insertedAt, abort)),
    );
    this.#rows += length;
  }

  /**
   * Brings everything to the disk under its name. The writer is closed then, whether this succeeds or not.
   *
   * @throws {TinyQuantError} ERR_TQ_IO: the file is as it was before; ERR_TQ_CLOSED
   */
  async finish(): Promise<WrittenCorpus> {
    const { handle, calls } = CorpusWriter.#self(this);
    return calls.run(async () => {
      try {
        return await handle.finish();
      } catch (error) {
        throw fromNative(error);
      }
    });
  }

  /** Gives up: what was there stays as it was. Does nothing after {@link CorpusWriter.finish}. */
  async abort(): Promise<void> {
    const { handle, calls } = CorpusWriter.#self(this);
    await calls.run(async () => call(() => handle.abort()));
  }

  /** The same as {@link CorpusWriter.abort}: a writer that leaves its block unfinished leaves nothing behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    CorpusWriter.#self(this);
    await this.abort();
  }

  /** A summary. */
  toJSON(): CorpusWriterSummary {
    const { path, corpusId } = CorpusWriter.#self(this).handle;
    return { path, corpusId, rows: this.#rows };
  }
}
