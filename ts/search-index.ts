import type { VectorBackend } from './backend.js';
import type { Corpus } from './corpus.js';
import { TinyQuantError } from './errors.js';
import { Handle } from './handle.js';
import { IndexBackend } from './index-backend.js';
import { buildCorpus, buildRows, rowIds } from './index-build.js';
import { type Hits, toHitLists, toHits } from './index-hits.js';
import { fromIds, type IdList, type IdType, type IdTypeOf, type IndexId, toId, toIds } from './index-id.js';
import { knowHandles } from './index-like.js';
import {
  type IndexAddOptions,
  type IndexBits,
  type IndexBuildOptions,
  type IndexFromCorpusOptions,
  type IndexSearchOptions,
  idType,
  type Metric,
  type Originals,
  SETTING_NAMES,
  type SearchIndexOptions,
  searchPlan,
  settings,
} from './index-options.js';
import type { SearchIndexMemory, SearchIndexStats } from './index-stats.js';
import { JOB_OPTION_NAMES, type Job, type JobOptions, job, runJob } from './job.js';
import { call, fromNative, native } from './native.js';
import type {
  NativeAbort,
  NativeIds,
  NativeIndexConfig,
  NativeIndexHits,
  NativeProgress,
  NativeSearchIndex,
} from './native-types.js';
import { type OpenOptions, openOptions } from './open-options.js';
import { type FilePath, filePath } from './path.js';
import { Serial } from './serial.js';
import { notAHandle, options } from './validate.js';
import { bytes, own, toQuery, toRows, type Vector, type VectorRows } from './vectors.js';

/** A summary of a {@link SearchIndex}. */
export interface SearchIndexSummary {
  /** Values per vector. */
  readonly dim: number;
  /** Bits per coordinate. */
  readonly bits: IndexBits;
  /** How vectors are compared. */
  readonly metric: Metric;
  /** Kind of the ids. */
  readonly idType: IdType;
  /** What is kept of the vectors beside their codes. */
  readonly originals: Originals;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly seed: string;
  /** Number of vectors. */
  readonly size: number;
  /** Whether the index is fitted to a sample. */
  readonly fitted: boolean;
}

interface IndexState {
  readonly handle: NativeSearchIndex;
  readonly config: NativeIndexConfig;
  /** Calls that change the index or its file. */
  readonly writers: Serial;
  isClosed: boolean;
}

/** The native half of an index that was opened or built, on its way to the constructor. */
class Opened {
  readonly handle: NativeSearchIndex;

  constructor(handle: NativeSearchIndex) {
    this.handle = handle;
  }
}

/** The native half of a new index. */
function handleFrom(o: unknown): NativeSearchIndex {
  const given = options(o, 'SearchIndex options', [...SETTING_NAMES, 'idType'], true);
  const config = settings(given, idType(given.idType) ?? 'number');
  return call(() => new native.NativeSearchIndex(config));
}

function wrap<Id extends IndexId>(handle: NativeSearchIndex): SearchIndex<Id> {
  return new SearchIndex<Id>(new Opened(handle) as unknown as SearchIndexOptions<Id>);
}

/** {@link SearchIndex.build} for an array that nobody else changes or reads any more, which is then not copied. */
export async function buildOwned<Id extends IndexId>(
  vectors: Float32Array,
  o: IndexBuildOptions<Id>,
): Promise<SearchIndex<Id>> {
  return wrap(await buildRows(vectors, o, ({ data }) => data));
}

/** Adds rows that nobody else can reach, in place of those that have their ids. Set by the class below. */
export let replaceRows: (index: SearchIndex<IndexId>, rows: Float32Array, ids: NativeIds) => Promise<void>;

/** The native half of an index that is open, or `undefined` for anything else. Set by the class below. */
export let nativeIndex: (value: unknown) => NativeSearchIndex | undefined;

/** Removes everything. Set by the class below. */
export let clearRows: (index: SearchIndex<IndexId>) => Promise<void>;

/**
 * Search over vectors in 1 to 8 bits a coordinate, in memory or in a mapped file. Vectors have ids: 0, 1, 2, ... in
 * order of adding, or the caller's numbers, bigints or texts.
 *
 * Searches run beside each other and beside everything else; one sees all of an `add` or none of it. Calls that change
 * the index or write it (`fit`, `add`, `save`, `sync`) run one after another, in the order they were made. A call that
 * fails changes nothing.
 *
 * @example
 * const index = await SearchIndex.build(vectors, { dim: 768, ids: names });
 * const hits = await index.search(query, { k: 10 });
 * for (const { id, score } of hits) console.log(id, score);
 * await index.save('docs.tqi');
 */
