import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeCodebookOptions } from './native-weights.js';
import { boolean, integer, invalidArg, oneOf, options } from './validate.js';
import { bytes, toVector, type Vector } from './vectors.js';
import { count, share } from './weights-checks.js';

/** Options of {@link trainCodebookSync}. */
export interface TrainCodebookOptions {
  /** Levels of a codebook, 2 to 256. Default 256. */
  readonly levels?: number;
  /** Bits of a code, 1 to 8, in place of `levels`: `2 ** bits` levels. */
  readonly bits?: number;
  /** Most rounds of Lloyd's iteration. Default 100. */
  readonly rounds?: number;
  /** Fall of the error, as a share of it, that ends training. Default 1e-6. */
  readonly tolerance?: number;
  /**
   * Where training begins: the best partition that dynamic programming finds (`'partition'`), or equal numbers of values
   * a level (`'quantiles'`), which takes hundreds of rounds to come near. Default `'partition'`.
   */
  readonly start?: 'partition' | 'quantiles';
  /** Trains a codebook for each row of so many values. Default: one codebook of all values. */
  readonly rowLength?: number;
  /**
   * Scales the levels so that values keep their length on average: the best levels are shorter, by the share of their
   * error. Default `false`.
   */
  readonly keepGain?: boolean;
}

/** Options of {@link trainCodebook}. */
export interface TrainCodebookJobOptions extends TrainCodebookOptions, JobOptions {}

/** A trained codebook, or one for each row. */
export interface TrainedCodebook {
  /**
   * Ascending levels, codebook after codebook. One codebook of all values has fewer than asked for if there are no more
   * distinct values; that of a row is filled up with its last level.
   */
  readonly codebook: Float32Array;
  /** Levels of each codebook. */
  readonly levels: number;
  /** A code for each value: the index of its level. */
  readonly codes: Uint8Array;
  /** Mean squared error of the values. */
  readonly mse: number;
  /** Most rounds that a codebook took. */
  readonly rounds: number;
  /** Mean squared error at the start and after each round; empty for codebooks of rows. */
  readonly history: Float64Array;
}

const NAMES: readonly string[] = ['levels', 'bits', 'rounds', 'tolerance', 'start', 'rowLength', 'keepGain'];

function training(given: Record<string, unknown>): NativeCodebookOptions {
  const { levels, bits, start, keepGain } = given;
  if (levels !== undefined && bits !== undefined) throw invalidArg('bits', 'absent beside levels', bits);
  return {
    levels: bits === undefined ? count(levels, 'levels', 2, 256) : 2 ** integer(bits, 'bits', 1, 8),
    rounds: count(given.rounds, 'rounds', 0, 100),
    tolerance: share(given.tolerance, 'tolerance', 1e-6),
    quantiles: start !== undefined && oneOf(start, 'start', ['partition', 'quantiles']) === 'quantiles',
    row: given.rowLength === undefined ? 0 : count(given.rowLength, 'rowLength', 1, 0),
    keepGain: keepGain === undefined ? false : boolean(keepGain, 'keepGain'),
  };
}

/**
 * Trains the levels of least squared error for values (Max 1960, Lloyd 1982), on the thread pool.
 *
 * @param values weights or the like, copied before the call returns
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH for rows that are not whole; the
 * promise rejects, the call itself never throws
 *
 * @example
 * const { codebook, codes, mse } = await trainCodebook(weights, { bits: 4 });
 * const approximation = decodeLevels(codes, codebook);
 */
export async function trainCodebook(values: Vector, o?: TrainCodebookJobOptions): Promise<TrainedCodebook> {
  const given = options(o, 'trainCodebook options', [...NAMES, ...JOB_OPTION_NAMES]);
  const control = job(given);
  const plan = training(given);
  const { data } = toVector(values, 'values');
  const rows = plan.row === 0 ? 1 : Math.floor(data.length / plan.row);
  return runJob(control, 'train', rows, (abort, onProgress) => native.trainCodebook(data, plan, abort, onProgress));
}

/**
 * The same as {@link trainCodebook} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH
 */
export function trainCodebookSync(values: Vector, o?: TrainCodebookOptions): TrainedCodebook {
  const plan = training(options(o, 'trainCodebook options', NAMES));
  const { data } = toVector(values, 'values');
  return call(() => native.trainCodebookSync(data, plan));
}

/**
 * The code of each value: the index of the nearest level, the lower of two that are equally near.
 *
 * @param codebook 1 to 256 ascending levels
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE
 */
export function encodeLevels(values: Vector, codebook: Vector): Uint8Array {
  const { data } = toVector(values, 'values');
  const levels = toVector(codebook, 'codebook').data;
  return call(() => native.encodeLevels(data, levels));
}

/**
 * The level of each code.
 *
 * @param codebook 1 to 256 ascending levels
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_FORMAT for a code without a level
 */
export function decodeLevels(codes: Uint8Array, codebook: Vector): Float32Array {
  const given = bytes(codes, 'codes');
  const levels = toVector(codebook, 'codebook').data;
  return call(() => native.decodeLevels(given, levels));
}
