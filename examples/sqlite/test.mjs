import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from './database.mjs';
import { Passages } from './passages.mjs';

// better-sqlite3 is compiled where there is no prebuilt file for it, which needs Python, a C++ compiler and Node's headers.
const missing = await openDatabase(':memory:').then(
  (db) => void db.close(),
  (error) => error,
);
if (missing !== undefined) {
  console.log(
    `SKIPPED: no SQLite (${missing.code}); install with: npm install better-sqlite3, or use Node 22.13 or newer`,
  );
  process.exit(0);
}

const DIMENSION = 64;
const ROWS = 2500;
const LANGUAGES = ['de', 'en', 'fr'];

/** The same vector for the same number: a direction of its own for each. */
const vector = (row) => Float32Array.from({ length: DIMENSION }, (_, i) => Math.sin((row + 1) * (i + 1) * 12.9898));
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-sqlite-'));
const path = join(folder, 'passages.db');

try {
  const sample = Float32Array.from(
    { length: 500 * DIMENSION },
    (_, i) => vector(Math.floor(i / DIMENSION))[i % DIMENSION],
  );
  await Passages.create(path, sample, DIMENSION);

  let passages = await Passages.open(path);
  for (let row = 0; row < ROWS; row += 1) {
    passages.insert({ language: LANGUAGES[row % 3], body: `passage ${row}`, vector: vector(row) });
  }
  // A rowid that no JavaScript number can hold.
  const large = 2n ** 62n + 1n;
  assert.equal(passages.insert({ id: large, language: 'en', body: 'far out', vector: vector(ROWS) }), large);
  passages.close();

  // After a restart everything comes from the file.
  passages = await Passages.open(path);
  assert.equal(passages.size, ROWS + 1);
  for (const row of [0, 7, 1234, ROWS - 1]) {
    const [best, ...others] = await passages.search(vector(row), { k: 5 });
    assert.deepEqual([best.id, best.body], [BigInt(row + 1), `passage ${row}`]);
    assert.ok(best.score > 0.99);
    assert.equal(others.length, 4);
  }
  assert.equal((await passages.search(vector(ROWS), { k: 1 }))[0].id, large);

  // The filter is SQL: the best passages of one language, as many as were asked for.
  const french = await passages.search(vector(7), { k: 40, language: 'fr' });
  assert.equal(french.length, 40);
  assert.ok(french.every(({ language }) => language === 'fr'));
  assert.deepEqual(await passages.search(vector(7), { k: 3, language: 'xx' }), []);

  assert.equal(passages.delete(large), true);
  assert.notEqual((await passages.search(vector(ROWS), { k: 1 }))[0].id, large);
  // A row that the table refuses is not in the index either.
  assert.throws(() => passages.insert({ id: 1n, language: 'en', body: 'again', vector: vector(1) }), /UNIQUE/);
  assert.equal(passages.size, ROWS);
  passages.close();
  console.log(`${ROWS} passages, ${(statSync(path).size / ROWS).toFixed(0)} bytes each in the database file`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
