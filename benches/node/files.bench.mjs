// Files: compressing a .npy file by the command line against the codec's own batch rate in the same run, opening,
// reading one vector, verifying. `-- --record FILE` writes the figures as JSON; `-- --rows N` takes other sizes.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readVectors, writeVectors } from '../../dist/io.mjs';
import {
  Codebook,
  Codec,
  CodecConfig,
  CompressionPolicy,
  Corpus,
  CorpusWriter,
  fileInfo,
  verifyFile,
} from '../../index.mjs';

const test = process.argv.includes('--test');
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const ROWS = Number(option('--rows') ?? (test ? 20_000 : 1_000_000));
const ROUNDS = test ? 1 : 3;
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-bench-'));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const results = {};
const show = (name, value, unit, digits = 2) => {
  results[`${name}, ${unit}`] = value;
  console.log(`${name.padEnd(64)} ${value.toFixed(digits).padStart(12)} ${unit}`);
};

/** Rows of the large test set again and again, or normal ones where it is not there. */
async function* source(dimension) {
  const data = join(process.env.TINYQUANT_DATA ?? join(root, '..', 'shared', 'data'), 'minilm-100k.f16.npy');
  const isReal = dimension === 384 && existsSync(data);
  results[`rows of ${dimension}`] = isReal ? 'minilm-100k.f16.npy, repeated' : 'uniform';
  for (let left = ROWS; left > 0; ) {
    if (isReal) {
      for await (const { vectors, rows } of readVectors(data, { limit: left })) {
        left -= rows;
        yield { vectors, rows, dimension };
      }
    } else {
      const rows = Math.min(left, 8192);
      const vectors = Float32Array.from(
        { length: rows * dimension },
        () => (Math.random() - 0.5) / Math.sqrt(dimension),
      );
      left -= rows;
      yield { vectors, rows, dimension };
    }
  }
}

/** Seconds and peak memory in MB of the command line. */
function cli(...args) {
  const hook = 'process.on("exit",()=>process.stderr.write("\\nRSS "+process.resourceUsage().maxRSS))';
  const all = ['--import', `data:text/javascript,${hook}`, join(root, 'dist', 'cli.js'), ...args];
  const start = performance.now();
  const { status, stderr, stdout } = spawnSync(process.execPath, all, { encoding: 'utf8' });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(stderr);
  return { seconds, stdout, megabytes: Number(/RSS (\d+)/.exec(stderr)[1]) / 1024 };
}

/** Vectors a second of the codec alone, on the first rows of a file. */
async function codecRate(path, bitWidth) {
  const batches = readVectors(path, { batchRows: 8192, limit: 8192 });
  const { value: batch } = await batches[Symbol.asyncIterator]().next();
  const { vectors, dimension } = batch;
  const config = new CodecConfig({ bitWidth, dimension, residualEnabled: false });
  const codec = new Codec();
  const codebook = codec.buildCodebook(vectors, config);
  await codec.compressBatch(vectors, config, codebook);
  const start = performance.now();
  const count = test ? 2 : 16;
  for (let i = 0; i < count; i++) await codec.compressBatch(vectors, config, codebook);
  return (count * batch.rows) / ((performance.now() - start) / 1000);
}

try {
  const input = join(folder, 'in.npy');
  await writeVectors(input, source(384), { dtype: 'f16' });
  const output = join(folder, 'out.tq');
  const shares = [];
  const memory = [];
  const rates = [];
  for (let round = 0; round < ROUNDS; round++) {
    const own = await codecRate(input, 4);
    const { seconds, megabytes } = cli(
      'compress',
      input,
      '-o',
      output,
      '--bits',
      '4',
      '--no-residual',
      '--force',
      '--quiet',
    );
    rates.push(ROWS / seconds);
    shares.push((100 * (ROWS / seconds)) / ((own + (await codecRate(input, 4))) / 2));
    memory.push(megabytes);
  }
  const name = `compress ${ROWS} x 384 f16 .npy, 4 bits`;
  show(`${name}: rate of the whole command`, median(rates), 'vectors/s', 0);
  show(`${name}: of the codec's own batch rate`, median(shares), '%', 1);
  show(`${name}: peak resident memory`, Math.max(...memory), 'MB', 0);
  show(`${name}: file`, statSync(output).size / ROWS, 'bytes/vector', 1);
  rmSync(input);

  const wide = join(folder, 'wide.tq');
  const config = new CodecConfig({ bitWidth: 4, dimension: 768, residualEnabled: false });
  let writer;
  let next = 0;
  for await (const { vectors, rows } of source(768)) {
    const codebook = writer?.codebook ?? Codebook.train(vectors, config);
    writer ??= await CorpusWriter.create(wide, {
      corpusId: 'bench',
      codecConfig: config,
      codebook,
      compressionPolicy: CompressionPolicy.COMPRESS,
    });
    const ids = Array.from({ length: rows }, (_, i) => `document ${next + i}`);
    next += rows;
    await writer.write(vectors, { ids, transfer: true });
  }
  await writer.finish();
  const size = statSync(wide).size;
  for (const mmap of [true, false]) {
    const opens = [];
    const reads = [];
    for (let i = 0; i < 21; i++) {
      let start = performance.now();
      const corpus = await Corpus.open(wide, { mmap });
      opens.push(performance.now() - start);
      start = performance.now();
      corpus.decompress(`document ${(i * 7919) % ROWS}`);
      reads.push(performance.now() - start);
      corpus.close();
    }
    const how = mmap ? 'mapped' : 'read';
    show(`open ${ROWS} x 768 at 4 bits with ids (${how})`, median(opens), 'ms');
    show(`first vector by id after that (${how})`, median(reads), 'ms');
  }
  const infos = Array.from({ length: 5 }, () => performance.now());
  for (const [i] of infos.entries()) {
    const start = performance.now();
    await fileInfo(wide);
    infos[i] = performance.now() - start;
  }
  show('fileInfo of that file', median(infos), 'ms');
  const verifies = [];
  const raw = [];
  for (let round = 0; round < ROUNDS; round++) {
    let start = performance.now();
    await verifyFile(wide);
    verifies.push(size / 1e9 / ((performance.now() - start) / 1000));
    // What reading alone takes, from the same cache.
    const file = openSync(wide);
    const buffer = Buffer.alloc(4 << 20);
    start = performance.now();
    while (readSync(file, buffer) > 0);
    raw.push(size / 1e9 / ((performance.now() - start) / 1000));
    closeSync(file);
  }
  show('verify that file', median(verifies), 'GB/s');
  show('reading it alone', median(raw), 'GB/s');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const record = option('--record');
if (record !== undefined) {
  const command = `node benches/node/files.bench.mjs --rows ${ROWS}`;
  const facts = { command, cpu: cpus()[0]?.model, threads: cpus().length, results };
  writeFileSync(record, `${JSON.stringify(facts, null, 2)}\n`);
}
