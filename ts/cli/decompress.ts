import { type Command, Option } from 'commander';
import { formatByExtension } from '../io/format.js';
import type { VectorBatch, WriteVectorsOptions } from '../io.js';
import { usage } from './failure.js';
import { formatName } from './input.js';
import { example, FORMATS, type FormatName, given, outputOptions } from './options.js';
import { claim, pipeFile } from './output.js';
import { grouped } from './progress.js';
import { action, refuseTerminalOutput, session } from './session.js';
import { type CodingOptions, openStored } from './stored.js';

/** Formats a terminal can show. */
const TEXT_FORMATS: ReadonlySet<string> = new Set(['jsonl', 'csv']);

/** Where vectors are written to, and how. */
export interface WriteOptions {
  readonly output: string;
  readonly format?: FormatName | undefined;
  readonly dtype?: 'f32' | 'f16' | 'f64';
  readonly force?: boolean;
  /** Gives a table an id column even where the first rows have no ids. */
  readonly withIds?: boolean;
}

/** Refuses an output that cannot be written, before any work is done for it. */
export async function claimVectors(o: WriteOptions, flag: string): Promise<void> {
  const format = formatName(o.format) ?? (o.output === '-' ? undefined : formatByExtension(o.output));
  if (format === undefined) {
    const why = o.output === '-' ? '-o -: the format' : `${o.output}: the extension names no format of vectors; it`;
    throw usage(`${why} must be named with ${flag}`, { output: o.output });
  }
  if (o.dtype !== undefined && o.dtype !== 'f32' && format !== 'npy') {
    throw usage(`--dtype ${o.dtype} needs an .npy output: ${format} is written as f32`, { dtype: o.dtype });
  }
  if (o.output === '-') {
    if (!TEXT_FORMATS.has(format)) refuseTerminalOutput(format);
    session.takeStdout();
  } else await claim(o.output, o.force === true);
}

/** Writes batches to a file or to standard output. */
export async function writeTo(
  batches: AsyncIterable<VectorBatch>,
  o: WriteOptions,
): Promise<{ rows: number; sizeBytes: number }> {
  const { writeVectors } = await import('../io.js');
  const format = formatName(o.format);
  const written = format ?? (o.output === '-' ? undefined : formatByExtension(o.output));
  const isTable = written === 'parquet' || written === 'arrow';
  const options = {
    ...given<WriteVectorsOptions>({ format, dtype: o.dtype, idColumn: isTable && o.withIds ? 'id' : undefined }),
    overwrite: o.force === true,
    signal: session.signal,
  };
  if (o.output !== '-') return writeVectors(session.writes(o.output), batches, options);
  // The header of .npy has the number of rows, which is known at the end.
  if (format === 'npy') return pipeFile('.npy', (path) => writeVectors(path, batches, options));
  return writeVectors(process.stdout, batches, options);
}

/** Counts the rows that pass. */
export async function* counted(
  batches: AsyncIterable<VectorBatch>,
  label: string,
  total: number | undefined,
): AsyncGenerator<VectorBatch, void, void> {
  const bar = await session.progress(label, total);
  let rows = 0;
  try {
    for await (const batch of batches) {
      session.signal.throwIfAborted();
      yield batch;
      rows += batch.rows;
      bar.update(rows);
    }
  } finally {
    bar.stop();
  }
}

/** `tinyquant decompress` */
export function registerDecompress(program: Command): void {
  const command = program
    .command('decompress')
    .summary('a compressed file back into vectors')
    .description(
      'Reconstructs the vectors of a corpus file (.tq) or a TinyQuant file (.tqcv), with ids where the format has them.',
    )
    .argument('<file>', 'file to read');
  outputOptions(command, 'file to write: .npy .fvecs .f32 .jsonl .csv .parquet .arrow, or - for standard output')
    .addOption(new Option('--format <name>', 'format of the output (default: by its extension)').choices(FORMATS))
    .addOption(
      new Option('--dtype <type>', 'element type of an .npy output (default: f32)').choices(['f32', 'f16', 'f64']),
    )
    .option('--codebook <file>', 'codebook of a .tqcv file')
    .option('--config-json <file>', 'configuration of a .tqcv file whose seed is not 42');
  example(command, 'tinyquant decompress vectors.tq -o vectors.npy --dtype f16');
  command.action(
    action(async (file: string, options: WriteOptions & CodingOptions) => {
      const startedAt = performance.now();
      await claimVectors(options, '--format');
      const stored = await openStored(file, options);
      try {
        // The other formats have no place for metadata.
        const withMetadata = (formatName(options.format) ?? formatByExtension(options.output)) === 'jsonl';
        const batches = counted(stored.batches(withMetadata), 'decompress', stored.length);
        const { rows, sizeBytes } = await writeTo(batches, options);
        const seconds = (performance.now() - startedAt) / 1000;
        const { dimension } = stored;
        const result = {
          input: file,
          output: options.output,
          rows,
          dimension,
          sizeBytes,
          seconds,
          rowsPerSecond: rows / seconds,
        };
        const text = `${options.output}: ${grouped(rows)} x ${dimension}, ${grouped(sizeBytes)} bytes, ${seconds.toFixed(1)} s, ${grouped(rows / seconds)} rows/s`;
        await session.result(result, text, false);
      } finally {
        stored.close();
      }
    }),
  );
}
