import { assertInternal, Handle, INTERNAL } from './handle.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeProductOptions, NativeProductQuantizer } from './native-weights.js';
import { integer, notAHandle, oneOf, options, seed } from './validate.js';
import { bytes, toQuery, toRows, toVector, type Vector, type VectorRows } from './vectors.js';
import { count, share } from './weights-checks.js';

/** Options of {@link ProductQuantizer.trainSync}. */
export interface ProductOptions {
  /** Values of a vector. */
  readonly dim: number;
  /** Parts that a vector is cut into; divides `dim`. */
  readonly parts: number;
  /** Centroids of a part, 2 to 256; no more than training vectors. Default 256. */
  readonly centroids?: number;
  /** Most rounds of k-means. Default 25. */
  readonly rounds?: number;
  /** Fall of the error, as a share of it, that ends training. Default 1e-4. */
  readonly tolerance?: number;
  /** Seed of the random choices. Default `42n`. */
  readonly seed?: bigint | number;
}

/** Options of {@link ProductQuantizer.train}. */
export interface ProductJobOptions extends ProductOptions, JobOptions {}

/** What the score table of a {@link ProductQuantizer} measures. */
export type ProductMeasure = 'dot' | 'l2';

/** A summary of a {@link ProductQuantizer}. */
export interface ProductQuantizerSummary {
  /** Values of a vector. */
  readonly dim: number;
  /** Parts that a vector is cut into. */
  readonly parts: number;
  /** Centroids of a part. */
  readonly centroids: number;
  /** Bits of the codes for each value. */
  readonly bitsPerValue: number;
}

const NAMES: readonly string[] = ['dim', 'parts', 'centroids', 'rounds', 'tolerance', 'seed'];
const MOST = Number.MAX_SAFE_INTEGER;

function training(given: Record<string, unknown>): NativeProductOptions {
  return {
    dim: integer(given.dim, 'dim', 1, MOST),
    parts: integer(given.parts, 'parts', 1, MOST),
    centroids: given.centroids === undefined ? 256 : integer(given.centroids, 'centroids', 2, 256),
    rounds: count(given.rounds, 'rounds', 0, 25),
    tolerance: share(given.tolerance, 'tolerance', 1e-4),
    seed: given.seed === undefined ? 42n : seed(given.seed, 'seed'),
  };
}

/**
 * Vectors in `parts` bytes: each part is replaced by the index of the nearest of its trained centroids (Jégou, Douze and
 * Schmid 2011). Scores come from a table of a query with all centroids, without decoding.
 *
 * @example
 * const quantizer = await ProductQuantizer.train(vectors, { dim: 384, parts: 48 });
 * const codes = await quantizer.encode(vectors); // 48 bytes a vector
 * const scores = quantizer.score(quantizer.table(query), codes);
 */
export class ProductQuantizer extends Handle {
  readonly #native: NativeProductQuantizer;

  private constructor(token: typeof INTERNAL, handle: NativeProductQuantizer) {
    super();
    const instead = 'ProductQuantizer.train, ProductQuantizer.fromCodebooks or ProductQuantizer.fromBytes';
    assertInternal(token, 'ProductQuantizer', instead);
    this.#native = handle;
  }

