import { type Codebook, nativeCodebook, wrapCodebook } from './codebook.js';
import { type CodecConfig, nativeConfig, wrapConfig } from './config.js';
import { keepCorpus } from './corpus-handle.js';
import { VectorEntry, type VectorEntrySummary, wrapEntry } from './entry.js';
import {
  type CompressionPolicyViolationDetected,
  type CorpusCreated,
  type CorpusDecompressed,
  type CorpusEvent,
  toCorpusEvent,
  type VectorsInserted,
} from './events.js';
import { Handle } from './handle.js';
import { type SearchResult, toResults } from './hits.js';
import { IdSet } from './id-set.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { fromMetadataJson, type Metadata, metadataLookup, toMetadataJson } from './metadata.js';
import { call, native } from './native.js';
import type { NativeCorpus } from './native-types.js';
import { type OpenOptions, openOptions } from './open-options.js';
import { type FilePath, filePath } from './path.js';
import { CompressionPolicy, type CompressionPolicyKind, policyKind, policyOf, type StorageDtype } from './policy.js';
import { collect, type Vectors } from './source.js';
import { boolean, integer, moment, notAHandle, options, text } from './validate.js';
import { toRows, toVector, type Vector, type VectorRows } from './vectors.js';

/** What a {@link Corpus} is made of. */
export interface CorpusOptions {
  /** The caller's name for the corpus; any text. */
  readonly corpusId: string;
  /** Gives the dimension of all vectors, and how they are compressed. */
  readonly codecConfig: CodecConfig;
  /** Used under `CompressionPolicy.COMPRESS`; its bit width must be the configuration's when vectors are inserted. */
  readonly codebook: Codebook;
  /** How vectors are stored; fixed for the life of the corpus. */
  readonly compressionPolicy: CompressionPolicy;
  /** Facts about the corpus, a JSON object; copied. */
  readonly metadata?: Metadata | null;
}

/** TinyQuant's name for {@link CorpusOptions}. */
export type CorpusOpts = CorpusOptions;

/** Options of {@link Corpus.insert} and {@link Corpus.insertBatch}. */
export interface InsertOptions {
  /** When the vectors were inserted, as a `Date` or epoch milliseconds. Default: now. */
  readonly insertedAt?: Date | number;
}

/** Options of {@link Corpus.save}. */
export interface SaveOptions extends JobOptions {
  /**
   * Adds to the file only what changed since the corpus was opened from it or saved to it; a file that is not there
   * yet is written whole. Space that removed vectors took is given back by a save without it. Default `false`.
   */
  readonly append?: boolean;
}

/** Metadata by id, for {@link Corpus.insertBatch}. Ids without a vector are ignored. */
export type MetadataById = Readonly<Record<string, Metadata | null>> | ReadonlyMap<string, Metadata | null>;

/** A summary of a {@link Corpus}. */
export interface CorpusSummary {
  /** The caller's name for the corpus. */
  readonly corpusId: string;
  /** How vectors are stored. */
  readonly compressionPolicy: CompressionPolicyKind;
  /** Hash of the configuration. */
  readonly configHash: string;
  /** Values per vector. */
  readonly dimension: number;
  /** Number of vectors. */
  readonly vectorCount: number;
}

/** Entries fetched per native call while iterating. */
const ENTRIES_PER_CHUNK = 256;
/** Ids fetched per native call. */
const IDS_PER_CHUNK = 65_536;
/** Values reconstructed per native call while iterating: 1 MiB of floats. */
const VALUES_PER_CHUNK = 262_144;

interface CorpusState {
  readonly handle: NativeCorpus;
  readonly corpusId: string;
  readonly dimension: number;
  readonly config: CodecConfig;
  readonly codebook: Codebook;
  readonly policy: CompressionPolicy;
  readonly metadata: Metadata | null;
}

/** The native half of a corpus that was opened, on its way to the constructor. */
class Opened {
  readonly handle: NativeCorpus;

  constructor(handle: NativeCorpus) {
    this.handle = handle;
  }
}

function stateOf(handle: NativeCorpus): CorpusState {
  const config = handle.config();
  return {
    handle,
    corpusId: handle.corpusId(),
    dimension: config.dimension,
    config: wrapConfig(config),
    codebook: wrapCodebook(handle.codebook()),
    policy: policyOf(handle.policy()),
    metadata: fromMetadataJson(handle.metadataJson()),
  };
}

