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

const VECTOR = 'a Float32Array or an array of numbers';
const ROWS = 'a Float32Array of n * dimension values or an array of Float32Array or number[]';

/** A typed array over a detached buffer looks empty; only an attempt to view the buffer tells the two apart. */
function refuseDetached(array: Float32Array | Uint8Array, argument: string): void {
  if (array.length > 0) return;
  try {
    new Uint8Array(array.buffer);
  } catch (cause) {
    throw new TinyQuantError('ERR_TQ_INVALID_ARG', `${argument} is detached: its memory was transferred elsewhere`, {
      cause,
      details: { argument, expected: 'an array that owns its memory', got: 'a detached array' },
    });
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
  return types.isSharedArrayBuffer(array.buffer)
    ? { data: new Float32Array(array), owned: true }
    : { data: array, owned: false };
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

/** Checks rows of `dimension` values each and returns them row-major; zero rows are allowed. */
export function toRows(value: unknown, dimension: number, argument: string): Floats {
  if (types.isFloat32Array(value)) {
    refuseDetached(value, argument);
    if (value.length % dimension !== 0) {
      const whole = Math.floor(value.length / dimension);
      throw dimensionMismatch(
        `${argument} holds ${value.length} values, which is not a multiple of the dimension ${dimension}: row ${whole} has ${value.length % dimension}`,
        dimension,
        value.length % dimension,
        whole,
      );
    }
    return unshared(value);
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
    if (item.length !== dimension) {
      throw dimensionMismatch(
        `${name} has ${item.length} values, expected the dimension ${dimension}`,
        dimension,
        item.length,
        row,
      );
    }
    if (isTyped) data.set(item, row * dimension);
    else copyNumbers(item, data.subarray(row * dimension, (row + 1) * dimension), 0, name);
  }
  return { data, owned: true };
}

/**
 * Takes the memory of `array` away from the caller, so that it can be read on another thread without a copy.
 * The caller's array is detached (length 0) afterwards.
 */
export function takeOver(value: unknown, argument: string): Float32Array {
  if (!types.isFloat32Array(value)) throw invalidArg(argument, 'a Float32Array when transfer is true', value);
  const { buffer } = value;
  if (types.isSharedArrayBuffer(buffer) || value.byteLength !== buffer.byteLength) {
    throw new TinyQuantError(
      'ERR_TQ_INVALID_ARG',
      `${argument} cannot be transferred: it must span the whole of an unshared ArrayBuffer, got ${value.byteLength} of ${buffer.byteLength} bytes`,
      { details: { argument, expected: buffer.byteLength, got: value.byteLength } },
    );
  }
  try {
    return new Float32Array(structuredClone(buffer, { transfer: [buffer] }));
  } catch (cause) {
    throw new TinyQuantError(
      'ERR_TQ_INVALID_ARG',
      `${argument} cannot be transferred: its memory is not transferable`,
      {
        cause,
        details: { argument },
      },
    );
  }
}

/** Checks serialised data; `Buffer` is accepted as the `Uint8Array` it is. */
export function bytes(value: unknown, argument: string): Uint8Array {
  if (!types.isUint8Array(value)) throw invalidArg(argument, 'a Uint8Array', value);
  refuseDetached(value, argument);
  return types.isSharedArrayBuffer(value.buffer) ? new Uint8Array(value) : value;
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
    const { length } = value;
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
