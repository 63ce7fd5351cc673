// npm run bench:peers: compares SearchIndex with other libraries on the same data, in one run, in alternation.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { capture, main, root, Stop } from '../../scripts/lib.mjs';
import { setup } from '../../scripts/setup.mjs';
import { plot } from './plot.mjs';
import { encodeTable, median, rateOf, searchTable } from './report.mjs';
import { FOLDER, install, python } from './setup.mjs';
import { pin, Worker } from './worker.mjs';

const DATA_SETS = ['demo', 'minilm', 'mpnet', 'million', 'small1536', 'encode1536'];
const DATA_SET = 'minilm';
const KINDS = ['alone', 'batch'];
/** A measurement asks all queries until this many seconds are over, and stops in the middle after `MOST`. */
const LEAST = 0.25;
const MOST = 4;
/** The first pass, which recall comes from, stops after this many. */
const FIRST_MOST = 20;
const OWN = 'tinyquant';

function readOptions() {
  const string = (value) => ({ type: 'string', default: value });
  const options = {
    data: string(DATA_SET),
    engines: { type: 'string' },
    threads: string('1'),
    rounds: string('3'),
    out: { type: 'string' },
    plot: { type: 'string' },
    reuse: { type: 'boolean', default: false },
    test: { type: 'boolean', default: false },
  };
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new Stop(error.message);
  }
  const all = JSON.parse(readFileSync(new URL('engines.json', import.meta.url), 'utf8'));
  const names = values.engines?.split(',') ?? Object.keys(all);
  for (const name of names) {
    if (all[name] === undefined) throw new Stop(`no engine ${name}: ${Object.keys(all).join(', ')}`);
  }
  if (!DATA_SETS.includes(values.data) && existsSync(values.data)) {
    process.env.TINYQUANT_DATA = resolve(values.data);
    values.data = DATA_SET;
  }
  if (!DATA_SETS.includes(values.data)) throw new Stop(`no data set or folder ${values.data}: ${DATA_SETS.join(', ')}`);
  const [threads, rounds] = [values.threads, values.rounds].map(Number);
  if (!(threads >= 1 && rounds >= 1)) throw new Stop('--threads and --rounds are numbers from 1');
  const engines = names
    .map((name) => ({ name, adapter: name, ...all[name] }))
    .filter(({ encode }) => values.data !== 'encode1536' || encode !== undefined);
  const test = values.test ? { data: 'demo', rounds: 1, least: 0 } : { least: LEAST };
  return { ...values, threads, rounds, engines, ...test };
}

/** Splits engines into those whose packages are installed, with their versions, and the reasons of the others. */
function installed(engines) {
  const ready = [];
  const failures = [];
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  const [numpy] = install([['python', 'numpy']]);
  if (numpy.reason !== undefined) throw new Stop(`numpy did not install: ${numpy.reason}`);
  for (const engine of engines) {
    const packages = install(engine.packages.map((name) => [engine.worker, name]));
    const missing = packages.find(({ reason }) => reason !== undefined);
    const version = engine.name === OWN ? own : packages.map(({ name, version }) => `${name} ${version}`).join(', ');
    if (missing === undefined) ready.push({ ...engine, version });
    else failures.push({ engine: engine.name, reason: `did not install: ${missing.name}: ${missing.reason}` });
  }
  return { ready, failures };
}

function prepareData(name) {
  const large = process.env.TINYQUANT_DATA ?? join(root, '..', 'shared', 'data');
  const folder = name === 'demo' ? join(root, 'fixtures', 'demo') : large;
  const script = join(root, 'benches', 'peers', 'python', 'data.py');
  console.error(`Preparing ${name}`);
  const made = spawnSync(python, [script, name, folder, join(FOLDER, 'data')], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (made.status !== 0) throw new Stop(`The data set ${name} could not be made ready`);
  return JSON.parse(made.stdout);
}

/** Files of a folder and what is below it. */
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());

/** Brings files into the page cache. */
function warm(paths) {
  const buffer = Buffer.alloc(1 << 20);
  for (const path of paths) {
    const file = openSync(path);
    while (readSync(file, buffer) > 0);
    closeSync(file);
  }
}

