// node benches/scale/run.mjs [--record FILE] [--rows N] [--shards N]: a Parquet data set made into shards and searched by
// examples/spark and examples/ray, on clusters of two processes on this machine, and by one process of the command line.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { main, root, Stop } from '../../scripts/lib.mjs';
import { cli, makeData, tinyquant } from '../../scripts/scale-data.mjs';
import { environment, missing, python } from '../../scripts/spark-setup.mjs';

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const SHARDS = Number(option('--shards') ?? 8);
const ROUNDS = 3;
const TOP_K = 10;
const folder = join(root, 'target', 'scale', 'bench');
const ENGINES = { spark: ['--master', 'local-cluster[2,1,1024]'], ray: ['--cpus', '2'] };

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Seconds of a process of the command line, start and end included. */
function seconds(...words) {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [cli, ...words], { maxBuffer: 1 << 30 });
  if (status !== 0) throw new Stop(`tinyquant ${words.join(' ')} failed: ${stderr}`);
  return (performance.now() - start) / 1000;
}

const rounds = (run) => median(Array.from({ length: ROUNDS }, run));

/** What an example prints for each of its actions. */
function example(engine, actions, words) {
  const script = join(root, 'examples', engine, 'embeddings.py');
  const args = [script, ...actions, ...ENGINES[engine], '--tinyquant', `node ${cli}`, ...words];
  const env = { ...process.env, ...environment() };
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(python, args, { env, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (status !== 0) throw new Stop(`${engine} failed:\n${stderr.slice(-4000)}`);
  const lines = stdout.trim().split('\n').slice(-actions.length);
  return { lines: lines.map((line) => JSON.parse(line)), all: (performance.now() - start) / 1000 };
}

const repeated = (action) => Array.from({ length: ROUNDS }, () => action);

/** Share of the true best rows that are among the hits. */
function recall(truth, lists) {
  let found = 0;
  for (const [query, hits] of lists.entries()) {
    const best = new Set(truth[query]);
    for (const { id } of hits) if (best.has(id)) found++;
  }
  return found / (TOP_K * truth.length);
}

/** Rates of one way: building and searching, with the bytes that it stores and what it finds. */
function figures(data, build, search, bytes, hits) {
  return {
    recallAt10: recall(data.truth, hits),
    buildSeconds: build,
    rowsPerSecond: data.rows / build,
    bytes,
    bytesPerVector: bytes / data.rows,
    searchSeconds: search,
    queriesPerSecond: data.queries / search,
  };
}

function oneProcess(data, kind, threads, making, file) {
  const cap = ['--threads', `${threads}`];
  const input = join(folder, 'all.parquet');
  const build = rounds(() => seconds(kind, input, '-o', file, '--force', ...making, ...cap));
  const queries = join(folder, 'queries.parquet');
  const search = rounds(() => seconds('search', file, '--query', queries, '--top-k', `${TOP_K}`, '--json', ...cap));
  const { results } = tinyquant('search', file, '--query', queries, '--top-k', `${TOP_K}`);
  return figures(data, build, search, statSync(file).size, results);
}

function withEngine(engine, data, making) {
  const out = join(folder, engine);
  rmSync(out, { recursive: true, force: true });
  const queries = ['--queries', join(folder, 'queries.parquet'), '--top-k', `${TOP_K}`];
  const words = ['--data', join(folder, 'data'), '--out', out, '--shards', `${SHARDS}`, ...making, ...queries];
  const { lines, all } = example(engine, [...repeated('compress'), ...repeated('search')], words);
  const times = lines.map((line) => line.seconds);
  const [build, search] = [median(times.slice(0, ROUNDS)), median(times.slice(ROUNDS))];
  const { bytes } = lines[0];
  const hits = lines.at(-1).results.map((result) => result.hits);
  return {
    ...figures(data, build, search, bytes, hits),
    startSeconds: all - times.reduce((sum, time) => sum + time, 0),
  };
}

await main(async () => {
  const source = process.env.TINYQUANT_DATA ?? join(root, '..', 'shared', 'data');
  const [vectors, queryFile] = [join(source, 'minilm-100k.f16.npy'), join(source, 'minilm-queries-1k.f16.npy')];
  if (!existsSync(vectors))
    throw new Stop(`${vectors} is missing: TINYQUANT_DATA names the folder of the large test sets`);
  mkdirSync(folder, { recursive: true });
  const limit = option('--rows');
  const data = await makeData(folder, {
    ...{ vectors, queries: queryFile, files: SHARDS, count: 1000 },
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  });
  // The vectors themselves, compared with each query.
  const exact = join(folder, 'exact.tq');
  tinyquant('compress', join(folder, 'all.parquet'), '-o', exact, '--policy', 'passthrough');
  const best = tinyquant('search', exact, '--query', join(folder, 'queries.parquet'), '--top-k', `${TOP_K}`).results;
  data.truth = best.map((hits) => hits.map(({ id }) => id));
  const fit = join(folder, 'fit.tqi');
  const coding = ['--codebook', join(folder, 'codebook.tqcb')];
  const config = join(folder, 'config.json');
  const results = {};
  const show = (name, result) => {
    results[name] = result;
    const { rowsPerSecond, bytesPerVector, queriesPerSecond, recallAt10 } = result;
    console.log(
      `${name.padEnd(36)} ${rowsPerSecond.toFixed(0).padStart(9)} rows/s ${bytesPerVector.toFixed(1).padStart(7)} bytes ` +
        `${queriesPerSecond.toFixed(0).padStart(7)} queries/s ${recallAt10.toFixed(3)}`,
    );
  };
  for (const threads of [1, 2]) {
    const named = threads === 1 ? 'one process, 1 thread' : `one process, ${threads} threads`;
    show(`index: ${named}`, oneProcess(data, 'index', threads, ['--like', fit], join(folder, 'one.tqi')));
    const making = [...coding, '--config-json', config];
    show(`corpus: ${named}`, oneProcess(data, 'compress', threads, making, join(folder, 'one.tq')));
  }
  for (const engine of Object.keys(ENGINES)) {
    const lacks = missing(engine);
    if (lacks !== null) throw new Stop(`${engine}: ${lacks.reason}; install with: ${lacks.install}`);
    show(`index: ${engine}`, withEngine(engine, data, ['--fit', fit]));
    show(`corpus: ${engine}`, withEngine(engine, data, [...coding, '--config', config]));
  }
  const record = option('--record');
  if (record === undefined) return;
  const command = `node benches/scale/run.mjs ${process.argv.slice(2).join(' ')}`.trim();
  const about = {
    command,
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    node: process.versions.node,
    engines: 'Spark local-cluster[2,1,1024], Ray with 2 processors; workers of 1 thread',
    rounds: ROUNDS,
    data: { name: 'minilm', rows: data.rows, dim: data.dimension, shards: SHARDS, queries: data.queries, topK: TOP_K },
    fit: { seconds: data.fitSeconds, bytes: statSync(fit).size },
    results,
  };
  writeFileSync(record, `${JSON.stringify(about, null, 2)}\n`);
});
