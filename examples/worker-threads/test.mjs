import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SearchIndex } from 'tinyquant';
import { SearchPool } from './pool.mjs';

const dim = 48;
const vectors = Float32Array.from({ length: 3000 * dim }, (_, i) => Math.cos(i * i));
const row = (i) => vectors.slice(i * dim, (i + 1) * dim);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-workers-'));

try {
  const path = join(folder, 'a.tqi');
  const index = await SearchIndex.build(vectors, { dim });
  await index.save(path);

  const pool = new SearchPool(path, 4);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => pool.search(row(i), { k: 5 })));
  for (const [i, { ids, scores }] of answers.entries()) {
    const own = index.searchSync(row(i), { k: 5 });
    assert.deepEqual({ ids, scores: [...scores] }, { ids: own.ids, scores: [...own.scores] });
  }
  await assert.rejects(pool.search(row(0).fill(Number.NaN), { k: 5 }), { code: 'ERR_TQ_NON_FINITE' });
  const late = pool.search(row(0), { k: 5 });
  await Promise.all([assert.rejects(late, /the pool is closed/), pool.close()]);
  await assert.rejects(pool.search(row(0), { k: 5 }), /no worker is left/);

  const wrong = new SearchPool(join(folder, 'absent.tqi'), 1);
  await assert.rejects(wrong.search(row(0), { k: 1 }), { code: 'ERR_TQ_IO' });
  new SearchPool(path, 2); // left open: the process ends all the same
  console.log('worker-threads: 200 searches in 4 workers, equal to those of the main thread');
} finally {
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}
