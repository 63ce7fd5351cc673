import { types } from 'node:util';
import { TinyQuantError } from './errors.js';
import { describe, invalidArg } from './validate.js';

/** Facts about a corpus or an entry: any JSON object. */
export type Metadata = Readonly<Record<string, unknown>>;

/** JSON readers commonly stop at 128 levels; a deeper value would be written but not read back. */
const MAX_DEPTH = 100;

/** Whether an object is a literal, or has no prototype: not an instance of a class. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A plain object of another realm has a prototype that in turn has none.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(path: string, expected: string, value: unknown): TinyQuantError {
  return invalidArg(path, expected, value, { path });
}

function snapshot(value: unknown, path: string, parents: readonly object[]): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refuse(path, 'a finite number', value);
    return value;
  }
  if (typeof value !== 'object') throw refuse(path, 'a JSON value', value);
  if (parents.includes(value)) throw refuse(path, 'free of cycles', value);
  if (parents.length >= MAX_DEPTH) throw refuse(path, `nested at most ${MAX_DEPTH} levels deep`, value);
  const inner = [...parents, value];
  if (Array.isArray(value))
    return Array.from(value as readonly unknown[], (item, i) => snapshot(item, `${path}[${i}]`, inner));
  if (!isPlainObject(value)) throw refuse(path, 'a JSON value (a Date goes in as text)', value);
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    // As in JSON.stringify: a key whose value is undefined is a key that is not there.
    if (item !== undefined) copy[key] = snapshot(item, `${path}.${key}`, inner);
  }
  return copy;
}

/** Whether a JSON value is nested more deeply than metadata may be. */
export function isTooDeep(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isTooDeep(item, levels - 1));
}

/**
 * JSON text of metadata, or `null` for none. The value is copied first, so that getters run once and what was checked
 * is what is kept.
 */
export function toMetadataJson(value: unknown, argument: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value) || !isPlainObject(value)) {
    throw invalidArg(argument, 'a plain object of JSON values', value);
  }
  return JSON.stringify(snapshot(value, argument, []));
}

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) freeze(item);
    Object.freeze(value);
  }
  return value;
}

/**
 * A frozen value from the text {@link toMetadataJson} made: the stored metadata cannot be changed through it.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT for text from a file that something else wrote
 */
export function fromMetadataJson(json: string | null): Metadata | null {
  if (json === null) return null;
  let value: unknown;
  try {
    value = freeze(JSON.parse(json));
  } catch (cause) {
    throw new TinyQuantError('ERR_TQ_FORMAT', 'stored metadata is not JSON', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Metadata;
  throw new TinyQuantError('ERR_TQ_FORMAT', `stored metadata must be a JSON object, got ${describe(value)}`);
}

/** Looks up metadata by id in an object or a `Map`. */
export function metadataLookup(value: unknown, argument: string): (id: string) => unknown {
  if (value === undefined || value === null) return () => undefined;
  if (types.isMap(value)) return (id) => value.get(id);
  if (typeof value !== 'object' || Array.isArray(value) || !isPlainObject(value)) {
    throw invalidArg(argument, 'an object or a Map from id to metadata', value);
  }
  return (id) => (Object.hasOwn(value, id) ? (value as Record<string, unknown>)[id] : undefined);
}
