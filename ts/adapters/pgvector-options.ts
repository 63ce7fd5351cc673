import { type Codebook, nativeCodebook } from '../codebook.js';
import { type CodecConfig, nativeConfig } from '../config.js';
import { TinyQuantError } from '../errors.js';
import type { Metric } from '../index-options.js';
import { integer, invalidArg, oneOf, options } from '../validate.js';
import type { PgvectorColumn } from './copy.js';
import type { PostgresPool } from './postgres.js';
import { identifier, quoted } from './sql.js';

/** How pgvector finds near vectors: a graph, lists of neighbours, or by comparing all. */
export type PgvectorIndex = 'hnsw' | 'ivfflat' | 'none';

/** With what vectors are compressed. */
export interface PgvectorCodec {
  /** Its dimension is that of the table. */
  readonly config: CodecConfig;
  /** Its bits are those of the configuration. */
  readonly codebook: Codebook;
}

/** Names of the columns of a table. */
export interface PgvectorNames {
  /** Ids, texts. Default `'id'`. */
  readonly id?: string;
  /** Vectors, or their signs. Default `'embedding'`. */
  readonly vector?: string;
  /** Codes, `bytea`. Default `'codes'`. */
  readonly codes?: string;
  /** Metadata, `jsonb`. Default `'metadata'`. */
  readonly metadata?: string;
}

/** Options of {@link PgvectorBackend}; one of `pool` and `connectionString` is needed. */
export interface PgvectorOptions {
  /** A `Pool` of the package `pg`, which stays the caller's: `close` does not end it. */
  readonly pool?: PostgresPool;
  /** `postgres://user:password@host:port/database`, for a pool that `close` ends. */
  readonly connectionString?: string;
  /** Name of the table; any characters, a dot is one of them. */
  readonly table: string;
  /** Schema of the table. Default: the first of the search path that has it. */
  readonly schema?: string;
  /** Values per vector: 2 to 16000, as `bit` 16384; an index takes `vector` up to 2000 and `halfvec` up to 4000. */
  readonly dimension: number;
  /**
   * What the server keeps of a vector: its values in single (`'vector'`) or half precision (`'halfvec'`), or one bit of each
   * (`'bit'`), which needs `codec`. Default `'vector'`.
   */
  readonly column?: PgvectorColumn;
  /** What {@link PgvectorBackend.create} and {@link PgvectorBackend.createIndex} build. Default `'hnsw'`. */
  readonly index?: PgvectorIndex;
  /** How scores are computed, as those of `SearchIndex`. Default `'cosine'`. */
  readonly metric?: Metric;
  /**
   * Keeps codes beside each vector. A search then has two stages: the server lists candidates by its index or by Hamming
   * distance, and their codes are scored here.
   */
  readonly codec?: PgvectorCodec;
  /** Candidates for each hit that is wanted, 1 to 10000; at least 100 in all. Default 20 for `'bit'`, else 4. */
  readonly shortlist?: number;
  /** Names of the columns. */
  readonly names?: PgvectorNames;
}

/** {@link PgvectorOptions} after their checks, with quoted names. */
export interface PgvectorPlan {
  readonly pool: PostgresPool | string;
  /** Quoted, with its schema where there is one. */
  readonly table: string;
  readonly dimension: number;
  readonly column: PgvectorColumn;
  readonly index: PgvectorIndex;
  readonly metric: Metric;
  readonly codec: PgvectorCodec | undefined;
  readonly shortlist: number;
  /** As given. */
  readonly names: Required<PgvectorNames>;
}

const COLUMNS: readonly PgvectorColumn[] = ['vector', 'halfvec', 'bit'];
const INDEXES: readonly PgvectorIndex[] = ['hnsw', 'ivfflat', 'none'];
/** Values that a column can hold; a codec has no more than 16384. */
const MAX_DIMENSION: Record<PgvectorColumn, number> = { vector: 16_000, halfvec: 16_000, bit: 16_384 };
/** Values that pgvector can index. */
const MAX_INDEXED: Record<PgvectorColumn, number> = { vector: 2000, halfvec: 4000, bit: 64_000 };
const NAMES: readonly string[] = [
  ...['pool', 'connectionString', 'table', 'schema', 'dimension', 'column', 'index', 'metric', 'codec'],
  ...['shortlist', 'names'],
];

/** The operator of a distance, and the class of operators of its index. */
export function operators(column: PgvectorColumn, metric: Metric): { operator: string; opclass: string } {
  if (column === 'bit') return { operator: '<~>', opclass: 'bit_hamming_ops' };
  const { operator, name } = {
    cosine: { operator: '<=>', name: 'cosine' },
    dot: { operator: '<#>', name: 'ip' },
    l2: { operator: '<->', name: 'l2' },
  }[metric];
  return { operator, opclass: `${column}_${name}_ops` };
}

