import type { Command } from 'commander';
import { badData, usage } from './failure.js';
import { BadRows, gather, openInput } from './input.js';
import { count, example, given, outputOptions, type ReadOptions, readOptions } from './options.js';
import { claim, pipeOut, writeWhole } from './output.js';
import { grouped } from './progress.js';
import { checkQueries } from './search.js';
import { action, session } from './session.js';

interface ReportCommandOptions extends ReadOptions {
  readonly output: string;
  readonly query?: string;
  readonly title?: string;
  readonly maxRows?: number;
  readonly force?: boolean;
}

/** Rows read into memory, of which some are measured. */
const DEFAULT_LIMIT = 100_000;

async function report(path: string, o: ReportCommandOptions): Promise<void> {
  if (path === '-' && o.query === '-') throw usage('the vectors and --query cannot both be standard input');
  const input = await openInput(path, { ...o, limit: o.limit ?? DEFAULT_LIMIT }, 'the input');
  if (o.output !== '-') await claim(o.output, o.force === true);
  const { measureReport, renderReport } = await import('../report.js');
  const bad = new BadRows(o.skipBad === true);
  const { vectors, rows, dimension } = await gather(input, { bad });
  if (rows === 0) throw badData(`${input.name}: there are no vectors to report on`, { path: input.name });
  bad.summarise();
  let queries: Float32Array | undefined;
  if (o.query !== undefined) {
    const queryInput = await openInput(o.query, { dimension }, '--query');
    const read = await gather(queryInput);
    checkQueries(read, queryInput.name, dimension);
    queries = read.vectors;
  }
  const bar = await session.progress('report', 100, '%');
  const measured = await measureReport(vectors, dimension, {
    ...given<{ title?: string; queries?: Float32Array; maxRows?: number }>({
      title: o.title,
      queries,
      maxRows: o.maxRows,
    }),
    signal: session.signal,
    onProgress: ({ done, total }) => bar.update(total === 0 ? 0 : (100 * done) / total),
  }).finally(() => bar.stop());
  const html = Buffer.from(renderReport(measured));
  await (o.output === '-' ? pipeOut([html]) : writeWhole(o.output, o.force === true, [html]));
  await session.result(
    { input: input.name, output: o.output, sizeBytes: html.length, report: measured },
    `${o.output}: ${measured.results.length} methods measured on ${grouped(measured.rows)} x ${dimension}, ${grouped(html.length)} bytes`,
    false,
  );
}

/** `tinyquant report` */
export function registerReport(program: Command): void {
  const command = program
    .command('report')
    .summary('an HTML page that compares methods and bit widths on your vectors')
    .description(
      'Measures size, error, recall and speed of every method on some vectors and writes one HTML file that needs no network.',
    )
    .argument('<vectors>', 'file of vectors, or - for standard input');
  outputOptions(command, 'HTML file to write, or - for standard output')
    .option('--query <file>', 'queries for the recall (default: some of the vectors)')
    .option('--title <text>', 'title of the page')
    .option('--max-rows <n>', 'measure on no more than this many vectors', count(2));
  readOptions(command, { limit: DEFAULT_LIMIT });
  example(command, 'tinyquant report vectors.npy -o report.html --query queries.npy');
  command.action(action(report));
}
