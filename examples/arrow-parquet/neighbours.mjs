// Batch job: Parquet rows with embeddings into an index file, and for each row of an Arrow or Parquet file of queries its
// nearest neighbours as an Arrow table with the columns query, rank, id and score.
//   node neighbours.mjs EMBEDDINGS.parquet QUERIES.arrow INDEX.tqi NEIGHBOURS.arrow [K]
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { RecordBatchFileWriter, Table, Utf8, vectorFromArray } from 'apache-arrow';
import { SearchIndex } from 'tinyquant';
import { readVectors } from 'tinyquant/io';

/** Rows that the index is fitted to. */
const SAMPLE_ROWS = 20_000;

/** Everything that the first batches hold, up to a number of rows. */
async function sampleOf(path) {
  const batches = [];
  for await (const batch of readVectors(path, { limit: SAMPLE_ROWS })) batches.push(batch);
  const dim = batches[0].dimension;
  const sample = new Float32Array(batches.reduce((sum, { rows }) => sum + rows, 0) * dim);
  let at = 0;
  for (const { vectors } of batches) {
    sample.set(vectors, at);
    at += vectors.length;
  }
  return { sample, dim };
}

/** Reads a file batch by batch into an index: memory holds the codes and one batch. */
export async function buildIndex(source, target, settings = {}) {
  const { sample, dim } = await sampleOf(source);
  const index = new SearchIndex({ dim, idType: 'string', ...settings });
  await index.fit(sample);
  for await (const { vectors, ids, rows } of readVectors(source)) {
    // Rows without ids get their numbers.
    const numbers = () => Array.from({ length: rows }, (_, row) => String(index.size + row));
    await index.add(vectors, { ids: ids ?? numbers() });
  }
  await index.save(target);
  return index;
}

/** Searches for every row of a file of queries, and writes a table batch by batch. */
export async function writeNeighbours(index, queries, target, k) {
  const output = createWriteStream(target);
  const writer = RecordBatchFileWriter.throughNode({ autoDestroy: true });
  writer.pipe(output);
  let done = 0;
  for await (const { vectors, ids, rows } of readVectors(queries)) {
    const lists = await index.searchBatch(vectors, { k });
    const columns = { query: [], rank: [], id: [], score: [] };
    for (const [row, hits] of lists.entries()) {
      let rank = 0;
      for (const { id, score } of hits) {
        columns.query.push(ids?.[row] ?? String(done + row));
        columns.rank.push(rank);
        columns.id.push(id);
        columns.score.push(score);
        rank += 1;
      }
    }
    const table = new Table({
      // Texts of a named type: each batch must have the schema of the first.
      query: vectorFromArray(columns.query, new Utf8()),
      rank: vectorFromArray(Int32Array.from(columns.rank)),
      id: vectorFromArray(columns.id, new Utf8()),
      score: vectorFromArray(Float32Array.from(columns.score)),
    });
    for (const batch of table.batches) writer.write(batch);
    done += rows;
  }
  writer.end();
  await finished(output);
  return done;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [embeddings, queries, target, neighbours, k = '10'] = process.argv.slice(2);
  if (neighbours === undefined) {
    console.error('usage: node neighbours.mjs EMBEDDINGS.parquet QUERIES.arrow INDEX.tqi NEIGHBOURS.arrow [K]');
    process.exit(2);
  }
  const index = await buildIndex(embeddings, target);
  const count = await writeNeighbours(index, queries, neighbours, Number(k));
  console.log(`${index.size} vectors indexed, ${count} queries answered`);
  index.close();
}
