import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BruteForceBackend, Corpus, SearchIndex } from 'tinyquant';
import { writeVectors } from 'tinyquant/io';
import { etl } from './etl.mjs';

const dimension = 64;
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-etl-'));
const row = (i) => Float32Array.from({ length: dimension }, (_, j) => Math.sin(i * 12.9898 + j * 78.233 + i * j));

try {
  const npy = join(folder, 'first.npy');
  const rows = 900;
  const vectors = new Float32Array(rows * dimension);
  for (let i = 0; i < rows; i++) vectors.set(row(i), i * dimension);
  await writeVectors(npy, [{ vectors, rows, dimension }]);
  const jsonl = join(folder, 'second.jsonl');
  const lines = Array.from({ length: 100 }, (_, i) =>
    JSON.stringify({ id: `doc-${i}`, vector: [...row(rows + i)], metadata: { page: i } }),
  );
  writeFileSync(jsonl, `${lines.join('\n')}\n{"id":"short","vector":[1,2]}\n`);

  const out = join(folder, 'all');
  const { vectorCount, sizeBytes, bad } = await etl(out, [npy, jsonl]);
  assert.deepEqual({ vectorCount, bad }, { vectorCount: 1000, bad: 1 });
  assert.ok(sizeBytes < 1000 * 100, `${sizeBytes} bytes, with ids and metadata, for ${1000 * 4 * dimension} of floats`);

  const corpus = await Corpus.open(`${out}.tq`);
  assert.deepEqual(corpus.get('doc-7').metadata, { page: 7 });
  const exact = new BruteForceBackend();
  exact.ingest(Array.from({ length: 1000 }, (_, i) => [i < rows ? `first.npy#${i}` : `doc-${i - rows}`, row(i)]));
  const index = await SearchIndex.open(`${out}.tqi`);
  let found = 0;
  for (let i = 0; i < 50; i++) {
    const query = row(i * 19.7);
    const wanted = new Set(exact.search(query, 10).map(({ vectorId }) => vectorId));
    const { ids } = await index.search(query, { k: 10 });
    found += ids.filter((id) => wanted.has(id)).length;
  }
  index.close();
  corpus.close();
  console.log(`recall@10 ${found / 500}, ${sizeBytes / 1000} bytes a vector`);
  assert.ok(found / 500 > 0.8, `recall@10 is ${found / 500}`);

  const empty = join(folder, 'empty.jsonl');
  writeFileSync(empty, '');
  await assert.rejects(etl(join(folder, 'none'), [empty]), /has no vectors/);
  await assert.rejects(etl(join(folder, 'none'), [join(folder, 'absent.npy')]), { code: 'ERR_TQ_IO' });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
