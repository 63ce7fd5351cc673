import type { SearchOptions, VectorBackend } from './backend.js';
import { TinyQuantError } from './errors.js';
import type { SearchResult } from './hits.js';
import { fromText, type IdType, type IndexId, toIds } from './index-id.js';
import { job } from './job.js';
import type { NativeIds } from './native-types.js';
import type { SearchIndex } from './search-index.js';
import { collect, type Vectors } from './source.js';
import { integer, invalidArg, options, text } from './validate.js';
import { pickRows } from './vectors.js';

/** What an index does for its backend alone. */
interface Changes {
  /** Adds rows in place of those that have their ids. */
  replace(rows: Float32Array, ids: NativeIds): Promise<void>;
  /** Removes everything. */
  clear(): Promise<void>;
}

/** Options of an index's search, from the arguments of a backend's. */
export function searchArguments(topK: unknown, o: unknown): { k: number } & SearchOptions {
  const k = integer(topK, 'topK', 1, Number.MAX_SAFE_INTEGER, { kind: 'InvalidTopK' });
  const { signal } = job(options(o, 'search options', ['signal']));
  return { k, ...(signal === undefined ? {} : { signal }) };
}

/** Hits under the texts of their ids. */
export const toSearchResults = (hits: Iterable<{ id: IndexId; score: number }>): SearchResult[] =>
  Array.from(hits, ({ id, score }) => ({ vectorId: String(id), score }));

/** A search index as a backend whose ids are texts. */
export class IndexBackend implements VectorBackend {
  readonly #index: SearchIndex<IndexId>;
  readonly #type: IdType;
  readonly #changes: Changes;

  constructor(index: SearchIndex<IndexId>, type: IdType, changes: Changes) {
    this.#index = index;
    this.#type = type;
    this.#changes = changes;
  }

  async ingest(vectors: Vectors): Promise<void> {
    const { dim } = this.#index;
    const batch = collect(vectors, () => undefined);
    const wrong = batch.lengths.findIndex((length) => length !== dim);
    if (wrong >= 0) {
      const got = batch.lengths[wrong];
      const message = `vector ${wrong} has ${got} values, expected the dimension ${dim}`;
      const details = { kind: 'DimensionMismatch', expected: dim, got, row: wrong };
      throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
    }
    // Of an id that comes twice the last vector counts.
    const rowOf = new Map<IndexId, number>();
    for (const [row, name] of batch.ids.entries()) {
      const id = fromText(name, this.#type);
      if (id === undefined)
        throw invalidArg(`id of vector ${row}`, `the decimal digits of a ${this.#type}`, name, { row });
      rowOf.set(id, row);
    }
    const rows = pickRows(batch.vectors, dim, [...rowOf.values()]);
    await this.#changes.replace(rows, toIds(rowOf.keys(), this.#type, 'ids'));
  }

  async search(query: Float32Array, topK: number, o?: SearchOptions): Promise<SearchResult[]> {
    return toSearchResults(await this.#index.search(query, searchArguments(topK, o)));
  }

  async remove(ids: Iterable<string>): Promise<number> {
    const isIterable = typeof ids === 'object' && ids !== null && Symbol.iterator in ids;
    if (!isIterable) throw invalidArg('ids', 'an iterable of strings', ids);
    const list = Array.from(ids as Iterable<unknown>, (id, i) => fromText(text(id, `ids[${i}]`), this.#type));
    return this.#index.remove(list.filter((id) => id !== undefined));
  }

  async count(): Promise<number> {
    return this.#index.size;
  }

  clear(): Promise<void> {
    return this.#changes.clear();
  }

  async close(): Promise<void> {
    this.#index.close();
  }
}
