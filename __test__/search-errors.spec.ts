import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Progress, SearchIndex } from '../index.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';
import { clustered, plain, rowOf } from './helpers/search.js';

const { dim, rows, vectors, queries } = clustered(2000, 64, 4, 8);
const query = rowOf(queries, 0, dim);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A value where the types allow another. */
const odd = <T>(value: unknown): T => value as T;

/** `count` rows with a value of its own at one place. */
function spoiled(count: number, row: number, column: number, value: number): Float32Array {
  const copy = vectors.slice(0, count * dim);
  copy[row * dim + column] = value;
  return copy;
}

let index: SearchIndex;
let before: Uint8Array;
beforeAll(async () => {
  index = await SearchIndex.build(vectors, { dim });
  before = index.toBytes();
});

describe('an option', () => {
  it.each([
    ['nothing', undefined],
    ['no object', 5],
    ['null', null],
    ['no dim', {}],
    ['a dim of 0', { dim: 0 }],
    ['a dim of 1', { dim: 1 }],
    ['a dim of 1.5', { dim: 1.5 }],
    ['a dim beyond 16384', { dim: 16_385 }],
    ['a dim of text', { dim: '64' }],
    ['5 bits', { dim, bits: 5 }],
    ['bits of text', { dim, bits: '4' }],
    ['an unknown metric', { dim, metric: 'l1' }],
    ['a negative seed', { dim, seed: -1 }],
    ['a seed of 2^64', { dim, seed: 2n ** 64n }],
    ['unknown originals', { dim, originals: 'f64' }],
    ['an unknown kind of ids', { dim, idType: 'uuid' }],
    ['an unknown option', { dim, bitWidth: 4 }],
  ])('is refused: %s', async (_, o) => {
    failure(() => new SearchIndex(odd<{ dim: number }>(o)), 'ERR_TQ_INVALID_ARG');
    await rejection(() => SearchIndex.build([], odd(o)), 'ERR_TQ_INVALID_ARG');
  });

  it.each([
    ['fit', { fit: 1 }],
    ['partitions of 0', { partitions: 0 }],
    ['partitions of 1.5', { partitions: 1.5 }],
    ['partitions of text', { partitions: 'many' }],
    ['too many partitions', { partitions: 65_537 }],
    ['a signal', { signal: {} }],
    ['a callback', { onProgress: true }],
    ['an unknown option', { transfer: true }],
  ])('of build is refused: %s', async (_, o) => {
    await rejection(() => SearchIndex.build(vectors, odd({ dim, ...o })), 'ERR_TQ_INVALID_ARG');
  });

  it.each([
    ['nothing', undefined],
    ['no k', {}],
    ['a number', 10],
    ['a k of 0', { k: 0 }],
    ['a negative k', { k: -1 }],
    ['a k of 1.5', { k: 1.5 }],
    ['a k of NaN', { k: Number.NaN }],
    ['a k beyond the safe integers', { k: 2 ** 53 }],
    ['an infinite k', { k: Number.POSITIVE_INFINITY }],
    ['a k of text', { k: '5' }],
    ['a bigint k', { k: 5n }],
    ['an effort of 0', { k: 1, effort: 0 }],
    ['a negative effort', { k: 1, effort: -1 }],
    ['an infinite effort', { k: 1, effort: Number.POSITIVE_INFINITY }],
    ['an effort of NaN', { k: 1, effort: Number.NaN }],
    ['an effort of text', { k: 1, effort: '1' }],
    ['exact', { k: 1, exact: 1 }],
    ['rescore', { k: 1, rescore: 'yes' }],
    ['a filter', { k: 1, filter: 'abc' }],
    ['a signal', { k: 1, signal: 'x' }],
    ['topK', { topK: 5 }],
  ])('of a search is refused: %s', async (_, o) => {
    failure(() => index.searchSync(query, odd(o)), 'ERR_TQ_INVALID_ARG');
    failure(() => index.searchBatchSync(queries, odd(o)), 'ERR_TQ_INVALID_ARG');
    await rejection(() => index.search(query, odd(o)), 'ERR_TQ_INVALID_ARG');
    await rejection(() => index.searchBatch(queries, odd(o)), 'ERR_TQ_INVALID_ARG');
  });

  it('that is misspelt is named with the right one', async () => {
    const error = failure(() => index.searchSync(query, odd({ k: 1, efort: 2 })), 'ERR_TQ_INVALID_ARG', {
      option: 'efort',
      suggestion: 'effort',
    });
    expect(error.message).toContain("did you mean 'effort'?");
    failure(() => index.searchSync(query, odd({ k: 1, signal: new AbortController().signal })), 'ERR_TQ_INVALID_ARG');
    failure(() => index.addSync(vectors, odd({ onProgress() {} })), 'ERR_TQ_INVALID_ARG');
    await rejection(() => index.save(join(folder, 'x'), odd({ append: true })), 'ERR_TQ_INVALID_ARG');
    await rejection(() => SearchIndex.open(join(folder, 'x'), odd({ map: true })), 'ERR_TQ_INVALID_ARG');
  });
});

