import { beforeAll, describe, expect, it } from 'vitest';
import {
  Codebook,
  CodecConfig,
  CompressionPolicy,
  Corpus,
  type IndexBits,
  type Metric,
  SearchIndex,
} from '../index.js';
import { binding, supportedLevels } from './helpers/binding.js';
import { runNode } from './helpers/child.js';
import { failure, rejection } from './helpers/failure.js';
import { sha256 } from './helpers/golden.js';
import { bestRows, type Clustered, clustered, demoSet, plain, recallOf, rowOf, scoreOf } from './helpers/search.js';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2'];
const data = clustered(1500, 64, 30);
const { dim, rows, vectors, queries } = data;
const query = rowOf(queries, 0, dim);

describe('search', () => {
  // What codes of this many bits must find of the true 10 best; twice the bits lose about half as much.
  const enough: [IndexBits, number][] = [
    [1, 0.5],
    [2, 0.7],
    [3, 0.8],
    [4, 0.88],
    [8, 0.95],
  ];

  it.each(METRICS.flatMap((metric) => enough.map(([bits, least]) => [metric, bits, least] as const)))(
    'by %s finds the best from %i bits',
    async (metric, bits, least) => {
      for (const fit of [true, false]) {
        using index = await SearchIndex.build(vectors, { dim, bits, metric, fit });
        expect({ dim: index.dim, bits: index.bits, metric: index.metric, size: index.size }).toEqual({
          dim,
          bits,
          metric,
          size: rows,
        });
        const lists = index.searchBatchSync(queries, { k: 10 });
        expect(lists).toHaveLength(30);
        expect(recallOf(data, lists, 10, metric), `fit: ${fit}`).toBeGreaterThan(least);
        for (const [i, hits] of lists.entries()) {
          expect(hits).toHaveLength(10);
          expect(new Set(hits.ids).size).toBe(10);
          const sorted = [...hits.scores].sort((a, b) => b - a);
          expect([...hits.scores]).toEqual(sorted);
          const best = hits.ids[0] ?? -1;
          const truth = scoreOf(metric, rowOf(queries, i, dim), rowOf(vectors, best, dim));
          const size = metric === 'cosine' ? 1 : scoreOf('dot', rowOf(queries, i, dim), rowOf(queries, i, dim));
          expect(Math.abs((hits.scores[0] ?? 0) - truth) / size).toBeLessThan(bits === 1 ? 0.5 : 0.3);
        }
      }
    },
  );

  it('finds more with more effort, and all that the codes tell with exact', async () => {
    const index = await SearchIndex.build(vectors, { dim, bits: 2, partitions: 40 });
    const exact = index.searchBatchSync(queries, { k: 10, exact: true });
    const shared = (effort: number): number => {
      const lists = index.searchBatchSync(queries, { k: 10, effort });
      return lists.reduce((sum, hits, i) => sum + hits.ids.filter((id) => exact[i]?.ids.includes(id)).length, 0);
    };
    const [little, usual, much] = [shared(0.01), shared(1), shared(1000)];
    expect(little).toBeLessThanOrEqual(usual);
    expect(usual).toBeLessThanOrEqual(much);
    expect(much).toBeGreaterThan(295);
    expect(index.stats().partitions).toBe(40);
    expect(plain(index.searchBatchSync(queries, { k: 10, exact: true, effort: 0.01 }))).toEqual(plain(exact));
  });

  it('gives as many hits as asked for, or as there are', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    for (const k of [1, 2, 999, rows, rows + 1, 1e9, Number.MAX_SAFE_INTEGER]) {
      for (const exact of [false, true]) {
        const hits = index.searchSync(query, { k, exact });
        expect(hits).toHaveLength(Math.min(k, rows));
        expect(new Set(hits.ids).size).toBe(hits.length);
      }
    }
    expect(index.searchSync(query, { k: rows, exact: true }).ids.slice(0, 20)).toEqual(
      [...index.searchSync(query, { k: 20, exact: true })].map(({ id }) => id),
    );
  });

  it('answers the same alone, in batches, on this thread and on others', async () => {
    const index = await SearchIndex.build(vectors, { dim, partitions: 10 });
    for (const o of [{ k: 7 }, { k: 7, exact: true }, { k: 3, effort: 0.3, filter: [1, 5, 900] }]) {
      const batch = plain(index.searchBatchSync(queries, o));
      expect(plain(await index.searchBatch(queries, o))).toEqual(batch);
      const lists = Array.from({ length: 30 }, (_, i) => rowOf(queries, i, dim));
      expect(plain(await index.searchBatch(lists, o))).toEqual(batch);
      expect(plain(lists.map((each) => index.searchSync(each, o)))).toEqual(batch);
      expect(plain(await Promise.all(lists.map((each) => index.search([...each], o))))).toEqual(batch);
    }
    expect(await index.searchBatch(new Float32Array(), { k: 1 })).toEqual([]);
    expect(index.searchBatchSync([], { k: 1 })).toEqual([]);
    expect(index.searchBatchSync([query], { k: 2 })).toHaveLength(1);
  });

  it('returns hits that can be read in every way', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    const hits = await index.search(query, { k: 4 });
    expect(hits.length).toBe(4);
    expect(hits.scores).toBeInstanceOf(Float32Array);
    expect(hits.scores).toHaveLength(4);
    expect(Array.isArray(hits.ids)).toBe(true);
    expect([...hits]).toEqual(hits.ids.map((id, i) => ({ id, score: hits.scores[i] })));
    expect(JSON.parse(JSON.stringify(hits))).toEqual([...hits]);
    // Each list has memory of its own.
    const [first, second] = index.searchBatchSync(queries, { k: 4 });
    expect(first?.scores.buffer).not.toBe(second?.scores.buffer);
  });

  it('leaves vectors and queries as they were', async () => {
    const [given, asked] = [vectors.slice(), queries.slice()];
    const index = await SearchIndex.build(given, { dim });
    await index.add(given.subarray(0, dim));
    await index.searchBatch(asked, { k: 3 });
    index.searchSync(asked.subarray(0, dim), { k: 3 });
    expect(given).toEqual(vectors);
    expect(asked).toEqual(queries);
  });

  it('copies what it is given before the call returns', async () => {
    const given = vectors.slice();
    const building = SearchIndex.build(given, { dim });
    given.fill(Number.NaN);
    const index = await building;
    const more = vectors.slice(0, 10 * dim);
    const [first, second] = [index.add(more), index.add(more)];
    const asked = query.slice();
    const searching = index.search(asked, { k: 3 });
    more.fill(Number.NaN);
    asked.fill(Number.NaN);
    await Promise.all([first, second]);
    const whole = await SearchIndex.build(vectors, { dim });
    expect(plain([await searching])).toEqual(plain([whole.searchSync(query, { k: 3 })]));
    expect(index.size).toBe(rows + 20);
    expect(scoreOf('cosine', index.reconstruct(rows + 10), vectors.subarray(0, dim))).toBeGreaterThan(0.9);
  });

  it('takes an index of nothing, of one vector and of zeros', async () => {
    for (const make of [
      () => SearchIndex.build([], { dim }),
      () => SearchIndex.build(new Float32Array(), { dim, ids: [] }),
      async () => new SearchIndex({ dim }),
    ]) {
      using index = await make();
      expect(index.size).toBe(0);
      expect(index.searchSync(query, { k: 5 })).toHaveLength(0);
      expect(index.searchBatchSync(queries, { k: 5, exact: true }).map(({ length }) => length)).toEqual(
        Array.from({ length: 30 }, () => 0),
      );
      await index.add([]);
      index.addSync(new Float32Array());
      expect(index.remove([])).toBe(0);
      index.addSync([query]);
      const [hit] = index.searchSync(query, { k: 5 });
      expect(hit?.id).toBe(0);
      expect(hit?.score).toBeGreaterThan(0.9);
    }
    for (const metric of METRICS) {
      const zeros = await SearchIndex.build([new Float32Array(dim), query], { dim, metric });
      const hits = zeros.searchSync(query, { k: 2 });
      expect(hits.ids).toEqual([1, 0]);
      if (metric !== 'l2') expect(hits.scores[1]).toBe(0);
      expect([...zeros.searchSync(new Float32Array(dim), { k: 2 }).ids].sort()).toEqual([0, 1]);
    }
  });
});

