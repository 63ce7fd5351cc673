import type { SearchOptions, VectorBackend } from './backend.js';
import { isTinyQuantError } from './errors.js';
import type { GpuBackend } from './gpu.js';
import type { PreparedCorpus } from './gpu-prepared.js';
import type { SearchResult } from './hits.js';
import { searchArguments, toSearchResults } from './index-backend.js';
import type { Hits } from './index-hits.js';
import type { IndexId } from './index-id.js';
import { reasonOf } from './job.js';
import type { SearchIndex } from './search-index.js';
import type { Vectors } from './source.js';
import { toQuery } from './vectors.js';

/** A search index as a backend that is searched on a device, which has its codes as of the last write. */
export class GpuIndexBackend implements VectorBackend {
  readonly #gpu: GpuBackend;
  readonly #index: SearchIndex<IndexId>;
  readonly #rows: VectorBackend;
  /** The codes on the device; `undefined` after a write, until the next search. */
  #prepared: Promise<PreparedCorpus<Hits<IndexId>>> | undefined;

  constructor(gpu: GpuBackend, index: SearchIndex<IndexId>) {
    this.#gpu = gpu;
    this.#index = index;
    this.#rows = index.asBackend();
  }

  /** Gives up the codes on the device, after the searches of them. */
  #forget(): void {
    const old = this.#prepared;
    this.#prepared = undefined;
    old?.then(
      (prepared) => prepared.close(),
      () => undefined,
    );
  }

  /** Brings the codes to the device; where that fails the next search tries anew. */
  #prepare(): Promise<PreparedCorpus<Hits<IndexId>>> {
    const preparing = this.#gpu.prepare(this.#index);
    preparing.catch(() => {
      if (this.#prepared === preparing) this.#prepared = undefined;
    });
    return preparing;
  }

  /** Runs a write; a search that is begun later than its end sees it. */
  async #write<T>(writing: Promise<T>): Promise<T> {
    try {
      return await writing;
    } finally {
      this.#forget();
    }
  }

  ingest(vectors: Vectors): Promise<void> {
    return this.#write(this.#rows.ingest(vectors));
  }

  async search(query: Float32Array, topK: number, o?: SearchOptions): Promise<SearchResult[]> {
    const { dim } = this.#index;
    const { k, signal } = searchArguments(topK, o);
    const values = toQuery(query, dim, 'query').slice();
    if (signal?.aborted) throw reasonOf(signal);
    this.#prepared ??= this.#prepare();
    const current = this.#prepared;
    try {
      const [hits] = await this.#gpu.search(await current, values, signal === undefined ? { k } : { k, signal });
      return toSearchResults(hits ?? []);
    } catch (error) {
      // What the caller did wrong, or aborted, leaves the codes where they are.
      if (isTinyQuantError(error) && error.code === 'ERR_TQ_GPU' && this.#prepared === current) this.#forget();
      throw error;
    }
  }

  remove(ids: Iterable<string>): Promise<number> {
    return this.#write(this.#rows.remove(ids));
  }

  count(): Promise<number> {
    return this.#rows.count();
  }

  clear(): Promise<void> {
    return this.#write(this.#rows.clear());
  }

  close(): Promise<void> {
    return this.#write(this.#rows.close());
  }
}
