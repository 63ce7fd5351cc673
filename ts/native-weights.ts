import type { NativeAbort, NativeProgress } from './native-types.js';

/** Typed surface of the addon's quantizers of weights. Internal, as `native-types.ts`. */

export interface NativeCodebookOptions {
  readonly levels: number;
  readonly rounds: number;
  readonly tolerance: number;
  readonly quantiles: boolean;
  readonly row: number;
  readonly keepGain: boolean;
}

export interface NativeTrainedCodebook {
  readonly codebook: Float32Array;
  readonly levels: number;
  readonly codes: Uint8Array;
  readonly mse: number;
  readonly rounds: number;
  readonly history: Float64Array;
}

export interface NativeResidualOptions {
  readonly bits: number[];
  readonly width: number;
  readonly rounds: number;
  readonly tolerance: number;
  readonly seed: bigint;
}

export interface NativeResidualQuantizer {
  readonly bits: number[];
  readonly width: number;
  errors(): Float64Array;
  centroids(stage: number): Float32Array | null;
  encodeSync(values: Float32Array): Uint8Array;
  encode(values: Float32Array, abort: NativeAbort | null, onProgress: NativeProgress | null): Promise<Uint8Array>;
  decode(codes: Uint8Array, stages: number): Float32Array;
  toBytes(): Uint8Array;
}

export interface NativeProductOptions {
  readonly dim: number;
  readonly parts: number;
  readonly centroids: number;
  readonly rounds: number;
  readonly tolerance: number;
  readonly seed: bigint;
}

export interface NativeProductQuantizer {
  readonly dim: number;
  readonly parts: number;
  readonly centroids: number;
  codebooks(): Float32Array;
  history(): Float64Array;
  encodeSync(vectors: Float32Array): Uint8Array;
  encode(vectors: Float32Array, abort: NativeAbort | null, onProgress: NativeProgress | null): Promise<Uint8Array>;
  decode(codes: Uint8Array): Float32Array;
  table(query: Float32Array, distances: boolean): Float32Array;
  score(table: Float32Array, codes: Uint8Array): Float32Array;
  toBytes(): Uint8Array;
}

export interface NativeGptqOptions {
  readonly rows: number;
  readonly cols: number;
  readonly qmax: number;
  readonly block: number;
  readonly damp: number;
  readonly actOrder: boolean;
  readonly group: number;
}

export interface NativeGptqResult {
  readonly codes: Int8Array;
  readonly scales: Float32Array;
  readonly order: Uint32Array;
  readonly error: number;
  readonly damp: number;
}

export interface NativeGrid {
  readonly rows: number;
  readonly cols: number;
  readonly qmax: number;
  readonly group: number;
  readonly codes: Int8Array;
  readonly scales: Float32Array;
  readonly order?: Uint32Array;
}

export interface NativeStoreOptions {
  readonly method: 'lossless' | 'grid' | 'codebook';
  readonly param: number;
  readonly group: number;
  readonly keepGain: boolean;
  readonly packed: boolean;
  readonly level: number;
}

export type NativeTensorData = Float32Array | Int8Array | Uint8Array;

export interface NativeTensor {
  readonly dtype: 'f32' | 'f16' | 'bf16' | 'i8' | 'u8';
  readonly shape: number[];
  readonly data: NativeTensorData;
}

export interface NativeTensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly method: 'lossless' | 'grid' | 'codebook';
  readonly bits: number;
  readonly storedBytes: number;
}

export interface NativeTensorFile {
  tensors(): NativeTensorInfo[];
  readSync(name: string, maxSize: number): NativeTensor;
  read(name: string, maxSize: number, abort: NativeAbort | null): Promise<NativeTensor>;
  close(): void;
}

export interface NativeNgramStats {
  readonly tokens: number;
  readonly contexts: number;
  readonly bytes: number;
}

