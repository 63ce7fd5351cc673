import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IndexId, SearchIndex } from '../index.js';
import { failure, rejection } from './helpers/failure.js';
import { clustered, rowOf, scoreOf } from './helpers/search.js';

const { dim, vectors, queries } = clustered(300, 16, 5, 3);
const take = (count: number, from = 0): Float32Array => vectors.slice(from * dim, (from + count) * dim);
const query = rowOf(queries, 0, dim);
const U64_MAX = 2n ** 64n - 1n;

/** Every id that a search finds. */
const found = <Id extends IndexId>(index: SearchIndex<Id>): Id[] =>
  Array.from(index.searchSync(query, { k: 1000 }), ({ id }) => id);

describe('ids', () => {
  it('count up from 0 unless they are given', async () => {
    const index = await SearchIndex.build(take(5), { dim });
    expect(index.idType).toBe('number');
    expect(index.ids()).toEqual([0, 1, 2, 3, 4]);
    await index.add(take(2));
    index.addSync(take(1));
    expect(index.ids()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(index.remove([6, 7])).toBe(2);
    // Numbers are not used again.
    await index.add(take(2));
    expect(index.ids()).toEqual([0, 1, 2, 3, 4, 5, 8, 9]);
  });

  it('follow the largest so far where some are given', async () => {
    const index = new SearchIndex({ dim });
    await index.add(take(3), { ids: [10, 5, 7] });
    await index.add(take(2));
    expect(index.ids()).toEqual([10, 5, 7, 11, 12]);
    const bigints = new SearchIndex<bigint>({ dim, idType: 'bigint' });
    await bigints.add(take(2));
    await bigints.add(take(1), { ids: [2n ** 60n] });
    await bigints.add(take(1));
    expect([...bigints.ids()]).toEqual([0n, 1n, 2n ** 60n, 2n ** 60n + 1n]);
  });

  it('are of the kind of those that are given', async () => {
    const numbers = [9, 0, Number.MAX_SAFE_INTEGER, 3];
    const forms: [Iterable<number>, number[]][] = [
      [numbers, numbers],
      [Float64Array.from(numbers), numbers],
      [Uint32Array.of(4, 2, 0xffff_ffff, 0), [4, 2, 0xffff_ffff, 0]],
      [new Set(numbers), numbers],
      [numbers.values(), numbers],
    ];
    for (const [ids, expected] of forms) {
      const index = await SearchIndex.build(take(4), { dim, ids });
      expect([index.idType, index.ids()]).toEqual(['number', expected]);
      expect(found(index).sort()).toEqual([...expected].sort());
    }
    for (const ids of [[U64_MAX, 0n, 7n], BigUint64Array.of(U64_MAX, 0n, 7n)]) {
      const index = await SearchIndex.build(take(3), { dim, ids });
      expect(index.idType).toBe('bigint');
      expect(index.ids()).toEqual(BigUint64Array.of(U64_MAX, 0n, 7n));
      const hits = index.searchSync(query, { k: 3 });
      expect(hits.ids).toBeInstanceOf(BigUint64Array);
      expect([...hits].map(({ id }) => id)).toEqual([...hits.ids]);
      expect(JSON.parse(JSON.stringify(hits))[0].id).toBe(String(hits.ids[0]));
      expect(index.searchBatchSync(queries, { k: 2 })[1]?.ids).toBeInstanceOf(BigUint64Array);
    }
    const names = ['', 'a', '__proto__', 'ключ', '𝒳', 'x'.repeat(5000), '0', 'constructor'];
    const index = await SearchIndex.build(take(names.length), { dim, ids: names });
    expect([index.idType, index.ids()]).toEqual(['string', names]);
    expect(new Set(found(index))).toEqual(new Set(names));
    for (const name of names) expect(index.has(name)).toBe(true);
    const copy = SearchIndex.fromBytes<string>(index.toBytes());
    expect([copy.idType, copy.ids()]).toEqual(['string', names]);
  });

  it('lead to their vectors', async () => {
    const ids = Array.from({ length: 300 }, (_, row) => (row * 7919) % 100_003);
    const index = await SearchIndex.build(vectors, { dim, ids, originals: 'f32' });
    for (const [row, id] of ids.entries()) {
      if (row % 13 !== 0) continue;
      expect(index.reconstruct(id)).toEqual(rowOf(vectors, row, dim));
      expect(index.searchSync(rowOf(vectors, row, dim), { k: 1 }).ids).toEqual([id]);
    }
    expect(index.has(100_003)).toBe(false);
    failure(() => index.reconstruct(100_003), 'ERR_TQ_ID_NOT_FOUND', { id: '100003' });
  });

  it('are free again once their vectors are removed', async () => {
    const index = await SearchIndex.build(take(4), { dim, ids: ['a', 'b', 'c', 'd'], originals: 'f32' });
    expect(index.remove(['b', 'x', 'b'])).toBe(1);
    expect(index.remove(['b'])).toBe(0);
    expect([index.size, index.has('b'), index.ids()]).toEqual([3, false, ['a', 'c', 'd']]);
    failure(() => index.reconstruct('b'), 'ERR_TQ_ID_NOT_FOUND');
    expect(found(index).sort()).toEqual(['a', 'c', 'd']);
    await index.add(take(1, 9), { ids: ['b'] });
    expect(index.ids()).toEqual(['a', 'c', 'd', 'b']);
    expect(index.reconstruct('b')).toEqual(take(1, 9));
    expect(found(index).sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(index.remove(new Set(['a', 'b', 'c', 'd']))).toBe(4);
    expect([index.size, found(index)]).toEqual([0, []]);
  });

  it('are refused when they are taken, all of a call with them', async () => {
    await rejection(() => SearchIndex.build(take(3), { dim, ids: [1, 2, 1] }), 'ERR_TQ_ID_EXISTS', { row: 2, id: '1' });
    const index = await SearchIndex.build(take(3), { dim, ids: ['a', 'b', 'c'] });
    const before = index.toBytes();
    await rejection(() => index.add(take(2), { ids: ['d', 'b'] }), 'ERR_TQ_ID_EXISTS', { row: 1 });
    await rejection(() => index.add(take(2), { ids: ['d', 'd'] }), 'ERR_TQ_ID_EXISTS', { row: 1 });
    failure(() => index.addSync(take(1), { ids: ['a'] }), 'ERR_TQ_ID_EXISTS', { row: 0 });
    expect(index.has('d')).toBe(false);
    expect(index.toBytes()).toEqual(before);
    const numbers = await SearchIndex.build(take(2), { dim });
    await rejection(() => numbers.add(take(1), { ids: [1] }), 'ERR_TQ_ID_EXISTS', { row: 0 });
  });

  it('are refused outside the range of their kind', async () => {
    const index = await SearchIndex.build(take(2), { dim });
    for (const bad of [-1, 2 ** 53, -0.5 * 2 ** 54, 1e300]) {
      const error = await rejection(() => index.add(take(1), { ids: [bad] }), 'ERR_TQ_ID_RANGE');
      expect(error.message).toContain('ids[0]');
      failure(() => index.has(bad), 'ERR_TQ_ID_RANGE');
      failure(() => index.remove([0, bad]), 'ERR_TQ_ID_RANGE');
      failure(() => index.reconstruct(bad), 'ERR_TQ_ID_RANGE');
      failure(() => index.searchSync(query, { k: 1, filter: [bad] }), 'ERR_TQ_ID_RANGE');
    }
    expect(index.size).toBe(2);
    const bigints = await SearchIndex.build(take(1), { dim, ids: [5n] });
    for (const bad of [-1n, 2n ** 64n]) {
      await rejection(() => bigints.add(take(1), { ids: [bad] }), 'ERR_TQ_ID_RANGE');
      failure(() => bigints.has(bad), 'ERR_TQ_ID_RANGE');
    }
    // After the largest id there are no others to count on to.
    await index.add(take(1), { ids: [Number.MAX_SAFE_INTEGER] });
    await rejection(() => index.add(take(1)), 'ERR_TQ_ID_RANGE');
    await index.add(take(1), { ids: [17] });
    await bigints.add(take(1), { ids: [U64_MAX] });
    await rejection(() => bigints.add(take(1)), 'ERR_TQ_ID_RANGE');
    expect([index.size, bigints.size]).toEqual([4, 2]);
  });

  it('are refused when they are of another kind or number', async () => {
    const index = await SearchIndex.build(take(2), { dim });
    const named = await SearchIndex.build(take(2), { dim, ids: ['a', 'b'] });
    const bigints = await SearchIndex.build(take(2), { dim, idType: 'bigint' });
    const wrong: [SearchIndex<IndexId>, unknown[]][] = [
      [index as SearchIndex<IndexId>, ['x', 5n, 1.5, Number.NaN, Number.POSITIVE_INFINITY, null, undefined, {}, true]],
      [named as SearchIndex<IndexId>, [5, 5n, null, {}, '\ud800']],
      [bigints as unknown as SearchIndex<IndexId>, [5, '5', null]],
    ];
    for (const [each, ids] of wrong) {
      for (const id of ids) {
        const bad = id as IndexId;
        await rejection(() => each.add(take(1), { ids: [bad] }), 'ERR_TQ_INVALID_ARG');
        failure(() => each.addSync(take(1), { ids: [bad] }), 'ERR_TQ_INVALID_ARG');
        failure(() => each.has(bad), 'ERR_TQ_INVALID_ARG');
        failure(() => each.reconstruct(bad), 'ERR_TQ_INVALID_ARG');
        failure(() => each.remove([bad]), 'ERR_TQ_INVALID_ARG');
      }
      expect(each.size).toBe(2);
    }
    for (const ids of [[1], [1, 2, 3], [], new Uint32Array(1)]) {
      await rejection(() => SearchIndex.build(take(2), { dim, ids }), 'ERR_TQ_INVALID_ARG', { rows: 2 });
      await rejection(() => index.add(take(2), { ids }), 'ERR_TQ_INVALID_ARG', { rows: 2 });
    }
    const mixed = [1, 'b'] as unknown as number[];
    await rejection(() => SearchIndex.build(take(2), { dim, ids: mixed }), 'ERR_TQ_INVALID_ARG');
    const kinds = { dim, idType: 'string', ids: [1, 2] } as unknown as { dim: number; ids: number[] };
    await rejection(() => SearchIndex.build(take(2), kinds), 'ERR_TQ_INVALID_ARG');
    await rejection(() => SearchIndex.build(take(2), { dim, idType: 'string' }), 'ERR_TQ_INVALID_ARG', {
      argument: 'ids',
    });
    await rejection(() => named.add(take(1)), 'ERR_TQ_INVALID_ARG', { argument: 'ids' });
    for (const bad of ['ab', 5, null, {}, true]) {
      const ids = bad as unknown as string[];
      await rejection(() => named.add(take(2), { ids }), 'ERR_TQ_INVALID_ARG', { argument: 'ids' });
      failure(() => named.remove(ids), 'ERR_TQ_INVALID_ARG', { argument: 'ids' });
    }
  });

  it('agree with a map through any changes', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), ids: fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 6 }) }),
      fc.record({ kind: fc.constant('remove' as const), ids: fc.array(fc.nat(40), { maxLength: 6 }) }),
      fc.record({ kind: fc.constant('copy' as const), ids: fc.constant([]) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.constantFrom('number', 'string'), async (steps, type) => {
        const name = (id: number): IndexId => (type === 'number' ? id : `n${id}`);
        const o = type === 'number' ? { dim, originals: 'f32' } : { dim, originals: 'f32', idType: 'string' };
        let index = new SearchIndex(o as { dim: number }) as unknown as SearchIndex<IndexId>;
        const model = new Map<IndexId, Float32Array>();
        let row = 0;
        for (const { kind, ids } of steps) {
          const names = ids.map(name);
          if (kind === 'copy') index = SearchIndex.fromBytes<IndexId>(index.toBytes());
          else if (kind === 'remove') {
            const there = new Set(names.filter((id) => model.delete(id)));
            expect(index.remove(names)).toBe(there.size);
          } else if (names.some((id) => model.has(id))) {
            failure(() => index.addSync(take(names.length, row), { ids: names }), 'ERR_TQ_ID_EXISTS');
          } else {
            await index.add(take(names.length, row), { ids: names });
            for (const [i, id] of names.entries()) model.set(id, take(1, row + i));
            row += names.length;
          }
        }
        expect(index.size).toBe(model.size);
        expect(index.ids()).toEqual([...model.keys()]);
        for (let id = 0; id <= 40; id++) {
          const vector = model.get(name(id));
          expect(index.has(name(id))).toBe(vector !== undefined);
          if (vector !== undefined) expect(index.reconstruct(name(id))).toEqual(vector);
        }
        const hits = index.searchSync(query, { k: 100, exact: true });
        expect(new Set<IndexId>(hits.ids as Iterable<IndexId>)).toEqual(new Set(model.keys()));
        for (const { id, score } of hits) {
          expect(score).toBeCloseTo(scoreOf('cosine', query, model.get(id) ?? []), 4);
        }
      }),
      { numRuns: 60, seed: 7 },
    );
  });
});
