import { types } from 'node:util';
import type { DocumentInterface } from '@langchain/core/documents';
import { isPlainObject } from '../metadata.js';
import type { SearchIndex } from '../search-index.js';
import { invalidArg, text } from '../validate.js';
import {
  asDocument,
  type DocumentStore,
  fetchDocuments,
  MemoryDocuments,
  type StoredDocument,
  toJsonText,
} from './documents.js';
import type { RowNumbers } from './rows.js';

/**
 * Which documents a search may find: a function that tells for each document; an object, whose every key the metadata
 * must have with the same JSON value; or the ids, as an array or a `Set`. It is applied before the search, which gives
 * as many hits as asked for if so many documents pass. A document's metadata must not be changed by the function.
 */
export type DocumentFilter =
  | ((document: DocumentInterface) => boolean)
  | { readonly [key: string]: unknown }
  | readonly string[]
  | ReadonlySet<string>;

/** {@link DocumentFilter} after its checks. */
export type Filter = { readonly ids: readonly string[] } | { readonly passes: (document: StoredDocument) => boolean };

/** Documents between two turns of the event loop. */
const PER_TURN = 4096;
/** Documents asked of the caller's store at once. */
const PER_FETCH = 1000;

function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]))
  );
}

function equality(value: object, argument: string): Filter {
  const wanted = Object.entries(value).map(([key, expected]) => {
    // Most likely a variable that was never set, and a filter that lets everything pass is no filter.
    if (expected === undefined) throw invalidArg(`${argument}.${key}`, 'a JSON value', expected);
    return [key, JSON.parse(toJsonText(expected, `${argument}.${key}`)) as unknown] as const;
  });
  return {
    passes: ({ metadata }) =>
      wanted.every(([key, expected]) => Object.hasOwn(metadata, key) && equal(metadata[key], expected)),
  };
}

function predicate(test: (document: DocumentInterface) => unknown, argument: string): Filter {
  return {
    passes: (document) => {
      const result = test(asDocument(document));
      if (typeof result !== 'boolean') throw invalidArg(`the result of ${argument}`, 'a boolean', result);
      return result;
    },
  };
}

/** Checks a {@link DocumentFilter}; `undefined` if absent. */
export function toFilter(value: unknown, argument: string): Filter | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'function') return predicate(value as (document: DocumentInterface) => unknown, argument);
  if (Array.isArray(value) || types.isSet(value)) {
    return { ids: Array.from(value as Iterable<unknown>, (id, i) => text(id, `${argument}[${i}]`)) };
  }
  if (typeof value === 'object' && value !== null && isPlainObject(value)) return equality(value, argument);
  throw invalidArg(argument, 'a function, an object of metadata, or an array or Set of ids', value);
}

/** Hands out the ids of the documents that pass, in steps between which the event loop turns. */
async function eachPassing(
  filter: Filter,
  documents: DocumentStore,
  index: SearchIndex<string>,
  take: (id: string) => void,
): Promise<void> {
  if ('ids' in filter) {
    for (const id of filter.ids) take(id);
  } else if (documents instanceof MemoryDocuments) {
    let seen = 0;
    for (const document of documents.values()) {
      if (filter.passes(document)) take(document.id);
      if (++seen % PER_TURN === 0) await new Promise((resume) => setImmediate(resume));
    }
  } else {
    const ids = index.ids();
    for (let at = 0; at < ids.length; at += PER_FETCH) {
      for (const document of await fetchDocuments(documents, ids.slice(at, at + PER_FETCH))) {
        if (document !== undefined && filter.passes(document)) take(document.id);
      }
    }
  }
}

/** The ids of the documents that pass. */
export async function passingIds(
  filter: Filter,
  documents: DocumentStore,
  index: SearchIndex<string>,
): Promise<string[]> {
  const ids: string[] = [];
  await eachPassing(filter, documents, index, (id) => ids.push(id));
  return ids;
}

/**
 * What the index is told: a bitmap of the rows that pass, or ids where the rows are not known, which takes the index
 * much longer.
 */
export async function toIndexFilter(
  filter: Filter,
  documents: DocumentStore,
  index: SearchIndex<string>,
  rows: RowNumbers,
): Promise<Uint8Array | string[]> {
  if (!rows.areThoseOf(index)) return passingIds(filter, documents, index);
  const bitmap = new Uint8Array(Math.ceil(rows.count / 8));
  await eachPassing(filter, documents, index, (id) => {
    const row = rows.of(id);
    if (row !== undefined) bitmap[row >> 3] = (bitmap[row >> 3] ?? 0) | (1 << (row & 7));
  });
  return bitmap;
}
