import { Document, type DocumentInterface } from '@langchain/core/documents';
import { InMemoryStore } from '@langchain/core/stores';
import { maximalMarginalRelevance } from '@langchain/core/utils/math';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DocumentFilter, type DocumentStore, TinyQuantVectorStore } from '../../dist/langchain.js';
import { SearchIndex } from '../../index.js';
import { failure, reasonOf, rejection } from '../helpers/failure.js';
import { contentOf, PairEmbeddings } from '../helpers/langchain.js';
import { clustered, rowOf } from '../helpers/search.js';

const embeddings = new PairEmbeddings();
const document = (pageContent: string, metadata: Record<string, unknown> = {}, id?: string): Document =>
  new Document({ pageContent, metadata, ...(id === undefined ? {} : { id }) });
const words = (count: number): Document[] =>
  Array.from({ length: count }, (_, i) => document(`word ${i * i}`, { i, even: i % 2 === 0 }, `id-${i}`));

/** A store of vectors that lie around centres, whose documents name their row. */
async function clusteredStore(rows: number, dim: number, o: object = {}) {
  const data = clustered(rows, dim);
  const vectors = Array.from({ length: rows }, (_, row) => [...rowOf(data.vectors, row, dim)]);
  const documents = vectors.map((_, row) => document(`text ${row}`, { row, group: row % 10 }, `${row}`));
  const store = new TinyQuantVectorStore(embeddings, o);
  await store.addVectors(vectors, documents);
  const queries = Array.from({ length: 20 }, (_, i) => [...rowOf(data.queries, i, dim)]);
  return { store, vectors, queries };
}

/** A promise, and what fulfils it. */
function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

const idsOf = (found: readonly (readonly [{ id?: string }, number])[]): (string | undefined)[] =>
  found.map(([{ id }]) => id);

describe('a search', () => {
  it('finds what the index finds, with its scores', async () => {
    const { store, queries } = await clusteredStore(3000, 96);
    expect(store.index?.fitted).toBe(true);
    for (const query of queries) {
      const hits = await store.index?.search(query, { k: 7 });
      const found = await store.similaritySearchVectorWithScore(query, 7);
      expect(idsOf(found)).toEqual(hits?.ids);
      expect(found.map(([, score]) => score)).toEqual([...(hits?.scores ?? [])]);
      expect(found.map(([each]) => each.pageContent)).toEqual(hits?.ids.map((id) => `text ${id}`));
    }
  });

  it('embeds texts', async () => {
    const store = await TinyQuantVectorStore.fromTexts(['apple', 'banana'], [{ n: 1 }, { n: 2 }], embeddings);
    const [[best, score] = []] = await store.similaritySearchWithScore('apple', 2);
    expect(best).toMatchObject({ pageContent: 'apple', metadata: { n: 1 } });
    expect(score).toBeCloseTo(1, 1);
    expect((await store.similaritySearch('apples')).map(({ pageContent }) => pageContent)).toEqual(['apple', 'banana']);
    const same = await TinyQuantVectorStore.fromTexts(['apple', 'pear'], { kind: 'fruit' }, embeddings);
    expect((await same.similaritySearch('a', 2)).map(({ metadata }) => metadata)).toEqual([
      { kind: 'fruit' },
      { kind: 'fruit' },
    ]);
  });

  it.each(['dot', 'l2'] as const)('goes by the metric %s', async (metric) => {
    const store = await TinyQuantVectorStore.fromTexts(['aaaa', 'aaaaaaaa', 'b'], [], embeddings, { metric, bits: 8 });
    const [best] = await store.similaritySearch('aaaa', 1);
    expect(best?.pageContent).toBe(metric === 'dot' ? 'aaaaaaaa' : 'aaaa');
    expect(store.index?.metric).toBe(metric);
  });

  it('hands out copies', async () => {
    const given = document('apple', { tags: ['red'] }, 'a');
    const store = await TinyQuantVectorStore.fromDocuments([given], embeddings);
    (given.metadata.tags as string[]).push('changed');
    const [first] = await store.similaritySearch('apple', 1);
    expect((first?.metadata.tags as string[] | undefined)?.push('changed')).toBe(2);
    expect((await store.similaritySearch('apple', 1))[0]?.metadata).toEqual({ tags: ['red'] });
  });

  it('keeps metadata as JSON', async () => {
    const when = new Date(0);
    const nested = Object.assign(Object.create({ inherited: 1 }), { own: [1, null] });
    const store = await TinyQuantVectorStore.fromTexts(['a'], [{ when, none: undefined, nested }], embeddings);
    const expected = { when: '1970-01-01T00:00:00.000Z', nested: { own: [1, null] } };
    expect((await store.similaritySearch('a', 1))[0]?.metadata).toEqual(expected);
    expect(await store.similaritySearch('a', 1, { when })).toHaveLength(1);
  });
});

