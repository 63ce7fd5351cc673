import { TinyQuantError } from '../errors.js';
import type { SearchIndex } from '../search-index.js';

/**
 * The row of an index that each id has: a filter by row is a bitmap. Not known where the index has lost rows before it
 * was handed over, or is changed by others.
 */
export class RowNumbers {
  #rows: Map<string, number> | undefined = new Map();
  #count = 0;

  /** Rows of the index so far, removed ones included. */
  get count(): number {
    return this.#count;
  }

  /** The rows of an index from which nothing was removed; otherwise none are known. */
  static of(index: SearchIndex<string>): RowNumbers {
    const { rows, size } = index.stats();
    const numbers = new RowNumbers();
    numbers.#count = rows;
    numbers.#rows = rows === size ? new Map(index.ids().map((id, row) => [id, row])) : undefined;
    return numbers;
  }

  /**
   * The rows that a file has for the ids of an index.
   *
   * @param stored row numbers by id, `undefined` for rows that were not known
   * @throws {TinyQuantError} ERR_TQ_FORMAT where they cannot be those of the index
   */
  static read(index: SearchIndex<string>, stored: Map<string, number | undefined>, path: string): RowNumbers {
    const wrong = (message: string, details: object): TinyQuantError =>
      new TinyQuantError('ERR_TQ_FORMAT', `${path}: ${message}`, { details: { path, ...details } });
    const { rows, size } = index.stats();
    if (stored.size !== size) {
      throw wrong(`${stored.size} documents for ${size} vectors`, { expected: size, got: stored.size });
    }
    const numbers = new RowNumbers();
    numbers.#count = rows;
    let last = -1;
    let isKnown = true;
    // The index lists its ids by ascending row.
    for (const id of index.ids()) {
      if (!stored.has(id)) throw wrong(`no document for the vector ${JSON.stringify(id)}`, { id });
      const row = stored.get(id);
      if (row === undefined) {
        isKnown = false;
        continue;
      }
      if (row <= last || row >= rows) throw wrong(`row ${row} of ${JSON.stringify(id)} is not possible`, { id, row });
      last = row;
    }
    numbers.#rows = isKnown ? (stored as Map<string, number>) : undefined;
    return numbers;
  }

  /** Whether the rows are known, and nobody else has added to the index. */
  areThoseOf(index: SearchIndex<string>): boolean {
    return this.#rows !== undefined && index.stats().rows === this.#count;
  }

  of(id: string): number | undefined {
    return this.#rows?.get(id);
  }

  /** Notes vectors that were added to the index just now. */
  add(index: SearchIndex<string>, ids: readonly string[]): void {
    const { rows } = index.stats();
    if (rows === this.#count + ids.length) {
      for (const [i, id] of ids.entries()) this.#rows?.set(id, this.#count + i);
    } else {
      this.#rows = undefined;
    }
    this.#count = rows;
  }

  remove(ids: Iterable<string>): void {
    for (const id of ids) this.#rows?.delete(id);
  }
}
