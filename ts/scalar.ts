/** Embeddings in 8, 4 or 1 bits or half precision a value, and rows of matrices in 8 or 6 bits. */
import { TinyQuantError } from './errors.js';
import { JOB_OPTION_NAMES, type JobOptions, job, type Progress, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeEmbeddingBatch, NativeMeasure } from './native-scalar.js';
import {
  type DequantizeOptions,
  isQuantized,
  type LnmpVectorJson,
  midpointOf,
  QUANT_SCHEMES,
  type QuantizedVector,
  type QuantizedVectorJson,
  type QuantizedVectorParts,
  type QuantScheme,
  quantizedBytes,
  wrapQuantized,
} from './quantized-vector.js';
import { boolean, invalidArg, oneOf, options, u32 } from './validate.js';
import { type Floats, own, toRows, toVector, type Vector, VectorCollector, type VectorRows } from './vectors.js';

/** Options of {@link quantizeEmbedding}. */
export interface QuantizeOptions {
  /**
   * Gives the codes of lnmp-quant 0.5.16 bit for bit: 8-bit codes are cut off instead of rounded, values that are not
   * finite are taken, binary codes come back as plus and minus one. Default `false`.
   */
  readonly compat?: boolean;
}

/** Options of {@link quantizeBatch}. */
export interface QuantizeBatchOptions extends QuantizeOptions {
  /** Values of a vector; needed where `vectors` is one `Float32Array`. */
  readonly dim?: number;
}

/** Options of {@link quantizeBatchAsync}. */
export interface QuantizeBatchAsyncOptions extends QuantizeBatchOptions, JobOptions {}

/** How much accuracy is wanted: `fp16`, `qint8`, `qint4` or `binary`, in this order. */
export type AccuracyTarget = 'maximum' | 'high' | 'balanced' | 'compact';

/** How much compression is wanted: `fp16`, `qint8`, `qint4` or `binary`, in this order. */
export type CompressionTarget = 'conservative' | 'moderate' | 'aggressive' | 'maximum';

/** How a batch went. */
export interface QuantizeBatchStats {
  /** Vectors given. */
  readonly total: number;
  /** Vectors that were quantized. */
  readonly succeeded: number;
  /** Vectors that were refused. */
  readonly failed: number;
  /** Milliseconds of quantizing. */
  readonly totalTimeMs: number;
}

/** What {@link quantizeBatch} returns. */
export interface QuantizeBatchResult {
  /** For each vector, in order, its quantized form or why there is none. */
  readonly results: readonly (QuantizedVector | TinyQuantError)[];
  /** Counts and time. */
  readonly stats: QuantizeBatchStats;
}

/** What {@link quantizationQuality} returns. */
export interface QuantizationQuality {
  /** Least value of the original. */
  readonly min: number;
  /** Greatest value of the original. */
  readonly max: number;
  /** Sum of the magnitudes of the errors over that of the values. */
  readonly lossRatio: number;
  /** Mean of the squared errors. */
  readonly meanSquaredError: number;
  /** Cosine of the angle between original and reconstruction. */
  readonly cosine: number;
}

const ACCURACY_TARGETS: readonly AccuracyTarget[] = ['maximum', 'high', 'balanced', 'compact'];
const COMPRESSION_TARGETS: readonly CompressionTarget[] = ['conservative', 'moderate', 'aggressive', 'maximum'];
const BY_SIZE: readonly QuantScheme[] = ['fp16', 'qint8', 'qint4', 'binary'];

function compatOf(value: unknown): boolean {
  return value === undefined ? false : boolean(value, 'compat');
}

/** lnmp-quant counts values in 16 bits, so that it has no codes of longer vectors to be equal to. */
function checkCompat(compat: boolean, length: number, argument: string): void {
  if (!compat || length <= 0xffff) return;
  throw new TinyQuantError('ERR_TQ_LIMIT', `${argument} has ${length} values, with compat at most 65535 are allowed`, {
    details: { argument, expected: 0xffff, got: length },
  });
}

/**
 * Quantizes one embedding; {@link QuantScheme} has the formulas. The input is not changed.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for no values, ERR_TQ_NON_FINITE with the column, ERR_TQ_LIMIT where the
 * values span more than 32-bit floats hold, or one is beyond half precision (65504)
 *
 * @example
 * const quantized = quantizeEmbedding(vector, 'qint8'); // a quarter of the bytes
 * const cosine = cosineSimilarity(quantized, query);
 */
