// A search service: loads an index file, answers queries, and on SIGTERM finishes what it has begun.
//   node server.mjs INDEX [PORT]
import process from 'node:process';
import express from 'express';
import { isTinyQuantError, SearchIndex } from 'tinyquant';

/** Codes of errors that are the caller's, not the service's. */
const CALLERS = ['ERR_TQ_INVALID_ARG', 'ERR_TQ_DIM_MISMATCH', 'ERR_TQ_NON_FINITE', 'ERR_TQ_ID_RANGE', 'ERR_TQ_LIMIT'];
const MAX_K = 100;

const [path, port = '0'] = process.argv.slice(2);
const index = await SearchIndex.open(path);
const app = express();
let isClosing = false;

app.disable('x-powered-by');
app.use(express.json({ limit: '1mb' }));

app.get('/health', (_request, response) => {
  response.status(isClosing ? 503 : 200).json({ size: index.size, closing: isClosing });
});

app.post('/search', async (request, response) => {
  const { vector, k = 10, filter } = request.body ?? {};
  // The search stops when nobody waits for it any more.
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const hits = await index.search(vector, {
    k: Math.min(k, MAX_K),
    signal: gone.signal,
    ...(filter !== undefined && { filter }),
  });
  response.json({ hits });
});

app.use((error, _request, response, next) => {
  if (response.headersSent || response.destroyed) return next(error);
  const isTheirs = isTinyQuantError(error) && CALLERS.includes(error.code);
  // Express marks what it could not parse with a status.
  const status = isTheirs ? 400 : (error.status ?? 500);
  if (status >= 500) console.error(error);
  response.status(status).json({ code: error.code ?? 'ERR_HTTP', message: status < 500 ? error.message : 'failed' });
});

const server = app.listen(Number(port), '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on ${server.address().port}`);
});

/** Takes no new connections, waits for requests under way, then lets go of the index; nothing is left to run. */
function shutDown() {
  if (isClosing) return;
  isClosing = true;
  server.close(() => {
    index.close();
    console.log('closed');
  });
  // Connections that are kept alive close with their next response; those that wait now close at once.
  server.closeIdleConnections();
}

process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);
