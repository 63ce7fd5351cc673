import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SearchIndex } from 'tinyquant';

const dim = 32;
const vectors = Float32Array.from({ length: 2000 * dim }, (_, i) => Math.sin(i * i));
const row = (i) => [...vectors.subarray(i * dim, (i + 1) * dim)];
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-server-'));
const path = join(folder, 'a.tqi');
const index = await SearchIndex.build(vectors.subarray(0, 1000 * dim), { dim, originals: 'f32' });
await index.save(path);

const script = fileURLToPath(new URL('server.mjs', import.meta.url));
const child = spawn(process.execPath, [script, path, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

try {
  const port = /^listening (\d+)$/.exec(await line())[1];
  const post = async (body, url = '/search') => {
    const answer = await fetch(`http://127.0.0.1:${port}${url}`, { method: 'POST', body });
    return { status: answer.status, ...(await answer.json()) };
  };

  const found = await post(JSON.stringify({ vector: row(17), k: 3 }));
  assert.equal(found.status, 200);
  assert.equal(found.results.length, 3);
  assert.equal(found.results[0].id, 17);
  assert.ok(Math.abs(found.results[0].score - 1) < 1e-5);
  const filtered = await post(JSON.stringify({ vector: row(17), k: 3, filter: [4, 5] }));
  assert.deepEqual(filtered.results.map(({ id }) => id).sort(), [4, 5]);
  const many = await Promise.all(Array.from({ length: 100 }, (_, i) => post(JSON.stringify({ vector: row(i), k: 1 }))));
  assert.deepEqual(
    many.map(({ results }) => results[0].id),
    Array.from({ length: 100 }, (_, i) => i),
  );

  assert.deepEqual(await post('{'), { status: 400, error: 'the body is not JSON' });
  assert.equal((await post('x'.repeat(1 << 20))).status, 413);
  assert.equal((await post('{}', '/other')).status, 404);
  assert.equal((await post(JSON.stringify({ vector: [1, 2] }))).code, 'ERR_TQ_DIM_MISMATCH');
  assert.equal((await post(JSON.stringify({ vector: row(0), k: 0 }))).code, 'ERR_TQ_INVALID_ARG');
  assert.equal((await post('{}')).status, 400);

  // Signals other than to end at once do not exist on Windows.
  if (process.platform !== 'win32') {
    await index.add(vectors.subarray(1000 * dim));
    await index.save(path);
    child.kill('SIGHUP');
    assert.equal(await line(), 'reloaded 2000');
    assert.equal((await post(JSON.stringify({ vector: row(1500), k: 1 }))).results[0].id, 1500);

    const last = post(JSON.stringify({ vector: row(3), k: 1 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGTERM');
    assert.equal((await last).results[0].id, 3);
    assert.equal(await line(), 'stopped');
    const [code, signal] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode, null];
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
  }
  console.log('server: searches, refuses, reloads and stops');
} finally {
  child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
