// Workers that load the addon, search and are terminated in the middle: `node workers.mjs ROUNDS WORKERS` starts
// WORKERS at once, ROUNDS times, and prints JSON: how many searched, how many different answers they gave (1 is right),
// threads and memory at the end against those after the first round, and whether the process can still search.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { SearchIndex } from '../../index.mjs';
import { DIM, rowAt, rowsOf } from './data.mjs';

const ROWS = 4000;

async function searchForever() {
  const index = await SearchIndex.open(workerData.file);
  const queries = new Float32Array(workerData.queries);
  const hits = await index.search(queries.subarray(0, DIM), { k: 5 });
  parentPort.postMessage(hits.ids.join());
  for (;;) await Promise.all([index.searchBatch(queries, { k: 9 }), index.search(rowAt(queries, 3), { k: 50 })]);
}

function run(file, queries, delay) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { file, queries } });
    worker.once('error', reject);
    worker.once('message', (found) => setTimeout(() => worker.terminate().then(() => resolve(found), reject), delay));
  });
}

async function main() {
  const [rounds = 50, workers = 20] = process.argv.slice(2).map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-workers-'));
  const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);
  const state = () => ({ threads: threads(), rssMB: Math.round(process.memoryUsage().rss / 2 ** 20) });
  try {
    const vectors = rowsOf(ROWS);
    const file = join(folder, 'shared.tqi');
    const index = await SearchIndex.build(vectors, { dim: DIM, partitions: 8 });
    await index.save(file);
    const shared = new SharedArrayBuffer(64 * DIM * 4);
    new Float32Array(shared).set(vectors.subarray(0, 64 * DIM));
    const answers = new Set();
    let searched = 0;
    let first;
    for (let round = 0; round < rounds; round++) {
      const found = await Promise.all(Array.from({ length: workers }, (_, i) => run(file, shared, i)));
      searched += found.length;
      for (const each of found) answers.add(each);
      first ??= state();
    }
    const last = state();
    const [best] = await index.search(rowAt(vectors, 9), { k: 1 });
    console.log(JSON.stringify({ rounds, workers, searched, answers: answers.size, first, last, best: best.id }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await (isMainThread ? main() : searchForever());
