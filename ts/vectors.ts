import { types } from 'node:util';
import { TinyQuantError } from './errors.js';
import { invalidArg } from './validate.js';

/** One vector: 32-bit floats, or numbers that are rounded to 32-bit floats. */
export type Vector = Float32Array | readonly number[];

/** Rows of one dimension: a row-major `Float32Array` of `n * dimension` values, or an array of `n` vectors. */
export type VectorRows = Float32Array | readonly Vector[];

/** A `Float32Array` for the native side, and whether this package alone can reach its memory. */
export interface Floats {
  readonly data: Float32Array;
  readonly owned: boolean;
}

/** Row-major {@link Floats}. */
export interface Rows extends Floats {
  /** How many rows. */
  readonly count: number;
}

const VECTOR = 'a Float32Array or an array of numbers';
const ROWS = 'a Float32Array of n * dimension values or an array of Float32Array or number[]';

const { prototype } = Float32Array;

/** A getter of all typed arrays, which subclasses and own properties cannot replace. */
function getter<T>(name: 'length' | 'buffer'): (array: Float32Array | Uint8Array) => T {
  const descriptor = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(prototype), name);
  const get = descriptor?.get as () => T;
  return (array) => get.call(array);
}

const lengthOf: (array: Float32Array | Uint8Array) => number = getter('length');
const bufferOf: (array: Float32Array | Uint8Array) => ArrayBufferLike = getter('buffer');

/**
 * A typed array whose buffer is detached, or has shrunk below the array's end, looks empty; only a method that reads
 * it tells these apart.
 */
function refuseDetached(array: Float32Array | Uint8Array, argument: string): void {
  if (lengthOf(array) > 0) return;
  try {
    prototype.at.call(array as Float32Array, 0);
  } catch (cause) {
    throw new TinyQuantError(
      'ERR_TQ_INVALID_ARG',
      `${argument} is detached: its memory was transferred elsewhere or has shrunk`,
      { cause, details: { argument, expected: 'an array that owns its memory', got: 'a detached array' } },
    );
  }
}

/** Numbers of a plain array as 32-bit floats, written to `target` from `offset`. */
function copyNumbers(source: readonly unknown[], target: Float32Array, offset: number, argument: string): void {
  for (let i = 0; i < target.length - offset && i < source.length; i++) {
    const value = source[i];
    if (typeof value !== 'number') throw invalidArg(`${argument}[${i}]`, 'a number', value, { position: i });
    target[offset + i] = value;
  }
}

/** Memory that another thread may write is copied before use: the checks would not hold otherwise. */
function unshared(array: Float32Array): Floats {
  return types.isSharedArrayBuffer(bufferOf(array))
    ? { data: new Float32Array(array), owned: true }
    : { data: array, owned: false };
}

/** The values in memory that nobody else can reach. */
export function own({ data, owned }: Floats, argument: string): Float32Array {
  if (owned) return data;
  const copy = allocate(lengthOf(data), argument);
  copy.set(data);
  return copy;
}

/** Allocates, with a coded error for a size the engine refuses. */
export function allocate(length: number, argument: string): Float32Array {
  try {
    return new Float32Array(length);
  } catch (cause) {
    throw new TinyQuantError('ERR_TQ_LIMIT', `${argument}: ${length} values do not fit in one array`, {
      cause,
      details: { argument, got: length },
    });
  }
}

/** Checks one vector of any length. */
export function toVector(value: unknown, argument: string): Floats {
  if (types.isFloat32Array(value)) {
    refuseDetached(value, argument);
    return unshared(value);
  }
  if (!Array.isArray(value)) throw invalidArg(argument, VECTOR, value);
  const data = allocate(value.length, argument);
  copyNumbers(value, data, 0, argument);
  return { data, owned: true };
}

function dimensionMismatch(message: string, expected: number, got: number, row?: number): TinyQuantError {
  return new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, {
    details: { kind: 'DimensionMismatch', expected, got, ...(row === undefined ? {} : { row }) },
  });
}

/** Checks one vector of `dimension` values. */
export function toQuery(value: unknown, dimension: number, argument: string): Float32Array {
  const { data } = toVector(value, argument);
  const length = lengthOf(data);
  if (length === dimension) return data;
  throw dimensionMismatch(`${argument} has ${length} values, expected the dimension ${dimension}`, dimension, length);
}

