// npm run demo: keeps the embeddings of fixtures/demo in files of every kind, searches them, and writes a report.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { main, root } from './lib.mjs';
import { setup } from './setup.mjs';

const FOLDER = join(root, 'target', 'demo');
// At 8 bits the 'tinyquant' method needs 256 distinct quantiles. These embeddings hold so many exact zeros that two of
// them coincide at most larger counts, and training refuses.
const TRAINING_ROWS = 500;
const PAIRS = 5000;
const RUNS = 3;

/** Result of the last of some runs and the median of their seconds. */
async function timed(body) {
  const seconds = [];
  let result;
  for (let run = 0; run < RUNS; run += 1) {
    const start = performance.now();
    result = await body();
    seconds.push((performance.now() - start) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return { result, seconds: seconds[RUNS >> 1] };
}

/** All vectors of a file. */
async function read(io, name) {
  const batches = [];
  for await (const batch of io.readVectors(join(root, 'fixtures', 'demo', name))) batches.push(batch);
  const dimension = batches[0].dimension;
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const data = new Float32Array(rows * dimension);
  let at = 0;
  for (const { vectors } of batches) {
    data.set(vectors, at);
    at += vectors.length;
  }
  return { data, rows, dimension };
}

/** Writes the vectors to a file in one way, opens it again, and measures what came of them. */
async function keep(tinyquant, base, queries, { policy, method, bitWidth, residualEnabled }) {
  const { CodecConfig, Codebook, Corpus, CorpusWriter, verifyFile } = tinyquant;
  const codecConfig = new CodecConfig({ bitWidth, dimension: base.dimension, residualEnabled });
  const training = base.data.subarray(0, TRAINING_ROWS * base.dimension);
  const codebook = Codebook.train(training, codecConfig, { method });
  // The rotation matrix is built once a process; the first call pays for it.
  tinyquant.compress(base.data.subarray(0, base.dimension), codecConfig, codebook);

  const residual = residualEnabled ? '-residual' : '';
  const name = policy.requiresCodec() ? `${method}-${bitWidth}${residual}` : policy.kind;
  const path = join(FOLDER, `${name}.tq`);
  const written = await timed(async () => {
    const options = { corpusId: 'demo', codecConfig, codebook, compressionPolicy: policy, overwrite: true };
    const writer = await CorpusWriter.create(path, options);
    await writer.write(base.data);
    return writer.finish();
  });
  await verifyFile(path);
  const corpus = await Corpus.open(path);
  const decoded = new Float32Array(base.data.length);
  const read = await timed(() => {
    for (const [id, vector] of corpus.decompressEntries()) decoded.set(vector, Number(id) * base.dimension);
  });
  const found = await timed(() => corpus.searchBatch(queries.data, 10));
  corpus.close();
  return {
    path,
    name: policy.requiresCodec() ? `compress, ${method}` : policy.kind,
    bits: policy.requiresCodec() ? `${bitWidth}${residualEnabled ? ' + residual' : ''}` : policy.storageDtype(),
    bytes: written.result.sizeBytes / base.rows,
    decoded,
    found: found.result.map((hits) => hits.map(({ vectorId }) => vectorId)),
    writeSeconds: written.seconds,
    readSeconds: read.seconds,
    searchSeconds: found.seconds,
  };
}

function table(header, rows) {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells) =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  console.log(line(header));
  console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  for (const row of rows) console.log(line(row));
}

async function demo() {
  const tinyquant = await import('tinyquant');
  const io = await import('tinyquant/io');
  const report = createRequire(import.meta.url)('../dist/report.js');
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const base = await read(io, 'vectors.f16.npy');
  const queries = await read(io, 'queries.f16.npy');
  const texts = JSON.parse(readFileSync(join(root, 'fixtures', 'demo', 'texts.json'), 'utf8'));

  const { COMPRESS, PASSTHROUGH, FP16 } = tinyquant.CompressionPolicy;
  const plain = { method: 'lloyd-max', bitWidth: 8, residualEnabled: false };
  const ways = [
    await keep(tinyquant, base, queries, { ...plain, policy: PASSTHROUGH }),
    await keep(tinyquant, base, queries, { ...plain, policy: FP16 }),
  ];
  for (const method of ['tinyquant', 'lloyd-max']) {
    for (const residualEnabled of [true, false]) {
      for (const bitWidth of [8, 4, 2]) {
        ways.push(await keep(tinyquant, base, queries, { policy: COMPRESS, method, bitWidth, residualEnabled }));
      }
    }
  }

  const pairs = report.samplePairs(base.rows, PAIRS, 1);
  const trueCosines = report.cosines(base.data, base.dimension, pairs);
  // The first way keeps the floats as they are.
  const truth = ways[0].found;
  const raw = 4 * base.dimension;
  const rate = (count, seconds) => Math.round(count / seconds).toLocaleString('en-US');

  console.log(`\ntinyquant ${tinyquant.version()}, SIMD level ${tinyquant.simdLevel()}, Node ${process.versions.node}`);
  console.log(
    `${base.rows} sentence embeddings of ${base.dimension} dimensions, ${raw} bytes each; ${queries.rows} queries\n`,
  );
  table(
    [
      ...['policy, codebook', 'bits', 'bytes/vector', 'ratio', 'rho', 'MSE', 'recall@5', 'recall@10'],
      ...['write/s', 'read/s', 'queries/s'],
    ],
    ways.map((way) => [
      way.name,
      way.bits,
      way.bytes.toFixed(0),
      (raw / way.bytes).toFixed(2),
      report.pearson(trueCosines, report.cosines(way.decoded, base.dimension, pairs)).toFixed(5),
      (report.squaredError(base.data, way.decoded) / base.data.length).toExponential(2),
      report.recall(truth, way.found, 5).toFixed(3),
      report.recall(truth, way.found, 10).toFixed(3),
      rate(base.rows, way.writeSeconds),
      rate(base.rows, way.readSeconds),
      rate(queries.rows, way.searchSeconds),
    ]),
  );
  console.log(`
bytes/vector  length of the file divided by its vectors; ratio is against ${raw} bytes of float32
rho           Pearson correlation of the cosines of ${PAIRS} fixed pairs, original against decoded
recall@k      share of the true k nearest of the ${queries.rows} queries that a search of the opened file finds
write, read   vectors compressed and brought to the disk, and decoded from the opened file; median of ${RUNS} runs
queries       searched together: every vector is decoded once for all of them
codebook      trained on the first ${TRAINING_ROWS} vectors
fp16          loses nothing here, because the vectors of fixtures/demo are half precision themselves`);

  const query = 7;
  console.log(`\nQuery: ${texts.queries[query]}`);
  const show = (title, ids) =>
    console.log([`\n${title}`, ...ids.map((id) => `  ${texts.texts[Number(id)]}`)].join('\n'));
  show('Nearest before compression', truth[query].slice(0, 5));
  for (const bits of ['4', '2']) {
    const way = ways.find((each) => each.bits === bits && each.name.endsWith('lloyd-max'));
    show(`Nearest after compression to ${way.bytes.toFixed(0)} bytes (${bits} bits)`, way.found[query].slice(0, 5));
  }

  const title = `${base.rows} sentence embeddings of WordNet glosses`;
  const measured = await report.measureReport(base.data, base.dimension, {
    title,
    queries: queries.data,
    trainRows: TRAINING_ROWS,
  });
  const page = join(FOLDER, 'report.html');
  writeFileSync(page, report.renderReport(measured));
  const here = (path) => relative(process.cwd(), path) || '.';
  console.log(`\nFiles:  ${here(FOLDER)} (try: npx tinyquant info ${here(ways.at(-2).path)})`);
  console.log(`Report: ${here(page)}`);
}

await main(async () => {
  await setup();
  await demo();
});
