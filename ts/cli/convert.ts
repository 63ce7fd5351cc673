import { type Command, Option } from 'commander';
import { claimVectors, counted, type WriteOptions, writeTo } from './decompress.js';
import { usage } from './failure.js';
import { BadRows, openInput } from './input.js';
import { example, FORMATS, type FormatName, outputOptions, type ReadOptions, readOptions } from './options.js';
import { targetOf } from './pipeline.js';
import { grouped } from './progress.js';
import { type RecodeOptions, recode } from './recode.js';
import { action, session } from './session.js';

interface ConvertOptions extends ReadOptions, RecodeOptions {
  readonly to?: FormatName;
  readonly dtype?: 'f32' | 'f16' | 'f64';
}

async function convertVectors(path: string, o: ConvertOptions): Promise<void> {
  const startedAt = performance.now();
  const write: WriteOptions = {
    output: o.output,
    format: o.to,
    ...(o.dtype === undefined ? {} : { dtype: o.dtype }),
    ...(o.force === undefined ? {} : { force: o.force }),
    // A table fixes its columns with the first rows; ids may appear only after the first row that is left out.
    withIds: o.skipBad === true,
  };
  const input = await openInput(path, o, 'the input');
  await claimVectors(write, '--to');
  const bad = new BadRows(o.skipBad === true);
  let dimension = 0;
  const batches = async function* () {
    for await (const batch of counted(input.open({ bad }), 'convert', await input.rows())) {
      ({ dimension } = batch);
      yield batch;
    }
  };
  const { rows, sizeBytes } = await writeTo(batches(), write);
  bad.summarise();
  const seconds = (performance.now() - startedAt) / 1000;
  await session.result(
    {
      input: input.name,
      output: o.output,
      rows,
      skipped: bad.count,
      badRows: bad.listed,
      dimension,
      sizeBytes,
      seconds,
    },
    `${o.output}: ${grouped(rows)} x ${dimension}, ${grouped(sizeBytes)} bytes, ${seconds.toFixed(1)} s`,
    false,
  );
}

/** `tinyquant convert` */
export function registerConvert(program: Command): void {
  const command = program
    .command('convert')
    .summary('between formats of vectors, or of compressed files')
    .description(
      'Rewrites vectors in another format: .npy .fvecs .f32 .jsonl .csv .parquet .arrow. From .tq to\n' +
        '.tqcv and back the compressed records are carried over as they are; .tqcv to .tq takes --codebook, and\n' +
        '--config-json unless the seed is 42.',
    )
    .argument('<input>', 'file to read, or - for vectors on standard input');
  outputOptions(command, 'file to write, or - for standard output')
    .addOption(new Option('--to <name>', 'format of the output (default: by its extension)').choices(FORMATS))
    .addOption(
      new Option('--dtype <type>', 'element type of an .npy output (default: f32)').choices(['f32', 'f16', 'f64']),
    );
  readOptions(command)
    .option('--codebook <file>', 'codebook of a .tqcv input')
    .option('--config-json <file>', 'configuration of a .tqcv input whose seed is not 42')
    .option('--codebook-out <file>', 'with a .tqcv output: write the codebook, which that file does not hold')
    .option('--config-out <file>', 'with a .tqcv output: write the configuration');
  example(command, 'tinyquant convert vectors.parquet -o vectors.npy --column embedding --dtype f16');
  command.action(
    action(async (path: string, options: ConvertOptions) => {
      const [from, to] = [targetOf(path), targetOf(options.output)];
      if (from !== undefined && to !== undefined) return recode(path, from, to, options);
      if (from !== undefined) throw usage(`${path} is compressed: use decompress for vectors`, { input: path });
      if (to !== undefined)
        throw usage(`${options.output} is compressed: use compress for it`, { output: options.output });
      return convertVectors(path, options);
    }),
  );
}
