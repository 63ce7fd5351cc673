import { TinyQuantError } from '../errors.js';
import { abortSignal, reasonOf, whenAborted } from '../job.js';
import { type FilePath, filePath } from '../path.js';
import { integer, invalidArg, options } from '../validate.js';
import { readArrow } from './arrow.js';
import { type BadRow, MAX_DIMENSION, RowCollector, type VectorBatch } from './batch.js';
import { readCsv } from './csv.js';
import { columnOption, formatOf, type VectorFormat } from './format.js';
import { readFvecs } from './fvecs.js';
import { readJsonl } from './jsonl.js';
import { readNpy } from './npy.js';
import { readParquet } from './parquet.js';
import { readRaw } from './raw.js';
import { openSource, type Source, StreamSource } from './source.js';

/** Options of {@link readVectors}. */
export interface ReadVectorsOptions {
  /** Default: by the extension of the path; required for a stream. */
  readonly format?: VectorFormat;
  /** Values in a row. Required for `raw`; elsewhere the data is checked against it. */
  readonly dimension?: number;
  /** Rows that the data must have (npy, raw). */
  readonly rows?: number;
  /** Most rows in a batch; default: as many as make about 4 MiB, at least 1. */
  readonly batchRows?: number;
  /**
   * Column of the vectors (parquet, arrow), by default the only one of lists of floats, else `'vector'` or
   * `'embedding'`. Field of the vector (jsonl), by default `'vector'`, `'embedding'` or `'values'`.
   */
  readonly column?: string;
  /** Column or field of the ids (jsonl, parquet, arrow), text or integers; default `'id'`, where there is one. */
  readonly idColumn?: string;
  /** Stop after this many rows. */
  readonly limit?: number;
  /** Stops the reading, which then throws `signal.reason`. */
  readonly signal?: AbortSignal;
  /**
   * Takes rows that cannot be used: with NaN or an infinity, of another dimension, null, or damaged. They are left out,
   * and later rows that have no id in the file are named by their number in it. Without this option such a row throws.
   * What makes the rest unreadable always throws.
   */
  readonly onBadRow?: (bad: BadRow) => void;
}

/**
 * Batches of a file or a stream. It can be iterated once; leaving the loop closes the file. While a batch is worked on
 * the next one is read, and no more: two batches are in memory.
 */
export interface VectorReader extends AsyncIterable<VectorBatch> {
  /** Begins to read; once only. */
  [Symbol.asyncIterator](): AsyncIterator<VectorBatch, undefined, undefined>;
}

const OPTION_NAMES = [
  'format',
  'dimension',
  'rows',
  'batchRows',
  'column',
  'idColumn',
  'limit',
  'signal',
  'onBadRow',
] as const;

interface Settings {
  readonly format: VectorFormat;
  readonly dimension: number | undefined;
  readonly rows: number | undefined;
  readonly batchRows: number | undefined;
  readonly column: string | undefined;
  readonly idColumn: string | undefined;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  readonly onBadRow: ((bad: BadRow) => void) | undefined;
}

