// node etl.mjs OUT IN...: streams the vectors of files into OUT.tq, and makes the index OUT.tqi of them.
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Codebook, CodecConfig, CompressionPolicy, Corpus, CorpusWriter, SearchIndex, verifyFile } from 'tinyquant';
import { readVectors } from 'tinyquant/io';

/** Rows that the codebook is trained on. */
const TRAINING = 10_000;

/** The first rows of a file as one array, for training. */
async function sample(file) {
  const parts = [];
  let dimension = 0;
  for await (const batch of readVectors(file, { limit: TRAINING })) {
    parts.push(batch.vectors);
    dimension = batch.dimension;
  }
  if (dimension === 0) throw new Error(`${file} has no vectors`);
  const vectors = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    vectors.set(part, at);
    at += part.length;
  }
  return { vectors, dimension };
}

/**
 * Writes `${out}.tq` and `${out}.tqi`. Rows without an id are named by their file and row; rows that cannot be used
 * are counted and left out.
 */
export async function etl(out, files, { bitWidth = 4 } = {}) {
  const { vectors, dimension } = await sample(files[0]);
  const codecConfig = new CodecConfig({ bitWidth, dimension, residualEnabled: false });
  const writer = await CorpusWriter.create(`${out}.tq`, {
    corpusId: basename(out),
    codecConfig,
    codebook: Codebook.train(vectors, codecConfig, { method: 'lloyd-max' }),
    compressionPolicy: CompressionPolicy.COMPRESS,
    overwrite: true,
  });
  let bad = 0;
  try {
    for (const file of files) {
      let row = 0;
      const onBadRow = () => {
        bad += 1;
      };
      for await (const batch of readVectors(file, { dimension, onBadRow })) {
        const ids = batch.ids ?? Array.from({ length: batch.rows }, (_, i) => `${basename(file)}#${row + i}`);
        await writer.write(batch.vectors, batch.metadata === undefined ? { ids } : { ids, metadata: batch.metadata });
        row += batch.rows;
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abort(); // leaves what was at OUT.tq before
    throw error;
  }
  const { vectorCount, sizeBytes } = await verifyFile(`${out}.tq`);

  const corpus = await Corpus.open(`${out}.tq`);
  const index = await SearchIndex.fromCorpus(corpus, { bits: 8 });
  await index.save(`${out}.tqi`);
  index.close();
  corpus.close();
  return { vectorCount, sizeBytes, dimension, bad };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [out, ...files] = process.argv.slice(2);
  if (files.length === 0) {
    console.error('usage: node etl.mjs OUT IN...');
    process.exit(2);
  }
  console.log(await etl(out, files));
}
