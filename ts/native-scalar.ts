/** Typed surface of the native addon for scalar embeddings and LNMP records. Internal, as native-types.ts. */
import type { NativeAbort, NativeProgress } from './native-types.js';

export interface NativeQuality {
  readonly min: number;
  readonly max: number;
  readonly lossRatio: number;
  readonly meanSquaredError: number;
  readonly cosine: number;
}

/** Binary forms one after another; the length of one that failed is 0. */
export interface NativeEmbeddingBatch {
  readonly bodies: Uint8Array;
  readonly lengths: Uint32Array;
  readonly millis: number;
}

export type NativeMeasure = 'cosine' | 'dot' | 'l2';

export interface NativeScaledRows {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly sizeBytes: number;
  codes(): Int8Array;
  scales(): Float32Array;
  dequantizeSync(): Float32Array;
  dequantize(abort: NativeAbort | null): Promise<Float32Array>;
  toBytes(packed: boolean): Uint8Array;
}

export type NativeLnmpKind =
  | 'int'
  | 'float'
  | 'bool'
  | 'string'
  | 'strings'
  | 'record'
  | 'records'
  | 'embedding'
  | 'quantized'
  | 'ints'
  | 'floats'
  | 'bools'
  | 'delta'
  | 'omitted'
  | 'omittedDelta';

/** A field with its value in the property of its kind. */
export interface NativeLnmpField {
  readonly id: number;
  readonly kind: NativeLnmpKind;
  readonly int?: bigint;
  readonly float?: number;
  readonly flag?: boolean;
  readonly text?: string;
  readonly texts?: string[];
  readonly ints?: BigInt64Array;
  readonly floats?: Float64Array;
  readonly flags?: boolean[];
  readonly bytes?: Uint8Array;
  readonly fields?: NativeLnmpField[];
  readonly records?: NativeLnmpField[][];
}

export type NativeLnmpMode = 'text' | 'binary' | 'stream' | 'delta' | 'embedding' | 'spatial';

export interface NativeLnmpContainer {
  readonly mode: NativeLnmpMode;
  readonly checksums: boolean;
  readonly metadata: Uint8Array;
  readonly fields: NativeLnmpField[];
}

export interface NativeLnmpDelta {
  readonly baseId: number;
  readonly indices: Uint16Array;
  readonly differences: Float32Array;
}

export interface NativeLnmpTextOptions {
  readonly hints: boolean;
  readonly checksums: boolean;
  readonly inline: boolean;
  readonly exact: boolean;
}

export interface NativeScalar {
  readonly NativeScaledRows: {
    quantizeSync(matrix: Float32Array, rows: number, cols: number, bits: number): NativeScaledRows;
    fromBytes(bytes: Uint8Array): NativeScaledRows;
  };
  quantizeEmbedding(values: Float32Array, scheme: string, compat: boolean): Uint8Array;
  dequantizeEmbedding(bytes: Uint8Array, midpoint: boolean): Float32Array;
  checkQuantized(bytes: Uint8Array): void;
  quantizedOfParts(
    scheme: string,
    dim: number,
    scale: number,
    zeroPoint: number,
    minVal: number,
    data: Uint8Array,
  ): Uint8Array;
  quantizedChecksum(bytes: Uint8Array): number;
  quantizedQuality(values: Float32Array, bytes: Uint8Array, midpoint: boolean): NativeQuality;
  compareEmbeddings(
    aValues: Float32Array | null,
    aBytes: Uint8Array | null,
    bValues: Float32Array | null,
    bBytes: Uint8Array | null,
    measure: NativeMeasure,
  ): number;
  quantizeEmbeddingsSync(
    values: Float32Array,
    lengths: Uint32Array,
    scheme: string,
    compat: boolean,
  ): NativeEmbeddingBatch;
  quantizeEmbeddings(
    values: Float32Array,
    lengths: Uint32Array,
    scheme: string,
    compat: boolean,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeEmbeddingBatch>;
  quantizeScaledRows(
    matrix: Float32Array,
    rows: number,
    cols: number,
    bits: number,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeScaledRows>;
  encodeLnmp(fields: NativeLnmpField[], nested: boolean): Uint8Array;
  encodeLnmpText(fields: NativeLnmpField[], options: NativeLnmpTextOptions): string;
  decodeLnmp(bytes: Uint8Array, dims: Uint32Array): NativeLnmpField[];
  decodeLnmpText(text: string, dims: Uint32Array): NativeLnmpField[];
  encodeLnmpContainer(
    fields: NativeLnmpField[],
    mode: NativeLnmpMode,
    checksums: boolean,
    metadata: Uint8Array,
  ): Uint8Array;
  decodeLnmpContainer(bytes: Uint8Array, dims: Uint32Array): NativeLnmpContainer;
  lnmpChecksum(field: NativeLnmpField): number | null;
  lnmpDelta(old: Float32Array, next: Float32Array, baseId: number, compat: boolean): Uint8Array;
  readLnmpDelta(bytes: Uint8Array): NativeLnmpDelta;
  applyLnmpDelta(bytes: Uint8Array, base: Float32Array): Float32Array;
  lnmpSimilarity(a: Float32Array, b: Float32Array, measure: NativeMeasure): number;
}
