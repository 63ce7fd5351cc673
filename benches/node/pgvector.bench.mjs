// Embeddings from a corpus file into PostgreSQL with pgvector, and searched there, beside SearchIndex in the same run.
// The server is started for it with its own defaults, but fsync off, 256 MB of buffers and 512 MB for building an index.
// `-- --data FOLDER` or TINYQUANT_DATA has minilm-100k.f16.npy; without it the 4,000 rows of the demo are taken.
// `-- --record FILE` writes the figures.
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { readVectors } from '../../dist/io.mjs';
import { PgvectorBackend } from '../../dist/pgvector.mjs';
import { Codebook, CodecConfig, CompressionPolicy, Corpus, CorpusWriter, SearchIndex } from '../../index.mjs';
import { Stop } from '../../scripts/lib.mjs';
import { withServer } from '../../scripts/postgres.mjs';

const test = process.argv.includes('--test');
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const K = 10;
const ROUNDS = test ? 1 : 3;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-bench-'));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const seconds = async (body) => {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
};

async function readAll(path) {
  const parts = [];
  let dim = 0;
  for await (const { vectors, dimension } of readVectors(path)) {
    parts.push(vectors);
    dim = dimension;
  }
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return { values, dim, rows: values.length / dim };
}

const data = option('--data') ?? process.env.TINYQUANT_DATA ?? join(root, '..', 'shared', 'data');
const isLarge = !test && existsSync(join(data, 'minilm-100k.f16.npy'));
const demo = join(root, 'fixtures', 'demo');
const base = await readAll(isLarge ? join(data, 'minilm-100k.f16.npy') : join(demo, 'vectors.f16.npy'));
const asked = await readAll(isLarge ? join(data, 'minilm-queries-1k.f16.npy') : join(demo, 'queries.f16.npy'));
const { dim, rows } = base;
const QUERIES = test ? 20 : Math.min(300, asked.rows);
const queries = Array.from({ length: QUERIES }, (_, i) => asked.values.subarray(i * dim, (i + 1) * dim));
console.log(`${rows} x ${dim}, ${QUERIES} queries, ${K} hits each`);

/** A corpus file of all rows. */
async function corpusFile(name, bitWidth, compressionPolicy) {
  const path = join(folder, name);
  const codecConfig = new CodecConfig({ bitWidth, dimension: dim, residualEnabled: false });
  const sample = base.values.subarray(0, Math.min(rows, 10_000) * dim);
  const codebook = Codebook.train(sample, codecConfig, { method: 'lloyd-max' });
  const writer = await CorpusWriter.create(path, { corpusId: name, codecConfig, codebook, compressionPolicy });
  const ids = Array.from({ length: rows }, (_, row) => String(row));
  await writer.write(base.values, { ids });
  await writer.finish();
  return { path, codec: { config: codecConfig, codebook } };
}

const truthIndex = await SearchIndex.build(base.values, { dim, originals: 'f32', idType: 'number' });
const truth = (await truthIndex.searchBatch(asked.values.subarray(0, QUERIES * dim), { k: K, exact: true })).map(
  ({ ids }) => new Set(Array.from(ids, String)),
);
truthIndex.close();

/** Recall of a way to search, and what a query takes that waits for the one before it. */
const ways = [];
const measure = (name, search, count = QUERIES) => ways.push({ name, search, count, times: [], recall: 0 });
async function measureAll() {
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of ways) {
      let found = 0;
      for (const query of queries.slice(0, 5)) await way.search(query);
      const start = performance.now();
      for (const [i, query] of queries.slice(0, way.count).entries()) {
        for (const id of await way.search(query)) if (truth[i].has(id)) found += 1;
      }
      way.times.push((performance.now() - start) / way.count);
      way.recall = found / (way.count * K);
    }
  }
}

const results = { ingest: [], indexes: [], search: [] };

