import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tableFromIPC } from 'apache-arrow';
import { SearchIndex } from 'tinyquant';
import { writeVectors } from 'tinyquant/io';

const DIM = 96;
const ROWS = 12_000;
/** More than are read at once. */
const QUERIES = 11_500;
/** Queries whose exact neighbours are computed. */
const CHECKED = 300;
const K = 10;

/** Noise that is the same each time, with less and less energy from the first value to the last. */
const value = (row, i) => (((Math.sin(row * DIM + i + 1) * 43_758.5453) % 1) - 0.01) * 2 ** ((-4 * i) / DIM);
const vector = (row) => Float32Array.from({ length: DIM }, (_, i) => value(row, i));
/** A query lies near the row of its own number. */
const query = (row) => vector((row * 31) % ROWS).map((each, i) => each + 0.2 * value(ROWS + row, i));

/** Rows as batches of tinyquant/io, with ids. */
function* batches(rows, at, name) {
  for (let from = 0; from < rows; from += 1000) {
    const count = Math.min(1000, rows - from);
    const vectors = new Float32Array(count * DIM);
    for (let row = 0; row < count; row += 1) vectors.set(at(from + row), row * DIM);
    const ids = Array.from({ length: count }, (_, row) => `${name}-${from + row}`);
    yield { vectors, ids, rows: count, dimension: DIM };
  }
}

/** The exact neighbours by cosine. */
function exact(at) {
  const scores = [];
  for (let row = 0; row < ROWS; row += 1) {
    const other = all[row];
    let [dot, norm] = [0, 0];
    for (let i = 0; i < DIM; i += 1) {
      dot += at[i] * other[i];
      norm += other[i] ** 2;
    }
    scores.push({ id: `doc-${row}`, score: dot / Math.sqrt(norm) });
  }
  return new Set(
    scores
      .sort((a, b) => b.score - a.score)
      .slice(0, K)
      .map(({ id }) => id),
  );
}

const all = Array.from({ length: ROWS }, (_, row) => vector(row));
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-batch-'));
const [embeddings, queries, target, neighbours] = ['a.parquet', 'q.arrow', 'a.tqi', 'n.arrow'].map((name) =>
  join(folder, name),
);

try {
  await writeVectors(
    embeddings,
    batches(ROWS, (row) => all[row], 'doc'),
  );
  await writeVectors(queries, batches(QUERIES, query, 'query'));
  const job = fileURLToPath(new URL('neighbours.mjs', import.meta.url));
  const output = execFileSync(process.execPath, [job, embeddings, queries, target, neighbours, `${K}`], {
    encoding: 'utf8',
  });
  assert.equal(output, `${ROWS} vectors indexed, ${QUERIES} queries answered\n`);

  const table = tableFromIPC(readFileSync(neighbours));
  assert.equal(table.numRows, QUERIES * K);
  const rows = table.toArray().map((row) => row.toJSON());
  let found = 0;
  for (let at = 0; at < QUERIES; at += 1) {
    const hits = rows.slice(at * K, (at + 1) * K);
    assert.ok(hits.every((hit, rank) => hit.query === `query-${at}` && hit.rank === rank));
    assert.ok(hits.every((hit, i) => i === 0 || hit.score <= hits[i - 1].score));
    assert.equal(hits[0].id, `doc-${(at * 31) % ROWS}`);
    if (at >= CHECKED) continue;
    const best = exact(query(at));
    found += hits.filter(({ id }) => best.has(id)).length;
  }
  const recall = found / (CHECKED * K);
  assert.ok(recall > 0.85, `recall@${K} is ${recall}`);

  // The index file serves whoever opens it next.
  const index = await SearchIndex.open(target);
  assert.equal(index.size, ROWS);
  assert.deepEqual((await index.search(query(5), { k: 1 })).ids, [rows[5 * K].id]);
  index.close();
  const share = statSync(target).size / statSync(embeddings).size;
  console.log(
    `recall@${K} ${recall.toFixed(3)}; the index has ${(100 * share).toFixed(0)} % of the bytes of the Parquet file`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
