import type { VectorBackend } from './backend.js';
import type { BatchBackend } from './batch-backend.js';
import { type Codebook, nativeCodebook } from './codebook.js';
import { CompressedBatch, type CompressedVector, nativeBatch, nativeRecord, wrapBatch } from './compressed.js';
import { type CodecConfig, nativeConfig } from './config.js';
import type { Corpus } from './corpus.js';
import { nativeCorpus } from './corpus-handle.js';
import { TinyQuantError } from './errors.js';
import { GpuIndexBackend } from './gpu-index-backend.js';
import { type GpuBinding, gpuBinding, type NativeCoding, type NativeGpu } from './gpu-native.js';
import { type PreparedCorpus, prepareCorpus, preparedRows, prepareIndex, wrapPrepared } from './gpu-prepared.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import type { SearchResult } from './hits.js';
import type { Hits } from './index-hits.js';
import type { IndexId } from './index-id.js';
import { JOB_OPTION_NAMES, type JobOptions, job, reasonOf, runJob } from './job.js';
import { call, fromNative, native } from './native.js';
import type { NativeAbort } from './native-types.js';
import { nativeIndex, type SearchIndex } from './search-index.js';
import { boolean, integer, invalidArg, notAHandle, oneOf, options } from './validate.js';
import { own, toRows, type VectorRows } from './vectors.js';

/** Vectors from which on `Codec.compressBatch({ backend })` goes to the device. */
export const GPU_BATCH_THRESHOLD: number = 512;

/**
 * Which adapter is taken: the fastest GPU (`'auto'`), that of one interface, one with memory of its own or one that
 * shares the memory of the CPU, or a `'software'` device, which no other preference ever picks.
 */
export type GpuPreference = 'auto' | 'vulkan' | 'metal' | 'dx12' | 'high-performance' | 'low-power' | 'software';

const PREFERENCES: readonly GpuPreference[] = [
  'auto',
  'vulkan',
  'metal',
  'dx12',
  'high-performance',
  'low-power',
  'software',
];

/** A summary of a {@link GpuBackend}. */
export interface GpuBackendSummary {
  /** The adapter's name. */
  readonly name: string;
  /** The interface that it is reached by. */
  readonly backend: string;
  /** The adapter's kind. */
  readonly deviceType: string;
  /** Bound of the buffers, in bytes. */
  readonly maxMemory: number;
}

/** Options of {@link GpuBackend.create}. */
export interface GpuBackendOptions {
  /** Which adapter is taken. Default `'auto'`. */
  readonly preference?: GpuPreference;
  /**
   * Bytes that the device buffers of this backend take at most, from 1 MiB. Default 1 GiB. What the driver stages uploads
   * in, up to 32 MiB a piece, comes on top.
   */
  readonly maxMemory?: number;
}

