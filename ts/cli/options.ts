import { type Command, InvalidArgumentError, Option } from 'commander';

/** A whole number of a range, as an option's argument. */
export function count(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`Expected a whole number ${range}.`);
    }
    return value;
  };
}

/** A number above 0, as an option's argument. */
export function positive(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** A 64-bit seed. */
export function seed(text: string): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw new InvalidArgumentError('Expected a whole number from 0 to 2^64 - 1.');
  }
  return value;
}

/** A bit width. */
export function bits(text: string): 2 | 4 | 8 {
  if (text === '2') return 2;
  if (text === '4') return 4;
  if (text === '8') return 8;
  throw new InvalidArgumentError('Expected 2, 4 or 8.');
}

/** Names of vector formats on the command line; `f32` is TinyQuant's name for raw floats. */
export const FORMATS = ['npy', 'fvecs', 'raw', 'f32', 'jsonl', 'csv', 'parquet', 'arrow'] as const;

/** One of {@link FORMATS}. */
export type FormatName = (typeof FORMATS)[number];

/** Options of commands that read vectors. */
export interface ReadOptions {
  readonly format?: FormatName;
  readonly column?: string;
  readonly idColumn?: string;
  readonly dimension?: number;
  readonly limit?: number;
  readonly skipBad?: boolean;
}

/** Adds the options of {@link ReadOptions}. */
export function readOptions(
  command: Command,
  names: { readonly idColumn?: string; readonly limit?: number } = {},
): Command {
  return command
    .addOption(new Option('--format <name>', 'format of the input (default: by its extension)').choices(FORMATS))
    .option('--column <name>', 'column or field with the vectors (default: vector, embedding or values)')
    .option(names.idColumn ?? '--id-column <name>', 'column or field with the ids (default: id, where there is one)')
    .option('--dimension <n>', 'values per vector: needed for raw floats, checked elsewhere', count(1, 16_384))
    .option(
      '--limit <n>',
      `read no more than this many rows${names.limit === undefined ? '' : ` (default: ${names.limit})`}`,
      count(1),
    )
    .option('--skip-bad', 'leave out rows that cannot be used, and list them');
}

/** Options of commands that train or use a codebook. */
export interface CodecOptions {
  readonly bits?: 2 | 4 | 8;
  readonly seed?: bigint;
  readonly residual?: boolean;
  readonly method?: 'tinyquant' | 'lloyd-max';
  readonly trainRows?: number;
}

/** Rows a codebook is trained on unless told otherwise. */
export const DEFAULT_TRAIN_ROWS = 10_000;

/** Adds the options of {@link CodecOptions}. */
export function codecOptions(command: Command): Command {
  return command
    .option('--bits <n>', 'bits per value: 2, 4 or 8 (default: 4)', bits)
    .option('--seed <n>', 'seed of the rotation, 0 to 2^64 - 1 (default: 42)', seed)
    .option('--residual', 'keep a half-precision residual, 2 bytes a value (the default)')
    .option('--no-residual', 'keep the codes alone: an eighth of the size at 4 bits, and approximate')
    .addOption(
      new Option('--method <name>', 'how a codebook is trained (default: tinyquant)').choices([
        'tinyquant',
        'lloyd-max',
      ]),
    )
    .option('--train-rows <n>', `rows at the start to train on (default: ${DEFAULT_TRAIN_ROWS})`, count(1));
}

/** Adds `-o` and `--force`. */
export function outputOptions(command: Command, what: string): Command {
  return command.requiredOption('-o, --output <file>', what).option('--force', 'replace an existing output');
}

/** Appends an example to a command's help. */
export function example(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`,
  );
}

/** An options object without the keys that were not given. */
export function given<T extends object>(o: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(o).filter(([, value]) => value !== undefined)) as T;
}
