import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TinyQuantError } from '../errors.js';
import type { IndexBits, IndexBuildOptions, IndexId, Metric, Originals, SearchIndex } from '../index.js';
import type { VectorBatch } from '../io.js';
import { allocate } from '../vectors.js';
import { usage } from './failure.js';
import { type BadRowJson, BadRows, type Input, locate, openInput, pump, replay } from './input.js';
import { count, example, given, outputOptions, type ReadOptions, readOptions, seed } from './options.js';
import { claim, pipeFile } from './output.js';
import { noRows } from './pipeline.js';
import { grouped } from './progress.js';
import { action, session } from './session.js';

/** What an index is built with. */
export interface IndexOptions extends ReadOptions {
  readonly output: string;
  readonly bits?: IndexBits;
  readonly metric?: Metric;
  readonly seed?: bigint;
  readonly fit: boolean;
  /** Index file whose fit is used. */
  readonly like?: string;
  /** Writes the fit alone. */
  readonly fitOnly?: boolean;
  readonly partitions?: number | 'auto';
  readonly originals?: Originals;
  readonly trainRows?: number;
  readonly force?: boolean;
}

/** The JSON result of `index`. */
interface IndexResult {
  readonly input: string;
  readonly output: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly skipped: number;
  readonly badRows: readonly BadRowJson[];
  readonly dimension: number;
  readonly bitWidth: IndexBits;
  readonly metric: Metric;
  readonly seed: string;
  readonly idType: string;
  readonly originals: Originals;
  readonly fitted: boolean;
  readonly partitions: number;
  readonly bytesPerVector: number;
  readonly ratio: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** Values that an index is built of at once, unless told otherwise: 1 GiB of floats. */
const BUILD_VALUES = 268_435_456;

/** Ids of the rows of an input: text where it names them, else their numbers in it. */
class RowNames {
  readonly type: 'string' | 'number';

  /** @param first batch of the input; absent where there are no rows */
  constructor(input: Input, first?: VectorBatch) {
    this.type = input.keepsIds && (first === undefined || first.ids !== undefined) ? 'string' : 'number';
  }

