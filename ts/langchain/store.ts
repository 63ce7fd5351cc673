import { randomUUID } from 'node:crypto';
import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { maximalMarginalRelevance } from '@langchain/core/utils/math';
import { type MaxMarginalRelevanceSearchOptions, SaveableVectorStore } from '@langchain/core/vectorstores';
import { isTinyQuantError, TinyQuantError } from '../errors.js';
import { type OpenOptions, openOptions } from '../open-options.js';
import { filePath } from '../path.js';
import { buildOwned, clearRows, replaceRows, type SearchIndex } from '../search-index.js';
import { Serial } from '../serial.js';
import { describe, integer, invalidArg, options, text } from '../validate.js';
import { own, pickRows, toRows } from '../vectors.js';
import { type Content, newContent } from './content.js';
import {
  asDocument,
  type DocumentStore,
  documentStore,
  fetchDocuments,
  idOf,
  restoring,
  type StoredDocument,
  toDocument,
  toStored,
} from './documents.js';
import { type DocumentFilter, passingIds, toFilter, toIndexFilter } from './filter.js';
import { loadContent, saveContent } from './folder.js';
import { RowNumbers } from './rows.js';
import type { StoreOptions } from './store-options.js';

/** Options of {@link TinyQuantVectorStore.addDocuments}. */
export interface AddDocumentsOptions {
  /** An id for each document. Default: the document's own, or a random UUID. */
  readonly ids?: readonly string[];
}

/** What {@link TinyQuantVectorStore.delete} deletes: exactly one of these. */
export interface DeleteOptions {
  /** Ids; unknown ones are ignored. */
  readonly ids?: readonly string[];
  /** Documents that pass. */
  readonly filter?: DocumentFilter;
  /** Everything. */
  readonly deleteAll?: boolean;
}

/** Options of {@link TinyQuantVectorStore.load}. */
export interface LoadStoreOptions extends Omit<OpenOptions, 'signal'> {
  /** Where the documents lie, if they did not lie in memory when the store was saved. */
  readonly documents?: DocumentStore;
}

/** A hit with its document. */
type Hit = readonly [document: StoredDocument, score: number];

/** Content on its way to the constructor. */
class Loaded {
  readonly content: Content;

  constructor(content: Content) {
    this.content = content;
  }
}

/** What a call adds: rows of the index, and the document of each. */
interface Batch {
  readonly rows: Float32Array;
  readonly dim: number;
  readonly ids: string[];
  readonly documents: readonly StoredDocument[];
}

/** Documents under their ids, of which the last counts where one comes twice. */
function checkDocuments(documents: unknown, o: unknown): StoredDocument[] {
  const { ids } = options(o, 'add options', ['ids']);
  if (!Array.isArray(documents)) throw invalidArg('documents', 'an array of documents', documents);
  if (ids !== undefined && !(Array.isArray(ids) && ids.length === documents.length)) {
    throw invalidArg('ids', `an array of ${documents.length} ids, one for each document`, ids);
  }
  return documents.map((document: unknown, i) => {
    const argument = `documents[${i}]`;
    const id = ids === undefined ? idOf(document, argument) : text(ids[i], `ids[${i}]`);
    return toStored(document, argument, id ?? randomUUID());
  });
}

/**
 * LangChain's vector store over {@link SearchIndex}: codes of 1 to 8 bits a value in place of vectors. Documents are kept
 * in memory and saved beside the index, or lie in a store of the caller. Their metadata is kept as JSON.
 *
 * An id that is added again names the new document. Calls that change the store or save it run one after another, in
 * the order they were made; one that fails changes nothing. Searches run beside each other; one without a filter that meets
 * the change of a document may give its new text with the score of its old vector. Scores are those of the
 * index: cosine, dot product or minus the squared distance, higher is better.
 *
 * @example
 * const store = await TinyQuantVectorStore.fromDocuments(documents, embeddings, { bits: 4 });
 * const found = await store.similaritySearch('a question', 4, { source: 'manual.pdf' });
 * await store.save('manuals');
 * const same = await TinyQuantVectorStore.load('manuals', embeddings);
 */
export class TinyQuantVectorStore extends SaveableVectorStore {
  /** What `filter` may be. */
  declare FilterType: DocumentFilter;
  readonly #content: Content;
  readonly #writers: Serial = new Serial();
  /** Odd while vectors and documents are being changed. */
  #changes = 0;
  #isClosed = false;

  /**
   * @param embeddings turns texts into vectors
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a wrong or unknown option
   */
  constructor(embeddings: EmbeddingsInterface, o?: StoreOptions) {
    super(embeddings, {});
    this.#content = o instanceof Loaded ? o.content : newContent(o);
  }