async function ingestAll(pool) {
  const half = await corpusFile('half.tq', 4, CompressionPolicy.FP16);
  const four = await corpusFile('four.tq', 4, CompressionPolicy.COMPRESS);
  const eight = await corpusFile('eight.tq', 8, CompressionPolicy.COMPRESS);
  const tables = [
    { table: 'vector', column: 'vector', from: half },
    { table: 'halfvec', column: 'halfvec', from: half },
    { table: 'bit + 4-bit codes', column: 'bit', from: four, codec: four.codec },
    { table: 'bit + 8-bit codes', column: 'bit', from: eight, codec: eight.codec },
  ];
  for (const { table, column, from, codec } of tables) {
    // A table has a type of its name, and `vector` is one already.
    const name = `rows as ${table}`;
    const size = async (what) =>
      Number((await pool.query(`select ${what}(to_regclass($1)) as n`, [`"${name}"`])).rows[0].n);
    const store = new PgvectorBackend({ pool, table: name, dimension: dim, column, ...(codec ? { codec } : {}) });
    await store.create({ buildIndex: false });
    const corpus = await Corpus.open(from.path);
    const rates = { error: [], replace: [] };
    for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
      for (const onConflict of ['replace', 'error']) {
        await store.clear();
        rates[onConflict].push(rows / (await seconds(() => store.ingestCorpus(corpus, { onConflict }))));
      }
    }
    const ingest = {
      table,
      corpus_bytes: statSync(from.path).size,
      rows_per_second: median(rates.error),
      rows_per_second_replace: median(rates.replace),
      table_bytes: await size('pg_table_size'),
      id_index_bytes: await size('pg_indexes_size'),
    };
    corpus.close();
    await pool.query(`vacuum analyze "${name}"`);
    results.ingest.push(ingest);
    console.log(
      `${table.padEnd(20)} ${Math.round(ingest.rows_per_second)} rows/s, ${Math.round(ingest.rows_per_second_replace)} replacing, table ${(ingest.table_bytes / 1e6).toFixed(1)} MB, corpus file ${(ingest.corpus_bytes / 1e6).toFixed(1)} MB`,
    );
    const spent = await seconds(() => store.createIndex());
    const bytes = (await size('pg_indexes_size')) - ingest.id_index_bytes;
    results.indexes.push({ table, index: 'hnsw', seconds: spent, bytes });
    console.log(`${table.padEnd(20)} hnsw in ${spent.toFixed(1)} s, ${(bytes / 1e6).toFixed(1)} MB`);
    const names = async (query, o) => (await store.search(query, K, o)).map(({ vectorId }) => vectorId);
    if (codec === undefined) {
      measure(`${table}, hnsw`, (query) => names(query));
      measure(`${table}, hnsw, efSearch 100`, (query) => names(query, { efSearch: 100 }));
      measure(`${table}, exact`, (query) => names(query, { exact: true }), Math.min(QUERIES, 50));
    } else {
      for (const shortlist of [10, 20, 40]) {
        measure(`${table}, hnsw, shortlist ${shortlist}`, (query) => names(query, { shortlist }));
      }
      measure(`${table}, exact, shortlist 20`, (query) => names(query, { exact: true }), Math.min(QUERIES, 100));
      measure(
        `${table}, exact, shortlist 100`,
        (query) => names(query, { exact: true, shortlist: 100 }),
        Math.min(QUERIES, 100),
      );
    }
  }
  return four;
}

async function bench(url) {
  const pool = new pg.Pool({ connectionString: url });
  try {
    results.server = (
      await pool.query(
        "select version(), (select setting from pg_settings where name = 'max_parallel_workers_per_gather') as parallel",
      )
    ).rows[0];
    await pool.query('create extension if not exists vector');
    results.pgvector = (
      await pool.query("select extversion from pg_extension where extname = 'vector'")
    ).rows[0].extversion;
    await ingestAll(pool);
    for (const originals of ['none', 'f16']) {
      const name = `SearchIndex, 4 bits${originals === 'none' ? '' : ', f16 originals'}`;
      let index;
      const spent = await seconds(async () => {
        index = await SearchIndex.build(base.values, { dim, originals });
      });
      const path = join(folder, `${originals}.tqi`);
      await index.save(path);
      index.close();
      const opened = await SearchIndex.open(path);
      results.indexes.push({ table: name, index: 'SearchIndex', seconds: spent, bytes: statSync(path).size });
      console.log(
        `${name.padEnd(20)} built in ${spent.toFixed(1)} s, file ${(statSync(path).size / 1e6).toFixed(1)} MB`,
      );
      measure(name, async (query) => Array.from((await opened.search(query, { k: K })).ids, String));
    }
    await measureAll();
    for (const { name, times, recall, count } of ways) {
      results.search.push({ name, queries: count, recall_at_10: recall, ms_per_query: median(times) });
      console.log(
        `${name.padEnd(40)} recall@10 ${recall.toFixed(3)}  ${median(times).toFixed(3).padStart(8)} ms a query`,
      );
    }
  } finally {
    await pool.end();
  }
}

try {
  await withServer(bench);
  const record = option('--record');
  if (record !== undefined) {
    const facts = {
      command: 'npm run bench:pg',
      cpu: cpus()[0]?.model,
      threads: cpus().length,
      rows,
      dim,
      rounds: ROUNDS,
    };
    const source = isLarge ? 'minilm-100k.f16.npy' : 'fixtures/demo';
    writeFileSync(record, `${JSON.stringify({ ...facts, data: source, ...results }, null, 2)}\n`);
  }
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  console.log(`SKIPPED: ${error.message}`);
  process.exitCode = process.env.CI === 'true' ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