/** Builds and saves an index in a process of its own, or finds it built by an earlier run if that is wanted. */
async function build({ engine, index, folder }, data, { threads, reuse }) {
  const recordFile = `${folder}.json`;
  const key = JSON.stringify([engine.version, index.build, threads, data.base, data.rows]);
  if (reuse && engine.name !== OWN && existsSync(recordFile)) {
    const record = JSON.parse(readFileSync(recordFile, 'utf8'));
    if (record.key === key) return { ...record, isReused: true };
  }
  rmSync(folder, { recursive: true, force: true });
  rmSync(recordFile, { force: true });
  mkdirSync(folder, { recursive: true });
  const worker = new Worker(engine, threads);
  try {
    const answer = await worker.ask({ do: 'build', data: data.base, params: index.build, folder });
    const bytes = filesIn(folder).reduce((sum, path) => sum + statSync(path).size, 0);
    const record = { key, ...answer, bytes, perVector: (bytes - answer.fixed) / data.rows };
    writeFileSync(recordFile, JSON.stringify(record));
    return record;
  } finally {
    await worker.quit();
  }
}

/** Shares of the exact hits among those found. */
function recall(found, truth) {
  let first = 0;
  let ten = 0;
  for (const [i, ids] of found.entries()) {
    const exact = truth[i];
    first += ids[0] === exact[0] ? 1 : 0;
    ten += exact.filter((id) => ids.includes(id)).length / exact.length;
  }
  return { recall1: first / found.length, recall10: ten / found.length };
}

/** Opens an index in a process that stays, and asks everything once: recall, memory, and warm caches. */
async function open(contender, data, { threads }) {
  const { engine, index, folder } = contender;
  warm(filesIn(folder));
  const worker = new Worker(engine, threads);
  contender.worker = worker;
  const params = { ...index.build, ...index.open };
  const search = index.searches[0];
  contender.opened = await worker.ask({ do: 'open', params, folder, queries: data.queries, search });
  contender.searches = [];
  for (const search of index.searches) {
    const row = { search };
    for (const kind of KINDS) {
      const answer = await worker.ask({ do: 'ask', kind, search, least: 0, most: FIRST_MOST, ids: true });
      row[kind] = answer && { ...recall(answer.ids, data.truth), queries: answer.queries, rounds: [], cpuRounds: [] };
    }
    contender.searches.push(row);
  }
  contender.memory = (await worker.ask({ do: 'memory' })).bytes;
  contender.reopened = await worker.ask({ do: 'reopen', folder, search });
}

async function measure(contenders, { rounds, least }, fail) {
  for (let round = 0; round < rounds; round++) {
    console.error(`Round ${round + 1} of ${rounds}`);
    for (const contender of contenders.filter(({ hasFailed }) => !hasFailed)) {
      try {
        for (const row of contender.searches) {
          for (const kind of KINDS.filter((each) => row[each] !== null)) {
            const { worker } = contender;
            const answer = await worker.ask({ do: 'ask', kind, search: row.search, least, most: MOST });
            row[kind].rounds.push((answer.seconds * 1000) / answer.queries);
            row[kind].cpuRounds.push((answer.cpu * 1000) / answer.queries);
          }
        }
      } catch (error) {
        contender.hasFailed = true;
        fail(contender, error);
      }
    }
  }
}