/** Options of {@link GpuBackend.prepare}. */
export interface PrepareOptions {
  /** Stops the call; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Options of {@link GpuBackend.search}. */
export interface GpuSearchOptions {
  /** Hits wanted, at least 1; more than there are vectors gives all. */
  readonly k: number;
  /** Orders the best vectors of an index by the originals, where it keeps them. Default `true`. */
  readonly rescore?: boolean;
  /** Stops the search; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What the drivers say about an adapter. */
export interface GpuAdapterInfo {
  /** Name of the adapter, such as that of a graphics card. */
  readonly name: string;
  /** Interface that it is reached through. */
  readonly backend: 'vulkan' | 'metal' | 'dx12';
  /** Memory of its own, memory shared with the CPU, part of another machine's GPU, or the CPU itself. */
  readonly deviceType: 'discrete' | 'integrated' | 'virtual' | 'software' | 'other';
  /** Name of the driver; empty where it does not say. */
  readonly driver: string;
  /** Version of the driver; empty where it does not say. */
  readonly driverInfo: string;
  /** Number of the vendor on its bus, or 0. */
  readonly vendorId: number;
  /** Number of the device on its bus, or 0. */
  readonly deviceId: number;
}

/** What bounds the work of a {@link GpuBackend}; larger work is split. */
export interface GpuLimits {
  /** Bytes of one buffer. */
  readonly maxBufferSize: number;
  /** Bytes of a buffer that a shader sees. */
  readonly maxBindingSize: number;
  /** Workgroups of one dispatch along one dimension. */
  readonly maxWorkgroups: number;
  /** Bytes of all buffers, as given to {@link GpuBackend.create}. */
  readonly maxMemory: number;
}

/** The native side takes a u32; no device holds more rows. */
const MAX_K = 0xffff_ffff;
const MIN_MEMORY = 2 ** 20;
const DEFAULT_MEMORY = 2 ** 30;

interface GpuState {
  readonly binding: GpuBinding;
  readonly handle: NativeGpu;
  readonly adapter: GpuAdapterInfo;
  readonly limits: GpuLimits;
  isClosed: boolean;
}

/** Configuration and codebook by their values. */
function coding(config: CodecConfig, codebook: Codebook): NativeCoding {
  const { bitWidth, seed, dimension, residualEnabled } = nativeConfig(config, 'config');
  return { bitWidth, seed, dimension, residualEnabled, entries: nativeCodebook(codebook, 'codebook').entries() };
}

/** Records as one batch; `undefined` where only some have a residual. */
function joined(compressed: unknown): CompressedBatch | undefined {
  if (nativeBatch(compressed) !== undefined) return compressed as CompressedBatch;
  if (!Array.isArray(compressed)) {
    throw invalidArg('compressed', 'a CompressedBatch or an array of CompressedVector', compressed);
  }
  const records = Array.from(compressed as readonly unknown[], (item, i) => nativeRecord(item, `compressed[${i}]`));
  const [first] = records;
  if (records.some((record) => record.hasResidual !== first?.hasResidual)) return undefined;
  return CompressedBatch.fromBytes(Buffer.concat(records.map((record) => call(() => record.toBytes()))));
}

/**
 * A GPU that compresses and reconstructs batches and searches, through Vulkan, Metal or Direct3D 12. Calls on it run one
 * after another.
 *
 * What it gives is what the CPU gives: indices are equal; a residual is equal or the next half-precision number; a
 * reconstructed value differs by less than a few units in the last place of the vector's length; a search returns the
 * same ids and scores. Where the sums of the device cannot tell, the CPU computes again.
 *
 * A device that is lost, out of memory or absent is ERR_TQ_GPU with the driver's words, and the CPU goes on working.
 *
 * @example
 * const gpu = await GpuBackend.create({ preference: 'auto' });
 * const batch = await codec.compressBatch(vectors, config, codebook, { backend: gpu });
 * gpu.close();
 */
export class GpuBackend extends Handle implements BatchBackend {
  readonly #state: GpuState;

  private constructor(token: typeof INTERNAL, state: GpuState) {
    super();
    assertInternal(token, 'GpuBackend', 'GpuBackend.create');
    this.#state = state;
  }

  static #self(value: unknown): GpuState {
    if (typeof value !== 'object' || value === null || !(#state in value))
      throw notAHandle(value, 'this', 'GpuBackend');
    return value.#state;
  }

  static #open(value: unknown): GpuState {
    const state = GpuBackend.#self(value);
    if (state.isClosed) throw new TinyQuantError('ERR_TQ_CLOSED', 'the GpuBackend has been closed');
    return state;
  }

