import type { NativeScalar } from './native-scalar.js';
import type { NativeWeights } from './native-weights.js';

/** Typed surface of the native addon. Internal: only the facade in this folder sees these names. */

export interface NativeConfig {
  readonly bitWidth: number;
  readonly seed: bigint;
  readonly dimension: number;
  readonly residualEnabled: boolean;
  readonly numCodebookEntries: number;
  readonly configHash: string;
}

/** How a codebook is found; {@link TrainOptions.method} tells what each does. */
export type TrainMethod = 'tinyquant' | 'lloyd-max';

export interface NativeCodebook {
  readonly bitWidth: number;
  readonly numEntries: number;
  entries(): Float32Array;
  toBytes(): Uint8Array;
}

export interface NativeRotation {
  readonly seed: bigint;
  readonly dimension: number;
  toArray(): Float64Array;
}

/** Flag that a running job polls once per block of rows. */
export interface NativeAbort {
  abort(): void;
}

export interface NativeRecord {
  readonly configHash: string;
  readonly dimension: number;
  readonly bitWidth: number;
  readonly hasResidual: boolean;
  readonly sizeBytes: number;
  indices(): Uint8Array;
  residual(): Uint8Array | null;
  toBytes(): Uint8Array;
}

/** What the records of a batch consist of, one record after another. */
export interface NativeParts {
  readonly packed: Uint8Array;
  readonly residuals: Uint8Array;
}

export interface NativeBatch {
  parts(config: NativeConfig, codebook: NativeCodebook): NativeParts;
  readonly length: number;
  readonly sizeBytes: number;
  at(index: number): NativeRecord;
  toBytes(): Uint8Array;
}

export interface NativeEntry {
  readonly vectorId: string;
  readonly dimension: number;
  readonly insertedAtMs: number;
  readonly metadataJson: string | null;
  readonly configHash: string;
  readonly hasResidual: boolean;
  compressed(): NativeRecord;
}

export interface NativeEvent {
  readonly type: 'CorpusCreated' | 'VectorsInserted' | 'CorpusDecompressed';
  readonly corpusId: string;
  readonly timestampMs: number;
  readonly policy?: string;
  readonly vectorIds?: string[];
  readonly count?: number;
}

export interface NativeHits {
  readonly ids: string[];
  readonly scores: Float32Array;
}

