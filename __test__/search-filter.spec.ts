import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Metric, SearchIndex } from '../index.js';
import { failure, rejection } from './helpers/failure.js';
import { bestRows, clustered, plain, rowOf } from './helpers/search.js';

const data = clustered(1000, 32, 10, 9);
const { dim, rows, vectors, queries } = data;
const query = rowOf(queries, 0, dim);

/** Bits of rows, lowest first. */
function bitmap(allowed: Iterable<number>, bytes: number = Math.ceil(rows / 8)): Uint8Array {
  const bits = new Uint8Array(bytes);
  for (const row of allowed) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7));
  return bits;
}

describe('a filter', () => {
  it.each(['cosine', 'dot', 'l2'] as Metric[])('leaves the best of those allowed, by %s', async (metric) => {
    const index = await SearchIndex.build(vectors, { dim, metric, originals: 'f32', partitions: 8 });
    for (const step of [1, 2, 7, 50, 333, 999]) {
      const allowed = Array.from({ length: rows }, (_, row) => row).filter((row) => row % step === 0);
      const expected = bestRows(data, query, 10, metric, (row) => row % step === 0);
      for (const filter of [allowed, new Set(allowed), Uint32Array.from(allowed), bitmap(allowed)]) {
        expect(index.searchSync(query, { k: 10, filter, exact: true }).ids).toEqual(expected);
        const usual = (await index.search(query, { k: 10, filter })).ids;
        expect(usual).toHaveLength(Math.min(10, allowed.length));
        expect(usual.every((id) => id % step === 0)).toBe(true);
        expect(usual.filter((id) => expected.includes(id)).length).toBeGreaterThanOrEqual(expected.length * 0.8);
      }
    }
  });

  it('gives exactly min(k, allowed) hits, whatever it allows', async () => {
    const index = await SearchIndex.build(vectors, { dim, bits: 1, partitions: 16 });
    await index.add(vectors.subarray(0, 20 * dim));
    index.remove(Array.from({ length: 100 }, (_, i) => i * 3));
    const live = new Set(index.ids());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1100), { maxLength: 80 }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        fc.constantFrom(0.01, 1, 20),
        async (ids, k, exact, effort) => {
          const allowed = new Set(ids.filter((id) => live.has(id)));
          for (const filter of [ids, bitmap(ids, 138)]) {
            const lists = [
              ...index.searchBatchSync(queries, { k, filter, exact, effort }),
              await index.search(query, { k, filter, exact, effort }),
            ];
            for (const hits of lists) {
              expect(hits).toHaveLength(Math.min(k, allowed.size));
              expect(new Set(hits.ids).size).toBe(hits.length);
              expect(hits.ids.every((id) => allowed.has(id))).toBe(true);
            }
          }
        },
      ),
      { numRuns: 80, seed: 5 },
    );
  });

  it('that allows nothing gives nothing', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    for (const filter of [[], new Set<number>(), new Uint8Array(), new Uint8Array(500), [5000, 6000]]) {
      expect(index.searchSync(query, { k: 3, filter })).toHaveLength(0);
      expect((await index.searchBatch(queries, { k: 3, filter })).map(({ length }) => length)).toEqual(
        Array.from({ length: 10 }, () => 0),
      );
    }
  });

  it('may be shorter or longer than the index, a view, or shared', async () => {
    const index = await SearchIndex.build(vectors, { dim, originals: 'f32' });
    const first = index.searchSync(query, { k: 20, filter: Uint8Array.of(0xff, 0x0f) });
    expect([...first.ids].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const all = index.searchSync(query, { k: 20 });
    const long = new Uint8Array(4096).fill(0xff);
    expect(plain([index.searchSync(query, { k: 20, filter: long })])).toEqual(plain([all]));
    const padded = new Uint8Array(300);
    padded.set(bitmap([3, 500]), 100);
    expect([...index.searchSync(query, { k: 9, filter: padded.subarray(100, 225) }).ids].sort()).toEqual([3, 500]);
    expect([...index.searchSync(query, { k: 9, filter: Buffer.from(bitmap([3, 500])) }).ids].sort()).toEqual([3, 500]);
    const shared = new Uint8Array(new SharedArrayBuffer(125));
    shared.set(bitmap([4]));
    expect(index.searchSync(query, { k: 9, filter: shared }).ids).toEqual([4]);
  });

  it('by row goes by the order of adding, also after removals', async () => {
    const index = await SearchIndex.build(vectors.subarray(0, 10 * dim), {
      dim,
      ids: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'],
    });
    index.remove(['b', 'c']);
    await index.add(vectors.subarray(0, 2 * dim), { ids: ['c', 'k'] });
    const names = (filter: Uint8Array): string[] => [...index.searchSync(query, { k: 99, filter }).ids].sort();
    expect(names(bitmap([0, 1, 2, 3], 2))).toEqual(['a', 'd']);
    expect(names(bitmap([10, 11], 2))).toEqual(['c', 'k']);
    expect(index.searchSync(query, { k: 99, filter: ['c', 'b', 'nobody', 'a'] }).ids.toSorted()).toEqual(['a', 'c']);
    const copy = SearchIndex.fromBytes<string>(index.toBytes());
    expect([...copy.searchSync(query, { k: 99, filter: bitmap([0, 1, 10], 2) }).ids].sort()).toEqual(['a', 'c']);
  });

  it('is of the kind of the ids', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    for (const bad of ['12', 5, null, true, {}, ['1'], [1.5], [1n], new DataView(new ArrayBuffer(8))]) {
      const filter = bad as unknown as number[];
      const error = failure(() => index.searchSync(query, { k: 1, filter }), 'ERR_TQ_INVALID_ARG');
      expect(error.message).toContain('filter');
      await rejection(() => index.searchBatch(queries, { k: 1, filter }), 'ERR_TQ_INVALID_ARG');
    }
    const bigints = await SearchIndex.build(vectors, { dim, idType: 'bigint' });
    expect(bigints.searchSync(query, { k: 5, filter: [7n, 8n] }).ids.toSorted()).toEqual(BigUint64Array.of(7n, 8n));
    expect(bigints.searchSync(query, { k: 5, filter: BigUint64Array.of(7n) }).ids).toEqual(BigUint64Array.of(7n));
    failure(() => bigints.searchSync(query, { k: 5, filter: [7] as never }), 'ERR_TQ_INVALID_ARG');
  });

  it('is read once, and what its iterator throws comes through', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    const thrown = new Error('mine');
    function* failing(): Generator<number> {
      yield 1;
      throw thrown;
    }
    expect(() => index.searchSync(query, { k: 1, filter: failing() })).toThrow(thrown);
    await expect(index.search(query, { k: 1, filter: failing() })).rejects.toBe(thrown);
    const ids = [5, 6].values();
    expect([...index.searchSync(query, { k: 9, filter: ids }).ids].sort()).toEqual([5, 6]);
    expect(index.searchSync(query, { k: 9, filter: ids })).toHaveLength(0);
  });
});
