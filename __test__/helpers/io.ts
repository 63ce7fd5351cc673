import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type ReadVectorsOptions, readVectors, type VectorBatch } from '../../dist/io.js';
import type { Metadata } from '../../index.js';

/** A folder for the files of one test file, removed at its end. */
export function scratch(): { readonly path: string; file(name: string, content?: string | Uint8Array): string } {
  const path = mkdtempSync(join(tmpdir(), 'tinyquant-io-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    file(name, content) {
      const target = join(path, name);
      if (content !== undefined) writeFileSync(target, content);
      return target;
    },
  };
}

export interface Collected {
  readonly vectors: number[];
  readonly dimension: number | undefined;
  /** Rows of each batch. */
  readonly batches: number[];
  readonly ids: string[];
  readonly metadata: (Metadata | null)[];
}

/** Everything that a reader gives. */
export async function collect(batches: AsyncIterable<VectorBatch>): Promise<Collected> {
  const all = {
    vectors: [] as number[],
    batches: [] as number[],
    ids: [] as string[],
    metadata: [] as (Metadata | null)[],
  };
  let dimension: number | undefined;
  for await (const batch of batches) {
    if (batch.vectors.length !== batch.rows * batch.dimension) throw new Error('a batch of another size');
    for (const value of batch.vectors) all.vectors.push(value);
    all.batches.push(batch.rows);
    all.ids.push(...(batch.ids ?? []));
    all.metadata.push(...(batch.metadata ?? []));
    dimension = batch.dimension;
  }
  return { ...all, dimension };
}

export function read(source: string | AsyncIterable<Uint8Array>, options?: ReadVectorsOptions): Promise<Collected> {
  return collect(readVectors(source, options));
}

/** Bytes in pieces of a given size, as a stream gives them. */
export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export type Dtype = 'f2' | 'f4' | 'f8';

export interface NpyParts {
  readonly dtype?: string;
  readonly version?: 1 | 2 | 3;
  readonly fortran?: boolean;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** An .npy file, written from its specification and not with the writer under test. */
export function npy({ dtype = '<f4', version = 1, fortran = false, shape, data }: NpyParts): Uint8Array {
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '${dtype}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }`;
  const before = version === 1 ? 10 : 12;
  const length = Math.ceil((before + text.length + 1) / 64) * 64 - before;
  const head = Buffer.alloc(before + length, ' ');
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  head[7] = 0;
  if (version === 1) head.writeUInt16LE(length, 8);
  else head.writeUInt32LE(length, 8);
  head.write(text, before, 'latin1');
  head[head.length - 1] = 0x0a;
  return Buffer.concat([head, data]);
}

/** f16 bits of a number that f16 holds exactly and that is no subnormal. */
function halfBits(value: number): number {
  if (value === 0) return Object.is(value, -0) ? 0x8000 : 0;
  const sign = value < 0 ? 0x8000 : 0;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 0x7e00 : sign | 0x7c00;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return sign | ((exponent + 15) << 10) | ((Math.abs(value) / 2 ** exponent - 1) * 1024);
}

/** Numbers as bytes of a type, value by value. */
export function encode(values: readonly number[], dtype: Dtype, bigEndian = false): Uint8Array {
  const size = Number(dtype.slice(1));
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (dtype === 'f2') view.setUint16(i * size, halfBits(value), !bigEndian);
    else if (dtype === 'f4') view.setFloat32(i * size, value, !bigEndian);
    else view.setFloat64(i * size, value, !bigEndian);
  });
  return bytes;
}

/** The same matrix with its columns one after another. */
export function byColumns(values: readonly number[], rows: number, dimension: number): number[] {
  return Array.from(
    { length: values.length },
    (_, i) => values[(i % rows) * dimension + Math.floor(i / rows)] ?? Number.NaN,
  );
}

/** Multiples of 1/8 between -16 and 16: the same in all types. */
export function eighths(count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return ((state >>> 8) % 257) / 8 - 16;
  });
}

/** Files that this process has open below a folder. */
export function openFiles(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(join('/proc/self/fd', fd));
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return [];
    }
  });
}
