import { beforeAll, describe, expect, it } from 'vitest';
import { Codebook, Codec, CodecConfig, CompressionPolicy, Corpus } from '../index.js';
import type { Report, ReportProgress } from '../ts/report.js';
import { normals } from './helpers/data.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { reports as built, embeddings, find, has, type Matrix } from './helpers/report.js';

const { measureReport, renderReport, pearson, recall, reportCells, samplePairs, sampleRows } = built;

/** The report without what depends on the clock. */
function untimed(report: Report): Report {
  const results = report.results.map((row) => ({ ...row, encodePerSecond: null, decodePerSecond: null }));
  return { ...report, results };
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const cosine = (a: Float32Array, b: Float32Array): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

describe('measureReport', () => {
  let base: Matrix;
  let queries: Matrix;
  let report: Report;
  const dimension = 384;
  // Embeddings hold exact zeros; with this many rows the 256 quantiles of the default method happen to differ.
  const rows = 500;
  let vectors: Float32Array;

  beforeAll(async () => {
    ({ base, queries } = await embeddings());
    vectors = base.data.slice(0, rows * dimension);
    report = await measureReport(vectors, dimension, { queries: queries.data });
  });

  it('has all methods in order, and says what it measured', () => {
    expect(report).toMatchObject({
      title: 'Compression report',
      ...{ rows, rowsGiven: rows, dimension, queries: 100, queriesGiven: true, pairs: 10_000 },
      ...{ trainRows: rows, productTrainRows: rows },
    });
    expect(report.results.map(({ family, bits }) => `${family} ${bits}`)).toEqual([
      ...['float 32', 'float 16', 'scalar 8'],
      ...['residual 8 + residual', 'residual 4 + residual', 'residual 2 + residual'],
      ...['tinyquant 8', 'tinyquant 4', 'tinyquant 2', 'lloyd-max 8', 'lloyd-max 4', 'lloyd-max 2'],
      ...['product 8 per 4 dims', 'product 8 per 8 dims'],
    ]);
    expect(report.norms.min).toBeCloseTo(1, 2);
    expect(report.norms.max).toBeCloseTo(1, 2);
    expect(report.environment).toMatchObject({ node: process.versions.node, threads: expect.any(Number) as number });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    for (const row of report.results) {
      expect(row.unavailable).toBe(null);
      for (const share of [row.recall5, row.recall10]) {
        expect(share).toBeGreaterThan(0.3);
        expect(share).toBeLessThanOrEqual(1);
      }
      if (row.method === 'float32') continue;
      expect(row.encodePerSecond).toBeGreaterThan(0);
      expect(row.decodePerSecond).toBeGreaterThan(0);
    }
  });

  it('finds float32 exact, and float16 as well where the values are half precision', () => {
    expect(find(report, 'float', '32')).toMatchObject({
      ...{ bytesPerVector: 4 * dimension, ratio: 1, rho: 1, mse: 0, recall5: 1, recall10: 1 },
      ...{ encodePerSecond: null, decodePerSecond: null },
    });
    expect(find(report, 'float', '16')).toMatchObject({ bytesPerVector: 2 * dimension, ratio: 2, mse: 0, recall10: 1 });
  });

  it('counts every byte that is stored', () => {
    expect(find(report, 'scalar', '8')).toMatchObject({ payloadBytes: dimension + 8, sharedBytes: 0 });
    for (const bits of [8, 4, 2]) {
      const shared = { sharedBytes: 4 * 2 ** bits };
      const codes = (dimension * bits) / 8;
      expect(find(report, 'tinyquant', `${bits}`)).toMatchObject({ payloadBytes: codes, ...shared });
      expect(find(report, 'lloyd-max', `${bits}`)).toMatchObject({ payloadBytes: codes, ...shared });
      expect(find(report, 'residual', `${bits}`)).toMatchObject({ payloadBytes: codes + 2 * dimension, ...shared });
    }
    const centroids = 256 * dimension * 4;
    expect(find(report, 'product', '8 per 8')).toMatchObject({ payloadBytes: dimension / 8, sharedBytes: centroids });
    expect(find(report, 'product', '8 per 4')).toMatchObject({ payloadBytes: dimension / 4, sharedBytes: centroids });
    for (const { payloadBytes, sharedBytes, bytesPerVector, ratio } of report.results) {
      expect(bytesPerVector).toBeCloseTo(has(payloadBytes) + has(sharedBytes) / rows, 9);
      expect(ratio).toBeCloseTo((4 * dimension) / has(bytesPerVector), 9);
    }
  });

  it('loses less with more bits, with a residual, and with the better codebook', () => {
    for (const family of ['residual', 'tinyquant', 'lloyd-max'] as const) {
      const [eight, four, two] = ['8', '4', '2'].map((bits) => find(report, family, bits));
      for (const [more, less] of [
        [eight, four],
        [four, two],
      ] as const) {
        expect(has(more?.mse ?? null)).toBeLessThan(has(less?.mse ?? null));
        expect(has(more?.rho ?? null)).toBeGreaterThan(has(less?.rho ?? null));
        expect(has(more?.recall5 ?? null)).toBeGreaterThanOrEqual(has(less?.recall5 ?? null));
        expect(has(more?.recall10 ?? null)).toBeGreaterThanOrEqual(has(less?.recall10 ?? null));
      }
    }
    for (const bits of ['8', '4', '2']) {
      expect(find(report, 'residual', bits).mse).toBeLessThan(has(find(report, 'tinyquant', bits).mse));
      expect(find(report, 'lloyd-max', bits).mse).toBeLessThan(has(find(report, 'tinyquant', bits).mse));
    }
    expect(find(report, 'product', '8 per 4').mse).toBeLessThan(has(find(report, 'product', '8 per 8').mse));
    // k-means of 256 centroids leaves less than the mean of all points would, which is the variance.
    const mean = vectors.reduce((sum, value) => sum + value, 0) / vectors.length;
    const variance = vectors.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vectors.length;
    expect(find(report, 'product', '8 per 8').mse).toBeLessThan(variance / 4);
  });

  it('gives the figures that a plain computation gives', async () => {
    const few = 120;
    const data = vectors.slice(0, few * dimension);
    const own = await measureReport(data, dimension);
    const other = await measureReport(data, dimension, { queries: queries.data });
    expect(own).toMatchObject({ queries: few, queriesGiven: false, pairs: (few * (few - 1)) / 2 });

    const config = new CodecConfig({ bitWidth: 2, dimension, residualEnabled: false });
    const codec = new Codec();
    const codebook = Codebook.train(data, config, { method: 'lloyd-max' });
    const decoded = await codec.decompressBatch(await codec.compressBatch(data, config, codebook), config, codebook);
    const split = (all: Float32Array): Float32Array[] =>
      Array.from({ length: all.length / dimension }, (_, i) => all.subarray(i * dimension, (i + 1) * dimension));
    const [before, after] = [split(data), split(decoded)];

    const mse = data.reduce((sum, value, i) => sum + (value - (decoded[i] ?? 0)) ** 2, 0) / data.length;
    expect(find(own, 'lloyd-max', '2').mse).toBeCloseTo(mse, 12);

    const pairs = before.flatMap((_, i) => before.slice(i + 1).map((__, j) => [i, i + 1 + j] as const));
    const [xs, ys] = [before, after].map((all) => pairs.map(([i, j]) => cosine(all[i] ?? data, all[j] ?? data)));
    const centred = (list: number[] = []): Float32Array => {
      const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
      return Float32Array.from(list, (value) => value - mean);
    };
    expect(find(own, 'lloyd-max', '2').rho).toBeCloseTo(cosine(centred(xs), centred(ys)), 5);

    const top = (all: Float32Array[], query: Float32Array, without: number): number[] =>
      all
        .map((vector, i) => ({ i, score: i === without ? -2 : cosine(vector, query) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10)
        .map(({ i }) => i);
    const expected = (asked: Float32Array[], areRows: boolean): number => {
      const shares = asked.map((query, i) => {
        const truth = top(before, query, areRows ? i : -1);
        return top(after, query, areRows ? i : -1).filter((each) => truth.includes(each)).length / 10;
      });
      return shares.reduce((sum, share) => sum + share, 0) / shares.length;
    };
    expect(find(own, 'lloyd-max', '2').recall10).toBeCloseTo(expected(before, true), 9);
    expect(find(other, 'lloyd-max', '2').recall10).toBeCloseTo(expected(split(queries.data), false), 9);
  });

  it('rounds to half precision as the codec does', async () => {
    // Two thirds are below the least normal half, some below the least subnormal one.
    const data = normals(30 * 16, 5).map((value, i) => value * ([1, 1e-6, 3e-8][i % 3] ?? 0));
    const codecConfig = new CodecConfig({ bitWidth: 2, dimension: 16 });
    const compressionPolicy = CompressionPolicy.FP16;
    const codebook = Codebook.train(data, codecConfig);
    const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy });
    corpus.insertBatch(Array.from({ length: 30 }, (_, i) => [`${i}`, data.subarray(i * 16, (i + 1) * 16)] as const));
    let sum = 0;
    for (const [id, vector] of corpus.decompressEntries()) {
      for (const [i, value] of vector.entries()) sum += (value - (data[Number(id) * 16 + i] ?? 0)) ** 2;
    }
    const { mse } = find(await measureReport(data, 16), 'float', '16');
    expect(mse).toBeGreaterThan(0);
    expect(has(mse) / (sum / data.length)).toBeCloseTo(1, 9);
  });

  it('gives the same twice, apart from the rates', async () => {
    const again = await measureReport(vectors, dimension, { queries: queries.data });
    expect(untimed(again)).toEqual(untimed(report));
  });

  it('shows a method that cannot take the data, with the reason', async () => {
    const zeros = vectors.map((value, i) => (i % 50 === 0 ? 0 : value));
    const some = await measureReport(zeros, dimension, { queries: queries.data });
    for (const row of [find(some, 'tinyquant', '8'), find(some, 'residual', '8')]) {
      expect(row).toMatchObject({ bytesPerVector: null, mse: null, recall10: null, encodePerSecond: null });
      expect(row.unavailable).toMatch(/insufficient training data/);
    }
    expect(some.results.filter(({ unavailable }) => unavailable !== null)).toHaveLength(2);

    const large = await measureReport(
      normals(100 * 8).map((value) => value * 1e6),
      8,
    );
    expect(find(large, 'float', '16').unavailable).toMatch(/65504/);
    expect(find(large, 'lloyd-max', '4').unavailable).toBe(null);
  });

  it('keeps to its bounds', async () => {
    const o = { maxRows: 150, maxQueries: 7, trainRows: 90 };
    const bounded = await measureReport(vectors, dimension, o);
    expect(bounded).toMatchObject({ rows: 150, rowsGiven: rows, queries: 7, trainRows: 90, productTrainRows: 150 });
    const asked = await measureReport(vectors, dimension, { ...o, queries: queries.data });
    expect(asked).toMatchObject({ queries: 7, queriesGiven: true });
  });

  it('takes few, equal and odd vectors', async () => {
    const one = await measureReport([Array.from({ length: 40 }, (_, i) => i)], 40);
    expect(find(one, 'float', '32')).toMatchObject({ rho: null, recall5: null, recall10: null, mse: 0 });
    expect(find(one, 'product', '8 per 8')).toMatchObject({ mse: 0, sharedBytes: 40 * 4 });
    const equal = await measureReport(new Float32Array(5 * 13).fill(0.5), 13);
    expect(find(equal, 'scalar', '8')).toMatchObject({ rho: null, mse: 0, payloadBytes: 21, recall10: 1 });
    const odd = await measureReport(normals(300 * 13), 13);
    expect(find(odd, 'product', '8 per 8')).toMatchObject({ payloadBytes: 2, sharedBytes: 256 * 13 * 4 });
    expect(find(odd, 'product', '8 per 4')).toMatchObject({ payloadBytes: 4, sharedBytes: 256 * 13 * 4 });
    for (const each of [one, equal, odd]) expect(renderReport(each)).toContain('<table>');
  });

  it('reports its progress and leaves the event loop to others', async () => {
    const reports: ReportProgress[] = [];
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
    }, 5);
    const start = performance.now();
    await measureReport(base.data.subarray(0, 1000 * dimension), dimension, { onProgress: (p) => reports.push(p) });
    clearInterval(timer);
    // Turns last 8 ms; half of them may be lost to the training of codebooks and to other processes.
    expect(turns).toBeGreaterThan((performance.now() - start) / 40);
    const total = reports[0]?.total;
    for (const [i, each] of reports.entries()) {
      expect(each.total).toBe(total);
      expect(each.done).toBeGreaterThanOrEqual(reports[i - 1]?.done ?? 0);
    }
    expect(reports.at(-1)).toEqual({ done: total, total, phase: 'done' });
    expect(new Set(reports.map(({ phase }) => phase)).size).toBe(16);
  });

  it('stops by signal and by an exception of the callback', async () => {
    const early = measureReport(vectors, dimension, { signal: AbortSignal.abort('before') });
    expect(await reasonOf(early)).toBe('before');
    const controller = new AbortController();
    const phases: string[] = [];
    const onProgress = ({ phase }: ReportProgress): void => {
      phases.push(phase);
      if (phase.startsWith('product')) controller.abort('enough');
    };
    expect(await reasonOf(measureReport(vectors, dimension, { signal: controller.signal, onProgress }))).toBe('enough');
    expect(phases.at(-1)).toMatch(/^product quantizer, 8 per 4/);
    const boom = new Error('boom');
    const throwing = measureReport(vectors, dimension, {
      onProgress() {
        throw boom;
      },
    });
    expect(await reasonOf(throwing)).toBe(boom);
  });

  it('refuses bad input with a code', async () => {
    const bad = vectors.slice();
    bad[3 * dimension + 5] = Number.NaN;
    await rejection(() => measureReport(bad, dimension), 'ERR_TQ_NON_FINITE', {
      row: 3,
      column: 5,
      argument: 'vectors',
    });
    // Also where the sample would leave the row out.
    await rejection(() => measureReport(bad, dimension, { maxRows: 1 }), 'ERR_TQ_NON_FINITE', { row: 3 });
    bad[3 * dimension + 5] = Number.POSITIVE_INFINITY;
    const o = { queries: bad };
    await rejection(() => measureReport(vectors, dimension, o), 'ERR_TQ_NON_FINITE', { argument: 'queries' });
    await rejection(() => measureReport(new Float32Array(0), 4), 'ERR_TQ_INVALID_ARG', { argument: 'vectors' });
    await rejection(() => measureReport(vectors, dimension, { queries: [] }), 'ERR_TQ_INVALID_ARG');
    await rejection(() => measureReport(vectors, 383), 'ERR_TQ_DIM_MISMATCH', { expected: 383 });
    const short = { queries: new Float32Array(10) };
    await rejection(() => measureReport(vectors, dimension, short), 'ERR_TQ_DIM_MISMATCH');
    for (const wrong of [0, 16_385, 1.5, '4'])
      await rejection(() => measureReport(vectors, wrong as number), 'ERR_TQ_INVALID_ARG', { argument: 'dimension' });
    for (const name of ['maxRows', 'maxQueries', 'trainRows'])
      await rejection(() => measureReport(vectors, dimension, { [name]: 0 }), 'ERR_TQ_INVALID_ARG', { argument: name });
    const misspelt = { maxrows: 3 } as object;
    await rejection(() => measureReport(vectors, dimension, misspelt), 'ERR_TQ_INVALID_ARG', { suggestion: 'maxRows' });
    await rejection(() => measureReport(vectors, dimension, { title: 3 as never }), 'ERR_TQ_INVALID_ARG');
  });

  it('gives its table as text', () => {
    const { header, rows: lines } = reportCells(report.results);
    expect(header).toEqual([
      ...['method', 'bits', 'bytes/vector', 'ratio', 'rho', 'MSE', 'recall@5', 'recall@10', 'encode/s', 'decode/s'],
    ]);
    expect(lines).toHaveLength(report.results.length);
    expect(lines[0]).toEqual([...['float32', '32', '1,536', '1.00', '1.00000', '0', '1.000', '1.000', '–', '–']]);
    for (const line of lines) expect(line).toHaveLength(header.length);
  });
});

