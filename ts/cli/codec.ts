import { type Command, Option } from 'commander';
import { readConfig } from './codebook-file.js';
import { counted } from './decompress.js';
import { usage } from './failure.js';
import { bits, count, example, seed } from './options.js';
import { pipeOut, writeWhole } from './output.js';
import { compressTo, summary, type Target } from './pipeline.js';
import { grouped } from './progress.js';
import { action, refuseTerminalOutput, session } from './session.js';
import { type CodingOptions, openStored } from './stored.js';
import { encode, OWN_FORMATS, type OwnFormat } from './tinyquant-format.js';
import { trainTo } from './train.js';

/** The option with which TinyQuant names a format of vectors. */
export function ownFormat(command: Command): Command {
  return command.addOption(new Option('--format <name>', 'format of the vectors').choices(OWN_FORMATS).default('f32'));
}

/** Shape of a matrix without header. */
export interface Shape {
  readonly rows?: number;
  readonly cols?: number;
  readonly format: OwnFormat;
}

/** Adds the options that name a shape. */
export function shapeOptions(command: Command): Command {
  return command
    .option('--rows <n>', 'number of vectors; needed with --format f32', count(0))
    .option('--cols <n>', 'values per vector; needed with --format f32', count(1, 16_384));
}

/** Shape as the readers take it. */
export function shapeOf({ rows, cols, format }: Shape): { rows?: number; dimension?: number; format: OwnFormat } {
  if (format === 'f32') {
    if (rows === undefined) throw usage('--rows is required with --format f32', { option: '--rows' });
    if (cols === undefined) throw usage('--cols is required with --format f32', { option: '--cols' });
  }
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(cols === undefined ? {} : { dimension: cols }),
    format,
  };
}

/** Options of TinyQuant's commands that compress. */
export interface OwnCompressOptions extends Shape {
  readonly input: string;
  readonly configJson?: string;
  readonly codebook?: string;
}

/** Compresses as TinyQuant's commands do: an existing output is replaced. */
export async function ownCompress(
  o: OwnCompressOptions,
  output: string,
  to: Target,
  policy: 'compress' | 'passthrough' | 'fp16',
): Promise<void> {
  const shape = shapeOf(o);
  if (o.configJson !== undefined && o.cols !== undefined) {
    const { dimension } = await readConfig(o.configJson);
    if (dimension !== o.cols)
      throw usage(`input cols ${o.cols} != config dimension ${dimension}`, { expected: dimension, got: o.cols });
  }
  const result = await compressTo(o.input, {
    ...shape,
    output,
    to,
    policy,
    force: true,
    ...(o.configJson === undefined ? {} : { configJson: o.configJson }),
    ...(o.codebook === undefined ? {} : { codebook: o.codebook }),
  });
  await session.result(result, summary(result), false);
}

/** Reconstructs as TinyQuant's commands do: an existing output is replaced. */
export async function ownDecompress(path: string, output: string, format: OwnFormat, o: CodingOptions): Promise<void> {
  const startedAt = performance.now();
  if (output === '-' && (format === 'f32' || format === 'npy')) refuseTerminalOutput(format);
  const stored = await openStored(path, o);
  try {
    const { length, dimension } = stored;
    const bytes = encode(counted(stored.batches(), 'decompress', length), format, length, dimension);
    const sizeBytes = await (output === '-' ? pipeOut(bytes) : writeWhole(output, true, bytes));
    const seconds = (performance.now() - startedAt) / 1000;
    await session.result(
      { input: path, output, rows: length, dimension, sizeBytes, seconds, rowsPerSecond: length / seconds },
      `${output}: ${grouped(length)} x ${dimension}, ${grouped(sizeBytes)} bytes, ${seconds.toFixed(1)} s`,
      false,
    );
  } finally {
    stored.close();
  }
}

interface OwnTrainOptions extends Required<Shape> {
  readonly input: string;
  readonly bitWidth: 2 | 4 | 8;
  readonly seed: bigint;
  readonly output: string;
  readonly configOut?: string;
}

function registerTrain(codec: Command): void {
  const command = codec
    .command('train')
    .description('Trains a codebook on all of a matrix, as TinyQuant does. An existing output is replaced.')
    .requiredOption('--input <file>', 'matrix of training vectors')
    .requiredOption('--rows <n>', 'number of vectors', count(1))
    .requiredOption('--cols <n>', 'values per vector', count(1, 16_384))
    .requiredOption('--bit-width <n>', 'bits per value: 2, 4 or 8', bits)
    .requiredOption('--seed <n>', 'seed of the rotation', seed)
    .requiredOption('--output <file>', 'codebook to write')
    .option('--residual', 'keep a residual: on in any case')
    .option('--config-out <file>', 'write the configuration as JSON as well');
  ownFormat(command);
  example(
    command,
    'tinyquant codec train --input train.f32 --rows 500 --cols 64 --bit-width 4 --seed 42 --output codebook.tqcb --config-out config.json',
  );
  command.action(
    action((o: OwnTrainOptions) =>
      trainTo(o.input, {
        output: o.output,
        bits: o.bitWidth,
        seed: o.seed,
        residual: true,
        format: o.format,
        rows: o.rows,
        dimension: o.cols,
        // One more than there may be, so that a longer input is noticed.
        trainRows: o.rows + 1,
        force: true,
        ...(o.configOut === undefined ? {} : { configOut: o.configOut }),
      }),
    ),
  );
}

function registerCompress(codec: Command): void {
  const command = codec
    .command('compress')
    .description('Compresses a matrix into a TQCV file, as TinyQuant does. An existing output is replaced.')
    .requiredOption('--input <file>', 'matrix of vectors')
    .requiredOption('--config-json <file>', 'configuration, as train --config-out writes it')
    .requiredOption('--codebook <file>', 'codebook')
    .requiredOption('--output <file>', 'file to write');
  ownFormat(shapeOptions(command));
  example(
    command,
    'tinyquant codec compress --input x.npy --format npy --config-json config.json --codebook codebook.tqcb --output x.tqcv',
  );
  command.action(
    action((o: OwnCompressOptions & { readonly output: string }) => ownCompress(o, o.output, 'tqcv', 'compress')),
  );
}

function registerDecompress(codec: Command): void {
  const command = codec
    .command('decompress')
    .description('Reconstructs the vectors of a TQCV file, as TinyQuant does. An existing output is replaced.')
    .requiredOption('--input <file>', 'file to read')
    .requiredOption('--config-json <file>', 'configuration')
    .requiredOption('--codebook <file>', 'codebook')
    .requiredOption('--output <file>', 'file to write');
  ownFormat(command);
  example(
    command,
    'tinyquant codec decompress --input x.tqcv --config-json config.json --codebook codebook.tqcb --output x.npy --format npy',
  );
  command.action(
    action((o: CodingOptions & { readonly input: string; readonly output: string; readonly format: OwnFormat }) =>
      ownDecompress(o.input, o.output, o.format, o),
    ),
  );
}

/** `tinyquant codec`: TinyQuant's own commands about the codec. */
export function registerCodec(program: Command): void {
  const codec = program.command('codec').description("TinyQuant's own commands: train, compress, decompress");
  example(
    codec,
    'tinyquant codec compress --input x.f32 --rows 200 --cols 64 --config-json config.json --codebook codebook.tqcb --output x.tqcv',
  );
  registerTrain(codec);
  registerCompress(codec);
  registerDecompress(codec);
}