describe('an index', () => {
  it('is the same whichever way the vectors came', async () => {
    const o = { dim, bits: 4 } as const;
    const built = await SearchIndex.build(vectors, { ...o, fit: false, partitions: 1 });
    const grown = new SearchIndex(o);
    expect(grown.fitted).toBe(false);
    const cuts = [0, 1, 2, 17, 400, 401, rows];
    for (const [i, from] of cuts.slice(0, -1).entries()) {
      const part = vectors.subarray(from * dim, (cuts[i + 1] ?? 0) * dim);
      if (i % 2 === 0) await grown.add(part);
      else grown.addSync(part);
    }
    expect(grown.size).toBe(rows);
    for (const exact of [true, false]) {
      expect(plain(grown.searchBatchSync(queries, { k: 10, exact }))).toEqual(
        plain(built.searchBatchSync(queries, { k: 10, exact })),
      );
    }
    const single = new SearchIndex(o);
    for (let row = 0; row < 50; row++) single.addSync([rowOf(vectors, row, dim)]);
    expect(single.reconstruct(49)).toEqual(built.reconstruct(49));
  });

  it('that is fitted to a sample knows more from as many bits', async () => {
    const wide = clustered(1500, 192, 30, 5);
    const o = { dim: wide.dim, bits: 2 } as const;
    const sample = wide.vectors.subarray(0, 1000 * wide.dim);
    const fitted = new SearchIndex(o);
    await fitted.fit(sample);
    await fitted.add(wide.vectors);
    const unfitted = new SearchIndex(o);
    await unfitted.add(wide.vectors);
    const built = await SearchIndex.build(wide.vectors, o);
    expect([fitted.fitted, unfitted.fitted, built.fitted]).toEqual([true, false, true]);
    const [more, less, most] = [fitted, unfitted, built].map((index) =>
      recallOf(wide, index.searchBatchSync(wide.queries, { k: 10, exact: true }), 10),
    );
    expect(more).toBeGreaterThan((less ?? 1) + 0.02);
    expect(most).toBeGreaterThan((less ?? 1) + 0.02);
    expect(new Set(fitted.stats().segments.map(({ bits }) => bits)).size).toBeGreaterThan(1);
    await rejection(() => fitted.fit(sample), 'ERR_TQ_INVALID_ARG');
    await rejection(() => unfitted.fit(sample), 'ERR_TQ_INVALID_ARG');
    expect(unfitted.fitted).toBe(false);
    // Too few to learn from.
    const few = new SearchIndex(o);
    await few.fit(sample.subarray(0, 100 * wide.dim));
    expect(few.fitted).toBe(false);
    await rejection(() => few.fit([]), 'ERR_TQ_INVALID_ARG');
  });

  it('has another rotation under another seed', async () => {
    const bytes = await Promise.all(
      [1, 2n, 2].map(async (seed) =>
        sha256((await SearchIndex.build(vectors, { dim, seed, fit: false, bits: 2 })).toBytes()),
      ),
    );
    expect(bytes[0]).not.toBe(bytes[1]);
    expect(bytes[1]).toBe(bytes[2]);
  });

  it('is the same on every instruction set and number of threads', async () => {
    const digest = async (): Promise<string> => {
      const index = await SearchIndex.build(vectors, { dim, bits: 3, partitions: 20 });
      await index.add(vectors.subarray(0, 100 * dim));
      const found = await index.searchBatch(queries, { k: 10 });
      const whole = index.searchSync(query, { k: 10, exact: true });
      return `${sha256(index.toBytes())} ${JSON.stringify(plain([...found, whole]))}`;
    };
    const usual = await digest();
    for (const level of supportedLevels()) {
      binding.setSimdLevel(level);
      expect(await digest(), level).toBe(usual);
    }
    binding.setSimdLevel(null);
    const program = `const { SearchIndex } = require('./index.js');
      const v = Float32Array.from({ length: 3000 * 32 }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011));
      SearchIndex.build(v, { dim: 32, partitions: 16 }).then(async (index) => {
        const hash = require('node:crypto').createHash('sha256').update(index.toBytes());
        for (const { ids, scores } of await index.searchBatch(v.subarray(0, 320), { k: 9 })) hash.update(JSON.stringify([ids, [...scores]]));
        console.log(hash.digest('hex'));
      });`;
    const outputs = await Promise.all(
      ['1', '2', '5'].map((threads) => runNode(program, { env: { TINYQUANT_THREADS: threads } })),
    );
    expect(new Set(outputs.map(({ stdout, stderr }) => stdout + stderr)).size).toBe(1);
  });

  it('describes itself', async () => {
    const index = await SearchIndex.build(vectors, { dim, bits: 4, metric: 'dot', seed: 2n ** 63n, originals: 'f16' });
    expect(JSON.parse(JSON.stringify(index))).toEqual({
      dim,
      bits: 4,
      metric: 'dot',
      idType: 'number',
      originals: 'f16',
      seed: '9223372036854775808',
      size: rows,
      fitted: index.fitted,
    });
    const stats = index.stats();
    expect(stats).toMatchObject({ size: rows, rows, fitted: index.fitted });
    expect(stats.segments.reduce((sum, { coordinates }) => sum + coordinates, 0)).toBeGreaterThanOrEqual(dim);
    expect(stats.bytesPerVector).toBeGreaterThanOrEqual(dim / 2);
    expect(stats.bytesPerVector).toBeLessThan(dim);
    const { heapBytes, mappedBytes } = index.memoryUsage();
    expect(heapBytes).toBeGreaterThan(rows * (stats.bytesPerVector + 2 * dim) * 0.9);
    expect(mappedBytes).toBe(0);
    index.remove([3, 4]);
    expect(index.stats()).toMatchObject({ size: rows - 2, rows });
  });
});

