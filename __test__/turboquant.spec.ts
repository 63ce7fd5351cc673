import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  type JobOptions,
  MseCodec,
  type MseCodecOptions,
  ProdCodec,
  type ProdCodecOptions,
  QuantizedRows,
} from '../dist/turboquant.js';
import { runNode } from './helpers/child.js';
import { normals } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';

const dim = 128;
const rows = 300;
const vectors = normals(rows * dim);
const queries = normals(5 * dim, 9);

/** A value of a wrong type, for calls that must refuse it. */
const odd = <T>(value: unknown): T => value as T;

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

const rowOf = (values: Float32Array, row: number, size = dim): Float32Array =>
  values.subarray(row * size, (row + 1) * size);

const codecs: [string, MseCodec | ProdCodec][] = [
  ['levels', new MseCodec({ dim, bits: 4 })],
  ['unbiased levels', new MseCodec({ dim, bits: 4, unbiased: true })],
  ['a sketch', new ProdCodec({ dim, bits: 4 })],
  ['a sketch of a rotation', new ProdCodec({ dim, bits: 4, sketch: 'rotation' })],
];

describe.each(codecs)('a codec of %s', (_, codec) => {
  const quantized = codec.quantize(vectors);

  it('keeps what vectors are like', () => {
    const back = codec.dequantize(quantized);
    expect(back).toHaveLength(rows * dim);
    const errors = Array.from({ length: rows }, (_, row) => {
      const [given, got] = [rowOf(vectors, row), rowOf(back, row)];
      const apart = given.map((value, i) => value - (got[i] ?? 0));
      return dot(apart, apart) / dot(given, given);
    });
    const mean = errors.reduce((sum, error) => sum + error, 0) / rows;
    // A sketch is for inner products: what it adds to the levels of 3 bits makes vectors worse.
    expect(mean).toBeLessThan(codec instanceof MseCodec ? 0.0099 : 0.07);
    expect(mean).toBeGreaterThan(0.008);
  });

  it('scores as its reconstructions do', () => {
    const back = codec.dequantize(quantized);
    const scores = codec.score(queries, quantized);
    expect(scores).toHaveLength(5 * rows);
    for (let q = 0; q < 5; q++) {
      for (let row = 0; row < rows; row++) {
        const expected = dot(rowOf(queries, q), rowOf(back, row));
        expect(Math.abs((scores[q * rows + row] ?? 0) - expected)).toBeLessThan(0.01);
      }
    }
  });

  it('gives the same results in every way of asking', async () => {
    const lists = Array.from({ length: rows }, (_, row) => [...rowOf(vectors, row)]);
    expect(codec.quantize(lists).toBytes()).toEqual(quantized.toBytes());
    const seen: number[] = [];
    const later = await codec.quantizeAsync(vectors, { onProgress: ({ done }) => seen.push(done) });
    expect(later.toBytes()).toEqual(quantized.toBytes());
    expect(seen.at(-1)).toBe(rows);
    expect(await codec.dequantizeAsync(later)).toEqual(codec.dequantize(quantized));
    expect(await codec.scoreAsync(queries, later)).toEqual(codec.score(queries, quantized));
    const one = codec.quantize(vectors.subarray(7 * dim, 8 * dim));
    expect(codec.score(queries.subarray(0, dim), one)[0]).toBe(codec.score(queries, quantized)[7]);
  });

  it('copies its input before it returns', async () => {
    const given = vectors.slice();
    const promise = codec.quantizeAsync(given);
    given.fill(0);
    expect((await promise).toBytes()).toEqual(quantized.toBytes());
    const asked = queries.slice();
    const scores = codec.scoreAsync(asked, quantized);
    asked.fill(0);
    expect(await scores).toEqual(codec.score(queries, quantized));
  });

  it('writes rows that come back', () => {
    const bytes = quantized.toBytes();
    expect(bytes).toHaveLength(quantized.nbytes + 36);
    const back = QuantizedRows.fromBytes(bytes);
    expect(back.toJSON()).toEqual(quantized.toJSON());
    expect(codec.score(queries, back)).toEqual(codec.score(queries, quantized));
    expect(QuantizedRows.fromBytes(Buffer.from(bytes)).toBytes()).toEqual(bytes);
    expect(quantized).toMatchObject({ rows, dim, bits: 4, seed: 42n });
    expect(quantized.norms()).toHaveLength(rows);
    const isProd = codec instanceof ProdCodec;
    expect(quantized.kind).toBe(isProd ? 'prod' : 'mse');
    expect(quantized.codes()).toHaveLength((rows * dim * (isProd ? 3 : 4)) / 8);
    expect(quantized.residualNorms()).toHaveLength(isProd ? rows : 0);
    expect(quantized.signs()).toHaveLength(isProd ? (rows * dim) / 8 : 0);
  });

  it('takes no vectors, and zeros', () => {
    const none = codec.quantize([]);
    expect(none.toJSON()).toMatchObject({ rows: 0, nbytes: 0 });
    expect(codec.dequantize(none)).toHaveLength(0);
    expect(codec.score(queries, none)).toHaveLength(0);
    expect(codec.score([], quantized)).toHaveLength(0);
    const zero = codec.quantize(new Float32Array(dim));
    expect(codec.dequantize(zero).every((value) => value === 0)).toBe(true);
    expect(codec.score(queries, zero).every((score) => score === 0)).toBe(true);
  });

  it('refuses vectors that are none', async () => {
    const nan = vectors.slice();
    nan[299 * dim + 17] = Number.NaN;
    const details = { row: 299, column: 17, value: 'NaN' };
    failure(() => codec.quantize(nan), 'ERR_TQ_NON_FINITE', details);
    failure(() => codec.score(nan, quantized), 'ERR_TQ_NON_FINITE', details);
    await rejection(() => codec.quantizeAsync(nan), 'ERR_TQ_NON_FINITE', details);
    await rejection(() => codec.scoreAsync(nan, quantized), 'ERR_TQ_NON_FINITE', details);
    const ragged = vectors.subarray(0, 2 * dim + 1);
    failure(() => codec.quantize(ragged), 'ERR_TQ_DIM_MISMATCH', { expected: dim, row: 2 });
    failure(() => codec.score(ragged, quantized), 'ERR_TQ_DIM_MISMATCH', { expected: dim, row: 2 });
    await rejection(() => codec.quantizeAsync(ragged), 'ERR_TQ_DIM_MISMATCH');
    failure(() => codec.quantize(new Float32Array(dim).fill(3e38)), 'ERR_TQ_LIMIT', { row: 0 });
    for (const bad of [undefined, null, 'abc', 5, {}, new Float64Array(dim), [5], [['1']]]) {
      const error = await reasonOf(codec.quantizeAsync(odd(bad)));
      expect((error as { code: string }).code).toMatch(/^ERR_TQ_(INVALID_ARG|DIM_MISMATCH)$/);
      expect(() => codec.quantize(odd(bad))).toThrow((error as Error).message);
    }
  });

  it('refuses rows of another codec and what is no rows', async () => {
    for (const [, other] of codecs.filter(([, other]) => other !== codec)) {
      const foreign = other.quantize(vectors.subarray(0, dim));
      failure(() => codec.dequantize(foreign), 'ERR_TQ_CONFIG_MISMATCH');
      failure(() => codec.score(queries, foreign), 'ERR_TQ_CONFIG_MISMATCH');
      await rejection(() => codec.dequantizeAsync(foreign), 'ERR_TQ_CONFIG_MISMATCH');
      await rejection(() => codec.scoreAsync(queries, foreign), 'ERR_TQ_CONFIG_MISMATCH');
    }
    const { dim: _dim, kind: _kind, ...rest } = codec.toJSON();
    const seeded = codec instanceof MseCodec ? new MseCodec({ ...odd<MseCodecOptions>(rest), dim, seed: 43 }) : null;
    if (seeded !== null) {
      const error = failure(() => codec.dequantize(seeded.quantize(queries)), 'ERR_TQ_CONFIG_MISMATCH');
      expect(error.message).toContain('seed 43');
    }
    for (const bad of [undefined, null, vectors, {}, codec, Object.create(QuantizedRows.prototype)]) {
      failure(() => codec.dequantize(odd(bad)), 'ERR_TQ_INVALID_ARG');
      failure(() => codec.score(queries, odd(bad)), 'ERR_TQ_INVALID_ARG');
      await rejection(() => codec.dequantizeAsync(odd(bad)), 'ERR_TQ_INVALID_ARG');
    }
  });

  it('stops when its signal says so', async () => {
    const reason = new Error('enough');
    const aborted: JobOptions = { signal: AbortSignal.abort(reason) };
    expect(await reasonOf(codec.quantizeAsync(vectors, aborted))).toBe(reason);
    expect(await reasonOf(codec.dequantizeAsync(quantized, aborted))).toBe(reason);
    expect(await reasonOf(codec.scoreAsync(queries, quantized, aborted))).toBe(reason);
    const controller = new AbortController();
    const running = codec.quantizeAsync(normals(20_000 * dim), { signal: controller.signal });
    controller.abort(reason);
    expect(await reasonOf(running)).toBe(reason);
    await rejection(() => codec.quantizeAsync(vectors, odd({ sinal: 1 })), 'ERR_TQ_INVALID_ARG', {
      suggestion: 'signal',
    });
  });

  it('is told in a line', () => {
    expect(JSON.parse(JSON.stringify(codec))).toEqual(codec.toJSON());
    expect(codec.toJSON()).toMatchObject({ dim, bits: 4, seed: '42' });
    expect(inspect(codec)).toMatch(/^(Mse|Prod)Codec \{ kind: '(mse|prod)', dim: 128, bits: 4, seed: '42'/);
    expect(inspect(quantized)).toContain('rows: 300');
    expect(() => structuredClone(codec)).toThrow();
  });
});

describe('figures', () => {
  /** Slope of scores over the true inner products less 1, over many rotations. */
  const bias = (codecOf: (seed: number) => MseCodec | ProdCodec): number => {
    const query = queries.subarray(0, dim);
    const close = vectors.map((value, i) => value + (query[i % dim] ?? 0));
    let [products, squares] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const codec = codecOf(seed);
      const scores = codec.score(query, codec.quantize(close));
      for (let row = 0; row < rows; row++) {
        const truth = dot(query, rowOf(close, row));
        products += truth * (scores[row] ?? 0);
        squares += truth * truth;
      }
    }
    return products / squares - 1;
  };

  it('of scores are right on average with unbiased levels and with a sketch, and not with plain levels', () => {
    const bits = 2;
    expect(Math.abs(bias((seed) => new MseCodec({ dim, bits, seed })) + 0.117)).toBeLessThan(0.02);
    expect(Math.abs(bias((seed) => new MseCodec({ dim, bits, seed, unbiased: true })))).toBeLessThan(0.02);
    expect(Math.abs(bias((seed) => new ProdCodec({ dim, bits, seed })))).toBeLessThan(0.04);
    expect(Math.abs(bias((seed) => new ProdCodec({ dim, bits, seed, sketch: 'rotation' })))).toBeLessThan(0.04);
  });

  it('of sizes are those of the paper', () => {
    for (const [bits, ratio] of [
      [2, 6.4],
      [3, 32 / 7],
      [4, 32 / 9],
    ] as const) {
      const quantized = new ProdCodec({ dim, bits }).quantize(vectors);
      expect((2 * vectors.length) / quantized.nbytes).toBeCloseTo(ratio, 10);
    }
    expect(new MseCodec({ dim, bits: 4 }).quantize(vectors).nbytes).toBe(rows * (64 + 4));
  });

  it('of levels are those of the theory', () => {
    const codec = new MseCodec({ dim: 768, bits: 4 });
    expect(codec.distortion).toBeCloseTo(0.009501008, 9);
    const levels = codec.centroids();
    expect(levels).toHaveLength(16);
    expect(levels[15]).toBeCloseTo(2.732589571, 6);
    expect(levels[0]).toBe(-(levels[15] ?? 0));
    expect(new ProdCodec({ dim: 768, bits: 1 }).centroids()).toHaveLength(0);
    expect(new ProdCodec({ dim: 768, bits: 1 }).distortion).toBe(1);
  });
});