/** The state of a new corpus. */
function stateFrom(o: unknown): CorpusState {
  const given = options(
    o,
    'Corpus options',
    ['corpusId', 'codecConfig', 'codebook', 'compressionPolicy', 'metadata'],
    true,
  );
  const corpusId = text(given.corpusId, 'corpusId');
  const config = nativeConfig(given.codecConfig, 'codecConfig');
  const codebook = nativeCodebook(given.codebook, 'codebook');
  const kind = policyKind(given.compressionPolicy, 'compressionPolicy');
  const metadataJson = toMetadataJson(given.metadata, 'metadata');
  return {
    handle: call(() => new native.NativeCorpus(corpusId, config, codebook, kind, metadataJson, Date.now())),
    corpusId,
    dimension: config.dimension,
    config: given.codecConfig as CodecConfig,
    codebook: given.codebook as Codebook,
    policy: given.compressionPolicy as CompressionPolicy,
    metadata: fromMetadataJson(metadataJson),
  };
}

/** All ids in insertion order. */
function idsOf(handle: NativeCorpus): string[] {
  const all: string[] = [];
  const until = call(() => handle.nextNumber());
  for (let from = 0; from < until; ) {
    const start = from;
    const { ids, next } = call(() => handle.ids(start, until, IDS_PER_CHUNK));
    for (const id of ids) all.push(id);
    from = next;
  }
  return all;
}

/**
 * Vectors by id under one configuration, codebook and policy, in insertion order. A call that fails changes nothing.
 *
 * @example
 * const corpus = new Corpus({ corpusId: 'docs', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
 * corpus.insertBatch(new Map([['a', vectorA], ['b', vectorB]]));
 * for (const [id, reconstruction] of corpus.decompressEntries()) console.log(id, reconstruction);
 */
export class Corpus extends Handle {
  readonly #state: CorpusState;
  #vectorIds: IdSet | undefined;

