/** A vector store of LangChain.js over {@link SearchIndex}. Needs `@langchain/core`, an optional peer dependency. */
export type { DocumentStore } from './langchain/documents.js';
export type { DocumentFilter } from './langchain/filter.js';
export {
  type AddDocumentsOptions,
  type DeleteOptions,
  type LoadStoreOptions,
  TinyQuantVectorStore,
} from './langchain/store.js';
export type { StoreOptions } from './langchain/store-options.js';
