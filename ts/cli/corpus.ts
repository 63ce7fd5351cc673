import { type Command, Option } from 'commander';
import type { SearchResult } from '../index.js';
import type { VectorBatch } from '../io.js';
import { type OwnCompressOptions, ownCompress, ownDecompress, ownFormat, shapeOptions } from './codec.js';
import { badData, usage } from './failure.js';
import { gather, openInput, readSmall } from './input.js';
import { count, example } from './options.js';
import { targetOf } from './pipeline.js';
import { checkQueries, csvField, openSearchable } from './search.js';
import { action, session } from './session.js';
import { type CodingOptions, kindOf } from './stored.js';
import { jsonF64, type OwnFormat } from './tinyquant-format.js';

type Policy = 'compress' | 'passthrough' | 'fp16';

function registerIngest(corpus: Command): void {
  const command = corpus
    .command('ingest')
    .description('Compresses a matrix into a TQCV file, or a .tq file by its extension. An existing file is replaced.')
    .requiredOption('--input <file>', 'matrix of vectors')
    .requiredOption('--corpus-path <file>', 'file to write')
    .addOption(
      new Option('--policy <name>', 'how vectors are stored; a TQCV file knows compress only')
        .choices(['compress', 'passthrough', 'fp16'])
        .makeOptionMandatory(),
    )
    .option('--config-json <file>', 'configuration; needed for compress')
    .option('--codebook <file>', 'codebook; needed for compress');
  ownFormat(shapeOptions(command));
  example(
    command,
    'tinyquant corpus ingest --input x.npy --format npy --corpus-path x.tqcv --policy compress --config-json config.json --codebook codebook.tqcb',
  );
  command.action(
    action(async (o: OwnCompressOptions & { readonly corpusPath: string; readonly policy: Policy }) => {
      const target = targetOf(o.corpusPath) ?? 'tqcv';
      if (o.policy === 'compress') {
        if (o.configJson === undefined)
          throw usage('--config-json is required for --policy compress', { option: '--config-json' });
        if (o.codebook === undefined)
          throw usage('--codebook is required for --policy compress', { option: '--codebook' });
      } else if (target === 'tqcv') {
        throw usage(`--policy ${o.policy} needs a .tq file: a .tqcv file holds compressed vectors only`, {
          policy: o.policy,
        });
      }
      await ownCompress(o, o.corpusPath, target, o.policy);
    }),
  );
}

/** A .tqcv file does not say how it was made. */
async function needCoding(path: string, o: CodingOptions, what: string): Promise<void> {
  if (targetOf(path) === 'corpus' && (await kindOf(path)) === 'corpus') return;
  if (o.configJson === undefined) throw usage(`--config-json is required for ${what}`, { option: '--config-json' });
  if (o.codebook === undefined) throw usage(`--codebook is required for ${what}`, { option: '--codebook' });
}

function registerDecompress(corpus: Command): void {
  const command = corpus
    .command('decompress')
    .description('Reconstructs the vectors of a TQCV file or a .tq file. An existing output is replaced.')
    .requiredOption('--corpus-path <file>', 'file to read')
    .requiredOption('--output <file>', 'file to write')
    .option('--config-json <file>', 'configuration; needed for a TQCV file')
    .option('--codebook <file>', 'codebook; needed for a TQCV file');
  ownFormat(command);
  example(
    command,
    'tinyquant corpus decompress --corpus-path x.tqcv --config-json config.json --codebook codebook.tqcb --output x.f32',
  );
  command.action(
    action(
      async (
        o: CodingOptions & { readonly corpusPath: string; readonly output: string; readonly format: OwnFormat },
      ) => {
        await needCoding(o.corpusPath, o, 'corpus decompress');
        await ownDecompress(o.corpusPath, o.output, o.format, o);
      },
    ),
  );
}

