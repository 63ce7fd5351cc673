import type { Data, DataType, Field, RecordBatch, RecordBatchReader, Schema } from 'apache-arrow';
import type { Command } from 'commander';
import { TinyQuantError } from '../errors.js';
import { type Arrow, arrowOutput, type Column } from './arrow-output.js';
import { buildOptions } from './build-index.js';
import { readCodebook, readConfig } from './codebook-file.js';
import { badData, usage } from './failure.js';
import { STDIN } from './input.js';
import { count, example, positive } from './options.js';
import { grouped } from './progress.js';
import { openShards, type SearchableOptions } from './search.js';
import { action, refuseTerminalOutput, session } from './session.js';
import { corpusShard, idColumnOption, indexShard, type ShardOptions } from './worker-shard.js';

/** Makes the columns that take the place of one. */
interface Step {
  /** Column that is replaced. */
  readonly column: string;
  /** @param rows rows before this batch */
  replace(column: Column, rows: number): Promise<Column[]>;
}

function refuse(text: string, details: object = {}): TinyQuantError {
  return badData(`${STDIN}: ${text}`, { path: STDIN, ...details });
}

/** Refuses a null among the rows of a column. */
function refuseNulls(data: Data, column: string, base: number): void {
  if (data.nullCount === 0) return;
  for (let row = 0; row < data.length; row++) {
    if (!data.getValid(row)) throw refuse(`row ${base + row}: column ${column} is null`, { row: base + row, column });
  }
}

/** Rows of a column of lists, all of one length, as 32-bit floats. */
async function floatsOf(arrow: Arrow, { field, data }: Column, base: number, dimension: number): Promise<Float32Array> {
  const { DataType: is, Precision } = arrow;
  const { type } = field;
  const isList = is.isList(type) || is.isLargeList(type) || is.isFixedSizeList(type);
  if (!isList || !is.isFloat(type.children[0]?.type)) {
    throw refuse(`column ${field.name} is ${String(type)}, expected lists of floats`, { column: field.name });
  }
  refuseNulls(data, field.name, base);
  const child = data.children[0] as Data | undefined;
  const offsets = data.valueOffsets as Int32Array | BigInt64Array | undefined;
  const first = is.isFixedSizeList(type) ? 0 : Number(offsets?.[0] ?? 0);
  for (let row = 0; row < data.length; row++) {
    const length = is.isFixedSizeList(type)
      ? type.listSize
      : Number(offsets?.[row + 1] ?? 0) - Number(offsets?.[row] ?? 0);
    if (length === dimension) continue;
    throw new TinyQuantError(
      'ERR_TQ_DIM_MISMATCH',
      `${STDIN}: row ${base + row}: ${length} values, expected ${dimension}`,
      {
        details: { path: STDIN, row: base + row, expected: dimension, got: length },
      },
    );
  }
  const size = data.length * dimension;
  if (size === 0) return new Float32Array(0);
  if (child === undefined || child.length < first + size) {
    throw refuse(`column ${field.name} has fewer values than its rows need`, { column: field.name });
  }
  if (child.nullCount > 0) {
    for (let i = first; i < first + size; i++) {
      if (!child.getValid(i)) {
        const row = base + Math.floor((i - first) / dimension);
        throw refuse(`row ${row}: column ${field.name} has a null value`, { row, column: field.name });
      }
    }
  }
  const values = (child.values as Float32Array | Float64Array | Uint16Array).subarray(first, first + size);
  const { native } = await import('../native.js');
  // The arrays live in the message they came in; the codec takes its input over.
  const floats =
    (child.type as { precision?: number }).precision === Precision.HALF
      ? native.widenF16(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      : Float32Array.from(values as Float32Array);
  const bad = native.firstNonFinite(floats);
  if (bad < 0) return floats;
  const [row, column] = [base + Math.floor(bad / dimension), bad % dimension];
  throw new TinyQuantError(
    'ERR_TQ_NON_FINITE',
    `${STDIN}: row ${row}, column ${column} is ${floats[bad]}, expected a finite 32-bit float`,
    {
      details: { path: STDIN, row, column },
    },
  );
}

/** Bytes of a column of binary values, all of one length, one after another. */
function bytesOf({ DataType: is }: Arrow, { field, data }: Column, base: number, size: number): Uint8Array {
  const { type } = field;
  refuseNulls(data, field.name, base);
  const values = data.values as Uint8Array;
  if (is.isFixedSizeBinary(type)) {
    if (type.byteWidth !== size) {
      throw refuse(
        `column ${field.name} has values of ${type.byteWidth} bytes, a record of this configuration has ${size}`,
        {
          column: field.name,
          expected: size,
          got: type.byteWidth,
        },
      );
    }
    return values.subarray(0, data.length * size);
  }
  if (!is.isBinary(type) && !is.isLargeBinary(type)) {
    throw refuse(`column ${field.name} is ${String(type)}, expected binary values`, { column: field.name });
  }
  const offsets = data.valueOffsets as Int32Array | BigInt64Array;
  for (let row = 0; row < data.length; row++) {
    const got = Number(offsets[row + 1] ?? 0) - Number(offsets[row] ?? 0);
    if (got !== size) {
      throw refuse(
        `row ${base + row}: column ${field.name} has ${got} bytes, a record of this configuration has ${size}`,
        {
          row: base + row,
          expected: size,
          got,
        },
      );
    }
  }
  const first = Number(offsets[0] ?? 0);
  return values.subarray(first, first + data.length * size);
}

/** Reads the Arrow stream on standard input. What the parser refuses is a fault of the data. */
async function openStream(arrow: Arrow): Promise<{ schema: Schema; batches: AsyncIterable<RecordBatch> }> {
  const [{ Input }, { StreamSource }] = [await import('../io/ipc.js'), await import('../io/source.js')];
  const input = new Input(new StreamSource(session.stdin() as AsyncIterable<Uint8Array>, { path: STDIN }));
  const parse = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      session.signal.throwIfAborted();
      throw input.damaged(error);
    }
  };
  const bytes = (await parse(() => input.open())) as AsyncIterable<Uint8Array>;
  const reader = await parse(async () => (await arrow.RecordBatchReader.from(bytes)) as unknown as RecordBatchReader);
  await parse(async () => reader.open());
  if (reader.schema === undefined || reader.schema === null) throw refuse('there is no Arrow IPC stream');
  const batches = async function* (): AsyncGenerator<RecordBatch, void, void> {
    for (;;) {
      const { done, value } = await parse(async () => reader.next());
      if (done === true) break;
      yield value as RecordBatch;
    }
    // Without the mark nobody knows whether the producer came to its end.
    if (!(await input.hasEnd())) throw input.cut('the Arrow IPC stream has no end');
  };
  return { schema: reader.schema, batches: batches() };
}

