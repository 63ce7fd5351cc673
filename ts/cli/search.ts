import { type Command, Option } from 'commander';
import { TinyQuantError } from '../errors.js';
import { byScore } from '../hits.js';
import type { IndexId, Metric, SearchResult } from '../index.js';
import type { VectorBatch } from '../io.js';
import { exactTop } from './exact.js';
import { toJson, usage } from './failure.js';
import { BadRows, type Input, openInput } from './input.js';
import { count, example, FORMATS, type FormatName, given, positive } from './options.js';
import { action, session } from './session.js';
import { type CodingOptions, kindOf, openStored } from './stored.js';

/** Options that name queries. */
export interface QueryOptions extends CodingOptions {
  readonly query: string;
  readonly topK: number;
  readonly format?: FormatName;
  readonly column?: string;
  readonly limit?: number;
  readonly effort?: number;
  readonly exact?: boolean;
}

interface SearchOptions extends QueryOptions {
  readonly csv?: boolean;
}

/** Adds the options of {@link QueryOptions}. */
export function queryOptions(command: Command, topK: number): Command {
  return command
    .requiredOption('--query <file>', 'file of query vectors, or - for standard input')
    .option('--top-k <n>', 'hits a query', count(1, 0xffff_ffff), topK)
    .addOption(new Option('--format <name>', 'format of the queries (default: by the extension)').choices(FORMATS))
    .option('--column <name>', 'column or field with the queries')
    .option('--limit <n>', 'use no more than this many queries', count(1))
    .option('--effort <x>', 'of an index file: how many candidates are kept, relative to the default of 1', positive)
    .option('--exact', 'of an index file: compare with every vector; other files are always searched so')
    .option('--codebook <file>', 'codebook of a .tqcv file')
    .option('--config-json <file>', 'configuration of a .tqcv file whose seed is not 42');
}

/** Opens the queries; the file they are for has the dimension. */
export function openQueries(o: QueryOptions, dimension: number): Promise<Input> {
  const raw = o.format === 'raw' || o.format === 'f32' || /\.(f32|raw|bin)$/i.test(o.query);
  // Raw floats have no shape of their own; elsewhere the file's own dimension is compared below.
  return openInput(o.query, raw ? { ...o, dimension } : o, '--query');
}

/** Refuses queries of another dimension than the file's. */
export function checkQueries(batch: { readonly dimension: number }, name: string, dimension: number): void {
  if (batch.dimension === dimension) return;
  throw new TinyQuantError(
    'ERR_TQ_DIM_MISMATCH',
    `${name}: query length ${batch.dimension} != corpus dimension ${dimension}`,
    { details: { path: name, expected: dimension, got: batch.dimension } },
  );
}

/** A file that can be searched. */
export interface Searchable {
  readonly dimension: number;
  readonly length: number;
  readonly metric: Metric;
  /** Answers a batch of queries. */
  search(queries: VectorBatch, topK: number): Promise<SearchResult[][]>;
  /** Id by position, in the order of the file. */
  ids(): Iterable<string>;
  close(): void;
}

/** Options about how a file is searched. */
export type SearchableOptions = CodingOptions & Pick<QueryOptions, 'effort' | 'exact'>;

async function openIndex(path: string, { effort, exact }: SearchableOptions): Promise<Searchable> {
  const { SearchIndex } = await import('../index.js');
  const index = await SearchIndex.open<IndexId>(path, { signal: session.signal });
  const how = given<{ effort?: number; exact?: boolean }>({ effort, exact });
  return {
    dimension: index.dim,
    length: index.size,
    metric: index.metric,
    search: async ({ vectors }, k) => {
      const answers = await index.searchBatch(vectors, { k, ...how, signal: session.signal });
      return answers.map((hits) => Array.from(hits, ({ id, score }) => ({ vectorId: String(id), score })));
    },
    ids: () => Array.from<IndexId, string>(index.ids(), String),
    close: () => index.close(),
  };
}

/**
 * Opens a file for searching: a corpus or index file in place, a .tqcv file by reading all of it for each batch of
 * queries.
 */
export async function openSearchable(path: string, o: SearchableOptions): Promise<Searchable> {
  const kind = await kindOf(path);
  if (kind === 'index') return openIndex(path, o);
  if (o.effort !== undefined) throw usage(`--effort is about index files: ${path} is searched exactly`, { path });
  if (kind === 'corpus') {
    const { Corpus } = await import('../index.js');
    const corpus = await Corpus.open(path, { mmap: false, signal: session.signal });
    return {
      dimension: corpus.codecConfig.dimension,
      length: corpus.vectorCount,
      metric: 'cosine',
      search: ({ vectors }, topK) => corpus.searchBatch(vectors, topK, { signal: session.signal }),
      ids: () => corpus.vectorIds,
      close: () => corpus.close(),
    };
  }
  const stored = await openStored(path, o);
  return {
    dimension: stored.dimension,
    length: stored.length,
    metric: 'cosine',
    search: ({ vectors }, topK) => exactTop(stored.batches(), vectors, stored.dimension, topK),
    ids: function* () {
      for (let row = 0; row < stored.length; row++) yield String(row);
    },
    close: () => stored.close(),
  };
}

