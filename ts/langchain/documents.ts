import { Document, type DocumentInterface } from '@langchain/core/documents';
import { TinyQuantError } from '../errors.js';
import { fromMetadataJson, isPlainObject, isTooDeep } from '../metadata.js';
import { describe, invalidArg, text } from '../validate.js';

/**
 * Where the documents of a store lie. Every `BaseStore` of LangChain whose keys are texts and whose values are documents
 * is one. What it throws passes through unchanged.
 */
export interface DocumentStore {
  /** The document of each id, in order; `undefined` where there is none. */
  mget(ids: string[]): Promise<(DocumentInterface | undefined)[]>;
  /** Keeps documents, in place of those that have their ids. */
  mset(entries: [id: string, document: DocumentInterface][]): Promise<void>;
  /** Removes documents; unknown ids are ignored. */
  mdelete(ids: string[]): Promise<void>;
}

/** A document after its checks. Its metadata is JSON and frozen. */
export interface StoredDocument {
  readonly id: string;
  readonly pageContent: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What JSON has no place for is refused, where `JSON.stringify` would leave it out or write `null`. */
function onlyJson(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${value} is no JSON number`);
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`a ${typeof value} is no JSON value`);
  return value;
}

/** A value as its JSON text reads back: a `Date` becomes text, a key whose value is `undefined` is left out. */
export function toJsonText(value: unknown, argument: string): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value, onlyJson);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : describe(cause);
    throw new TinyQuantError('ERR_TQ_INVALID_ARG', `${argument} must be a JSON value: ${why}`, {
      cause,
      details: { argument, expected: 'a JSON value', got: describe(value) },
    });
  }
  if (json === undefined) throw invalidArg(argument, 'a JSON value', value);
  return json;
}

/** Frozen metadata from what a caller gives. */
function toMetadata(value: unknown, argument: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return Object.freeze({});
  if (typeof value !== 'object' || Array.isArray(value) || !isPlainObject(value)) {
    throw invalidArg(argument, 'a plain object', value);
  }
  const json = toJsonText(value, argument);
  if (isTooDeep(JSON.parse(json))) throw invalidArg(argument, 'nested at most 100 levels deep', value);
  return fromMetadataJson(json) ?? {};
}

/** Checks a document, and copies it. */
export function toStored(value: unknown, argument: string, id: string): StoredDocument {
  if (typeof value !== 'object' || value === null) throw invalidArg(argument, 'a document', value);
  const { pageContent, metadata } = value as { pageContent?: unknown; metadata?: unknown };
  if (typeof pageContent !== 'string') throw invalidArg(`${argument}.pageContent`, 'a string', pageContent);
  return { id, pageContent, metadata: toMetadata(metadata, `${argument}.metadata`) };
}

/** The id that a document carries, if any. */
export function idOf(value: unknown, argument: string): string | undefined {
  const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : undefined;
  return id === undefined || id === null ? undefined : text(id, `${argument}.id`);
}

/** A document of one's own to give away. */
export function toDocument({ id, pageContent, metadata }: StoredDocument): Document {
  return new Document({ id, pageContent, metadata: structuredClone(metadata) as Record<string, unknown> });
}

/** Documents in memory. */
export class MemoryDocuments implements DocumentStore {
  readonly #documents = new Map<string, StoredDocument>();

  get size(): number {
    return this.#documents.size;
  }

  get(id: string): StoredDocument | undefined {
    return this.#documents.get(id);
  }

  keep(document: StoredDocument): void {
    this.#documents.set(document.id, document);
  }

  values(): Iterable<StoredDocument> {
    return this.#documents.values();
  }

  async mget(ids: string[]): Promise<(DocumentInterface | undefined)[]> {
    return ids.map((id) => this.#documents.get(id));
  }

  async mset(entries: [string, DocumentInterface][]): Promise<void> {
    for (const [id, { pageContent, metadata }] of entries) this.keep({ id, pageContent, metadata });
  }

  async mdelete(ids: string[]): Promise<void> {
    for (const id of ids) this.#documents.delete(id);
  }
}

/** Checks that an object has the methods of a {@link DocumentStore}. */
export function documentStore(value: unknown, argument: string): DocumentStore {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  for (const method of ['mget', 'mset', 'mdelete']) {
    if (typeof given[method] !== 'function') throw invalidArg(argument, `an object with the method ${method}`, value);
  }
  return given as unknown as DocumentStore;
}

/**
 * The documents of ids, `undefined` where there is none.
 *
 * @throws {TinyQuantError} ERR_TQ_BACKEND where the store of the caller gives something else
 */
export async function fetchDocuments(
  documents: DocumentStore,
  ids: readonly string[],
): Promise<(StoredDocument | undefined)[]> {
  if (documents instanceof MemoryDocuments) return ids.map((id) => documents.get(id));
  const found: unknown = ids.length === 0 ? [] : await documents.mget([...ids]);
  if (!Array.isArray(found) || found.length !== ids.length) {
    const message = `mget of the document store gave ${describe(found)} for ${ids.length} ids`;
    throw new TinyQuantError('ERR_TQ_BACKEND', message, { details: { expected: ids.length, got: describe(found) } });
  }
  return ids.map((id, i) => {
    const document: unknown = found[i];
    if (document === undefined || document === null) return undefined;
    const { pageContent, metadata } = document as { pageContent?: unknown; metadata?: unknown };
    if (typeof pageContent !== 'string' || typeof (metadata ?? {}) !== 'object') {
      const message = `the document store gave ${describe(document)} for the id ${describe(id)}, expected a document`;
      throw new TinyQuantError('ERR_TQ_BACKEND', message, { details: { id, got: describe(document) } });
    }
    return { id, pageContent, metadata: (metadata ?? {}) as Record<string, unknown> };
  });
}

/** Runs a change of some documents, and puts them back as they were where it fails. */
export async function restoring(
  documents: DocumentStore,
  ids: readonly string[],
  change: () => Promise<void>,
): Promise<void> {
  const before = await fetchDocuments(documents, ids);
  try {
    await change();
  } catch (error) {
    const old = before.filter((document) => document !== undefined);
    const added = ids.filter((_, i) => before[i] === undefined);
    // What went wrong first is what the caller has to know.
    if (old.length > 0) await documents.mset(old.map((each) => [each.id, asDocument(each)])).catch(() => {});
    if (added.length > 0) await documents.mdelete(added).catch(() => {});
    throw error;
  }
}

/** A document for a store, which may keep it as it is. */
export function asDocument({ id, pageContent, metadata }: StoredDocument): Document {
  return new Document({ id, pageContent, metadata });
}