/** Passes the stream through, with one column replaced. */
async function passThrough(arrow: Arrow, step: Step, emptyFields: (schema: Schema) => Field[]): Promise<void> {
  const startedAt = performance.now();
  refuseTerminalOutput('an Arrow stream');
  session.takeStdout();
  const { schema, batches } = await openStream(arrow);
  const index = schema.fields.findIndex((field) => field.name === step.column);
  if (index < 0) {
    const names = schema.fields.map((field) => field.name).join(', ');
    throw usage(`there is no column ${step.column} in the stream (it has: ${names})`, { column: step.column });
  }
  const writer = arrowOutput(arrow);
  let outSchema: Schema | undefined;
  let rows = 0;
  for await (const batch of batches) {
    session.signal.throwIfAborted();
    const columns: Column[] = [];
    for (const [i, field] of schema.fields.entries()) {
      const data = batch.data.children[i] as Data;
      if (i === index) columns.push(...(await step.replace({ field, data }, rows)));
      else columns.push({ field, data });
    }
    outSchema ??= new arrow.Schema(
      columns.map((column) => column.field),
      schema.metadata,
    );
    await writer.write(outSchema, columns, batch.numRows);
    rows += batch.numRows;
  }
  const fields = schema.fields.flatMap((field, i) => (i === index ? emptyFields(schema) : [field]));
  await writer.end(outSchema ?? new arrow.Schema(fields, schema.metadata));
  const seconds = (performance.now() - startedAt) / 1000;
  await session.result({ rows, seconds }, `${grouped(rows)} rows in ${seconds.toFixed(1)} s`, false);
}

interface WorkerOptions {
  readonly codebook: string;
  readonly config: string;
  readonly column: string;
}

