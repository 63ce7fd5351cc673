// A process that leaves everything open: `node exit.mjs` prints `idle` when the last promise has settled, and has to
// end by itself then, whatever was never closed, finished or read to its end.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readVectors, writeVectors } from '../../dist/io.mjs';
import { Codebook, Codec, CodecConfig, CompressionPolicy, Corpus, CorpusWriter, SearchIndex } from '../../index.mjs';
import { DIM, rowAt, rowsOf } from './data.mjs';

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'tinyquant-exit-'));
const path = (name) => join(folder, name);
const vectors = rowsOf(2000);
const codecConfig = new CodecConfig({ bitWidth: 4, dimension: DIM });
const codebook = Codebook.train(vectors, codecConfig);
const options = { corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS };

const index = await SearchIndex.build(vectors, { dim: DIM, onProgress() {} });
await index.save(path('a.tqi'));
const opened = await SearchIndex.open(path('a.tqi'));
const corpus = new Corpus(options);
corpus.insert('a', rowAt(vectors, 0));
await corpus.save(path('a.tq'));
const mapped = await Corpus.open(path('a.tq'));
const unfinished = await CorpusWriter.create(path('b.tq'), options);
await unfinished.write(vectors);
await writeVectors(path('a.npy'), [{ vectors, rows: 2000, dimension: DIM }]);
const reader = readVectors(path('a.npy'), { batchRows: 10 })[Symbol.asyncIterator]();
await reader.next();
const job = { signal: new AbortController().signal, onProgress() {} };
await new Codec().compressBatch(vectors, codecConfig, codebook, job);
await opened.search(rowAt(vectors, 0), { k: 1, signal: job.signal });
await mapped.search(rowAt(vectors, 0), 1);
console.log('idle');