describe('originals', () => {
  it.each(METRICS)('order the best hits by %s', async (metric) => {
    for (const originals of ['f16', 'f32'] as const) {
      const index = await SearchIndex.build(vectors, { dim, bits: 4, metric, originals });
      const lists = index.searchBatchSync(queries, { k: 10 });
      expect(recallOf(data, lists, 10, metric)).toBeGreaterThan(0.99);
      const [best] = lists[0] ?? [];
      const truth = scoreOf(metric, query, rowOf(vectors, best?.id ?? 0, dim));
      expect(Math.abs((best?.score ?? 0) / truth - 1)).toBeLessThan(originals === 'f16' ? 2e-3 : 1e-5);
      const rough = index.searchBatchSync(queries, { k: 10, rescore: false });
      expect(plain(rough)).not.toEqual(plain(lists));
      expect(plain(index.searchBatchSync(queries, { k: 10, rescore: true }))).toEqual(plain(lists));
      expect(index.searchSync(query, { k: 10, exact: true }).ids).toEqual(bestRows(data, query, 10, metric));
      const back = index.reconstruct(7);
      const apart = Math.max(...back.map((value, i) => Math.abs(value - (vectors[7 * dim + i] ?? 0))));
      expect(apart).toBeLessThan(originals === 'f16' ? 5e-3 : 1e-30);
    }
  });

  it('cannot be asked for where there are none', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    failure(() => index.searchSync(query, { k: 1, rescore: true }), 'ERR_TQ_INVALID_ARG', { argument: 'rescore' });
    expect(plain([index.searchSync(query, { k: 5, rescore: false })])).toEqual(
      plain([index.searchSync(query, { k: 5 })]),
    );
  });

  it('are refused where half precision cannot hold them', async () => {
    const huge = Float32Array.from({ length: 2 * dim }, (_, i) => (i === dim + 3 ? 1e6 : 1));
    await rejection(() => SearchIndex.build(huge, { dim, originals: 'f16' }), 'ERR_TQ_LIMIT', { row: 1, column: 3 });
    expect((await SearchIndex.build(huge, { dim, originals: 'f32' })).reconstruct(1)[3]).toBe(1e6);
  });
});

