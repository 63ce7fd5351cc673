import type { Command } from 'commander';
import { Option } from 'commander';
import type { VectorBatch } from '../io.js';
import { exactTop } from './exact.js';
import { badData, usage } from './failure.js';
import { BadRows, formatName, gather, openInput } from './input.js';
import { example, FORMATS, type FormatName } from './options.js';
import { grouped } from './progress.js';
import { checkQueries, openQueries, openSearchable, type QueryOptions, queryOptions } from './search.js';
import { action, session } from './session.js';

interface RecallOptions extends QueryOptions {
  readonly truth: string;
  readonly truthFormat?: FormatName;
  readonly truthColumn?: string;
  readonly idColumn?: string;
}

/** Queries answered against the file at a time. */
const QUERIES_PER_BATCH = 256;

async function recall(file: string, o: RecallOptions): Promise<void> {
  const startedAt = performance.now();
  if (o.truth === '-' && o.query === '-') throw usage('--truth and --query cannot both be standard input');
  const searchable = await openSearchable(file, o);
  try {
    const { dimension, metric } = searchable;
    if (metric !== 'cosine') throw usage(`recall is about the cosine: ${file} has the metric ${metric}`, { metric });
    const queryInput = await openQueries(o, dimension);
    const queries = await gather(queryInput);
    if (queries.rows === 0) throw usage(`${queryInput.name}: there are no queries`);
    checkQueries(queries, queryInput.name, dimension);

    const format = formatName(o.truthFormat);
    const truth = await openInput(
      o.truth,
      {
        dimension,
        ...(format === undefined ? {} : { format }),
        ...(o.truthColumn === undefined ? {} : { column: o.truthColumn }),
        ...(o.idColumn === undefined ? {} : { idColumn: o.idColumn }),
      },
      '--truth',
    );
    const bar = await session.progress('exact search of the originals', await truth.rows());
    let named = false;
    let rows = 0;
    const originals = async function* (): AsyncGenerator<VectorBatch, void, void> {
      for await (const batch of truth.open({ bad: new BadRows(false) })) {
        named ||= batch.ids !== undefined;
        rows += batch.rows;
        yield batch;
      }
    };
    const exact = await exactTop(originals(), queries.vectors, dimension, o.topK, bar.update).finally(() => bar.stop());

    if (!named && rows !== searchable.length) {
      throw badData(`${truth.name}: ${rows} originals without ids do not go with ${searchable.length} vectors`, {
        path: truth.name,
        expected: searchable.length,
        got: rows,
      });
    }
    // Originals without ids are the file's vectors in its order.
    const names = named ? undefined : [...searchable.ids()];
    let found = 0;
    let wanted = 0;
    for (let from = 0; from < queries.rows; from += QUERIES_PER_BATCH) {
      const count = Math.min(QUERIES_PER_BATCH, queries.rows - from);
      const vectors = queries.vectors.slice(from * dimension, (from + count) * dimension);
      const answers = await searchable.search({ vectors, rows: count, dimension }, o.topK);
      for (const [i, results] of answers.entries()) {
        const ids = new Set(results.map(({ vectorId }) => vectorId));
        for (const { vectorId } of exact[from + i] ?? []) {
          wanted++;
          if (ids.has(names === undefined ? vectorId : (names[Number(vectorId)] ?? ''))) found++;
        }
      }
    }
    const share = wanted === 0 ? 0 : found / wanted;
    const seconds = (performance.now() - startedAt) / 1000;
    await session.result(
      {
        file,
        truth: truth.name,
        vectors: searchable.length,
        originals: rows,
        queries: queries.rows,
        topK: o.topK,
        recall: share,
        seconds,
      },
      `recall@${o.topK}: ${share.toFixed(4)} (${grouped(queries.rows)} queries, ${grouped(searchable.length)} vectors)`,
      true,
    );
  } finally {
    searchable.close();
  }
}

/** `tinyquant recall` */
export function registerRecall(program: Command): void {
  const command = program
    .command('recall')
    .summary('how many of the true nearest vectors a file still finds')
    .description(
      'Compares the search of a compressed file with an exact search of the original vectors: the share of the true\n' +
        'top k that the file returns. Vectors are matched by id; originals without ids, by their place in the file.',
    )
    .argument('<file>', 'index file, corpus file (.tq), or TinyQuant file (.tqcv) with --codebook')
    .requiredOption('--truth <file>', 'file of the original vectors');
  queryOptions(command, 10)
    .addOption(
      new Option('--truth-format <name>', 'format of the originals (default: by the extension)').choices(FORMATS),
    )
    .option('--truth-column <name>', 'column or field with the originals')
    .option('--id-column <name>', 'column or field with the ids of the originals');
  example(command, 'tinyquant recall vectors.tq --truth vectors.npy --query queries.npy --top-k 10');
  command.action(action(recall));
}
