// What the worker asks of an engine.
export const K = 10;

/** Splits rows that lie behind one another. */
export const rowsOf = (vectors, dim) =>
  Array.from({ length: vectors.length / dim }, (_, i) => vectors.subarray(i * dim, (i + 1) * dim));

/**
 * An index of one engine, empty until it is built or opened. Rows and queries have unit length. A method may return a
 * promise. `require` finds the installed peers.
 */
export class Adapter {
  /** Bytes of what is saved that do not grow with the rows: codebooks, centroids, axes. */
  fixed = 0;
  /** Whether the library answers many queries in one call; without that only single queries are timed. */
  static hasBatch = false;

  constructor({ dim, threads, params, require }) {
    Object.assign(this, { dim, threads, params, require });
  }

  /** Trains and fills the index, in the folder already if the engine works on files. */
  build(_vectors, _folder) {
    throw new Error('cannot build');
  }

  /** Adds rows to an index that needs no training; for the engines whose encode rate is compared. */
  add(_vectors) {
    throw new Error('cannot add');
  }

  save(_folder) {}

  open(_folder) {
    throw new Error('cannot open');
  }

  close() {}

  /** Takes the parameters of the searches that follow. */
  prepare(_search) {}

  /** The queries of one call in the form that the library takes; not timed. */
  form(queries) {
    return queries;
  }

  /** Searches one query: the timed call, and nothing else. */
  alone(_query) {
    throw new Error('cannot search');
  }

  /** Row numbers of an answer, a list for each query; not timed. */
  ids(answer) {
    return [Array.from(answer, Number)];
  }
}
