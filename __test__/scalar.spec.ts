import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  cosineSimilarity,
  dequantizeEmbedding,
  dequantizeRows,
  dequantizeRowsAsync,
  dotProduct,
  euclideanDistance,
  QUANT_SCHEMES,
  QuantizedVector,
  type QuantScheme,
  quantizationQuality,
  quantizeAdaptive,
  quantizeBatch,
  quantizeBatchAsync,
  quantizeEmbedding,
  quantizeRows,
  quantizeRowsAsync,
  ScaledRows,
  schemeForAccuracy,
  schemeForCompression,
} from 'tinyquant/scalar';
import { describe, expect, it } from 'vitest';
import { isTinyQuantError } from '../index.js';
import { binding, supportedLevels } from './helpers/binding.js';
import { normals } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';
import { ROOT, toFloats, toHex } from './helpers/golden.js';

interface Slice {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

interface Golden {
  readonly scale: { readonly bits: string };
  readonly min_val: { readonly bits: string };
  readonly codes: Slice;
  readonly dequant: Slice;
}

interface Manifest {
  readonly cases: readonly { name: string; dim: number; input: Slice; schemes: Record<QuantScheme, Golden> }[];
  readonly serde_json_of_readme_vector: readonly Parameters<typeof QuantizedVector.fromJSON>[0][];
}

const folder = join(ROOT, 'fixtures', 'golden', 'lnmp-quant');
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
const files = new Map<string, Uint8Array>();

function slice({ file, offset, bytes }: Slice): Uint8Array {
  const content = files.get(file) ?? new Uint8Array(readFileSync(join(folder, file)));
  files.set(file, content);
  return content.slice(offset, offset + bytes);
}

const fromHexBits = (bits: string): number => new Float32Array(Uint32Array.of(Number(bits)).buffer)[0] ?? 0;
const vector = normals(512, 5).map((value) => value / 20);

describe('compat', () => {
  it('gives every golden result of lnmp-quant', () => {
    let count = 0;
    for (const { name, dim, input, schemes } of manifest.cases) {
      const values = toFloats(slice(input));
      for (const scheme of QUANT_SCHEMES) {
        const golden = schemes[scheme];
        const quantized = quantizeEmbedding(values, scheme, { compat: true });
        const what = `${name} ${scheme}`;
        expect({ what, scheme: quantized.scheme, dim: quantized.dim, zeroPoint: quantized.zeroPoint }).toEqual({
          what,
          scheme,
          dim,
          zeroPoint: 0,
        });
        expect([what, quantized.scale, quantized.minVal]).toEqual([
          what,
          fromHexBits(golden.scale.bits),
          fromHexBits(golden.min_val.bits),
        ]);
        expect([what, toHex(quantized.data)]).toEqual([what, toHex(slice(golden.codes))]);
        expect([what, Array.from(dequantizeEmbedding(quantized))]).toEqual([
          what,
          Array.from(toFloats(slice(golden.dequant))),
        ]);
        count++;
      }
    }
    expect(count).toBe(212);
  });

  it('writes and reads the JSON of lnmp-quant', () => {
    for (const [i, json] of manifest.serde_json_of_readme_vector.entries()) {
      const scheme = QUANT_SCHEMES[i] ?? 'fp16';
      const quantized = quantizeEmbedding([0.12, -0.45, 0.33], scheme, { compat: true });
      expect(quantized.toLnmpJSON()).toEqual(json);
      expect(toHex(QuantizedVector.fromJSON(json).toBytes())).toBe(toHex(quantized.toBytes()));
    }
  });

  it('refuses what lnmp-quant counts wrongly', () => {
    failure(() => quantizeEmbedding(new Float32Array(65536), 'qint8', { compat: true }), 'ERR_TQ_LIMIT', {
      got: 65536,
    });
    expect(quantizeEmbedding(new Float32Array(65537), 'qint8').dim).toBe(65537);
  });
});

describe('quantizeEmbedding', () => {
  it.each([
    ['qint8', 512, 0.9999],
    ['qint4', 256, 0.99],
    ['binary', 64, 0.77],
    ['fp16', 1024, 0.999999],
  ] as const)('%s keeps its size and its accuracy', (scheme, size, cosine) => {
    const quantized = quantizeEmbedding(vector, scheme);
    expect(quantized.sizeBytes).toBe(size);
    expect(quantized.data.length).toBe(size);
    expect(quantized.compressionRatio).toBe(2048 / size);
    const quality = quantizationQuality(vector, quantized);
    expect(quality.cosine).toBeGreaterThan(cosine);
    expect(quality.cosine).toBeCloseTo(cosineSimilarity(vector, dequantizeEmbedding(quantized)), 9);
    expect(quality.min).toBe(Math.min(...vector));
    expect(quality.max).toBe(Math.max(...vector));
    expect(quality.lossRatio).toBeGreaterThan(0);
  });

  it('is more accurate than compat', () => {
    const error = (compat: boolean, midpoint = false): number =>
      quantizationQuality(vector, quantizeEmbedding(vector, 'qint8', { compat }), { midpoint }).meanSquaredError;
    expect(error(true) / error(false)).toBeGreaterThan(3.5);
    expect(error(true, true) / error(false)).toBeLessThan(1.2);
    const shifted = vector.map((value) => value + 0.1);
    const cosine = (compat: boolean): number =>
      quantizationQuality(shifted, quantizeEmbedding(shifted, 'binary', { compat })).cosine;
    expect(cosine(false)).toBeGreaterThan(0.9);
    expect(cosine(true)).toBeLessThan(0.5);
  });

  it('gives the same bytes on every level of the processor', () => {
    const forms = (): string[] => QUANT_SCHEMES.map((scheme) => toHex(quantizeEmbedding(vector, scheme).toBytes()));
    const expected = forms();
    try {
      for (const level of supportedLevels()) {
        binding.setSimdLevel(level);
        expect([level, forms()]).toEqual([level, expected]);
      }
    } finally {
      binding.setSimdLevel(null);
    }
  });

  it('takes arrays and leaves its input alone', () => {
    const numbers = [0.25, -1, 3];
    const quantized = quantizeEmbedding(numbers, 'qint8');
    expect(numbers).toEqual([0.25, -1, 3]);
    expect(toHex(quantized.toBytes())).toBe(toHex(quantizeEmbedding(Float32Array.from(numbers), 'qint8').toBytes()));
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set(numbers);
    expect(toHex(quantizeEmbedding(shared, 'qint8').toBytes())).toBe(toHex(quantized.toBytes()));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %s', (bad) => {
    for (const scheme of QUANT_SCHEMES) {
      const error = failure(() => quantizeEmbedding([1, 2, bad], scheme), 'ERR_TQ_NON_FINITE', { row: 0, column: 2 });
      expect(error.message).toContain('column 2');
    }
  });

  it('refuses values that a scheme cannot hold', () => {
    failure(() => quantizeEmbedding([3.4e38, -3.4e38], 'qint8'), 'ERR_TQ_LIMIT');
    failure(() => quantizeEmbedding([1, 70000], 'fp16'), 'ERR_TQ_LIMIT', { column: 1 });
  });

  it.each([undefined, null, 5, 'x', {}, new Float64Array(3), new Uint8Array(3), [1, '2'], [null]])(
    'refuses %s as a vector',
    (bad) => {
      failure(() => quantizeEmbedding(bad as never, 'qint8'), 'ERR_TQ_INVALID_ARG');
    },
  );

  it('refuses other bad arguments', () => {
    failure(() => quantizeEmbedding([], 'qint8'), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidDimension' });
    failure(() => quantizeEmbedding([1], 'int8' as never), 'ERR_TQ_INVALID_ARG', { argument: 'scheme' });
    failure(() => quantizeEmbedding([1], 'qint8', { compat: 1 as never }), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizeEmbedding([1], 'qint8', { compact: true } as never), 'ERR_TQ_INVALID_ARG', {
      suggestion: 'compat',
    });
    failure(() => dequantizeEmbedding({ scheme: 'qint8' } as never), 'ERR_TQ_INVALID_ARG');
    failure(() => dequantizeEmbedding(quantizeEmbedding([1], 'qint8'), { midpoint: 2 as never }), 'ERR_TQ_INVALID_ARG');
    const moved = Float32Array.of(1, 2);
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    expect(failure(() => quantizeEmbedding(moved, 'qint8'), 'ERR_TQ_INVALID_ARG').message).toContain('detached');
  });
});

describe('QuantizedVector', () => {
  const quantized = quantizeEmbedding([0.5, -0.5, 0.25], 'qint4');

  it('goes through bytes and JSON', () => {
    expect(toHex(QuantizedVector.fromBytes(quantized.toBytes()).toBytes())).toBe(toHex(quantized.toBytes()));
    expect(toHex(QuantizedVector.fromBytes(Buffer.from(quantized.toBytes())).toBytes())).toBe(
      toHex(quantized.toBytes()),
    );
    const json = JSON.parse(JSON.stringify(quantized)) as ReturnType<QuantizedVector['toJSON']>;
    expect(json).toEqual({
      scheme: 'qint4',
      dim: 3,
      scale: quantized.scale,
      zeroPoint: 0,
      minVal: -0.5,
      data: [0xf0, 0xb0],
    });
    expect(QuantizedVector.fromJSON(json).checksum()).toBe(quantized.checksum());
    expect(QuantizedVector.fromParts({ ...json, data: quantized.data }).dim).toBe(3);
    expect(inspect(quantized)).toMatch(/^QuantizedVector \{ scheme: 'qint4', dim: 3, /);
  });

  it('is immutable, also where it is made from a Buffer', () => {
    const buffer = Buffer.from(quantized.toBytes());
    const own = QuantizedVector.fromBytes(buffer);
    buffer.fill(0xff);
    own.data.fill(0);
    own.toBytes().fill(0);
    expect(own.toJSON()).toEqual(quantized.toJSON());
    const before = toHex(quantized.toBytes());
    quantized.data.fill(0xff);
    quantized.toBytes().fill(0);
    const given = quantized.toBytes();
    const read = QuantizedVector.fromBytes(given);
    given.fill(0);
    expect(toHex(read.toBytes())).toBe(before);
    expect(toHex(quantized.toBytes())).toBe(before);
    expect(() => {
      (quantized as unknown as { dim: number }).dim = 7;
    }).toThrow(TypeError);
    expect(() => structuredClone(quantized)).toThrow();
    failure(() => new (QuantizedVector as unknown as new () => unknown)(), 'ERR_TQ_INVALID_ARG');
  });

  it('tells parts apart in its checksum', () => {
    const parts = { ...quantized.toJSON(), minVal: 3 };
    expect(QuantizedVector.fromParts(parts).checksum()).not.toBe(quantized.checksum());
  });

  it('refuses bytes that are cut, too long, or wrong', () => {
    const bytes = quantized.toBytes();
    for (let end = 0; end < bytes.length; end++) {
      failure(() => QuantizedVector.fromBytes(bytes.slice(0, end)), 'ERR_TQ_TRUNCATED');
    }
    failure(() => QuantizedVector.fromBytes(Uint8Array.of(...bytes, 0)), 'ERR_TQ_FORMAT', { offset: bytes.length });
    for (const [at, byte, offset] of [
      [0, 9, 0],
      [10, 9, 15],
      [13, 0xff, 15],
      [16, 0xb1, 16],
    ] as const) {
      const broken = bytes.slice();
      broken[at] = byte;
      failure(() => QuantizedVector.fromBytes(broken), 'ERR_TQ_FORMAT', { offset });
    }
    failure(() => QuantizedVector.fromBytes('x' as never), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses parts that do not fit', () => {
    const json = quantized.toJSON();
    failure(() => QuantizedVector.fromParts({ ...json, dim: 5 }), 'ERR_TQ_FORMAT');
    failure(() => QuantizedVector.fromParts({ ...json, dim: 0 }), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromParts({ ...json, dim: 2 ** 32 }), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromParts({ ...json, data: [256, 0] }), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromParts({ ...json, zeroPoint: 128 }), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromParts({ ...json, scale: 1e39 }), 'ERR_TQ_INVALID_ARG', { argument: 'scale' });
    failure(() => QuantizedVector.fromParts({ ...json, scheme: 'QInt4' as never }), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromJSON({ ...json, scale: null } as never), 'ERR_TQ_INVALID_ARG');
    failure(() => QuantizedVector.fromJSON(null as never), 'ERR_TQ_INVALID_ARG');
  });
});

describe('targets', () => {
  it('choose by a fixed table', () => {
    expect(['maximum', 'high', 'balanced', 'compact'].map((target) => schemeForAccuracy(target as 'high'))).toEqual([
      'fp16',
      'qint8',
      'qint4',
      'binary',
    ]);
    expect(schemeForCompression('conservative')).toBe('fp16');
    expect(schemeForCompression('maximum')).toBe('binary');
    expect(quantizeAdaptive(vector, 'balanced').scheme).toBe('qint4');
    failure(() => quantizeAdaptive(vector, 'best' as never), 'ERR_TQ_INVALID_ARG', { argument: 'target' });
  });
});

describe('quantizeBatch', () => {
  it('keeps the order and goes on after failures', () => {
    const { results, stats } = quantizeBatch(
      [[0.1], [], [0.2, 0.3], new Int8Array(2) as never, [1, Number.NaN]],
      'qint8',
    );
    expect(stats).toMatchObject({ total: 5, succeeded: 2, failed: 3 });
    expect(stats.totalTimeMs).toBeGreaterThanOrEqual(0);
    const codes = results.map((result) => (isTinyQuantError(result) ? result.code : (result as QuantizedVector).dim));
    expect(codes).toEqual([1, 'ERR_TQ_INVALID_ARG', 2, 'ERR_TQ_INVALID_ARG', 'ERR_TQ_NON_FINITE']);
    const last = results[4];
    expect(isTinyQuantError(last) && [last.message, last.details]).toMatchObject([
      expect.stringContaining('vectors[4]'),
      { index: 4, column: 1 },
    ]);
    expect(quantizeBatch([], 'fp16')).toMatchObject({ results: [], stats: { total: 0, succeeded: 0, failed: 0 } });
  });

  it('equals single calls, waiting or not', async () => {
    const rows = normals(700 * 40, 9);
    for (const scheme of QUANT_SCHEMES) {
      const single = Array.from({ length: 700 }, (_, i) =>
        toHex(quantizeEmbedding(rows.slice(40 * i, 40 * i + 40), scheme).toBytes()),
      );
      const forms = (results: readonly unknown[]): string[] =>
        results.map((each) => toHex((each as QuantizedVector).toBytes()));
      expect(forms(quantizeBatch(rows, scheme, { dim: 40 }).results)).toEqual(single);
      const seen: number[] = [];
      const pending = quantizeBatchAsync(rows, scheme, { dim: 40, onProgress: ({ done }) => seen.push(done) });
      expect(forms((await pending).results)).toEqual(single);
      expect(seen.at(-1)).toBe(700);
    }
  });

  it('copies what the job reads, and can be stopped', async () => {
    const rows = normals(2000 * 64, 3);
    const expected = quantizeBatch(rows, 'qint8', { dim: 64 });
    const pending = quantizeBatchAsync(rows, 'qint8', { dim: 64 });
    rows.fill(Number.NaN);
    const { results } = await pending;
    expect(toHex((results[1999] as QuantizedVector).toBytes())).toBe(
      toHex((expected.results[1999] as QuantizedVector).toBytes()),
    );
    const reason = new Error('enough');
    const stopped = quantizeBatchAsync(normals(64), 'qint8', { dim: 64, signal: AbortSignal.abort(reason) });
    expect(await reasonOf(stopped)).toBe(reason);
  });

  it('refuses bad arguments', async () => {
    failure(() => quantizeBatch(new Float32Array(6), 'qint8'), 'ERR_TQ_INVALID_ARG', { argument: 'dim' });
    failure(() => quantizeBatch(new Float32Array(7), 'qint8', { dim: 3 }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizeBatch([[1, 2], [3]], 'qint8', { dim: 2 }), 'ERR_TQ_DIM_MISMATCH', { row: 1 });
    failure(() => quantizeBatch('x' as never, 'qint8'), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizeBatch([[1]], 'qint8', { dim: -1 }), 'ERR_TQ_INVALID_ARG');
    await rejection(() => quantizeBatchAsync([[1]], 'int4' as never), 'ERR_TQ_INVALID_ARG');
  });
});

describe('similarity', () => {
  const other = normals(512, 6).map((value) => value / 20);

  it('of codes equals that of what they decode to', () => {
    for (const a of QUANT_SCHEMES) {
      for (const b of QUANT_SCHEMES) {
        const [left, right] = [quantizeEmbedding(vector, a), quantizeEmbedding(other, b)];
        const [x, y] = [dequantizeEmbedding(left), dequantizeEmbedding(right)];
        expect(cosineSimilarity(left, right)).toBeCloseTo(cosineSimilarity(x, y), 6);
        expect(dotProduct(left, y)).toBeCloseTo(dotProduct(x, y), 6);
        expect(euclideanDistance(x, right)).toBeCloseTo(euclideanDistance(x, y), 6);
      }
      const same = quantizeEmbedding(vector, a);
      expect(euclideanDistance(same, same)).toBe(0);
      expect(cosineSimilarity(same, same)).toBeCloseTo(1, 12);
    }
    expect(cosineSimilarity([0, 0], [1, 1])).toBe(0);
    expect(dotProduct([1, 2, 3], [4, 5, 6])).toBe(32);
    expect(euclideanDistance([0, 3], [4, 0])).toBe(5);
  });

  it('refuses what cannot be compared', () => {
    const quantized = quantizeEmbedding([1, 2, 3], 'qint8');
    failure(() => cosineSimilarity(quantized, [1, 2]), 'ERR_TQ_DIM_MISMATCH', { expected: 3, got: 2 });
    failure(() => dotProduct([1, Number.NaN, 2], quantized), 'ERR_TQ_NON_FINITE', { column: 1 });
    failure(() => euclideanDistance([], []), 'ERR_TQ_INVALID_ARG');
    failure(() => euclideanDistance(quantized, undefined as never), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizationQuality([1], quantized), 'ERR_TQ_DIM_MISMATCH');
  });
});

describe('quantizeRows', () => {
  const matrix = normals(20 * 33, 8);

  it.each([8, 6] as const)('%s bits: errors of at most half a step', async (bits) => {
    const quantized = quantizeRows(matrix, 20, 33, bits);
    const top = bits === 8 ? 127 : 31;
    const [codes, scales, back] = [quantized.codes(), quantized.scales(), dequantizeRows(quantized)];
    for (let row = 0; row < 20; row++) {
      const own = codes.subarray(33 * row, 33 * row + 33);
      expect(Math.max(...own.map(Math.abs))).toBe(top);
      for (let i = 33 * row; i < 33 * row + 33; i++) {
        expect(Math.abs((matrix[i] ?? 0) - (back[i] ?? 0))).toBeLessThanOrEqual(0.50001 * (scales[row] ?? 0));
      }
    }
    const later = await quantizeRowsAsync(matrix, 20, 33, bits);
    expect(toHex(later.toBytes())).toBe(toHex(quantized.toBytes()));
    expect(await dequantizeRowsAsync(later)).toEqual(back);
    expect(quantized.toJSON()).toEqual({ rows: 20, cols: 33, bits, sizeBytes: 20 * 33 + 80 });
    for (const layout of ['bytes', 'packed'] as const) {
      const bytes = quantized.toBytes({ layout });
      expect(ScaledRows.fromBytes(bytes).codes()).toEqual(codes);
      expect(bytes.length).toBe(16 + 80 + 20 * (bits === 6 && layout === 'packed' ? 25 : 33));
      for (const end of [0, 15, 95, bytes.length - 1]) {
        failure(() => ScaledRows.fromBytes(bytes.slice(0, end)), 'ERR_TQ_TRUNCATED');
      }
    }
  });

  it('refuses bad matrices', async () => {
    failure(() => quantizeRows(matrix, 20, 32, 8), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizeRows([], 0, 3, 8), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizeRows([1, 2], 1, 2, 7 as never), 'ERR_TQ_INVALID_ARG', { argument: 'bits' });
    failure(() => quantizeRows([1, 2, 3, Number.NaN], 2, 2, 6), 'ERR_TQ_NON_FINITE', { row: 1, column: 1 });
    failure(() => quantizeRows([1], 1.5, 1, 8), 'ERR_TQ_INVALID_ARG');
    failure(() => dequantizeRows({} as never), 'ERR_TQ_INVALID_ARG');
    failure(() => ScaledRows.fromBytes(new Uint8Array(40)), 'ERR_TQ_FORMAT', { offset: 0 });
    await rejection(() => quantizeRowsAsync([1, 2], 1, 3, 8), 'ERR_TQ_DIM_MISMATCH');
  });
});