  /** The ids of a batch; none where rows just count on. */
  of({ ids }: VectorBatch): readonly IndexId[] | undefined {
    // Once bad rows were left out, a reader counts in text.
    return this.type === 'string' ? ids : ids?.map(Number);
  }
}

/** The rows at the start of an input, and those that follow. */
interface Parts {
  readonly vectors: Float32Array;
  readonly rows: number;
  readonly dimension: number;
  readonly names: RowNames;
  readonly ids: IndexId[] | undefined;
  readonly rest: AsyncIterator<VectorBatch>;
}

/** A batch in two, the first of so many rows. */
function split(batch: VectorBatch, rows: number): [VectorBatch, VectorBatch] {
  const part = (from: number, until: number): VectorBatch => ({
    vectors: batch.vectors.subarray(from * batch.dimension, until * batch.dimension),
    rows: until - from,
    dimension: batch.dimension,
    ...(batch.ids === undefined ? {} : { ids: batch.ids.slice(from, until) }),
  });
  return [part(0, rows), part(rows, batch.rows)];
}

/** Values per vector of an index file. */
async function dimensionOf(path: string): Promise<number> {
  const { SearchIndex } = await import('../index.js');
  const index = await SearchIndex.open<IndexId>(path, { signal: session.signal });
  try {
    return index.dim;
  } finally {
    index.close();
  }
}

/** Reads the rows that an index is built of. */
async function readParts(input: Input, batches: AsyncIterator<VectorBatch>, o: IndexOptions): Promise<Parts> {
  const total = await input.rows();
  const bar = await session.progress('read', total);
  let vectors: Float32Array = new Float32Array(0);
  let ids: IndexId[] | undefined;
  let rows = 0;
  let dimension = 0;
  let names: RowNames | undefined;
  let left: VectorBatch | undefined;
  try {
    while (left === undefined) {
      const { value, done } = await batches.next();
      session.signal.throwIfAborted();
      if (done === true) break;
      dimension = value.dimension;
      names ??= new RowNames(input, value);
      const most = o.trainRows ?? Math.max(1, Math.floor(BUILD_VALUES / dimension));
      let batch = value;
      if (rows + value.rows > most) [batch, left] = split(value, most - rows);
      const needed = (rows + batch.rows) * dimension;
      if (needed > vectors.length) {
        const expected = Math.min(total ?? 0, most) * dimension;
        const larger = allocate(Math.max(needed, expected, vectors.length * 2), input.name);
        larger.set(vectors.subarray(0, rows * dimension));
        vectors = larger;
      }
      vectors.set(batch.vectors, rows * dimension);
      const named = names.of(batch);
      if (named !== undefined) {
        ids ??= Array.from({ length: rows }, (_, row) => row);
        for (const id of named) ids.push(id);
      }
      rows += batch.rows;
      bar.update(rows);
    }
  } finally {
    bar.stop();
  }
  if (names === undefined) {
    if (o.like === undefined) throw noRows(input);
    // A part of something larger may have no rows.
    names = new RowNames(input);
    ids = names.type === 'string' ? [] : undefined;
    dimension = await dimensionOf(o.like);
  }
  const rest = left === undefined ? batches : replay([left], batches);
  return { vectors: vectors.subarray(0, rows * dimension), rows, dimension, names, ids, rest };
}

/** An index without vectors, fitted to the first rows of an input. */
async function fitTo({ vectors, dimension, names }: Parts, o: IndexOptions): Promise<SearchIndex<IndexId>> {
  const { SearchIndex: Class } = await import('../index.js');
  const { bits, metric, seed: seedOf, originals } = o;
  const index = new Class<IndexId>(
    given<ConstructorParameters<typeof Class<IndexId>>[0]>({
      dim: dimension,
      idType: names.type,
      bits,
      metric,
      seed: seedOf,
      originals,
    }),
  );
  await index.fit(vectors, { signal: session.signal });
  if (!index.fitted)
    session.warn(`${o.output}: nothing was learnt from these vectors: too few, or alike in every direction`);
  return index;
}

/** Builds an index of the first rows of an input. */
async function build({ vectors, rows, dimension, names, ids }: Parts, o: IndexOptions): Promise<SearchIndex<IndexId>> {
  const { buildOwned } = await import('../search-index.js');
  const bar = await session.progress('index', rows);
  try {
    return await buildOwned<IndexId>(
      vectors,
      given<IndexBuildOptions<IndexId>>({
        dim: dimension,
        idType: names.type,
        ids,
        bits: o.bits,
        metric: o.metric,
        seed: o.seed,
        originals: o.originals,
        fit: o.like === undefined ? o.fit : undefined,
        like: o.like,
        partitions: o.partitions,
        signal: session.signal,
        onProgress: ({ done }) => bar.update(done),
      }),
    );
  } finally {
    bar.stop();
  }
}

/** Options that contradict each other. */
function refuseContradictions(o: IndexOptions): void {
  const clash = (one: string, other: string): TinyQuantError =>
    usage(`${one} does not go with ${other}`, { option: one });
  if (o.like !== undefined && !o.fit) throw clash('--no-fit', '--like');
  if (o.fitOnly !== true) return;
  if (!o.fit) throw clash('--no-fit', '--fit-only');
  if (o.like !== undefined) throw clash('--like', '--fit-only');
  if (o.partitions !== undefined) throw clash('--partitions', '--fit-only');
}

/** Builds an index of an input, and saves it. */
export async function indexFile(input: Input, path: string, o: IndexOptions): Promise<IndexResult> {
  const startedAt = performance.now();
  const bad = new BadRows(o.skipBad === true);
  const batches = input.open({ bad })[Symbol.asyncIterator]();
  let rows = 0;
  let index: SearchIndex<IndexId> | undefined;
  try {
    const parts = await readParts(input, batches, o);
    index = o.fitOnly === true ? await fitTo(parts, o) : await build(parts, o);
    if (o.fitOnly !== true) {
      rows = parts.rows;
      const { names, rest } = parts;
      const bar = await session.progress('add', await input.rows());
      try {
        await pump(rest, async (batch) => {
          const ids = names.of(batch);
          await index?.add(batch.vectors, { ...(ids === undefined ? {} : { ids }), signal: session.signal });
          rows += batch.rows;
          bar.update(rows);
        });
      } finally {
        bar.stop();
      }
    }
    await index.save(path, { signal: session.signal });
    bad.summarise();

    const { size: sizeBytes } = await stat(path);
    const { dim, bits, metric, idType, originals, seed: seedText, fitted } = index.toJSON();
    const seconds = (performance.now() - startedAt) / 1000;
    const bytesPerVector = rows === 0 ? 0 : sizeBytes / rows;
    return {
      input: input.name,
      output: o.output,
      rows,
      sizeBytes,
      skipped: bad.count,
      badRows: bad.listed,
      dimension: dim,
      bitWidth: bits,
      metric,
      seed: seedText,
      idType,
      originals,
      fitted,
      partitions: index.stats().partitions,
      bytesPerVector,
      ratio: rows === 0 ? 0 : (4 * dim) / bytesPerVector,
      seconds,
      rowsPerSecond: rows / seconds,
    };
  } catch (error) {
    throw locate(error, input.name, rows, bad);
  } finally {
    index?.close();
    await batches.return?.();
  }
}

function summary(result: IndexResult): string {
  const { output, rows, skipped, dimension, bitWidth, sizeBytes, ratio, seconds, rowsPerSecond } = result;
  const kind = `${bitWidth} ${bitWidth === 1 ? 'bit' : 'bits'}${result.fitted ? ', fitted' : ''}`;
  const groups = result.partitions > 1 ? `, ${grouped(result.partitions)} partitions` : '';
  const kept = result.originals === 'none' ? '' : ` + originals (${result.originals})`;
  const left = skipped > 0 ? `, ${grouped(skipped)} left out` : '';
  if (rows === 0) return `${output}: no vectors, ${dimension} values each, ${kind}, ${grouped(sizeBytes)} bytes`;
  return (
    `${output}: ${grouped(rows)} x ${dimension}, ${kind}${kept}${groups}, ${grouped(sizeBytes)} bytes ` +
    `(${ratio.toFixed(1)} times smaller)${left}, ${seconds.toFixed(1)} s, ${grouped(rowsPerSecond)} rows/s`
  );
}

function indexBits(text: string): IndexBits {
  const bits = ([1, 2, 3, 4, 8] as const).find((width) => text === String(width));
  if (bits === undefined) throw new InvalidArgumentError('Expected 1, 2, 3, 4 or 8.');
  return bits;
}

function partitions(text: string): number | 'auto' {
  return text === 'auto' ? text : count(1, 65_536)(text);
}

/** Adds the options that every way to build an index has. */
export function buildOptions(command: Command): Command {
  return command
    .option('--partitions <n>', 'groups of vectors, 1 for none, or auto (default: auto)', partitions)
    .addOption(
      new Option('--originals <kind>', 'keep the vectors too, to order the best hits by (default: none)').choices([
        'none',
        'f16',
        'f32',
      ]),
    );
}

/** `tinyquant index` */
export function registerIndex(program: Command): void {
  const command = program
    .command('index')
    .summary('vectors into an index file, for fast search')
    .description(
      'Builds a search index of vectors, under the ids of the input where it has any, else 0, 1, 2, ...\n' +
        'It is fitted to the vectors, which are in memory for that: up to 1 GiB of them, or --train-rows. Those that\n' +
        'follow are added as they are read, and of them only the codes stay in memory.',
    )
    .argument('<input>', 'file of vectors, or - for standard input');
  outputOptions(command, 'file to write, or - for standard output')
    .option('--bits <n>', 'bits per value: 1, 2, 3, 4 or 8 (default: 4)', indexBits)
    .addOption(
      new Option('--metric <name>', 'how vectors are compared (default: cosine)').choices(['cosine', 'dot', 'l2']),
    )
    .option('--seed <n>', 'seed of the rotation, 0 to 2^64 - 1 (default: 42)', seed)
    .option('--no-fit', 'do not fit the index to the vectors: one random rotation')
    .option('--like <file>', 'index file whose fit is used: one of --fit-only, or any other')
    .option('--fit-only', 'write no vectors, but a fit that the indexes of many parts share by --like')
    .option('--train-rows <n>', 'rows at the start to build the index of (default: 1 GiB of them)', count(1));
  buildOptions(command);
  readOptions(command, { idColumn: '--ids, --id-column <name>' });
  example(
    command,
    'tinyquant index vectors.npy -o vectors.tqi --bits 4',
    'tinyquant index docs.parquet -o docs.tqi --ids doc_id --originals f16',
    'tinyquant index sample.npy -o fit.tqi --fit-only',
  );
  command.action(
    action(async (path: string, o: IndexOptions) => {
      refuseContradictions(o);
      const input = await openInput(path, o, 'the input');
      if (o.like !== undefined) session.reads(o.like);
      if (o.output !== '-') await claim(o.output, o.force === true);
      const result =
        o.output === '-'
          ? await pipeFile('.tqi', (file) => indexFile(input, file, o))
          : await indexFile(input, o.output, o);
      await session.result(result, summary(result), false);
    }),
  );
}
