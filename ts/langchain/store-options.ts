import { buildPlan, type IndexFromCorpusOptions, SETTING_NAMES, settings } from '../index-options.js';
import { SearchIndex } from '../search-index.js';
import { invalidArg, notAHandle, options } from '../validate.js';
import { type DocumentStore, documentStore, MemoryDocuments } from './documents.js';

/**
 * Options of {@link TinyQuantVectorStore}: an index that there is, or what an index is made for when the first documents
 * are added. It is fitted to those, and so are the partitions: a first batch of some thousands gives the best index.
 */
export interface StoreOptions
  extends Pick<IndexFromCorpusOptions, 'bits' | 'metric' | 'seed' | 'originals' | 'fit' | 'partitions'> {
  /** Values per vector. Default: those of the first vector. */
  readonly dim?: number;
  /** An index whose ids are texts, in place of all other settings. The store's `close` closes it. */
  readonly index?: SearchIndex<string>;
  /** Where documents lie. Default: in memory, and in files beside the index when the store is saved. */
  readonly documents?: DocumentStore;
}

/** How the index is built with the first documents. */
export type BuildSettings = Omit<StoreOptions, 'index' | 'documents'>;

/** {@link StoreOptions} after their checks. */
export interface StorePlan {
  readonly index: SearchIndex<string> | undefined;
  readonly documents: DocumentStore;
  readonly build: BuildSettings;
}

const BUILD_NAMES: readonly string[] = [...SETTING_NAMES, 'fit', 'partitions'];

/** The settings among given options that are there, after their checks. */
export function buildSettings(given: Record<string, unknown>): BuildSettings {
  // The dimension may stay open; every other setting is checked as for an index.
  settings({ ...given, dim: given.dim ?? 2 }, 'string');
  buildPlan(given);
  const present = BUILD_NAMES.filter((name) => given[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, given[name]]));
}

/** Checks the settings of a file. */
export function storedSettings(value: unknown): BuildSettings {
  const given = options(value, 'settings', BUILD_NAMES, true);
  // A JSON number cannot hold 64 bits.
  if (typeof given.seed === 'string' && /^\d{1,20}$/.test(given.seed)) given.seed = BigInt(given.seed);
  return buildSettings(given);
}

/** Checks {@link StoreOptions}. */
export function storePlan(o: unknown): StorePlan {
  const given = options(o, 'store options', ['index', 'documents', ...BUILD_NAMES]);
  const { index } = given;
  const build = buildSettings(given);
  const documents = given.documents === undefined ? new MemoryDocuments() : documentStore(given.documents, 'documents');
  if (index === undefined) return { index, documents, build };
  if (!(index instanceof SearchIndex)) throw notAHandle(index, 'index', 'SearchIndex');
  const name = Object.keys(build)[0];
  if (name !== undefined) throw invalidArg(name, 'absent where an index is given', given[name]);
  const typed: SearchIndex<string> = index as never;
  if (typed.idType !== 'string') throw invalidArg('index', "an index of idType 'string'", typed.idType);
  if (given.documents === undefined && typed.size > 0) {
    throw invalidArg('documents', 'given where the index has vectors', undefined, { size: typed.size });
  }
  return { index: typed, documents, build };
}
