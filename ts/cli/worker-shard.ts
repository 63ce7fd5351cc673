import type { Data, Field } from 'apache-arrow';
import type { Command } from 'commander';
import { arrowOutput } from './arrow-output.js';
import { type IndexOptions, indexFile } from './build-index.js';
import { readConfig } from './codebook-file.js';
import { usage } from './failure.js';
import { openInput } from './input.js';
import { given } from './options.js';
import { claim } from './output.js';
import { compressTo, targetOf } from './pipeline.js';
import { grouped } from './progress.js';
import { refuseTerminalOutput, session } from './session.js';

/** What a shard is made of. */
export interface ShardOptions {
  readonly output: string;
  readonly column: string;
  readonly idColumn: string;
}

/** Adds the option that names the column of ids. */
export function idColumnOption(command: Command): Command {
  return command.option('--id-column <name>', 'column with the ids of the rows of a file', 'id');
}

/** Tells what was written: one row on standard output, and a line for people. */
async function report(output: string, rows: number, sizeBytes: number, startedAt: number): Promise<void> {
  const arrow = await import('../io/arrow-library.js');
  const { Field: Class, Int64, Schema, Utf8, makeData } = arrow;
  const text = Buffer.from(output);
  const shard = makeData({
    type: new Utf8(),
    length: 1,
    nullCount: 0,
    valueOffsets: Int32Array.of(0, text.length),
    data: new Uint8Array(text),
  });
  const count = (value: number): Data =>
    makeData({ type: new Int64(), length: 1, nullCount: 0, data: BigInt64Array.of(BigInt(value)) }) as Data;
  const columns = [
    { field: new Class('shard', new Utf8(), false) as Field, data: shard as Data },
    { field: new Class('rows', new Int64(), false) as Field, data: count(rows) },
    { field: new Class('bytes', new Int64(), false) as Field, data: count(sizeBytes) },
  ];
  const schema = new Schema(columns.map(({ field }) => field));
  const stream = arrowOutput(arrow);
  await stream.write(schema, columns, 1);
  await stream.end(schema);
  const seconds = (performance.now() - startedAt) / 1000;
  await session.result(
    { rows, seconds, output, sizeBytes },
    `${output}: ${grouped(rows)} rows, ${grouped(sizeBytes)} bytes in ${seconds.toFixed(1)} s`,
    false,
  );
}

/** Checks the streams before anything is read. */
function begin(): number {
  refuseTerminalOutput('an Arrow stream');
  session.takeStdout();
  return performance.now();
}

/** Compresses the stream on standard input into a corpus file, in place of an older one. */
export async function corpusShard(
  o: ShardOptions & { readonly codebook: string; readonly config: string },
): Promise<void> {
  const startedAt = begin();
  const { output, column, idColumn, codebook, config: configJson } = o;
  if (targetOf(output) !== 'corpus') throw usage(`-o ${output}: a corpus file has the extension .tq`, { output });
  const { dimension } = await readConfig(configJson);
  const { totalRows, sizeBytes } = await compressTo('-', {
    ...{ output, column, idColumn, codebook, configJson, dimension },
    format: 'arrow',
    force: true,
  });
  await report(output, totalRows, sizeBytes, startedAt);
}

/** Builds an index file of the stream on standard input, in place of an older one. */
export async function indexShard(
  o: ShardOptions & { readonly like: string } & Pick<IndexOptions, 'partitions' | 'originals'>,
): Promise<void> {
  const startedAt = begin();
  const { output, column, idColumn, like, partitions, originals } = o;
  if (output === '-') throw usage('-o -: standard output tells what was written: name a file', { output });
  const input = await openInput('-', { format: 'arrow', column, idColumn }, 'the input');
  session.reads(like);
  await claim(output, true);
  const settings = given<IndexOptions>({ ...{ output, column, idColumn, like, partitions, originals }, fit: true });
  const { rows, sizeBytes } = await indexFile(input, output, settings);
  await report(output, rows, sizeBytes, startedAt);
}