async function compareSearch(options, ready, failures) {
  const data = prepareData(options.data);
  const contenders = [];
  const built = new Map();
  const fail = ({ engine, index }, { message }) => {
    console.error(`  failed: ${message}`);
    failures.push({ engine: engine.name, index: index.name, reason: message });
  };
  const attempt = async (contender, step, body) => {
    console.error(`${step} ${contender.engine.name}, ${contender.index.name}`);
    try {
      await body();
      return true;
    } catch (error) {
      fail(contender, error);
      await contender.worker?.quit();
      return false;
    }
  };
  try {
    for (const engine of ready) {
      for (const index of engine.indexes) {
        const params = JSON.stringify(index.build);
        const hash = createHash('sha256').update(params).digest('hex').slice(0, 8);
        const folder = join(FOLDER, 'indexes', options.data, `${engine.name}-${hash}`);
        const contender = { engine, index, folder };
        const done = await attempt(contender, 'Building', async () => {
          // Two ways to open the same index share one build.
          if (!built.has(folder)) built.set(folder, await build(contender, data, options));
          contender.built = built.get(folder);
        });
        if (done && (await attempt(contender, 'Opening', () => open(contender, data, options)))) {
          contenders.push(contender);
        }
      }
    }
    await measure(contenders, options, fail);
  } finally {
    for (const { worker } of contenders) await worker.quit();
  }
  const finished = contenders.filter(({ hasFailed }) => !hasFailed);
  const results = finished.flatMap(({ engine, index, built: record, opened, reopened, memory, searches }) =>
    searches.map((row) => ({
      engine: engine.name,
      index: index.name,
      ...row,
      bytesPerVector: record.perVector,
      fixedBytes: record.fixed,
      savedBytes: record.bytes,
      buildSeconds: record.build,
      isReused: record.isReused ?? false,
      rowsPerSecond: data.rows / record.build,
      saveMs: record.save * 1000,
      firstOpenMs: opened.seconds * 1000,
      openMs: median(reopened.seconds) * 1000,
      memoryBytes: memory,
      ...(record.facts && { facts: record.facts }),
    })),
  );
  return { data: { name: options.data, rows: data.rows, dim: data.dim, queries: data.truth.length }, results };
}

/** Rates at which rows are added to an index that needs no training. */
async function compareEncode(options, ready, failures) {
  const results = [];
  for (const set of prepareData(options.data)) {
    const workers = [];
    for (const engine of ready) workers.push({ engine, worker: new Worker(engine, options.threads), rounds: [] });
    for (let round = 0; round < options.rounds; round++) {
      for (const entry of workers.filter(({ failed }) => failed === undefined)) {
        try {
          const answer = await entry.worker.ask({ do: 'encode', data: set.base, params: entry.engine.encode });
          entry.rounds.push(answer.rows / answer.seconds);
        } catch (error) {
          entry.failed = error.message;
          failures.push({ engine: entry.engine.name, index: `${set.dim} dimensions`, reason: error.message });
        }
      }
    }
    for (const { engine, worker, rounds, failed } of workers) {
      await worker.quit();
      if (failed) continue;
      results.push({ engine: engine.name, dim: set.dim, ...engine.encode, rowsPerSecond: median(rounds), rounds });
    }
  }
  return { data: { name: options.data, rows: 100_000 }, results };
}

await main(async () => {
  const options = readOptions();
  if (options.engines.some(({ name }) => name === OWN)) await setup({ profile: options.test ? 'ci' : 'release' });
  const { ready, failures } = installed(options.engines);
  const isEncode = options.data === 'encode1536';
  const outcome = await (isEncode ? compareEncode : compareSearch)(options, ready, failures);
  const report = {
    command: ['npm run bench:peers --', ...process.argv.slice(2)].join(' '),
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    threads: options.threads,
    isPinned: pin(options.threads).length > 0,
    rounds: options.rounds,
    node: process.versions.node,
    python: capture(python, ['--version'])?.trim().replace('Python ', ''),
    versions: Object.fromEntries(ready.map(({ name, version }) => [name, version])),
    ...outcome,
    failures,
  };
  if (!isEncode) report.processorShare = rateOf(report.results);
  console.log((isEncode ? encodeTable : searchTable)(report));
  for (const { engine, index, reason } of failures)
    console.log(`- ${[engine, index].filter(Boolean).join(', ')}: ${reason}`);
  if (options.out) writeFileSync(options.out, `${JSON.stringify(report, null, 2)}\n`);
  if (options.plot && !isEncode && report.results.length > 0) {
    const colours = Object.fromEntries(options.engines.map(({ name, colour }) => [name, colour]));
    writeFileSync(options.plot, plot(report, colours));
  }
  if (options.test && failures.length > 0) throw new Stop('Not every engine ran');
});
