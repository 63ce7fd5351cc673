// LangChain's standard tests for JavaScript (`@langchain/standard-tests`) cover chat models only and are not on the
// registry. These are the checks that its Python sibling `langchain-tests` makes of a vector store, written anew, and
// the indexing API of @langchain/core over the store.
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { index, RecordManager } from '@langchain/core/indexing';
import { Runnable } from '@langchain/core/runnables';
import { InMemoryStore } from '@langchain/core/stores';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DocumentStore, TinyQuantVectorStore } from '../../dist/langchain.js';
import { contentOf, PairEmbeddings } from '../helpers/langchain.js';

const embeddings = new PairEmbeddings();
const document = (pageContent: string, metadata: Record<string, unknown> = {}, id?: string): Document =>
  new Document({ pageContent, metadata, ...(id === undefined ? {} : { id }) });

const kinds: [string, () => DocumentStore | undefined][] = [
  ['documents in memory', () => undefined],
  ['documents in a store of LangChain', () => new InMemoryStore<DocumentInterface>()],
];

describe.each(kinds)('the standard checks, %s', (_, make) => {
  let store: TinyQuantVectorStore;

  beforeEach(() => {
    const documents = make();
    store = new TinyQuantVectorStore(embeddings, documents === undefined ? {} : { documents });
  });

  it('starts empty', async () => {
    expect(await store.similaritySearch('foo', 1)).toEqual([]);
    expect(store.size).toBe(0);
  });

  it('is empty again for the next test', async () => {
    expect(await store.similaritySearch('foo', 1)).toEqual([]);
  });

  it('adds documents, gives them ids and does not change them', async () => {
    const documents = [document('foo', { id: 1 }), document('bar', { id: 2 })];
    const ids = await store.addDocuments(documents);
    expect(new Set(ids).size).toBe(2);
    expect(await store.similaritySearch('bar', 2)).toEqual([
      document('bar', { id: 2 }, ids[1]),
      document('foo', { id: 1 }, ids[0]),
    ]);
    expect(documents).toEqual([document('foo', { id: 1 }), document('bar', { id: 2 })]);
  });

  it('deletes by id', async () => {
    const given = [document('foo'), document('bar'), document('baz')];
    expect(await store.addDocuments(given, { ids: ['1', '2', '3'] })).toEqual(['1', '2', '3']);
    await store.delete({ ids: ['1'] });
    expect((await store.similaritySearch('foo', 3)).map(({ id }) => id).sort()).toEqual(['2', '3']);
    await store.delete({ ids: ['2', '3'] });
    expect(await store.similaritySearch('foo', 1)).toEqual([]);
  });

  it('ignores unknown ids in a delete', async () => {
    await store.delete({ ids: ['1'] });
    await store.addDocuments([document('foo', {}, 'a')]);
    await store.delete({ ids: ['1', '2', '3'] });
    expect(store.size).toBe(1);
  });

  it('is idempotent where ids are given', async () => {
    const given = [document('foo', { id: 1 }), document('bar', { id: 2 })];
    await store.addDocuments(given, { ids: ['1', '2'] });
    await store.addDocuments(given, { ids: ['1', '2'] });
    expect((await store.similaritySearch('bar', 5)).map(({ pageContent }) => pageContent)).toEqual(['bar', 'foo']);
  });

  it('replaces the document of an id', async () => {
    await store.addDocuments([document('foo', { id: 1 }), document('bar', { id: 2 })], { ids: ['1', '2'] });
    await store.addDocuments([document('new foo', { id: 1, extra: true })], { ids: ['1'] });
    expect(await store.similaritySearch('new foo', 2)).toEqual([
      document('new foo', { id: 1, extra: true }, '1'),
      document('bar', { id: 2 }, '2'),
    ]);
  });

  it('takes the ids of the documents, and an id of the call before that of the document', async () => {
    expect(await store.addDocuments([document('foo', {}, 'own'), document('bar')])).toEqual([
      'own',
      expect.any(String),
    ]);
    expect(await store.addDocuments([document('baz', {}, 'ignored')], { ids: ['given'] })).toEqual(['given']);
    expect((await store.similaritySearch('baz', 1))[0]?.id).toBe('given');
  });

  it('gives a retriever, by similarity and by marginal relevance', async () => {
    await store.addDocuments(['red apple', 'red apples', 'green pear'].map((text) => document(text, { text }, text)));
    const retriever = store.asRetriever({ k: 1 });
    expect(Runnable.isRunnable(retriever)).toBe(true);
    expect((await retriever.invoke('red apple')).map(({ id }) => id)).toEqual(['red apple']);
    const mmr = store.asRetriever({ k: 2, searchType: 'mmr', searchKwargs: { lambda: 0.1, fetchK: 3 } });
    expect((await mmr.invoke('red apple')).map(({ id }) => id)).toEqual(['red apple', 'green pear']);
    const filtered = store.asRetriever({ k: 2, filter: { text: 'green pear' } });
    expect((await filtered.invoke('red apple')).map(({ id }) => id)).toEqual(['green pear']);
  });
});