export interface NativeCorpus {
  corpusId(): string;
  config(): NativeConfig;
  codebook(): NativeCodebook;
  policy(): NativePolicy;
  vectorCount(): number;
  nextNumber(): number;
  metadataJson(): string | null;
  insertBatch(
    ids: string[],
    vectors: Float32Array,
    lengths: Uint32Array,
    metadataJson: (string | null)[],
    insertedAtMs: number,
  ): NativeEntry[];
  insert(id: string, vector: Float32Array, metadataJson: string | null, insertedAtMs: number): NativeEntry;
  get(id: string): NativeEntry;
  contains(id: string): boolean;
  remove(id: string): boolean;
  ids(from: number, until: number, count: number): { ids: string[]; next: number };
  entries(from: number, until: number, count: number): { entries: NativeEntry[]; next: number };
  decompress(id: string): Float32Array;
  decompressPage(from: number, until: number, count: number): { ids: string[]; values: Float32Array; next: number };
  decompressAll(nowMs: number): Float32Array;
  pendingEvents(): NativeEvent[];
  search(
    queries: Float32Array,
    topK: number,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeHits[]>;
  save(path: string, append: boolean, abort: NativeAbort | null, onProgress: NativeProgress | null): Promise<void>;
  saveSync(path: string, append: boolean): void;
  view(): NativeCorpusView;
  close(): void;
}

/** A corpus as it was, with the vectors numbered from 0 on. */
export interface NativeCorpusView {
  readonly rows: number;
  page(first: number, count: number, abort: NativeAbort | null): Promise<NativeParts>;
  searchAmong(
    queries: Float32Array,
    rows: Uint32Array,
    counts: Uint32Array,
    topK: number,
    abort: NativeAbort | null,
  ): Promise<NativeHits[]>;
}

export type NativePolicy = 'compress' | 'passthrough' | 'fp16';

export interface NativeCorpusWriter {
  readonly path: string;
  readonly corpusId: string;
  readonly metadataJson: string | null;
  readonly policy: NativePolicy;
  config(): NativeConfig;
  codebook(): NativeCodebook;
  push(
    vectors: Float32Array,
    ids: string[] | null,
    metadataJson: (string | null)[],
    insertedAtMs: number,
    abort: NativeAbort | null,
  ): Promise<void>;
  pushRecords(
    batch: NativeBatch,
    ids: string[] | null,
    metadataJson: (string | null)[],
    insertedAtMs: number,
    abort: NativeAbort | null,
  ): Promise<void>;
  finish(): Promise<{ vectorCount: number; sizeBytes: number }>;
  abort(): void;
}

export interface NativeTqcvReader {
  length(): number;
  dimension(): number;
  bitWidth(): number;
  hasResidual(): boolean;
  configHash(): string;
  metadata(): Uint8Array;
  read(from: number, count: number): NativeBatch;
  close(): void;
}

export interface NativeTqcvWriter {
  append(batch: NativeBatch): Promise<void>;
  finish(): Promise<number>;
  abort(): void;
}

/** Ids: numbers, bigints or texts. */
export type NativeIds = Float64Array | BigUint64Array | string[];

export interface NativeIndexConfig {
  readonly dim: number;
  readonly bits: number;
  readonly metric: 'cosine' | 'dot' | 'l2';
  readonly seed: bigint;
  readonly idType: 'number' | 'bigint' | 'string';
  readonly originals: 'none' | 'f16' | 'f32';
}

/** Hits of the queries of a call, one query's after another's; `counts` is absent for one query. */
export interface NativeIndexHits {
  readonly ids: NativeIds;
  readonly scores: Float32Array;
  readonly counts?: Uint32Array;
}

export interface NativeIndexStats {
  readonly size: number;
  readonly rows: number;
  readonly parts: number;
  readonly partitions: number;
  readonly fitted: boolean;
  readonly segments: { readonly coordinates: number; readonly bits: number }[];
  readonly bytesPerRow: number;
  readonly heapBytes: number;
  readonly mappedBytes: number;
}

export interface NativeSearchIndex {
  config(): NativeIndexConfig;
  size(): number;
  isFitted(): boolean;
  stats(): NativeIndexStats;
  fit(sample: Float32Array, abort: NativeAbort | null, onProgress: NativeProgress | null): Promise<void>;
  add(
    vectors: Float32Array,
    ids: NativeIds | null,
    replace: boolean,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<void>;
  addSync(vectors: Float32Array, ids: NativeIds | null): void;
  remove(ids: NativeIds): number;
  clear(): number;
  has(id: number | bigint | string): boolean;
  ids(): NativeIds;
  reconstruct(id: number | bigint | string): Float32Array;
  search(
    queries: Float32Array,
    k: number,
    effort: number,
    exact: boolean,
    rescore: boolean | null,
    filter: Uint8Array | NativeIds | null,
    abort: NativeAbort | null,
  ): Promise<NativeIndexHits>;
  searchSync(
    queries: Float32Array,
    k: number,
    effort: number,
    exact: boolean,
    rescore: boolean | null,
    filter: Uint8Array | NativeIds | null,
  ): NativeIndexHits;
  save(path: string, append: boolean, abort: NativeAbort | null, onProgress: NativeProgress | null): Promise<void>;
  saveSync(path: string): void;
  toBytes(): Uint8Array;
  reportMemory(): void;
  view(): NativeIndexView;
  close(): void;
}

/** How the rows of an index are coded. */
export interface NativeUnitPlan {
  readonly widths: Uint8Array;
  readonly segmentUnits: Uint32Array;
  readonly factorBases: Uint32Array;
  readonly factorShifts: Uint32Array;
  readonly hasNorms: boolean;
}

/** The rows of an index as they were, numbered from 0 on. */
export interface NativeIndexView {
  readonly rows: number;
  plan(): NativeUnitPlan;
  page(
    first: number,
    count: number,
    abort: NativeAbort | null,
  ): Promise<{ codes: Uint8Array; factors: Uint8Array; norms: Float32Array }>;
  queries(values: Float32Array): { codes: Int8Array; scales: Float32Array; terms: Float32Array };
  candidates(k: number, rescore: boolean): number;
  searchAmong(
    queries: Float32Array,
    rows: Uint32Array,
    counts: Uint32Array,
    k: number,
    rescore: boolean,
    abort: NativeAbort | null,
  ): Promise<NativeIndexHits>;
}

export interface NativeFileInfo {
  readonly format: 'corpus' | 'index' | 'tqcv' | 'tqcb';
  readonly version: number;
  readonly sizeBytes: number;
  readonly bitWidth: number;
  readonly vectorCount?: number;
  readonly dimension?: number;
  readonly residual?: boolean;
  readonly configHash?: string;
  readonly seed?: bigint;
  readonly policy?: NativePolicy;
  readonly corpusId?: string;
  readonly metric?: NativeIndexConfig['metric'];
  readonly idType?: NativeIndexConfig['idType'];
  readonly originals?: NativeIndexConfig['originals'];
  readonly fitted?: boolean;
  readonly partitions?: number;
  readonly bytesPerVector?: number;
  readonly entries?: number;
  readonly commits?: number;
}

export interface NativeBruteForce {
  readonly count: number;
  readonly dimension: number | null;
  ingest(ids: string[], vectors: Float32Array, lengths: Uint32Array): void;
  search(query: Float32Array, topK: number): NativeHits;
  remove(ids: string[]): number;
  clear(): void;
}

/** What a .npy header says. */
export interface NativeNpyHeader {
  readonly dtype: 'f2' | 'f4' | 'f8';
  readonly bigEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: number[];
  readonly dataOffset: number;
}

/** How a codec quantizes: levels, levels with unbiased norms, or levels and a sketch of either kind. */
export type NativeRowMethod = 'mse' | 'unbiased' | 'gaussian' | 'rotation';

export interface NativeQuantizedRows {
  readonly rows: number;
  readonly dim: number;
  readonly bits: number;
  readonly seed: bigint;
  readonly method: NativeRowMethod;
  readonly nbytes: number;
  norms(): Float32Array;
  codes(): Uint8Array;
  residualNorms(): Float32Array;
  signs(): Uint8Array;
  toBytes(): Uint8Array;
}

export interface NativeRowCodec {
  centroids(): Float32Array;
  distortion(): number;
  quantizeSync(vectors: Float32Array): NativeQuantizedRows;
  quantize(
    vectors: Float32Array,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeQuantizedRows>;
  dequantizeSync(rows: NativeQuantizedRows): Float32Array;
  dequantize(
    rows: NativeQuantizedRows,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<Float32Array>;
  scoreSync(queries: Float32Array, rows: NativeQuantizedRows): Float32Array;
  score(
    queries: Float32Array,
    rows: NativeQuantizedRows,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<Float32Array>;
}

export interface NativeKvCacheConfig {
  readonly heads: number;
  readonly headDim: number;
  readonly keys: NativeRowMethod;
  readonly keyBits: number;
  readonly valueBits: number;
  readonly keySeed: bigint;
  readonly valueSeed: bigint;
  readonly scale?: number;
}

export interface NativeKvCache {
  length(): number;
  nbytes(): number;
  scale(): number;
  appendSync(keys: Float32Array, values: Float32Array): number;
  append(keys: Float32Array, values: Float32Array, abort: NativeAbort | null): Promise<number>;
  truncate(length: number): void;
  attendSync(queries: Float32Array, queryHeads: number, causal: boolean, mask: Uint8Array | null): Float32Array;
  attend(
    queries: Float32Array,
    queryHeads: number,
    causal: boolean,
    mask: Uint8Array | null,
    abort: NativeAbort | null,
  ): Promise<Float32Array>;
  reportMemory(): void;
}

export type NativeProgress = (done: number, total: number) => void;

export interface NativeBinding extends NativeScalar, NativeWeights {
  version(): string;
  simdLevel(): string;
  threads(): number;
  parseNpyHeader(bytes: Uint8Array): NativeNpyHeader;
  widenF16(bytes: Uint8Array): Float32Array;
  narrowF16(values: Float32Array, dimension: number): Uint8Array;
  firstNonFinite(values: Float32Array): number;
  readonly NativeConfig: new (
    bitWidth: number,
    seed: bigint,
    dimension: number,
    residualEnabled: boolean,
  ) => NativeConfig;
  readonly NativeCodebook: {
    train(vectors: Float32Array, config: NativeConfig, method: TrainMethod): NativeCodebook;
    fromEntries(entries: Float32Array, bitWidth: number): NativeCodebook;
    fromBytes(bytes: Uint8Array): NativeCodebook;
  };
  readonly NativeRotation: { fromConfig(config: NativeConfig): NativeRotation };
  readonly NativeAbort: new () => NativeAbort;
  readonly NativeRecord: { fromBytes(bytes: Uint8Array): NativeRecord };
  readonly NativeBatch: {
    fromBytes(bytes: Uint8Array): NativeBatch;
    fromParts(config: NativeConfig, packed: Uint8Array, residuals: Uint8Array): NativeBatch;
  };
  readonly NativeCorpus: {
    new (
      corpusId: string,
      config: NativeConfig,
      codebook: NativeCodebook,
      policy: string,
      metadataJson: string | null,
      createdAtMs: number,
    ): NativeCorpus;
    openSync(path: string, mmap: boolean, verify: boolean): NativeCorpus;
  };
  readonly NativeCorpusWriter: {
    create(
      path: string,
      corpusId: string,
      config: NativeConfig,
      codebook: NativeCodebook,
      policy: string,
      metadataJson: string | null,
      overwrite: boolean,
    ): NativeCorpusWriter;
    append(path: string): NativeCorpusWriter;
  };
  readonly NativeTqcvReader: { openSync(path: string, mmap: boolean): NativeTqcvReader };
  readonly NativeTqcvWriter: {
    create(path: string, config: NativeConfig, metadata: Uint8Array, overwrite: boolean): NativeTqcvWriter;
  };
  readonly NativeSearchIndex: {
    new (config: NativeIndexConfig): NativeSearchIndex;
    openSync(path: string, mmap: boolean, verify: boolean): NativeSearchIndex;
    fromBytes(bytes: Uint8Array): NativeSearchIndex;
  };
  buildIndex(
    config: NativeIndexConfig,
    vectors: Float32Array,
    ids: NativeIds | null,
    fit: boolean,
    like: NativeSearchIndex | null,
    partitions: number,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeSearchIndex>;
  openIndex(path: string, mmap: boolean, verify: boolean, abort: NativeAbort | null): Promise<NativeSearchIndex>;
  openCorpus(path: string, mmap: boolean, verify: boolean, abort: NativeAbort | null): Promise<NativeCorpus>;
  fileInfo(path: string): Promise<NativeFileInfo>;
  verifyFile(
    path: string,
    total: number,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeFileInfo>;
  readonly NativeBruteForce: new () => NativeBruteForce;
  readonly NativeQuantizedRows: { fromBytes(bytes: Uint8Array): NativeQuantizedRows };
  readonly NativeRowCodec: new (method: NativeRowMethod, dim: number, bits: number, seed: bigint) => NativeRowCodec;
  readonly NativeKvCache: new (config: NativeKvCacheConfig) => NativeKvCache;
  compress(vector: Float32Array, config: NativeConfig, codebook: NativeCodebook): NativeRecord;
  decompress(record: NativeRecord, config: NativeConfig, codebook: NativeCodebook): Float32Array;
  compressBatchSync(vectors: Float32Array, config: NativeConfig, codebook: NativeCodebook): NativeBatch;
  decompressBatchSync(batch: NativeBatch, config: NativeConfig, codebook: NativeCodebook): Float32Array;
  decompressRecordsSync(records: NativeRecord[], config: NativeConfig, codebook: NativeCodebook): Float32Array;
  compressBatch(
    vectors: Float32Array,
    owned: boolean,
    config: NativeConfig,
    codebook: NativeCodebook,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeBatch>;
  decompressBatch(
    batch: NativeBatch,
    config: NativeConfig,
    codebook: NativeCodebook,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<Float32Array>;
  decompressRecords(
    records: NativeRecord[],
    config: NativeConfig,
    codebook: NativeCodebook,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<Float32Array>;
}