  static #self(value: unknown): NativeProductQuantizer {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'ProductQuantizer');
    return value.#native;
  }

  /**
   * Trains on the thread pool: k-means++ for each part, then Lloyd's rounds, O(n * centroids * dim) each. One seed gives
   * one quantizer, whatever the machine. The vectors are copied before the call returns.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for parts that do not divide `dim` or fewer vectors than centroids,
   * ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  static async train(vectors: VectorRows, o: ProductJobOptions): Promise<ProductQuantizer> {
    const given = options(o, 'ProductQuantizer options', [...NAMES, ...JOB_OPTION_NAMES], true);
    const control = job(given);
    const plan = training(given);
    const { data } = toRows(vectors, plan.dim, 'vectors');
    const handle = await runJob(control, 'train', plan.parts, (abort, onProgress) =>
      native.trainProduct(data, plan, abort, onProgress),
    );
    return new ProductQuantizer(INTERNAL, handle);
  }

  /**
   * The same as {@link ProductQuantizer.train} on the calling thread's time.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  static trainSync(vectors: VectorRows, o: ProductOptions): ProductQuantizer {
    const plan = training(options(o, 'ProductQuantizer options', NAMES, true));
    const { data } = toRows(vectors, plan.dim, 'vectors');
    return new ProductQuantizer(
      INTERNAL,
      call(() => native.NativeProductQuantizer.trainSync(data, plan)),
    );
  }

  /**
   * A quantizer of given centroids.
   *
   * @param codebooks `parts` codebooks of `centroids` rows of `dim / parts` values
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  static fromCodebooks(
    codebooks: Vector,
    o: { readonly dim: number; readonly parts: number; readonly centroids: number },
  ): ProductQuantizer {
    const given = options(o, 'fromCodebooks options', ['dim', 'parts', 'centroids'], true);
    const { dim, parts, centroids } = training({ ...given, centroids: integer(given.centroids, 'centroids', 2, 256) });
    const { data } = toVector(codebooks, 'codebooks');
    return new ProductQuantizer(
      INTERNAL,
      call(() => native.NativeProductQuantizer.fromCodebooks(data, dim, parts, centroids)),
    );
  }

  /**
   * Reads what {@link ProductQuantizer.toBytes} writes.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
   */
  static fromBytes(b: Uint8Array): ProductQuantizer {
    const data = bytes(b, 'bytes');
    return new ProductQuantizer(
      INTERNAL,
      call(() => native.NativeProductQuantizer.fromBytes(data)),
    );
  }

  /** Values of a vector. */
  get dim(): number {
    return ProductQuantizer.#self(this).dim;
  }

  /** Parts of a vector, and bytes of its codes. */
  get parts(): number {
    return ProductQuantizer.#self(this).parts;
  }

  /** Centroids of a part. */
  get centroids(): number {
    return ProductQuantizer.#self(this).centroids;
  }

  /** A copy of all centroids: `parts` codebooks of `centroids` rows of `dim / parts` values. */
  codebooks(): Float32Array {
    return call(() => ProductQuantizer.#self(this).codebooks());
  }

  /** Mean squared error a value at the start of training and after each round; empty for one not trained here. */
  history(): Float64Array {
    return call(() => ProductQuantizer.#self(this).history());
  }

  /**
   * Codes of vectors, `parts` bytes each. The vectors are copied before the call returns.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  async encode(vectors: VectorRows, o?: JobOptions): Promise<Uint8Array> {
    const control = job(options(o, 'encode options', JOB_OPTION_NAMES));
    const handle = ProductQuantizer.#self(this);
    const { data } = toRows(vectors, handle.dim, 'vectors');
    return runJob(control, 'compress', handle.parts, (abort, onProgress) => handle.encode(data, abort, onProgress));
  }

  /**
   * The same as {@link ProductQuantizer.encode} on the calling thread's time.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  encodeSync(vectors: VectorRows): Uint8Array {
    const handle = ProductQuantizer.#self(this);
    const { data } = toRows(vectors, handle.dim, 'vectors');
    return call(() => handle.encodeSync(data));
  }

  /**
   * Row-major vectors that codes stand for.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_FORMAT for a code without a centroid
   */
  decode(codes: Uint8Array): Float32Array {
    const handle = ProductQuantizer.#self(this);
    const given = bytes(codes, 'codes');
    return call(() => handle.decode(given));
  }

  /**
   * For each part the product of the query's part with each centroid (`'dot'`, the default), or its squared distance from
   * it (`'l2'`): `parts` rows of `centroids` values.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  table(query: Vector, measure: ProductMeasure = 'dot'): Float32Array {
    const handle = ProductQuantizer.#self(this);
    const isDistance = oneOf(measure, 'measure', ['dot', 'l2']) === 'l2';
    const data = toQuery(query, handle.dim, 'query');
    return call(() => handle.table(data, isDistance));
  }

  /**
   * For each row of codes the sum of its entries of a table: the score of the decoded vector.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_FORMAT for a code without a centroid
   */
  score(table: Float32Array, codes: Uint8Array): Float32Array {
    const handle = ProductQuantizer.#self(this);
    const { data } = toVector(table, 'table');
    const given = bytes(codes, 'codes');
    return call(() => handle.score(data, given));
  }

  /** The quantizer as bytes, with a version and a checksum. */
  toBytes(): Uint8Array {
    return call(() => ProductQuantizer.#self(this).toBytes());
  }

  /** A summary; the centroids are in {@link ProductQuantizer.codebooks}. */
  toJSON(): ProductQuantizerSummary {
    const { dim, parts, centroids } = ProductQuantizer.#self(this);
    return { dim, parts, centroids, bitsPerValue: (parts * Math.log2(centroids)) / dim };
  }
}
