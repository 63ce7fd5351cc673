import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VectorBackend } from '../index.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { clustered, rowOf, scoreOf } from './helpers/search.js';

/** A kind of backend under test. */
export interface Candidate {
  /** An empty backend for vectors of a dimension, by cosine. */
  readonly make: (dimension: number) => Promise<VectorBackend>;
  /** How far a score may be from that of the vectors as they were given. */
  readonly tolerance: number;
  /** Share of the true best ten that is found. */
  readonly recall: number;
  /** Ids of texts, unless they must be decimal digits. */
  readonly digits?: boolean;
}

const DIM = 16;
const ROWS = 400;

/**
 * What every {@link VectorBackend} holds to. A new kind is one more call:
 * `describeBackend('name', { make, tolerance, recall })`.
 */
export function describeBackend(name: string, { make, tolerance, recall, digits = false }: Candidate): void {
  const data = clustered(ROWS, DIM, 10, 5);
  const vector = (row: number): Float32Array => rowOf(data.vectors, row, DIM);
  const query = (row: number): Float32Array => rowOf(data.queries, row, DIM);
  const idOf = (row: number): string => (digits ? String(row + 1) : `row ${row}`);
  const items = (from: number, end: number): [string, Float32Array][] =>
    Array.from({ length: end - from }, (_, i) => [idOf(from + i), vector(from + i)]);
  /** Rows of the true order of a query. */
  const order = (q: Float32Array, rows = ROWS): { id: string; score: number }[] =>
    Array.from({ length: rows }, (_, row) => ({ id: idOf(row), score: scoreOf('cosine', q, vector(row)) })).sort(
      (a, b) => b.score - a.score,
    );
  const idsOf = (hits: readonly { vectorId: string }[]): string[] => hits.map(({ vectorId }) => vectorId);

  describe(`${name} as a VectorBackend`, () => {
    let backend: VectorBackend;

    beforeAll(async () => {
      backend = await make(DIM);
    });
    beforeEach(async () => {
      await backend.clear();
    });
    afterAll(async () => {
      await backend.close();
    });

    it('is empty at first', async () => {
      expect(await backend.count()).toBe(0);
      expect(await backend.search(query(0), 5)).toEqual([]);
      expect(await backend.remove([idOf(0)])).toBe(0);
    });

    it('takes a Map, an object and an iterable, and nothing at all', async () => {
      await backend.ingest(new Map(items(0, 3)));
      await backend.ingest(Object.fromEntries(items(3, 5)));
      await backend.ingest(items(5, 6).map(([id, values]) => [id, Array.from(values), { from: 'a list' }] as const));
      await backend.ingest([]);
      expect(await backend.count()).toBe(6);
      for (let row = 0; row < 6; row++) expect(idsOf(await backend.search(vector(row), 1))).toEqual([idOf(row)]);
    });

    it('finds the best first, with the score of the cosine', async () => {
      await backend.ingest(items(0, ROWS));
      let found = 0;
      for (let q = 0; q < 10; q++) {
        const expected = order(query(q));
        const scores = new Map(expected.map(({ id, score }) => [id, score]));
        const hits = await backend.search(query(q), 10);
        expect(hits).toHaveLength(10);
        expect(new Set(idsOf(hits)).size).toBe(10);
        const best = new Set(expected.slice(0, 10).map(({ id }) => id));
        for (const [i, { vectorId, score }] of hits.entries()) {
          expect(Math.abs(score - (scores.get(vectorId) ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
          expect(score).toBeLessThanOrEqual(hits[i - 1]?.score ?? Number.POSITIVE_INFINITY);
          if (best.has(vectorId)) found++;
        }
      }
      expect(found / 100).toBeGreaterThanOrEqual(recall);
    });

    it('gives exactly as many hits as asked for, or all', async () => {
      await backend.ingest(items(0, ROWS));
      for (const topK of [1, 2, 99, ROWS]) expect(await backend.search(query(1), topK)).toHaveLength(topK);
      for (const topK of [ROWS + 1, 100_000, Number.MAX_SAFE_INTEGER]) {
        const all = idsOf(await backend.search(query(1), topK));
        expect(all.toSorted()).toEqual(
          items(0, ROWS)
            .map(([id]) => id)
            .toSorted(),
        );
      }
    });

    it('overwrites an id that is present, and takes the last of equal ids', async () => {
      await backend.ingest(items(0, 20));
      await backend.ingest([[idOf(3), vector(30)]]);
      expect(await backend.count()).toBe(20);
      const [best] = await backend.search(vector(30), 1);
      expect(best?.vectorId).toBe(idOf(3));
      expect(best?.score).toBeGreaterThan(1 - tolerance - 1e-6);
      await backend.ingest([
        [idOf(50), vector(50)],
        [idOf(51), vector(51)],
        [idOf(50), vector(60)],
      ]);
      expect(await backend.count()).toBe(22);
      expect(idsOf(await backend.search(vector(60), 1))).toEqual([idOf(50)]);
    });

    it('copies what it is given before the call returns', async () => {
      const values = vector(7);
      const writing = backend.ingest([...items(0, 7), [idOf(7), values], ...items(8, 20)]);
      values.fill(0);
      await writing;
      expect(idsOf(await backend.search(vector(7), 1))).toEqual([idOf(7)]);
      const asked = vector(9);
      const searching = backend.search(asked, 1);
      asked.fill(0);
      expect(idsOf(await searching)).toEqual([idOf(9)]);
    });

    it('removes what is there and ignores the rest', async () => {
      await backend.ingest(items(0, 30));
      expect(await backend.remove(new Set([idOf(4), idOf(5), idOf(399)]))).toBe(2);
      expect(await backend.remove([idOf(4), idOf(6), idOf(6)])).toBe(1);
      expect(await backend.remove([])).toBe(0);
      expect(await backend.count()).toBe(27);
      expect(idsOf(await backend.search(vector(4), 30))).not.toContain(idOf(4));
      await backend.ingest(items(4, 5));
      expect(idsOf(await backend.search(vector(4), 1))).toEqual([idOf(4)]);
    });

    it('clears, and is as new', async () => {
      await backend.ingest(items(0, 30));
      await backend.clear();
      expect(await backend.count()).toBe(0);
      expect(await backend.search(query(0), 3)).toEqual([]);
      await backend.ingest(items(10, 12));
      expect(idsOf(await backend.search(vector(11), 1))).toEqual([idOf(11)]);
    });

    const anyText = async (): Promise<void> => {
      const ids = [
        "o'brien",
        '"; drop table x; --',
        'a\\b',
        '%_',
        '日本語 🚀',
        ' ',
        '{1,2}',
        'NULL',
        'x'.repeat(300),
        '\n\t',
      ];
      await backend.ingest(ids.map((id, row) => [id, vector(row)] as const));
      for (const [row, id] of ids.entries()) expect(idsOf(await backend.search(vector(row), 1))).toEqual([id]);
      expect(await backend.remove(ids)).toBe(ids.length);
      expect(await backend.count()).toBe(0);
    };
    if (!digits) it('takes any text for an id', anyText);

    it('takes all of a batch or none of it', async () => {
      await backend.ingest(items(0, 5));
      const bad = vector(6);
      bad[3] = Number.NaN;
      const short = vector(6).slice(1);
      await rejection(() => backend.ingest([...items(5, 6), [idOf(6), bad]]), 'ERR_TQ_NON_FINITE', {
        row: 1,
        column: 3,
      });
      await rejection(() => backend.ingest([...items(5, 6), [idOf(6), short]]), 'ERR_TQ_DIM_MISMATCH', {
        ...{ row: 1, expected: DIM, got: DIM - 1 },
      });
      const throwing = function* (): Generator<[string, Float32Array]> {
        yield* items(5, 9);
        throw new RangeError('from the caller');
      };
      expect(await reasonOf(backend.ingest(throwing()))).toBeInstanceOf(RangeError);
      for (const wrong of [undefined, null, 5, 'text', new Float32Array(DIM), [[idOf(5)]], [[5, vector(5)]]]) {
        await rejection(() => backend.ingest(wrong as never), 'ERR_TQ_INVALID_ARG');
      }
      expect(await backend.count()).toBe(5);
      expect(idsOf(await backend.search(vector(5), 9)).toSorted()).toEqual(
        items(0, 5)
          .map(([id]) => id)
          .toSorted(),
      );
    });

    it('refuses what is no search and no list of ids', async () => {
      await backend.ingest(items(0, 5));
      for (const topK of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined]) {
        await rejection(() => backend.search(query(0), topK as number), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidTopK' });
      }
      await rejection(() => backend.search(query(0).slice(2), 1), 'ERR_TQ_DIM_MISMATCH', {
        expected: DIM,
        got: DIM - 2,
      });
      const infinite = query(0);
      infinite[2] = Number.NEGATIVE_INFINITY;
      await rejection(() => backend.search(infinite, 1), 'ERR_TQ_NON_FINITE', { column: 2 });
      await rejection(() => backend.search(new Float64Array(DIM) as never, 1), 'ERR_TQ_INVALID_ARG');
      await rejection(() => backend.search(query(0), 1, { signals: 1 } as never), 'ERR_TQ_INVALID_ARG');
      await rejection(() => backend.search(query(0), 1, { signal: 'no' } as never), 'ERR_TQ_INVALID_ARG');
      for (const ids of ['ab', undefined, 5, [5], [undefined]]) {
        await rejection(() => backend.remove(ids as never), 'ERR_TQ_INVALID_ARG');
      }
    });

    it('ends an aborted search with the reason, and goes on', async () => {
      await backend.ingest(items(0, 50));
      const reason = new Error('enough');
      expect(await reasonOf(backend.search(query(0), 3, { signal: AbortSignal.abort(reason) }))).toBe(reason);
      const live = new AbortController();
      expect(await backend.search(query(0), 3, { signal: live.signal })).toHaveLength(3);
    });

    it('searches beside writes, and sees all of a batch or none of it', async () => {
      await backend.ingest(items(0, 100));
      const writing = backend.ingest(items(100, 300));
      const sizes = await Promise.all(Array.from({ length: 5 }, () => backend.search(query(2), 1000)));
      for (const { length } of sizes) expect([100, 300]).toContain(length);
      await writing;
      expect(await backend.search(query(2), 1000)).toHaveLength(300);
    });

    it('ends every call after close, which can be called again', async () => {
      const other = await make(DIM);
      await other.close();
      await other.close();
      await rejection(() => other.ingest(items(0, 1)), 'ERR_TQ_CLOSED');
      await rejection(() => other.search(query(0), 1), 'ERR_TQ_CLOSED');
      await rejection(() => other.remove([idOf(0)]), 'ERR_TQ_CLOSED');
      await rejection(() => other.count(), 'ERR_TQ_CLOSED');
      await rejection(() => other.clear(), 'ERR_TQ_CLOSED');
    });
  });
}