describe('a filter', () => {
  const ways: [string, (row: number) => boolean, DocumentFilter][] = [
    ['a function', (row) => row % 7 === 3, ({ metadata }) => metadata.row % 7 === 3],
    ['metadata', (row) => row % 10 === 4, { group: 4 }],
    ['two keys of metadata', (row) => row === 14, { group: 4, row: 14 }],
    ['an array of ids', (row) => row === 5 || row === 17, ['5', '17', 'unknown']],
    ['a Set of ids', (row) => row < 30, new Set(Array.from({ length: 30 }, (_, row) => `${row}`))],
    ['no key', () => true, {}],
    ['nothing that passes', () => false, { group: '4' }],
  ];

  it.each(ways)('of %s holds before the best are taken', async (_, passes, filter) => {
    const { store, queries } = await clusteredStore(600, 32);
    const allowed = Array.from({ length: 600 }, (_row, row) => row).filter(passes);
    for (const query of queries.slice(0, 5)) {
      const found = await store.similaritySearchVectorWithScore(query, 20, filter);
      const hits = await store.index?.search(query, { k: 20, filter: allowed.map(String) });
      expect(found).toHaveLength(Math.min(20, allowed.length));
      expect(idsOf(found)).toEqual(hits?.ids);
    }
  });

  it('compares as JSON does', async () => {
    const metadatas = [{ v: 1 }, { v: '1' }, { v: null }, { v: [1, { a: 2 }] }, { v: {} }, { w: 1 }, { v: [] }, {}];
    const store = await TinyQuantVectorStore.fromTexts(
      metadatas.map((_, i) => `${i}`),
      metadatas,
      embeddings,
    );
    const matches = async (v: unknown): Promise<string> =>
      (await store.similaritySearch('x', 9, { v }))
        .map(({ pageContent }) => pageContent)
        .sort()
        .join();
    expect(await Promise.all([1, '1', null, [1, { a: 2 }], {}, [], [1], true].map(matches))).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '6',
      '',
      '',
    ]);
    // What every object inherits is no metadata.
    expect(await store.similaritySearch('x', 9, { toString: 1 })).toEqual([]);
    expect(await store.similaritySearch('x', 9, JSON.parse('{"__proto__": {}}'))).toEqual([]);
  });

  it('holds after documents were replaced and deleted', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(300), embeddings);
    await store.delete({
      ids: words(300)
        .filter((_, i) => i % 3 === 0)
        .map(({ id }) => id ?? ''),
    });
    await store.addDocuments([document('word 1', { even: true }, 'id-1'), document('word 36', { even: true }, 'id-6')]);
    const found = await store.similaritySearch('word', 300, { even: true });
    const left = words(300).filter((_, i) => i % 3 !== 0 && i % 2 === 0);
    expect(found.map(({ id }) => id).sort()).toEqual([...left.map(({ id }) => id), 'id-1', 'id-6'].sort());
  });

  it('works over an index that others add to and remove from', async () => {
    const documents = new InMemoryStore<DocumentInterface>();
    const all = words(50);
    await documents.mset(all.map((each) => [each.id ?? '', each]));
    const vectors = await embeddings.embedDocuments(all.map(({ pageContent }) => pageContent));
    const index = await SearchIndex.build(vectors.slice(0, 40), {
      dim: 64,
      ids: all.slice(0, 40).map(({ id }) => id ?? ''),
    });
    const store = await TinyQuantVectorStore.fromExistingIndex(embeddings, { index, documents });
    expect(await store.similaritySearch('word', 50, { even: true })).toHaveLength(20);
    await index.add(vectors.slice(40), { ids: all.slice(40).map(({ id }) => id ?? '') });
    index.remove(['id-0']);
    expect(await store.similaritySearch('word', 50, { even: true })).toHaveLength(24);
    const gaps = await TinyQuantVectorStore.fromExistingIndex(embeddings, { index, documents });
    expect(await gaps.similaritySearch('word', 50, ({ metadata }) => metadata.i > 45)).toHaveLength(4);
    await gaps.addDocuments([document('word', { even: true }, 'id-0')]);
    expect(await gaps.similaritySearch('word', 50, { even: true })).toHaveLength(25);
  });

  it('that throws or gives no boolean ends the search', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(5), embeddings);
    const thrown = new Error('mine');
    const throwing = (): boolean => {
      throw thrown;
    };
    expect(await reasonOf(store.similaritySearch('a', 1, throwing))).toBe(thrown);
    const promised = (async () => true) as unknown as () => boolean;
    await rejection(() => store.similaritySearch('a', 1, promised), 'ERR_TQ_INVALID_ARG');
  });
});

