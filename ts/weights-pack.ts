import { types } from 'node:util';
import { type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import { boolean, integer, invalidArg, options } from './validate.js';
import { bytes } from './vectors.js';
import { level, maxSize, unshared } from './weights-checks.js';

/** Options of {@link unpack}. */
export interface UnpackOptions {
  /** Whether codes are two's complement, and come as an `Int8Array`. Default `false`. */
  readonly signed?: boolean;
}

/** Options of {@link compressBytesSync}. */
export interface CompressBytesOptions {
  /** Level of zstd, 1 to 22. Default 19. */
  readonly level?: number;
}

/** Options of {@link decompressBytesSync}. */
export interface DecompressBytesOptions {
  /** Most bytes that may come out. Default 4 GiB. */
  readonly maxSize?: number;
}

/** Options of {@link compressBytes}. */
export interface CompressBytesJobOptions extends CompressBytesOptions, Pick<JobOptions, 'signal'> {}

/** Options of {@link decompressBytes}. */
export interface DecompressBytesJobOptions extends DecompressBytesOptions, Pick<JobOptions, 'signal'> {}

/**
 * Packs codes without gaps: code `i` occupies bits `i * bits` and on, lowest first, across bytes; spare bits are 0.
 *
 * Packed codes are smaller, but compress worse: after zstd, codes in bytes are the smaller ones.
 *
 * @param codes from 0 to `2 ** bits - 1`; in an `Int8Array` from `-(2 ** (bits - 1))` to `2 ** (bits - 1) - 1`
 * @param bits 1 to 8
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, with the position of a code that does not fit
 */
export function pack(codes: Uint8Array | Int8Array, bits: number): Uint8Array {
  const width = integer(bits, 'bits', 1, 8);
  if (!types.isInt8Array(codes) && !types.isUint8Array(codes)) {
    throw invalidArg('codes', 'a Uint8Array or an Int8Array', codes);
  }
  const given = types.isInt8Array(codes) ? unshared(codes, 'codes') : bytes(codes, 'codes');
  return call(() => native.packCodes(given, width));
}

/**
 * The codes that {@link pack} packed.
 *
 * @param count how many codes there are
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_TRUNCATED for too few bytes, ERR_TQ_FORMAT for too many or for
 * spare bits that are not 0
 */
export function unpack(packed: Uint8Array, bits: number, count: number, o: { readonly signed: true }): Int8Array;
export function unpack(packed: Uint8Array, bits: number, count: number, o?: { readonly signed?: false }): Uint8Array;
export function unpack(packed: Uint8Array, bits: number, count: number, o?: UnpackOptions): Uint8Array | Int8Array;
export function unpack(packed: Uint8Array, bits: number, count: number, o?: UnpackOptions): Uint8Array | Int8Array {
  const given = options(o, 'unpack options', ['signed']);
  const isSigned = given.signed === undefined ? false : boolean(given.signed, 'signed');
  const width = integer(bits, 'bits', 1, 8);
  const total = integer(count, 'count', 0, Number.MAX_SAFE_INTEGER);
  const data = bytes(packed, 'packed');
  const codes = call(() => native.unpackCodes(data, width, total, isSigned));
  return isSigned ? new Int8Array(codes.buffer, codes.byteOffset, codes.length) : codes;
}

/**
 * A zstd frame of bytes (RFC 8878) that names its content size, on the thread pool. The bytes are copied before the call
 * returns.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT; the promise rejects, the call itself never throws
 */
export async function compressBytes(data: Uint8Array, o?: CompressBytesJobOptions): Promise<Uint8Array> {
  const given = options(o, 'compressBytes options', ['level', 'signal']);
  const control = job(given);
  const chosen = level(given.level, 1);
  const source = bytes(data, 'data');
  return runJob(control, 'compress', source.length, (abort) => native.zstdCompress(source, chosen, abort));
}

/**
 * The same as {@link compressBytes} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT
 */
export function compressBytesSync(data: Uint8Array, o?: CompressBytesOptions): Uint8Array {
  const chosen = level(options(o, 'compressBytes options', ['level']).level, 1);
  const source = bytes(data, 'data');
  return call(() => native.zstdCompressSync(source, chosen));
}

/**
 * The bytes of a zstd frame that names its content size, on the thread pool. Memory is bounded by `maxSize` and by what
 * the frame could hold.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT for what is no whole, single frame, ERR_TQ_TRUNCATED, ERR_TQ_LIMIT for more
 * than `maxSize` bytes, ERR_TQ_INVALID_ARG; the promise rejects, the call itself never throws
 */
export async function decompressBytes(frame: Uint8Array, o?: DecompressBytesJobOptions): Promise<Uint8Array> {
  const given = options(o, 'decompressBytes options', ['maxSize', 'signal']);
  const control = job(given);
  const most = maxSize(given.maxSize);
  const source = bytes(frame, 'frame');
  return runJob(control, 'decompress', source.length, (abort) => native.zstdDecompress(source, most, abort));
}

/**
 * The same as {@link decompressBytes} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_TRUNCATED, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG
 */
export function decompressBytesSync(frame: Uint8Array, o?: DecompressBytesOptions): Uint8Array {
  const most = maxSize(options(o, 'decompressBytes options', ['maxSize']).maxSize);
  const source = bytes(frame, 'frame');
  return call(() => native.zstdDecompressSync(source, most));
}
