// npm run demo: compresses the embeddings of fixtures/demo in every way and shows what each keeps.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root } from './lib.mjs';
import { cosines, meanSquaredError, pairs, pearson, recall } from './measure.mjs';
import { readNpy } from './npy.mjs';
import { setup } from './setup.mjs';

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

/** Rows of a matrix as views, by id. */
function byId(data, dimension) {
  const rows = Array.from({ length: data.length / dimension }, (_, i) => i);
  return new Map(rows.map((i) => [`${i}`, data.subarray(i * dimension, (i + 1) * dimension)]));
}

/** Codes from the codec alone: the 'compress' policy without ids. */
async function throughCodec(tinyquant, base, options, method) {
  const config = new tinyquant.CodecConfig({ ...options, dimension: base.dimension });
  const codec = new tinyquant.Codec();
  const training = base.data.subarray(0, TRAINING_ROWS * base.dimension);
  const codebook = codec.buildCodebook(training, config, { method });
  // The rotation matrix is built once a process; the first call pays for it.
  codec.compress(base.data.subarray(0, base.dimension), config, codebook);

  const compressed = await timed(() => codec.compressBatch(base.data, config, codebook));
  const batch = compressed.result;
  const decoded = await timed(() => codec.decompressBatch(batch, config, codebook));
  return {
    name: `compress, ${method}`,
    bits: `${options.bitWidth}${options.residualEnabled ? ' + residual' : ''}`,
    stored: batch.toBytes().length / batch.length,
    decoded: decoded.result,
    compressSeconds: compressed.seconds,
    decompressSeconds: decoded.seconds,
  };
}

/** A corpus under a policy that stores floats. */
async function throughCorpus(tinyquant, base, compressionPolicy, bits) {
  const codecConfig = new tinyquant.CodecConfig({ bitWidth: 8, dimension: base.dimension });
  const training = base.data.subarray(0, TRAINING_ROWS * base.dimension);
  const codebook = tinyquant.Codebook.train(training, codecConfig);
  const vectors = byId(base.data, base.dimension);

  const compressed = await timed(() => {
    const corpus = new tinyquant.Corpus({ corpusId: 'demo', codecConfig, codebook, compressionPolicy });
    corpus.insertBatch(vectors);
    return corpus;
  });
  const corpus = compressed.result;
  const all = await timed(() => corpus.decompressAll());
  const decoded = new Float32Array(base.data.length);
  for (const [id, vector] of Object.entries(all.result)) decoded.set(vector, Number(id) * base.dimension);
  let stored = 0;
  for (const entry of corpus.entries()) stored += entry.compressed.toBytes().length;
  return {
    name: compressionPolicy.kind,
    bits,
    stored: stored / corpus.vectorCount,
    decoded,
    compressSeconds: compressed.seconds,
    decompressSeconds: all.seconds,
  };
}

/** Ids of the best ten rows for each query. */
function search(tinyquant, data, queries) {
  const backend = new tinyquant.BruteForceBackend();
  backend.ingest(byId(data, queries.dimension));
  return [...byId(queries.data, queries.dimension).values()].map((query) =>
    backend.search(query, 10).map((hit) => hit.vectorId),
  );
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
  const folder = join(root, 'fixtures', 'demo');
  const base = readNpy(join(folder, 'vectors.f16.npy'));
  const queries = readNpy(join(folder, 'queries.f16.npy'));
  const texts = JSON.parse(readFileSync(join(folder, 'texts.json'), 'utf8'));

  const { CompressionPolicy } = tinyquant;
  const ways = [
    await throughCorpus(tinyquant, base, CompressionPolicy.PASSTHROUGH, '32 (float)'),
    await throughCorpus(tinyquant, base, CompressionPolicy.FP16, '16 (float)'),
  ];
  for (const method of ['tinyquant', 'lloyd-max']) {
    for (const residualEnabled of [true, false]) {
      for (const bitWidth of [8, 4, 2]) {
        ways.push(await throughCodec(tinyquant, base, { bitWidth, residualEnabled }, method));
      }
    }
  }

  const rowPairs = pairs(base.rows, PAIRS);
  const trueCosines = cosines(base.data, base.dimension, rowPairs);
  const truth = search(tinyquant, base.data, queries);
  const raw = 4 * base.dimension;
  for (const way of ways) way.found = search(tinyquant, way.decoded, queries);

  console.log(`\ntinyquant ${tinyquant.version()}, SIMD level ${tinyquant.simdLevel()}, Node ${process.versions.node}`);
  console.log(
    `${base.rows} sentence embeddings of ${base.dimension} dimensions, ${raw} bytes each; ${queries.rows} queries\n`,
  );
  table(
    [
      ...['policy, codebook', 'bits', 'bytes/vector', 'ratio', 'rho', 'MSE', 'recall@5', 'recall@10'],
      ...['compress/s', 'decompress/s'],
    ],
    ways.map((way) => [
      way.name,
      way.bits,
      way.stored.toFixed(0),
      (raw / way.stored).toFixed(2),
      pearson(trueCosines, cosines(way.decoded, base.dimension, rowPairs)).toFixed(5),
      meanSquaredError(base.data, way.decoded).toExponential(2),
      recall(truth, way.found, 5).toFixed(3),
      recall(truth, way.found, 10).toFixed(3),
      Math.round(base.rows / way.compressSeconds).toLocaleString('en-US'),
      Math.round(base.rows / way.decompressSeconds).toLocaleString('en-US'),
    ]),
  );
  console.log(`
bytes/vector  as stored: the whole record, its header included; ratio is against ${raw} bytes of float32
rho           Pearson correlation of the cosines of ${PAIRS} fixed pairs, original against decoded
recall@k      share of the true k nearest of the ${queries.rows} queries that search over the decoded vectors finds
per second    vectors, median of ${RUNS} runs; without the rotation matrix, which a process builds once
codebook      trained on the first ${TRAINING_ROWS} vectors
fp16          loses nothing here, because the vectors of fixtures/demo are half precision themselves`);

  const query = 7;
  console.log(`\nQuery: ${texts.queries[query]}`);
  const show = (title, ids) =>
    console.log([`\n${title}`, ...ids.map((id) => `  ${texts.texts[Number(id)]}`)].join('\n'));
  show('Nearest before compression', truth[query].slice(0, 5));
  for (const bits of ['4', '2']) {
    const way = ways.find((each) => each.bits === bits && each.name.endsWith('lloyd-max'));
    show(`Nearest after compression to ${way.stored.toFixed(0)} bytes (${bits} bits)`, way.found[query].slice(0, 5));
  }
}

await main(async () => {
  await setup();
  await demo();
});
