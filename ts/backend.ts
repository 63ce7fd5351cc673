import { BruteForceAdapter } from './brute-force-adapter.js';
import { Handle } from './handle.js';
import { type SearchResult, toResults } from './hits.js';
import { call, native } from './native.js';
import type { NativeBruteForce } from './native-types.js';
import { collect, type Vectors } from './source.js';
import { integer, invalidArg, notAHandle, text } from './validate.js';
import { toVector, type Vector } from './vectors.js';

/** Options of {@link VectorBackend.search}. */
export interface SearchOptions {
  /** Stops the search; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What a store of vectors offers, for adapters to databases and services. */
export interface VectorBackend {
  /** Adds vectors; an id that is present is overwritten. */
  ingest(vectors: Vectors): Promise<void>;
  /** The best `topK` vectors, best first. */
  search(query: Float32Array, topK: number, o?: SearchOptions): Promise<SearchResult[]>;
  /** Removes vectors, ignoring unknown ids; the number removed. */
  remove(ids: Iterable<string>): Promise<number>;
  /** Number of vectors. */
  count(): Promise<number>;
  /** Removes everything. */
  clear(): Promise<void>;
  /** Releases what the backend holds; it cannot be used afterwards. */
  close(): Promise<void>;
}

/** The native side takes a u32; no machine holds more vectors. */
const MAX_TOP_K = 0xffff_ffff;

/**
 * Exact search over uncompressed vectors by cosine similarity, in memory. A score is the dot product divided by the
 * root of the product of the squared norms, each summed in 32-bit floats in index order, and 0 where a norm is 0:
 * the same bits as TinyQuant computes. Only where those sums overflow or underflow is the score computed without that
 * loss, so that very large and very small vectors compare as any others do.
 *
 * @example
 * const backend = new BruteForceBackend();
 * backend.ingest(corpus.decompressEntries());
 * const [best] = backend.search(query, 10);
 */
export class BruteForceBackend extends Handle {
  readonly #native: NativeBruteForce;

  /** An empty backend. */
  constructor() {
    super();
    this.#native = call(() => new native.NativeBruteForce());
  }

  static #self(value: unknown): NativeBruteForce {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'BruteForceBackend');
    return value.#native;
  }

  /** Number of vectors. */
  get count(): number {
    return BruteForceBackend.#self(this).count;
  }

  /**
   * Adds vectors, or none if any of them is refused. The first vector fixes the dimension until the backend is empty
   * again; an id that is present is overwritten in place. Metadata of items is ignored.
   *
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
   */
  ingest(vectors: Vectors): void {
    const handle = BruteForceBackend.#self(this);
    const batch = collect(vectors, () => undefined);
    call(() => handle.ingest(batch.ids, batch.vectors, batch.lengths));
  }

  /**
   * The `topK` most similar vectors, best first; equal scores by ascending id in UTF-8 byte order.
   *
   * @param query values of the ingested dimension
   * @param topK at least 1; more than {@link BruteForceBackend.count} gives all
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InvalidTopK, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  search(query: Vector, topK: number): SearchResult[] {
    const handle = BruteForceBackend.#self(this);
    const wanted = integer(topK, 'topK', 1, Number.MAX_SAFE_INTEGER, { kind: 'InvalidTopK' });
    const { data } = toVector(query, 'query');
    return toResults(call(() => handle.search(data, Math.min(wanted, MAX_TOP_K))));
  }

  /**
   * Removes vectors; unknown ids are ignored.
   *
   * @returns the number removed
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
   */
  remove(ids: Iterable<string>): number {
    const handle = BruteForceBackend.#self(this);
    const isIterable = typeof ids === 'object' && ids !== null && Symbol.iterator in ids;
    if (!isIterable) throw invalidArg('ids', 'an iterable of strings', ids);
    const list = Array.from(ids as Iterable<unknown>, (id, i) => text(id, `ids[${i}]`));
    return call(() => handle.remove(list));
  }

  /** Removes everything and releases the dimension. */
  clear(): void {
    const handle = BruteForceBackend.#self(this);
    call(() => handle.clear());
  }

  /**
   * The same vectors as a {@link VectorBackend}, whose calls are asynchronous. Closing it clears nothing here: it only ends
   * that view.
   */
  asBackend(): VectorBackend {
    BruteForceBackend.#self(this);
    return new BruteForceAdapter(this);
  }

  /** A summary. */
  toJSON(): { count: number; dimension: number | null } {
    const { count, dimension } = BruteForceBackend.#self(this);
    return { count, dimension };
  }
}

export type { SearchResult, Vectors };