export function quantizeEmbedding(v: Vector, scheme: QuantScheme, o?: QuantizeOptions): QuantizedVector {
  const chosen = oneOf(scheme, 'scheme', QUANT_SCHEMES);
  const compat = compatOf(options(o, 'quantize options', ['compat']).compat);
  const { data } = toVector(v, 'vector');
  checkCompat(compat, data.length, 'vector');
  return wrapQuantized(call(() => native.quantizeEmbedding(data, chosen, compat)));
}

/**
 * The values of a quantized embedding; the same as {@link QuantizedVector.dequantize}.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT
 */
export function dequantizeEmbedding(q: QuantizedVector, o?: DequantizeOptions): Float32Array {
  const form = quantizedBytes(q, 'q');
  const midpoint = midpointOf(o);
  return call(() => native.dequantizeEmbedding(form, midpoint));
}

/** The scheme for an accuracy: a fixed table, whatever the data. */
export function schemeForAccuracy(target: AccuracyTarget): QuantScheme {
  return BY_SIZE[ACCURACY_TARGETS.indexOf(oneOf(target, 'target', ACCURACY_TARGETS))] as QuantScheme;
}

/** The scheme for a compression: a fixed table, whatever the data. */
export function schemeForCompression(target: CompressionTarget): QuantScheme {
  return BY_SIZE[COMPRESSION_TARGETS.indexOf(oneOf(target, 'target', COMPRESSION_TARGETS))] as QuantScheme;
}

/**
 * Quantizes one embedding with the scheme of {@link schemeForAccuracy}.
 *
 * @throws {TinyQuantError} as {@link quantizeEmbedding}
 */
export function quantizeAdaptive(v: Vector, target: AccuracyTarget, o?: QuantizeOptions): QuantizedVector {
  return quantizeEmbedding(v, schemeForAccuracy(target), o);
}

/** Vectors of a batch after their checks. */
interface Batch extends Floats {
  readonly lengths: Uint32Array;
  /** Why a vector never reached the native side. */
  readonly refused: Map<number, TinyQuantError>;
  readonly scheme: QuantScheme;
  readonly compat: boolean;
}

function collect(vectors: readonly unknown[], compat: boolean): Floats & Pick<Batch, 'lengths' | 'refused'> {
  const collector = new VectorCollector();
  const lengths = new Uint32Array(vectors.length);
  const refused = new Map<number, TinyQuantError>();
  for (let i = 0; i < vectors.length; i++) {
    try {
      const item = vectors[i];
      if (Array.isArray(item) || item instanceof Float32Array) checkCompat(compat, item.length, `vectors[${i}]`);
      collector.add(item, `vectors[${i}]`);
      lengths[i] = collector.lengths.at(-1) ?? 0;
    } catch (error) {
      if (!(error instanceof TinyQuantError)) throw error;
      refused.set(i, error);
    }
  }
  return { data: collector.data, owned: true, lengths, refused };
}

function batchOf(vectors: unknown, scheme: unknown, given: Record<string, unknown>): Batch {
  const chosen = oneOf(scheme, 'scheme', QUANT_SCHEMES);
  const compat = compatOf(given.compat);
  const dim = given.dim === undefined ? undefined : u32(given.dim, 'dim', 'an integer of at least 1');
  if (Array.isArray(vectors) && dim === undefined) {
    return { ...collect(vectors, compat), scheme: chosen, compat };
  }
  if (dim === undefined || dim === 0) {
    if (dim === 0 || vectors instanceof Float32Array)
      throw invalidArg('dim', 'the number of values of a vector', given.dim);
    throw invalidArg('vectors', 'an array of vectors, or a Float32Array with the option dim', vectors);
  }
  const { data, owned, count } = toRows(vectors, dim, 'vectors');
  checkCompat(compat, dim, 'a vector');
  return { data, owned, lengths: new Uint32Array(count).fill(dim), refused: new Map(), scheme: chosen, compat };
}

/** Why the native side did not take a vector, whose values begin at `start`: found by giving it that vector alone. */
function failureOf({ data, lengths, scheme, compat }: Batch, index: number, start: number): TinyQuantError {
  const values = data.subarray(start, start + (lengths[index] ?? 0));
  try {
    call(() => native.quantizeEmbedding(values, scheme, compat));
  } catch (error) {
    if (!(error instanceof TinyQuantError)) throw error;
    const { code, message, details } = error;
    return new TinyQuantError(code, `vectors[${index}]: ${message}`, { cause: error, details: { ...details, index } });
  }
  return new TinyQuantError('ERR_TQ_INTERNAL', `vectors[${index}] failed in a batch only`);
}

