// The checks of test-spark.mjs and test-ray.mjs: examples/spark and examples/ray on clusters of two processes on this machine,
// with the same files and results as one process has, and with workers and executors killed on the way.
import { ok, deepStrictEqual as same } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, Stop } from './lib.mjs';
import { cli, contents, makeData, shardName, tinyquant } from './scale-data.mjs';
import { setup } from './setup.mjs';
import { environment, missing, python } from './spark-setup.mjs';

const target = join(root, 'target', 'scale');
const fixtures = join(root, 'fixtures', 'demo');
const killer = join(root, '__test__', 'helpers', 'kill-once.mjs');

const ENGINES = {
  spark: { words: ['--master', 'local-cluster[2,1,1024]'], process: 'CoarseGrainedExecutorBackend' },
  ray: { words: ['--cpus', '2'], process: 'ray::' },
};

/** Runs an example, and returns what it prints for each of its actions. */
function example(engine, words, command = `node ${cli}`) {
  const script = join(root, 'examples', engine, 'embeddings.py');
  const args = [script, 'compress', 'search', ...ENGINES[engine].words, '--tinyquant', command, ...words];
  const env = { ...process.env, ...environment() };
  const { status, stdout, stderr } = spawnSync(python, args, { env, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Stop(`${engine} failed:\n${stderr.slice(-4000)}`);
  return stdout
    .trim()
    .split('\n')
    .slice(-2)
    .map((line) => JSON.parse(line));
}

/** Command that kills a worker once, and the process of the engine above it where that is wanted. */
function deadly(marker, file, above) {
  return `node ${killer} ${cli} ${marker} ${file} ${above}`;
}

/** The files that one process makes of each shard's rows. */
async function expectedShards({ folder, part }, shards, extension) {
  const files = new Map();
  for (let shard = 0; shard < shards; shard++) {
    const [rows, name] = [await part(shard, shards), shardName(shard, extension)];
    const to = join(folder, `expected-${shards}-${name}`);
    if (extension === '.tqi') tinyquant('index', rows, '-o', to, '--like', join(folder, 'fit.tqi'));
    else {
      const coding = ['--codebook', join(folder, 'codebook.tqcb'), '--config-json', join(folder, 'config.json')];
      tinyquant('compress', rows, '-o', to, ...coding);
    }
    files.set(name, to);
  }
  return files;
}

/** Makes shards with an engine, searches them, and compares both with what one process makes. */
async function check(engine, data, whole, { shards, extension, kill }) {
  const { folder } = data;
  const out = join(target, `${engine}-${shards}${extension}`);
  const marker = join(target, `killed-${engine}-${shards}${extension}`);
  for (const old of [out, marker]) rmSync(old, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const isIndex = extension === '.tqi';
  const making = isIndex
    ? ['--fit', join(folder, 'fit.tqi')]
    : ['--codebook', join(folder, 'codebook.tqcb'), '--config', join(folder, 'config.json')];
  const queries = join(folder, 'queries.parquet');
  const command = kill === undefined ? undefined : deadly(marker, shardName(shards - 1, extension), kill);
  const searching = ['--queries', queries, '--top-k', '10', '--exact'];
  const words = ['--data', join(folder, 'data'), '--out', out, '--shards', `${shards}`, ...making, ...searching];
  const [made, found] = example(engine, words, command);

  if (kill !== undefined) ok(existsSync(marker), `${engine}: nothing was killed`);
  same(made.rows, data.rows, 'rows in all shards');
  const expected = await expectedShards(data, shards, extension);
  const files = contents(out);
  same([...files.keys()], ['manifest.json', ...expected.keys()], 'files of the run: no partial ones, none twice');
  for (const [name, path] of expected) {
    ok(files.get(name).equals(readFileSync(path)), `${engine}: bytes of ${name}`);
  }
  const { results } = tinyquant('search', whole, '--query', queries, '--top-k', '10', ...(isIndex ? ['--exact'] : []));
  same(
    found.results.map(({ hits }) => hits),
    results,
    `${engine}: hits of all shards`,
  );
  const how = kill === undefined ? '' : `, ${kill === '-' ? 'a worker' : `a ${kill} process`} killed on the way`;
  console.log(`${engine}: ${shards} ${extension} shards have the bytes and the hits of one process${how}`);
}

const CHECKS = {
  spark: [
    { shards: 1, extension: '.tqi' },
    { shards: 5, extension: '.tqi', kill: ENGINES.spark.process },
    { shards: 2, extension: '.tq', kill: '-' },
  ],
  ray: [
    { shards: 5, extension: '.tqi', kill: ENGINES.ray.process },
    { shards: 2, extension: '.tq', kill: '-' },
  ],
};

/** Runs the checks of an engine; where it cannot be installed they are skipped, and on CI that is a failure. */
export async function checkEngine(engine) {
  await setup();
  const data = await makeData(join(target, 'demo'), {
    vectors: join(fixtures, 'vectors.f16.npy'),
    queries: join(fixtures, 'queries.f16.npy'),
    files: 3,
    count: 20,
  });
  const { folder } = data;
  const [index, corpus] = [join(folder, 'one.tqi'), join(folder, 'one.tq')];
  const rows = join(folder, 'all.parquet');
  tinyquant('index', rows, '-o', index, '--like', join(folder, 'fit.tqi'));
  const coding = ['--codebook', join(folder, 'codebook.tqcb'), '--config-json', join(folder, 'config.json')];
  tinyquant('compress', rows, '-o', corpus, ...coding);

  const lacks = missing(engine);
  if (lacks !== null) {
    const text = `${engine}: ${lacks.reason}; install with: ${lacks.install}`;
    if (process.env.CI === 'true') throw new Stop(`FAILED: ${text}`);
    console.log(`SKIPPED: ${text}`);
    return;
  }
  const unit = join(root, '__test__', 'examples', 'worker_test.py');
  if (!run(python, [unit, cli, folder])) throw new Stop('The tests of examples/tinyquant_worker.py failed');
  for (const each of CHECKS[engine]) await check(engine, data, each.extension === '.tqi' ? index : corpus, each);
}
