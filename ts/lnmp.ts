/** LNMP records: text and binary, containers, and changes of embeddings. */
import { fromNative, type LnmpField, type LnmpFields, type LnmpType, nativeField, toNative } from './lnmp-field.js';
import { call, native } from './native.js';
import type { NativeMeasure } from './native-scalar.js';
import { boolean, integer, invalidArg, oneOf, options, text } from './validate.js';
import { bytes, toVector, type Vector } from './vectors.js';

/** What {@link encodeRecord} writes: text, a frame, or the form of a record in another. */
export type RecordFormat = 'text' | 'binary' | 'nested';

/** Options of {@link encodeRecord}; all are of text, and `false` by default, as in lnmp-codec. */
export interface EncodeRecordOptions {
  /** Writes types, as in `F12:i=3`: without them 1 and true, or 3 and 3.0, read back the same. */
  readonly hints?: boolean;
  /** Writes a checksum after each field. */
  readonly checksums?: boolean;
  /** Semicolons between fields instead of newlines. */
  readonly inline?: boolean;
  /** Writes the dimension of quantized vectors whose codes do not tell it, in a word that only this package reads. */
  readonly exact?: boolean;
}

/** Options of {@link decodeRecord}. */
export interface DecodeRecordOptions {
  /**
   * Dimensions of quantized vectors in text, by field number. Text does not say whether the last code of an odd byte of
   * 4-bit codes is one, nor how many bits of the last byte of binary codes are.
   */
  readonly dims?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
}

/** What a container holds: a text, or a frame for one of several uses. */
export type ContainerMode = 'text' | 'binary' | 'stream' | 'delta' | 'embedding' | 'spatial';

/** Options of {@link encodeContainer}. */
export interface EncodeContainerOptions {
  /** Announces checksums; text then has them, and types. Default `false`. */
  readonly checksums?: boolean;
  /** Bytes before the record: six for `'stream'`, ten for `'delta'`. Default none. */
  readonly metadata?: Uint8Array;
}

/** What {@link decodeContainer} returns. */
export interface LnmpContainer {
  /** What the container holds. */
  readonly mode: ContainerMode;
  /** Whether checksums are announced. */
  readonly checksums: boolean;
  /** Bytes beside the content. */
  readonly metadata: Uint8Array;
  /** The record. */
  readonly fields: LnmpField[];
}

const FORMATS: readonly RecordFormat[] = ['text', 'binary', 'nested'];
const MODES: readonly ContainerMode[] = ['text', 'binary', 'stream', 'delta', 'embedding', 'spatial'];
const MEASURES: readonly NativeMeasure[] = ['cosine', 'dot', 'l2'];

const flag = (value: unknown, name: string): boolean => (value === undefined ? false : boolean(value, name));

/** Pairs of field number and dimension. */
function dimsOf(o: unknown): Uint32Array {
  const { dims } = options(o, 'decode options', ['dims']);
  if (dims === undefined) return new Uint32Array(0);
  if (typeof dims !== 'object' || dims === null) throw invalidArg('dims', 'an object or a Map', dims);
  const pairs = dims instanceof Map ? [...(dims as Map<unknown, unknown>)] : Object.entries(dims);
  return Uint32Array.from(
    pairs.flatMap(([fid, dim]) => [
      integer(typeof fid === 'string' && /^[0-9]+$/.test(fid) ? Number(fid) : fid, 'a key of dims', 0, 0xffff),
      integer(dim, `dims[${String(fid)}]`, 1, 0xffff_ffff),
    ]),
  );
}

/**
 * Writes a record, fields sorted by number: `'text'` as a string, `'binary'` as a frame, `'nested'` as a record stands in
 * another. Text holds of an embedding only how many values it has.
 *
 * @param fields fields of `fid` and `value`, or values by field number
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_FORMAT for the data of an embedding that are not `dim` values, ERR_TQ_LIMIT
 * for records nested deeper than 32 levels
 *
 * @example
 * const frame = encodeRecord({ 512: quantizeEmbedding(vector, 'qint8'), 513: 'm-1' }, 'binary');
 * const [embedding, model] = decodeRecord(frame); // fields of fid, type and value
 */
