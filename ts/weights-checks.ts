import { types } from 'node:util';
import { TinyQuantError } from './errors.js';
import { integer, invalidArg } from './validate.js';
import { toVector } from './vectors.js';

/** Largest count that crosses to the native side. */
const MOST = Number.MAX_SAFE_INTEGER;

/** Default bound of the bytes that stored data may become: 4 GiB. */
const DEFAULT_MAX_SIZE = 2 ** 32;

/** Checks an option that is an integer of at least `min`, with a default. */
export function count(value: unknown, argument: string, min: number, fallback: number): number {
  return value === undefined ? fallback : integer(value, argument, min, MOST);
}

/** Checks an option that is a finite number of at least 0, with a default. */
export function share(value: unknown, argument: string, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw invalidArg(argument, 'a finite number of at least 0', value);
  }
  return value;
}

/** Checks the option that bounds what stored data may become. */
export function maxSize(value: unknown): number {
  return count(value, 'maxSize', 0, DEFAULT_MAX_SIZE);
}

/** Checks the level of zstd. */
export function level(value: unknown, min: number): number {
  return value === undefined ? 19 : integer(value, 'level', min, 22);
}

/** 64-bit floats, copied from what is no `Float64Array`. */
export function doubles(value: unknown, argument: string): Float64Array {
  if (types.isFloat64Array(value)) return unshared(value, argument);
  if (!Array.isArray(value)) return Float64Array.from(toVector(value, argument).data);
  return Float64Array.from(value as readonly unknown[], (item, i) => {
    if (typeof item !== 'number') throw invalidArg(`${argument}[${i}]`, 'a number', item);
    return item;
  });
}

/** Tokens: a `Uint32Array`, or integers from 0 to 2^32 - 1. */
export function tokens(value: unknown, argument: string): Uint32Array {
  if (types.isUint32Array(value)) return unshared(value, argument);
  const isSmall = types.isUint8Array(value) || types.isUint16Array(value);
  if (isSmall) return Uint32Array.from(unshared(value, argument));
  if (!Array.isArray(value))
    throw invalidArg(argument, 'a Uint32Array, Uint16Array, Uint8Array or an array of integers', value);
  const list: readonly unknown[] = value;
  return Uint32Array.from({ length: list.length }, (_, i) => integer(list[i], `${argument}[${i}]`, 0, 2 ** 32 - 1));
}

/** A typed array that no other thread can write and whose memory is still its own. */
export function unshared<
  T extends Float32Array | Float64Array | BigInt64Array | Uint32Array | Uint16Array | Int8Array | Uint8Array,
>(array: T, argument: string): T {
  if (array.length === 0) {
    try {
      array.at(0);
      if ((array.buffer as ArrayBuffer).byteLength === 0) new Uint8Array(array.buffer);
    } catch (cause) {
      throw new TinyQuantError('ERR_TQ_INVALID_ARG', `${argument} is detached: its memory was transferred elsewhere`, {
        cause,
        details: { argument, expected: 'an array that owns its memory', got: 'a detached array' },
      });
    }
  }
  return types.isSharedArrayBuffer(array.buffer) ? (array.slice() as T) : array;
}
