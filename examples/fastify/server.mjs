// A search service: loads an index file, answers queries, and on SIGTERM finishes what it has begun.
//   node server.mjs INDEX [PORT]
import process from 'node:process';
import fastify from 'fastify';
import { isTinyQuantError, SearchIndex } from 'tinyquant';

/** Codes of errors that are the caller's, not the service's. */
const CALLERS = ['ERR_TQ_INVALID_ARG', 'ERR_TQ_DIM_MISMATCH', 'ERR_TQ_NON_FINITE', 'ERR_TQ_ID_RANGE', 'ERR_TQ_LIMIT'];
const MAX_K = 100;

const [path, port = '0'] = process.argv.slice(2);
const index = await SearchIndex.open(path);
const app = fastify({ bodyLimit: 1 << 20, forceCloseConnections: 'idle', return503OnClosing: false });
let isClosing = false;

app.get('/health', (_request, reply) =>
  reply.code(isClosing ? 503 : 200).send({ size: index.size, closing: isClosing }),
);

app.post('/search', async (request, reply) => {
  const { vector, k = 10, filter } = request.body ?? {};
  // The search stops when nobody waits for it any more.
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const hits = await index.search(vector, {
    k: Math.min(k, MAX_K),
    signal: gone.signal,
    ...(filter !== undefined && { filter }),
  });
  return { hits };
});

app.setErrorHandler((error, _request, reply) => {
  const isTheirs = isTinyQuantError(error) && CALLERS.includes(error.code);
  // Fastify marks what it could not parse with a status.
  const status = isTheirs ? 400 : (error.statusCode ?? 500);
  if (status >= 500 && !reply.raw.destroyed) console.error(error);
  reply.code(status).send({ code: error.code, message: status < 500 ? error.message : 'failed' });
});

// Runs after the last request.
app.addHook('onClose', async () => index.close());

await app.listen({ port: Number(port), host: '127.0.0.1' });
console.log(`listening on ${app.server.address().port}`);

/** Takes no new connections, waits for requests under way, then lets go of the index; nothing is left to run. */
async function shutDown() {
  if (isClosing) return;
  isClosing = true;
  await app.close();
  console.log('closed');
}

process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);
