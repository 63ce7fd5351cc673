import type { Command } from 'commander';
import { storageOptions } from './compress.js';
import { usage } from './failure.js';
import { example, readOptions } from './options.js';
import { type CompressOptions, compressTo, summary, targetOf } from './pipeline.js';
import { action, session } from './session.js';

type IngestOptions = Omit<CompressOptions, 'output' | 'to'> & { readonly to: string };

/** `tinyquant ingest` */
export function registerIngest(program: Command): void {
  const command = program
    .command('ingest')
    .summary('vectors with ids and metadata into a corpus file')
    .description(
      'Puts vectors with their ids and metadata into a corpus file: a new one, or at the end of an existing one.\n' +
        'Appending writes the new vectors only, and what is already there is not touched if it fails.',
    )
    .argument('<input>', 'file of vectors, or - for standard input')
    .requiredOption('--to <file>', 'corpus file (.tq)')
    .option('--append', 'add to an existing corpus file, under its configuration, codebook and policy')
    .option('--force', 'replace an existing corpus file');
  readOptions(storageOptions(command));
  example(
    command,
    'tinyquant ingest docs.jsonl --to docs.tq',
    'tinyquant ingest new.parquet --to docs.tq --append --id-column doc_id',
  );
  command.action(
    action(async (input: string, { to, ...options }: IngestOptions) => {
      if (targetOf(to) !== 'corpus') throw usage(`--to ${to}: a corpus file has the extension .tq`, { output: to });
      if (options.append === true) {
        const clash = (['force', 'codebook', 'configJson', 'corpusId', 'method', 'trainRows', 'dryRun'] as const).find(
          (name) => options[name] !== undefined,
        );
        const flag = clash?.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
        if (flag !== undefined) throw usage(`--${flag} does not go with --append`, { option: `--${flag}` });
      }
      const result = await compressTo(input, { ...options, output: to });
      await session.result(result, summary(result), false);
    }),
  );
}
