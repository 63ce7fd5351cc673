import { byScore } from '../hits.js';
import type { SearchResult } from '../index.js';
import type { VectorBatch } from '../io.js';
import { session } from './session.js';

/**
 * Finds the exact best vectors of a stream for some queries, a batch of vectors at a time.
 *
 * @param batches vectors; without ids a vector's id is its number in the stream
 * @param queries row-major
 * @param onRows told how many vectors have been searched
 * @returns a list a query, best first
 */
export async function exactTop(
  batches: AsyncIterable<VectorBatch>,
  queries: Float32Array,
  dimension: number,
  topK: number,
  onRows: (rows: number) => void = () => {},
): Promise<SearchResult[][]> {
  const { BruteForceBackend } = await import('../index.js');
  const best: SearchResult[][] = Array.from({ length: queries.length / dimension }, () => []);
  let rows = 0;
  for await (const batch of batches) {
    const backend = new BruteForceBackend();
    const { vectors, ids } = batch;
    const first = rows;
    backend.ingest(
      (function* () {
        for (let row = 0; row < batch.rows; row++) {
          const id = ids?.[row] ?? String(first + row);
          yield [id, vectors.subarray(row * dimension, (row + 1) * dimension)] as [string, Float32Array];
        }
      })(),
    );
    for (const [number, kept] of best.entries()) {
      // A long list of queries leaves the event loop to signals now and then.
      if (number % 16 === 15) await new Promise((resume) => setImmediate(resume));
      session.signal.throwIfAborted();
      const found = backend.search(queries.subarray(number * dimension, (number + 1) * dimension), topK);
      best[number] = [...kept, ...found].sort(byScore).slice(0, topK);
    }
    rows += batch.rows;
    onRows(rows);
  }
  return best;
}
