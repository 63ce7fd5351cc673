import { parentPort, workerData } from 'node:worker_threads';
import { SearchIndex } from 'tinyquant';

const index = await SearchIndex.open(workerData.path);

parentPort.on('message', async ({ number, query, options }) => {
  try {
    const { ids, scores } = await index.search(query, options);
    parentPort.postMessage({ number, hits: { ids, scores } }, [scores.buffer]);
  } catch ({ message, code }) {
    parentPort.postMessage({ number, error: { message, code } });
  }
});
