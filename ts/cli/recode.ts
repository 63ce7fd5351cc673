import type { Corpus } from '../index.js';
import { sidecarText } from './codebook-file.js';
import { usage } from './failure.js';
import { claim, writeWhole } from './output.js';
import type { Target } from './pipeline.js';
import { grouped } from './progress.js';
import { session } from './session.js';
import { type CodingOptions, openTqcv } from './stored.js';

/** Options of a conversion between kinds of compressed files. */
export interface RecodeOptions extends CodingOptions {
  readonly output: string;
  readonly force?: boolean;
  readonly codebookOut?: string;
  readonly configOut?: string;
}

/** Records carried over at a time. */
const RECORDS_PER_BATCH = 4096;

interface Recoded {
  readonly rows: number;
  readonly sizeBytes: number;
}

/** The records of a corpus file into TinyQuant's file. */
async function toTqcv(corpus: Corpus, o: RecodeOptions): Promise<Recoded> {
  const { CompressedBatch, TqcvWriter } = await import('../index.js');
  const { codecConfig } = corpus;
  const writer = await TqcvWriter.create(o.output, { codecConfig, overwrite: o.force === true });
  const bar = await session.progress('convert', corpus.vectorCount);
  try {
    let records: Uint8Array[] = [];
    let rows = 0;
    const flush = async (): Promise<void> => {
      await writer.write(CompressedBatch.fromBytes(Buffer.concat(records)));
      session.signal.throwIfAborted();
      rows += records.length;
      records = [];
      bar.update(rows);
    };
    for (const entry of corpus.entries()) {
      records.push(entry.compressed.toBytes());
      if (records.length === RECORDS_PER_BATCH) await flush();
    }
    if (records.length > 0) await flush();
    const { length, sizeBytes } = await writer.finish();
    return { rows: length, sizeBytes };
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    bar.stop();
  }
}

/** TinyQuant's file into a corpus file, whose ids are the row numbers. */
async function toCorpus(path: string, o: RecodeOptions): Promise<Recoded & { readonly dimension: number }> {
  const { CompressionPolicy, CorpusWriter } = await import('../index.js');
  const { reader, config, codebook } = await openTqcv(path, o);
  try {
    const writer = await CorpusWriter.create(o.output, {
      corpusId: 'corpus',
      codecConfig: config,
      codebook,
      compressionPolicy: CompressionPolicy.COMPRESS,
      overwrite: o.force === true,
    });
    const bar = await session.progress('convert', reader.length);
    let rows = 0;
    const { signal } = session;
    try {
      for (const batch of reader.batches(RECORDS_PER_BATCH)) {
        await writer.writeRecords(batch, { signal });
        rows += batch.length;
        bar.update(rows);
      }
      const { vectorCount, sizeBytes } = await writer.finish();
      return { rows: vectorCount, sizeBytes, dimension: config.dimension };
    } catch (error) {
      await writer.abort();
      throw error;
    } finally {
      bar.stop();
    }
  } finally {
    reader.close();
  }
}

/** Converts between `.tq` and `.tqcv`. */
export async function recode(path: string, from: Target, to: Target, o: RecodeOptions): Promise<void> {
  const startedAt = performance.now();
  if (from === to) throw usage(`${path} is already of that kind: copy it`, { input: path });
  session.reads(path);
  await claim(o.output, o.force === true);
  let done: Recoded & { readonly dimension: number };
  if (to === 'corpus') {
    const needless =
      o.codebookOut !== undefined ? '--codebook-out' : o.configOut !== undefined ? '--config-out' : undefined;
    if (needless !== undefined)
      throw usage(`${needless} is for a .tqcv output: a .tq file holds both`, { option: needless });
    done = await toCorpus(path, o);
  } else {
    for (const extra of [o.codebookOut, o.configOut]) if (extra !== undefined) await claim(extra, o.force === true);
    const { Corpus } = await import('../index.js');
    const corpus = await Corpus.open(path, { mmap: false, signal: session.signal });
    try {
      if (corpus.compressionPolicy.kind !== 'compress') {
        throw usage(
          `${path}: its policy is ${corpus.compressionPolicy.kind}; a .tqcv file holds compressed vectors only`,
        );
      }
      session.warn('a .tqcv file has no place for ids and metadata: they are left out, rows keep their order');
      done = { ...(await toTqcv(corpus, o)), dimension: corpus.codecConfig.dimension };
      if (o.codebookOut !== undefined) await writeWhole(o.codebookOut, o.force === true, [corpus.codebook.toBytes()]);
      if (o.configOut !== undefined)
        await writeWhole(o.configOut, o.force === true, [Buffer.from(sidecarText(corpus.codecConfig))]);
    } finally {
      corpus.close();
    }
  }
  const { rows, sizeBytes, dimension } = done;
  const seconds = (performance.now() - startedAt) / 1000;
  await session.result(
    { input: path, output: o.output, rows, dimension, sizeBytes, seconds },
    `${o.output}: ${grouped(rows)} x ${dimension}, ${grouped(sizeBytes)} bytes, ${seconds.toFixed(1)} s`,
    false,
  );
}
