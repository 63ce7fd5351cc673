import { open, readFile, stat } from 'node:fs/promises';
import { isTinyQuantError, TinyQuantError } from '../errors.js';
import { formatByExtension } from '../io/format.js';
import type { BadRow, ReadVectorsOptions, VectorBatch, VectorFormat } from '../io.js';
import { allocate } from '../vectors.js';
import { usage, withPath } from './failure.js';
import { type FormatName, given, type ReadOptions } from './options.js';
import { session } from './session.js';

/** What `-` is called in messages. */
export const STDIN = 'standard input';

/** Bad rows shown on standard error; all of them are in the JSON result. */
const SHOWN_BAD_ROWS = 20;

/** A bad row as the JSON results list it. */
export interface BadRowJson {
  readonly row: number;
  readonly code: string;
  readonly message: string;
}

/** The rows of one input that were left out. */
export class BadRows {
  /** Those to be listed: all in `--json` mode, else none, since there may be millions. */
  readonly listed: BadRowJson[] = [];
  readonly #rows: number[] = [];
  readonly #skip: boolean;
  readonly #quiet: boolean;

  /**
   * @param skip whether bad rows are left out; otherwise the first ends the command
   * @param quiet whether nothing is said about them
   */
  constructor(skip: boolean, quiet = false) {
    this.#skip = skip;
    this.#quiet = quiet;
  }