describe('marginal relevance', () => {
  it('chooses as LangChain does among the nearest', async () => {
    const { store, queries, vectors } = await clusteredStore(500, 32, { bits: 8, originals: 'f32' });
    for (const [i, query] of queries.entries()) {
      const lambda = (i % 5) / 4;
      const one = new TinyQuantVectorStore(
        { embedDocuments: async () => [], embedQuery: async () => query },
        { index: store.index as SearchIndex<string>, documents: new InMemoryStore<DocumentInterface>() },
      );
      expect(one.index).toBe(store.index);
      store.embeddings = one.embeddings;
      const filter: DocumentFilter = ({ metadata }) => metadata.group < 5;
      const near = idsOf(await store.similaritySearchVectorWithScore(query, 30, filter)).map(Number);
      const expected = maximalMarginalRelevance(
        query,
        near.map((row) => vectors[row] ?? []),
        lambda,
        6,
      );
      const found = await store.maxMarginalRelevanceSearch('x', { k: 6, fetchK: 30, lambda, filter });
      expect(found.map(({ id }) => id)).toEqual(expected.map((at) => `${near[at]}`));
    }
  });

  it('gives no more than there is', async () => {
    const store = new TinyQuantVectorStore(embeddings);
    expect(await store.maxMarginalRelevanceSearch('a', { k: 3 })).toEqual([]);
    await store.addDocuments(words(2));
    expect(await store.maxMarginalRelevanceSearch('a', { k: 3 })).toHaveLength(2);
  });
});

