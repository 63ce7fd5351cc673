// The typings of an ES module, whose @langchain/core is another one than that of a CommonJS module.
import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { index, type RecordManager } from '@langchain/core/indexing';
import { InMemoryStore } from '@langchain/core/stores';
import { FakeEmbeddings } from '@langchain/core/utils/testing';
import type { SaveableVectorStore, VectorStore, VectorStoreRetriever } from '@langchain/core/vectorstores';
import { expectTypeOf } from 'expect-type';
import { SearchIndex } from 'tinyquant';
import { type DocumentFilter, type DocumentStore, TinyQuantVectorStore } from 'tinyquant/langchain';

export function asLangChainTakesIt(store: TinyQuantVectorStore, recordManager: RecordManager): Promise<object> {
  expectTypeOf(store).toExtend<VectorStore>();
  expectTypeOf(store).toExtend<SaveableVectorStore>();
  expectTypeOf(TinyQuantVectorStore).toExtend<typeof SaveableVectorStore>();
  expectTypeOf(store.asRetriever({ k: 3, filter: { a: 1 } })).toExtend<VectorStoreRetriever>();
  expectTypeOf(new InMemoryStore<DocumentInterface>()).toExtend<DocumentStore>();
  return index({ docsSource: [], recordManager, vectorStore: store });
}

export async function asUsersWriteIt(embeddings: EmbeddingsInterface): Promise<void> {
  const store = await TinyQuantVectorStore.fromTexts(['a'], [{ n: 1 }], embeddings, { bits: 2, metric: 'dot' });
  expectTypeOf(store).toEqualTypeOf<TinyQuantVectorStore>();
  expectTypeOf(store.index).toEqualTypeOf<SearchIndex<string> | undefined>();
  expectTypeOf(await store.addDocuments([new Document({ pageContent: 'a' })], { ids: ['a'] })).toEqualTypeOf<
    string[]
  >();
  const filters: DocumentFilter[] = [{ a: [1] }, ['id'], new Set(['id']), ({ metadata }) => metadata.a === 1];
  const found = await store.similaritySearchVectorWithScore([1], 4, filters[0]);
  expectTypeOf(found).toEqualTypeOf<[Document, number][]>();
  await store.maxMarginalRelevanceSearch('a', { k: 2, fetchK: 9, lambda: 0.4 });
  await store.delete({ ids: ['a'] });
  const index = new SearchIndex<string>({ dim: 3, idType: 'string' });
  await TinyQuantVectorStore.fromExistingIndex(new FakeEmbeddings(), { index });
  const same = await TinyQuantVectorStore.load('folder', embeddings, { mmap: false });
  same[Symbol.dispose]();

  // @ts-expect-error a filter is no text
  await store.similaritySearch('a', 1, 'text');
  // @ts-expect-error there are no such bits
  new TinyQuantVectorStore(embeddings, { bits: 5 });
  // @ts-expect-error ids of an index are texts
  await TinyQuantVectorStore.fromExistingIndex(embeddings, { index: new SearchIndex({ dim: 3 }) });
}