function connection(pool: unknown, connectionString: unknown): PostgresPool | string {
  if ((pool === undefined) === (connectionString === undefined)) {
    const message = `pool and connectionString: one of them must be given, got ${pool === undefined ? 'neither' : 'both'}`;
    throw new TinyQuantError('ERR_TQ_INVALID_ARG', message, { details: { argument: 'pool' } });
  }
  if (pool === undefined) {
    // The text is not repeated in the message: it may hold a password.
    if (typeof connectionString !== 'string' || connectionString === '')
      throw invalidArg('connectionString', 'a string', typeof connectionString);
    return connectionString;
  }
  const isPool = typeof pool === 'object' && pool !== null && typeof (pool as PostgresPool).connect === 'function';
  if (!isPool) throw invalidArg('pool', 'a Pool of the package pg', pool);
  return pool as PostgresPool;
}

function codecOf(value: unknown, dimension: number, column: PgvectorColumn): PgvectorCodec | undefined {
  if (value === undefined) {
    if (column === 'bit') throw invalidArg("codec with column 'bit'", 'a config and a codebook', value);
    return undefined;
  }
  const { config, codebook } = options(value, 'codec', ['config', 'codebook'], true);
  const checked = nativeConfig(config, 'codec.config');
  const trained = nativeCodebook(codebook, 'codec.codebook');
  if (checked.dimension !== dimension) {
    const message = `codec.config has the dimension ${checked.dimension}, the table ${dimension}`;
    const details = { kind: 'DimensionMismatch', expected: dimension, got: checked.dimension };
    throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
  }
  if (trained.bitWidth !== checked.bitWidth) {
    const message = `codec.codebook has ${trained.bitWidth} bits, codec.config ${checked.bitWidth}`;
    throw new TinyQuantError('ERR_TQ_CODEBOOK_MISMATCH', message, {
      details: { expected: checked.bitWidth, got: trained.bitWidth },
    });
  }
  return { config: config as CodecConfig, codebook: codebook as Codebook };
}

function namesOf(value: unknown): Required<PgvectorNames> {
  const given = options(value, 'names', ['id', 'vector', 'codes', 'metadata']);
  const name = (key: keyof PgvectorNames, fallback: string): string =>
    given[key] === undefined ? fallback : identifier(given[key], `names.${key}`);
  const names = {
    id: name('id', 'id'),
    vector: name('vector', 'embedding'),
    codes: name('codes', 'codes'),
    metadata: name('metadata', 'metadata'),
  };
  if (new Set(Object.values(names)).size < 4) throw invalidArg('names', 'four different names', value);
  return names;
}

/** Checks {@link PgvectorOptions}. */
export function pgvectorPlan(o: unknown): PgvectorPlan {
  const given = options(o, 'PgvectorBackend options', NAMES, true);
  const pool = connection(given.pool, given.connectionString);
  const table = quoted(identifier(given.table, 'table'));
  const schema = given.schema === undefined ? '' : `${quoted(identifier(given.schema, 'schema'))}.`;
  const column = given.column === undefined ? 'vector' : oneOf(given.column, 'column', COLUMNS);
  const dimension = integer(given.dimension, 'dimension', 2, MAX_DIMENSION[column]);
  const index = given.index === undefined ? 'hnsw' : oneOf(given.index, 'index', INDEXES);
  if (index !== 'none' && dimension > MAX_INDEXED[column]) {
    const message = `pgvector indexes a ${column} of at most ${MAX_INDEXED[column]} values, dimension is ${dimension}: take another column, or index 'none'`;
    throw new TinyQuantError('ERR_TQ_LIMIT', message, { details: { expected: MAX_INDEXED[column], got: dimension } });
  }
  return {
    pool,
    table: schema + table,
    dimension,
    column,
    index,
    metric: given.metric === undefined ? 'cosine' : oneOf(given.metric, 'metric', ['cosine', 'dot', 'l2']),
    codec: codecOf(given.codec, dimension, column),
    shortlist: shortlistOf(given.shortlist) ?? (column === 'bit' ? 20 : 4),
    names: namesOf(given.names),
  };
}

/** Checks how many candidates a hit takes; `undefined` if absent. */
export function shortlistOf(value: unknown): number | undefined {
  return value === undefined ? undefined : integer(value, 'shortlist', 1, 10_000);
}
