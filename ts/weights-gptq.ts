import { types } from 'node:util';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeGptqOptions, NativeGrid } from './native-weights.js';
import { boolean, integer, invalidArg, options } from './validate.js';
import { toVector, type Vector } from './vectors.js';
import { count, doubles, share, tokens, unshared } from './weights-checks.js';

/** Options of {@link gptqSync}. */
export interface GptqOptions {
  /** Rows of the weights: outputs of the layer. */
  readonly rows: number;
  /** Columns of the weights: inputs of the layer. */
  readonly cols: number;
  /** Calibration inputs, row-major rows of `cols` values; or `hessian`. A few for each column are a good many. */
  readonly inputs?: Vector;
  /** The Hessian `2 / n * XᵀX` of `n` inputs, `cols` rows of `cols` values, as {@link inputHessian} makes it; or `inputs`. */
  readonly hessian?: Float64Array | readonly number[];
  /** Bits of a code, 2 to 8. Default 4. */
  readonly bits?: number;
  /** Largest code, 1 to 127, in place of `bits`; the least is its negative. */
  readonly qmax?: number;
  /** Columns after which the rest of the matrix is corrected. It decides speed alone. Default 128. */
  readonly block?: number;
  /**
   * Added to the diagonal of the Hessian, as a share of its mean. Where that does not make it positive definite, up to
   * three times ten times as much. Default 0.01.
   */
  readonly damp?: number;
  /** Rounds the columns in the order of the diagonal, largest first. Default `false`. */
  readonly actOrder?: boolean;
  /** Columns that share a scale; 0 for all of a row. Default 0. */
  readonly groupSize?: number;
}

/** Options of {@link gptq}. */
export interface GptqJobOptions extends GptqOptions, JobOptions {}

/** Weights as integers times scales. */
export interface QuantizedWeights {
  /** Rows of the matrix. */
  readonly rows: number;
  /** Columns of the matrix. */
  readonly cols: number;
  /** Largest code. */
  readonly qmax: number;
  /** Columns that share a scale; 0 for all of a row. */
  readonly groupSize: number;
  /** Row-major codes from `-qmax` to `qmax`. */
  readonly codes: Int8Array;
  /** Scales of the groups of the first row, then of the second one. */
  readonly scales: Float32Array;
  /** Columns in the order in which they are cut into groups. Default: their own order. */
  readonly order?: Uint32Array;
}

/** What {@link gptq} makes of weights. */
export interface GptqResult extends QuantizedWeights {
  /** Columns in the order in which they were rounded. */
  readonly order: Uint32Array;
  /** Mean squared change of the outputs over the inputs, summed over the rows; under the damped Hessian. */
  readonly error: number;
  /** Damping that made the Hessian positive definite. */
  readonly damp: number;
}

const NAMES: readonly string[] = [
  ...['rows', 'cols', 'inputs', 'hessian', 'bits', 'qmax', 'block', 'damp', 'actOrder', 'groupSize'],
];
const MOST = Number.MAX_SAFE_INTEGER;

interface Call {
  readonly weights: Float32Array;
  readonly curvature: Float32Array | Float64Array;
  readonly plan: NativeGptqOptions;
}

function plan(weights: unknown, given: Record<string, unknown>): Call {
  const { inputs, hessian, bits, qmax, actOrder } = given;
  if ((inputs === undefined) === (hessian === undefined)) {
    throw invalidArg('inputs', 'given, or hessian, and not both', inputs);
  }
  if (bits !== undefined && qmax !== undefined) throw invalidArg('bits', 'absent beside qmax', bits);
  const largest = 2 ** ((bits === undefined ? 4 : integer(bits, 'bits', 2, 8)) - 1) - 1;
  return {
    weights: toVector(weights, 'weights').data,
    curvature: inputs === undefined ? doubles(hessian, 'hessian') : toVector(inputs, 'inputs').data,
    plan: {
      rows: integer(given.rows, 'rows', 1, MOST),
      cols: integer(given.cols, 'cols', 1, MOST),
      qmax: qmax === undefined ? largest : integer(qmax, 'qmax', 1, 127),
      block: count(given.block, 'block', 1, 128),
      damp: share(given.damp, 'damp', 0.01),
      actOrder: actOrder === undefined ? false : boolean(actOrder, 'actOrder'),
      group: count(given.groupSize, 'groupSize', 0, 0),
    },
  };
}

