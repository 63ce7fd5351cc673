import type { Command } from 'commander';
import { sidecarText } from './codebook-file.js';
import { badData } from './failure.js';
import { BadRows, gather, openInput } from './input.js';
import {
  type CodecOptions,
  codecOptions,
  DEFAULT_TRAIN_ROWS,
  example,
  given,
  outputOptions,
  type ReadOptions,
  readOptions,
} from './options.js';
import { claim, pipeOut, writeWhole } from './output.js';
import { refuseShape, train } from './pipeline.js';
import { grouped } from './progress.js';
import { action, refuseTerminalOutput, session } from './session.js';

/** What trains a codebook. */
export interface TrainOptions extends ReadOptions, CodecOptions {
  readonly output: string;
  readonly configOut?: string;
  readonly force?: boolean;
  /** Rows the input must have. */
  readonly rows?: number;
}

/** Trains a codebook, writes it and, where asked, its configuration, and tells what was done. */
export async function trainTo(path: string, o: TrainOptions): Promise<void> {
  const startedAt = performance.now();
  const { CodecConfig } = await import('../index.js');
  if (o.output === '-') refuseTerminalOutput('a codebook');
  const input = await openInput(path, o, 'the input');
  if (o.output !== '-') await claim(o.output, o.force === true);
  if (o.configOut !== undefined) await claim(o.configOut, o.force === true);

  const bad = new BadRows(o.skipBad === true);
  const wanted = Math.min(o.trainRows ?? DEFAULT_TRAIN_ROWS, o.limit ?? Number.POSITIVE_INFINITY);
  const { vectors, rows, dimension } = await gather(input, { limit: wanted, bad });
  refuseShape(input.name, rows, o);
  if (rows === 0) throw badData(`${input.name}: there are no vectors to train on`, { path: input.name });
  bad.summarise();
  const config = new CodecConfig(
    given<ConstructorParameters<typeof CodecConfig>[0]>({
      bitWidth: o.bits ?? 4,
      dimension,
      seed: o.seed,
      residualEnabled: o.residual,
    }),
  );
  const codebook = await train(vectors, config, o, input.name);
  session.signal.throwIfAborted();
  const bytes = codebook.toBytes();
  await (o.output === '-' ? pipeOut([bytes]) : writeWhole(o.output, o.force === true, [bytes]));
  if (o.configOut !== undefined) await writeWhole(o.configOut, o.force === true, [Buffer.from(sidecarText(config))]);

  const result = {
    input: input.name,
    output: o.output,
    configOut: o.configOut ?? null,
    rows,
    skipped: bad.count,
    badRows: bad.listed,
    dimension,
    bitWidth: config.bitWidth,
    seed: config.seed,
    residual: config.residualEnabled,
    method: o.method ?? 'tinyquant',
    configHash: config.configHash,
    entries: codebook.numEntries,
    sizeBytes: bytes.length,
    seconds: (performance.now() - startedAt) / 1000,
  };
  const text = `${o.output}: ${codebook.numEntries} entries, trained on ${grouped(rows)} x ${dimension} in ${result.seconds.toFixed(1)} s`;
  await session.result(result, text, false);
}

/** `tinyquant train` */
export function registerTrain(program: Command): void {
  const command = program
    .command('train')
    .summary('a codebook from the first rows of some vectors')
    .description('Trains a codebook on the first rows of some vectors, for use with compress --codebook.')
    .argument('<input>', 'file of vectors, or - for standard input');
  outputOptions(command, 'codebook to write (.tqcb), or - for standard output').option(
    '--config-out <file>',
    'write bits, seed, dimension and residual as JSON as well',
  );
  readOptions(codecOptions(command));
  example(command, 'tinyquant train vectors.npy -o codebook.tqcb --bits 4 --config-out config.json');
  command.action(action((input: string, options: TrainOptions) => trainTo(input, options)));
}