export class SearchIndex<Id extends IndexId = number> extends Handle {
  readonly #state: IndexState;

  static {
    knowHandles((value) =>
      typeof value === 'object' && value !== null && #state in value ? SearchIndex.#open(value).handle : undefined,
    );
    replaceRows = (index, rows, ids) => SearchIndex.#write(SearchIndex.#open(index), {}, rows, ids, true);
    nativeIndex = (value) =>
      typeof value === 'object' && value !== null && #state in value ? SearchIndex.#open(value).handle : undefined;
    clearRows = async (index) => {
      const { handle, writers } = SearchIndex.#open(index);
      await writers.run(async () => call(() => handle.clear()));
    };
  }

  /**
   * An empty index.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a missing, unknown or wrong option
   */
  constructor(o: SearchIndexOptions<Id>) {
    super();
    const handle = o instanceof Opened ? o.handle : handleFrom(o);
    this.#state = { handle, config: call(() => handle.config()), writers: new Serial(), isClosed: false };
  }

  static #self(value: unknown): IndexState {
    if (typeof value !== 'object' || value === null || !(#state in value))
      throw notAHandle(value, 'this', 'SearchIndex');
    return value.#state;
  }

  /** The state of an index that has not been closed. */
  static #open(value: unknown): IndexState {
    const state = SearchIndex.#self(value);
    if (state.isClosed) throw new TinyQuantError('ERR_TQ_CLOSED', 'the SearchIndex has been closed');
    return state;
  }