describe('bytes', () => {
  it('that are damaged are refused', () => {
    const bytes = new ProdCodec({ dim: 10, bits: 3 }).quantize(normals(40)).toBytes();
    for (let length = 0; length < bytes.length; length++)
      failure(() => QuantizedRows.fromBytes(bytes.subarray(0, length)), 'ERR_TQ_TRUNCATED');
    failure(() => QuantizedRows.fromBytes(new Uint8Array([...bytes, 0])), 'ERR_TQ_FORMAT', { kind: 'TrailingBytes' });
    const changed = (at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    failure(() => QuantizedRows.fromBytes(changed(0)), 'ERR_TQ_FORMAT', { offset: 0 });
    failure(() => QuantizedRows.fromBytes(changed(4)), 'ERR_TQ_VERSION', { offset: 4 });
    failure(() => QuantizedRows.fromBytes(changed(7)), 'ERR_TQ_FORMAT', { offset: 7 });
    failure(() => QuantizedRows.fromBytes(changed(40)), 'ERR_TQ_CHECKSUM', { offset: bytes.length - 4 });
    for (const bad of [undefined, null, 'TQTR', [1], new Float32Array(9)])
      failure(() => QuantizedRows.fromBytes(odd(bad)), 'ERR_TQ_INVALID_ARG');
    failure(() => new (odd<new () => unknown>(QuantizedRows))(), 'ERR_TQ_INVALID_ARG');
  });

  it('are the same on every level and for every number of threads', async () => {
    const script = `
      const { MseCodec, ProdCodec } = require('./dist/turboquant.js');
      const { createHash } = require('node:crypto');
      const vectors = Float32Array.from({ length: 2000 * 96 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.013));
      const hash = createHash('sha256');
      for (const codec of [new MseCodec({ dim: 96, bits: 5 }), new ProdCodec({ dim: 128, bits: 4 }), new ProdCodec({ dim: 200, bits: 3, sketch: 'rotation' })]) {
        const given = vectors.subarray(0, 400 * codec.dim);
        const rows = codec.quantize(given);
        hash.update(rows.toBytes());
        hash.update(new Uint8Array(codec.score(given.subarray(0, 3 * codec.dim), rows).buffer));
        hash.update(new Uint8Array(codec.dequantize(rows).buffer));
      }
      console.log(hash.digest('hex'));
    `;
    const outputs = await Promise.all(
      [
        {},
        { TINYQUANT_SIMD: 'scalar' },
        { TINYQUANT_SIMD: 'avx2' },
        { TINYQUANT_THREADS: '1' },
        { TINYQUANT_THREADS: '7' },
      ].map((env) => runNode(script, { env })),
    );
    expect(outputs[0]?.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
  });
});

describe('options', () => {
  it.each([
    ['nothing', undefined],
    ['a number', 5],
    ['no dim', { bits: 4 }],
    ['a dim of 1', { dim: 1, bits: 4 }],
    ['a large dim', { dim: 16_385, bits: 4 }],
    ['a fraction', { dim: 12.5, bits: 4 }],
    ['no bits', { dim }],
    ['0 bits', { dim, bits: 0 }],
    ['10 bits', { dim, bits: 10 }],
    ['bits as text', { dim, bits: '4' }],
    ['a negative seed', { dim, bits: 4, seed: -1 }],
    ['a large seed', { dim, bits: 4, seed: 2n ** 64n }],
    ['another option', { dim, bits: 4, metric: 'dot' }],
  ])('of a codec are refused: %s', (_, o) => {
    failure(() => new MseCodec(odd(o)), 'ERR_TQ_INVALID_ARG');
    failure(() => new ProdCodec(odd(o)), 'ERR_TQ_INVALID_ARG');
  });

  it('have limits of their own', () => {
    failure(() => new MseCodec(odd({ dim, bits: 9 })), 'ERR_TQ_INVALID_ARG', { argument: 'bits' });
    failure(() => new MseCodec(odd({ dim, bits: 4, unbiased: 1 })), 'ERR_TQ_INVALID_ARG', { argument: 'unbiased' });
    failure(() => new ProdCodec(odd<ProdCodecOptions>({ dim, bits: 4, sketch: 'x' })), 'ERR_TQ_INVALID_ARG');
    failure(() => new ProdCodec({ dim: 8193, bits: 4 }), 'ERR_TQ_INVALID_ARG', { argument: 'dim' });
    expect(new ProdCodec({ dim: 16_384, bits: 9, sketch: 'rotation' }).sketch).toBe('rotation');
    expect(new MseCodec({ dim: 2, bits: 8, seed: 2n ** 64n - 1n }).seed).toBe(2n ** 64n - 1n);
  });
});
