import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compressBytes,
  compressBytesSync,
  compressTensor,
  compressTensorSync,
  decompressBytes,
  decompressBytesSync,
  decompressTensor,
  decompressTensorSync,
  dequantizeWeights,
  gptqSync,
  pack,
  TensorFile,
  type TensorSources,
  tensorInfo,
  unpack,
  writeTensors,
} from '../dist/weights.js';
import { normals } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';

const mse = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, value, i) => sum + (value - (b[i] ?? Number.NaN)) ** 2, 0) / a.length;
};
const nonFinite = Float32Array.of(1, 2, Number.NaN, 4);
const any = (value: unknown): never => value as never;

describe('pack', () => {
  it('lays codes lowest bits first', () => {
    expect([...pack(Int8Array.of(31, -31, 0, 1), 6)]).toEqual([0b01_011111, 0b0000_1000, 0b000001_00]);
    expect([...unpack(pack(Int8Array.of(31, -31, 0, 1), 6), 6, 4, { signed: true })]).toEqual([31, -31, 0, 1]);
    for (let bits = 1; bits <= 8; bits++) {
      const codes = Uint8Array.from({ length: 77 }, (_, i) => (i * 89) % 2 ** bits);
      const packed = pack(codes, bits);
      expect(packed).toHaveLength(Math.ceil((77 * bits) / 8));
      expect(unpack(packed, bits, 77)).toEqual(codes);
    }
  });

  it('refuses bad input', () => {
    failure(() => pack(Uint8Array.of(1), 0), 'ERR_TQ_INVALID_ARG');
    failure(() => pack(Uint8Array.of(1), 9), 'ERR_TQ_INVALID_ARG');
    failure(() => pack(any([1]), 4), 'ERR_TQ_INVALID_ARG');
    expect(failure(() => pack(Uint8Array.of(0, 4), 2), 'ERR_TQ_INVALID_ARG').message).toMatch(/position 1/);
    failure(() => pack(Int8Array.of(2), 2), 'ERR_TQ_INVALID_ARG');
    failure(() => unpack(new Uint8Array(1), 3, 3), 'ERR_TQ_TRUNCATED');
    failure(() => unpack(new Uint8Array(3), 3, 3), 'ERR_TQ_FORMAT');
    failure(() => unpack(Uint8Array.of(0, 0xff), 3, 3), 'ERR_TQ_FORMAT');
    failure(() => unpack(new Uint8Array(1), 3, -1), 'ERR_TQ_INVALID_ARG');
  });
});

describe('compressBytes', () => {
  const data = Uint8Array.from({ length: 9_000 }, (_, i) => (i * i) >> 6);

  it('comes back, within the size allowed', async () => {
    for (const level of [1, 19, 22]) {
      const frame = await compressBytes(data, { level });
      expect(compressBytesSync(data, { level })).toEqual(frame);
      expect(frame.length).toBeLessThan(data.length);
      expect(await decompressBytes(frame)).toEqual(data);
      expect(decompressBytesSync(frame, { maxSize: data.length })).toEqual(data);
      failure(() => decompressBytesSync(frame, { maxSize: data.length - 1 }), 'ERR_TQ_LIMIT');
    }
  });

  it('refuses bad input', async () => {
    for (const level of [0, 23, 1.5, '19']) {
      failure(() => compressBytesSync(data, { level: any(level) }), 'ERR_TQ_INVALID_ARG');
    }
    const frame = compressBytesSync(data);
    failure(() => decompressBytesSync(frame.subarray(0, -1)), 'ERR_TQ_TRUNCATED');
    failure(() => decompressBytesSync(Uint8Array.of(...frame, 0)), 'ERR_TQ_FORMAT');
    failure(() => decompressBytesSync(data), 'ERR_TQ_FORMAT');
    await rejection(() => decompressBytes(any('x')), 'ERR_TQ_INVALID_ARG');
  });
});