describe('the embeddings of the demo', () => {
  let demo: Clustered;
  beforeAll(async () => {
    demo = await demoSet();
    expect([demo.rows, demo.dim, demo.queries.length]).toEqual([4000, 384, 100 * 384]);
  });

  it.each([
    [1, {}, 0.74],
    [2, {}, 0.87],
    [4, {}, 0.95],
    [4, { fit: false }, 0.93],
    [4, { partitions: 32 }, 0.93],
    [2, { originals: 'f16' }, 0.985],
    [4, { originals: 'f16' }, 0.995],
    [4, { originals: 'f16', partitions: 32 }, 0.98],
  ] as const)('at %i bits with %o keep a recall@10 of %f', async (bits, o, least) => {
    using index = await SearchIndex.build(demo.vectors, { dim: 384, bits, ...o });
    expect(recallOf(demo, await index.searchBatch(demo.queries, { k: 10 }), 10)).toBeGreaterThan(least);
    expect(index.stats().bytesPerVector).toBeLessThanOrEqual(48 * bits + 8);
  });
});

describe('fromCorpus', () => {
  const codecConfig = new CodecConfig({ bitWidth: 8, dimension: dim, residualEnabled: false });
  const codebook = Codebook.train(vectors, codecConfig, { method: 'lloyd-max' });

  it('searches the vectors of a corpus under their ids', async () => {
    const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
    corpus.insertBatch(Array.from({ length: rows }, (_, row) => [`id ${row}`, rowOf(vectors, row, dim)] as const));
    corpus.remove('id 3');
    using index = await SearchIndex.fromCorpus(corpus, { bits: 8, partitions: 1 });
    expect(index.toJSON()).toMatchObject({ dim, bits: 8, idType: 'string', size: rows - 1 });
    expect(index.ids().slice(0, 4)).toEqual(['id 0', 'id 1', 'id 2', 'id 4']);
    expect(index.has('id 3')).toBe(false);
    const truth = await corpus.search(query, 10);
    const hits = index.searchSync(query, { k: 10 });
    const names = new Set(hits.ids);
    expect(truth.filter(({ vectorId }) => names.has(vectorId)).length).toBeGreaterThan(7);
    expect(hits.scores[0]).toBeCloseTo(truth[0]?.score ?? 0, 1);
    corpus.close();
    expect(index.has('id 4')).toBe(true);
    await rejection(() => SearchIndex.fromCorpus(corpus), 'ERR_TQ_CLOSED');
  });

  it('takes an empty corpus, and refuses what is none', async () => {
    const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
    const index = await SearchIndex.fromCorpus(corpus);
    expect(index.toJSON()).toMatchObject({ dim, size: 0, idType: 'string' });
    await rejection(() => SearchIndex.fromCorpus({} as Corpus), 'ERR_TQ_INVALID_ARG');
    const unknown = { dim: 3 } as object;
    await rejection(() => SearchIndex.fromCorpus(corpus, unknown), 'ERR_TQ_INVALID_ARG', { option: 'dim' });
    const signal = AbortSignal.abort('no');
    await expect(SearchIndex.fromCorpus(corpus, { signal })).rejects.toBe('no');
  });
});