  /**
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a missing, unknown or wrong option
   */
  constructor(o: CorpusOptions) {
    super();
    this.#state = o instanceof Opened ? call(() => stateOf(o.handle)) : stateFrom(o);
    keepCorpus(this, this.#state.handle);
  }

  static #self(value: unknown): CorpusState {
    if (typeof value !== 'object' || value === null || !(#state in value)) throw notAHandle(value, 'this', 'Corpus');
    return value.#state;
  }

  /** The caller's name for the corpus. */
  get corpusId(): string {
    return Corpus.#self(this).corpusId;
  }

  /** The configuration given at construction. */
  get codecConfig(): CodecConfig {
    return Corpus.#self(this).config;
  }

  /** The codebook given at construction. */
  get codebook(): Codebook {
    return Corpus.#self(this).codebook;
  }

  /** The policy given at construction. */
  get compressionPolicy(): CompressionPolicy {
    return Corpus.#self(this).policy;
  }

  /** A frozen copy of the metadata given at construction, or `null`. */
  get metadata(): Metadata | null {
    return Corpus.#self(this).metadata;
  }

  /** Number of vectors. */
  get vectorCount(): number {
    const { handle } = Corpus.#self(this);
    return call(() => handle.vectorCount());
  }

  /** Whether there are no vectors. */
  get isEmpty(): boolean {
    const { handle } = Corpus.#self(this);
    return call(() => handle.vectorCount()) === 0;
  }

  /** The ids in insertion order: a snapshot, the same object until the corpus changes. */
  get vectorIds(): ReadonlySet<string> {
    const { handle } = Corpus.#self(this);
    this.#vectorIds ??= new IdSet(idsOf(handle));
    return this.#vectorIds;
  }

  /**
   * Inserts one vector of `codecConfig.dimension` finite values.
   *
   * @param id any text that is not taken
   * @param vector the values; copied or compressed before the call returns
   * @param metadata facts about the vector, a JSON object; copied
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_ID_EXISTS, ERR_TQ_NON_FINITE, ERR_TQ_CODEBOOK_MISMATCH,
   * ERR_TQ_LIMIT for values beyond half precision, ERR_TQ_INVALID_ARG
   */
  insert(id: string, vector: Vector, metadata?: Metadata | null, o?: InsertOptions): VectorEntry {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    const { data } = toVector(vector, 'vector');
    const metadataJson = toMetadataJson(metadata, 'metadata');
    const insertedAt = moment(options(o, 'insert options', ['insertedAt']).insertedAt, 'insertedAt');
    const entry = call(() => handle.insert(name, data, metadataJson, insertedAt));
    this.#vectorIds = undefined;
    return wrapEntry(entry);
  }

  /**
   * Inserts many vectors, or none if any of them is refused. Everything is read from the argument first, so that an
   * iterable that throws midway changes nothing either.
   *
   * @param vectors by id; see {@link Vectors} about the order of an object's keys
   * @param metadata by id; an item's own metadata goes first
   * @returns the entries, in insertion order
   * @throws {TinyQuantError} as {@link Corpus.insert}, with the row in `details`
   */
  insertBatch(vectors: Vectors, metadata?: MetadataById | null, o?: InsertOptions): VectorEntry[] {
    const { handle } = Corpus.#self(this);
    const insertedAt = moment(options(o, 'insertBatch options', ['insertedAt']).insertedAt, 'insertedAt');
    const batch = collect(vectors, metadataLookup(metadata, 'metadata'));
    const entries = call(() =>
      handle.insertBatch(batch.ids, batch.vectors, batch.lengths, batch.metadataJson, insertedAt),
    );
    this.#vectorIds = undefined;
    return entries.map(wrapEntry);
  }

  /**
   * The entry of an id.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
   */
  get(id: string): VectorEntry {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return wrapEntry(call(() => handle.get(name)));
  }

  /**
   * Whether an id is taken.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
   */
  contains(id: string): boolean {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return call(() => handle.contains(name));
  }

  /**
   * Removes a vector. Inserting its id again puts it at the end.
   *
   * @returns whether there was such a vector
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
   */
  remove(id: string): boolean {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    const removed = call(() => handle.remove(name));
    if (removed) this.#vectorIds = undefined;
    return removed;
  }

  /**
   * Reconstructs one vector.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
   */
  decompress(id: string): Float32Array {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return call(() => handle.decompress(name));
  }

  /**
   * Reconstructs every vector, and records one `CorpusDecompressed` event unless the corpus is empty.
   *
   * @returns an object without prototype, keys in insertion order; JavaScript puts keys that look like array indices
   * first, so use {@link Corpus.decompressEntries} where such ids need their order
   */
  decompressAll(): Record<string, Float32Array> {
    const { handle, dimension } = Corpus.#self(this);
    const all = Object.create(null) as Record<string, Float32Array>;
    const ids = idsOf(handle);
    const values = call(() => handle.decompressAll(Date.now()));
    // Copies: views of one shared buffer would keep all of it alive and be detached together by a transfer.
    ids.forEach((id, row) => {
      all[id] = values.slice(row * dimension, (row + 1) * dimension);
    });
    return all;
  }

  /**
   * Reconstructs vector after vector in insertion order, a chunk of them at a time, so that memory stays bounded.
   * Records no event. Vectors inserted after the iteration began are not visited; removed ones may still be.
   */
  *decompressEntries(): IterableIterator<[id: string, vector: Float32Array]> {
    const { handle, dimension } = Corpus.#self(this);
    const size = Math.max(1, Math.floor(VALUES_PER_CHUNK / dimension));
    const until = call(() => handle.nextNumber());
    for (let from = 0; from < until; ) {
      const start = from;
      const { ids, values, next } = call(() => handle.decompressPage(start, until, size));
      for (const [row, id] of ids.entries()) yield [id, values.slice(row * dimension, (row + 1) * dimension)];
      from = next;
    }
  }

  /**
   * The entries in insertion order. Vectors inserted after the iteration began are not visited; removed ones may
   * still be. An entry has a native half, whose memory Node gives back between turns of the event loop: a loop over a
   * very large corpus should await something now and then. {@link Corpus.decompressEntries} needs no such care.
   */
  *entries(): IterableIterator<VectorEntry> {
    const { handle } = Corpus.#self(this);
    const until = call(() => handle.nextNumber());
    for (let from = 0; from < until; ) {
      const start = from;
      const { entries, next } = call(() => handle.entries(start, until, ENTRIES_PER_CHUNK));
      for (const entry of entries) yield wrapEntry(entry);
      from = next;
    }
  }

  /**
   * The vectors whose reconstructions have the highest cosine with a query, best first; equal scores by ascending id
   * in UTF-8 byte order. Every vector is reconstructed and scored, chunk by chunk: the same results as a
   * {@link BruteForceBackend} over {@link Corpus.decompressEntries} gives, in memory that does not grow with the corpus.
   *
   * @param query `codecConfig.dimension` values
   * @param topK at least 1; more than {@link Corpus.vectorCount} gives all
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InvalidTopK, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE,
   * ERR_TQ_CLOSED
   */
  async search(query: Vector, topK: number, o?: JobOptions): Promise<SearchResult[]> {
    Corpus.#self(this);
    const [results] = await this.searchBatch([query], topK, o);
    return results ?? [];
  }

  /**
   * {@link Corpus.search} for many queries at once: every vector is reconstructed once for all of them.
   *
   * @param queries row-major `n * codecConfig.dimension` values, or an array of `n` vectors
   * @returns one list for each query
   */
  async searchBatch(queries: VectorRows, topK: number, o?: JobOptions): Promise<SearchResult[][]> {
    const { handle, dimension } = Corpus.#self(this);
    const control = job(options(o, 'search options', JOB_OPTION_NAMES));
    const wanted = integer(topK, 'topK', 1, Number.MAX_SAFE_INTEGER, { kind: 'InvalidTopK' });
    const { data } = toRows(queries, dimension, 'queries');
    const total = call(() => handle.vectorCount());
    const hits = await runJob(control, 'search', total, (abort, onProgress) =>
      handle.search(data, wanted, abort, onProgress),
    );
    return hits.map(toResults);
  }

  /**
   * Writes the corpus as it is at the time of the call to a file: configuration, codebook, policy, ids, metadata,
   * times and records. The file is written beside `path` and takes its name when it is complete and on the disk: a
   * crash or a full disk at any moment leaves the old file or the new one. Pending events are not part of it.
   *
   * @throws {TinyQuantError} ERR_TQ_IO with `errno` and `path` in details, also while another writer has the file open;
   * with `append`, ERR_TQ_INVALID_ARG for a file that this corpus was not opened from or saved to, and ERR_TQ_IO with
   * kind Changed if something else has written to it since; ERR_TQ_LIMIT, ERR_TQ_CLOSED
   */
  async save(path: FilePath, o?: SaveOptions): Promise<void> {
    const { handle } = Corpus.#self(this);
    const given = options(o, 'save options', [...JOB_OPTION_NAMES, 'append']);
    const control = job(given);
    const append = given.append === undefined ? false : boolean(given.append, 'append');
    const target = filePath(path, 'path');
    const total = call(() => handle.vectorCount());
    await runJob(control, 'save', total, (abort, onProgress) => handle.save(target, append, abort, onProgress));
  }

  /**
   * {@link Corpus.save} on the calling thread's time: it blocks until the file is on the disk.
   *
   * @throws {TinyQuantError} as {@link Corpus.save}, and ERR_TQ_INVALID_ARG while an asynchronous save is under way
   */
  saveSync(path: FilePath, o?: { readonly append?: boolean }): void {
    const { handle } = Corpus.#self(this);
    const given = options(o, 'save options', ['append']);
    const append = given.append === undefined ? false : boolean(given.append, 'append');
    const target = filePath(path, 'path');
    call(() => handle.saveSync(target, append));
  }

  /**
   * Opens a corpus file. The time does not depend on its size: vectors, ids and metadata stay in the file until they
   * are asked for, and vectors that are inserted are kept in memory until the corpus is saved. Others may read and
   * extend the file meanwhile; this corpus keeps the state that it opened.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
   */
  static async open(path: FilePath, o?: OpenOptions): Promise<Corpus> {
    const target = filePath(path, 'path');
    const { mmap, verify, signal } = openOptions(o);
    const handle = await runJob(job({ signal }), 'verify', 0, (abort) =>
      native.openCorpus(target, mmap, verify, abort),
    );
    return new Corpus(new Opened(handle) as unknown as CorpusOptions);
  }

  /**
   * {@link Corpus.open} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link Corpus.open}
   */
  static openSync(path: FilePath, o?: Omit<OpenOptions, 'signal'>): Corpus {
    const target = filePath(path, 'path');
    const { mmap, verify } = openOptions(o);
    const handle = call(() => native.NativeCorpus.openSync(target, mmap, verify));
    return new Corpus(new Opened(handle) as unknown as CorpusOptions);
  }

  /**
   * Lets go of the memory and of the file; every later call that needs them is ERR_TQ_CLOSED. Entries that were handed
   * out stay valid, and jobs that are under way finish.
   */
  close(): void {
    const { handle } = Corpus.#self(this);
    call(() => handle.close());
  }

  /** The same as {@link Corpus.close}. */
  [Symbol.dispose](): void {
    const { handle } = Corpus.#self(this);
    call(() => handle.close());
  }

  /** The events since the last call, oldest first; the list is emptied by the call. */
  pendingEvents(): CorpusEvent[] {
    const { handle } = Corpus.#self(this);
    return call(() => handle.pendingEvents()).map(toCorpusEvent);
  }

  /** A summary; the content is in {@link Corpus.entries}. */
  toJSON(): CorpusSummary {
    const { handle, corpusId, config, dimension, policy } = Corpus.#self(this);
    const vectorCount = call(() => handle.vectorCount());
    return { corpusId, compressionPolicy: policy.kind, configHash: config.configHash, dimension, vectorCount };
  }
}

export type {
  CompressionPolicyKind,
  CompressionPolicyViolationDetected,
  CorpusCreated,
  CorpusDecompressed,
  CorpusEvent,
  Metadata,
  OpenOptions,
  StorageDtype,
  VectorEntrySummary,
  Vectors,
  VectorsInserted,
};
export { CompressionPolicy, VectorEntry };
