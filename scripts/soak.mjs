// npm run soak [-- --minutes 10] [-- --record] [-- --note TEXT]: how the addon behaves in a process that runs for long.
//
// Workers that are terminated while they search, a process that is left with everything open, memory that comes back
// after close(), and a mixed load for the given time, whose memory has to stay flat and whose event loop has to stay
// free. `--record` writes the figures beside the others of this processor, `--note` a remark with them, and `--built`
// takes the addon and the facade as they are. Ends with status 1 where a figure is not as promised.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, Stop } from './lib.mjs';
import { setup } from './setup.mjs';

/** Most that memory may grow between the first and the last fifth of the load, in MB. */
const GROWTH = 16;
/** Most milliseconds that the event loop may be late, at the 99th percentile. */
const DELAY = 10;
/** Samples of memory that are taken during the load. */
const SAMPLES = 60;

/** Standard output of a script of benches/soak, and the milliseconds from its last output to its end. */
function child(script, args, timeout, flags = []) {
  return new Promise((resolve, reject) => {
    const path = join(root, 'benches', 'soak', script);
    const options = { stdio: ['ignore', 'pipe', 'inherit'], timeout };
    const running = spawn(process.execPath, [...flags, path, ...args.map(String)], options);
    let stdout = '';
    let last = performance.now();
    running.stdout.on('data', (chunk) => {
      stdout += chunk;
      last = performance.now();
    });
    running.once('error', reject);
    running.once('close', (code, signal) => {
      if (code === 0) resolve({ stdout, idle: performance.now() - last });
      else reject(new Stop(`${script} ended with ${signal ?? `status ${code}`}`));
    });
  });
}

const json = async (...args) => JSON.parse((await child(...args)).stdout);

/** Mean of a field over the samples from one share of the time to another. */
function mean(samples, field, from, to) {
  const part = samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to));
  return part.reduce((sum, sample) => sum + sample[field], 0) / part.length;
}

/** Name of the folder in benches/record for this processor. */
function processor() {
  const model = cpus()[0]?.model ?? 'unknown';
  let text = '';
  if (process.platform === 'linux') {
    const facts = readFileSync('/proc/cpuinfo', 'utf8');
    const field = (name) => new RegExp(`^${name}\\s*: (\\d+)$`, 'm').exec(facts)?.[1];
    const [family, number] = [field('cpu family'), field('model')];
    if (family !== undefined && number !== undefined) text = ` family${family} model${number}`;
  }
  return `${model}${text}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '50' },
      note: { type: 'string' },
      record: { type: 'boolean', default: false },
      built: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const rounds = Number(values.rounds);
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Stop(`--minutes ${values.minutes}: a number up to 1440`);
  if (!(Number.isInteger(rounds) && rounds > 0)) throw new Stop(`--rounds ${values.rounds}: a whole number from 1 on`);
  if (!values.built) await setup({ profile: 'release' });

  const results = {};
  const broken = [];
  const show = (name, value, limit) => {
    const isBad = limit !== undefined && !limit.holds(value);
    results[name] = value;
    if (isBad) broken.push(`${name}: ${value}, not ${limit.text}`);
    const asked = limit === undefined ? '' : `${isBad ? 'NOT ' : ''}${limit.text}`;
    console.log(`${name.padEnd(64)} ${String(value).padStart(12)}  ${asked}`);
  };
  const is = (wanted) => ({ holds: (value) => value === wanted, text: `= ${wanted}` });
  const below = (most) => ({ holds: (value) => value < most, text: `< ${most}` });
  const round = (value) => Math.round(value * 100) / 100;

  const workers = await json('workers.mjs', [rounds, 20], rounds * 60_000);
  show('workers started, searching and terminated in the middle', workers.searched, is(rounds * 20));
  show('different answers that they gave', workers.answers, is(1));
  show('threads left by them', workers.last.threads - workers.first.threads, is(0));
  show('resident memory after the first round, MB', workers.first.rssMB);
  show('resident memory after the last round, MB', workers.last.rssMB, below(workers.first.rssMB + 64));

  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-soak-'));
  const { stdout, idle } = await child('exit.mjs', [folder], 60_000);
  rmSync(folder, { recursive: true, force: true });
  if (stdout.trim() !== 'idle') broken.push(`exit.mjs printed ${stdout}`);
  show('from the last promise to the end of the process, ms', round(idle), below(5000));

  const external = await json('external.mjs', [], 60_000, ['--expose-gc']);
  for (const [name, { before, during, after }] of Object.entries(external)) {
    show(`external memory of ten of ${name}, MB`, round(during - before));
    show(
      `external memory of ten of ${name} after close(), MB`,
      round(after - before),
      below(round((during - before) / 20)),
    );
  }

  const { counts, wrong, loop, samples } = await json(
    'mixed.mjs',
    [minutes * 60, SAMPLES],
    minutes * 60_000 + 120_000,
    ['--expose-gc'],
  );
  for (const [name, count] of Object.entries(counts)) show(`mixed load, steps of ${name}`, count);
  show('mixed load, steps that went wrong', wrong.length, is(0));
  show('event loop, median delay, ms', loop.p50);
  show('event loop, 99th percentile, ms', loop.p99, below(DELAY));
  show('event loop, 99.9th percentile, ms', loop.p999);
  show('event loop of an idle process beside it, 99th percentile, ms', loop.idleProcessP99);
  for (const field of ['rssMB', 'heapMB', 'externalMB']) {
    const name = { rssMB: 'resident', heapMB: 'heap', externalMB: 'external' }[field];
    const [first, last] = [mean(samples, field, 0, 0.2), mean(samples, field, 0.8, 1)];
    show(`${name} memory, mean of the first fifth, MB`, round(first));
    show(`${name} memory, mean of the last fifth, MB`, round(last), below(round(first + GROWTH)));
  }

  if (values.record) {
    const path = join(root, 'benches', 'record', processor());
    mkdirSync(path, { recursive: true });
    const file = join(path, `${new Date().toISOString().slice(0, 10)}-soak.json`);
    const record = {
      command: `npm run soak -- --minutes ${minutes}${rounds === 50 ? '' : ` --rounds ${rounds}`}`,
      cpu: cpus()[0]?.model,
      threads: Number(process.env.TINYQUANT_THREADS ?? cpus().length),
      node: process.version,
      ...(values.note === undefined ? {} : { note: values.note }),
      results,
      wrong,
      samples,
    };
    writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
    console.log(`\nwritten: ${relative(root, file)}`);
  }
  for (const message of wrong) console.error(message);
  if (broken.length > 0) throw new Stop(`Not as promised:\n  - ${broken.join('\n  - ')}`);
});
