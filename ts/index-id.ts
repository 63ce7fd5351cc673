import { types } from 'node:util';
import { TinyQuantError } from './errors.js';
import type { NativeIds } from './native-types.js';
import { describe, invalidArg, text } from './validate.js';

/** The caller's name for a vector of a {@link SearchIndex}. */
export type IndexId = number | bigint | string;

/** Kinds of {@link IndexId}: whole numbers up to 2^53 - 1, whole numbers up to 2^64 - 1, or any text. */
export type IdType = 'number' | 'bigint' | 'string';

/** The {@link IdType} of ids. */
export type IdTypeOf<Id extends IndexId> = Id extends number ? 'number' : Id extends bigint ? 'bigint' : 'string';

/** Many ids at once. */
export type IdList<Id extends IndexId> = Id extends bigint ? BigUint64Array : Id[];

/** Names of {@link IdType}. */
export const ID_TYPES: readonly IdType[] = ['number', 'bigint', 'string'];

const U64_MAX = 0xffff_ffff_ffff_ffffn;
const RANGES = { number: 'from 0 to 2^53 - 1', bigint: 'from 0 to 2^64 - 1' } as const;
const EXPECTED: Readonly<Record<IdType, string>> = {
  number: 'a whole number',
  bigint: 'a bigint',
  string: 'a string',
};

function outOfRange(value: number | bigint, type: 'number' | 'bigint', argument: string): TinyQuantError {
  const [expected, got] = [RANGES[type], describe(value)];
  return new TinyQuantError('ERR_TQ_ID_RANGE', `${argument} must be ${expected}, got ${got}`, {
    details: { argument, expected, got },
  });
}

function checkNumber(value: unknown, argument: () => string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidArg(argument(), EXPECTED.number, value);
  if (value < 0 || value > Number.MAX_SAFE_INTEGER) throw outOfRange(value, 'number', argument());
  return value;
}

function checkBigint(value: unknown, argument: () => string): bigint {
  if (typeof value !== 'bigint') throw invalidArg(argument(), EXPECTED.bigint, value);
  if (value < 0n || value > U64_MAX) throw outOfRange(value, 'bigint', argument());
  return value;
}

/**
 * Checks one id.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for another kind, ERR_TQ_ID_RANGE
 */
export function toId(value: unknown, type: IdType, argument: string): IndexId {
  if (type === 'string') return text(value, argument);
  return type === 'number' ? checkNumber(value, () => argument) : checkBigint(value, () => argument);
}

/** The items of an array, a typed array or any other iterable but a string. */
export function toList(value: unknown, type: IdType | undefined, argument: string): ArrayLike<unknown> {
  if (Array.isArray(value) || types.isTypedArray(value)) return value;
  if (typeof value === 'object' && value !== null && Symbol.iterator in value) return [...(value as Iterable<unknown>)];
  throw invalidArg(argument, `an iterable of ids${type === undefined ? '' : `, each ${EXPECTED[type]}`}`, value);
}

/** The kind of ids that a list begins with; numbers if it is empty. */
export function typeOfIds(list: ArrayLike<unknown>): IdType {
  const type = ID_TYPES.find((name) => typeof list[0] === name);
  return type ?? 'number';
}

/**
 * Checks ids, and copies them.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for ids of another kind, ERR_TQ_ID_RANGE
 */
export function toIds(value: unknown, type: IdType, argument: string): NativeIds {
  const list = toList(value, type, argument);
  let at = 0;
  const name = (): string => `${argument}[${at}]`;
  if (type === 'number') {
    const ids = new Float64Array(list.length);
    for (; at < ids.length; at++) ids[at] = checkNumber(list[at], name);
    return ids;
  }
  if (type === 'bigint') {
    const ids = new BigUint64Array(list.length);
    for (; at < ids.length; at++) ids[at] = checkBigint(list[at], name);
    return ids;
  }
  const ids: string[] = [];
  for (; at < list.length; at++) {
    const id = list[at];
    if (typeof id !== 'string') throw invalidArg(name(), EXPECTED.string, id);
    ids.push(text(id, argument));
  }
  return ids;
}

/** Ids of a result in the form of their kind. */
export function fromIds<Id extends IndexId>(ids: NativeIds): IdList<Id> {
  if (!types.isFloat64Array(ids)) return ids as IdList<Id>;
  const list: number[] = new Array(ids.length);
  for (let i = 0; i < ids.length; i++) list[i] = ids[i] ?? 0;
  return list as IdList<Id>;
}

/** The id that a text stands for where ids are text: its decimal digits for a number; none if there is no such id. */
export function fromText(id: string, type: IdType): IndexId | undefined {
  if (type === 'string') return id;
  if (!/^(0|[1-9]\d{0,19})$/.test(id)) return undefined;
  if (type === 'number') return Number.isSafeInteger(Number(id)) ? Number(id) : undefined;
  return BigInt(id) <= U64_MAX ? BigInt(id) : undefined;
}
