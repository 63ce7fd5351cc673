import { extname } from 'node:path';
import type { TinyQuantError } from '../errors.js';
import { abortSignal, reasonOf, whenAborted } from '../job.js';
import { native } from '../native.js';
import { type FilePath, filePath } from '../path.js';
import { boolean, integer, invalidArg, oneOf, options, text } from '../validate.js';
import { toRows } from '../vectors.js';
import { arrowEncoder } from './arrow.js';
import { BATCH_BYTES, type VectorBatch } from './batch.js';
import { csvEncoder } from './csv.js';
import type { Encoder } from './encoder.js';
import { columnOption, formatOf, type VectorFormat } from './format.js';
import { fvecsEncoder } from './fvecs.js';
import { jsonlEncoder } from './jsonl.js';
import { npyEncoder } from './npy.js';
import { failure, type Origin } from './origin.js';
import { type ByteWritable, type Output, openOutput, StreamOutput } from './output.js';
import { parquetEncoder } from './parquet-writer.js';
import { Puller } from './puller.js';
import { rawEncoder } from './raw.js';

/** Options of {@link writeVectors}. */
export interface WriteVectorsOptions {
  /** Default: by the extension of the path; required for a stream. */
  readonly format?: VectorFormat;
  /** Number type of an .npy file; default `'f32'`. Values are rounded to nearest, ties to even. */
  readonly dtype?: 'f32' | 'f16' | 'f64';
  /** Whether an existing file may be replaced; default false. */
  readonly overwrite?: boolean;
  /** Stops the writing; the promise then rejects with `signal.reason`, and nothing is left behind. */
  readonly signal?: AbortSignal;
  /** Column or field of the vectors (jsonl, parquet, arrow); default `'vector'`. */
  readonly column?: string;
  /**
   * Column or field of the ids (jsonl, parquet, arrow); default `'id'`, where the batches have ids. When given, batches
   * without ids get row numbers as decimal text; a table needs that where ids may begin after the first batch, as
   * they do in a reader that leaves out bad rows.
   */
  readonly idColumn?: string;
}

/** What {@link writeVectors} wrote. */
export interface WriteVectorsResult {
  /** Rows written. */
  readonly rows: number;
  /** Length of what was written, in bytes. */
  readonly sizeBytes: number;
}

const OPTION_NAMES = ['format', 'dtype', 'overwrite', 'signal', 'column', 'idColumn'] as const;

interface Settings {
  readonly format: VectorFormat;
  readonly dtype: 'f32' | 'f16' | 'f64';
  readonly column: string;
  readonly idColumn: string;
  /** Whether rows without an id get their number. */
  readonly numbers: boolean;
  readonly path: string | undefined;
}

async function encoderOf({ format, dtype, column, idColumn, path }: Settings): Promise<Encoder> {
  switch (format) {
    case 'npy':
      return npyEncoder(dtype);
    case 'fvecs':
      return fvecsEncoder();
    case 'raw':
      return rawEncoder();
    case 'jsonl':
      return jsonlEncoder(column, idColumn);
    case 'csv':
      return csvEncoder();
    case 'parquet':
      return parquetEncoder(column, idColumn);
    case 'arrow':
      return arrowEncoder(column, idColumn, path === undefined || extname(path).toLowerCase() === '.arrows');
  }
}