describe('a change', () => {
  it('of any order leaves what a Map would hold', async () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const text = fc.string({ minLength: 1, maxLength: 8 });
    const command = fc.oneof(
      fc.record({ add: fc.array(fc.tuple(id, text), { maxLength: 6 }) }),
      fc.record({ remove: fc.array(id, { maxLength: 4 }) }),
      fc.record({ drop: id }),
      fc.constant({ clear: true }),
    );
    const property = fc.asyncProperty(fc.array(command, { maxLength: 12 }), fc.boolean(), async (commands, own) => {
      const documents = new InMemoryStore<DocumentInterface>();
      const store = new TinyQuantVectorStore(embeddings, own ? { documents } : {});
      const expected = new Map<string, string>();
      for (const each of commands) {
        if ('add' in each) {
          await store.addDocuments(each.add.map(([name, content]) => document(content, { name }, name)));
          for (const [name, content] of each.add) expected.set(name, content);
        } else if ('remove' in each) {
          await store.delete({ ids: each.remove });
          for (const name of each.remove) expected.delete(name);
        } else if ('drop' in each) {
          await store.delete({ filter: { name: each.drop } });
          expected.delete(each.drop);
        } else {
          await store.delete({ deleteAll: true });
          expected.clear();
        }
        const all = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(await contentOf(store)).toEqual(
          all.map(([name, pageContent]) => ({ id: name, pageContent, metadata: { name } })),
        );
        for (const name of expected.keys()) {
          expect(await store.similaritySearch('x', 5, { name })).toHaveLength(1);
        }
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('happens in the order of the calls, however long the embeddings take', async () => {
    const { promise: slow, resolve: go } = gate();
    const waiting = Object.assign(new PairEmbeddings(), {
      embedDocuments: async (texts: string[]) => {
        if (texts[0] === 'old') await slow;
        return new PairEmbeddings().embedDocuments(texts);
      },
    });
    const store = new TinyQuantVectorStore(waiting);
    const calls = [
      store.addDocuments([document('old', {}, 'x'), document('gone', {}, 'y')]),
      store.addDocuments([document('new', {}, 'x')]),
      store.delete({ ids: ['y'] }),
    ];
    setImmediate(go);
    await Promise.all(calls);
    const found = await store.similaritySearch('old', 5);
    expect(found.map(({ id, pageContent }) => [id, pageContent])).toEqual([['x', 'new']]);
  });

  it('that is met by searches is seen whole', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(40), embeddings);
    const version = (v: number): Document[] =>
      words(40).map(({ pageContent, id, metadata }) => document(pageContent, { ...metadata, v }, id));
    await store.addDocuments(version(0));
    let done = false;
    const writer = (async () => {
      for (let v = 1; v <= 60; v++) {
        await store.addDocuments(version(v));
        if (v % 10 === 0) await store.delete({ ids: ['id-7'] });
      }
      done = true;
    })();
    let searches = 0;
    while (!done) {
      const found = await store.similaritySearch('word', 100, ({ metadata }) => metadata.even === true);
      expect(found).toHaveLength(20);
      expect(new Set(found.map(({ metadata }) => metadata.v)).size).toBe(1);
      const all = await store.similaritySearch('word', 100);
      expect([39, 40]).toContain(all.length);
      expect(await store.maxMarginalRelevanceSearch('word', { k: 3 })).toHaveLength(3);
      searches++;
    }
    await writer;
    expect(searches).toBeGreaterThan(0);
  });
});

/** A document store that fails when it is told to, half way through a write. */
class Fragile implements DocumentStore {
  readonly inner = new Map<string, DocumentInterface>();
  fail: 'mget' | 'mset' | 'mdelete' | 'short' | 'odd' | undefined;
  /** What a deletion waits for at its end. */
  deleted: Promise<void> | undefined;
  readonly error = new Error('the store is down');

  #check(method: string): void {
    if (this.fail !== method) return;
    this.fail = undefined;
    throw this.error;
  }

  async mget(ids: string[]): Promise<(DocumentInterface | undefined)[]> {
    this.#check('mget');
    if (this.fail === 'short') return [];
    if (this.fail === 'odd') return ids.map(() => ({ pageContent: 7 }) as never);
    return ids.map((id) => this.inner.get(id));
  }

  async mset(entries: [string, DocumentInterface][]): Promise<void> {
    for (const [i, [id, each]] of entries.entries()) {
      if (i >= entries.length / 2) this.#check('mset');
      this.inner.set(id, each);
    }
  }

  async mdelete(ids: string[]): Promise<void> {
    for (const [i, id] of ids.entries()) {
      if (i >= ids.length / 2) this.#check('mdelete');
      this.inner.delete(id);
    }
    await this.deleted;
  }
}

describe('a call that fails changes nothing', () => {
  it('neither vectors nor documents', async () => {
    const documents = new Fragile();
    const store = new TinyQuantVectorStore(embeddings, { documents });
    const add = (): Promise<unknown> =>
      store.addDocuments([document('new', {}, 'id-1'), document('more', {}, 'x'), document('yet', {}, 'y')]);
    documents.fail = 'mset';
    expect(await reasonOf(add())).toBe(documents.error);
    expect(documents.inner.size).toBe(0);
    expect(store.index).toBeUndefined();

    await store.addDocuments(words(6));
    const before = await contentOf(store);
    const kept = new Map(documents.inner);
    const same = async (): Promise<void> => {
      expect(await contentOf(store)).toEqual(before);
      expect(documents.inner).toEqual(kept);
    };
    for (const method of ['mget', 'mset'] as const) {
      documents.fail = method;
      expect(await reasonOf(add())).toBe(documents.error);
      await same();
    }
    for (const o of [{ ids: ['id-1', 'id-2', 'id-3'] }, { deleteAll: true }, { filter: { even: true } }]) {
      documents.fail = 'mdelete';
      expect(await reasonOf(store.delete(o))).toBe(documents.error);
      await same();
    }
    const nan = [embeddings.vector('a'), embeddings.vector('b')];
    (nan[1] ?? [])[3] = Number.NaN;
    const two = [document('a', {}, 'id-1'), document('b', {}, 'z')];
    await rejection(() => store.addVectors(nan, two), 'ERR_TQ_NON_FINITE', { row: 1, column: 3 });
    await same();
    await rejection(() => store.addVectors([[1, 2]], [document('a')]), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => store.addVectors([embeddings.vector('a')], two), 'ERR_TQ_INVALID_ARG');
    await same();
  });

  it('also where the embeddings fail', async () => {
    const error = new Error('no embeddings today');
    const broken = Object.assign(new PairEmbeddings(), { embedDocuments: () => Promise.reject(error) });
    const store = new TinyQuantVectorStore(broken);
    expect(await reasonOf(store.addDocuments(words(3)))).toBe(error);
    const short = Object.assign(new PairEmbeddings(), { embedDocuments: async () => [[1, 2]] });
    const other = new TinyQuantVectorStore(short);
    await rejection(() => other.addDocuments(words(3)), 'ERR_TQ_INVALID_ARG', { argument: 'vectors' });
    expect([store.size, other.size]).toEqual([0, 0]);
  });

  it('two first calls of different dimensions: one of them', async () => {
    const store = new TinyQuantVectorStore(embeddings);
    const first = store.addVectors([[1, 2, 3]], [document('a')]);
    await rejection(() => store.addVectors([[1, 2]], [document('b')]), 'ERR_TQ_DIM_MISMATCH', { expected: 3, got: 2 });
    await first;
    expect(store.size).toBe(1);
  });

  it('tells of a document store that gives something else', async () => {
    const documents = new Fragile();
    const store = new TinyQuantVectorStore(embeddings, { documents });
    await store.addDocuments(words(4));
    documents.fail = 'short';
    await rejection(() => store.similaritySearch('a', 2), 'ERR_TQ_BACKEND');
    documents.fail = 'odd';
    await rejection(() => store.similaritySearch('a', 2), 'ERR_TQ_BACKEND');
    documents.fail = undefined;
    documents.inner.delete('id-2');
    await rejection(() => store.similaritySearch('a', 4), 'ERR_TQ_BACKEND', { id: 'id-2' });
  });
});

describe('arguments', () => {
  it('of the store are checked', async () => {
    const index = new SearchIndex<string>({ dim: 4, idType: 'string' });
    const full = await SearchIndex.build([[1, 2, 3, 4]], { dim: 4, ids: ['a'] });
    const wrong: [object, object][] = [
      [{ bit: 4 }, { option: 'bit', suggestion: 'bits' }],
      [{ bits: 5 }, { argument: 'bits' }],
      [{ dim: 1 }, { argument: 'dim' }],
      [{ metric: 'cos' }, { argument: 'metric' }],
      [{ seed: -1 }, { argument: 'seed' }],
      [{ originals: true }, { argument: 'originals' }],
      [{ fit: 1 }, { argument: 'fit' }],
      [{ partitions: 0 }, { argument: 'partitions' }],
      [{ documents: new Map() }, { argument: 'documents' }],
      [{ documents: null }, { argument: 'documents' }],
      [{ index: {} }, { argument: 'index' }],
      [{ index: new SearchIndex({ dim: 4 }) }, { argument: 'index' }],
      [{ index, bits: 4 }, { argument: 'bits' }],
      [{ index: full }, { argument: 'documents' }],
      [[], { argument: 'store options' }],
    ];
    for (const [o, details] of wrong) {
      failure(() => new TinyQuantVectorStore(embeddings, o), 'ERR_TQ_INVALID_ARG', details);
    }
    await rejection(() => TinyQuantVectorStore.fromExistingIndex(embeddings, {} as never), 'ERR_TQ_INVALID_ARG');
    await rejection(() => TinyQuantVectorStore.fromExistingIndex(embeddings, null as never), 'ERR_TQ_INVALID_ARG');
    expect(await TinyQuantVectorStore.fromExistingIndex(embeddings, { index })).toMatchObject({ size: 0 });
  });

  it('of calls are checked', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(4), embeddings);
    const before = await contentOf(store);
    const one = [document('a')];
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    let deep: unknown = 1;
    for (let i = 0; i < 101; i++) deep = [deep];
    const bad = (metadata: unknown): unknown => [{ pageContent: 'a', metadata }];
    const wrong: [string, () => Promise<unknown>][] = [
      ['no array', () => store.addDocuments('a' as never)],
      ['null', () => store.addDocuments([null] as never)],
      ['no text', () => store.addDocuments([{ pageContent: 1, metadata: {} }] as never)],
      ['an id that is a number', () => store.addDocuments([{ ...document('a'), id: 7 }] as never)],
      ['an id that is no text', () => store.addDocuments([document('a', {}, '\ud800')])],
      ['too many ids', () => store.addDocuments(one, { ids: ['a', 'b'] })],
      ['a number among the ids', () => store.addDocuments(one, { ids: [1] as never })],
      ['unknown options', () => store.addDocuments(one, { id: ['a'] } as never)],
      ['metadata that is an array', () => store.addDocuments(bad([]) as never)],
      ['metadata that is a Map', () => store.addDocuments(bad(new Map()) as never)],
      ['a bigint', () => store.addDocuments(bad({ a: 1n }) as never)],
      ['NaN', () => store.addDocuments(bad({ a: [Number.NaN] }) as never)],
      ['a function', () => store.addDocuments(bad({ a: () => 1 }) as never)],
      ['a cycle', () => store.addDocuments(bad(cyclic) as never)],
      ['metadata that is too deep', () => store.addDocuments(bad({ deep }) as never)],
      ['vectors that are none', () => store.addVectors([7] as never, one)],
      ['vectors of text', () => store.addVectors([new Array(64).fill('a')] as never, one)],
      ['nothing to delete', () => store.delete({})],
      ['no delete options', () => store.delete(undefined as never)],
      ['two things to delete', () => store.delete({ ids: ['id-1'], deleteAll: true })],
      ['deleteAll: false', () => store.delete({ deleteAll: false })],
      ['ids that are text', () => store.delete({ ids: 'id-1' as never })],
      ['ids that are numbers', () => store.delete({ ids: [1] as never })],
      ['k = 0', () => store.similaritySearch('a', 0)],
      ['k = 1.5', () => store.similaritySearchVectorWithScore(embeddings.vector('a'), 1.5)],
      ['k as text', () => store.similaritySearch('a', '3' as never)],
      ['a filter that is text', () => store.similaritySearch('a', 1, 'even' as never)],
      ['a filter that is null', () => store.similaritySearch('a', 1, null as never)],
      ['a filter of a Map', () => store.similaritySearch('a', 1, new Map() as never)],
      ['a filter of numbers', () => store.similaritySearch('a', 1, [1] as never)],
      ['a filter with undefined', () => store.similaritySearch('a', 1, { tenant: undefined })],
      ['a filter with a bigint', () => store.similaritySearch('a', 1, { tenant: 1n })],
      ['lambda = 2', () => store.maxMarginalRelevanceSearch('a', { k: 1, lambda: 2 })],
      ['fetchK = 0', () => store.maxMarginalRelevanceSearch('a', { k: 1, fetchK: 0 })],
      [
        'an option of the search that is unknown',
        () => store.maxMarginalRelevanceSearch('a', { k: 1, alpha: 1 } as never),
      ],
      ['texts that are none', () => TinyQuantVectorStore.fromTexts('a' as never, [], embeddings)],
      ['a text that is none', () => TinyQuantVectorStore.fromTexts([1] as never, [], embeddings)],
      ['too few metadatas', () => TinyQuantVectorStore.fromTexts(['a', 'b'], [{}], embeddings)],
    ];
    for (const [name, run] of wrong) {
      const error = await rejection(run, 'ERR_TQ_INVALID_ARG').catch((cause) => {
        throw new Error(name, { cause });
      });
      expect(error.message, name).not.toMatch(/undefined must/);
    }
    await rejection(() => store.similaritySearchVectorWithScore([1, 2], 1), 'ERR_TQ_DIM_MISMATCH');
    const query = embeddings.vector('a').map(() => Number.NaN);
    await rejection(() => store.similaritySearchVectorWithScore(query, 1), 'ERR_TQ_NON_FINITE');
    expect(await contentOf(store)).toEqual(before);
  });

  it('of an empty store are checked just as well', async () => {
    const store = new TinyQuantVectorStore(embeddings);
    await rejection(() => store.similaritySearch('a', 0), 'ERR_TQ_INVALID_ARG');
    await rejection(() => store.similaritySearch('a', 1, 5 as never), 'ERR_TQ_INVALID_ARG');
    await rejection(() => store.addVectors([[]], [document('a')]), 'ERR_TQ_INVALID_ARG');
    await rejection(() => store.addVectors([7] as never, [document('a')]), 'ERR_TQ_INVALID_ARG');
    expect(await store.addDocuments([])).toEqual([]);
    expect(await store.addVectors([], [])).toEqual([]);
    await store.delete({ deleteAll: true });
    expect(store.index).toBeUndefined();
  });
});