/** Checks rows of `dimension` values each and returns them row-major; zero rows are allowed. */
export function toRows(value: unknown, dimension: number, argument: string): Rows {
  if (types.isFloat32Array(value)) {
    refuseDetached(value, argument);
    const length = lengthOf(value);
    const count = Math.floor(length / dimension);
    if (length % dimension !== 0) {
      throw dimensionMismatch(
        `${argument} holds ${length} values, which is not a multiple of the dimension ${dimension}: row ${count} has ${length % dimension}`,
        dimension,
        length % dimension,
        count,
      );
    }
    return { ...unshared(value), count };
  }
  if (!Array.isArray(value)) throw invalidArg(argument, ROWS, value);
  const count = value.length;
  const data = allocate(count * dimension, argument);
  for (let row = 0; row < count; row++) {
    const name = `${argument}[${row}]`;
    const item: unknown = value[row];
    const isTyped = types.isFloat32Array(item);
    if (!isTyped && !Array.isArray(item)) throw invalidArg(name, VECTOR, item, { row });
    if (isTyped) refuseDetached(item, name);
    const length = isTyped ? lengthOf(item) : item.length;
    if (length !== dimension) {
      throw dimensionMismatch(
        `${name} has ${length} values, expected the dimension ${dimension}`,
        dimension,
        length,
        row,
      );
    }
    if (isTyped) data.set(item, row * dimension);
    else copyNumbers(item, data.subarray(row * dimension, (row + 1) * dimension), 0, name);
  }
  return { data, owned: true, count };
}

/** The rows of those numbers, one after another; `vectors` itself where they are all of it in order. */
export function pickRows(vectors: Float32Array, dimension: number, rows: readonly number[]): Float32Array {
  if (rows.length * dimension === vectors.length && rows.every((row, i) => row === i)) return vectors;
  const picked = new Float32Array(rows.length * dimension);
  for (const [to, row] of rows.entries()) {
    picked.set(vectors.subarray(row * dimension, (row + 1) * dimension), to * dimension);
  }
  return picked;
}

/**
 * Takes the memory of `array` away from the caller, so that it can be read on another thread without a copy.
 * The caller's array is detached (length 0) afterwards, unless Node.js cannot move its memory, such as that of arrays which
 * an addon returned: it is copied then.
 */
export function takeOver(value: unknown, argument: string): Float32Array {
  if (!types.isFloat32Array(value)) throw invalidArg(argument, 'a Float32Array when transfer is true', value);
  const buffer = bufferOf(value);
  const byteLength = lengthOf(value) * Float32Array.BYTES_PER_ELEMENT;
  if (types.isSharedArrayBuffer(buffer) || byteLength !== buffer.byteLength) {
    throw new TinyQuantError(
      'ERR_TQ_INVALID_ARG',
      `${argument} cannot be transferred: it must span the whole of an unshared ArrayBuffer, got ${byteLength} of ${buffer.byteLength} bytes`,
      { details: { argument, expected: buffer.byteLength, got: byteLength } },
    );
  }
  try {
    return new Float32Array(structuredClone(buffer, { transfer: [buffer] }));
  } catch {
    return value.slice();
  }
}

/** Checks serialised data; `Buffer` is accepted as the `Uint8Array` it is. */
export function bytes(value: unknown, argument: string): Uint8Array {
  if (!types.isUint8Array(value)) throw invalidArg(argument, 'a Uint8Array', value);
  refuseDetached(value, argument);
  return types.isSharedArrayBuffer(bufferOf(value)) ? new Uint8Array(value) : value;
}

/** Collects vectors of possibly different lengths in one growing array, copying each as it comes. */
export class VectorCollector {
  readonly lengths: number[] = [];
  #data: Float32Array = new Float32Array(0);
  #used = 0;

  /** All values so far, vector after vector. */
  get data(): Float32Array {
    return this.#data.subarray(0, this.#used);
  }

  /** Copies at once: a generator may refill one array for every item. */
  add(value: unknown, argument: string): void {
    const isTyped = types.isFloat32Array(value);
    if (!isTyped && !Array.isArray(value)) throw invalidArg(argument, VECTOR, value, { row: this.lengths.length });
    if (isTyped) refuseDetached(value, argument);
    const length = isTyped ? lengthOf(value) : value.length;
    const end = this.#used + length;
    if (end > this.#data.length) {
      const grown = allocate(Math.max(end, this.#data.length * 2, 1024), argument);
      grown.set(this.data);
      this.#data = grown;
    }
    if (isTyped) this.#data.set(value, this.#used);
    else copyNumbers(value, this.#data.subarray(this.#used, end), 0, argument);
    this.#used = end;
    this.lengths.push(length);
  }
}
