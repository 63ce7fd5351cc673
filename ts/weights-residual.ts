import { assertInternal, Handle, INTERNAL } from './handle.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeResidualOptions, NativeResidualQuantizer } from './native-weights.js';
import { integer, invalidArg, notAHandle, options, seed } from './validate.js';
import { bytes, toVector, type Vector } from './vectors.js';
import { count, share } from './weights-checks.js';

/** Options of {@link ResidualQuantizer.trainSync}. */
export interface ResidualOptions {
  /** Bits of each stage, 1 to 8; 1 to 32 stages. */
  readonly bits: readonly number[];
  /** Values that are coded together. Default 1. */
  readonly vectorLength?: number;
  /** Most rounds a stage. Default 100 for single values, 25 for vectors. */
  readonly rounds?: number;
  /** Fall of the error, as a share of it, that ends a stage. Default 1e-4. */
  readonly tolerance?: number;
  /** Seed of the random choices, which vectors need. Default `42n`. */
  readonly seed?: bigint | number;
}

/** Options of {@link ResidualQuantizer.train}. */
export interface ResidualJobOptions extends ResidualOptions, JobOptions {}

/** A summary of a {@link ResidualQuantizer}. */
export interface ResidualQuantizerSummary {
  /** Bits of each stage. */
  readonly bits: readonly number[];
  /** Values that are coded together. */
  readonly vectorLength: number;
  /** Bits of the codes for each value. */
  readonly bitsPerValue: number;
}

const NAMES: readonly string[] = ['bits', 'vectorLength', 'rounds', 'tolerance', 'seed'];

function training(given: Record<string, unknown>): NativeResidualOptions {
  const { bits } = given;
  if (!Array.isArray(bits) || bits.length < 1 || bits.length > 32) {
    throw invalidArg('bits', 'an array of 1 to 32 numbers, one a stage', bits);
  }
  const width = count(given.vectorLength, 'vectorLength', 1, 1);
  return {
    bits: bits.map((value, stage) => integer(value, `bits[${stage}]`, 1, 8)),
    width,
    rounds: count(given.rounds, 'rounds', 0, width === 1 ? 100 : 25),
    tolerance: share(given.tolerance, 'tolerance', 1e-4),
    seed: given.seed === undefined ? 42n : seed(given.seed, 'seed'),
  };
}

/**
 * Codebooks in stages: each codes what the stages before it leave, and what codes stand for is the sum of their
 * centroids (Juang and Gray 1982). For single values, one codebook of all the bits is better; the gain is in vectors,
 * whose one codebook of all the bits could not be stored.
 *
 * @example
 * const quantizer = await ResidualQuantizer.train(weights, { bits: [8, 8], vectorLength: 8 }); // 2 bits a value
 * const codes = await quantizer.encode(weights);
 * const rough = quantizer.decode(codes, { stages: 1 });
 */
export class ResidualQuantizer extends Handle {
  readonly #native: NativeResidualQuantizer;

  private constructor(token: typeof INTERNAL, handle: NativeResidualQuantizer) {
    super();
    assertInternal(token, 'ResidualQuantizer', 'ResidualQuantizer.train or ResidualQuantizer.fromBytes');
    this.#native = handle;
  }

  static #self(value: unknown): NativeResidualQuantizer {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'ResidualQuantizer');
    return value.#native;
  }

  /**
   * Trains stage after stage on the thread pool. The values are copied before the call returns.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH where the values are no multiple
   * of `vectorLength`
   */
  static async train(values: Vector, o: ResidualJobOptions): Promise<ResidualQuantizer> {
    const given = options(o, 'ResidualQuantizer options', [...NAMES, ...JOB_OPTION_NAMES], true);
    const control = job(given);
    const plan = training(given);
    const { data } = toVector(values, 'values');
    const handle = await runJob(control, 'train', plan.bits.length, (abort, onProgress) =>
      native.trainResidual(data, plan, abort, onProgress),
    );
    return new ResidualQuantizer(INTERNAL, handle);
  }

  /**
   * The same as {@link ResidualQuantizer.train} on the calling thread's time.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH
   */
  static trainSync(values: Vector, o: ResidualOptions): ResidualQuantizer {
    const plan = training(options(o, 'ResidualQuantizer options', NAMES, true));
    const { data } = toVector(values, 'values');
    return new ResidualQuantizer(
      INTERNAL,
      call(() => native.NativeResidualQuantizer.trainSync(data, plan)),
    );
  }

  /**
   * Reads what {@link ResidualQuantizer.toBytes} writes.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
   */
  static fromBytes(b: Uint8Array): ResidualQuantizer {
    const data = bytes(b, 'bytes');
    return new ResidualQuantizer(
      INTERNAL,
      call(() => native.NativeResidualQuantizer.fromBytes(data)),
    );
  }

  /** Bits of each stage. */
  get bits(): readonly number[] {
    return ResidualQuantizer.#self(this).bits;
  }

  /** Values that are coded together. */
  get vectorLength(): number {
    return ResidualQuantizer.#self(this).width;
  }

  /** Bits of all stages for one value. */
  get bitsPerValue(): number {
    return this.bits.reduce((sum, bits) => sum + bits, 0) / this.vectorLength;
  }

  /** Mean squared error a value after each stage of training; empty for a quantizer that was read from bytes. */
  errors(): Float64Array {
    return call(() => ResidualQuantizer.#self(this).errors());
  }

  /**
   * Centroids of a stage, rows of `vectorLength` values.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a stage that there is not
   */
  centroids(stage: number): Float32Array {
    const handle = ResidualQuantizer.#self(this);
    const at = integer(stage, 'stage', 0, handle.bits.length - 1);
    return call(() => handle.centroids(at)) ?? new Float32Array(0);
  }

  /**
   * Codes of values, a byte each: those of the first stage for all vectors, then those of the second one. The values are
   * copied before the call returns.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH
   */
  async encode(values: Vector, o?: JobOptions): Promise<Uint8Array> {
    const control = job(options(o, 'encode options', JOB_OPTION_NAMES));
    const handle = ResidualQuantizer.#self(this);
    const { data } = toVector(values, 'values');
    return runJob(control, 'compress', handle.bits.length, (abort, onProgress) =>
      handle.encode(data, abort, onProgress),
    );
  }

  /**
   * The same as {@link ResidualQuantizer.encode} on the calling thread's time.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_NON_FINITE, ERR_TQ_DIM_MISMATCH
   */
  encodeSync(values: Vector): Uint8Array {
    const handle = ResidualQuantizer.#self(this);
    const { data } = toVector(values, 'values');
    return call(() => handle.encodeSync(data));
  }

  /**
   * Values that codes stand for, by all stages or by the first `stages` of them.
   *
   * @param codes codes of all stages
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_FORMAT for a code without a centroid
   */
  decode(codes: Uint8Array, o?: { readonly stages?: number }): Float32Array {
    const handle = ResidualQuantizer.#self(this);
    const { stages } = options(o, 'decode options', ['stages']);
    const all = handle.bits.length;
    const wanted = stages === undefined ? all : integer(stages, 'stages', 1, all);
    const given = bytes(codes, 'codes');
    return call(() => handle.decode(given, wanted));
  }

  /** The quantizer as bytes, with a version and a checksum. */
  toBytes(): Uint8Array {
    return call(() => ResidualQuantizer.#self(this).toBytes());
  }

  /** A summary; the centroids are in {@link ResidualQuantizer.centroids}. */
  toJSON(): ResidualQuantizerSummary {
    return { bits: this.bits, vectorLength: this.vectorLength, bitsPerValue: this.bitsPerValue };
  }
}