  _vectorstoreType(): string {
    return 'tinyquant';
  }

  /** The index; none before the first documents. */
  get index(): SearchIndex<string> | undefined {
    return this.#content.index;
  }

  /** Number of documents. */
  get size(): number {
    return this.#open().index?.size ?? 0;
  }

  /** The content of a store that has not been closed. */
  #open(): Content {
    if (this.#isClosed) throw new TinyQuantError('ERR_TQ_CLOSED', 'the TinyQuantVectorStore has been closed');
    return this.#content;
  }

  /** Runs a change in its turn. Searches that it meets are done again where that matters. */
  #change(body: (content: Content) => Promise<void>): Promise<void> {
    return this.#writers.run(() => this.#changing(body));
  }

  async #changing(body: (content: Content) => Promise<void>): Promise<void> {
    const content = this.#open();
    this.#changes++;
    try {
      await body(content);
    } finally {
      this.#changes++;
    }
  }

  /**
   * Adds documents whose vectors are there, in place of those that have their ids.
   *
   * @param vectors one for each document; copied before the call returns
   * @returns the ids
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE with row and column, ERR_TQ_INVALID_ARG,
   * ERR_TQ_LIMIT, ERR_TQ_CLOSED
   */
  override async addVectors(
    vectors: number[][],
    documents: DocumentInterface[],
    o?: AddDocumentsOptions,
  ): Promise<string[]> {
    this.#open();
    const checked = checkDocuments(documents, o);
    const batch = this.#batch(vectors, checked);
    if (batch !== undefined) await this.#change((content) => this.#add(content, batch));
    return checked.map(({ id }) => id);
  }

  /**
   * Adds documents, in place of those that have their ids.
   *
   * @returns the ids
   * @throws {TinyQuantError} as {@link TinyQuantVectorStore.addVectors}; what the embeddings throw passes through
   */
  override async addDocuments(documents: DocumentInterface[], o?: AddDocumentsOptions): Promise<string[]> {
    this.#open();
    const checked = checkDocuments(documents, o);
    if (checked.length === 0) return [];
    const embedded = this.embeddings.embedDocuments(checked.map(({ pageContent }) => pageContent));
    // Awaited in the turn that this call has, which may come after the embeddings have failed.
    embedded.catch(() => undefined);
    await this.#writers.run(async () => {
      const batch = this.#batch(await embedded, checked);
      if (batch !== undefined) await this.#changing((content) => this.#add(content, batch));
    });
    return checked.map(({ id }) => id);
  }

  /** Rows for the index with their documents, the last of each id; `undefined` without any. */
  #batch(vectors: unknown, documents: readonly StoredDocument[]): Batch | undefined {
    if (!Array.isArray(vectors) || vectors.length !== documents.length) {
      throw invalidArg('vectors', `an array of ${documents.length} vectors, one for each document`, vectors);
    }
    if (documents.length === 0) return undefined;
    const first: unknown = vectors[0];
    const { index, build } = this.#open();
    const length = Array.isArray(first) || first instanceof Float32Array ? first.length : 0;
    const dim = index?.dim ?? build.dim ?? length;
    const given = toRows(vectors, integer(dim, 'the length of vectors[0]', 2, 16_384), 'vectors');
    const rowOf = new Map(documents.map(({ id }, row) => [id, row]));
    const rows = pickRows(own(given, 'vectors'), dim, [...rowOf.values()]);
    const last = [...rowOf.values()].map((row) => documents[row]).filter((document) => document !== undefined);
    return { rows, dim, ids: [...rowOf.keys()], documents: last };
  }

  async #add(content: Content, { rows, dim, ids, documents }: Batch): Promise<void> {
    const present = content.index?.dim ?? dim;
    if (present !== dim) {
      const details = { kind: 'DimensionMismatch', expected: present, got: dim };
      const message = `vectors have ${dim} values, expected the dimension ${present}`;
      throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
    }
    await restoring(content.documents, ids, async () => {
      await content.documents.mset(documents.map((document) => [document.id, asDocument(document)]));
      if (content.index === undefined) {
        const built = await buildOwned<string>(rows, { ...content.build, dim, ids, idType: 'string' });
        if (this.#isClosed) built.close();
        this.#open().index = built;
      } else {
        await replaceRows(content.index as never, rows, ids);
      }
    });
    if (!this.#isClosed) content.rows.add(content.index as SearchIndex<string>, ids);
  }

  /**
   * Deletes documents and their vectors.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG unless exactly one of `ids`, `filter` and `deleteAll: true` is given;
   * ERR_TQ_CLOSED
   */
  override async delete(o: DeleteOptions): Promise<void> {
    this.#open();
    const { ids, filter, deleteAll } = options(o, 'delete options', ['ids', 'filter', 'deleteAll'], true);
    const given = [ids !== undefined, filter !== undefined, deleteAll !== undefined].filter((each) => each).length;
    if (given !== 1) throw invalidArg('delete options', 'exactly one of ids, filter and deleteAll', o);
    if (deleteAll !== undefined) {
      if (deleteAll !== true) throw invalidArg('deleteAll', 'true', deleteAll);
      await this.#change((content) => this.#clear(content));
      return;
    }
    if (ids !== undefined && !Array.isArray(ids)) throw invalidArg('ids', 'an array of strings', ids);
    const which = ids === undefined ? toFilter(filter, 'filter') : toFilter(ids, 'ids');
    await this.#change(async ({ index, documents, rows }) => {
      if (index === undefined || which === undefined) return;
      const named = 'ids' in which ? [...which.ids] : await passingIds(which, documents, index);
      const known = [...new Set(named)].filter((id) => index.has(id));
      if (known.length === 0) return;
      await restoring(documents, known, async () => {
        await documents.mdelete(known);
        index.remove(known);
      });
      rows.remove(known);
    });
  }

  async #clear(content: Content): Promise<void> {
    const { index, documents } = content;
    if (index === undefined || index.size === 0) return;
    const ids = index.ids();
    await restoring(documents, ids, async () => {
      await documents.mdelete(ids);
      await clearRows(index as never);
    });
    content.rows = RowNumbers.of(index);
  }

  /**
   * The best documents for a vector, best first, with their scores.
   *
   * @param k at least 1; there are exactly as many hits, or as documents that pass the filter
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_CLOSED; ERR_TQ_BACKEND
   * where the caller's document store lacks a document
   */
  override async similaritySearchVectorWithScore(
    query: number[],
    k: number,
    filter?: DocumentFilter,
  ): Promise<[Document, number][]> {
    const found = await this.#search(query, k, filter);
    return found.map(([document, score]) => [toDocument(document), score]);
  }

  /**
   * Documents that are near to the query and unlike each other: of the nearest, one after another the one whose
   * likeness to the query, less its likeness to those chosen before, is greatest.
   *
   * @param o `k`: documents wanted, by default 4; `fetchK`: how many of the nearest to choose from, at least `k` and by
   * default 20; `lambda`: from 0 for difference from one another alone to 1 for likeness to the query alone, by default
   * 0.5; `filter`
   * @throws {TinyQuantError} as {@link TinyQuantVectorStore.similaritySearchVectorWithScore}
   */
  override async maxMarginalRelevanceSearch(
    query: string,
    o: MaxMarginalRelevanceSearchOptions<DocumentFilter>,
  ): Promise<Document[]> {
    this.#open();
    const given = options(o, 'search options', ['k', 'fetchK', 'lambda', 'filter']);
    const k = integer(given.k ?? 4, 'k', 1, Number.MAX_SAFE_INTEGER);
    const fetchK = integer(given.fetchK ?? 20, 'fetchK', 1, 10_000);
    const lambda = given.lambda ?? 0.5;
    if (!(typeof lambda === 'number' && lambda >= 0 && lambda <= 1)) {
      throw invalidArg('lambda', 'a number from 0 to 1', lambda);
    }
    const filter = given.filter as DocumentFilter | undefined;
    toFilter(filter, 'filter');
    const vector = await this.embeddings.embedQuery(query);
    const chosen = await this.#search(vector, Math.max(k, fetchK), filter, (hits, index) => {
      const near = hits.map(([{ id }]) => [...index.reconstruct(id)]);
      const best = new Set(maximalMarginalRelevance(vector, near, lambda, k));
      return Array.from(best, (at) => hits[at]).filter((hit) => hit !== undefined);
    });
    return chosen.map(([document]) => toDocument(document));
  }

  /**
   * Searches, and once more in turn with the changes where one came in between.
   *
   * @param choose picks among the hits
   */
  async #search(
    query: unknown,
    k: unknown,
    filter: unknown,
    choose: (hits: Hit[], index: SearchIndex<string>) => Hit[] = (hits) => hits,
  ): Promise<Hit[]> {
    this.#open();
    const wanted = integer(k, 'k', 1, Number.MAX_SAFE_INTEGER);
    const passes = toFilter(filter, 'filter');
    const attempt = async (isAlone: boolean): Promise<Hit[] | undefined> => {
      const { index, documents, rows } = this.#open();
      if (index === undefined) return [];
      const before = this.#changes;
      const isStill = (): boolean => isAlone || (before === this.#changes && before % 2 === 0);
      try {
        const some = passes === undefined ? {} : { filter: await toIndexFilter(passes, documents, index, rows) };
        const { ids, scores } = await index.search(query as number[], { k: wanted, ...some });
        const found = await fetchDocuments(documents, ids);
        if (passes !== undefined && !isStill()) return undefined;
        const hits = found.map((document, i): Hit => {
          if (document !== undefined) return [document, scores[i] ?? 0];
          const message = `the document store has no document for the id ${describe(ids[i])}`;
          throw new TinyQuantError('ERR_TQ_BACKEND', message, { details: { id: ids[i] } });
        });
        return choose(hits, index);
      } catch (error) {
        const code = isTinyQuantError(error) ? error.code : undefined;
        if (!isStill() && (code === 'ERR_TQ_BACKEND' || code === 'ERR_TQ_ID_NOT_FOUND')) return undefined;
        throw error;
      }
    };
    const found = (await attempt(false)) ?? (await this.#writers.run(() => attempt(true)));
    return found ?? [];
  }

  /**
   * Saves the store in a folder, which is made if need be: an index file, and `documents.jsonl` with the documents unless
   * they lie in a store of the caller. A crash or a full disk at any moment leaves the store that was saved before, or this
   * one. One process at a time saves to a folder; others may load from it meanwhile.
   *
   * @throws {TinyQuantError} ERR_TQ_IO with `errno` and `path` in details, ERR_TQ_LIMIT, ERR_TQ_CLOSED
   */
  override async save(directory: string): Promise<void> {
    this.#open();
    const folder = filePath(directory, 'directory');
    await this.#writers.run(() => saveContent(folder, this.#open()));
  }

  /**
   * Loads a store that was saved. The index is mapped; documents are read into memory.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM;
   * ERR_TQ_INVALID_ARG where `documents` is missing, or given for a store that has its own
   */
  static override async load(
    directory: string,
    embeddings: EmbeddingsInterface,
    o?: LoadStoreOptions,
  ): Promise<TinyQuantVectorStore> {
    const folder = filePath(directory, 'directory');
    const { documents, ...rest } = options(o, 'load options', ['documents', 'mmap', 'verify']);
    const { mmap, verify } = openOptions(rest);
    const theirs = documents === undefined ? undefined : documentStore(documents, 'documents');
    const content = await loadContent(folder, theirs, { mmap, verify });
    return new TinyQuantVectorStore(embeddings, new Loaded(content) as StoreOptions);
  }

  /** Lets go of the index, and of its file. Calls that are under way finish first, or reject with ERR_TQ_CLOSED. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#content.index?.close();
  }

  /** The same as {@link TinyQuantVectorStore.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A store of texts.
   *
   * @param metadatas one for each text, or one for all
   * @throws {TinyQuantError} as {@link TinyQuantVectorStore.addDocuments}
   */
  static override async fromTexts(
    texts: string[],
    metadatas: object[] | object,
    embeddings: EmbeddingsInterface,
    o?: StoreOptions,
  ): Promise<TinyQuantVectorStore> {
    if (!Array.isArray(texts)) throw invalidArg('texts', 'an array of strings', texts);
    if (Array.isArray(metadatas) && metadatas.length > 0 && metadatas.length !== texts.length) {
      throw invalidArg('metadatas', `an array of ${texts.length} objects, one for each text`, metadatas);
    }
    const documents = texts.map((pageContent, i) => {
      if (typeof pageContent !== 'string') throw invalidArg(`texts[${i}]`, 'a string', pageContent);
      const metadata = (Array.isArray(metadatas) ? metadatas[i] : metadatas) as Record<string, unknown>;
      return new Document({ pageContent, metadata });
    });
    return TinyQuantVectorStore.fromDocuments(documents, embeddings, o);
  }

  /**
   * A store of documents.
   *
   * @throws {TinyQuantError} as {@link TinyQuantVectorStore.addDocuments}
   */
  static override async fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface,
    o?: StoreOptions,
  ): Promise<TinyQuantVectorStore> {
    const store = new TinyQuantVectorStore(embeddings, o);
    await store.addDocuments(documents);
    return store;
  }

  /**
   * A store over an index that there is, and the store of its documents.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
   */
  static async fromExistingIndex(
    embeddings: EmbeddingsInterface,
    o: StoreOptions & { readonly index: SearchIndex<string> },
  ): Promise<TinyQuantVectorStore> {
    const store = new TinyQuantVectorStore(embeddings, o);
    if (store.index === undefined) throw invalidArg('index', 'a SearchIndex', undefined);
    return store;
  }
}
