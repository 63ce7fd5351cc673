import { types } from 'node:util';
import { TinyQuantError } from './errors.js';

/** Largest u32: the widest integer that may cross the native boundary as a number. */
const U32_MAX = 0xffff_ffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

function describeObject(value: object): string {
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value) && 'length' in value) return `${name} of length ${String(value.length)}`;
  if (name !== 'Object') return name;
  const made: unknown = (value as { constructor?: unknown }).constructor;
  return typeof made === 'function' && made !== Object && made.name !== ''
    ? `an object of class ${made.name}`
    : 'an object';
}

/** A short text for any value, safe to put in a message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  try {
    if (typeof value === 'function') return `function ${value.name}`.trimEnd();
    if (typeof value === 'object' && value !== null) return describeObject(value);
  } catch {
    // A proxy may refuse every question.
    return typeof value === 'function' ? 'function' : 'an object';
  }
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The error for an argument that is not what was expected. */
export function invalidArg(argument: string, expected: string, got: unknown, details: object = {}): TinyQuantError {
  const given = describe(got);
  return new TinyQuantError('ERR_TQ_INVALID_ARG', `${argument} must be ${expected}, got ${given}`, {
    details: { argument, expected, got: given, ...details },
  });
}

/** Checks an integer of the given range. */
export function integer(value: unknown, argument: string, min: number, max: number, details: object = {}): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalidArg(argument, `an integer from ${min} to ${max}`, value, details);
  }
  return value;
}

/**
 * Checks a value that the native side takes as a u32 and judges further.
 *
 * @param expected what the message asks for, narrower than what is checked here
 */
export function u32(value: unknown, argument: string, expected: string, details: object = {}): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > U32_MAX) {
    throw invalidArg(argument, expected, value, details);
  }
  return value;
}

/** Checks the number of bits of a codebook index. */
export function bitWidth(value: unknown, argument: string): 2 | 4 | 8 {
  if (value === 2 || value === 4 || value === 8) return value;
  throw invalidArg(argument, '2, 4 or 8', value, {
    kind: 'UnsupportedBitWidth',
    ...(typeof value === 'number' ? { got: value } : {}),
  });
}

export function boolean(value: unknown, argument: string): boolean {
  if (typeof value !== 'boolean') throw invalidArg(argument, 'a boolean', value);
  return value;
}

/**
 * Checks a u64 seed. A number is accepted where it is exact; a JSON seed may also be decimal text, because a JSON
 * number cannot hold 64 bits.
 */
export function seed(value: unknown, argument: string, allowText = false): bigint {
  const expected = `a bigint from 0 to 2^64 - 1 or a non-negative safe integer${allowText ? ' or its decimal text' : ''}`;
  if (typeof value === 'bigint' && value >= 0n && value <= U64_MAX) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (allowText && typeof value === 'string' && /^[0-9]{1,20}$/.test(value)) {
    const parsed = BigInt(value);
    if (parsed <= U64_MAX) return parsed;
  }
  throw invalidArg(argument, expected, value);
}

/** Checks an id: text that survives the way to UTF-8 and back, so that two ids never become one. */
export function text(value: unknown, argument: string): string {
  if (typeof value !== 'string') throw invalidArg(argument, 'a string', value);
  if (/\p{Surrogate}/u.test(value)) throw invalidArg(argument, 'text without unpaired surrogates', value);
  return value;
}

export function oneOf<T extends string>(value: unknown, argument: string, allowed: readonly T[]): T {
  const found = allowed.find((item) => item === value);
  if (found === undefined) throw invalidArg(argument, `one of ${allowed.map((item) => `'${item}'`).join(', ')}`, value);
  return found;
}

/** A moment as epoch milliseconds, from a `Date` or a number; `Date.now()` when absent. */
export function moment(value: unknown, argument: string): number {
  if (value === undefined) return Date.now();
  const ms = types.isDate(value) ? value.getTime() : value;
  // The range of Date itself.
  if (typeof ms !== 'number' || !Number.isInteger(ms) || Math.abs(ms) > 8.64e15) {
    throw invalidArg(argument, 'a valid Date or an integer number of epoch milliseconds', value);
  }
  return ms;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function closest(key: string, allowed: readonly string[]): string | undefined {
  const squeezed = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, '');
  let best: string | undefined;
  let bestDistance = 4;
  for (const candidate of allowed) {
    const apart = distance(squeezed(key.slice(0, 64)), squeezed(candidate));
    if (apart < bestDistance && apart <= candidate.length / 2) {
      best = candidate;
      bestDistance = apart;
    }
  }
  return best;
}

/**
 * Checks an options object and refuses keys it does not know, so that a misspelt option is not silently ignored.
 *
 * @param required when false, `undefined` stands for no options
 * @returns a copy: each option is read once, so that what was checked is what is used
 */
export function options(
  value: unknown,
  argument: string,
  allowed: readonly string[],
  required = false,
): Record<string, unknown> {
  if (value === undefined && !required) return {};
  // Only plain objects and instances of the caller's classes: the tag tells an AbortSignal, a Map or an array.
  if (typeof value !== 'object' || value === null || Object.prototype.toString.call(value) !== '[object Object]') {
    throw invalidArg(argument, 'an object', value);
  }
  for (const key of Object.keys(value)) {
    if (allowed.includes(key)) continue;
    const hint = closest(key, allowed);
    throw new TinyQuantError(
      'ERR_TQ_INVALID_ARG',
      `unknown option ${describe(key)} in ${argument}${hint === undefined ? '' : `, did you mean '${hint}'?`} (known: ${allowed.join(', ')})`,
      {
        details: { argument, option: key, allowed: [...allowed], ...(hint === undefined ? {} : { suggestion: hint }) },
      },
    );
  }
  const given: Record<string, unknown> = {};
  for (const name of allowed) given[name] = (value as Record<string, unknown>)[name];
  return given;
}

function hasClassName(value: unknown, name: string): boolean {
  try {
    return (value as { constructor: { name: unknown } }).constructor.name === name;
  } catch {
    return false;
  }
}

/** The error for a value that is not an instance made by this copy of the package. */
export function notAHandle(value: unknown, argument: string, expected: string): TinyQuantError {
  const lookalike = typeof value === 'object' && hasClassName(value, expected);
  return invalidArg(
    argument,
    `a ${expected}`,
    value,
    lookalike ? { hint: 'made by another copy of tinyquant, or without its constructor' } : {},
  );
}
