import { types } from 'node:util';
import { ID_TYPES, type IdType, type IdTypeOf, type IndexId, toIds } from './index-id.js';
import { abortSignal, type JobOptions } from './job.js';
import type { NativeIds, NativeIndexConfig } from './native-types.js';
import type { FilePath } from './path.js';
import type { SearchIndex } from './search-index.js';
import { boolean, integer, invalidArg, oneOf, options, seed } from './validate.js';
import { bytes } from './vectors.js';

/** How two vectors are compared. */
export type Metric = 'cosine' | 'dot' | 'l2';

/** Bits per coordinate of a {@link SearchIndex}. */
export type IndexBits = 1 | 2 | 3 | 4 | 8;

/** Whether the vectors themselves are kept beside their codes. */
export type Originals = 'none' | 'f16' | 'f32';

/** What a {@link SearchIndex} is made for; none of it ever changes. */
export interface IndexSettings {
  /** Values per vector, 2 to 16384. */
  readonly dim: number;
  /** Bits per coordinate, on average where the index is fitted. Default 4. */
  readonly bits?: IndexBits;
  /**
   * How scores are computed: `'cosine'` of the angle, the `'dot'` product, or minus the squared distance (`'l2'`).
   * Default `'cosine'`.
   */
  readonly metric?: Metric;
  /** Seed of the random rotations, 0 to 2^64 - 1. Default `42n`. */
  readonly seed?: bigint | number;
  /**
   * Keeps the vectors, rounded to half precision (`'f16'`) or as they are (`'f32'`), to order the last candidates of a
   * search by them. In an index that was opened from a file they stay there. Those of vectors that are removed or
   * replaced stay too, until the index is built anew. Default `'none'`.
   */
  readonly originals?: Originals;
}

/** Options of the constructor of {@link SearchIndex}. */
export type SearchIndexOptions<Id extends IndexId = number> = IndexSettings &
  (Id extends number
    ? {
        /** Kind of the ids. Default `'number'`. */
        readonly idType?: 'number';
      }
    : {
        /** Kind of the ids. */
        readonly idType: IdTypeOf<Id>;
      });

/** Options of {@link SearchIndex.fromCorpus}. */
export interface IndexFromCorpusOptions extends Omit<IndexSettings, 'dim'>, JobOptions {
  /** Fits segments to the vectors: better recall from the same bytes. Default `true`. */
  readonly fit?: boolean;
  /**
   * Takes over what another index or index file is fitted to, in place of a fit of its own: vectors have the codes and
   * scores that they would have there, so that the hits of several such indexes are one list. `bits`, `metric` and
   * `seed` are then those of the other index, and `dim` must be. It need not hold any vectors: save one right after
   * `fit()`.
   */
  readonly like?: SearchIndex<number> | SearchIndex<bigint> | SearchIndex<string> | FilePath;
  /**
   * Groups of neighbouring vectors, of which a search looks at the nearest: a number, 1 for none, or `'auto'` for what
   * goes with the number of vectors. Default `'auto'`.
   */
  readonly partitions?: number | 'auto';
}

/** Options of {@link SearchIndex.build}. */
export interface IndexBuildOptions<Id extends IndexId = number> extends IndexFromCorpusOptions {
  /** Values per vector, 2 to 16384. */
  readonly dim: number;
  /** An id for each vector. Default: 0, 1, 2, ... */
  readonly ids?: Iterable<Id>;
  /** Kind of the ids. Default: that of `ids`. */
  readonly idType?: IdTypeOf<Id>;
}

/** Options of {@link SearchIndex.add}. */
export interface IndexAddOptions<Id extends IndexId = number> extends JobOptions {
  /** An id for each vector. Default: the numbers that follow the largest so far. */
  readonly ids?: Iterable<Id>;
}

