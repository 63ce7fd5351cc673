import type { BruteForceBackend, SearchOptions, VectorBackend } from './backend.js';
import { TinyQuantError } from './errors.js';
import type { SearchResult } from './hits.js';
import { job } from './job.js';
import type { Vectors } from './source.js';
import { options } from './validate.js';

/** Exact search in memory behind the calls of every other backend. */
export class BruteForceAdapter implements VectorBackend {
  #backend: BruteForceBackend | undefined;

  constructor(backend: BruteForceBackend) {
    this.#backend = backend;
  }

  #open(): BruteForceBackend {
    if (this.#backend === undefined) throw new TinyQuantError('ERR_TQ_CLOSED', 'the backend has been closed');
    return this.#backend;
  }

  async ingest(vectors: Vectors): Promise<void> {
    this.#open().ingest(vectors);
  }

  async search(query: Float32Array, topK: number, o?: SearchOptions): Promise<SearchResult[]> {
    const backend = this.#open();
    job(options(o, 'search options', ['signal']));
    return backend.search(query, topK);
  }

  async remove(ids: Iterable<string>): Promise<number> {
    return this.#open().remove(ids);
  }

  async count(): Promise<number> {
    return this.#open().count;
  }

  async clear(): Promise<void> {
    this.#open().clear();
  }

  async close(): Promise<void> {
    this.#backend = undefined;
  }
}