describe('vectors', () => {
  const calls: [string, (rows: Float32Array) => Promise<unknown>][] = [
    ['build', (given) => SearchIndex.build(given, { dim })],
    ['build without fitting', (given) => SearchIndex.build(given, { dim, fit: false, originals: 'f16' })],
    ['fit', (given) => new SearchIndex({ dim }).fit(given)],
    ['add', (given) => index.add(given)],
    ['addSync', async (given) => index.addSync(given)],
    ['searchBatch', (given) => index.searchBatch(given, { k: 1 })],
    ['searchBatchSync', async (given) => index.searchBatchSync(given, { k: 1 })],
  ];

  it.each(calls)('with a value that is no number are refused by %s, with row and column', async (_, call) => {
    for (const [value, name] of [
      [Number.NaN, 'NaN'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      [Number.NEGATIVE_INFINITY, '-Infinity'],
    ] as const) {
      const error = await rejection(() => call(spoiled(300, 277, 33, value)), 'ERR_TQ_NON_FINITE', {
        row: 277,
        column: 33,
        value: name,
      });
      expect(error.message).toMatch(/row 277, column 33/);
    }
    expect(index.toBytes()).toEqual(before);
  });

  it.each(calls)('of another length are refused by %s', async (_, call) => {
    await rejection(() => call(vectors.subarray(0, 2 * dim + 1)), 'ERR_TQ_DIM_MISMATCH', { expected: dim, row: 2 });
    const ragged = [query, query.subarray(1)];
    await rejection(() => call(odd(ragged)), 'ERR_TQ_DIM_MISMATCH', { expected: dim, got: dim - 1, row: 1 });
    for (const bad of [undefined, null, 'abc', 5, {}, new Float64Array(dim), new ArrayBuffer(8), [['1', '2']], [5]]) {
      const error = await reasonOf(call(odd(bad)));
      expect((error as { code: string }).code).toMatch(/^ERR_TQ_(INVALID_ARG|DIM_MISMATCH)$/);
    }
    await rejection(() => call(odd(new Float64Array(dim))), 'ERR_TQ_INVALID_ARG');
    const detached = query.slice();
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await rejection(() => call(detached), 'ERR_TQ_INVALID_ARG');
    expect(index.toBytes()).toEqual(before);
  });

  it('of a search must be one', async () => {
    for (const bad of [query.subarray(1), vectors, [], new Float32Array()]) {
      failure(() => index.searchSync(bad, { k: 1 }), 'ERR_TQ_DIM_MISMATCH', { expected: dim, got: bad.length });
      await rejection(() => index.search(bad, { k: 1 }), 'ERR_TQ_DIM_MISMATCH');
    }
    for (const bad of [undefined, null, 'abc', new Float64Array(dim), ['1'], {}]) {
      failure(() => index.searchSync(odd(bad), { k: 1 }), 'ERR_TQ_INVALID_ARG');
      await rejection(() => index.search(odd(bad), { k: 1 }), 'ERR_TQ_INVALID_ARG');
    }
    const nan = query.slice().fill(Number.NaN, 7, 8);
    failure(() => index.searchSync(nan, { k: 1 }), 'ERR_TQ_NON_FINITE', { row: 0, column: 7 });
    await rejection(() => index.search(nan, { k: 1 }), 'ERR_TQ_NON_FINITE', { row: 0, column: 7 });
  });

  it('that change nothing when they are refused leave the rest as it was', async () => {
    const own = await SearchIndex.build(vectors.subarray(0, 100 * dim), { dim, originals: 'f32' });
    const bytes = own.toBytes();
    await rejection(() => own.add(spoiled(700, 699, 0, Number.NaN)), 'ERR_TQ_NON_FINITE');
    await rejection(
      () => own.add(vectors, { ids: Array.from({ length: rows }, (_, row) => rows - row) }),
      'ERR_TQ_ID_EXISTS',
    );
    failure(() => own.addSync(vectors, { ids: [1] }), 'ERR_TQ_INVALID_ARG');
    expect(own.toBytes()).toEqual(bytes);
    expect(own.stats().rows).toBe(100);
    own.addSync([query]);
    expect(own.ids().at(-1)).toBe(100);
  });
});

describe('a path', () => {
  it('must be one', async () => {
    for (const bad of [undefined, null, 5, '', 'a\0b', {}, new URL('https://example.com/x')]) {
      const path = odd<string>(bad);
      await rejection(() => index.save(path), 'ERR_TQ_INVALID_ARG');
      await rejection(() => index.sync(path), 'ERR_TQ_INVALID_ARG');
      failure(() => index.saveSync(path), 'ERR_TQ_INVALID_ARG');
      await rejection(() => SearchIndex.open(path), 'ERR_TQ_INVALID_ARG');
      failure(() => SearchIndex.openSync(path), 'ERR_TQ_INVALID_ARG');
    }
    for (const bad of [undefined, 'abc', [1, 2], new Float32Array(4)]) {
      failure(() => SearchIndex.fromBytes(odd(bad)), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => SearchIndex.fromBytes(new Uint8Array()), 'ERR_TQ_TRUNCATED');
  });
});

describe('an index that is closed', () => {
  it('refuses everything but to be closed', async () => {
    const closed = await SearchIndex.build(vectors, { dim });
    const backend = closed.asBackend();
    closed.close();
    closed.close();
    closed[Symbol.dispose]();
    const path = join(folder, 'closed.tqi');
    const waiting: (() => unknown)[] = [
      () => closed.size,
      () => closed.fitted,
      () => closed.addSync([query]),
      () => closed.remove([1]),
      () => closed.has(1),
      () => closed.ids(),
      () => closed.reconstruct(1),
      () => closed.searchSync(query, { k: 1 }),
      () => closed.searchBatchSync(queries, { k: 1 }),
      () => closed.saveSync(path),
      () => closed.toBytes(),
      () => closed.asBackend(),
      () => closed.stats(),
      () => closed.memoryUsage(),
      () => closed.toJSON(),
    ];
    for (const call of waiting) failure(call, 'ERR_TQ_CLOSED');
    const promised: (() => Promise<unknown>)[] = [
      () => closed.fit(vectors),
      () => closed.add([query]),
      () => closed.search(query, { k: 1 }),
      () => closed.searchBatch(queries, { k: 1 }),
      () => closed.save(path),
      () => closed.sync(path),
      () => backend.count(),
      () => backend.search(query, 1),
      () => backend.ingest({ 5: query }),
      () => backend.remove(['1']),
      () => backend.clear(),
    ];
    for (const call of promised) await rejection(call, 'ERR_TQ_CLOSED');
    expect([closed.dim, closed.bits, closed.metric, closed.idType]).toEqual([dim, 4, 'cosine', 'number']);
  });

  it('is told from what is no index', () => {
    const { search, size } = { search: SearchIndex.prototype.searchSync, size: 1 };
    expect(size).toBe(1);
    failure(() => search.call(odd({}), query, { k: 1 }), 'ERR_TQ_INVALID_ARG');
    failure(() => Object.create(SearchIndex.prototype).size, 'ERR_TQ_INVALID_ARG');
    failure(() => Object.create(SearchIndex.prototype).close(), 'ERR_TQ_INVALID_ARG');
  });
});

describe('a signal', () => {
  it('that has aborted stops every call with its reason', async () => {
    const reason = new Error('not today');
    const signal = AbortSignal.abort(reason);
    const path = join(folder, 'aborted.tqi');
    for (const call of [
      () => SearchIndex.build(vectors, { dim, signal }),
      () => index.add(vectors, { signal }),
      () => new SearchIndex({ dim }).fit(vectors, { signal }),
      () => index.search(query, { k: 1, signal }),
      () => index.searchBatch(queries, { k: 1, signal }),
      () => index.save(path, { signal }),
      () => index.sync(path, { signal }),
      () => SearchIndex.open(path, { signal }),
    ]) {
      expect(await reasonOf(call())).toBe(reason);
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(index.toBytes()).toEqual(before);
  });

  it('stops a call in the middle, which then has changed nothing', async () => {
    const many = new Float32Array(60_000 * dim);
    for (let at = 0; at < many.length; at += vectors.length) many.set(vectors.subarray(0, many.length - at), at);
    const own = await SearchIndex.build(vectors.subarray(0, 10 * dim), { dim });
    const bytes = own.toBytes();
    const wide = clustered(3000, 512, 1, 9).vectors;
    const empty = new SearchIndex({ dim: 512 });
    const calls: [number, (signal: AbortSignal) => Promise<unknown>][] = [
      [2, (signal) => SearchIndex.build(many, { dim, partitions: 64, signal })],
      [15, (signal) => SearchIndex.build(many, { dim, partitions: 64, signal })],
      [1, (signal) => own.add(many, { signal })],
      [1, (signal) => empty.fit(wide, { signal })],
      [5, (signal) => index.searchBatch(many, { k: 100, exact: true, signal })],
    ];
    for (const [after, call] of calls) {
      const controller = new AbortController();
      const started = performance.now();
      const pending = call(controller.signal);
      setTimeout(() => controller.abort('enough'), after);
      expect(await reasonOf(pending)).toBe('enough');
      expect(performance.now() - started).toBeLessThan(1500);
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    }
    expect(own.toBytes()).toEqual(bytes);
    expect(empty.fitted).toBe(false);
    await own.add(vectors);
    expect(own.size).toBe(rows + 10);
  });

  it('stops a call that waits for its turn', async () => {
    const own = new SearchIndex({ dim });
    const controller = new AbortController();
    const first = own.add(vectors);
    const second = own.add(vectors, { signal: controller.signal });
    const third = own.add(vectors);
    controller.abort('changed my mind');
    expect(await reasonOf(second)).toBe('changed my mind');
    await Promise.all([first, third]);
    expect(own.size).toBe(2 * rows);
  });
});

describe('a call that is done', () => {
  it('stands, whatever its signal says then', async () => {
    const controller = new AbortController();
    const own = new SearchIndex({ dim });
    const path = join(folder, 'late.tqi');
    const onProgress = ({ done, total }: Progress): void => {
      if (done === total) controller.abort('late');
    };
    await own.add([query], { signal: controller.signal, onProgress });
    expect(own.size).toBe(1);
    const second = new AbortController();
    await own.save(path, { signal: second.signal, onProgress: () => second.abort('late') });
    expect((await SearchIndex.open(path)).size).toBe(1);
  });
});

describe('onProgress', () => {
  const many = new Float32Array(40_000 * dim);
  for (let at = 0; at < many.length; at += vectors.length) many.set(vectors.subarray(0, many.length - at), at);

  it('counts the vectors of each call', async () => {
    const own = new SearchIndex({ dim });
    const path = join(folder, 'progress.tqi');
    const calls: [Progress['phase'], number, (onProgress: (progress: Progress) => void) => Promise<unknown>][] = [
      ['build', 40_000, (onProgress) => SearchIndex.build(many, { dim, onProgress })],
      ['fit', rows, (onProgress) => own.fit(vectors, { onProgress })],
      ['add', 40_000, (onProgress) => own.add(many, { onProgress })],
      ['save', 40_000, (onProgress) => own.save(path, { onProgress })],
      ['save', 40_000, (onProgress) => own.sync(path, { onProgress })],
      ['add', 0, (onProgress) => own.add([], { onProgress })],
    ];
    for (const [phase, total, call] of calls) {
      const reports: Progress[] = [];
      const started = performance.now();
      await call((progress) => reports.push(progress));
      const seconds = (performance.now() - started) / 1000;
      expect(reports.at(-1)).toMatchObject({ phase, done: total, total });
      expect(reports.length).toBeLessThanOrEqual(seconds * 10 + 2);
      for (const [i, report] of reports.entries()) {
        expect([report.phase, report.total]).toEqual([phase, total]);
        expect(report.done).toBeLessThanOrEqual(total);
        if (i > 0) expect(report.done).toBeGreaterThan(reports[i - 1]?.done ?? 0);
      }
      const count = reports.length;
      await sleep(10);
      expect(reports).toHaveLength(count);
    }
  });

  it('stops a call with what it throws', async () => {
    const own = await SearchIndex.build(vectors, { dim });
    const bytes = own.toBytes();
    const boom = new Error('boom');
    const onProgress = (): never => {
      throw boom;
    };
    // The last report comes when the work is done: only one in between stops it.
    expect(await reasonOf(SearchIndex.build(many, { dim, onProgress }))).toBe(boom);
    expect(await reasonOf(own.save(join(folder, 'x.tqi'), { onProgress }))).toBe(boom);
    expect(own.toBytes()).toEqual(bytes);
    expect(plain([own.searchSync(query, { k: 3 })])).toEqual(plain([index.searchSync(query, { k: 3 })]));
  });
});