describe('compressTensor', () => {
  const values = normals(12 * 40, 13);
  const shape = [3, 4, 40];

  it('keeps values and shape as they were', async () => {
    for (const data of [values, Int8Array.of(-128, 0, 127), Uint8Array.of(0, 255)]) {
      const options = data === values ? { shape } : {};
      const stored = await compressTensor(data, options);
      expect(compressTensorSync(data, options)).toEqual(stored);
      const back = await decompressTensor(stored);
      expect(back.data).toEqual(data);
      expect(back.shape).toEqual(data === values ? shape : [data.length]);
      expect(decompressTensorSync(stored)).toEqual(back);
    }
    expect(decompressTensorSync(compressTensorSync([2.5], { shape: [] })).shape).toEqual([]);
    expect(decompressTensorSync(compressTensorSync([], { shape: [0, 3] })).data).toHaveLength(0);
  });

  it('quantizes to a grid or a codebook', () => {
    const power = mse(values, new Float32Array(values.length));
    for (const [options, most] of [
      [{ method: 'grid', bits: 8 }, 1e-4],
      [{ method: 'grid', bits: 6, layout: 'packed' }, 2e-3],
      [{ method: 'grid', bits: 4, groupSize: 8, level: 0 }, 2e-2],
      [{ method: 'codebook', bits: 4 }, 1.2e-2],
      [{ method: 'codebook', bits: 4, perRow: true, layout: 'packed' }, 1e-2],
      [{ method: 'codebook', bits: 1, keepGain: true }, 0.6],
    ] as const) {
      const stored = compressTensorSync(values, { shape, ...options });
      const back = decompressTensorSync(stored);
      expect(back).toMatchObject({ dtype: 'f32', shape });
      expect(mse(values, back.data as Float32Array)).toBeLessThan(most * power);
      expect(tensorInfo(stored)).toEqual({
        dtype: 'f32',
        shape,
        method: options.method,
        bits: options.bits,
        storedBytes: stored.length,
      });
    }
  });

  it('refuses bad input', async () => {
    for (const o of [
      { shape: [1, 1, 1, 1, 1, 1, 1, 1, 480] },
      { shape: [-1] },
      { shape: 480 },
      { method: 'int8' },
      { method: 'grid', bits: 1 },
      { method: 'codebook', bits: 9 },
      { groupSize: -1 },
      { layout: 'dense' },
      { level: 23 },
      { level: -1 },
      { dtype: 'f16' },
    ]) {
      failure(() => compressTensorSync(values, any(o)), 'ERR_TQ_INVALID_ARG');
      await rejection(() => compressTensor(values, any(o)), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => compressTensorSync(values, { shape: [3, 4, 41] }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => compressTensorSync(nonFinite, { method: 'grid' }), 'ERR_TQ_NON_FINITE');
    failure(() => compressTensorSync(Int8Array.of(1), { method: 'grid' }), 'ERR_TQ_INVALID_ARG');
    failure(() => compressTensorSync(any(new Float64Array(2))), 'ERR_TQ_INVALID_ARG');
    const stored = compressTensorSync(values, { shape });
    failure(() => decompressTensorSync(stored.subarray(0, 50)), 'ERR_TQ_TRUNCATED');
    failure(() => decompressTensorSync(stored.map((byte, i) => (i === 4 ? 7 : byte))), 'ERR_TQ_VERSION');
    failure(() => decompressTensorSync(stored.map((byte, i) => (i === 200 ? byte ^ 1 : byte))), 'ERR_TQ_CHECKSUM');
    failure(() => decompressTensorSync(stored, { maxSize: 100 }), 'ERR_TQ_LIMIT');
    failure(() => decompressTensorSync(new Uint8Array(100)), 'ERR_TQ_FORMAT');
    failure(() => tensorInfo(any('x')), 'ERR_TQ_INVALID_ARG');
  });
});

describe('TensorFile', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinyquant-weights-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const weights = normals(6 * 10, 14);

  it('holds named tensors, each stored in its own way', async () => {
    const path = join(folder, 'model.tqw');
    const quantized = gptqSync(weights, { rows: 6, cols: 10, inputs: normals(10 * 40, 15) });
    const tensors: TensorSources = {
      'layer.0': { data: weights, shape: [6, 10], method: 'codebook', bits: 4 },
      bias: { data: [1, 2, 3], level: 0, method: 'lossless' },
      quantized: { data: quantized },
      size: { data: weights, shape: [6, 10] },
    };
    const seen: number[] = [];
    const written = await writeTensors(path, tensors, {
      method: 'grid',
      bits: 6,
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    expect(written).toEqual({ tensorCount: 4, sizeBytes: readFileSync(path).length });
    expect(seen.at(-1)).toBe(1);
    const file = await TensorFile.open(path);
    expect(file.names).toEqual(['layer.0', 'bias', 'quantized', 'size']);
    expect(file.names.map((name) => file.info(name).method)).toEqual(['codebook', 'lossless', 'grid', 'grid']);
    expect([...(await file.read('bias')).data]).toEqual([1, 2, 3]);
    expect(file.readSync('quantized').data).toEqual(dequantizeWeights(quantized));
    expect(file.info('size')).toMatchObject({ bits: 6, shape: [6, 10] });
    expect(file.toJSON()).toEqual({ path, tensorCount: 4 });
    failure(() => file.info('nothing'), 'ERR_TQ_ID_NOT_FOUND');
    await rejection(() => file.read('nothing'), 'ERR_TQ_ID_NOT_FOUND');
    failure(() => file.readSync('size', { maxSize: 10 }), 'ERR_TQ_LIMIT');
    file.close();
    file.close();
    failure(() => file.readSync('size'), 'ERR_TQ_CLOSED');
    await rejection(() => file.read('size'), 'ERR_TQ_CLOSED');
  });

  it('reads safetensors', () => {
    const path = join(folder, 'tiny.safetensors');
    const head = JSON.stringify({
      a: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] },
      h: { dtype: 'F16', shape: [2], data_offsets: [8, 12] },
      n: { dtype: 'I64', shape: [1], data_offsets: [12, 20] },
    });
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(head.length));
    const halves = Buffer.from([0x00, 0x3c, 0x00, 0xc4]);
    const floats = Buffer.from(Float32Array.of(1.5, -2).buffer);
    writeFileSync(path, Buffer.concat([size, Buffer.from(head), floats, halves, Buffer.alloc(8)]));
    const file = TensorFile.openSync(path);
    expect(file.names).toEqual(['a', 'h', 'n']);
    expect(file.readSync('a')).toEqual({ dtype: 'f32', shape: [1, 2], data: Float32Array.of(1.5, -2) });
    expect(file.readSync('h')).toEqual({ dtype: 'f16', shape: [2], data: Float32Array.of(1, -4) });
    expect(file.info('n')).toMatchObject({ dtype: 'I64', bits: 0 });
    failure(() => file.readSync('n'), 'ERR_TQ_FORMAT');
    file.close();
  });

  it('leaves the old file where a write fails, and refuses what is none', async () => {
    const path = join(folder, 'kept.tqw');
    await writeTensors(path, new Map([['w', { data: weights }]]));
    const before = readFileSync(path);
    await rejection(() => writeTensors(path, { w: { data: nonFinite, method: 'grid' } }), 'ERR_TQ_NON_FINITE');
    await rejection(() => writeTensors(path, { w: { data: weights, shape: [7] } }), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => writeTensors(path, any([1])), 'ERR_TQ_INVALID_ARG');
    await rejection(() => writeTensors(path, any({ w: weights })), 'ERR_TQ_INVALID_ARG');
    await rejection(() => writeTensors('', {}), 'ERR_TQ_INVALID_ARG');
    const reason = new Error('stop');
    expect(await reasonOf(writeTensors(path, {}, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    await rejection(() => writeTensors(join(folder, 'no', 'folder'), {}), 'ERR_TQ_IO');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
    for (let cut = 0; cut < before.length; cut += 7) {
      const short = join(folder, 'short');
      writeFileSync(short, before.subarray(0, cut));
      failure(() => TensorFile.openSync(short), 'ERR_TQ_TRUNCATED');
    }
    writeFileSync(path, 'a text and no tensors at all');
    await rejection(() => TensorFile.open(path), 'ERR_TQ_FORMAT');
    await rejection(() => TensorFile.open(join(folder, 'missing')), 'ERR_TQ_IO');
  });
});