export function encodeRecord(fields: LnmpFields, format: 'text', o?: EncodeRecordOptions): string;
export function encodeRecord(fields: LnmpFields, format: 'binary' | 'nested'): Uint8Array;
export function encodeRecord(fields: LnmpFields, format: RecordFormat, o?: EncodeRecordOptions): string | Uint8Array;
export function encodeRecord(fields: LnmpFields, format: RecordFormat, o?: EncodeRecordOptions): string | Uint8Array {
  const chosen = oneOf(format, 'format', FORMATS);
  const given = options(o, 'encodeRecord options', chosen === 'text' ? ['hints', 'checksums', 'inline', 'exact'] : []);
  const record = toNative(fields, 'fields');
  if (chosen !== 'text') return call(() => native.encodeLnmp(record, chosen === 'nested'));
  const how = {
    hints: flag(given.hints, 'hints'),
    checksums: flag(given.checksums, 'checksums'),
    inline: flag(given.inline, 'inline'),
    exact: flag(given.exact, 'exact'),
  };
  return call(() => native.encodeLnmpText(record, how));
}

/**
 * Reads a record: a string as text, bytes as a frame, the nested form or a container, which their beginning tells apart.
 * It reads quantized vectors in every form that lnmp-codec writes and does not read back itself.
 *
 * @returns the fields in the order they are stored in
 * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION, ERR_TQ_FORMAT, ERR_TQ_CHECKSUM, or ERR_TQ_LIMIT for too deep a
 * nesting; messages and `details` name the offset in bytes
 */
export function decodeRecord(bytesOrText: Uint8Array | string, o?: DecodeRecordOptions): LnmpField[] {
  const dims = dimsOf(o);
  if (typeof bytesOrText === 'string') {
    const given = text(bytesOrText, 'text');
    return fromNative(call(() => native.decodeLnmpText(given, dims)));
  }
  const data = bytes(bytesOrText, 'bytes');
  return fromNative(call(() => native.decodeLnmp(data, dims)));
}

/**
 * Writes a container: a header of twelve bytes, metadata, and the record as its mode says.
 *
 * @throws {TinyQuantError} as {@link encodeRecord}
 */
export function encodeContainer(fields: LnmpFields, mode: ContainerMode, o?: EncodeContainerOptions): Uint8Array {
  const chosen = oneOf(mode, 'mode', MODES);
  const given = options(o, 'encodeContainer options', ['checksums', 'metadata']);
  const checksums = flag(given.checksums, 'checksums');
  const metadata = given.metadata === undefined ? new Uint8Array(0) : bytes(given.metadata, 'metadata');
  const record = toNative(fields, 'fields');
  return call(() => native.encodeLnmpContainer(record, chosen, checksums, metadata));
}

/**
 * Reads a container and its record.
 *
 * @throws {TinyQuantError} as {@link decodeRecord}
 */
export function decodeContainer(b: Uint8Array, o?: DecodeRecordOptions): LnmpContainer {
  const dims = dimsOf(o);
  const data = bytes(b, 'bytes');
  const { mode, checksums, metadata, fields } = call(() => native.decodeLnmpContainer(data, dims));
  return { mode, checksums, metadata, fields: fromNative(fields) };
}

/**
 * The semantic checksum of a field: eight upper-case digits, as text carries them, or `null` for what a text omitted. Of a
 * quantized vector it leaves out `minVal` and `dim`; `QuantizedVector.checksum` covers both.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_FORMAT, ERR_TQ_LIMIT
 */
export function semanticChecksum(fid: number, value: LnmpField['value'], type?: LnmpType): string | null {
  const field = nativeField(fid, type, value, 'field');
  const checksum = call(() => native.lnmpChecksum(field));
  return checksum === null ? null : checksum.toString(16).toUpperCase().padStart(8, '0');
}

/**
 * The similarity of two embeddings as lnmp-embedding computes it, in 32-bit floats in index order: the cosine, the dot
 * product or the Euclidean distance. The functions of `tinyquant/scalar` are more accurate.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_INVALID_ARG
 */
export function embeddingSimilarity(a: Vector, b: Vector, measure: 'cosine' | 'dot' | 'l2'): number {
  const chosen = oneOf(measure, 'measure', MEASURES);
  const [left, right] = [toVector(a, 'a').data, toVector(b, 'b').data];
  return call(() => native.lnmpSimilarity(left, right, chosen));
}

export {
  type DeltaChange,
  type DeltaOptions,
  type DeltaStrategy,
  EmbeddingDelta,
  type EmbeddingDeltaJson,
} from './lnmp-delta.js';
export type {
  LnmpDtype,
  LnmpEmbedding,
  LnmpField,
  LnmpFieldInput,
  LnmpFields,
  LnmpOmitted,
  LnmpType,
  LnmpValue,
  LnmpValueInput,
} from './lnmp-field.js';
export type { Vector };