  /**
   * Opens an adapter.
   *
   * @throws {TinyQuantError} ERR_TQ_NATIVE_LOAD with the package to install where the GPU addon is absent; ERR_TQ_GPU
   * with kind NoAdapter or NoDevice; ERR_TQ_INVALID_ARG
   */
  static async create(o?: GpuBackendOptions): Promise<GpuBackend> {
    const given = options(o, 'GpuBackend options', ['preference', 'maxMemory']);
    const preference = given.preference === undefined ? 'auto' : oneOf(given.preference, 'preference', PREFERENCES);
    const maxMemory =
      given.maxMemory === undefined
        ? DEFAULT_MEMORY
        : integer(given.maxMemory, 'maxMemory', MIN_MEMORY, Number.MAX_SAFE_INTEGER);
    const binding = gpuBinding();
    try {
      const handle = await binding.openGpu(preference, maxMemory);
      const adapter = Object.freeze({ ...handle.info() }) as GpuAdapterInfo;
      const limits = Object.freeze({ ...handle.limits() });
      return new GpuBackend(INTERNAL, { binding, handle, adapter, limits, isClosed: false });
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** What the drivers say about the adapter. */
  get adapter(): GpuAdapterInfo {
    return GpuBackend.#self(this).adapter;
  }

  /** What bounds the work. */
  get limits(): GpuLimits {
    return GpuBackend.#self(this).limits;
  }

  /** Vectors from which on batches of a `Codec` go to the device: {@link GPU_BATCH_THRESHOLD}. */
  get batchThreshold(): number {
    GpuBackend.#self(this);
    return GPU_BATCH_THRESHOLD;
  }

  /** Bytes of device memory that are in use now. */
  get memoryUsed(): number {
    const { handle } = GpuBackend.#open(this);
    return call(() => handle.memoryUsed());
  }

  /**
   * Compiles all shaders, which the first call would do otherwise.
   *
   * @throws {TinyQuantError} ERR_TQ_GPU with kind Shader or Lost; ERR_TQ_CLOSED
   */
  async loadPipelines(): Promise<void> {
    const { handle } = GpuBackend.#open(this);
    try {
      await handle.loadPipelines();
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * Compresses vectors on the device, however few. Indices equal those of the CPU, residuals equal them or are the next
   * half-precision number.
   *
   * @param vectors row-major `n * config.dimension` values, or an array of `n` vectors; copied before the call returns
   * @throws {TinyQuantError} as `Codec.compressBatch`; ERR_TQ_GPU; ERR_TQ_CLOSED
   */
  async compressBatch(
    vectors: VectorRows,
    config: CodecConfig,
    codebook: Codebook,
    o?: JobOptions,
  ): Promise<CompressedBatch> {
    const { binding, handle } = GpuBackend.#open(this);
    const control = job(options(o, 'compressBatch options', JOB_OPTION_NAMES));
    const configHandle = nativeConfig(config, 'config');
    const values = coding(config, codebook);
    const { data, count } = toRows(vectors, configHandle.dimension, 'vectors');
    // Whether the codebook fits is the codec's to say.
    call(() => native.compressBatchSync(new Float32Array(0), configHandle, nativeCodebook(codebook, 'codebook')));
    const { packed, residuals } = await runJob(
      control,
      'compress',
      count,
      (abort, onProgress) => handle.compressBatch(data, values, abort, onProgress),
      () => new binding.NativeAbort(),
    );
    return wrapBatch(call(() => native.NativeBatch.fromParts(configHandle, packed, residuals)));
  }

  /**
   * Reconstructs vectors on the device, however few.
   *
   * @param compressed a batch, or records of one configuration
   * @returns row-major `n * config.dimension` values
   * @throws {TinyQuantError} as `Codec.decompressBatch`; ERR_TQ_GPU; ERR_TQ_CLOSED
   */
  async decompressBatch(
    compressed: CompressedBatch | readonly CompressedVector[],
    config: CodecConfig,
    codebook: Codebook,
    o?: JobOptions,
  ): Promise<Float32Array> {
    const { binding, handle } = GpuBackend.#open(this);
    const control = job(options(o, 'decompressBatch options', JOB_OPTION_NAMES));
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const values = coding(config, codebook);
    const batch = nativeBatch(joined(compressed));
    if (batch === undefined) {
      // Records with and without residuals do not go to the device together.
      const records = (compressed as readonly CompressedVector[]).map((item) => nativeRecord(item, 'compressed'));
      return runJob(control, 'decompress', records.length, (abort, onProgress) =>
        native.decompressRecords(records, configHandle, codebookHandle, abort, onProgress),
      );
    }
    const { packed, residuals } = call(() => batch.parts(configHandle, codebookHandle));
    return runJob(
      control,
      'decompress',
      batch.length,
      (abort, onProgress) => handle.decompressBatch(packed, residuals, values, abort, onProgress),
      () => new binding.NativeAbort(),
    );
  }

  /**
   * Brings the codes of a corpus under the policy `compress`, as it is now, to the device. What happens to the corpus
   * later changes nothing of it.
   *
   * @throws {TinyQuantError} ERR_TQ_POLICY for another policy; ERR_TQ_GPU, with kind MemoryBound where the codes do not
   * fit in what `maxMemory` leaves; ERR_TQ_CLOSED
   */
  async prepare(corpus: Corpus, o?: PrepareOptions): Promise<PreparedCorpus<SearchResult[]>>;
  /** The same of a search index: its codes and their factors; vectors that it keeps stay where they are. */
  async prepare<Id extends IndexId>(index: SearchIndex<Id>, o?: PrepareOptions): Promise<PreparedCorpus<Hits<Id>>>;
  async prepare(source: unknown, o?: PrepareOptions): Promise<PreparedCorpus<unknown>> {
    const state = GpuBackend.#open(this);
    const { signal } = job(options(o, 'prepare options', ['signal']));
    const newFlag = (): NativeAbort => new state.binding.NativeAbort();
    try {
      if (nativeCorpus(source) !== undefined) {
        const corpus = source as Corpus;
        const values = coding(corpus.codecConfig, corpus.codebook);
        return wrapPrepared(await prepareCorpus(corpus, state.handle, values, newFlag, signal));
      }
      const index = nativeIndex(source);
      if (index === undefined) throw invalidArg('corpus', 'a Corpus or a SearchIndex', source);
      return wrapPrepared(await prepareIndex(index, state.handle, newFlag, signal));
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      throw fromNative(error);
    }
  }

  /**
   * The best vectors of a prepared corpus for queries. The device shortlists, the CPU scores: ids and scores are those of
   * `Corpus.searchBatch`, and of an index those of `SearchIndex.searchBatch` with `exact: true` and `rescore: false`.
   * An index that keeps its vectors orders the best ones by them, unless `rescore` is `false`.
   *
   * @param queries row-major `n * dimension` values, or an array of `n` vectors; copied before the call returns
   * @returns the hits of each query
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_GPU, ERR_TQ_CLOSED
   */
  async search<Result>(prepared: PreparedCorpus<Result>, queries: VectorRows, o: GpuSearchOptions): Promise<Result[]> {
    const { handle } = GpuBackend.#open(this);
    const rows = preparedRows(prepared);
    if (rows.owner !== handle) throw invalidArg('prepared', 'a PreparedCorpus of this GpuBackend', prepared);
    const given = options(o, 'search options', ['k', 'rescore', 'signal'], true);
    const { signal } = job({ signal: given.signal });
    const k = integer(given.k, 'k', 1, Number.MAX_SAFE_INTEGER);
    const rescore = given.rescore === undefined ? true : boolean(given.rescore, 'rescore');
    const { data, count, owned } = toRows(queries, rows.dimension, 'queries');
    if (count === 0) return [];
    return rows.search(own({ data, owned }, 'queries'), count, Math.min(k, MAX_K), rescore, signal) as Promise<
      Result[]
    >;
  }

  /**
   * A {@link VectorBackend} over an index whose searches run on the device: `index.asBackend()`, except that the first
   * search after a write brings the codes to the device again, and that all codes are looked at. It suits rows that are
   * searched much more often than written. Only writes through the backend are seen. Closing it closes the index, not
   * the GpuBackend.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_CLOSED; calls of the backend also ERR_TQ_GPU
   */
  asBackend<Id extends IndexId>(index: SearchIndex<Id>): VectorBackend {
    GpuBackend.#open(this);
    if (nativeIndex(index) === undefined) throw invalidArg('index', 'a SearchIndex', index);
    return new GpuIndexBackend(this, index as unknown as SearchIndex<IndexId>);
  }

  /** Lets go of the device once the calls under way are done; later calls are ERR_TQ_CLOSED. */
  close(): void {
    const state = GpuBackend.#self(this);
    if (state.isClosed) return;
    state.isClosed = true;
    call(() => state.handle.close());
  }

  /** The same as {@link GpuBackend.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A summary. */
  toJSON(): GpuBackendSummary {
    const { adapter, limits } = GpuBackend.#self(this);
    const { name, backend, deviceType } = adapter;
    return { name, backend, deviceType, maxMemory: limits.maxMemory };
  }
}

export { PreparedCorpus, type PreparedCorpusSummary } from './gpu-prepared.js';
export type {
  BatchBackend,
  Codebook,
  CodecConfig,
  CompressedBatch,
  CompressedVector,
  Corpus,
  Hits,
  IndexId,
  JobOptions,
  SearchIndex,
  SearchResult,
  VectorBackend,
  VectorRows,
};
