import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Codebook, CodecConfig, CompressionPolicy, Corpus, type Hits, SearchIndex } from '../index.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';
import { clustered, rowOf } from './helpers/search.js';

const { dim, rows, vectors, queries } = clustered(1500, 192, 6, 3);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-'));
const path = join(folder, 'fit.tqi');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A value where the types allow another. */
const odd = <T>(value: unknown): T => value as T;

const part = (from: number, to: number): Float32Array => vectors.slice(from * dim, to * dim);
const idsOf = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

let fit: SearchIndex;
let bytes: Uint8Array;
beforeAll(async () => {
  fit = new SearchIndex({ dim, bits: 3 });
  await fit.fit(part(0, 900));
  expect(fit.fitted).toBe(true);
  await fit.save(path);
  bytes = fit.toBytes();
});

/** The best hits of several lists, by score and then by id. */
function merged(lists: readonly Hits[], k: number): { id: number; score: number }[] {
  const hits = lists.flatMap((list) => [...list]);
  return hits.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);
}

describe('SearchIndex.build with like', () => {
  it.each([1, 2, 5])('gives %i shards the hits of one index', async (shards) => {
    const whole = await SearchIndex.build(vectors, { dim, like: path });
    expect(whole.toJSON()).toMatchObject({ bits: 3, metric: 'cosine', fitted: true, size: rows });
    const size = rows / shards;
    const parts = await Promise.all(
      Array.from({ length: shards }, (_, i) =>
        SearchIndex.build(part(i * size, (i + 1) * size), { dim, like: fit, ids: idsOf(i * size, (i + 1) * size) }),
      ),
    );
    for (let query = 0; query < 6; query++) {
      const values = rowOf(queries, query, dim);
      const lists = parts.map((shard) => shard.searchSync(values, { k: 20, exact: true }));
      expect(merged(lists, 20)).toEqual([...whole.searchSync(values, { k: 20, exact: true })]);
    }
  });

  it('takes an index, a path or a URL, of any index with such a fit', async () => {
    const full = await SearchIndex.build(part(300, 900), { dim, like: fit, partitions: 7 });
    expect(full.stats().partitions).toBe(7);
    const expected = (await SearchIndex.build(vectors, { dim, like: fit })).toBytes();
    for (const like of [path, pathToFileURL(path), full, SearchIndex.fromBytes(full.toBytes())]) {
      expect((await SearchIndex.build(vectors, { dim, like })).toBytes()).toEqual(expected);
    }
    // The other index and its file stay as they are.
    expect(fit.toBytes()).toEqual(bytes);
    expect(readFileSync(path)).toEqual(Buffer.from(bytes));
    expect(full.size).toBe(600);
  });

  it('fits few rows, and none', async () => {
    const few = await SearchIndex.build(part(0, 3), { dim, like: fit, ids: ['a', 'b', 'c'] });
    expect(few.toJSON()).toMatchObject({ fitted: true, size: 3, idType: 'string' });
    expect(few.searchSync(rowOf(vectors, 1, dim), { k: 1 }).ids).toEqual(['b']);
    expect((await SearchIndex.build([], { dim, like: fit })).toJSON()).toMatchObject({ fitted: true, size: 0 });
  });

  it('keeps originals of its own, and takes settings that agree', async () => {
    const o = { dim, like: fit, bits: 3, metric: 'cosine', seed: 42, originals: 'f32' } as const;
    const index = await SearchIndex.build(vectors, o);
    expect(index.reconstruct(5)).toEqual(rowOf(vectors, 5, dim));
  });

  it('copies the vectors before the file is opened', async () => {
    const own = vectors.slice();
    const building = SearchIndex.build(own, { dim, like: path });
    own.fill(0);
    const expected = await SearchIndex.build(vectors, { dim, like: fit });
    expect((await building).toBytes()).toEqual(expected.toBytes());
  });

  it('works for a corpus', async () => {
    const config = new CodecConfig({ bitWidth: 8, dimension: dim });
    const corpus = new Corpus({
      corpusId: 'c',
      codecConfig: config,
      codebook: Codebook.train(vectors, config),
      compressionPolicy: CompressionPolicy.COMPRESS,
    });
    corpus.insertBatch(new Map(Array.from({ length: 40 }, (_, row) => [`id ${row}`, rowOf(vectors, row, dim)])));
    const index = await SearchIndex.fromCorpus(corpus, { like: path });
    expect(index.toJSON()).toMatchObject({ fitted: true, size: 40, bits: 3 });
    const hits = await index.search(rowOf(vectors, 7, dim), { k: 1 });
    expect(hits.ids).toEqual(['id 7']);
    await rejection(() => SearchIndex.fromCorpus(corpus, { like: path, bits: 4 }), 'ERR_TQ_CONFIG_MISMATCH');
  });
});

describe('like is refused', () => {
  it.each([
    ['a number', 5],
    ['null', null],
    ['an object', {}],
    ['an empty path', ''],
    ['a list', [path]],
    ['a web address', new URL('https://example.org/x.tqi')],
  ])('that is %s', async (_, like) => {
    await rejection(() => SearchIndex.build(vectors, odd({ dim, like })), 'ERR_TQ_INVALID_ARG');
  });

  it('beside fit', async () => {
    for (const value of [true, false]) {
      const error = await rejection(
        () => SearchIndex.build(vectors, { dim, like: fit, fit: value }),
        'ERR_TQ_INVALID_ARG',
      );
      expect(error.message).toContain('left out');
    }
  });

  it.each([
    ['another dim', 'ERR_TQ_DIM_MISMATCH', { dim: 64 }, { expected: dim, got: 64 }],
    ['other bits', 'ERR_TQ_CONFIG_MISMATCH', { bits: 4 }, { argument: 'bits', expected: '3', got: '4' }],
    ['another metric', 'ERR_TQ_CONFIG_MISMATCH', { metric: 'l2' }, { expected: 'cosine', got: 'l2' }],
    ['another seed', 'ERR_TQ_CONFIG_MISMATCH', { seed: 7n }, { expected: '42', got: '7' }],
  ] as const)('with %s', async (_, code, o, details) => {
    for (const like of [fit, path]) {
      await rejection(() => SearchIndex.build([], odd({ dim, like, ...o })), code, details);
    }
  });

  it('that is closed, absent or no index file', async () => {
    const closed = new SearchIndex({ dim });
    closed.close();
    await rejection(() => SearchIndex.build(vectors, { dim, like: closed }), 'ERR_TQ_CLOSED');
    await rejection(() => SearchIndex.build(vectors, { dim, like: join(folder, 'absent') }), 'ERR_TQ_IO');
    const broken = join(folder, 'broken.tqi');
    writeFileSync(broken, bytes.subarray(0, 300));
    await rejection(() => SearchIndex.build(vectors, { dim, like: broken }), 'ERR_TQ_TRUNCATED');
    writeFileSync(broken, 'no index at all, but some text that is long enough to be looked at');
    await rejection(() => SearchIndex.build(vectors, { dim, like: broken }), 'ERR_TQ_FORMAT');
  });

  it('by a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    expect(await reasonOf(SearchIndex.build(vectors, { dim, like: path, signal }))).toBe(signal.reason);
  });

  it('by the constructor, which has nothing to code', () => {
    failure(() => new SearchIndex(odd<{ dim: number }>({ dim, like: fit })), 'ERR_TQ_INVALID_ARG', { option: 'like' });
  });
});
