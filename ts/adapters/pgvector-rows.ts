import { Codec } from '../codec.js';
import { CompressedBatch } from '../compressed.js';
import { Corpus } from '../corpus.js';
import type { VectorEntry } from '../entry.js';
import { TinyQuantError } from '../errors.js';
import type { Metric } from '../index-options.js';
import { toMetadataJson } from '../metadata.js';
import type { CollectedVectors } from '../source.js';
import { invalidArg, notAHandle } from '../validate.js';
import { pickRows } from '../vectors.js';
import { type CopyPage, checkValues } from './copy.js';
import type { PgvectorCodec, PgvectorPlan } from './pgvector-options.js';

/** Rows of a corpus that are read, compressed and sent together. */
const PAGE_ROWS = 2048;

const codec: Codec = new Codec();

/** Codes of row-major vectors, one record a row. */
async function encodeRows(vectors: Float32Array, { config, codebook }: PgvectorCodec): Promise<Uint8Array[]> {
  const batch = await codec.compressBatch(vectors, config, codebook);
  return Array.from(batch, (record) => record.toBytes());
}

/** What records stand for, row by row. */
export async function decodeRows(
  records: readonly Uint8Array[],
  { config, codebook }: PgvectorCodec,
): Promise<Float32Array> {
  return codec.decompressBatch(CompressedBatch.fromBytes(Buffer.concat(records)), config, codebook);
}

function checkId(id: string, row: number): void {
  if (id.includes('\0'))
    throw invalidArg(`id of vector ${row}`, 'text without NUL, which PostgreSQL cannot hold', id, { row });
}

/** Vectors after all checks, the last of those with the same id, with their codes. */
export async function pageOf(batch: CollectedVectors, plan: PgvectorPlan): Promise<CopyPage> {
  const { dimension, column } = plan;
  const wrong = batch.lengths.findIndex((length) => length !== dimension);
  if (wrong >= 0) {
    const got = batch.lengths[wrong];
    const message = `vector ${wrong} has ${got} values, expected the dimension ${dimension}`;
    const details = { kind: 'DimensionMismatch', expected: dimension, got, row: wrong };
    throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
  }
  checkValues(batch.vectors, dimension, column, 'vectors');
  const rowOf = new Map<string, number>();
  for (const [row, id] of batch.ids.entries()) {
    checkId(id, row);
    rowOf.set(id, row);
  }
  const rows = [...rowOf.values()];
  const vectors = pickRows(batch.vectors, dimension, rows);
  const codes = plan.codec === undefined ? null : await encodeRows(vectors, plan.codec);
  return { ids: [...rowOf.keys()], vectors, codes, metadata: rows.map((row) => batch.metadataJson[row] ?? null) };
}

/** Refuses a corpus whose codes are not those of the table. */
export function checkCorpus(corpus: unknown, plan: PgvectorPlan): asserts corpus is Corpus {
  if (!(corpus instanceof Corpus)) throw notAHandle(corpus, 'corpus', 'Corpus');
  const { dimension } = corpus.codecConfig;
  if (dimension !== plan.dimension) {
    const message = `the corpus has the dimension ${dimension}, the table ${plan.dimension}`;
    const details = { kind: 'DimensionMismatch', expected: plan.dimension, got: dimension };
    throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
  }
  if (plan.codec === undefined || corpus.compressionPolicy.kind !== 'compress') return;
  const { config, codebook } = plan.codec;
  if (corpus.codecConfig.configHash !== config.configHash) {
    throw new TinyQuantError(
      'ERR_TQ_CONFIG_MISMATCH',
      'the corpus was compressed with another configuration than codec.config',
      {
        details: { expected: config.configHash, got: corpus.codecConfig.configHash },
      },
    );
  }
  if (Buffer.compare(corpus.codebook.toBytes(), codebook.toBytes()) !== 0) {
    throw new TinyQuantError(
      'ERR_TQ_CODEBOOK_MISMATCH',
      'the corpus was compressed with another codebook than codec.codebook',
    );
  }
}

async function entryPage(corpus: Corpus, entries: readonly VectorEntry[], plan: PgvectorPlan): Promise<CopyPage> {
  const { codecConfig, codebook, compressionPolicy } = corpus;
  const { dimension } = plan;
  const ids = entries.map(({ vectorId }) => vectorId);
  let vectors: Float32Array;
  let codes: Uint8Array[] | null = null;
  if (compressionPolicy.kind === 'compress') {
    const records = entries.map(({ compressed }) => compressed);
    vectors = await codec.decompressBatch(records, codecConfig, codebook);
    if (plan.codec !== undefined) codes = records.map((record) => record.toBytes());
  } else {
    vectors = new Float32Array(ids.length * dimension);
    for (const [row, id] of ids.entries()) vectors.set(corpus.decompress(id), row * dimension);
    if (plan.codec !== undefined) codes = await encodeRows(vectors, plan.codec);
  }
  checkValues(vectors, dimension, plan.column, 'the corpus');
  const metadata = entries.map((entry) => toMetadataJson(entry.metadata, 'metadata'));
  return { ids, vectors, codes, metadata };
}

/**
 * The rows of a corpus in order of insertion: its codes as they are, its vectors reconstructed.
 *
 * @param sent called with the number of rows so far
 */
export async function* corpusPages(
  corpus: Corpus,
  plan: PgvectorPlan,
  sent: (rows: number) => void,
): AsyncGenerator<CopyPage, void> {
  let page: VectorEntry[] = [];
  let rows = 0;
  const flush = async (): Promise<CopyPage> => {
    for (const [i, { vectorId }] of page.entries()) checkId(vectorId, rows + i);
    const next = await entryPage(corpus, page, plan);
    rows += page.length;
    page = [];
    return next;
  };
  for (const entry of corpus.entries()) {
    page.push(entry);
    if (page.length < PAGE_ROWS) continue;
    yield await flush();
    sent(rows);
  }
  if (page.length > 0) yield await flush();
  sent(rows);
}

/** The score of two vectors in 64-bit floats: higher is better. */
function scoreOf(metric: Metric, query: Float32Array, rows: Float32Array, start: number): number {
  let [dot, own, other, apart] = [0, 0, 0, 0];
  for (let i = 0; i < query.length; i++) {
    const x = query[i] ?? 0;
    const y = rows[start + i] ?? 0;
    dot += x * y;
    own += x * x;
    other += y * y;
    apart += (x - y) * (x - y);
  }
  if (metric === 'dot') return dot;
  if (metric === 'l2') return -apart;
  return own === 0 || other === 0 ? 0 : dot / Math.sqrt(own * other);
}

/** The score of each row for a query. */
export function scoreRows(metric: Metric, query: Float32Array, rows: Float32Array): number[] {
  return Array.from({ length: rows.length / query.length }, (_, row) =>
    scoreOf(metric, query, rows, row * query.length),
  );
}

/** The score that a distance of pgvector stands for; of a vector without a direction there is none. */
export function scoreOfDistance(metric: Metric, distance: number): number {
  if (metric === 'dot') return -distance;
  if (metric === 'l2') return -distance * distance;
  return Number.isNaN(distance) ? 0 : 1 - distance;
}
