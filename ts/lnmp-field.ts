import { types } from 'node:util';
import { TinyQuantError } from './errors.js';
import { deltaBytes, type EmbeddingDelta, isDelta, wrapDelta } from './lnmp-delta.js';
import type { NativeLnmpField } from './native-scalar.js';
import { isQuantized, type QuantizedVector, quantizedBytes, wrapQuantized } from './quantized-vector.js';
import { boolean, integer, invalidArg, oneOf, text } from './validate.js';
import { bytes, toVector } from './vectors.js';
import { unshared } from './weights-checks.js';

/** The type of a field's value. */
export type LnmpType =
  | 'int'
  | 'float'
  | 'bool'
  | 'string'
  | 'stringArray'
  | 'record'
  | 'recordArray'
  | 'embedding'
  | 'quantized'
  | 'intArray'
  | 'floatArray'
  | 'boolArray'
  | 'delta'
  | 'omitted';

const TYPES: readonly LnmpType[] = [
  'int',
  'float',
  'bool',
  'string',
  'stringArray',
  'record',
  'recordArray',
  'embedding',
  'quantized',
  'intArray',
  'floatArray',
  'boolArray',
  'delta',
  'omitted',
];

/** The type of the values of an {@link LnmpEmbedding}. */
export type LnmpDtype = 'f32' | 'f16' | 'i8' | 'u8' | 'binary';

const DTYPES: readonly LnmpDtype[] = ['f32', 'f16', 'i8', 'u8', 'binary'];

/** An embedding of values other than 32-bit floats. */
export interface LnmpEmbedding {
  /** Number type of the values. */
  readonly dtype: LnmpDtype;
  /** Number of values, up to 65535. */
  readonly dim: number;
  /** The values, little-endian; binary ones take a bit or a byte each. */
  readonly data: Uint8Array;
}

/** What a text says in place of an embedding or of changes, whose values it cannot hold. */
export interface LnmpOmitted {
  /** What the text leaves out. */
  readonly omitted: 'embedding' | 'delta';
  /** Number of values or changes. */
  readonly count: number;
}

/** A value as {@link decodeRecord} returns it. */
export type LnmpValue =
  | number
  | bigint
  | boolean
  | string
  | readonly string[]
  | readonly boolean[]
  | readonly (number | bigint)[]
  | Float64Array
  | Float32Array
  | LnmpEmbedding
  | QuantizedVector
  | EmbeddingDelta
  | LnmpOmitted
  | readonly LnmpField[]
  | readonly (readonly LnmpField[])[];

/** A field as {@link decodeRecord} returns it. */
export interface LnmpField {
  /** Number of the field, 0 to 65535. */
  readonly fid: number;
  /** Type of the value. */
  readonly type: LnmpType;
  /** The value. */
  readonly value: LnmpValue;
}

/** A value to write: what decoding returns, and what stands for the same. */
export type LnmpValueInput = LnmpValue | BigInt64Array | readonly number[] | LnmpFields | readonly LnmpFields[];

/** A field to write. Where `type` is absent it follows from the value. */
export interface LnmpFieldInput {
  /** Number of the field, 0 to 65535. */
  readonly fid: number;
  /** Type of the value. Default: what goes with the value. */
  readonly type?: LnmpType;
  /** The value. */
  readonly value: LnmpValueInput;
}

/** A record to write: fields, or values by field number. */
export type LnmpFields =
  | readonly LnmpFieldInput[]
  | ReadonlyMap<number, LnmpValueInput>
  | { readonly [fid: number]: LnmpValueInput };

/** Levels that records may be nested in one another. */
const MAX_DEPTH = 32;
const I64_MAX = 2n ** 63n - 1n;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isPlain = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.prototype.toString.call(value) === '[object Object]';

function isFieldInput(value: unknown): boolean {
  return isPlain(value) && !isQuantized(value) && !isDelta(value) && 'value' in value && 'fid' in value;
}

function whole(value: unknown, name: string): bigint {
  const int = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof int !== 'bigint' || int > I64_MAX || int < -I64_MAX - 1n)
    throw invalidArg(name, 'a safe integer or a bigint of 64 bits', value);
  return int;
}