/** Checks the batches of the caller, one after another. */
class BatchCheck {
  readonly #settings: Settings;
  readonly #origin: Origin;
  #dimension: number | undefined;
  #hasIds = false;
  rows = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#origin = settings.path === undefined ? {} : { path: settings.path };
  }

  #idsOf(ids: unknown, rows: number): string[] | undefined {
    const { numbers, format } = this.#settings;
    if (ids === undefined && numbers) return Array.from({ length: rows }, (_, row) => String(this.rows + row));
    const isTable = (format === 'parquet' || format === 'arrow') && !numbers;
    if (this.rows === 0) this.#hasIds = ids !== undefined;
    else if (isTable && this.#hasIds !== (ids !== undefined)) {
      throw invalidArg(
        'batch.ids',
        `${this.#hasIds ? 'present' : 'absent'} as in the first batch; idColumn gives all rows ids`,
        ids,
      );
    }
    if (ids === undefined) return undefined;
    if (!Array.isArray(ids) || ids.length !== rows) throw invalidArg('batch.ids', `an array of ${rows} ids`, ids);
    return ids.map((id, row) => text(id, `batch.ids[${row}]`));
  }

  /** A batch whose parts agree with each other and with the batches before it. */
  take(batch: unknown): VectorBatch {
    if (typeof batch !== 'object' || batch === null) throw invalidArg('batch', 'an object with vectors', batch);
    const { vectors, rows, dimension, ids, metadata } = batch as Partial<Record<keyof VectorBatch, unknown>>;
    const width = integer(dimension, 'batch.dimension', 1, Number.MAX_SAFE_INTEGER);
    this.#dimension ??= width;
    if (width !== this.#dimension) throw this.#mismatch(width, this.#dimension);
    const { data, count } = toRows(vectors, width, 'batch.vectors');
    if (rows !== count) throw invalidArg('batch.rows', `${count}, the rows of batch.vectors`, rows);
    const bad = native.firstNonFinite(data);
    if (bad !== -1) {
      const [row, column] = [this.rows + Math.floor(bad / width), bad % width];
      const text = `row ${row}, column ${column} is ${data[bad]}, expected a finite number`;
      throw failure(this.#origin, 'ERR_TQ_NON_FINITE', text, { row, column });
    }
    if (metadata !== undefined && !(Array.isArray(metadata) && metadata.length === count)) {
      throw invalidArg('batch.metadata', `an array of ${count} objects`, metadata);
    }
    const names = this.#idsOf(ids, count);
    this.rows += count;
    return {
      vectors: data,
      rows: count,
      dimension: width,
      ...(names === undefined ? {} : { ids: names }),
      ...(metadata === undefined ? {} : { metadata }),
    };
  }

  #mismatch(got: number, expected: number): TinyQuantError {
    const text = `a batch of dimension ${got} from row ${this.rows} on, expected the dimension ${expected} of the first`;
    return failure(this.#origin, 'ERR_TQ_DIM_MISMATCH', text, { row: this.rows, expected, got });
  }
}

/** Cuts and joins batches, so that a group of rows in a table has about {@link BATCH_BYTES}. */
class Grouping {
  #parts: VectorBatch[] = [];
  #rows = 0;

  *add(batch: VectorBatch): Generator<VectorBatch> {
    const most = Math.max(1, Math.floor(BATCH_BYTES / (4 * batch.dimension)));
    let from = 0;
    while (from < batch.rows) {
      const to = Math.min(batch.rows, from + most - this.#rows);
      this.#parts.push(part(batch, from, to));
      this.#rows += to - from;
      from = to;
      if (this.#rows === most) yield* this.end();
    }
    // The caller may fill its arrays anew.
    const last = this.#parts.pop();
    if (last !== undefined) this.#parts.push({ ...last, vectors: last.vectors.slice() });
  }

  *end(): Generator<VectorBatch> {
    const parts = this.#parts;
    const rows = this.#rows;
    this.#parts = [];
    this.#rows = 0;
    if (rows > 0) yield join(parts, rows);
  }
}

function part({ vectors, dimension, ids }: VectorBatch, from: number, to: number): VectorBatch {
  const names = ids === undefined ? {} : { ids: ids.slice(from, to) };
  return { vectors: vectors.subarray(from * dimension, to * dimension), rows: to - from, dimension, ...names };
}

function join(parts: readonly VectorBatch[], rows: number): VectorBatch {
  const [first] = parts as [VectorBatch];
  if (parts.length === 1) return first;
  const { dimension, ids } = first;
  const vectors = new Float32Array(rows * dimension);
  let at = 0;
  for (const each of parts) {
    vectors.set(each.vectors, at);
    at += each.vectors.length;
  }
  return { vectors, rows, dimension, ...(ids === undefined ? {} : { ids: parts.flatMap((each) => each.ids ?? []) }) };
}

function isWritable(value: unknown): value is ByteWritable {
  const { write, end, destroy, on, removeListener } = (value ?? {}) as Partial<Record<keyof ByteWritable, unknown>>;
  return [write, end, destroy, on, removeListener].every((method) => typeof method === 'function');
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}

function settingsOf(given: Record<string, unknown>, path: string | undefined): Settings {
  const format = formatOf(given.format, path);
  const dtype = given.dtype === undefined ? 'f32' : oneOf(given.dtype, 'dtype', ['f32', 'f16', 'f64']);
  if (dtype !== 'f32' && format !== 'npy') throw invalidArg('dtype', `'f32' for ${format}`, dtype);
  if (format === 'npy' && path === undefined) {
    throw invalidArg('target', 'a path for npy, whose first bytes hold the number of rows', 'a stream');
  }
  const column = columnOption(given.column, 'column', format) ?? 'vector';
  const idColumn = columnOption(given.idColumn, 'idColumn', format) ?? 'id';
  if (column === idColumn) throw invalidArg('idColumn', 'another name than that of the vectors', idColumn);
  return { format, dtype, column, idColumn, numbers: given.idColumn !== undefined, path };
}

/** Writes all batches, and returns the number of their rows. */
async function encode(
  settings: Settings,
  source: Puller<unknown>,
  output: Output,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { format } = settings;
  if (format === 'npy' && !output.canRewrite) throw invalidArg('target', 'a regular file for npy', settings.path);
  const encoder = await encoderOf(settings);
  const check = new BatchCheck(settings);
  const groups = format === 'parquet' || format === 'arrow' ? new Grouping() : undefined;
  const write = async (pieces: Iterable<Uint8Array>): Promise<void> => {
    for (const piece of pieces) {
      if (signal?.aborted) throw reasonOf(signal);
      await output.write(piece);
    }
  };
  for (let batch = await source.next(); batch !== undefined; batch = await source.next()) {
    const checked = check.take(batch);
    if (checked.rows === 0) continue;
    for (const group of groups?.add(checked) ?? [checked]) await write(encoder.encode(group));
  }
  for (const group of groups?.end() ?? []) await write(encoder.encode(group));
  const { tail, head } = encoder.end(check.rows);
  await write(tail);
  if (head !== undefined) await output.rewrite(head);
  return check.rows;
}

/**
 * Writes batches to a file or a stream, and waits for each to go out before it takes the next.
 *
 * A file comes into being under its name only when it is whole and on the disk: until then the bytes are in a
 * temporary file beside it, and a failure leaves the folder as it was. A stream is ended after the last byte, except
 * `process.stdout`; a failure destroys it, and an error of the stream itself, such as EPIPE, is what the promise
 * rejects with. `npy` needs a path; `fvecs`, `raw`, `npy` and `csv` keep no ids, and only `jsonl` keeps metadata.
 *
 * @param target path or `file:` URL, or a `stream.Writable` of bytes
 * @param source batches of one dimension, such as those of {@link readVectors}
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for options and batches that are wrong, ERR_TQ_NON_FINITE and
 *   ERR_TQ_DIM_MISMATCH for their rows, ERR_TQ_LIMIT for a value beyond f16, ERR_TQ_IO with `errno` and `path` for what
 *   the system refuses, such as an existing file without `overwrite` (`EEXIST`)
 *
 * @example
 * await writeVectors('vectors.npy', readVectors('vectors.parquet'), { dtype: 'f16' });
 */
export async function writeVectors(
  target: FilePath | ByteWritable,
  source: AsyncIterable<VectorBatch> | Iterable<VectorBatch>,
  o?: WriteVectorsOptions,
): Promise<WriteVectorsResult> {
  const given = options(o, 'options', OPTION_NAMES);
  const stream = isWritable(target) ? target : undefined;
  if (stream === undefined && typeof target !== 'string' && !(target instanceof URL))
    throw invalidArg('target', 'a path or a Writable', target);
  const path = stream === undefined ? filePath(target, 'target') : undefined;
  if (!isIterable(source)) throw invalidArg('source', 'an iterable of batches', source);
  const settings = settingsOf(given, path);
  const overwrite = given.overwrite === undefined ? false : boolean(given.overwrite, 'overwrite');
  const signal = abortSignal(given.signal);
  if (signal?.aborted) throw reasonOf(signal);

  const puller = new Puller<unknown>(source);
  let output: Output | undefined;
  const forget =
    signal === undefined
      ? undefined
      : whenAborted(signal, () => {
          puller.cancel(reasonOf(signal));
          output?.cancel(reasonOf(signal));
        });
  try {
    output = stream === undefined ? await openOutput(path ?? '', overwrite) : new StreamOutput(stream);
    const rows = await encode(settings, puller, output, signal);
    await output.commit();
    return { rows, sizeBytes: output.sizeBytes };
  } catch (error) {
    await output?.discard(error);
    await puller.close().catch(() => {});
    throw signal?.aborted ? reasonOf(signal) : error;
  } finally {
    forget?.();
  }
}