interface WorkerCompressOptions extends Omit<ShardOptions, 'output'>, WorkerOptions {
  readonly output?: string;
}

function refuseTerminalInput(): void {
  if (process.stdin.isTTY === true) throw usage('standard input is a terminal: pipe an Arrow IPC stream into it');
}

async function compress({ output, ...o }: WorkerCompressOptions): Promise<void> {
  refuseTerminalInput();
  if (output !== undefined) return corpusShard({ ...o, output });
  const [codebook, config] = [await readCodebook(o.codebook), await readConfig(o.config)];
  const [arrow, { Codec }] = [await import('../io/arrow-library.js'), await import('../index.js')];
  const codec = new Codec();
  const { dimension } = config;
  // An empty batch shows that codebook and configuration belong together, and a record its size.
  const size = codec.compress(new Float32Array(dimension), config, codebook).toBytes().length;
  const type = new arrow.FixedSizeBinary(size);
  const field = new arrow.Field('codes', type, false) as Field;
  await passThrough(
    arrow,
    {
      column: o.column,
      replace: async (column, base) => {
        const floats = await floatsOf(arrow, column, base, dimension);
        const batch = await codec.compressBatch(floats, config, codebook, { transfer: true, signal: session.signal });
        const data = arrow.makeData({ type, length: column.data.length, nullCount: 0, data: batch.toBytes() });
        return [{ field, data: data as Data }];
      },
    },
    () => [field],
  );
}

async function decompress(o: WorkerOptions): Promise<void> {
  refuseTerminalInput();
  const [codebook, config] = [await readCodebook(o.codebook), await readConfig(o.config)];
  const [arrow, { Codec, CompressedBatch }] = [await import('../io/arrow-library.js'), await import('../index.js')];
  const codec = new Codec();
  const { dimension } = config;
  const size = codec.compress(new Float32Array(dimension), config, codebook).toBytes().length;
  const value = new arrow.Field('item', new arrow.Float32(), false);
  const type = new arrow.FixedSizeList(dimension, value);
  const field = new arrow.Field('vector', type, false) as Field;
  await passThrough(
    arrow,
    {
      column: o.column,
      replace: async (column, base) => {
        const bytes = bytesOf(arrow, column, base, size);
        const floats = await codec.decompressBatch(CompressedBatch.fromBytes(bytes), config, codebook, {
          signal: session.signal,
        });
        const child = arrow.makeData({ type: new arrow.Float32(), length: floats.length, nullCount: 0, data: floats });
        return [{ field, data: arrow.makeData({ type, length: column.data.length, nullCount: 0, child }) as Data }];
      },
    },
    () => [field],
  );
}

interface WorkerSearchOptions extends Omit<SearchableOptions, 'configJson'> {
  readonly file: readonly string[];
  readonly topK: number;
  readonly column: string;
  readonly config?: string;
}

async function search({ file, config, ...o }: WorkerSearchOptions): Promise<void> {
  refuseTerminalInput();
  const arrow = await import('../io/arrow-library.js');
  const searchable = await openShards(file, { ...o, ...(config === undefined ? {} : { configJson: config }) });
  try {
    const { Field: FieldClass, Float32, List, Utf8, makeData } = arrow;
    const { dimension } = searchable;
    const listOf = (item: DataType, name: string): Field =>
      new FieldClass(name, new List(new FieldClass('item', item, false)), false) as Field;
    const [idField, scoreField] = [listOf(new Utf8(), 'ids'), listOf(new Float32(), 'scores')];
    await passThrough(
      arrow,
      {
        column: o.column,
        replace: async (column, base) => {
          const vectors = await floatsOf(arrow, column, base, dimension);
          const rows = column.data.length;
          const answers = rows === 0 ? [] : await searchable.search({ vectors, rows, dimension }, o.topK);
          const offsets = new Int32Array(rows + 1);
          for (const [row, hits] of answers.entries()) offsets[row + 1] = (offsets[row] ?? 0) + hits.length;
          const hits = answers.flat();
          const scores = makeData({
            type: new Float32(),
            length: hits.length,
            nullCount: 0,
            data: Float32Array.from(hits, (hit) => hit.score),
          });
          const texts = hits.map((hit) => Buffer.from(hit.vectorId));
          const ends = new Int32Array(hits.length + 1);
          for (const [i, text] of texts.entries()) ends[i + 1] = (ends[i] ?? 0) + text.length;
          const ids = makeData({
            type: new Utf8(),
            length: hits.length,
            nullCount: 0,
            valueOffsets: ends,
            data: new Uint8Array(Buffer.concat(texts)),
          });
          const list = (field: Field, child: Data): Column => ({
            field,
            data: makeData({
              type: field.type as InstanceType<typeof List>,
              length: rows,
              nullCount: 0,
              valueOffsets: offsets,
              child,
            }) as Data,
          });
          return [list(idField, ids as Data), list(scoreField, scores as Data)];
        },
      },
      () => [idField, scoreField],
    );
  } finally {
    searchable.close();
  }
}

