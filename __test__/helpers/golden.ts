import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Codebook } from '../../index.js';

/** Root of the checkout. */
export const ROOT: string = join(__dirname, '..', '..');

const GOLDEN = join(ROOT, 'fixtures', 'golden', 'tinyquant');

export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(GOLDEN, path)));
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(GOLDEN, path), 'utf8')) as T;
}

/** Little-endian f32 values of a byte array. */
export function toFloats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

export function readFloats(path: string): Float32Array {
  return toFloats(readBytes(path));
}

/** Values of big-endian bit patterns such as `3f800000`. */
export function fromBits(patterns: readonly string[]): Float32Array {
  const bits = Uint32Array.from(patterns, (pattern) => Number.parseInt(pattern, 16));
  return new Float32Array(bits.buffer);
}

/** Big-endian bit patterns of values, for comparisons that tell -0 from 0 and one NaN from another. */
export function toBits(values: ArrayLike<number>): string[] {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Array.from(bits, (word) => word.toString(16).padStart(8, '0'));
}

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function sha256(data: Uint8Array | Float32Array | Float64Array): string {
  return createHash('sha256')
    .update(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
}

/** Row `i` of a row-major array. */
export function row<T extends Float32Array | Uint8Array>(data: T, i: number, width: number): T {
  return data.slice(i * width, (i + 1) * width) as T;
}

/** The codebook that the records of 64 values were made with. */
export function goldenCodebook(bitWidth: 2 | 4 | 8): Codebook {
  return Codebook.fromEntries(readFloats(`train/codebook_d64_bw${bitWidth}.f32.bin`), bitWidth);
}
