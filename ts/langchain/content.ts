import type { SearchIndex } from '../search-index.js';
import type { DocumentStore } from './documents.js';
import { RowNumbers } from './rows.js';
import { type BuildSettings, storePlan } from './store-options.js';

/** The vectors and documents of a store. */
export interface Content {
  /** None before the first documents. */
  index: SearchIndex<string> | undefined;
  readonly documents: DocumentStore;
  readonly build: BuildSettings;
  rows: RowNumbers;
}

/** Content as the options of a store ask for it. */
export function newContent(o: unknown): Content {
  const { index, documents, build } = storePlan(o);
  return { index, documents, build, rows: index === undefined ? new RowNumbers() : RowNumbers.of(index) };
}
