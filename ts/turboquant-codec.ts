import { Handle } from './handle.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeRowCodec, NativeRowMethod } from './native-types.js';
import { nativeRows, type QuantizedRows, type SketchKind, wrapRows } from './turboquant-rows.js';
import { boolean, integer, notAHandle, oneOf, options, seed } from './validate.js';
import { toRows, type VectorRows } from './vectors.js';

/** Bits per value of an {@link MseCodec}. */
export type MseBits = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** Bits per value of a {@link ProdCodec}. */
export type ProdBits = MseBits | 9;

/** Options of {@link MseCodec}. */
export interface MseCodecOptions {
  /** Values per vector, 2 to 16384. */
  readonly dim: number;
  /** Bits per value. */
  readonly bits: MseBits;
  /** Seed of the rotation: an integer from 0 to 2^64 - 1. Default 42. */
  readonly seed?: bigint | number;
  /**
   * Stores norms that make inner products right on average, in place of those that make reconstructions best. Recommended
   * wherever vectors are scored. Default `false`.
   */
  readonly unbiased?: boolean;
}

/** Options of {@link ProdCodec}. */
export interface ProdCodecOptions {
  /** Values per vector, 2 to 16384; 2 to 8192 with a Gaussian sketch. */
  readonly dim: number;
  /** Bits per value, one of which is that of the sketch. */
  readonly bits: ProdBits;
  /** Seed of rotation and sketch: an integer from 0 to 2^64 - 1. Default 42. */
  readonly seed?: bigint | number;
  /**
   * `'gaussian'` (default): independent normal projections, as in the paper. `'rotation'`: the rows of a second rotation, as
   * right on average, with 0.36 of the variance, and faster.
   */
  readonly sketch?: SketchKind;
}

/** A summary of an {@link MseCodec}. */
export interface MseCodecSummary {
  /** Tells the codecs apart. */
  readonly kind: 'mse';
  /** Values of a vector. */
  readonly dim: number;
  /** Bits of a value. */
  readonly bits: MseBits;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly seed: string;
  /** Whether norms are kept that make scores unbiased. */
  readonly unbiased: boolean;
}

/** A summary of a {@link ProdCodec}. */
export interface ProdCodecSummary {
  /** Tells the codecs apart. */
  readonly kind: 'prod';
  /** Values of a vector. */
  readonly dim: number;
  /** Bits of a value. */
  readonly bits: ProdBits;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly seed: string;
  /** How the residual is sketched. */
  readonly sketch: SketchKind;
}

const MAX_DIM = 16_384;
const MAX_GAUSSIAN_DIM = 8192;
const DEFAULT_SEED = 42n;

/** What {@link RowCodec} keeps. */
interface CodecState {
  readonly handle: NativeRowCodec;
  readonly dim: number;
  readonly bits: number;
  readonly seed: bigint;
}

function stateOf(method: NativeRowMethod, given: Record<string, unknown>, maxBits: number): CodecState {
  const dim = integer(given.dim, 'dim', 2, method === 'gaussian' ? MAX_GAUSSIAN_DIM : MAX_DIM);
  const bits = integer(given.bits, 'bits', 1, maxBits);
  const start = given.seed === undefined ? DEFAULT_SEED : seed(given.seed, 'seed');
  return { handle: call(() => new native.NativeRowCodec(method, dim, bits, start)), dim, bits, seed: start };
}

/** The state of a codec; refuses anything else. Set by the class below. */
let codecState: (value: unknown) => CodecState;

/** What both codecs can do. */
abstract class RowCodec extends Handle {
  readonly #state: CodecState;

