// Memory that the garbage collector is told of, in MB: `node --expose-gc external.mjs` prints JSON with the sum that the
// engine has been told before objects are made, while they are held, and right after `close()`, without a collection
// in between. On Node 20 process.memoryUsage().external leaves that sum out and counts array buffers alone.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Codebook, CodecConfig, CompressionPolicy, Corpus, SearchIndex } from '../../index.mjs';
import { DIM, rowAt, rowsOf } from './data.mjs';

const ROWS = 5000;
const vectors = rowsOf(ROWS);
const { externalMemory } = createRequire(import.meta.url)('../../native/binding.cjs');
const external = () => Math.round((externalMemory() / 2 ** 20) * 100) / 100;
const codecConfig = new CodecConfig({ bitWidth: 4, dimension: DIM });
const codebook = Codebook.train(vectors, codecConfig);

async function index() {
  return SearchIndex.build(vectors, { dim: DIM, originals: 'f32' });
}

function corpus() {
  const made = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.PASSTHROUGH });
  made.insertBatch(Array.from({ length: ROWS }, (_, i) => [`v${i}`, rowAt(vectors, i)]));
  return made;
}

/** Collects what nothing refers to: vectors that were handed over, and objects whose finalizers have to run. */
async function collect() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await sleep(20);
  }
}

/** Figures for ten objects of a kind. The first one, made before, pays for what stays: code, pool and tables. */
async function held(make) {
  (await make()).close();
  await collect();
  const before = external();
  const objects = [];
  for (let i = 0; i < 10; i++) objects.push(await make());
  await collect();
  const during = external();
  for (const each of objects) each.close();
  return { before, during, after: external() };
}

console.log(JSON.stringify({ SearchIndex: await held(index), Corpus: await held(corpus) }));