/** Options of {@link SearchIndex.search}. */
export interface IndexSearchOptions<Id extends IndexId = number> {
  /** Hits wanted, at least 1; more than there are vectors gives all. */
  readonly k: number;
  /**
   * The vectors that may be hits: their ids, of which unknown ones are ignored, or a bitmap in which bit `r % 8` of byte
   * `floor(r / 8)` stands for the row `r`, counted from 0 in order of adding and never reused. Bytes that are missing
   * are 0. Default: all.
   */
  readonly filter?: Iterable<Id> | Uint8Array;
  /** Scales how many candidates each stage of the search keeps: a larger number finds more and takes longer. Default 1. */
  readonly effort?: number;
  /**
   * Compares the query with every vector, in place of candidates alone: with the originals where they are kept and
   * `rescore` is not `false`, else with the codes. Default `false`.
   */
  readonly exact?: boolean;
  /** Orders the last candidates by the original vectors. Default: where they are kept. */
  readonly rescore?: boolean;
  /** Stops the search; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Names of the options in {@link IndexSettings}. */
export const SETTING_NAMES: readonly string[] = ['dim', 'bits', 'metric', 'seed', 'originals'];

const BITS: readonly unknown[] = [1, 2, 3, 4, 8];
const SEARCH_NAMES: readonly string[] = ['k', 'filter', 'effort', 'exact', 'rescore'];
const ASYNC_SEARCH_NAMES: readonly string[] = [...SEARCH_NAMES, 'signal'];
const DEFAULT_SEED = 42n;
/** As many as an index may have. */
const MAX_PARTITIONS = 65_536;

function indexBits(value: unknown): number {
  if (value === undefined) return 4;
  if (!BITS.includes(value)) throw invalidArg('bits', `one of ${BITS.join(', ')}`, value);
  return value as number;
}

/** Checks an option that names a kind of ids; `undefined` if absent. */
export function idType(value: unknown): IdType | undefined {
  return value === undefined ? undefined : oneOf(value, 'idType', ID_TYPES);
}

/** Checks {@link IndexSettings}. */
export function settings(given: Record<string, unknown>, type: IdType): NativeIndexConfig {
  const { dim, bits, metric, originals } = given;
  return {
    dim: integer(dim, 'dim', 2, 16_384),
    bits: indexBits(bits),
    metric: metric === undefined ? 'cosine' : oneOf(metric, 'metric', ['cosine', 'dot', 'l2']),
    seed: given.seed === undefined ? DEFAULT_SEED : seed(given.seed, 'seed'),
    idType: type,
    originals: originals === undefined ? 'none' : oneOf(originals, 'originals', ['none', 'f16', 'f32']),
  };
}

/** Checks how an index is built; 0 partitions stand for `'auto'`. */
export function buildPlan(given: Record<string, unknown>): { fit: boolean; partitions: number } {
  const { fit, partitions } = given;
  const isAuto = partitions === undefined || partitions === 'auto';
  if (!isAuto && typeof partitions !== 'number') throw invalidArg('partitions', "a number or 'auto'", partitions);
  return {
    fit: fit === undefined ? true : boolean(fit, 'fit'),
    partitions: isAuto ? 0 : integer(partitions, 'partitions', 1, MAX_PARTITIONS),
  };
}

/** {@link IndexSearchOptions} after their checks. */
export interface SearchPlan {
  readonly k: number;
  readonly effort: number;
  readonly exact: boolean;
  readonly rescore: boolean | null;
  readonly filter: Uint8Array | NativeIds | null;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks {@link IndexSearchOptions}.
 *
 * @param config of the index that is searched
 * @param isAsync whether a signal may be given
 */
export function searchPlan(o: unknown, config: NativeIndexConfig, isAsync: boolean): SearchPlan {
  const given = options(o, 'search options', isAsync ? ASYNC_SEARCH_NAMES : SEARCH_NAMES, true);
  const { effort, exact, rescore, filter } = given;
  if (effort !== undefined && !(typeof effort === 'number' && effort > 0 && effort < Number.POSITIVE_INFINITY)) {
    throw invalidArg('effort', 'a number above 0', effort);
  }
  if (rescore === true && config.originals === 'none') {
    throw invalidArg('rescore', 'false in an index that keeps no originals', rescore);
  }
  return {
    k: integer(given.k, 'k', 1, Number.MAX_SAFE_INTEGER),
    effort: effort ?? 1,
    exact: exact === undefined ? false : boolean(exact, 'exact'),
    rescore: rescore === undefined ? null : boolean(rescore, 'rescore'),
    filter:
      filter === undefined
        ? null
        : types.isUint8Array(filter)
          ? bytes(filter, 'filter')
          : toIds(filter, config.idType, 'filter'),
    signal: abortSignal(given.signal),
  };
}