/** A record manager in memory, with a clock that the test moves. */
class Records extends RecordManager {
  override lc_namespace: string[] = ['test'];
  now = 1;
  readonly #records = new Map<string, { at: number; group: string | null }>();

  async createSchema(): Promise<void> {}

  async getTime(): Promise<number> {
    return this.now;
  }

  async update(keys: string[], o?: { groupIds?: (string | null)[]; timeAtLeast?: number }): Promise<void> {
    for (const [i, key] of keys.entries()) {
      const group = o?.groupIds?.[i] ?? this.#records.get(key)?.group ?? null;
      this.#records.set(key, { at: this.now, group });
    }
  }

  async exists(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.#records.has(key));
  }

  async listKeys(o: { before?: number; groupIds?: (string | null)[]; limit?: number } = {}): Promise<string[]> {
    const { before = Number.POSITIVE_INFINITY, groupIds, limit } = o;
    const old = [...this.#records].filter(([, { at, group }]) => at < before && (groupIds?.includes(group) ?? true));
    return old.slice(0, limit).map(([key]) => key);
  }

  async deleteKeys(keys: string[]): Promise<void> {
    for (const key of keys) this.#records.delete(key);
  }
}

describe.each(kinds)('the indexing API, %s', (_, make) => {
  let vectorStore: TinyQuantVectorStore;
  let recordManager: Records;
  const texts = async (): Promise<unknown> =>
    (await contentOf(vectorStore)).map((each) => (each as DocumentInterface).pageContent).sort();
  const run = (docsSource: Document[], options: object = {}): Promise<object> => {
    recordManager.now++;
    return index({ docsSource, recordManager, vectorStore, options });
  };

  beforeEach(() => {
    const documents = make();
    vectorStore = new TinyQuantVectorStore(embeddings, documents === undefined ? {} : { documents });
    recordManager = new Records();
  });

  it('adds what is new and skips what is there', async () => {
    const docs = [document('one', { source: 'a' }), document('two', { source: 'b' })];
    expect(await run(docs)).toEqual({ numAdded: 2, numUpdated: 0, numDeleted: 0, numSkipped: 0 });
    const before = embeddings.count;
    expect(await run(docs)).toEqual({ numAdded: 0, numUpdated: 0, numDeleted: 0, numSkipped: 2 });
    expect(embeddings.count).toBe(before);
    expect(await texts()).toEqual(['one', 'two']);
  });

  it('writes again when it must, without doubles', async () => {
    const docs = [document('one'), document('one'), document('two')];
    expect(await run(docs)).toMatchObject({ numAdded: 2 });
    expect(await run(docs, { forceUpdate: true })).toMatchObject({ numAdded: 0, numUpdated: 2 });
    expect(await texts()).toEqual(['one', 'two']);
  });

  it('cleans up everything that was not given this time', async () => {
    await run(Array.from({ length: 25 }, (_, i) => document(`text ${i}`, { source: 'a' })));
    const options = { cleanup: 'full', cleanupBatchSize: 10, batchSize: 7 };
    expect(await run([document('text 3', { source: 'a' }), document('new')], options)).toEqual({
      numAdded: 1,
      numUpdated: 0,
      numDeleted: 24,
      numSkipped: 1,
    });
    expect(await texts()).toEqual(['new', 'text 3']);
  });

  it('cleans up the old documents of the sources that were given', async () => {
    await run([document('a 1', { source: 'a' }), document('a 2', { source: 'a' }), document('b 1', { source: 'b' })], {
      cleanup: 'incremental',
      sourceIdKey: 'source',
    });
    const options = { cleanup: 'incremental', sourceIdKey: 'source' };
    expect(await run([document('a 2 changed', { source: 'a' }), document('a 1', { source: 'a' })], options)).toEqual({
      numAdded: 1,
      numUpdated: 0,
      numDeleted: 1,
      numSkipped: 1,
    });
    expect(await texts()).toEqual(['a 1', 'a 2 changed', 'b 1']);
  });
});