export interface NativeNgramCache {
  stats(): NativeNgramStats;
  logProb(context: Uint32Array, next: number): number;
  probabilities(context: Uint32Array): Float64Array;
  update(context: Uint32Array, next: number): void;
  scoreSync(context: Uint32Array, tokens: Uint32Array, model: Float64Array | null, alpha: number): Float64Array;
  score(
    context: Uint32Array,
    tokens: Uint32Array,
    model: Float64Array | null,
    alpha: number,
    abort: NativeAbort | null,
  ): Promise<Float64Array>;
  clear(): void;
}

export interface NativeWeights {
  trainCodebookSync(values: Float32Array, options: NativeCodebookOptions): NativeTrainedCodebook;
  trainCodebook(
    values: Float32Array,
    options: NativeCodebookOptions,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeTrainedCodebook>;
  encodeLevels(values: Float32Array, levels: Float32Array): Uint8Array;
  decodeLevels(codes: Uint8Array, levels: Float32Array): Float32Array;
  readonly NativeResidualQuantizer: {
    trainSync(values: Float32Array, options: NativeResidualOptions): NativeResidualQuantizer;
    fromBytes(bytes: Uint8Array): NativeResidualQuantizer;
  };
  trainResidual(
    values: Float32Array,
    options: NativeResidualOptions,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeResidualQuantizer>;
  readonly NativeProductQuantizer: {
    trainSync(vectors: Float32Array, options: NativeProductOptions): NativeProductQuantizer;
    fromCodebooks(codebooks: Float32Array, dim: number, parts: number, centroids: number): NativeProductQuantizer;
    fromBytes(bytes: Uint8Array): NativeProductQuantizer;
  };
  trainProduct(
    vectors: Float32Array,
    options: NativeProductOptions,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeProductQuantizer>;
  gptqSync(weights: Float32Array, curvature: Float32Array | Float64Array, options: NativeGptqOptions): NativeGptqResult;
  gptq(
    weights: Float32Array,
    curvature: Float32Array | Float64Array,
    options: NativeGptqOptions,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeGptqResult>;
  hessianSync(inputs: Float32Array, cols: number): Float64Array;
  hessian(inputs: Float32Array, cols: number, abort: NativeAbort | null): Promise<Float64Array>;
  decodeGrid(grid: NativeGrid): Float32Array;
  packCodes(codes: Uint8Array | Int8Array, bits: number): Uint8Array;
  unpackCodes(bytes: Uint8Array, bits: number, count: number, signed: boolean): Uint8Array;
  compressTensorSync(shape: number[], data: NativeTensorData, options: NativeStoreOptions): Uint8Array;
  compressTensor(
    shape: number[],
    data: NativeTensorData,
    options: NativeStoreOptions,
    abort: NativeAbort | null,
  ): Promise<Uint8Array>;
  compressGridSync(grid: NativeGrid, options: NativeStoreOptions): Uint8Array;
  compressGrid(grid: NativeGrid, options: NativeStoreOptions, abort: NativeAbort | null): Promise<Uint8Array>;
  decompressTensorSync(bytes: Uint8Array, maxSize: number): NativeTensor;
  decompressTensor(bytes: Uint8Array, maxSize: number, abort: NativeAbort | null): Promise<NativeTensor>;
  tensorInfo(bytes: Uint8Array): NativeTensorInfo;
  zstdCompressSync(bytes: Uint8Array, level: number): Uint8Array;
  zstdCompress(bytes: Uint8Array, level: number, abort: NativeAbort | null): Promise<Uint8Array>;
  zstdDecompressSync(bytes: Uint8Array, maxSize: number): Uint8Array;
  zstdDecompress(bytes: Uint8Array, maxSize: number, abort: NativeAbort | null): Promise<Uint8Array>;
  writeTensors(
    path: string,
    names: string[],
    tensors: Uint8Array[],
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<number>;
  readonly NativeTensorFile: { openSync(path: string): NativeTensorFile };
  openTensors(path: string, abort: NativeAbort | null): Promise<NativeTensorFile>;
  readonly NativeNgramCache: new (order: number, vocab: number, lambda: number) => NativeNgramCache;
}
