import type { TinyQuantError } from '../errors.js';
import type { Metadata } from '../metadata.js';
import { native } from '../native.js';
import { allocate } from '../vectors.js';
import { failure, type Origin } from './origin.js';

/** Some rows of vectors, as they follow each other in a file. */
export interface VectorBatch {
  /** `rows * dimension` values, row-major. */
  readonly vectors: Float32Array;
  /** How many rows; at least 1 in a batch from a reader. */
  readonly rows: number;
  /** Values in a row. */
  readonly dimension: number;
  /** Names of the rows, where the file has any. */
  readonly ids?: readonly string[];
  /** Facts about the rows, where the file has any. */
  readonly metadata?: readonly (Metadata | null)[];
}

/** A row that was left out. */
export interface BadRow {
  /** Number of the row in the file, from 0. */
  readonly row: number;
  /** What is wrong with it. */
  readonly error: TinyQuantError;
}

/** What rows must be like, and how many make a batch. */
export interface RowRules {
  readonly dimension: number | undefined;
  readonly batchRows: number | undefined;
  readonly limit: number;
  readonly onBadRow: ((bad: BadRow) => void) | undefined;
}

/** Bytes of f32 in a batch, unless the caller says how many rows. */
export const BATCH_BYTES: number = 4 << 20;

/** Bounds what a damaged length can ask for. */
export const MAX_DIMENSION: number = 1 << 20;

/** Collects rows into batches, and leaves out or refuses bad ones. */
export class RowCollector {
  readonly #origin: Origin;
  readonly #rules: RowRules;
  #dimension: number | undefined;
  #batchRows = 1;
  #values: Float32Array = new Float32Array(0);
  #rows = 0;
  /** Good rows in batches already taken. */
  #taken = 0;
  /** Number in the file of the next row. */
  #next = 0;
  /** Whether rows have names from here on. */
  #named = false;
  #ids: string[] = [];
  #metadata: (Metadata | null)[] | undefined;

  constructor(origin: Origin, rules: RowRules) {
    this.#origin = origin;
    this.#rules = rules;
    if (rules.dimension !== undefined) this.#fix(rules.dimension);
  }

  /** Number in the file of the next row. */
  get row(): number {
    return this.#next;
  }

  /** Rows that fit in the present batch. */
  get room(): number {
    return Math.min(this.#batchRows, this.#rules.limit - this.#taken) - this.#rows;
  }

  get full(): boolean {
    return this.room <= 0;
  }

  /** Whether as many rows as were asked for have been taken. */
  get done(): boolean {
    return this.#taken >= this.#rules.limit;
  }

  #fix(dimension: number): void {
    this.#dimension = dimension;
    this.#batchRows = this.#rules.batchRows ?? Math.max(1, Math.floor(BATCH_BYTES / (4 * dimension)));
  }

  /** Takes the dimension that the file as a whole has. */
  setDimension(dimension: number): void {
    if (dimension > MAX_DIMENSION) {
      throw failure(this.#origin, 'ERR_TQ_LIMIT', `${dimension} dimensions, expected at most ${MAX_DIMENSION}`, {
        got: dimension,
        expected: MAX_DIMENSION,
      });
    }
    const expected = this.#dimension;
    if (dimension === 0 || (expected !== undefined && expected !== dimension))
      throw this.#mismatch(dimension, 'vectors');
    this.#fix(dimension);
  }

  #mismatch(got: number, what: string, details: object = {}): TinyQuantError {
    const expected = this.#dimension ?? 1;
    const wanted = this.#dimension === undefined ? 'at least 1' : `the dimension ${expected}`;
    return failure(this.#origin, 'ERR_TQ_DIM_MISMATCH', `${what} of ${got} values, expected ${wanted}`, {
      kind: 'DimensionMismatch',
      expected,
      got,
      ...details,
    });
  }

  /** Gives names to the rows that are there; until now a row's name was its number. */
  #name(): void {
    if (this.#named) return;
    this.#named = true;
    for (let i = 0; i < this.#rows; i++) this.#ids.push(String(this.#taken + i));
  }

  #leaveOut(row: number, error: TinyQuantError): void {
    const { onBadRow } = this.#rules;
    if (onBadRow === undefined) throw error;
    this.#name();
    onBadRow({ row, error });
  }

  /** Refuses the next row, or reports it and leaves it out. */
  reject(text: string, details: object = {}): void {
    const row = this.#next++;
    this.#leaveOut(row, failure(this.#origin, 'ERR_TQ_FORMAT', `row ${row}: ${text}`, { row, ...details }));
  }

  #grow(dimension: number): void {
    const used = this.#rows * dimension;
    if (used < this.#values.length) return;
    const rows = Math.min(this.#batchRows, this.#rules.limit - this.#taken, Math.max(64, 2 * this.#rows));
    const grown = allocate(rows * dimension, 'a batch');
    grown.set(this.#values.subarray(0, used));
    this.#values = grown;
  }

  /** Adds the next row; its values are copied. */
  add(values: ArrayLike<number>, id?: string, metadata?: Metadata | null): void {
    const row = this.#next++;
    const dimension = this.#dimension ?? values.length;
    if (values.length !== dimension || dimension === 0) {
      this.#leaveOut(row, this.#mismatch(values.length, `row ${row} is`, { row }));
      return;
    }
    if (this.#dimension === undefined) this.setDimension(dimension);
    this.#grow(dimension);
    const start = this.#rows * dimension;
    const target = this.#values.subarray(start, start + dimension);
    target.set(values);
    const column = native.firstNonFinite(target);
    if (column !== -1) {
      const text = `row ${row}, column ${column} is ${values[column]}, expected a finite 32-bit float`;
      this.#leaveOut(row, failure(this.#origin, 'ERR_TQ_NON_FINITE', text, { row, column }));
      return;
    }
    if (id !== undefined) this.#name();
    if (this.#named) this.#ids.push(id ?? String(row));
    if (metadata !== undefined) this.#metadata ??= new Array<null>(this.#rows).fill(null);
    this.#metadata?.push(metadata ?? null);
    this.#rows++;
  }

  /** The rows so far as a batch, or `undefined` when there are none. */
  take(): VectorBatch | undefined {
    const rows = this.#rows;
    const dimension = this.#dimension;
    if (rows === 0 || dimension === undefined) return undefined;
    const used = rows * dimension;
    const vectors = used === this.#values.length ? this.#values : this.#values.slice(0, used);
    const batch = {
      vectors,
      rows,
      dimension,
      ...(this.#named ? { ids: this.#ids } : {}),
      ...(this.#metadata === undefined ? {} : { metadata: this.#metadata }),
    };
    this.#taken += rows;
    this.#rows = 0;
    this.#values = new Float32Array(0);
    this.#ids = [];
    this.#metadata = undefined;
    return batch;
  }

  /** A batch of the next rows, without a copy where all are good; `undefined` when none is. */
  block(vectors: Float32Array, rows: number, dimension: number): VectorBatch | undefined {
    if (!this.#named && native.firstNonFinite(vectors) === -1) {
      this.#next += rows;
      this.#taken += rows;
      return { vectors, rows, dimension };
    }
    for (let row = 0; row < rows; row++) this.add(vectors.subarray(row * dimension, (row + 1) * dimension));
    return this.take();
  }
}
