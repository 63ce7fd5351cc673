// node server.mjs INDEX.tqi [PORT]: nearest neighbours over HTTP from an index file that is mapped, not loaded.
import { createServer } from 'node:http';
import { isTinyQuantError, SearchIndex } from 'tinyquant';

/** Longest body that is read, in bytes: 16,384 numbers as text. */
const BODY = 1 << 19;
/** Longest time that a search may take, in milliseconds. */
const PATIENCE = 2000;

const [path, port = '8080'] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node server.mjs INDEX.tqi [PORT]');
  process.exit(2);
}

let index = await SearchIndex.open(path);

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= BODY) chunks.push(chunk); // what is too long is read to its end, and not kept
  }
  if (size > BODY) throw new Refused(413, `the body is longer than ${BODY} bytes`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new Refused(400, 'the body is not JSON');
  }
}

async function answer(request, gone) {
  if (request.url === '/health') return { size: index.size, dim: index.dim };
  if (request.url !== '/search' || request.method !== 'POST') throw new Refused(404, 'there is POST /search');
  const { vector, k = 10, filter } = await bodyOf(request);
  const signal = AbortSignal.any([gone, AbortSignal.timeout(PATIENCE)]);
  const options = filter === undefined ? { k, signal } : { k, filter, signal };
  // A search keeps the index that it began with: `index` may be another one when it is done.
  return { results: await index.search(vector, options) };
}

const server = createServer(async (request, response) => {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let status = 200;
  let body;
  try {
    body = await answer(request, gone.signal);
  } catch (error) {
    if (error instanceof Refused) status = error.status;
    else if (isTinyQuantError(error)) status = error.code === 'ERR_TQ_INTERNAL' ? 500 : 400;
    else status = error?.name === 'TimeoutError' ? 503 : 500;
    body = { error: error.message, ...(isTinyQuantError(error) ? { code: error.code } : {}) };
  }
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
});

async function reload() {
  try {
    const next = await SearchIndex.open(path);
    const last = index;
    index = next;
    last.close(); // searches that are under way finish first
    console.log(`reloaded ${index.size}`);
  } catch (error) {
    console.error(`kept the old index: ${error.message}`);
  }
}

function stop() {
  server.close(() => {
    index.close();
    console.log('stopped');
  });
  server.closeIdleConnections();
}

process.on('SIGHUP', reload);
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
server.listen(Number(port), () => console.log(`listening ${server.address().port}`));
