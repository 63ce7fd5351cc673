// What the package costs before it does anything: time of a first import in a new process and of a first search in a
// file, and the size of what is installed. `-- --record FILE` writes the figures as JSON, `--note TEXT` a remark with them.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { SearchIndex } from '../../index.mjs';

const test = process.argv.includes('--test');
const RUNS = test ? 1 : 21;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-cold-'));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const results = {};
const show = (name, value, unit, digits = 1) => {
  results[`${name}, ${unit}`] = value;
  console.log(`${name.padEnd(72)} ${value.toFixed(digits).padStart(10)} ${unit}`);
};

/** Runs a program in a new process: wall time of the process and the number that it prints, in milliseconds. */
function once(program) {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return { wall: performance.now() - start, inside: Number(stdout) };
}

const entry = (name) => JSON.stringify(pathToFileURL(join(root, name)).href);
const timed = (body) => `const start = performance.now(); ${body}; console.log(performance.now() - start);`;

try {
  const file = join(folder, 'a.tqi');
  const dim = 384;
  const rows = test ? 500 : 20_000;
  const vectors = Float32Array.from({ length: rows * dim }, (_, i) => Math.sin(i * i));
  await (await SearchIndex.build(vectors, { dim })).save(file);

  const search = `const { SearchIndex } = await import(${entry('index.mjs')});
    const index = await SearchIndex.open(${JSON.stringify(file)});
    await index.search(new Float32Array(${dim}).fill(1), { k: 10 })`;
  const programs = {
    'Node alone': timed(''),
    "import 'tinyquant'": timed(`await import(${entry('index.mjs')})`),
    "import 'tinyquant/io'": timed(`await import(${entry('dist/io.mjs')})`),
    [`import, open an index of ${rows} x ${dim}, search`]: timed(search),
  };
  // In alternation, so that a busy moment of the machine meets all of them.
  const runs = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let run = 0; run < RUNS; run++) {
    for (const [name, program] of Object.entries(programs)) runs[name].push(once(program));
  }
  for (const [name, list] of Object.entries(runs)) {
    const [inside, wall] = [list.map((run) => run.inside), list.map((run) => run.wall)];
    if (name !== 'Node alone') {
      show(`${name}: in a new process`, median(inside), 'ms');
      // What it takes where nothing else wants the processor.
      show(`${name}: in a new process, least`, Math.min(...inside), 'ms');
    }
    show(`${name}: the whole process`, median(wall), 'ms');
    show(`${name}: the whole process, least`, Math.min(...wall), 'ms');
  }

  const npm = process.env.npm_execpath;
  const args = ['pack', '--dry-run', '--json', '--loglevel=error'];
  const options = { cwd: root, encoding: 'utf8', shell: npm === undefined && process.platform === 'win32' };
  const output = npm ? execFileSync(process.execPath, [npm, ...args], options) : execFileSync('npm', args, options);
  const [pack] = JSON.parse(output);
  show('package: to download', pack.size / 1e6, 'MB', 2);
  show('package: installed', pack.unpackedSize / 1e6, 'MB', 2);
  for (const addon of readdirSync(join(root, 'native')).filter((name) => name.endsWith('.node'))) {
    const path = join(root, 'native', addon);
    show(`addon ${addon}: to download (gzip)`, gzipSync(readFileSync(path), { level: 9 }).length / 1e6, 'MB', 2);
    show(`addon ${addon}: installed`, statSync(path).size / 1e6, 'MB', 2);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const record = option('--record');
if (record !== undefined) {
  const command = 'node benches/node/cold.bench.mjs';
  const note = option('--note');
  const machine = { cpu: cpus()[0]?.model, threads: cpus().length, node: process.version };
  const facts = { command, ...machine, ...(note === undefined ? {} : { note }), results };
  writeFileSync(record, `${JSON.stringify(facts, null, 2)}\n`);
}
