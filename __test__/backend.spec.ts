import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { BruteForceBackend, CompressionPolicy, Corpus } from '../index.js';
import { normals, setup } from './helpers/data.js';
import { failure } from './helpers/failure.js';

describe('BruteForceBackend', () => {
  const pair = { a: Float32Array.of(1, 0, 0), b: Float32Array.of(0, 1, 0) };

  it('finds the most similar vectors first', () => {
    const backend = new BruteForceBackend();
    backend.ingest(pair);
    backend.ingest(new Map([['c', [1, 1, 0]]]));
    expect(backend.count).toBe(3);
    const hits = backend.search(Float32Array.of(1, 0, 0), 10);
    expect(hits.map(({ vectorId }) => vectorId)).toEqual(['a', 'c', 'b']);
    expect(hits[0]).toEqual({ vectorId: 'a', score: 1 });
    expect(hits[1]?.score).toBeCloseTo(Math.SQRT1_2, 6);
    expect(backend.search([1, 0, 0], 1)).toHaveLength(1);
    expect(backend.search([1, 0, 0], Number.MAX_SAFE_INTEGER)).toHaveLength(3);
  });

  it('agrees with a plain computation', () => {
    const data = normals(200 * 48, 8);
    const rows = Array.from({ length: 200 }, (_, i) => data.slice(i * 48, (i + 1) * 48));
    const backend = new BruteForceBackend();
    backend.ingest(rows.map((row, i) => [`v${i}`, row] as const));
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
    const query = normals(48, 9);
    const expected = rows
      .map((row, i) => ({ vectorId: `v${i}`, score: dot(row, query) / Math.sqrt(dot(row, row) * dot(query, query)) }))
      .sort((x, y) => y.score - x.score)
      .slice(0, 20);
    const hits = backend.search(query, 20);
    expect(hits.map(({ vectorId }) => vectorId)).toEqual(expected.map(({ vectorId }) => vectorId));
    hits.forEach(({ score }, i) => {
      expect(score).toBeCloseTo(expected[i]?.score ?? Number.NaN, 5);
    });
  });

  it('overwrites an id in place, and the last of equal ids in one call wins', () => {
    const backend = new BruteForceBackend();
    backend.ingest(pair);
    backend.ingest({ a: [0, 0, 1] });
    expect(backend.count).toBe(2);
    expect(backend.search([0, 0, 1], 1)).toEqual([{ vectorId: 'a', score: 1 }]);
    backend.ingest([
      ['d', [1, 0, 0]],
      ['d', [0, 1, 0]],
    ]);
    expect(backend.count).toBe(3);
    expect(backend.search([1, 0, 0], 3).find(({ vectorId }) => vectorId === 'd')?.score).toBe(0);
  });

  it('copies what it is given', () => {
    const backend = new BruteForceBackend();
    const values = Float32Array.of(1, 2, 3);
    backend.ingest({ a: values });
    values.fill(0);
    expect(backend.search([1, 2, 3], 1)[0]?.score).toBe(1);
  });

  it('scores 0 against a vector of zeros', () => {
    const backend = new BruteForceBackend();
    backend.ingest({ zero: [0, 0, 0] });
    expect(backend.search([1, 2, 3], 1)).toEqual([{ vectorId: 'zero', score: 0 }]);
    expect(backend.search([0, 0, 0], 1)).toEqual([{ vectorId: 'zero', score: 0 }]);
  });

  it('removes and clears', () => {
    const backend = new BruteForceBackend();
    backend.ingest(pair);
    expect(backend.remove(new Set(['a', 'x', 'a']))).toBe(1);
    expect(backend.remove([])).toBe(0);
    expect(backend.search([1, 0, 0], 5).map(({ vectorId }) => vectorId)).toEqual(['b']);
    backend.clear();
    expect(backend.count).toBe(0);
    expect(backend.search([1, 0, 0], 5)).toEqual([]);
    backend.ingest({ q: [1, 2] });
    expect(backend.count).toBe(1);
    backend.clear();
    backend.ingest(pair);
    expect(backend.count).toBe(2);
  });

  it('takes a corpus as it is', () => {
    const { config, codebook, vectors } = setup(30);
    const corpus = new Corpus({
      corpusId: 'c',
      codecConfig: config,
      codebook,
      compressionPolicy: CompressionPolicy.COMPRESS,
    });
    corpus.insertBatch(Array.from({ length: 30 }, (_, i) => [`v${i}`, vectors.slice(i * 64, (i + 1) * 64)] as const));
    const backend = new BruteForceBackend();
    backend.ingest(corpus.decompressEntries());
    for (let i = 0; i < 30; i++) {
      expect(backend.search(vectors.slice(i * 64, (i + 1) * 64), 1)[0]?.vectorId).toBe(`v${i}`);
    }
  });

  it('refuses and changes nothing', () => {
    const backend = new BruteForceBackend();
    backend.ingest(pair);
    failure(() => backend.ingest({ c: [1, 2, 3], d: [1, 2] }), 'ERR_TQ_DIM_MISMATCH', { row: 1, expected: 3, got: 2 });
    failure(() => backend.ingest({ c: [1, 2, 3], d: [1, Number.NaN, 0] }), 'ERR_TQ_NON_FINITE', { row: 1, column: 1 });
    failure(() => backend.ingest({ c: new Float64Array(3) } as never), 'ERR_TQ_INVALID_ARG');
    failure(() => backend.ingest(undefined as never), 'ERR_TQ_INVALID_ARG');
    for (const topK of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined]) {
      failure(() => backend.search([1, 0, 0], topK as number), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidTopK' });
    }
    failure(() => backend.search([1, 0], 1), 'ERR_TQ_DIM_MISMATCH', { expected: 3, got: 2 });
    failure(() => backend.search([1, 0, Number.POSITIVE_INFINITY], 1), 'ERR_TQ_NON_FINITE', { column: 2 });
    failure(() => backend.search(new Float64Array(3) as never, 1), 'ERR_TQ_INVALID_ARG');
    for (const ids of ['ab', undefined, 5, [5], [undefined]]) {
      failure(() => backend.remove(ids as never), 'ERR_TQ_INVALID_ARG');
    }
    expect(backend.count).toBe(2);
  });

  it('prints as a line, and is neither cloned nor forged', () => {
    const backend = new BruteForceBackend();
    backend.ingest(pair);
    expect(inspect(backend)).toBe('BruteForceBackend { count: 2, dimension: 3 }');
    expect(() => structuredClone(backend)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
    failure(() => (Object.create(BruteForceBackend.prototype) as BruteForceBackend).count, 'ERR_TQ_INVALID_ARG');
  });
});
