import pg from 'pg';
import { registerTypes } from 'pgvector/pg';
import { expect, it } from 'vitest';
import { PgvectorBackend } from '../dist/pgvector.js';
import { normals } from './helpers/data.js';
import { rejection } from './helpers/failure.js';
import { describeLive } from './helpers/postgres.js';
import { rowOf } from './helpers/search.js';

const quote = pg.escapeIdentifier;

describeLive('PgvectorBackend beside others', ({ pool, backend, table, url }) => {
  it('leaves out rows that have no vector', async () => {
    const name = table();
    await pool.query('create extension if not exists vector');
    await pool.query(`create table ${quote(name)} (id text primary key, embedding vector(3), metadata jsonb)`);
    await pool.query(`insert into ${quote(name)} values ('none', null, null), ('same', '[1,0,0]', '{}')`);
    for (const metric of ['cosine', 'dot', 'l2'] as const) {
      const store = new PgvectorBackend({ pool, table: name, dimension: 3, metric, index: 'none' });
      for (const exact of [false, true]) {
        const hits = await store.search([1, 0, 0], 5, { exact });
        expect(hits.map(({ vectorId }) => vectorId)).toEqual(['same']);
      }
      const read = [];
      for await (const [id, vector] of store.entries()) read.push([id, ...vector]);
      expect(read).toEqual([['same', 1, 0, 0]]);
    }
  });

  it('reads vectors through a pool that parses them itself', async () => {
    const own = new pg.Pool({ connectionString: url, max: 1 });
    const client = await own.connect();
    await registerTypes(client);
    client.release();
    const store = new PgvectorBackend({ pool: own, table: table(), dimension: 3 });
    await store.create();
    await store.ingest({ a: [1, 2, 3] });
    for await (const [id, vector] of store.entries()) expect([id, ...vector]).toEqual(['a', 1, 2, 3]);
    expect(await store.search([1, 2, 3], 1)).toHaveLength(1);
    await own.end();
  });

  it('uses the table that the search path has, wherever a new one would be made', async () => {
    const [first, second, name] = [table(), table(), table()];
    await pool.query(`create schema ${quote(first)}`);
    await pool.query(`create schema ${quote(second)}`);
    const make = new PgvectorBackend({ pool, schema: second, table: name, dimension: 3 });
    await make.create();
    await make.ingest({ a: [1, 0, 0] });
    const own = new pg.Pool({ connectionString: url });
    own.on('connect', (client) => client.query(`set search_path = ${quote(first)}, ${quote(second)}, public`));
    const store = new PgvectorBackend({ pool: own, table: name, dimension: 3 });
    await store.create();
    expect(await store.count()).toBe(1);
    await own.end();
    const { rows } = await pool.query('select count(*)::int as n from pg_tables where schemaname = $1', [first]);
    expect(rows).toEqual([{ n: 0 }]);
    await pool.query(`drop schema ${quote(first)} cascade; drop schema ${quote(second)} cascade`);
  });

  it('builds one index when many ask for it', async () => {
    const name = table();
    const stores = Array.from({ length: 4 }, () => new PgvectorBackend({ pool, table: name, dimension: 8 }));
    await stores[0]?.create({ buildIndex: false });
    const rows = normals(2000 * 8, 3);
    await stores[0]?.ingest(Array.from({ length: 2000 }, (_, row) => [`v${row}`, rowOf(rows, row, 8)] as const));
    await Promise.all(stores.map((store) => store.createIndex()));
    const { rows: indexes } = await pool.query('select count(*)::int as n from pg_indexes where tablename = $1', [
      name,
    ]);
    expect(indexes).toEqual([{ n: 2 }]);
  });

  it.each(['ingest', 'upsert'] as const)('takes the same rows in any order from many at once (%s)', async (call) => {
    const store = await backend({ dimension: 4, index: 'none' });
    const data = normals(3000 * 4, 8);
    const rows = Array.from({ length: 3000 }, (_, row) => [`v${row}`, rowOf(data, row, 4)] as const);
    await Promise.all(Array.from({ length: 6 }, (_, i) => store[call](i % 2 === 0 ? rows : rows.toReversed())));
    expect(await store.count()).toBe(3000);
    const [hit] = await store.search(rowOf(data, 2500, 4), 1, { exact: true });
    expect(hit?.vectorId).toBe('v2500');
  });

  it('lets every call under way finish when it is closed, those that wait for a connection too', async () => {
    const name = table();
    const store = new PgvectorBackend({ connectionString: url, table: name, dimension: 3 });
    await store.create();
    await store.ingest({ a: [1, 0, 0] });
    const searches = Array.from({ length: 40 }, () => store.search([1, 0, 0], 1));
    // All have asked for a connection by now, of which there are ten.
    await Promise.race(searches);
    const closing = store.close();
    expect((await Promise.all(searches)).every(([hit]) => hit?.vectorId === 'a')).toBe(true);
    await Promise.all([closing, store.close()]);
    await rejection(() => store.count(), 'ERR_TQ_CLOSED');
  });

  it('refuses a filter by a value that is undefined, which would let every row pass', async () => {
    const store = await backend({ dimension: 3 });
    await store.ingest([
      ['a', [1, 0, 0], { tenant: 'x' }],
      ['b', [0, 1, 0], null],
    ]);
    const tenant = undefined;
    for (const [filter, path] of [
      [{ tenant }, 'filter.tenant'],
      [{ of: [{ tenant }] }, 'filter.of.0.tenant'],
    ] as const) {
      await rejection(() => store.search([1, 0, 0], 5, { filter }), 'ERR_TQ_INVALID_ARG', { path });
    }
    expect(await store.search([1, 0, 0], 5, { filter: { tenant: 'x' } })).toHaveLength(1);
    expect(await store.search([1, 0, 0], 5, { filter: {} })).toHaveLength(2);
  });
});
