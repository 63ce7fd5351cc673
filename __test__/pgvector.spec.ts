import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import ts from 'typescript';
import { describe, expect, it, vi } from 'vitest';
import { PgvectorBackend, type PgvectorColumn, type PgvectorIndex, sql } from '../dist/pgvector.js';
import { BruteForceBackend, Codebook, Codec, CodecConfig, CompressionPolicy, Corpus, type Metric } from '../index.js';
import { describeBackend } from './backend-conformance.js';
import { normals } from './helpers/data.js';
import { failure, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';
import { describeLive } from './helpers/postgres.js';
import { bestRows, clustered, rowOf, scoreOf } from './helpers/search.js';

/** A codec of 8 bits with residual: its codes stand for a vector to some 1e-5. */
function codecOf(dimension: number): { config: CodecConfig; codebook: Codebook } {
  const config = new CodecConfig({ bitWidth: 8, dimension });
  return { config, codebook: new Codec().buildCodebook(normals(4096 * dimension, 5), config) };
}

const named = (data: Float32Array, dim: number): [string, Float32Array][] =>
  Array.from({ length: data.length / dim }, (_, row) => [`v${row}`, rowOf(data, row, dim)]);

/** A pool that keeps the statements it is given. */
function watch(pool: pg.Pool): { watched: pg.Pool; statements: [text: string, values: unknown[]][] } {
  const statements: [string, unknown[]][] = [];
  const connect = async (): Promise<pg.PoolClient> => {
    const client = await pool.connect();
    const query = client.query.bind(client) as (text: unknown, values?: unknown[]) => Promise<pg.QueryResult>;
    return Object.assign(Object.create(client) as pg.PoolClient, {
      query: (text: unknown, values: unknown[] = []) => {
        statements.push([String(text), values]);
        return query(text, values);
      },
    });
  };
  return { watched: Object.assign(Object.create(pool) as pg.Pool, { connect }), statements };
}

describeLive('PgvectorBackend on a server', ({ pool, backend, table, url }) => {
  const kinds: [PgvectorColumn, PgvectorIndex, boolean, number][] = [
    ['vector', 'none', false, 1e-6],
    ['vector', 'hnsw', false, 1e-6],
    ['halfvec', 'hnsw', false, 2e-3],
    ['vector', 'ivfflat', false, 1e-6],
    ['halfvec', 'none', true, 2e-3],
    ['bit', 'hnsw', true, 2e-3],
    ['bit', 'none', true, 2e-3],
  ];
  for (const [column, index, hasCodes, tolerance] of kinds) {
    describeBackend(`PgvectorBackend, ${column}, ${index}${hasCodes ? ', codes' : ''}`, {
      make: (dimension) =>
        backend({ dimension, column, index, ...(hasCodes ? { codec: codecOf(dimension), shortlist: 40 } : {}) }),
      tolerance,
      recall: column === 'bit' ? 0.95 : 0.99,
    });
  }

  describe.each<Metric>(['cosine', 'dot', 'l2'])('metric %s', (metric) => {
    const dim = 24;
    const data = clustered(1500, dim, 10, 9);
    it.each<[PgvectorColumn, PgvectorIndex, boolean]>([
      ['vector', 'none', false],
      ['vector', 'hnsw', false],
      ['vector', 'ivfflat', false],
      ['halfvec', 'hnsw', false],
      ['halfvec', 'ivfflat', true],
      ['bit', 'hnsw', true],
      ['bit', 'ivfflat', true],
    ])('%s under %s, codes: %s', async (column, index, hasCodes) => {
      const store = await backend({
        dimension: dim,
        column,
        index,
        metric,
        ...(hasCodes ? { codec: codecOf(dim) } : {}),
      });
      await store.ingest(named(data.vectors, dim));
      await store.createIndex({ lists: 8 });
      const shortlist = hasCodes ? { shortlist: 60 } : {};
      let found = 0;
      for (let q = 0; q < 10; q++) {
        const query = rowOf(data.queries, q, dim);
        const hits = await store.search(query, 10, { ...shortlist, efSearch: 200, probes: 8 });
        const best = new Set(bestRows(data, query, 10, metric).map((row) => `v${row}`));
        for (const { vectorId, score } of hits) {
          const expected = scoreOf(metric, query, rowOf(data.vectors, Number(vectorId.slice(1)), dim));
          expect(Math.abs(score - expected)).toBeLessThan(column === 'vector' ? 1e-4 : 0.05);
          if (best.has(vectorId)) found++;
        }
        const exact = await store.search(query, 10, { ...shortlist, exact: true });
        if (column === 'vector') expect(new Set(exact.map(({ vectorId }) => vectorId))).toEqual(best);
      }
      expect(found).toBeGreaterThanOrEqual(column === 'bit' && metric !== 'cosine' ? 75 : 95);
    });
  });

  it('has an index of the wanted kind, which a search uses', async () => {
    const name = table();
    const store = await backend({ table: name, dimension: 8, index: 'hnsw' });
    await store.ingest(named(normals(3000 * 8, 4), 8));
    await store.create();
    await store.createIndex();
    const { rows } = await pool.query('select indexdef from pg_indexes where tablename = $1 order by 1', [name]);
    expect(rows.map(({ indexdef }: { indexdef: string }) => / USING (\w+)/.exec(indexdef)?.[1]).sort()).toEqual([
      'btree',
      'hnsw',
    ]);
    // The statement of a search, as the server plans it where comparing all rows is not an option.
    const { watched, statements } = watch(pool);
    const observed = new PgvectorBackend({ pool: watched, table: name, dimension: 8 });
    await observed.search(normals(8, 6), 5);
    const [text, values] = statements.find(([each]) => each.includes('order by "embedding"')) ?? ['', []];
    const client = await pool.connect();
    await client.query('begin');
    await client.query('set local enable_seqscan = off');
    const plan = (await client.query(`explain ${text}`, values)).rows.map((row) => JSON.stringify(row)).join('\n');
    await client.query('rollback');
    client.release();
    expect(plan).toMatch(/Index Scan using .*embedding_idx/);
  });

  it('finds an index that somebody else has built, some seconds later', async () => {
    const name = table();
    const { watched, statements } = watch(pool);
    const store = new PgvectorBackend({ pool: watched, table: name, dimension: 8 });
    await store.create({ buildIndex: false });
    await store.ingest(named(normals(40 * 8, 4), 8));
    const usesIndex = async (): Promise<boolean> => {
      statements.length = 0;
      expect(await store.search(normals(8, 6), 5)).toHaveLength(5);
      return statements.some(([text]) => text.includes('hnsw.ef_search'));
    };
    expect(await usesIndex()).toBe(false);
    await pool.query(`create index on ${pg.escapeIdentifier(name)} using hnsw (embedding vector_cosine_ops)`);
    expect(await usesIndex()).toBe(false);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 11_000);
    try {
      expect(await usesIndex()).toBe(true);
    } finally {
      clock.mockRestore();
    }
    expect(await usesIndex()).toBe(true);
  });

  it('makes a graph with the given numbers, and lists for the rows there are', async () => {
    const options = async (name: string): Promise<unknown> =>
      (
        await pool.query(
          'select reloptions from pg_class where oid in (select indexrelid from pg_index where indrelid = to_regclass($1)) and reloptions is not null',
          [pg.escapeIdentifier(name)],
        )
      ).rows;
    const graph = table();
    await new PgvectorBackend({ pool, table: graph, dimension: 4 }).create({ m: 8, efConstruction: 32 });
    expect(await options(graph)).toEqual([{ reloptions: ['m=8', 'ef_construction=32'] }]);
    const lists = table();
    const store = await backend({ table: lists, dimension: 4, index: 'ivfflat' });
    await store.ingest(named(normals(3000 * 4, 2), 4));
    await store.createIndex();
    expect(await options(lists)).toEqual([{ reloptions: ['lists=3'] }]);
  });

  it('writes the same by COPY and by statements, in every column', async () => {
    const dimension = 20;
    const tricky = [
      0,
      0.5,
      1e-8,
      5.96e-8,
      2 ** -24,
      2 ** -25,
      1.5 * 2 ** -24,
      6.1e-5,
      2 ** -14,
      1.0005,
      2047.5,
      2049,
      65504,
      -65504,
      0.1,
      -0.3,
      1 / 3,
      3.25,
      1e-3,
      -1,
    ];
    const vectors = new Map([
      ['tricky', Float32Array.from(tricky)],
      ['other', normals(dimension, 3)],
    ]);
    for (const column of ['vector', 'halfvec', 'bit'] as const) {
      const codec = column === 'bit' ? { codec: codecOf(dimension) } : {};
      const [left, right] = [table(), table()];
      if (column === 'bit')
        vectors.set(
          'tricky',
          Float32Array.from(tricky, (x) => x / 65504),
        );
      await (await backend({ table: left, dimension, column, ...codec })).ingest(vectors);
      await (await backend({ table: right, dimension, column, ...codec })).upsert(vectors);
      const text = async (name: string): Promise<unknown[]> =>
        (
          await pool.query(
            `select id, embedding::text, to_jsonb(t) - 'embedding' as rest from ${pg.escapeIdentifier(name)} t order by id`,
          )
        ).rows;
      const written = await text(left);
      expect(written).toHaveLength(2);
      expect(written).toEqual(await text(right));
    }
  });

  it('has the signs that binary_quantize gives', async () => {
    const name = table();
    const vectors = named(normals(50 * 21, 8), 21);
    await (await backend({ table: name, dimension: 21, column: 'bit', codec: codecOf(21) })).ingest(vectors);
    for (const [id, values] of vectors) {
      const { rows } = await pool.query(
        `select embedding::text = binary_quantize($2::vector)::text as same from ${pg.escapeIdentifier(name)} where id = $1`,
        [id, `[${values.join(',')}]`],
      );
      expect(rows).toEqual([{ same: true }]);
    }
  });

  it('filters by metadata and by conditions, with every value as a parameter', async () => {
    const store = await backend({ dimension: 6 });
    const data = normals(300 * 6, 12);
    const rows = named(data, 6).map(
      ([id, vector], i) => [id, vector, { parity: i % 2 ? 'odd' : 'even', n: i, tags: ['a', `t${i % 7}`] }] as const,
    );
    await store.ingest(rows);
    await store.createIndex();
    const query = normals(6, 13);
    const numbers = async (o: object, k = 300): Promise<number[]> =>
      (await store.search(query, k, o)).map(({ vectorId }) => Number(vectorId.slice(1))).sort((a, b) => a - b);
    const all = Array.from({ length: 300 }, (_, i) => i);
    expect(await numbers({ filter: { parity: 'odd' } })).toEqual(all.filter((i) => i % 2 === 1));
    expect(await numbers({ filter: { tags: ['t3'], parity: 'even' } })).toEqual(
      all.filter((i) => i % 7 === 3 && i % 2 === 0),
    );
    const least = 280;
    const late = sql`(metadata->>'n')::int >= ${least}`;
    expect(await numbers({ filter: late })).toEqual(all.slice(280));
    expect(await numbers({ filter: sql`${late} and not ${sql`metadata @> ${{ parity: 'odd' }}`}` })).toEqual(
      all.slice(280).filter((i) => i % 2 === 0),
    );
    expect(await numbers({ filter: sql`id = any(${['v1', 'v5', 'v999']})` })).toEqual([1, 5]);
    expect(await numbers({ filter: sql`id = ${'v7'} or id = ${'v8'} -- with a remark` })).toEqual([7, 8]);
    expect(await numbers({ filter: late }, 3)).toHaveLength(3);
    expect(await numbers({ filter: { parity: 'neither' } })).toEqual([]);
    for (const filter of ['true', 5, null, [], { text: undefined, f: () => 1 }]) {
      await rejection(() => store.search(query, 1, { filter: filter as never }), 'ERR_TQ_INVALID_ARG');
    }
    await rejection(() => store.search(query, 1, { filter: sql`no_such_column = ${1}` }), 'ERR_TQ_BACKEND', {
      sqlstate: '42703',
    });
  });

  it('reads back what it holds', async () => {
    for (const column of ['vector', 'halfvec', 'bit'] as const) {
      const store = await backend({ dimension: 9, column, ...(column === 'bit' ? { codec: codecOf(9) } : {}) });
      const rows = named(normals(25 * 9, 3), 9).map(([id, vector], i) => [id, vector, i % 2 ? { i } : null] as const);
      await store.ingest(rows);
      const read = [];
      for await (const entry of store.entries({ batchRows: 7 })) read.push(entry);
      expect(read.map(([id]) => id)).toEqual(rows.map(([id]) => id).toSorted());
      for (const [id, vector, metadata] of read) {
        const [, expected, facts] = rows.find(([name]) => name === id) ?? [];
        expect(metadata).toEqual(facts);
        vector.forEach((value, i) => {
          expect(Math.abs(value - (expected?.[i] ?? Number.NaN))).toBeLessThan(column === 'vector' ? 1e-9 : 2e-3);
        });
      }
      const odd = [];
      for await (const [id] of store.entries({ filter: sql`metadata is not null` })) odd.push(id);
      expect(odd).toHaveLength(12);
      const memory = new BruteForceBackend();
      memory.ingest(read);
      expect(memory.count).toBe(25);
    }
  });

  it('takes a corpus file: vectors as they are reconstructed, or its codes', async () => {
    const dimension = 32;
    const { config, codebook } = codecOf(dimension);
    const folder = mkdtempSync(join(tmpdir(), 'tinyquant-pg-'));
    try {
      const corpus = new Corpus({
        corpusId: 'c',
        codecConfig: config,
        codebook,
        compressionPolicy: CompressionPolicy.COMPRESS,
      });
      corpus.insertBatch(
        named(normals(5000 * dimension, 3), dimension).map(
          ([id, v], i) => [id, v, i === 7 ? { seven: true } : null] as const,
        ),
      );
      corpus.saveSync(join(folder, 'c.tq'));
      const file = await Corpus.open(join(folder, 'c.tq'));
      const reports: number[] = [];
      const vectors = await backend({ dimension, index: 'none' });
      expect(await vectors.ingestCorpus(file, { onProgress: ({ done }) => reports.push(done) })).toBe(5000);
      expect(reports.at(-1)).toBe(5000);
      const name = table();
      const codes = await backend({ table: name, dimension, column: 'bit', codec: { config, codebook } });
      expect(await codes.ingestCorpus(file, { onConflict: 'error' })).toBe(5000);
      const stored = await pool.query(`select codes from ${pg.escapeIdentifier(name)} where id = 'v7'`);
      expect(Buffer.compare((stored.rows[0] as { codes: Buffer }).codes, file.get('v7').compressed.toBytes())).toBe(0);
      expect((await codes.search(file.decompress('v7'), 1, { filter: { seven: true } }))[0]?.score).toBeCloseTo(1, 6);
      const query = normals(dimension, 77);
      const expected = (await file.search(query, 10)).map(({ vectorId }) => vectorId);
      expect((await vectors.search(query, 10)).map(({ vectorId }) => vectorId)).toEqual(expected);
      await rejection(() => codes.ingestCorpus(file, { onConflict: 'error' }), 'ERR_TQ_ID_EXISTS', {
        sqlstate: '23505',
      });
      expect(await codes.ingestCorpus(file)).toBe(5000);
      expect(await codes.count()).toBe(5000);

      const other = await backend({ dimension, column: 'bit', codec: codecOf2(dimension) });
      await rejection(() => other.ingestCorpus(file), 'ERR_TQ_CONFIG_MISMATCH');
      const trained = { config, codebook: Codebook.train(normals(4096 * dimension, 6), config) };
      const third = await backend({ dimension, column: 'bit', codec: trained });
      await rejection(() => third.ingestCorpus(file), 'ERR_TQ_CODEBOOK_MISMATCH');
      await rejection(() => third.ingestCorpus({} as never), 'ERR_TQ_INVALID_ARG');
      const narrow = await backend({ dimension: 8 });
      await rejection(() => narrow.ingestCorpus(file), 'ERR_TQ_DIM_MISMATCH', { expected: 8, got: dimension });
      for (const policy of [CompressionPolicy.PASSTHROUGH, CompressionPolicy.FP16]) {
        const plain = new Corpus({ corpusId: 'p', codecConfig: config, codebook, compressionPolicy: policy });
        plain.insertBatch(named(normals(40 * dimension, 5), dimension));
        await third.clear();
        expect(await third.ingestCorpus(plain)).toBe(40);
        expect((await third.search(plain.decompress('v3'), 1))[0]?.vectorId).toBe('v3');
      }
      file.close();
      await rejection(() => vectors.ingestCorpus(file), 'ERR_TQ_CLOSED');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('works on a table and columns of any name, in a schema of any name', async () => {
    const schema = `sch"ema ${process.pid}`;
    await pool.query(`create schema ${pg.escapeIdentifier(schema)}`);
    try {
      const names = { id: 'the "id"', vector: 'select', codes: "c'; --", metadata: 'a.b' };
      const store = await backend({
        schema,
        table: 'drop table "x"; --',
        dimension: 4,
        column: 'bit',
        codec: codecOf(4),
        names,
      });
      await store.ingest(named(normals(40, 2), 4).map(([id, v]) => [id, v, { id }] as const));
      await store.upsert({ v3: [1, 2, 3, 4] });
      expect(await store.count()).toBe(10);
      expect((await store.search([1, 2, 3, 4], 1))[0]?.vectorId).toBe('v3');
      expect(await store.search([1, 2, 3, 4], 9, { filter: { id: 'v4' } })).toHaveLength(1);
      let read = 0;
      for await (const [id] of store.entries({ batchRows: 3 })) read += id.startsWith('v') ? 1 : 0;
      expect(read).toBe(10);
      expect(await store.remove(['v1'])).toBe(1);
      await store.clear();
      expect(await store.count()).toBe(0);
    } finally {
      await pool.query(`drop schema ${pg.escapeIdentifier(schema)} cascade`);
    }
  });

  it('lets nothing in through table, column, id or filter', async () => {
    const guard = table('guard');
    await pool.query(`create table ${pg.escapeIdentifier(guard)} (n int)`);
    const attacks = [
      `x"; drop table "${guard}"; --`,
      `x'; drop table "${guard}"; --`,
      `"${guard}"`,
      `x" (a int); drop table "${guard}"; --`,
    ];
    for (const attack of attacks) {
      const name = table(attack);
      const store = await backend({ table: name, dimension: 4, names: { id: attack, metadata: `${attack}2` } });
      await store.ingest({ [attack]: [1, 2, 3, 4] });
      await store.upsert([[attack, [4, 3, 2, 1], { [attack]: attack }]]);
      await store.createIndex();
      expect(await store.search([4, 3, 2, 1], 5, { filter: { [attack]: attack } })).toEqual([
        { vectorId: attack, score: 1 },
      ]);
      expect(await store.search([4, 3, 2, 1], 5, { filter: { text: attack } })).toEqual([]);
      expect(await store.search([4, 3, 2, 1], 5, { filter: sql`${attack} = ${attack}` })).toHaveLength(1);
      expect(await store.search([4, 3, 2, 1], 5, { filter: sql`${attack} = 'other'` })).toEqual([]);
      await rejection(() => store.search([4, 3, 2, 1], 5, { filter: attack as never }), 'ERR_TQ_INVALID_ARG');
      failure(() => sql(attack as never), 'ERR_TQ_INVALID_ARG');
      failure(() => sql([attack] as never), 'ERR_TQ_INVALID_ARG');
      failure(
        () => new PgvectorBackend({ pool, table: 'x', dimension: 4, column: attack as never }),
        'ERR_TQ_INVALID_ARG',
      );
      failure(() => new PgvectorBackend({ pool, table: 'x', dimension: attack as never }), 'ERR_TQ_INVALID_ARG');
      await rejection(() => store.createIndex({ m: attack as never }), 'ERR_TQ_INVALID_ARG');
      expect(await store.remove([attack])).toBe(1);
      await store.clear();
    }
    expect((await pool.query(`select count(*)::int as n from ${pg.escapeIdentifier(guard)}`)).rows).toEqual([{ n: 0 }]);
  });

  it('has a pool of its own for a connection string, and ends it', async () => {
    const name = table();
    const store = new PgvectorBackend({ connectionString: url, table: name, dimension: 3 });
    await store.create();
    await Promise.all([store.ingest({ a: [1, 0, 0] }), store.ingest({ b: [0, 1, 0] })]);
    expect(await store.count()).toBe(2);
    const waiting = store.search([1, 0, 0], 1);
    const closing = store.close();
    await rejection(() => store.count(), 'ERR_TQ_CLOSED');
    await Promise.allSettled([waiting, closing]);
    await pool.query('select 1');
  });

  it('makes the same table from many at once', async () => {
    const name = table();
    const stores = Array.from({ length: 6 }, () => new PgvectorBackend({ pool, table: name, dimension: 3 }));
    await Promise.all(stores.map((store) => store.create()));
    await Promise.all(stores.map((store, i) => store.ingest({ shared: [1, i, 0], [`own ${i}`]: [0, 0, 1] })));
    expect(await stores[0]?.count()).toBe(7);
    const { rows } = await pool.query('select count(*)::int as n from pg_indexes where tablename = $1', [name]);
    expect(rows).toEqual([{ n: 2 }]);
  });

  it('does what its guide shows', async () => {
    const guide = readFileSync(join(ROOT, 'docs', 'pgvector.md'), 'utf8');
    const blocks = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code ?? '');
    expect(blocks.length).toBeGreaterThan(4);
    const { outputText } = ts.transpileModule(blocks.join('\n'), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    // Its tables are nobody else's: in a database of their own.
    const database = `guide ${process.pid}`;
    await pool.query(`create database ${pg.escapeIdentifier(database)}`);
    const project = mkdtempSync(join(tmpdir(), 'tinyquant-guide-'));
    try {
      mkdirSync(join(project, 'node_modules'));
      symlinkSync(ROOT, join(project, 'node_modules', 'tinyquant'), 'junction');
      symlinkSync(join(ROOT, 'node_modules', 'pg'), join(project, 'node_modules', 'pg'), 'junction');
      const script = join(project, 'guide.mjs');
      writeFileSync(script, outputText);
      const target = new URL(url);
      target.pathname = `/${encodeURIComponent(database)}`;
      const env = { ...process.env, DATABASE_URL: target.href };
      const output = execFileSync(process.execPath, [script], { cwd: project, env, encoding: 'utf8', timeout: 60_000 });
      expect(output).toMatch(/^a 1\n/);
      expect(output).toContain('500 of 500');
    } finally {
      rmSync(project, { recursive: true, force: true });
      await pool.query(`drop database ${pg.escapeIdentifier(database)} with (force)`);
    }
  });

  it('gives a vector without a direction the score 0', async () => {
    const store = await backend({ dimension: 3, index: 'none' });
    await store.ingest({ zero: [0, 0, 0], same: [1, 0, 0], opposite: [-1, 0, 0] });
    expect(await store.search([2, 0, 0], 2)).toEqual([
      { vectorId: 'same', score: 1 },
      { vectorId: 'zero', score: 0 },
    ]);
    expect((await store.search([0, 0, 0], 3)).map(({ score }) => score)).toEqual([0, 0, 0]);
    const graph = await backend({ dimension: 3 });
    await graph.ingest({ zero: [0, 0, 0], same: [1, 0, 0] });
    expect(await graph.search([2, 0, 0], 5)).toEqual([
      { vectorId: 'same', score: 1 },
      { vectorId: 'zero', score: 0 },
    ]);
  });
});

/** Another configuration of the same dimension. */
function codecOf2(dimension: number): { config: CodecConfig; codebook: Codebook } {
  const config = new CodecConfig({ bitWidth: 4, dimension, seed: 7n });
  return { config, codebook: Codebook.train(normals(4096, 5), config) };
}