/** Refuses a file whose scores or vectors are of another kind than those of the first. */
function checkAlike(first: Searchable, other: Searchable, path: string): void {
  const { dimension, metric } = first;
  if (other.dimension !== dimension) {
    throw new TinyQuantError(
      'ERR_TQ_DIM_MISMATCH',
      `${path}: the vectors have ${other.dimension} values, those of the first file ${dimension}`,
      { details: { path, expected: dimension, got: other.dimension } },
    );
  }
  if (other.metric !== metric) {
    throw new TinyQuantError(
      'ERR_TQ_CONFIG_MISMATCH',
      `${path}: the metric is ${other.metric}, that of the first file ${metric}`,
      { details: { path, expected: metric, got: other.metric } },
    );
  }
}

/**
 * Opens files that are searched as one. Hits of equal scores come in the order of their ids, so that it does not matter
 * how vectors are spread over the files; those of a single file in its own order.
 */
export async function openShards(paths: readonly string[], o: SearchableOptions): Promise<Searchable> {
  const shards: Searchable[] = [];
  const close = (): void => {
    for (const shard of shards) shard.close();
  };
  try {
    for (const path of paths) {
      const shard = await openSearchable(path, o);
      shards.push(shard);
      checkAlike(shards[0] ?? shard, shard, path);
    }
  } catch (error) {
    close();
    throw error;
  }
  const [first] = shards as [Searchable];
  if (shards.length === 1) return first;
  return {
    dimension: first.dimension,
    metric: first.metric,
    length: shards.reduce((sum, shard) => sum + shard.length, 0),
    search: async (queries, topK) => {
      const best: SearchResult[][] = Array.from({ length: queries.rows }, () => []);
      for (const shard of shards) {
        for (const [query, hits] of (await shard.search(queries, topK)).entries()) {
          best[query] = [...(best[query] ?? []), ...hits].sort(byScore).slice(0, topK);
        }
      }
      return best;
    },
    ids: function* () {
      for (const shard of shards) yield* shard.ids();
    },
    close,
  };
}

/** Lines of results for people or for a spreadsheet. */
function lines(results: readonly SearchResult[], query: number, csv: boolean): string[] {
  return results.map(({ vectorId, score }, i) => {
    if (csv) return [query, i + 1, csvField(vectorId), score.toFixed(9)].join(',');
    return `${String(query).padStart(5)} ${String(i + 1).padStart(5)}  ${score.toFixed(6).padStart(9)}  ${vectorId}`;
  });
}

/** Text as a field of CSV, in quotes where it needs them. */
export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function search(file: string, o: SearchOptions): Promise<void> {
  const searchable = await openSearchable(file, o);
  try {
    const { dimension } = searchable;
    const queries = await openQueries(o, dimension);
    const bar = await session.progress('search', await queries.rows(), 'queries');
    let number = 0;
    try {
      if (!session.json) await session.print(o.csv === true ? 'query,rank,id,score' : 'query  rank      score  id');
      for await (const batch of queries.open({ bad: new BadRows(false) })) {
        checkQueries(batch, queries.name, dimension);
        const answers = await searchable.search(batch, o.topK);
        const parts: string[] = [];
        for (const results of answers) {
          if (session.json) {
            const hits = results.map(({ vectorId, score }) => ({ id: vectorId, score }));
            parts.push(`${number === 0 ? '{"results":[' : ','}${toJson(hits)}`);
          } else parts.push(...lines(results, number, o.csv === true).map((line) => `${line}\n`));
          number++;
        }
        await session.write(parts.join(''));
        bar.update(number);
      }
    } finally {
      bar.stop();
    }
    if (session.json) await session.print(number === 0 ? '{"results":[]}' : ']}');
  } finally {
    searchable.close();
  }
}

/** `tinyquant search` */
export function registerSearch(program: Command): void {
  const command = program
    .command('search')
    .summary('the most similar vectors of a file')
    .description(
      'Finds the best vectors for each query: of an index file by its metric, of others those with the highest cosine\n' +
        'similarity, exactly, over the reconstructed vectors.\n' +
        'Prints a table; --json prints { "results": [[{ "id", "score" }, ...], ...] }, one inner list a query.',
    )
    .argument('<file>', 'index file, corpus file (.tq), or TinyQuant file (.tqcv) with --codebook');
  queryOptions(command, 5).option('--csv', 'print query,rank,id,score instead of a table');
  example(command, 'tinyquant search vectors.tq --query queries.npy --top-k 5 --json');
  command.action(action(search));
}