function float(value: unknown, name: string): number {
  if (typeof value !== 'number') throw invalidArg(name, 'a number', value);
  return value;
}

function list<T>(value: unknown, name: string, item: (value: unknown, name: string) => T): T[] {
  if (!Array.isArray(value)) throw invalidArg(name, 'an array', value);
  return Array.from(value as readonly unknown[], (each, i) => item(each, `${name}[${i}]`));
}

/** The type that a value has without being told. */
function typeOf(value: unknown, name: string): LnmpType {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'float';
  if (isQuantized(value)) return 'quantized';
  if (isDelta(value)) return 'delta';
  if (types.isFloat32Array(value)) return 'embedding';
  if (types.isFloat64Array(value)) return 'floatArray';
  if (types.isBigInt64Array(value)) return 'intArray';
  if (types.isMap(value)) return 'record';
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (items.every((item) => typeof item === 'string')) return 'stringArray';
    if (items.every((item) => typeof item === 'boolean')) return 'boolArray';
    if (items.every((item) => typeof item === 'bigint' || Number.isSafeInteger(item))) return 'intArray';
    if (items.every((item) => typeof item === 'number')) return 'floatArray';
    return items.every(isFieldInput) ? 'record' : 'recordArray';
  }
  if (isPlain(value)) {
    if ('dtype' in value) return 'embedding';
    if ('omitted' in value) return 'omitted';
    return 'record';
  }
  throw invalidArg(name, 'a value of an LNMP field', value);
}

/** Dimension, type, similarity byte and values. */
function embeddingForm(value: unknown, name: string): Uint8Array {
  let [code, dim, data] = [1, 0, new Uint8Array(0)];
  if (isPlain(value)) {
    code = DTYPES.indexOf(oneOf(value.dtype, `${name}.dtype`, DTYPES)) + 1;
    dim = integer(value.dim, `${name}.dim`, 0, 0xffff);
    data = new Uint8Array(bytes(value.data, `${name}.data`));
  } else {
    const values = toVector(value, name).data;
    if (values.length > 0xffff) {
      throw new TinyQuantError('ERR_TQ_LIMIT', `${name} has ${values.length} values, an embedding at most 65535`, {
        details: { argument: name, expected: 0xffff, got: values.length },
      });
    }
    dim = values.length;
    data = new Uint8Array(4 * dim);
    const view = new DataView(data.buffer);
    for (const [i, each] of values.entries()) view.setFloat32(4 * i, each, true);
  }
  const form = new Uint8Array(4 + data.length);
  form.set([dim & 0xff, dim >> 8, code, 1]);
  form.set(data, 4);
  return form;
}

type Content = Omit<NativeLnmpField, 'id'>;

function content(type: LnmpType, value: unknown, name: string, depth: number): Content {
  switch (type) {
    case 'int':
      return { kind: 'int', int: whole(value, name) };
    case 'float':
      return { kind: 'float', float: float(value, name) };
    case 'bool':
      return { kind: 'bool', flag: boolean(value, name) };
    case 'string':
      return { kind: 'string', text: text(value, name) };
    case 'stringArray':
      return { kind: 'strings', texts: list(value, name, text) };
    case 'intArray': {
      const ints = types.isBigInt64Array(value)
        ? new BigInt64Array(unshared(value, name))
        : BigInt64Array.from(list(value, name, whole));
      return { kind: 'ints', ints };
    }
    case 'floatArray': {
      const floats = types.isFloat64Array(value)
        ? new Float64Array(unshared(value, name))
        : Float64Array.from(list(value, name, float));
      return { kind: 'floats', floats };
    }
    case 'boolArray':
      return { kind: 'bools', flags: list(value, name, boolean) };
    case 'embedding':
      return { kind: 'embedding', bytes: embeddingForm(value, name) };
    case 'quantized':
      return { kind: 'quantized', bytes: quantizedBytes(value, name) };
    case 'delta':
      return { kind: 'delta', bytes: deltaBytes(value, name) };
    case 'record':
      return { kind: 'record', fields: toNative(value, name, depth + 1) };
    case 'recordArray':
      return { kind: 'records', records: list(value, name, (item, at) => toNative(item, at, depth + 1)) };
    case 'omitted': {
      if (!isPlain(value)) throw invalidArg(name, 'what was omitted', value);
      const what = oneOf(value.omitted, `${name}.omitted`, ['embedding', 'delta'] as const);
      const count = integer(value.count, `${name}.count`, 0, Number.MAX_SAFE_INTEGER);
      return { kind: what === 'delta' ? 'omittedDelta' : 'omitted', float: count };
    }
  }
}