  /** Refuses a waiting call that would overtake calls under way. */
  static #idle(value: unknown): IndexState {
    const state = SearchIndex.#open(value);
    if (state.writers.isBusy) {
      throw new TinyQuantError('ERR_TQ_INVALID_ARG', 'a fit, add or save of this index is under way: await it first');
    }
    return state;
  }

  /**
   * Builds an index of vectors: fitted to them unless `fit` is `false`, and with partitions where there are many.
   *
   * @param vectors row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, also for ids of another kind or number; ERR_TQ_ID_EXISTS with the row of
   * an id that comes twice; ERR_TQ_ID_RANGE; ERR_TQ_NON_FINITE with row and column; ERR_TQ_DIM_MISMATCH; ERR_TQ_LIMIT;
   * with `like` also ERR_TQ_CONFIG_MISMATCH, ERR_TQ_CLOSED and the errors of {@link SearchIndex.open}
   */
  static build(vectors: VectorRows, o: IndexBuildOptions<number>): Promise<SearchIndex<number>>;
  /** As above, for ids that are bigints. */
  static build(vectors: VectorRows, o: IndexBuildOptions<bigint>): Promise<SearchIndex<bigint>>;
  /** As above, for ids that are texts. */
  static build(vectors: VectorRows, o: IndexBuildOptions<string>): Promise<SearchIndex<string>>;
  static async build(vectors: VectorRows, o: IndexBuildOptions<never>): Promise<SearchIndex<never>> {
    return wrap(await buildRows(vectors, o, (rows) => own(rows, 'vectors')));
  }

  /**
   * Builds an index of the vectors of a corpus, as they are reconstructed, under their ids. Vectors that are inserted
   * meanwhile are not in it; removed ones may be.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT, ERR_TQ_CLOSED for a closed corpus
   */
  static async fromCorpus(corpus: Corpus, o?: IndexFromCorpusOptions): Promise<SearchIndex<string>> {
    return wrap(await buildCorpus(corpus, o));
  }

  /**
   * Opens an index file. The time does not depend on its size: codes, ids and originals stay in the file until they are
   * needed. Others may read and extend the file meanwhile; this index keeps the state that it opened, and what is added
   * stays in memory until it is saved.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
   */
  static async open<Id extends IndexId = number>(path: FilePath, o?: OpenOptions): Promise<SearchIndex<Id>> {
    const target = filePath(path, 'path');
    const { mmap, verify, signal } = openOptions(o);
    return wrap(await runJob(job({ signal }), 'verify', 0, (abort) => native.openIndex(target, mmap, verify, abort)));
  }

  /**
   * {@link SearchIndex.open} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.open}
   */
  static openSync<Id extends IndexId = number>(path: FilePath, o?: Omit<OpenOptions, 'signal'>): SearchIndex<Id> {
    const target = filePath(path, 'path');
    const { mmap, verify } = openOptions(o);
    return wrap(call(() => native.NativeSearchIndex.openSync(target, mmap, verify)));
  }

  /**
   * Reads the form that {@link SearchIndex.toBytes} writes, which is that of a file.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_INVALID_ARG
   */
  static fromBytes<Id extends IndexId = number>(b: Uint8Array): SearchIndex<Id> {
    const data = bytes(b, 'bytes');
    return wrap(call(() => native.NativeSearchIndex.fromBytes(data)));
  }

  /** Values per vector. */
  get dim(): number {
    return SearchIndex.#self(this).config.dim;
  }

  /** Bits per coordinate, on average where the index is fitted. */
  get bits(): IndexBits {
    return SearchIndex.#self(this).config.bits as IndexBits;
  }

  /** How two vectors are compared. */
  get metric(): Metric {
    return SearchIndex.#self(this).config.metric;
  }

  /** Kind of the ids. */
  get idType(): IdTypeOf<Id> {
    return SearchIndex.#self(this).config.idType as IdTypeOf<Id>;
  }

  /** Number of vectors. */
  get size(): number {
    const { handle } = SearchIndex.#open(this);
    return call(() => handle.size());
  }

  /** Whether the index is fitted to a sample; otherwise it is one random rotation. */
  get fitted(): boolean {
    const { handle } = SearchIndex.#open(this);
    return call(() => handle.isFitted());
  }

  /**
   * Fits an empty index to a sample of the vectors to come, before the first add: better recall from the same bytes. A
   * few thousand vectors are enough. Nothing is learnt, and the index stays one random rotation, from fewer vectors
   * than 256 or than `dim`, from vectors that have as much to tell in one direction as in another, of a dimension up to 64 or above
   * 2048, and at 8 bits.
   *
   * @param sample row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG once something was added, ERR_TQ_NON_FINITE with row and column,
   * ERR_TQ_DIM_MISMATCH, ERR_TQ_CLOSED
   */
  async fit(sample: VectorRows, o?: JobOptions): Promise<void> {
    const state = SearchIndex.#open(this);
    const control = job(options(o, 'fit options', JOB_OPTION_NAMES));
    const rows = toRows(sample, state.config.dim, 'sample');
    const data = own(rows, 'sample');
    await SearchIndex.#change(state, control, 'fit', rows.count, (abort, onProgress) =>
      state.handle.fit(data, abort, onProgress),
    );
  }

  /**
   * Adds vectors, all or none.
   *
   * @param vectors row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
   * @throws {TinyQuantError} ERR_TQ_ID_EXISTS with the row of an id that is taken; ERR_TQ_ID_RANGE; ERR_TQ_NON_FINITE with
   * row and column; ERR_TQ_DIM_MISMATCH; ERR_TQ_INVALID_ARG, also for ids of another kind or number; ERR_TQ_LIMIT;
   * ERR_TQ_CLOSED
   */
  async add(vectors: VectorRows, o?: IndexAddOptions<Id>): Promise<void> {
    const state = SearchIndex.#open(this);
    const { ids, ...rest } = options(o, 'add options', ['ids', ...JOB_OPTION_NAMES]);
    const control = job(rest);
    const rows = toRows(vectors, state.config.dim, 'vectors');
    const names = rowIds(ids, state.config.idType, rows.count);
    await SearchIndex.#write(state, control, own(rows, 'vectors'), names, false);
  }

  /**
   * {@link SearchIndex.add} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.add}, and ERR_TQ_INVALID_ARG while an asynchronous fit, add or save is
   * under way
   */
  addSync(vectors: VectorRows, o?: { readonly ids?: Iterable<Id> }): void {
    const { handle, config } = SearchIndex.#idle(this);
    const { ids } = options(o, 'add options', ['ids']);
    const { data, count } = toRows(vectors, config.dim, 'vectors');
    const names = rowIds(ids, config.idType, count);
    call(() => handle.addSync(data, names));
  }

  /** Runs a job that changes an index, in its turn, and tells the garbage collector. */
  static async #change(
    { handle, writers }: IndexState,
    control: Partial<Job>,
    phase: 'add' | 'fit',
    total: number,
    start: (abort: NativeAbort | null, onProgress: NativeProgress | null) => Promise<void>,
  ): Promise<void> {
    const { signal, onProgress } = control;
    await writers.run(async () => {
      await runJob({ signal, onProgress }, phase, total, start);
      handle.reportMemory();
    });
  }

  static #write(
    state: IndexState,
    control: Partial<Job>,
    rows: Float32Array,
    ids: NativeIds | null,
    replace: boolean,
  ): Promise<void> {
    const { handle, config } = state;
    return SearchIndex.#change(state, control, 'add', rows.length / config.dim, (abort, onProgress) =>
      handle.add(rows, ids, replace, abort, onProgress),
    );
  }

  /**
   * Removes vectors at once; unknown ids are ignored. Vectors of an add that is under way are not there yet.
   *
   * @returns how many there were
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for ids of another kind, ERR_TQ_ID_RANGE, ERR_TQ_CLOSED
   */
  remove(ids: Iterable<Id>): number {
    const { handle, config } = SearchIndex.#open(this);
    const list = toIds(ids, config.idType, 'ids');
    return call(() => handle.remove(list));
  }

  /**
   * Whether an id is taken.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id of another kind, ERR_TQ_ID_RANGE, ERR_TQ_CLOSED
   */
  has(id: Id): boolean {
    const { handle, config } = SearchIndex.#open(this);
    const name = toId(id, config.idType, 'id');
    return call(() => handle.has(name));
  }

  /** The ids in order of adding. */
  ids(): IdList<Id> {
    const { handle } = SearchIndex.#open(this);
    return fromIds(call(() => handle.ids()));
  }

  /**
   * One vector: its original where originals are kept, else what its codes stand for.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND; ERR_TQ_INVALID_ARG for an id of another kind; ERR_TQ_ID_RANGE;
   * ERR_TQ_CLOSED
   */
  reconstruct(id: Id): Float32Array {
    const { handle, config } = SearchIndex.#open(this);
    const name = toId(id, config.idType, 'id');
    return call(() => handle.reconstruct(name));
  }

  /**
   * The best vectors for a query, best first; equal scores in order of adding. There are exactly as many as asked for, or
   * as may be hits.
   *
   * @param query `dim` values; copied before the call returns
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_ID_RANGE for an id of the filter, ERR_TQ_DIM_MISMATCH,
   * ERR_TQ_NON_FINITE, ERR_TQ_LIMIT for a value above 1e15 where the metric is not the cosine, ERR_TQ_CLOSED
   */
  async search(query: Vector, o: IndexSearchOptions<Id>): Promise<Hits<Id>> {
    const state = SearchIndex.#open(this);
    return toHits(await SearchIndex.#search(state, toQuery(query, state.config.dim, 'query'), o));
  }

  /**
   * {@link SearchIndex.search} on the calling thread.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.search}
   */
  searchSync(query: Vector, o: Omit<IndexSearchOptions<Id>, 'signal'>): Hits<Id> {
    const state = SearchIndex.#open(this);
    return toHits(SearchIndex.#searchSync(state, toQuery(query, state.config.dim, 'query'), o));
  }

  /**
   * {@link SearchIndex.search} for many queries at once, which takes less time than one after another.
   *
   * @param queries row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
   * @returns the hits of each query
   * @throws {TinyQuantError} as {@link SearchIndex.search}, with the row in `details`
   */
  async searchBatch(queries: VectorRows, o: IndexSearchOptions<Id>): Promise<Hits<Id>[]> {
    const state = SearchIndex.#open(this);
    return toHitLists(await SearchIndex.#search(state, toRows(queries, state.config.dim, 'queries').data, o));
  }

  /**
   * {@link SearchIndex.searchBatch} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.searchBatch}
   */
  searchBatchSync(queries: VectorRows, o: Omit<IndexSearchOptions<Id>, 'signal'>): Hits<Id>[] {
    const state = SearchIndex.#open(this);
    return toHitLists(SearchIndex.#searchSync(state, toRows(queries, state.config.dim, 'queries').data, o));
  }

  static async #search({ handle, config }: IndexState, queries: Float32Array, o: unknown): Promise<NativeIndexHits> {
    const { k, effort, exact, rescore, filter, signal } = searchPlan(o, config, true);
    const start = (abort: NativeAbort | null): Promise<NativeIndexHits> =>
      handle.search(queries, k, effort, exact, rescore, filter, abort);
    if (signal !== undefined) {
      return runJob({ signal, onProgress: undefined }, 'search', queries.length / config.dim, start);
    }
    try {
      return await start(null);
    } catch (error) {
      throw fromNative(error);
    }
  }

  static #searchSync({ handle, config }: IndexState, queries: Float32Array, o: unknown): NativeIndexHits {
    const { k, effort, exact, rescore, filter } = searchPlan(o, config, false);
    return call(() => handle.searchSync(queries, k, effort, exact, rescore, filter));
  }

  /**
   * Writes the index to a file, as it is once the calls made before have settled. The file is written beside
   * `path` and takes its name when it is complete and on the disk: a crash or a full disk at any moment leaves the old
   * file or the new one.
   *
   * @throws {TinyQuantError} ERR_TQ_IO with `errno` and `path` in details, also while another writer has the file open;
   * ERR_TQ_LIMIT, ERR_TQ_CLOSED
   */
  async save(path: FilePath, o?: JobOptions): Promise<void> {
    await SearchIndex.#save(SearchIndex.#open(this), path, o, false);
  }

  /**
   * {@link SearchIndex.save} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.save}, and ERR_TQ_INVALID_ARG while an asynchronous fit, add or save
   * is under way
   */
  saveSync(path: FilePath): void {
    const { handle } = SearchIndex.#idle(this);
    const target = filePath(path, 'path');
    call(() => handle.saveSync(target));
  }

  /**
   * Adds to the file that the index was opened from or saved to what has changed since; where nothing has, it is not
   * touched. A file that is not there yet is written whole, as {@link SearchIndex.save} does, and so is any file for an
   * index that comes from none.
   *
   * @throws {TinyQuantError} as {@link SearchIndex.save}; ERR_TQ_INVALID_ARG for another file, ERR_TQ_IO with kind Changed
   * if something else has written to it since
   */
  async sync(path: FilePath, o?: JobOptions): Promise<void> {
    await SearchIndex.#save(SearchIndex.#open(this), path, o, true);
  }

  static async #save({ handle, writers }: IndexState, path: FilePath, o: unknown, append: boolean): Promise<void> {
    const control = job(options(o, 'save options', JOB_OPTION_NAMES));
    const target = filePath(path, 'path');
    await writers.run(async () => {
      const total = call(() => handle.size());
      await runJob(control, 'save', total, (abort, onProgress) => handle.save(target, append, abort, onProgress));
      handle.reportMemory();
    });
  }

  /** The bytes that {@link SearchIndex.save} writes; {@link SearchIndex.fromBytes} reads them. */
  toBytes(): Uint8Array {
    const { handle } = SearchIndex.#open(this);
    return call(() => handle.toBytes());
  }

  /**
   * The index as a {@link VectorBackend}. Its ids are texts: decimal digits stand for numbers and bigints. An id that
   * is ingested again names the new vector; a search in between finds neither. Closing the backend closes the index.
   */
  asBackend(): VectorBackend {
    const { config } = SearchIndex.#open(this);
    const index = this as unknown as SearchIndex<IndexId>;
    return new IndexBackend(index, config.idType, {
      replace: (rows, ids) => replaceRows(index, rows, ids),
      clear: () => clearRows(index),
    });
  }

  /** What the index consists of. */
  stats(): SearchIndexStats {
    const { handle } = SearchIndex.#open(this);
    const { heapBytes: _heap, mappedBytes: _mapped, bytesPerRow, ...rest } = call(() => handle.stats());
    return { ...rest, bytesPerVector: bytesPerRow };
  }

  /** What the index takes, in bytes. */
  memoryUsage(): SearchIndexMemory {
    const { handle } = SearchIndex.#open(this);
    const { heapBytes, mappedBytes } = call(() => handle.stats());
    return { heapBytes, mappedBytes };
  }

  /** A summary; the content is in {@link SearchIndex.toBytes}. */
  toJSON(): SearchIndexSummary {
    const { handle, config } = SearchIndex.#open(this);
    const { dim, bits, metric, originals, seed } = config;
    const { size, fitted } = call(() => ({ size: handle.size(), fitted: handle.isFitted() }));
    const facts = { dim, bits: bits as IndexBits, metric, idType: config.idType, originals, seed: seed.toString() };
    return { ...facts, size, fitted };
  }

  /**
   * Lets go of the memory and of the file; every later call that needs them is ERR_TQ_CLOSED. Calls that are under way
   * finish first.
   */
  close(): void {
    const state = SearchIndex.#self(this);
    if (state.isClosed) return;
    state.isClosed = true;
    const { handle, writers } = state;
    if (writers.isBusy) void writers.run(async () => handle.close());
    else call(() => handle.close());
  }

  /** The same as {@link SearchIndex.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
