import { type Command, Option } from 'commander';
import { codecOptions, example, outputOptions, readOptions } from './options.js';
import { type CompressOptions, compressTo, summary } from './pipeline.js';
import { action, session } from './session.js';

/** Adds the options `compress` and `ingest` share. */
export function storageOptions(command: Command): Command {
  return codecOptions(command)
    .addOption(
      new Option('--policy <name>', 'how vectors are stored (default: compress)').choices([
        'compress',
        'passthrough',
        'fp16',
      ]),
    )
    .option('--codebook <file>', 'a trained codebook (.tqcb); without it one is trained on the first rows')
    .option('--config-json <file>', 'bits, seed, dimension and residual, as train --config-out writes them')
    .option('--corpus-id <text>', 'name kept in a .tq file (default: corpus)')
    .option('--timestamps', 'store when the vectors were inserted; without it equal input gives equal bytes')
    .option('--dry-run', 'read and check everything, write nothing');
}

/** `tinyquant compress` */
export function registerCompress(program: Command): void {
  const command = program
    .command('compress')
    .summary('vectors into a compressed file')
    .description(
      'Compresses vectors into a corpus file (.tq: ids, metadata, checksums, appending) or a TinyQuant file (.tqcv).\n' +
        'Records keep a residual unless --no-residual is given. Memory does not grow with the input.',
    )
    .argument('<input>', 'file of vectors, or - for standard input');
  outputOptions(command, 'file to write, .tq or .tqcv, or - for standard output');
  command.addOption(new Option('--to <kind>', 'kind of the output of -o -').choices(['corpus', 'tqcv']));
  readOptions(storageOptions(command), { idColumn: '--ids, --id-column <name>' });
  example(
    command,
    'tinyquant compress vectors.npy -o vectors.tq --bits 4 --no-residual',
    'tinyquant compress docs.parquet -o docs.tq --column embedding --ids doc_id --skip-bad',
  );
  command.action(
    action(async (input: string, options: CompressOptions) => {
      const result = await compressTo(input, options);
      await session.result(result, summary(result), false);
    }),
  );
}