  static {
    codecState = (value) => {
      if (typeof value !== 'object' || value === null || !(#state in value))
        throw notAHandle(value, 'this', 'MseCodec or ProdCodec');
      return value.#state;
    };
  }

  constructor(state: CodecState) {
    super();
    this.#state = state;
  }

  /** Values per vector. */
  get dim(): number {
    return codecState(this).dim;
  }

  /** Seed of the rotation. */
  get seed(): bigint {
    return codecState(this).seed;
  }

  /**
   * Mean squared error of the codes of a vector of length 1, by the theory; 1 where there are no codes. The mean cosine of a
   * vector and its codes is `Math.sqrt(1 - distortion)`.
   */
  get distortion(): number {
    const { handle } = codecState(this);
    return call(() => handle.distortion());
  }

  /** The levels of a rotated coordinate, ascending, for vectors of length `Math.sqrt(dim)`. */
  centroids(): Float32Array {
    const { handle } = codecState(this);
    return call(() => handle.centroids());
  }

  /**
   * Quantizes vectors of any length; zero vectors come back as zeros.
   *
   * @param x row-major `n * dim` values, or an array of `n` vectors; none give no rows
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE with row and column, ERR_TQ_LIMIT for a vector whose length is
   * beyond 32-bit floats, ERR_TQ_INVALID_ARG
   */
  quantize(x: VectorRows): QuantizedRows {
    const { handle, dim } = codecState(this);
    const { data } = toRows(x, dim, 'x');
    return wrapRows(call(() => handle.quantizeSync(data)));
  }

  /**
   * {@link RowCodec.quantize} on the thread pool. The input may be changed as soon as the call has returned.
   *
   * @throws {TinyQuantError} as {@link RowCodec.quantize}; the promise rejects, the call itself never throws
   */
  async quantizeAsync(x: VectorRows, o?: JobOptions): Promise<QuantizedRows> {
    const { handle, dim } = codecState(this);
    const control = job(options(o, 'quantize options', JOB_OPTION_NAMES));
    const { data, count } = toRows(x, dim, 'x');
    return wrapRows(
      await runJob(control, 'compress', count, (abort, onProgress) => handle.quantize(data, abort, onProgress)),
    );
  }

  /**
   * The vectors that rows stand for.
   *
   * @returns row-major `n * dim` values
   * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH for rows of another codec, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG
   */
  dequantize(q: QuantizedRows): Float32Array {
    const { handle } = codecState(this);
    const rows = nativeRows(q, 'q');
    return call(() => handle.dequantizeSync(rows));
  }

  /**
   * {@link RowCodec.dequantize} on the thread pool.
   *
   * @throws {TinyQuantError} as {@link RowCodec.dequantize}; the promise rejects, the call itself never throws
   */
  async dequantizeAsync(q: QuantizedRows, o?: JobOptions): Promise<Float32Array> {
    const { handle } = codecState(this);
    const control = job(options(o, 'dequantize options', JOB_OPTION_NAMES));
    const rows = nativeRows(q, 'q');
    return runJob(control, 'decompress', rows.rows, (abort, onProgress) => handle.dequantize(rows, abort, onProgress));
  }

  /**
   * Inner products of queries with the vectors that rows stand for. Queries stay in full precision and are rotated once; rows
   * are never rotated back.
   *
   * @param queries row-major `m * dim` values, or an array of `m` vectors
   * @returns `m * n` values: those of the first query and each row, then of the second query
   * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH for rows of another codec, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE,
   * ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG
   */
  score(queries: VectorRows, q: QuantizedRows): Float32Array {
    const { handle, dim } = codecState(this);
    const rows = nativeRows(q, 'q');
    const { data } = toRows(queries, dim, 'queries');
    return call(() => handle.scoreSync(data, rows));
  }

  /**
   * {@link RowCodec.score} on the thread pool. The queries may be changed as soon as the call has returned.
   *
   * @throws {TinyQuantError} as {@link RowCodec.score}; the promise rejects, the call itself never throws
   */
  async scoreAsync(queries: VectorRows, q: QuantizedRows, o?: JobOptions): Promise<Float32Array> {
    const { handle, dim } = codecState(this);
    const control = job(options(o, 'score options', JOB_OPTION_NAMES));
    const rows = nativeRows(q, 'q');
    const { data } = toRows(queries, dim, 'queries');
    return runJob(control, 'search', rows.rows, (abort, onProgress) => handle.score(data, rows, abort, onProgress));
  }
}

/**
 * TurboQuant for least squared error: a vector is brought to length 1 and rotated, its coordinates become indices of
 * optimal levels, and its length is kept: `bits * dim + 32` bits a vector. Nothing is trained, and adding vectors
 * touches no earlier ones. It keeps no state: two codecs of the same options give the same bytes, on every processor.
 *
 * With the rotation `R` and the levels `c` of a normal coordinate divided by `sqrt(dim)`: `code_j` is the cell of
 * `(R x)_j / |x|`, the reconstruction is `|x| R^T c[code]` and a score `|x| <R q, c[code]>`; with `unbiased`, `|x|` becomes
 * `|x|^2 / <R x, c[code]>` (Zandieh et al., arXiv 2504.19874, algorithm 1; the levels are those of Lloyd and Max).
 *
 * Scores of plain rows shrink by `distortion` on average (12 % at 2 bits, 0.9 % at 4). With `unbiased: true` they are right
 * on average, and less noisy than those of a {@link ProdCodec} of as many bits.
 *
 * @example
 * const codec = new MseCodec({ dim: 768, bits: 4, unbiased: true });
 * const rows = codec.quantize(vectors);
 * const scores = codec.score(query, rows);
 */
export class MseCodec extends RowCodec {
  readonly #unbiased: boolean;

  /** @throws {TinyQuantError} ERR_TQ_INVALID_ARG */
  constructor(o: MseCodecOptions) {
    const given = options(o, 'MseCodec options', ['dim', 'bits', 'seed', 'unbiased'], true);
    const unbiased = given.unbiased === undefined ? false : boolean(given.unbiased, 'unbiased');
    super(stateOf(unbiased ? 'unbiased' : 'mse', given, 8));
    this.#unbiased = unbiased;
  }

  /** Bits per value. */
  get bits(): MseBits {
    return codecState(this).bits as MseBits;
  }

  /** Whether scores are right on average. */
  get unbiased(): boolean {
    return this.#unbiased;
  }

  /** A summary; a codec of its options is the same. */
  toJSON(): MseCodecSummary {
    const { dim, bits, seed } = codecState(this);
    return { kind: 'mse', dim, bits: bits as MseBits, seed: seed.toString(), unbiased: this.#unbiased };
  }
}

/**
 * TurboQuant for inner products: levels of `bits - 1` bits and the signs of `dim` random projections of what they leave:
 * `bits * dim + 64` bits a vector. Scores are right on average for any two vectors; `dim` times the variance of a score
 * of vectors of length 1 is 1.57, 0.56, 0.18 and 0.053 at 1 to 4 bits.
 *
 * With `u = c[code]` of `bits - 1` bits, the residual `r = R x / |x| - u` and normal projections `S`, a score is
 * `|x| (<R q, u> + sqrt(pi / 2) / dim |r| <S R q, sign(S r)>)` (Zandieh et al., arXiv 2504.19874, algorithm 2, with the sketch of
 * arXiv 2406.03482).
 *
 * An {@link MseCodec} with `unbiased: true` is right on average too, with a fifth of that variance at 4 bits, and smaller and
 * faster; this one is for results that compare with the paper's.
 *
 * @example
 * const codec = new ProdCodec({ dim: 128, bits: 4 });
 * const rows = codec.quantize(keys);
 * const scores = codec.score(queries, rows);
 */
export class ProdCodec extends RowCodec {
  readonly #sketch: SketchKind;

  /** @throws {TinyQuantError} ERR_TQ_INVALID_ARG */
  constructor(o: ProdCodecOptions) {
    const given = options(o, 'ProdCodec options', ['dim', 'bits', 'seed', 'sketch'], true);
    const sketch = given.sketch === undefined ? 'gaussian' : oneOf(given.sketch, 'sketch', ['gaussian', 'rotation']);
    super(stateOf(sketch, given, 9));
    this.#sketch = sketch;
  }

  /** Bits per value, one of which is that of the sketch. */
  get bits(): ProdBits {
    return codecState(this).bits as ProdBits;
  }

  /** Where the projections come from. */
  get sketch(): SketchKind {
    return this.#sketch;
  }

  /** A summary; a codec of its options is the same. */
  toJSON(): ProdCodecSummary {
    const { dim, bits, seed } = codecState(this);
    return { kind: 'prod', dim, bits: bits as ProdBits, seed: seed.toString(), sketch: this.#sketch };
  }
}