function finish(batch: Batch, { bodies, lengths, millis }: NativeEmbeddingBatch): QuantizeBatchResult {
  const results: (QuantizedVector | TinyQuantError)[] = [];
  let start = 0;
  let valueStart = 0;
  let failed = 0;
  for (const [i, length] of lengths.entries()) {
    if (length > 0) {
      results.push(wrapQuantized(bodies.slice(start, start + length)));
    } else {
      results.push(batch.refused.get(i) ?? failureOf(batch, i, valueStart));
      failed++;
    }
    start += length;
    valueStart += batch.lengths[i] ?? 0;
  }
  const total = results.length;
  return { results, stats: { total, succeeded: total - failed, failed, totalTimeMs: millis } };
}

const BATCH_OPTIONS = ['compat', 'dim'];

/**
 * Quantizes many embeddings, of one length or of several. One that cannot be quantized does not stop the rest.
 *
 * @param vectors an array of vectors, or a row-major `Float32Array` with the option `dim`
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_LIMIT; what concerns one vector is in `results`
 */
export function quantizeBatch(vectors: VectorRows, scheme: QuantScheme, o?: QuantizeBatchOptions): QuantizeBatchResult {
  const batch = batchOf(vectors, scheme, options(o, 'quantizeBatch options', BATCH_OPTIONS));
  const done = call(() => native.quantizeEmbeddingsSync(batch.data, batch.lengths, batch.scheme, batch.compat));
  return finish(batch, done);
}

/**
 * {@link quantizeBatch} on the thread pool. The vectors may be changed as soon as the call has returned.
 *
 * @throws {TinyQuantError} as {@link quantizeBatch}; the promise rejects, the call itself never throws
 */
export async function quantizeBatchAsync(
  vectors: VectorRows,
  scheme: QuantScheme,
  o?: QuantizeBatchAsyncOptions,
): Promise<QuantizeBatchResult> {
  const given = options(o, 'quantizeBatch options', [...BATCH_OPTIONS, ...JOB_OPTION_NAMES]);
  const control = job(given);
  const checked = batchOf(vectors, scheme, given);
  // Failures are looked into after the job, when the caller may have changed the vectors.
  const batch = { ...checked, data: own(checked, 'vectors') };
  const done = await runJob(control, 'compress', batch.lengths.length, (abort, onProgress) =>
    native.quantizeEmbeddings(batch.data, batch.lengths, batch.scheme, batch.compat, abort, onProgress),
  );
  return finish(batch, done);
}

/**
 * How well a quantized embedding stands for the original.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
 */
export function quantizationQuality(v: Vector, q: QuantizedVector, o?: DequantizeOptions): QuantizationQuality {
  const { data } = toVector(v, 'vector');
  const form = quantizedBytes(q, 'q');
  const midpoint = midpointOf(o);
  return call(() => native.quantizedQuality(data, form, midpoint));
}

function compare(a: unknown, b: unknown, measure: NativeMeasure): number {
  const side = (value: unknown, argument: string): [Float32Array | null, Uint8Array | null] =>
    isQuantized(value) ? [null, quantizedBytes(value, argument)] : [toVector(value, argument).data, null];
  const [left, right] = [side(a, 'a'), side(b, 'b')];
  return call(() => native.compareEmbeddings(...left, ...right, measure));
}

/** An embedding to compare, quantized or not. */
export type Comparable = QuantizedVector | Vector;

/**
 * Cosine of the angle between two embeddings, from -1 to 1; 0 where either is zero. Quantized ones are not decoded, and
 * may have different schemes.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
 */
export function cosineSimilarity(a: Comparable, b: Comparable): number {
  return compare(a, b, 'cosine');
}

/**
 * Dot product of two embeddings, as {@link cosineSimilarity}.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
 */
export function dotProduct(a: Comparable, b: Comparable): number {
  return compare(a, b, 'dot');
}

/**
 * Euclidean distance of two embeddings, as {@link cosineSimilarity}: 0 for equal ones, lower is nearer.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
 */
export function euclideanDistance(a: Comparable, b: Comparable): number {
  return compare(a, b, 'l2');
}

export { QUANT_SCHEMES, QuantizedVector } from './quantized-vector.js';
export {
  dequantizeRows,
  dequantizeRowsAsync,
  quantizeRows,
  quantizeRowsAsync,
  type RowBits,
  ScaledRows,
  type ScaledRowsBytesOptions,
  type ScaledRowsSummary,
} from './scaled-rows.js';
export type {
  DequantizeOptions,
  JobOptions,
  LnmpVectorJson,
  Progress,
  QuantizedVectorJson,
  QuantizedVectorParts,
  QuantScheme,
  Vector,
  VectorRows,
};
