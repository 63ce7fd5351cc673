import pg from 'pg';
import { afterAll, describe } from 'vitest';
import { PgvectorBackend, type PgvectorOptions } from '../../dist/pgvector.js';

/** Address of a PostgreSQL server with pgvector for the tests that need one. */
export const testUrl: string | undefined = process.env.TINYQUANT_TEST_PG ?? process.env.DATABASE_URL;

/** Whether the server was started for the tests, so that they may start others beside it. */
export const isOwnServer: boolean = process.env.TINYQUANT_TEST_PG_OWN === '1';

/** What a live test works with. */
export interface Live {
  readonly url: string;
  readonly pool: pg.Pool;
  /** Names of tables of this run, which are dropped at its end. */
  table(prefix?: string): string;
  /** A backend over the shared pool, with its table made. */
  backend(o: Omit<PgvectorOptions, 'pool' | 'table'> & { readonly table?: string }): Promise<PgvectorBackend>;
}

/** Tests on a real server; without one they are skipped, and it is said why. */
export function describeLive(name: string, body: (live: Live) => void): void {
  if (testUrl === undefined) {
    console.log(
      `SKIPPED: ${name}: no PostgreSQL with pgvector; npm run test:pg starts one, TINYQUANT_TEST_PG names one`,
    );
    describe.skip(name, () => body({} as Live));
    return;
  }
  const url = testUrl;
  describe(name, () => {
    const pool = new pg.Pool({ connectionString: url, max: 12 });
    const tables: string[] = [];
    const table = (prefix = 'tinyquant test'): string => {
      const made = `${prefix} ${process.pid} ${tables.length}`;
      tables.push(made);
      return made;
    };
    afterAll(async () => {
      for (const made of tables) await pool.query(`drop table if exists ${pg.escapeIdentifier(made)}`);
      await pool.end();
    });
    body({
      url,
      pool,
      table,
      backend: async (o) => {
        const backend = new PgvectorBackend({ pool, table: table(), ...o });
        await backend.create();
        return backend;
      },
    });
  });
}
