/** Vectors in PostgreSQL with pgvector: what `tinyquant/pgvector` exports. */
export type { SearchOptions, VectorBackend } from '../backend.js';
export type { SearchResult } from '../hits.js';
export type { PgvectorColumn } from './copy.js';
export {
  PgvectorBackend,
  type PgvectorCreateOptions,
  type PgvectorEntriesOptions,
  type PgvectorIndexOptions,
  type PgvectorIngestOptions,
  type PgvectorSearchOptions,
} from './pgvector-backend.js';
export type { PgvectorCodec, PgvectorIndex, PgvectorNames, PgvectorOptions } from './pgvector-options.js';
export type { PgvectorBuild } from './pgvector-table.js';
export type { PostgresClient, PostgresPool, PostgresResult } from './postgres.js';
export { SqlFragment, sql } from './sql.js';
