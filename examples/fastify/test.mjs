import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SearchIndex } from 'tinyquant';

const DIM = 64;
const ROWS = 5000;
const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url));

// Noise that is the same each time.
const vectors = Float32Array.from({ length: ROWS * DIM }, (_, i) => ((Math.sin(i + 1) * 43_758.5453) % 1) - 0.01);
const vector = (row) => [...vectors.subarray(row * DIM, (row + 1) * DIM)];
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-service-'));
const file = join(folder, 'vectors.tqi');
let server;

/** Sends a request whose body can be held back. */
function post(port, body) {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const sent = request({ host: '127.0.0.1', port, path: '/search', method: 'POST', headers });
  const answer = once(sent, 'response').then(async ([response]) => {
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: response.statusCode, json: JSON.parse(text) };
  });
  return { sent, answer };
}

async function search(port, question) {
  const { sent, answer } = post(port, JSON.stringify(question));
  sent.end(JSON.stringify(question));
  return answer;
}

try {
  const index = await SearchIndex.build(vectors, { dim: DIM });
  await index.save(file);

  server = spawn(process.execPath, [SERVER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const port = Number(/^listening on (\d+)$/.exec((await lines.next()).value)?.[1]);

  // The same hits as in this process, however many ask at once.
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, row) => search(port, { vector: vector(row * 99), k: 3 })),
  );
  for (const [row, { status, json }] of answers.entries()) {
    assert.equal(status, 200);
    const expected = await index.search(vector(row * 99), { k: 3 });
    assert.deepEqual(json.hits, JSON.parse(JSON.stringify(expected)));
    assert.equal(json.hits[0].id, row * 99);
  }
  assert.deepEqual(
    (await search(port, { vector: vector(4), filter: [7, 9] })).json.hits.map(({ id }) => id).sort(),
    [7, 9],
  );

  // What is wrong with a request is told with a code; the service goes on.
  const wrong = [
    [{ vector: [1, 2] }, 'ERR_TQ_DIM_MISMATCH'],
    [{ vector: vector(1), k: 0 }, 'ERR_TQ_INVALID_ARG'],
    [{ vector: vector(1), k: 'all' }, 'ERR_TQ_INVALID_ARG'],
    [{}, 'ERR_TQ_INVALID_ARG'],
    [{ vector: vector(1), filter: ['a'] }, 'ERR_TQ_INVALID_ARG'],
  ];
  for (const [question, code] of wrong) {
    const { status, json } = await search(port, question);
    assert.deepEqual([status, json.code], [400, code]);
  }
  const broken = post(port, '{"vector":');
  broken.sent.end('{"vector":');
  assert.equal((await broken.answer).status, 400);
  const health = await fetch(`http://127.0.0.1:${port}/health`, { headers: { connection: 'close' } });
  assert.deepEqual(await health.json(), { size: ROWS, closing: false });

  if (process.platform === 'win32') {
    server.kill();
    console.log('queries answered; there is no SIGTERM on Windows');
  } else {
    // Requests whose bodies have only half arrived when the service is told to stop are answered.
    const body = JSON.stringify({ vector: vector(17), k: 1 });
    const open = Array.from({ length: 5 }, () => post(port, body));
    for (const { sent } of open) sent.write(body.slice(0, 100));
    // The last of them is being read once this later request has its answer.
    await search(port, { vector: vector(1), k: 1 });
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await new Promise((resume) => setTimeout(resume, 200));
    assert.equal(server.exitCode, null, 'the service waits for requests under way');
    await assert.rejects(search(port, { vector: vector(1) }), { code: 'ECONNREFUSED' });
    for (const { sent } of open) sent.end(body.slice(100));
    for (const { answer } of open) {
      const { status, json } = await answer;
      assert.deepEqual([status, json.hits[0].id], [200, 17]);
    }
    assert.deepEqual(await ended, [0, null]);
    assert.equal((await lines.next()).value, 'closed');
    console.log(`${answers.length} queries at once answered, and ${open.length} that SIGTERM met; exit 0`);
  }
  index.close();
} finally {
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