  /** As this, for another reading of the same rows. */
  silent(): BadRows {
    return new BadRows(this.#skip, true);
  }

  /** The listener for `readVectors`; absent where a bad row must end the command. */
  get listener(): ((bad: BadRow) => void) | undefined {
    if (!this.#skip) return undefined;
    return ({ row, error }) => {
      this.#rows.push(row);
      if (session.json) this.listed.push({ row, code: error.code, message: error.message });
      if (!this.#quiet && this.count <= SHOWN_BAD_ROWS) session.warn(`left out ${error.message}`);
    };
  }

  /** How many there are. */
  get count(): number {
    return this.#rows.length;
  }

  /** Number in the file of the k-th row that was kept. */
  rowOf(kept: number): number {
    let row = kept;
    for (const bad of this.#rows) {
      if (bad > row) break;
      row++;
    }
    return row;
  }

  /** Says how many there were, if more than have been shown. */
  summarise(): void {
    if (this.count > SHOWN_BAD_ROWS) session.warn(`${this.count} rows were left out in all`);
  }
}

/** How an input is read this time. */
export interface OpenChoice {
  readonly limit?: number;
  readonly bad?: BadRows;
  /** What the rows must have, where the user has not said it. */
  readonly dimension?: number;
}

/** An input of vectors that is opened once or, where it is a file, as often as needed. */
export interface Input {
  /** For messages. */
  readonly name: string;
  /** Whether it can be read from the start again. */
  readonly rereadable: boolean;
  /** Whether the format has a place for ids. */
  readonly keepsIds: boolean;
  /** Rows in all where that shows without reading them. */
  rows(): Promise<number | undefined>;
  open(o?: OpenChoice): AsyncIterable<VectorBatch>;
}

/** The library's name of a format. */
export function formatName(name: FormatName | undefined): VectorFormat | undefined {
  return name === 'f32' ? 'raw' : name;
}

/** Rows of a file of fixed-size rows, told from its size and header. */
async function countRows(
  path: string,
  format: VectorFormat,
  dimension: number | undefined,
): Promise<number | undefined> {
  const { size } = await stat(path);
  if (format === 'raw') return dimension === undefined ? undefined : Math.floor(size / (4 * dimension));
  if (format !== 'npy' && format !== 'fvecs') return undefined;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    if (bytesRead < 4) return undefined;
    if (format === 'fvecs') return Math.floor(size / (4 + 4 * Math.max(1, buffer.readInt32LE(0))));
    const rows = /'shape':\s*\(\s*(\d+)\s*,\s*\d+/.exec(buffer.toString('latin1'))?.[1];
    return rows === undefined ? undefined : Number(rows);
  } finally {
    await file.close();
  }
}

/**
 * Finds out what an input is, before anything is read.
 *
 * @param what the option or argument that names it, for messages
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG where the format cannot be told; ERR_TQ_IO where there is no such file
 */
export async function openInput(
  path: string,
  o: ReadOptions & { readonly rows?: number },
  what: string,
): Promise<Input> {
  const { readVectors } = await import('../io.js');
  const format = formatName(o.format) ?? (path === '-' ? undefined : formatByExtension(path));
  const options = ({ limit, bad, dimension }: OpenChoice): ReadVectorsOptions => ({
    ...given<ReadVectorsOptions>({
      format,
      dimension: o.dimension ?? dimension,
      // Elsewhere the number of rows shows at the end.
      rows: format === 'npy' || format === 'raw' ? o.rows : undefined,
      column: o.column,
      idColumn: o.idColumn,
      limit: limit ?? o.limit,
      onBadRow: bad?.listener,
    }),
    signal: session.signal,
  });
  const capped = (rows: number | undefined): number | undefined =>
    o.limit === undefined || rows === undefined ? rows : Math.min(rows, o.limit);

  const keepsIds = format === 'jsonl' || format === 'parquet' || format === 'arrow';
  if (path === '-') {
    if (process.stdin.isTTY === true)
      throw usage(`${what} is -, but standard input is a terminal: pipe vectors into it`);
    if (format === undefined) throw usage(`${what} is -: its format must be named with --format`);
    return {
      name: STDIN,
      rereadable: false,
      keepsIds,
      rows: async () => undefined,
      open: (choice = {}) => readVectors(session.stdin(), options(choice)),
    };
  }
  session.reads(path);
  const info = await withPath(path, () => stat(path));
  if (info.isDirectory())
    throw new TinyQuantError('ERR_TQ_IO', `${path}: is a folder, not a file`, { details: { errno: 'EISDIR', path } });
  if (format === undefined) {
    throw usage(`${path}: the extension names no format of vectors; name it with --format`, { path });
  }
  // A named pipe gives its bytes once.
  const rereadable = info.isFile();
  return {
    name: path,
    rereadable,
    keepsIds,
    rows: async () => (rereadable ? capped(await countRows(path, format, o.dimension)) : undefined),
    open: (choice = {}) => readVectors(path, options(choice)),
  };
}

/** Rows gathered in one array. */
export interface Gathered {
  readonly vectors: Float32Array;
  readonly rows: number;
  /** 0 where there are no rows. */
  readonly dimension: number;
}

/** Puts batches together, up to a number of rows. */
export function join(batches: readonly VectorBatch[], most: number = Number.POSITIVE_INFINITY): Gathered {
  const dimension = batches[0]?.dimension ?? 0;
  const rows = Math.min(
    most,
    batches.reduce((sum, batch) => sum + batch.rows, 0),
  );
  const vectors = new Float32Array(rows * dimension);
  let at = 0;
  for (const batch of batches) {
    const part = batch.vectors.subarray(0, Math.min(batch.vectors.length, vectors.length - at));
    vectors.set(part, at);
    at += part.length;
  }
  return { vectors, rows, dimension };
}

/**
 * Reads rows into memory.
 *
 * @throws {TinyQuantError} ERR_TQ_LIMIT where they do not fit in one array
 */
export async function gather(
  input: Input,
  o: { readonly limit?: number; readonly bad?: BadRows } = {},
): Promise<Gathered> {
  // Where the number of rows shows beforehand nothing is copied twice.
  const expected = Math.min((await input.rows()) ?? 0, o.limit ?? Number.POSITIVE_INFINITY);
  let vectors: Float32Array = new Float32Array(0);
  let rows = 0;
  let dimension = 0;
  for await (const batch of input.open(o)) {
    dimension = batch.dimension;
    const needed = (rows + batch.rows) * dimension;
    if (needed > vectors.length) {
      const larger = allocate(Math.max(needed, expected * dimension, vectors.length * 2), 'the vectors');
      larger.set(vectors.subarray(0, rows * dimension));
      vectors = larger;
    }
    vectors.set(batch.vectors, rows * dimension);
    rows += batch.rows;
  }
  return { vectors: vectors.subarray(0, rows * dimension), rows, dimension };
}

/**
 * Works on batches one after another, and closes their source. A reader reads ahead on its own.
 *
 * @param body works on one batch; the next call waits for it
 */
export async function pump(
  batches: AsyncIterator<VectorBatch>,
  body: (batch: VectorBatch) => Promise<void>,
): Promise<void> {
  try {
    for (;;) {
      const { value, done } = await batches.next();
      if (done === true) return;
      await body(value);
      session.signal.throwIfAborted();
    }
  } finally {
    await batches.return?.();
  }
}

/** Batches already read, then those still to come. */
export function replay(first: VectorBatch[], rest: AsyncIterator<VectorBatch>): AsyncIterator<VectorBatch> {
  return {
    next: async () => {
      const value = first.shift();
      return value === undefined ? rest.next() : { done: false, value };
    },
    // Not a generator: one that has not begun would not pass this on.
    return: async () => {
      await rest.return?.();
      return { done: true, value: undefined };
    },
  };
}

/** Names file and row in an error about one of the rows of a batch. */
export function locate(error: unknown, input: string, base: number, bad: BadRows): unknown {
  if (!isTinyQuantError(error)) return error;
  const { details, code } = error;
  if (typeof details?.row !== 'number' || details.path !== undefined) return error;
  const row = bad.rowOf(base + details.row);
  // The message may count the row from the start of its batch.
  const text = error.message.replace(/^row \d+: /, '');
  return new TinyQuantError(code, `${input}: row ${row}: ${text}`, {
    cause: error,
    details: { ...details, path: input, row },
  });
}

/** Reads a small file whole. */
export function readSmall(path: string): Promise<Buffer> {
  session.reads(path);
  return withPath(path, () => readFile(path, { signal: session.signal }));
}