describe('measures', () => {
  it('correlate', () => {
    expect(pearson([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
    expect(pearson([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    expect(pearson([1, 2, 3], [1, 1, 1])).toBe(null);
    expect(pearson([], [])).toBe(null);
  });

  it('count what is found', () => {
    expect(recall([[1, 2, 3, 4]], [[4, 3, 9, 8]], 4)).toBe(0.5);
    expect(recall([[1, 2, 3, 4]], [[4, 3, 2, 1]], 2)).toBe(0);
    expect(recall([[1, 2], [3]], [[2, 1], [4]], 10)).toBe(0.5);
    expect(recall([], [], 5)).toBe(null);
    expect(recall([[]], [[]], 5)).toBe(null);
  });

  it('sample without repetition, and evenly', () => {
    const sample = sampleRows(1000, 200, 3);
    expect(new Set(sample).size).toBe(200);
    expect([...sample]).toEqual([...sample].sort((a, b) => a - b));
    expect(sample.reduce((sum, row) => sum + row, 0) / 200).toBeCloseTo(500, -2);
    expect([...sampleRows(4, 9, 3)]).toEqual([0, 1, 2, 3]);
    expect([...sampleRows(1000, 200, 4)]).not.toEqual([...sample]);
    expect(samplePairs(4, 6, 1)).toHaveLength(6);
    const pairs = samplePairs(50, 1000, 1);
    expect(pairs).toHaveLength(1000);
    expect(pairs.every(([a, b]) => a !== b && a < 50 && b < 50)).toBe(true);
    expect(new Set(pairs.flat()).size).toBe(50);
  });
});