/** The one query of a file: an .npy file of one row, anything else as raw floats. */
async function readQuery(path: string, dimension: number): Promise<VectorBatch> {
  if (/\.npy$/i.test(path)) {
    const input = await openInput(path, {}, '--query');
    const query = await gather(input);
    if (query.rows !== 1) {
      throw badData(`${path}: expected a single-vector npy (1 row), got ${query.rows} rows`, { path, got: query.rows });
    }
    checkQueries(query, path, dimension);
    return query;
  }
  const bytes = await readSmall(path);
  if (bytes.length % 4 !== 0)
    throw badData(`${path}: ${bytes.length} bytes are no whole number of f32 values`, { path });
  const vectors = new Float32Array(bytes.length / 4);
  new Uint8Array(vectors.buffer).set(bytes);
  checkQueries({ dimension: vectors.length }, path, dimension);
  return { vectors, rows: 1, dimension };
}

function asJson(results: readonly SearchResult[]): string {
  const hits = results.map(({ vectorId, score }) => `{"id":${JSON.stringify(vectorId)},"score":${jsonF64(score)}}`);
  return `{"results":[${hits.join(',')}]}`;
}

function asCsv(results: readonly SearchResult[]): string {
  const lines = results.map(({ vectorId, score }, i) => `${i + 1},${csvField(vectorId)},${score.toFixed(9)}`);
  return ['rank,id,score', ...lines].join('\n');
}

function asTable(results: readonly SearchResult[]): string {
  const header = ['rank', 'id', 'score'];
  const rows = results.map(({ vectorId, score }, i) => [String(i + 1), vectorId, score.toFixed(6)]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width + 2)).join('+');
  const parts = [`+${rule}+`, line(header), `+${'='.repeat(rule.length)}+`];
  for (const [i, row] of rows.entries()) {
    if (i > 0) parts.push(`|${rule}|`);
    parts.push(line(row));
  }
  parts.push(`+${rule}+`);
  return parts.join('\n');
}

interface OwnSearchOptions extends CodingOptions {
  readonly corpus: string;
  readonly query: string;
  readonly topK: number;
  readonly format: 'json' | 'table' | 'csv';
}

function registerSearch(corpus: Command): void {
  const command = corpus
    .command('search')
    .description(
      'Finds the most similar vectors of a TQCV file or a .tq file for one query. Ids of a TQCV file are its row numbers.',
    )
    .requiredOption('--corpus <file>', 'file to search')
    .requiredOption('--query <file>', 'query: an .npy file of one row, anything else is raw f32')
    .option('--config-json <file>', 'configuration; needed for a TQCV file')
    .option('--codebook <file>', 'codebook; needed for a TQCV file')
    .option('--top-k <n>', 'hits', count(1, 0xffff_ffff), 10)
    .addOption(new Option('--format <name>', 'format of the answer').choices(['json', 'table', 'csv']).default('json'));
  example(
    command,
    'tinyquant corpus search --corpus x.tqcv --query q.npy --config-json config.json --codebook codebook.tqcb --top-k 3 --format table',
  );
  command.action(
    action(async (o: OwnSearchOptions) => {
      await needCoding(o.corpus, o, 'corpus search');
      const searchable = await openSearchable(o.corpus, o);
      try {
        const query = await readQuery(o.query, searchable.dimension);
        const [results = []] = await searchable.search(query, o.topK);
        const format = session.json ? 'json' : o.format;
        await session.print({ json: asJson, csv: asCsv, table: asTable }[format](results));
      } finally {
        searchable.close();
      }
    }),
  );
}

/** `tinyquant corpus`: TinyQuant's own commands about files of vectors. */
export function registerCorpus(program: Command): void {
  const corpus = program.command('corpus').description("TinyQuant's own commands: ingest, decompress, search");
  example(
    corpus,
    'tinyquant corpus search --corpus x.tqcv --query q.npy --config-json config.json --codebook codebook.tqcb',
  );
  registerIngest(corpus);
  registerDecompress(corpus);
  registerSearch(corpus);
}
