import { expectTypeOf } from 'expect-type';
import {
  type ContainerMode,
  decodeContainer,
  decodeRecord,
  EmbeddingDelta,
  type EmbeddingDeltaJson,
  encodeContainer,
  encodeRecord,
  type LnmpField,
  type LnmpFields,
  type LnmpValue,
  type RecordFormat,
  semanticChecksum,
} from '../dist/lnmp.js';
import {
  cosineSimilarity,
  dequantizeEmbedding,
  dequantizeRowsAsync,
  type QuantizeBatchResult,
  QuantizedVector,
  type QuantizedVectorJson,
  type QuantScheme,
  quantizeAdaptive,
  quantizeBatch,
  quantizeBatchAsync,
  quantizeEmbedding,
  quantizeRows,
  type RowBits,
  ScaledRows,
  type ScaledRowsSummary,
  schemeForCompression,
} from '../dist/scalar.js';

declare const floats: Float32Array;
declare const quantized: QuantizedVector;
declare const rows: ScaledRows;
declare const delta: EmbeddingDelta;

// Embeddings
expectTypeOf(quantizeEmbedding(floats, 'qint8')).toEqualTypeOf<QuantizedVector>();
expectTypeOf(quantizeEmbedding([1, 2], 'binary', { compat: true })).toEqualTypeOf<QuantizedVector>();
// @ts-expect-error unknown scheme
quantizeEmbedding(floats, 'int8');
// @ts-expect-error unknown option
quantizeEmbedding(floats, 'qint8', { compact: true });
// @ts-expect-error 64-bit floats are no vector
quantizeEmbedding(new Float64Array(4), 'qint8');
expectTypeOf(dequantizeEmbedding(quantized, { midpoint: true })).toEqualTypeOf<Float32Array>();
expectTypeOf(quantizeAdaptive(floats, 'balanced')).toEqualTypeOf<QuantizedVector>();
// @ts-expect-error a target of the other kind
quantizeAdaptive(floats, 'moderate');
expectTypeOf(schemeForCompression('moderate')).toEqualTypeOf<QuantScheme>();
expectTypeOf(quantizeBatch([floats, [1]], 'qint4')).toEqualTypeOf<QuantizeBatchResult>();
expectTypeOf(
  quantizeBatchAsync(floats, 'fp16', { dim: 4, signal: AbortSignal.timeout(5), onProgress: () => {} }),
).toEqualTypeOf<Promise<QuantizeBatchResult>>();
expectTypeOf(cosineSimilarity(quantized, floats)).toEqualTypeOf<number>();
expectTypeOf(quantized.scheme).toEqualTypeOf<QuantScheme>();
expectTypeOf(quantized.toJSON()).toEqualTypeOf<QuantizedVectorJson>();
expectTypeOf(QuantizedVector.fromJSON(quantized.toLnmpJSON())).toEqualTypeOf<QuantizedVector>();
// @ts-expect-error immutable
quantized.dim = 2;
// @ts-expect-error no public constructor
new QuantizedVector();

// Rows
expectTypeOf(quantizeRows(floats, 2, 3, 6)).toEqualTypeOf<ScaledRows>();
// @ts-expect-error neither 6 nor 8 bits
quantizeRows(floats, 2, 3, 4);
expectTypeOf(rows.bits).toEqualTypeOf<RowBits>();
expectTypeOf(rows.codes()).toEqualTypeOf<Int8Array>();
expectTypeOf(dequantizeRowsAsync(rows)).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(ScaledRows.fromBytes(rows.toBytes({ layout: 'packed' })).toJSON()).toEqualTypeOf<ScaledRowsSummary>();

// Records
const record = { 1: 5n, 2: 'text', 3: quantized, 4: { 1: true }, 5: [0.5, 1], 6: floats } satisfies LnmpFields;
expectTypeOf(encodeRecord(record, 'text', { hints: true })).toEqualTypeOf<string>();
expectTypeOf(encodeRecord(record, 'binary')).toEqualTypeOf<Uint8Array>();
expectTypeOf(encodeRecord(new Map([[7, delta]]), 'nested')).toEqualTypeOf<Uint8Array>();
expectTypeOf(encodeRecord(record, 'binary' as RecordFormat)).toEqualTypeOf<string | Uint8Array>();
expectTypeOf(decodeRecord('F1=2', { dims: { 1: 3 } })).toEqualTypeOf<LnmpField[]>();
expectTypeOf(decodeRecord(new Uint8Array(3))[0]?.value).toEqualTypeOf<LnmpValue | undefined>();
expectTypeOf(decodeContainer(encodeContainer(record, 'text')).mode).toEqualTypeOf<ContainerMode>();
expectTypeOf(semanticChecksum(1, quantized)).toEqualTypeOf<string | null>();
expectTypeOf(EmbeddingDelta.between(floats, floats, { baseId: 1 }).toJSON()).toEqualTypeOf<EmbeddingDeltaJson>();
// @ts-expect-error no public constructor
new EmbeddingDelta();
