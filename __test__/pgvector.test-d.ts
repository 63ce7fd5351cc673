import { expectTypeOf } from 'expect-type';
import type pg from 'pg';
import { PgvectorBackend, type PgvectorOptions, type PostgresPool, SqlFragment, sql } from '../dist/pgvector.js';
import type { Codebook, CodecConfig, SearchResult, VectorBackend } from '../index.js';

declare const pool: pg.Pool;
declare const config: CodecConfig;
declare const codebook: Codebook;
declare const floats: Float32Array;

// A pool of the package pg is taken as it is.
expectTypeOf(pool).toExtend<PostgresPool>();
const backend = new PgvectorBackend({ pool, table: 't', dimension: 4 });
expectTypeOf(backend).toExtend<VectorBackend>();
expectTypeOf<PgvectorOptions['column']>().toEqualTypeOf<'vector' | 'halfvec' | 'bit' | undefined>();
new PgvectorBackend({ connectionString: '', table: 't', dimension: 4, column: 'bit', codec: { config, codebook } });
// @ts-expect-error no such column
new PgvectorBackend({ pool, table: 't', dimension: 4, column: 'sparsevec' });
// @ts-expect-error the table is required
new PgvectorBackend({ pool, dimension: 4 });

expectTypeOf(backend.search(floats, 3, { filter: { a: 1 }, signal: AbortSignal.timeout(1) })).toEqualTypeOf<
  Promise<SearchResult[]>
>();
expectTypeOf(sql`a = ${1}`).toEqualTypeOf<SqlFragment>();
backend.search(floats, 3, { filter: sql`a = ${1}` });
// @ts-expect-error a text is no filter
backend.search(floats, 3, { filter: 'a = 1' });
// @ts-expect-error made by sql alone
new SqlFragment();
// @ts-expect-error no such option
backend.ingest({ a: floats }, { onConflict: 'ignore' });