/** `tinyquant worker` */
export function registerWorker(program: Command): void {
  const worker = program
    .command('worker')
    .summary('Arrow IPC stream in, Arrow IPC stream out')
    .description(
      'Reads an Arrow IPC stream on standard input and writes one on standard output, with one column replaced.',
    );
  example(worker, 'producer | tinyquant worker compress --codebook codebook.tqcb --config config.json | consumer');

  const coding = (command: Command, column: string): Command =>
    command
      .requiredOption('--codebook <file>', 'codebook (.tqcb)')
      .requiredOption('--config <file>', 'configuration, as train --config-out writes it')
      .option('--column <name>', 'column to replace', column);
  const packing = coding(worker.command('compress'), 'vector')
    .description(
      'Replaces a column of lists of floats by a column codes of Level-1 records, binary values of one size. With -o the ' +
        'rows go into a corpus file under their ids, which takes the place of an older one when it is complete, and the ' +
        'stream has one row that tells what was written: shard, rows, bytes.',
    )
    .option('-o, --output <file>', 'corpus file to write (.tq)');
  idColumnOption(packing);
  example(
    packing,
    'producer | tinyquant worker compress --codebook codebook.tqcb --config config.json --column embedding',
    'producer | tinyquant worker compress --codebook codebook.tqcb --config config.json -o part-00003.tq',
  );
  packing.action(action(compress));

  const indexing = worker
    .command('index')
    .description(
      'Builds an index file of the rows under their ids, which takes the place of an older one when it is complete. The ' +
        'stream on standard output has one row that tells what was written: shard, rows, bytes.',
    )
    .requiredOption('--like <file>', 'index file whose fit is used, as index --fit-only writes it')
    .requiredOption('-o, --output <file>', 'index file to write')
    .option('--column <name>', 'column of vectors', 'vector');
  idColumnOption(indexing);
  buildOptions(indexing);
  example(indexing, 'producer | tinyquant worker index --like fit.tqi -o part-00003.tqi');
  indexing.action(
    action((o: Parameters<typeof indexShard>[0]) => {
      refuseTerminalInput();
      return indexShard(o);
    }),
  );

  const unpacking = coding(worker.command('decompress'), 'codes').description(
    'Replaces a column of Level-1 records by a column vector of fixed-size lists of 32-bit floats.',
  );
  example(unpacking, 'producer | tinyquant worker decompress --codebook codebook.tqcb --config config.json');
  unpacking.action(action(decompress));

  const finding = worker
    .command('search')
    .description(
      'Replaces a column of query vectors by the columns ids and scores, lists of the most similar vectors of the files.',
    )
    .requiredOption('--file <files...>', 'index file, corpus file (.tq), or TinyQuant file (.tqcv) with --codebook')
    .option('--top-k <n>', 'hits a query', count(1, 0xffff_ffff), 5)
    .option('--column <name>', 'column of query vectors', 'vector')
    .option('--effort <x>', 'of an index file: how many candidates are kept, relative to the default of 1', positive)
    .option('--exact', 'of an index file: compare with every vector; other files are always searched so')
    .option('--codebook <file>', 'codebook of a .tqcv file')
    .option('--config <file>', 'configuration of a .tqcv file whose seed is not 42');
  example(
    finding,
    'producer | tinyquant worker search --file vectors.tq --top-k 10',
    'producer | tinyquant worker search --file part-00000.tqi part-00001.tqi --top-k 10',
  );
  finding.action(action(search));
}