function result(
  { rows, cols, qmax, group }: NativeGptqOptions,
  found: Pick<GptqResult, 'codes' | 'scales' | 'order' | 'error' | 'damp'>,
): GptqResult {
  const { codes, scales, order, error, damp } = found;
  return { rows, cols, qmax, groupSize: group, codes, scales, order, error, damp };
}

/**
 * Quantizes the weights of a layer so that its outputs change little (GPTQ, Frantar et al. 2022), on the thread pool:
 * columns are rounded one after another, and those that follow make up for the error. O(cols³ + rows * cols²). All arrays
 * are copied before the call returns.
 *
 * It helps where inputs are correlated and many; of few or independent inputs it learns their noise.
 *
 * @param weights row-major, `rows * cols`
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, also for a Hessian that is not symmetric or not positive definite,
 * ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE; the promise rejects, the call itself never throws
 *
 * @example
 * const quantized = await gptq(weights, { rows: 384, cols: 384, inputs: activations, bits: 4 });
 * const approximation = dequantizeWeights(quantized);
 */
export async function gptq(weights: Vector, o: GptqJobOptions): Promise<GptqResult> {
  const given = options(o, 'gptq options', [...NAMES, ...JOB_OPTION_NAMES], true);
  const control = job(given);
  const { weights: data, curvature, plan: native_ } = plan(weights, given);
  const found = await runJob(control, 'compress', native_.rows, (abort, onProgress) =>
    native.gptq(data, curvature, native_, abort, onProgress),
  );
  return result(native_, found);
}

/**
 * The same as {@link gptq} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
 */
export function gptqSync(weights: Vector, o: GptqOptions): GptqResult {
  const { weights: data, curvature, plan: native_ } = plan(weights, options(o, 'gptq options', NAMES, true));
  return result(
    native_,
    call(() => native.gptqSync(data, curvature, native_)),
  );
}

/**
 * The Hessian `2 / n * XᵀX` of inputs, row-major, on the thread pool. O(n * cols²). The mean of the Hessians of equally
 * many inputs is that of all of them.
 *
 * @param inputs row-major rows of `cols` values
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
 */
export async function inputHessian(
  inputs: Vector,
  cols: number,
  o?: Pick<JobOptions, 'signal'>,
): Promise<Float64Array> {
  const control = job(options(o, 'inputHessian options', ['signal']));
  const width = integer(cols, 'cols', 1, MOST);
  const { data } = toVector(inputs, 'inputs');
  return runJob(control, 'train', data.length / width, (abort) => native.hessian(data, width, abort));
}

/**
 * The same as {@link inputHessian} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
 */
export function inputHessianSync(inputs: Vector, cols: number): Float64Array {
  const width = integer(cols, 'cols', 1, MOST);
  const { data } = toVector(inputs, 'inputs');
  return call(() => native.hessianSync(data, width));
}

/** Checks {@link QuantizedWeights}, of which the native side judges sizes and values. */
export function grid(value: unknown, argument: string): NativeGrid {
  if (typeof value !== 'object' || value === null) throw invalidArg(argument, 'quantized weights', value);
  const { rows, cols, qmax, groupSize, codes, scales, order } = value as Record<string, unknown>;
  if (!types.isInt8Array(codes)) throw invalidArg(`${argument}.codes`, 'an Int8Array', codes);
  if (!types.isFloat32Array(scales)) throw invalidArg(`${argument}.scales`, 'a Float32Array', scales);
  const group = count(groupSize, `${argument}.groupSize`, 0, 0);
  // The order of columns that share one scale decides nothing.
  const isOrdered = order !== undefined && group > 0;
  return {
    rows: integer(rows, `${argument}.rows`, 1, MOST),
    cols: integer(cols, `${argument}.cols`, 1, MOST),
    qmax: integer(qmax, `${argument}.qmax`, 1, 127),
    group,
    codes: unshared(codes, `${argument}.codes`),
    scales: unshared(scales, `${argument}.scales`),
    ...(isOrdered ? { order: tokens(order, `${argument}.order`) } : {}),
  };
}

/**
 * The row-major matrix that codes and scales stand for.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_FORMAT for codes beyond
 * `qmax` or an order that is none
 */
export function dequantizeWeights(quantized: QuantizedWeights): Float32Array {
  const given = grid(quantized, 'quantized');
  return call(() => native.decodeGrid(given));
}
