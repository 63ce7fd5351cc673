// The LangChain store beside LangChain's MemoryVectorStore: adding, memory, time and recall of queries, with and without a
// filter. MemoryVectorStore comes from @langchain/classic, which is installed in target/langchain/memory first:
//   npm install --prefix target/langchain/memory @langchain/classic@1.0.50 @langchain/core@1.4.0
// Each store is measured in a process of its own. `--record FILE` writes the figures as JSON.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readVectors } from '../../dist/io.mjs';
import { TinyQuantVectorStore } from '../../dist/langchain.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const DATA = process.env.TINYQUANT_DATA ?? join(root, '..', 'shared', 'data');
const QUERIES = 100;
const K = 10;
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};
const ROWS = Number(option('--rows') ?? 100_000);

async function rowsOf(name, limit) {
  const list = [];
  for await (const { vectors, rows, dimension } of readVectors(join(DATA, name), { limit })) {
    for (let row = 0; row < rows; row++) list.push([...vectors.subarray(row * dimension, (row + 1) * dimension)]);
  }
  return list;
}

const embeddings = { embedDocuments: async () => [], embedQuery: async () => [] };
const isTenth = ({ metadata }) => metadata.group === 3;
const makers = {
  tinyquant: () => ({ store: new TinyQuantVectorStore(embeddings, { bits: 4 }), filter: { group: 3 } }),
  memory: () => {
    const require = createRequire(join(root, 'target', 'langchain', 'memory', 'package.json'));
    const { MemoryVectorStore } = require('@langchain/classic/vectorstores/memory');
    return { store: new MemoryVectorStore(embeddings), filter: isTenth };
  },
};

/** Bytes that the process holds once garbage is gone. */
function held() {
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Figures of one store, in a process of its own. */
async function measure(name) {
  const { store, filter } = makers[name]();
  const before = held();
  const queries = await rowsOf('minilm-queries-1k.f16.npy', QUERIES);
  let vectors = await rowsOf('minilm-100k.f16.npy', ROWS);
  let documents = vectors.map((_, row) => ({
    pageContent: `document ${row}`,
    metadata: { group: row % 10 },
    id: `${row}`,
  }));
  let start = performance.now();
  await store.addVectors(vectors, documents, { ids: documents.map(({ id }) => id) });
  const add = (performance.now() - start) / 1000;
  const figures = { 'add, s': add };
  const found = {};
  for (const [way, used] of [
    ['query', undefined],
    ['query with a filter', filter],
  ]) {
    await store.similaritySearchVectorWithScore(queries[0], K, used);
    const times = [];
    found[way] = [];
    for (const query of queries) {
      start = performance.now();
      const hits = await store.similaritySearchVectorWithScore(query, K, used);
      times.push(performance.now() - start);
      found[way].push(hits.map(([document]) => document.pageContent));
    }
    figures[`${way}, ms`] = times.toSorted((a, b) => a - b)[times.length >> 1];
  }
  vectors = undefined;
  documents = undefined;
  figures['memory a document, bytes'] = (held() - before) / ROWS;
  if (name === 'tinyquant') {
    const folder = mkdtempSync(join(tmpdir(), 'tinyquant-bench-'));
    start = performance.now();
    await store.save(folder);
    figures['save, s'] = (performance.now() - start) / 1000;
    start = performance.now();
    (await TinyQuantVectorStore.load(folder, embeddings)).close();
    figures['load, s'] = (performance.now() - start) / 1000;
    rmSync(folder, { recursive: true });
  }
  return { figures, found };
}

const chosen = option('--store');
if (chosen !== undefined) {
  process.stdout.write(JSON.stringify(await measure(chosen)));
} else {
  const script = fileURLToPath(import.meta.url);
  const run = (name) => {
    const args = ['--expose-gc', '--max-old-space-size=8192', script, '--store', name, '--rows', `${ROWS}`];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 }));
  };
  const [ours, theirs] = [run('tinyquant'), run('memory')];
  for (const way of Object.keys(ours.found)) {
    const lists = ours.found[way];
    const hits = lists.map((list, i) => list.filter((each) => theirs.found[way][i].includes(each)).length);
    ours.figures[`recall@${K} of the ${way}`] = hits.reduce((sum, each) => sum + each, 0) / (K * lists.length);
  }
  const results = { tinyquant: ours.figures, MemoryVectorStore: theirs.figures };
  console.table(results);
  const record = option('--record');
  if (record !== undefined) {
    const command = `node benches/node/langchain.mjs --rows ${ROWS}`;
    const facts = { command, cpu: cpus()[0]?.model, threads: cpus().length, data: 'minilm-100k.f16.npy', results };
    writeFileSync(record, `${JSON.stringify(facts, null, 2)}\n`);
  }
}
