/** Typed surface of the native addon. Internal: only the facade in this folder sees these names. */

export interface NativeConfig {
  readonly bitWidth: number;
  readonly seed: bigint;
  readonly dimension: number;
  readonly residualEnabled: boolean;
  readonly numCodebookEntries: number;
  readonly configHash: string;
}

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

export interface NativeBatch {
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

export interface NativeCorpus {
  readonly vectorCount: number;
  readonly metadataJson: string | null;
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
  ids(): string[];
  entries(from: number, count: number): NativeEntry[];
  decompress(id: string): Float32Array;
  decompressMany(ids: string[]): Float32Array;
  decompressAll(nowMs: number): Float32Array;
  pendingEvents(): NativeEvent[];
}

export interface NativeBruteForce {
  readonly count: number;
  readonly dimension: number | null;
  ingest(ids: string[], vectors: Float32Array, lengths: Uint32Array): void;
  search(query: Float32Array, topK: number): { ids: string[]; scores: Float32Array };
  remove(ids: string[]): number;
  clear(): void;
}

export type NativeProgress = (done: number, total: number) => void;

export interface NativeBinding {
  version(): string;
  simdLevel(): string;
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
  readonly NativeBatch: { fromBytes(bytes: Uint8Array): NativeBatch };
  readonly NativeCorpus: new (
    corpusId: string,
    config: NativeConfig,
    codebook: NativeCodebook,
    policy: string,
    metadataJson: string | null,
    createdAtMs: number,
  ) => NativeCorpus;
  readonly NativeBruteForce: new () => NativeBruteForce;
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