/** A field for the native side. */
export function nativeField(fid: unknown, type: unknown, value: unknown, name: string, depth = 0): NativeLnmpField {
  const id = integer(fid, `${name}: the field number`, 0, 0xffff);
  const at = `${name} F${id}`;
  const given = type === undefined ? typeOf(value, at) : oneOf(type, `${at}: type`, TYPES);
  return { id, ...content(given, value, at, depth) };
}

/** Fields for the native side. */
export function toNative(fields: unknown, name: string, depth = 0): NativeLnmpField[] {
  if (depth > MAX_DEPTH) {
    throw new TinyQuantError('ERR_TQ_LIMIT', `records are nested deeper than ${MAX_DEPTH} levels`, {
      details: { argument: name.slice(0, 80), expected: MAX_DEPTH },
    });
  }
  if (types.isMap(fields)) {
    return Array.from(fields as Map<unknown, unknown>, ([fid, value]) =>
      nativeField(fid, undefined, value, name, depth),
    );
  }
  if (Array.isArray(fields)) {
    return Array.from(fields as readonly unknown[], (item, i) => {
      if (!isFieldInput(item)) throw invalidArg(`${name}[${i}]`, 'a field of fid and value', item);
      const { fid, type, value } = item as Record<string, unknown>;
      return nativeField(fid, type, value, name, depth);
    });
  }
  if (!isPlain(fields) || isQuantized(fields) || isDelta(fields))
    throw invalidArg(name, 'fields: an array, a Map, or an object with field numbers as keys', fields);
  return Object.entries(fields).map(([key, value]) => {
    if (!/^(0|[1-9][0-9]{0,4})$/.test(key)) throw invalidArg(`${name}: a key`, 'a field number', key);
    return nativeField(Number(key), undefined, value, name, depth);
  });
}

function safe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function embedding(form: Uint8Array): Float32Array | LnmpEmbedding {
  const view = new DataView(form.buffer, form.byteOffset, form.byteLength);
  const dim = view.getUint16(0, true);
  const dtype = DTYPES[view.getUint8(2) - 1] ?? 'f32';
  if (dtype !== 'f32') return Object.freeze({ dtype, dim, data: form.slice(4) });
  return Float32Array.from({ length: dim }, (_, i) => view.getFloat32(4 + 4 * i, true));
}

/** A field that the native side read. */
function fromNativeField(field: NativeLnmpField): LnmpField {
  const { id: fid, kind } = field;
  const make = (type: LnmpType, value: LnmpValue): LnmpField => ({ fid, type, value });
  const form = field.bytes ?? new Uint8Array(0);
  switch (kind) {
    case 'int':
      return make('int', safe(field.int ?? 0n));
    case 'float':
      return make('float', field.float ?? 0);
    case 'bool':
      return make('bool', field.flag ?? false);
    case 'string':
      return make('string', field.text ?? '');
    case 'strings':
      return make('stringArray', field.texts ?? []);
    case 'record':
      return make('record', fromNative(field.fields ?? []));
    case 'records':
      return make('recordArray', (field.records ?? []).map(fromNative));
    case 'embedding':
      return make('embedding', embedding(form));
    case 'quantized':
      return make('quantized', wrapQuantized(form));
    case 'ints':
      return make('intArray', Array.from(field.ints ?? [], safe));
    case 'floats':
      return make('floatArray', field.floats ?? new Float64Array(0));
    case 'bools':
      return make('boolArray', field.flags ?? []);
    case 'delta':
      return make('delta', wrapDelta(form));
    case 'omitted':
      return make('omitted', { omitted: 'embedding', count: field.float ?? 0 });
    case 'omittedDelta':
      return make('omitted', { omitted: 'delta', count: field.float ?? 0 });
  }
}

/** Fields that the native side read. */
export function fromNative(fields: readonly NativeLnmpField[]): LnmpField[] {
  return fields.map(fromNativeField);
}