function settingsOf(given: Record<string, unknown>, path: string | undefined): Settings {
  const format = formatOf(given.format, path);
  const count = (name: string, min: number, max: number): number | undefined =>
    given[name] === undefined ? undefined : integer(given[name], name, min, max);
  const dimension = count('dimension', 1, MAX_DIMENSION);
  if (format === 'raw' && dimension === undefined) throw invalidArg('dimension', 'given for raw', undefined);
  const rows = count('rows', 0, Number.MAX_SAFE_INTEGER);
  if (rows !== undefined && format !== 'raw' && format !== 'npy')
    throw invalidArg('rows', `absent for ${format}`, rows);
  const { onBadRow } = given;
  if (onBadRow !== undefined && typeof onBadRow !== 'function') throw invalidArg('onBadRow', 'a function', onBadRow);
  return {
    format,
    dimension,
    rows,
    batchRows: count('batchRows', 1, 0xffff_ffff),
    column: columnOption(given.column, 'column', format),
    idColumn: columnOption(given.idColumn, 'idColumn', format),
    limit: count('limit', 0, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY,
    signal: abortSignal(given.signal),
    onBadRow: onBadRow as ((bad: BadRow) => void) | undefined,
  };
}

function readFormat(source: Source, o: Settings): AsyncGenerator<VectorBatch> {
  const into = new RowCollector(source.origin, o);
  switch (o.format) {
    case 'npy':
      return readNpy(source, into, o.rows);
    case 'fvecs':
      return readFvecs(source, into);
    case 'raw':
      // settingsOf has seen to it that there is one.
      return readRaw(source, into, o.dimension ?? 0, o.rows);
    case 'jsonl':
      return readJsonl(source, into, o.column, o.idColumn);
    case 'csv':
      return readCsv(source, into);
    case 'parquet':
      return readParquet(source, into, o.column, o.idColumn);
    case 'arrow':
      return readArrow(source, into, o.column, o.idColumn);
  }
}

type Result = IteratorResult<VectorBatch, undefined>;

const END: Result = Object.freeze({ done: true, value: undefined });

/** Reads one batch ahead of the caller. */
class Reading implements AsyncIterator<VectorBatch, undefined, undefined> {
  readonly #open: () => Source | Promise<Source>;
  readonly #settings: Settings;
  readonly #batches: AsyncGenerator<VectorBatch, undefined>;
  #cancel: ((reason: unknown) => void) | undefined;
  #ahead: Promise<Result> | undefined;

  constructor(open: () => Source | Promise<Source>, settings: Settings) {
    this.#open = open;
    this.#settings = settings;
    this.#batches = this.#run();
  }

  /** Opens the source; a wait for that, as for the writer of a pipe, can be ended. */
  #opened(): Promise<Source> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      this.#cancel = (reason) => {
        isLate = true;
        reject(reason);
      };
      Promise.resolve(this.#open())
        .then((source) => {
          if (isLate) return source.close();
          this.#cancel = (reason) => source.cancel(reason);
          return resolve(source);
        })
        .catch(reject);
    });
  }

  async *#run(): AsyncGenerator<VectorBatch, undefined> {
    const { signal, limit } = this.#settings;
    if (signal?.aborted) throw reasonOf(signal);
    const forget = signal && whenAborted(signal, () => this.#cancel?.(reasonOf(signal)));
    let source: Source | undefined;
    try {
      source = await this.#opened();
      for await (const batch of limit === 0 ? [] : readFormat(source, this.#settings)) {
        if (signal?.aborted) throw reasonOf(signal);
        yield batch;
      }
    } finally {
      forget?.();
      await source?.close();
    }
    return undefined;
  }

  next(): Promise<Result> {
    const result = this.#ahead ?? this.#batches.next();
    // After this one, whose failure is not that of a later call.
    this.#ahead = result.then(
      ({ done }) => (done === true ? END : this.#batches.next()),
      () => END,
    );
    // It is the call that asks for the batch ahead that fails with it, and there may be none.
    this.#ahead.catch(() => {});
    return result;
  }

  async return(): Promise<Result> {
    const ahead = this.#ahead;
    this.#ahead = Promise.resolve(END);
    // A stream may never give what the batch ahead waits for.
    this.#cancel?.(new TinyQuantError('ERR_TQ_CLOSED', 'the reader was closed'));
    await ahead?.catch(() => {});
    await this.#batches.return(undefined);
    return END;
  }
}

/**
 * Reads vectors from a file or a stream of bytes, a batch at a time; nothing is opened before the first one is asked
 * for. A column of Parquet is decoded page by page, Arrow IPC record batch by record batch, and an .npy in Fortran order
 * by a piece of each column, so that memory does not grow with the file. Parquet and Fortran order need a path.
 *
 * @param source path or `file:` URL, or an iterable of `Uint8Array` such as `process.stdin`
 * @returns batches; none for a file of no rows
 * @throws {TinyQuantError} at once: ERR_TQ_INVALID_ARG. While reading: ERR_TQ_IO with `errno` and `path`;
 *   ERR_TQ_TRUNCATED for data that ends too early; ERR_TQ_FORMAT; ERR_TQ_NON_FINITE with `path`, `row` and `column`;
 *   ERR_TQ_DIM_MISMATCH with `path`, `row`, `expected` and `got`; ERR_TQ_INVALID_ARG for a column that is not there;
 *   ERR_TQ_LIMIT for a length beyond what is read
 *
 * @example
 * for await (const { vectors, rows, ids } of readVectors('vectors.parquet', { column: 'embedding' })) {
 *   await writer.write(vectors, ids === undefined ? {} : { ids });
 * }
 */
export function readVectors(source: FilePath | AsyncIterable<Uint8Array>, o?: ReadVectorsOptions): VectorReader {
  const given = options(o, 'options', OPTION_NAMES);
  const stream = typeof source === 'object' && source !== null && Symbol.asyncIterator in source ? source : undefined;
  if (stream === undefined && typeof source !== 'string' && !(source instanceof URL))
    throw invalidArg('source', 'a path or an async iterable of bytes', source);
  const path = stream === undefined ? filePath(source, 'source') : '';
  const settings = settingsOf(given, stream === undefined ? path : undefined);
  const open = (): Source | Promise<Source> => (stream === undefined ? openSource(path) : new StreamSource(stream));
  let isTaken = false;
  return {
    [Symbol.asyncIterator]() {
      if (isTaken) throw new TinyQuantError('ERR_TQ_CLOSED', 'the reader has been iterated already');
      isTaken = true;
      return new Reading(open, settings);
    },
  };
}