describe('close', () => {
  it('ends the store, once calls under way are done', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(20), embeddings);
    const search = store.similaritySearchVectorWithScore(embeddings.vector('a'), 3);
    const { index } = store;
    store.close();
    store.close();
    expect(await search).toHaveLength(3);
    for (const run of [
      () => store.addDocuments(words(1)),
      () => store.addVectors([], []),
      () => store.delete({ deleteAll: true }),
      () => store.similaritySearch('a'),
      () => store.maxMarginalRelevanceSearch('a', { k: 1 }),
      () => store.save('nowhere'),
      async () => store.size,
      async () => index?.size,
    ]) {
      await rejection(run, 'ERR_TQ_CLOSED');
    }
  });

  it('while documents are added leaves none of them', async () => {
    const documents = new Fragile();
    const store = new TinyQuantVectorStore(embeddings, { documents });
    const adding = store.addDocuments(words(30));
    // The documents are in their store, and the index is being built.
    while (documents.inner.size === 0) await new Promise((resume) => setImmediate(resume));
    store.close();
    await rejection(() => adding, 'ERR_TQ_CLOSED');
    expect(documents.inner.size).toBe(0);
  });

  it.each([{ ids: ['id-3'] }, { deleteAll: true } as const])(
    'while documents are deleted keeps them: %o',
    async (o) => {
      const documents = new Fragile();
      const store = new TinyQuantVectorStore(embeddings, { documents });
      await store.addDocuments(words(10));
      const { promise, resolve } = gate();
      documents.deleted = promise;
      const deleting = store.delete(o);
      while (documents.inner.size === 10) await new Promise((resume) => setImmediate(resume));
      store.close();
      resolve();
      await rejection(() => deleting, 'ERR_TQ_CLOSED');
      expect(documents.inner.size).toBe(10);
    },
  );

  it('happens at the end of a block', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(2), embeddings);
    store[Symbol.dispose]();
    failure(() => store.size, 'ERR_TQ_CLOSED');
  });

  it('has a name and no state in JSON', async () => {
    const store = await TinyQuantVectorStore.fromDocuments(words(2), embeddings);
    expect(store._vectorstoreType()).toBe('tinyquant');
    expect(JSON.stringify(store)).not.toContain('word');
  });
});
