// What the mixed load consists of: each actor does one step after another until it is told to stop. A step leaves
// nothing behind that the next one does not replace, so that memory and files stay as large as they are.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readVectors, writeVectors } from '../../dist/io.mjs';
import {
  Codebook,
  Codec,
  CodecConfig,
  CompressionPolicy,
  Corpus,
  CorpusWriter,
  isTinyQuantError,
  SearchIndex,
  verifyFile,
} from '../../index.mjs';
import { DIM, rowAt, rowsOf } from './data.mjs';

const ROWS = 20_000;
/** Milliseconds between the steps of an actor, so that the load is steady and the machine not full. */
const PAUSE = 2;

class Wrong extends Error {}

function expectEqual(got, expected, what) {
  if (got !== expected) throw new Wrong(`${what}: ${got} instead of ${expected}`);
}

/** Fails unless a call is refused with this code. */
async function refused(code, run) {
  try {
    await run();
  } catch (error) {
    if (isTinyQuantError(error)) return expectEqual(error.code, code, 'a refused call');
    throw error;
  }
  throw new Wrong(`a call that had to be refused with ${code} succeeded`);
}

const codec = new Codec();
const codecConfig = new CodecConfig({ bitWidth: 4, dimension: DIM, residualEnabled: false });

/** The actors by name, over files in `folder`: each an async function that does one step. */
export async function actors(folder) {
  const vectors = rowsOf(ROWS);
  const shared = join(folder, 'shared.tqi');
  const built = await SearchIndex.build(vectors, { dim: DIM, originals: 'f16' });
  await built.save(shared);
  built.close();
  const index = await SearchIndex.open(shared);
  const codebook = Codebook.train(vectors, codecConfig, { method: 'lloyd-max' });

  const kinds = [{ k: 10 }, { k: 3, effort: 0.5 }, { k: 10, filter: [5, 17, 19_999, 4_000_000] }, { k: 50, effort: 2 }];
  const known = kinds.map((o) =>
    Array.from({ length: 32 }, (_, i) => index.searchSync(rowAt(vectors, i), o).ids.join()),
  );
  const searcher = (first) => {
    let step = first;
    return async () => {
      const [kind, row] = [step % kinds.length, (step * 7) % 32];
      step += 1;
      const hits = await index.search(rowAt(vectors, row), kinds[kind]);
      expectEqual(hits.ids.join(), known[kind][row], `search ${kind} for row ${row}`);
    };
  };

  const queries = vectors.subarray(0, 32 * DIM);
  const batches = async () => {
    const found = await index.searchBatch(queries, kinds[0]);
    expectEqual(found.map(({ ids }) => ids.join()).join(' '), known[0].join(' '), 'searchBatch');
  };

  const opener = async () => {
    const opened = await SearchIndex.open(shared);
    const [{ id }] = await opened.search(rowAt(vectors, 77), { k: 1 });
    expectEqual(id, 77, 'the best row of a file');
    opened.close();
  };

  // A sliding window of vectors: as many leave as come. It is built anew now and then, and written meanwhile.
  const window = join(folder, 'window.tqi');
  let moving;
  let moves = 0;
  const changer = async () => {
    if (moves % 40 === 0) {
      moving?.close();
      moving = await SearchIndex.build(vectors.subarray(0, 2000 * DIM), { dim: DIM, bits: 2 });
      await moving.save(window);
    }
    moves += 1;
    const from = ((moves * 100) % (ROWS - 100)) * DIM;
    const last = moving.ids().at(-1);
    await moving.add(vectors.subarray(from, from + 100 * DIM));
    moving.remove(moving.ids().slice(0, 100));
    expectEqual(moving.size, 2000, 'rows of the window');
    expectEqual(moving.has(last), true, 'a row that stays');
    await moving.sync(window);
  };

  const compressor = async () => {
    const some = vectors.subarray(0, 500 * DIM);
    const batch = await codec.compressBatch(some, codecConfig, codebook);
    expectEqual((await codec.decompressBatch(batch, codecConfig, codebook)).length, some.length, 'decoded values');
    const controller = new AbortController();
    const stopped = codec.compressBatch(some, codecConfig, codebook, { signal: controller.signal, onProgress() {} });
    controller.abort();
    const outcome = await stopped.then(
      () => 'done',
      (error) => error.name,
    );
    if (outcome !== 'done') expectEqual(outcome, 'AbortError', 'an aborted batch');
  };

  const npy = join(folder, 'in.npy');
  const corpusFile = join(folder, 'corpus.tq');
  await writeVectors(npy, [{ vectors: vectors.subarray(0, 2000 * DIM), rows: 2000, dimension: DIM }]);
  const options = { corpusId: 'soak', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS };
  const pipeline = async () => {
    const writer = await CorpusWriter.create(corpusFile, { ...options, overwrite: true });
    for await (const batch of readVectors(npy, { batchRows: 500 })) await writer.write(batch.vectors);
    expectEqual((await writer.finish()).vectorCount, 2000, 'rows written');
    const corpus = await Corpus.open(corpusFile);
    const [{ vectorId }] = await corpus.search(rowAt(vectors, 1234), 1);
    expectEqual(vectorId, '1234', 'the best vector of a corpus');
    corpus.insert('one more', rowAt(vectors, 3));
    await corpus.save(corpusFile, { append: true });
    corpus.close();
    expectEqual((await verifyFile(corpusFile)).vectorCount, 2001, 'vectors of the file');
    // A writer that is dropped leaves nothing.
    const dropped = await CorpusWriter.create(join(folder, 'dropped.tq'), options);
    await dropped.write(vectors.subarray(0, 100 * DIM));
    await dropped.abort();
  };

  const broken = join(folder, 'broken.tqi');
  await writeVectors(broken, [{ vectors, rows: ROWS, dimension: DIM }], { format: 'raw' });
  const failures = async () => {
    await refused('ERR_TQ_DIM_MISMATCH', () => index.search(new Float32Array(DIM - 1), { k: 1 }));
    await refused('ERR_TQ_NON_FINITE', () => index.search(new Float32Array(DIM).fill(Number.NaN), { k: 1 }));
    await refused('ERR_TQ_INVALID_ARG', () => index.search(rowAt(vectors, 0), { k: 0 }));
    await refused('ERR_TQ_FORMAT', () => SearchIndex.open(broken));
    await refused('ERR_TQ_IO', () => Corpus.open(join(folder, 'no such file.tq')));
    const closed = new SearchIndex({ dim: DIM });
    closed.close();
    await refused('ERR_TQ_CLOSED', () => closed.search(rowAt(vectors, 0), { k: 1 }));
  };

  const steps = { search: [0, 100, 200, 300].map(searcher), batches, opener, changer, compressor, pipeline, failures };
  const close = () => {
    index.close();
    moving?.close();
    for (const file of [shared, window, npy, corpusFile, broken]) rmSync(file, { force: true });
  };
  return { steps, close };
}

/** Runs actors until `isOver()`; the number of steps of each, and the messages of steps that went wrong. */
export async function act(steps, isOver) {
  const counts = {};
  const wrong = [];
  const loop = async (name, step) => {
    while (!isOver()) {
      try {
        await step();
        counts[name] = (counts[name] ?? 0) + 1;
      } catch (error) {
        wrong.push(`${name}: ${error instanceof Error ? error.message : error}`);
        if (wrong.length >= 20) return;
      }
      await sleep(PAUSE);
    }
  };
  await Promise.all(Object.entries(steps).flatMap(([name, each]) => [each].flat().map((step) => loop(name, step))));
  return { counts, wrong };
}