describe('asBackend', () => {
  it('is a store of vectors by text ids', async () => {
    const index = await SearchIndex.build(vectors, {
      dim,
      ids: Array.from({ length: rows }, (_, row) => `v${row}`),
    });
    const backend = index.asBackend();
    expect(await backend.count()).toBe(rows);
    const found = await backend.search(query, 3);
    expect(found).toEqual(Array.from(index.searchSync(query, { k: 3 }), ({ id, score }) => ({ vectorId: id, score })));
    // An id that is present is overwritten; of one that comes twice the last vector counts.
    const [other, last] = [rowOf(vectors, 9, dim), rowOf(vectors, 11, dim)];
    await backend.ingest([
      ['v0', other],
      ['new', query],
      ['new', last],
    ]);
    expect(await backend.count()).toBe(rows + 1);
    expect(scoreOf('cosine', index.reconstruct('v0'), other)).toBeGreaterThan(0.95);
    expect(scoreOf('cosine', index.reconstruct('new'), last)).toBeGreaterThan(0.95);
    expect(await backend.remove(['v1', 'v2', 'unknown'])).toBe(2);
    await backend.clear();
    expect(await backend.count()).toBe(0);
    expect(await backend.search(query, 3)).toEqual([]);
    await backend.ingest({ again: query });
    expect((await backend.search(query, 3)).map(({ vectorId }) => vectorId)).toEqual(['again']);
    await backend.close();
    await rejection(() => backend.count(), 'ERR_TQ_CLOSED');
    failure(() => index.size, 'ERR_TQ_CLOSED');
  });

  it('writes numbers and bigints as their digits', async () => {
    for (const idType of ['number', 'bigint'] as const) {
      const index = await (idType === 'number'
        ? SearchIndex.build([query, query], { dim })
        : SearchIndex.build([query, query], { dim, idType }));
      const backend = index.asBackend();
      await backend.ingest(new Map([['7', query]]));
      expect((await backend.search(query, 9)).map(({ vectorId }) => vectorId)).toEqual(['0', '1', '7']);
      expect(await backend.remove(['1', 'x', '-1', '1.5', '007', '99999999999999999999'])).toBe(1);
      for (const bad of ['x', '-1', '1.5', '07', '', '99999999999999999999']) {
        await rejection(() => backend.ingest({ [bad]: query }), 'ERR_TQ_INVALID_ARG', { row: 0 });
      }
      expect(await backend.count()).toBe(2);
      await backend.clear();
      expect(await backend.count()).toBe(0);
    }
  });

  it('changes nothing when it refuses', async () => {
    const index = await SearchIndex.build([query, query], { dim, ids: ['a', 'b'] });
    const backend = index.asBackend();
    const before = index.toBytes();
    await rejection(() => backend.ingest({ a: query.subarray(1) }), 'ERR_TQ_DIM_MISMATCH', { row: 0 });
    const broken = query.slice().fill(Number.NaN, 5, 6);
    await rejection(() => backend.ingest({ c: query, a: broken }), 'ERR_TQ_NON_FINITE', { row: 1, column: 5 });
    const dot = await SearchIndex.build([query, query], { dim, metric: 'dot', ids: ['a', 'b'] });
    const long = query.slice().fill(1e16, 5, 6);
    await rejection(() => dot.asBackend().ingest({ c: query, a: long }), 'ERR_TQ_LIMIT', { row: 1, column: 5 });
    expect(dot.ids()).toEqual(['a', 'b']);
    await rejection(() => backend.search(query, 0), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidTopK' });
    await rejection(() => backend.search(query.subarray(1), 1), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => backend.remove('a'), 'ERR_TQ_INVALID_ARG');
    await expect(backend.search(query, 1, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(index.toBytes()).toEqual(before);
  });
});
