import { extname } from 'node:path';
import { TinyQuantError } from '../errors.js';
import type { BitWidth, Codebook, CodecConfig, CompressionPolicyKind, CorpusWriter, TqcvWriter } from '../index.js';
import type { VectorBatch } from '../io.js';
import { Serial } from '../serial.js';
import { readCodebook, readConfig } from './codebook-file.js';
import { badData, usage } from './failure.js';
import { type BadRowJson, BadRows, gather, type Input, join, locate, openInput, pump, replay } from './input.js';
import { type CodecOptions, DEFAULT_TRAIN_ROWS, given, type ReadOptions } from './options.js';
import { claim, pipeFile } from './output.js';
import { grouped } from './progress.js';
import { session } from './session.js';

/** The kinds of file vectors are compressed into. */
export type Target = 'corpus' | 'tqcv';

/** What turns vectors into a file. */
export interface CompressOptions extends ReadOptions, CodecOptions {
  readonly output: string;
  readonly policy?: CompressionPolicyKind;
  readonly codebook?: string;
  readonly configJson?: string;
  readonly corpusId?: string;
  readonly timestamps?: boolean;
  readonly force?: boolean;
  readonly append?: boolean;
  readonly dryRun?: boolean;
  /** Kind of the output where its name does not tell. */
  readonly to?: Target;
  /** Rows the input must have. */
  readonly rows?: number;
}

/** The JSON result of `compress` and `ingest`. */
export interface CompressResult {
  readonly input: string;
  readonly output: string;
  readonly format: Target;
  readonly rows: number;
  readonly totalRows: number;
  readonly skipped: number;
  readonly badRows: readonly BadRowJson[];
  readonly dimension: number;
  readonly bitWidth: number;
  readonly seed: bigint;
  readonly residual: boolean;
  readonly policy: CompressionPolicyKind;
  readonly configHash: string;
  readonly codebook: 'given' | 'trained' | 'stored' | 'none';
  readonly trainRows: number;
  readonly sizeBytes: number;
  readonly bytesPerVector: number;
  readonly ratio: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly dryRun: boolean;
}

/** Where batches go. */
interface Sink {
  readonly config: CodecConfig;
  readonly policy: CompressionPolicyKind;
  write(batch: VectorBatch, ids: readonly string[] | undefined): Promise<void>;
  finish(): Promise<{ totalRows: number; sizeBytes: number }>;
  abort(): Promise<void>;
}

/** The kind of file a path stands for. */
export function targetOf(path: string): Target | undefined {
  const extension = extname(path).toLowerCase();
  return extension === '.tq' ? 'corpus' : extension === '.tqcv' ? 'tqcv' : undefined;
}

function targetFor(o: CompressOptions): Target {
  const target = o.to ?? (o.output === '-' ? 'corpus' : targetOf(o.output));
  if (target === undefined) {
    throw usage(`${o.output}: the extension must be .tq (corpus file) or .tqcv (TinyQuant's file)`, {
      output: o.output,
    });
  }
  return target;
}

/** A codebook with the settings that go with it. */
interface Coding {
  readonly config: CodecConfig;
  readonly codebook: Codebook;
  readonly origin: 'given' | 'trained' | 'none';
  readonly trainRows: number;
}

/** The configuration the options ask for, once the dimension is known. */
async function configFor(o: CompressOptions, dimension: number, codebook: Codebook | undefined): Promise<CodecConfig> {
  const { CodecConfig: Class } = await import('../index.js');
  if (o.configJson !== undefined) {
    const config = await readConfig(o.configJson);
    const differs =
      (o.bits !== undefined && o.bits !== config.bitWidth && '--bits') ||
      (o.seed !== undefined && o.seed !== config.seed && '--seed') ||
      (o.residual !== undefined &&
        o.residual !== config.residualEnabled &&
        (o.residual ? '--residual' : '--no-residual'));
    if (typeof differs === 'string') throw usage(`${differs} contradicts ${o.configJson}`, { option: differs });
    return config;
  }
  return new Class(
    given<ConstructorParameters<typeof Class>[0]>({
      bitWidth: o.bits ?? codebook?.bitWidth ?? 4,
      dimension,
      seed: o.seed,
      residualEnabled: o.residual,
    }),
  );
}

/** Evenly spaced entries, for files whose policy does not use them. */
async function unusedCodebook(bitWidth: BitWidth): Promise<Codebook> {
  const { Codebook: Class } = await import('../index.js');
  const last = 2 ** bitWidth - 1;
  return Class.fromEntries(
    Array.from({ length: last + 1 }, (_, i) => (2 * i) / last - 1),
    bitWidth,
  );
}

/**
 * Trains a codebook; a refusal says what to try.
 *
 * @param name of the input, for that message
 */
export async function train(
  vectors: Float32Array,
  config: CodecConfig,
  o: CodecOptions,
  name: string,
): Promise<Codebook> {
  const { Codebook: Class } = await import('../index.js');
  try {
    return Class.train(vectors, config, { method: o.method ?? 'tinyquant' });
  } catch (error) {
    if (!(error instanceof TinyQuantError) || error.details?.kind !== 'InsufficientTrainingData') throw error;
    const hint = '; try --method lloyd-max, another --train-rows, fewer --bits, or give a --codebook';
    throw new TinyQuantError(error.code, `${name}: ${error.message}${hint}`, {
      cause: error,
      details: { ...error.details, path: name },
    });
  }
}

/** The error for an input without rows. */
export function noRows(input: Input): TinyQuantError {
  return new TinyQuantError('ERR_TQ_INVALID_ARG', `${input.name}: there are no vectors`, {
    details: { kind: 'InsufficientTrainingData', path: input.name },
  });
}

/** An input from its first row, with what has to be known before the first row is written. */
interface Prepared {
  readonly batches: AsyncIterator<VectorBatch>;
  readonly dimension: number;
  readonly training: Float32Array | undefined;
  readonly trainRows: number;
}

/**
 * Begins to read. A file whose first rows are needed for training is read from the start again; of a stream those rows
 * are kept.
 */
async function prepare(input: Input, o: CompressOptions, bad: BadRows, train: boolean): Promise<Prepared> {
  const wanted = Math.min(o.trainRows ?? DEFAULT_TRAIN_ROWS, o.limit ?? Number.POSITIVE_INFINITY);
  if (train && input.rereadable) {
    // The rows come again: bad ones are reported then.
    const sample = await gather(input, { limit: wanted, bad: bad.silent() });
    const batches = input.open({ bad })[Symbol.asyncIterator]();
    return { batches, dimension: sample.dimension, training: sample.vectors, trainRows: sample.rows };
  }
  const rest = input.open({ bad })[Symbol.asyncIterator]();
  const first: VectorBatch[] = [];
  let rows = 0;
  do {
    const { value, done } = await rest.next();
    if (done === true) break;
    first.push(value);
    rows += value.rows;
  } while (train && rows < wanted);
  const dimension = first[0]?.dimension ?? 0;
  const sample = train ? join(first, wanted) : undefined;
  return { batches: replay(first, rest), dimension, training: sample?.vectors, trainRows: sample?.rows ?? 0 };
}

async function codingFor(o: CompressOptions, input: Input, prepared: Prepared, codebook?: Codebook): Promise<Coding> {
  const dimension = prepared.dimension || (o.dimension ?? 0);
  if (dimension === 0 || (prepared.training !== undefined && prepared.trainRows === 0)) throw noRows(input);
  const config = await configFor(o, dimension, codebook);
  if (config.dimension !== dimension) {
    throw new TinyQuantError(
      'ERR_TQ_DIM_MISMATCH',
      `${input.name}: the vectors have ${dimension} values, the configuration is for ${config.dimension}`,
      { details: { path: input.name, expected: config.dimension, got: dimension } },
    );
  }
  if (codebook !== undefined) {
    if (codebook.bitWidth !== config.bitWidth) {
      throw new TinyQuantError(
        'ERR_TQ_CODEBOOK_MISMATCH',
        `${o.codebook}: the codebook has ${codebook.bitWidth} bits, the configuration ${config.bitWidth}`,
        { details: { path: o.codebook, expected: config.bitWidth, got: codebook.bitWidth } },
      );
    }
    return { config, codebook, origin: 'given', trainRows: 0 };
  }
  if (prepared.training === undefined) {
    return { config, codebook: await unusedCodebook(config.bitWidth), origin: 'none', trainRows: 0 };
  }
  const trained = await train(prepared.training, config, o, input.name);
  return { config, codebook: trained, origin: 'trained', trainRows: prepared.trainRows };
}

/** The caller may detach the memory of a batch it is done with, unless a larger buffer is behind it. */
function movable(vectors: Float32Array): Float32Array {
  return vectors.byteLength === vectors.buffer.byteLength ? vectors : vectors.slice();
}

async function corpusSink(writer: CorpusWriter, o: CompressOptions): Promise<Sink> {
  const { writeOwned } = await import('../corpus-writer.js');
  const insertedAt = o.timestamps === true ? Date.now() : 0;
  return {
    config: writer.codecConfig,
    policy: writer.compressionPolicy.kind,
    write: (batch, ids) =>
      writeOwned(writer, batch.vectors, {
        ...given<{ ids?: readonly string[]; metadata?: NonNullable<VectorBatch['metadata']> }>({
          ids,
          metadata: batch.metadata,
        }),
        insertedAt,
        signal: session.signal,
      }),
    finish: async () => {
      const { vectorCount, sizeBytes } = await writer.finish();
      return { totalRows: vectorCount, sizeBytes };
    },
    abort: () => writer.abort(),
  };
}

async function tqcvSink(writer: TqcvWriter, { config, codebook }: Coding): Promise<Sink> {
  const { Codec } = await import('../index.js');
  const codec = new Codec();
  const order = new Serial();
  let warned = false;
  return {
    config,
    policy: 'compress',
    write: (batch, ids) =>
      order.run(async () => {
        if (!warned && (ids !== undefined || batch.metadata !== undefined)) {
          warned = true;
          session.warn('a .tqcv file has no place for ids and metadata: they are left out, rows keep their order');
        }
        const compressed = await codec.compressBatch(movable(batch.vectors), config, codebook, {
          transfer: true,
          signal: session.signal,
        });
        await writer.write(compressed);
      }),
    finish: async () => {
      const { length, sizeBytes } = await writer.finish();
      return { totalRows: length, sizeBytes };
    },
    abort: () => writer.abort(),
  };
}

async function sinkFor(target: Target, path: string, coding: Coding, o: CompressOptions): Promise<Sink> {
  const { CompressionPolicy, CorpusWriter: Writer, TqcvWriter: Tqcv } = await import('../index.js');
  const overwrite = o.force === true;
  if (target === 'tqcv') return tqcvSink(await Tqcv.create(path, { codecConfig: coding.config, overwrite }), coding);
  const policies = {
    compress: CompressionPolicy.COMPRESS,
    passthrough: CompressionPolicy.PASSTHROUGH,
    fp16: CompressionPolicy.FP16,
  };
  const writer = await Writer.create(path, {
    corpusId: o.corpusId ?? 'corpus',
    codecConfig: coding.config,
    codebook: coding.codebook,
    compressionPolicy: policies[o.policy ?? 'compress'],
    overwrite,
  });
  return corpusSink(writer, o);
}

/** Options that an existing file has already decided. */
function refuseContradictions(writer: CorpusWriter, o: CompressOptions): void {
  const { codecConfig, compressionPolicy } = writer;
  const stored: [string, unknown, unknown][] = [
    ['--dimension', o.dimension, codecConfig.dimension],
    ['--bits', o.bits, codecConfig.bitWidth],
    ['--seed', o.seed, codecConfig.seed],
    ['--residual', o.residual, codecConfig.residualEnabled],
    ['--policy', o.policy, compressionPolicy.kind],
  ];
  for (const [option, wanted, has] of stored) {
    if (wanted !== undefined && wanted !== has) {
      const flag =
        wanted === false ? `--no-${option.slice(2)}` : wanted === true ? option : `${option} ${String(wanted)}`;
      throw usage(`${flag} contradicts ${o.output}, which has ${option.slice(2)} ${String(has)}`, { option });
    }
  }
}

/** Refuses an input that has not the number of rows that was declared. */
export function refuseShape(name: string, got: number, o: { readonly rows?: number }): void {
  if (o.rows === undefined || got === o.rows) return;
  throw badData(`${name}: declared ${o.rows} rows, got ${got > o.rows ? 'more' : got}`, {
    path: name,
    expected: o.rows,
    got,
  });
}

/** Passes an input on to a sink, row by row as it is read. */
async function fill(
  sink: Sink,
  input: Input,
  batches: AsyncIterator<VectorBatch>,
  bad: BadRows,
  o: CompressOptions,
): Promise<number> {
  const bar = await session.progress('compress', await input.rows());
  let rows = 0;
  let withoutIds = o.append === true && !input.keepsIds;
  // A second batch waits while the first is worked on, so that the threads need not wait for the next one to be read.
  let last: Promise<void> = Promise.resolve();
  try {
    await pump(batches, async (batch) => {
      // Once rows have come without ids, those that follow a bad row are numbers, which an appended file counts itself.
      withoutIds ||= batch.ids === undefined;
      const ids = o.append === true && withoutIds ? undefined : batch.ids;
      const base = rows;
      rows += batch.rows;
      const written = sink.write(batch, ids).then(
        () => bar.update(base + batch.rows),
        (error: unknown) => {
          throw locate(error, input.name, base, bad);
        },
      );
      // Met by the next turn, or at the end.
      written.catch(() => {});
      const before = last;
      last = written;
      await before;
    });
    await last;
  } finally {
    await last.catch(() => {});
    bar.stop();
  }
  refuseShape(input.name, rows + bad.count, o);
  return rows;
}

/** Bytes of one vector under a policy, without ids and framing. */
function payloadBytes(config: CodecConfig, policy: CompressionPolicyKind): number {
  const { dimension, bitWidth, residualEnabled } = config;
  if (policy === 'passthrough') return 4 * dimension;
  if (policy === 'fp16') return 2 * dimension;
  return Math.ceil((dimension * bitWidth) / 8) + (residualEnabled ? 2 * dimension : 0);
}

/** Reads and checks everything, and writes nothing. */
function dryRun(config: CodecConfig, policy: CompressionPolicyKind): Sink {
  let totalRows = 0;
  return {
    config,
    policy,
    write: async (batch) => {
      totalRows += batch.rows;
    },
    finish: async () => ({ totalRows, sizeBytes: totalRows * payloadBytes(config, policy) }),
    abort: async () => {},
  };
}

/** Compresses an input into a file. */
async function compressFile(input: Input, path: string, target: Target, o: CompressOptions): Promise<CompressResult> {
  const startedAt = performance.now();
  const policy = o.policy ?? 'compress';
  const bad = new BadRows(o.skipBad === true);
  let sink: Sink;
  let origin: CompressResult['codebook'];
  let trainRows = 0;
  let batches: AsyncIterator<VectorBatch>;

  if (o.append === true) {
    const { CorpusWriter: Writer } = await import('../index.js');
    const writer = await Writer.append(session.reads(path));
    sink = await corpusSink(writer, o);
    origin = 'stored';
    try {
      refuseContradictions(writer, o);
      batches = input.open({ bad, dimension: writer.codecConfig.dimension })[Symbol.asyncIterator]();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  } else {
    const codebook = o.codebook === undefined ? undefined : await readCodebook(o.codebook);
    const prepared = await prepare(input, o, bad, policy === 'compress' && codebook === undefined && o.dryRun !== true);
    ({ batches } = prepared);
    try {
      const coding = await codingFor(o, input, prepared, codebook);
      ({ origin, trainRows } = coding);
      sink = o.dryRun === true ? dryRun(coding.config, policy) : await sinkFor(target, path, coding, o);
    } catch (error) {
      await batches.return?.();
      throw error;
    }
  }

  let rows: number;
  let totals: { totalRows: number; sizeBytes: number };
  try {
    rows = await fill(sink, input, batches, bad, o);
    session.signal.throwIfAborted();
    totals = await sink.finish();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  bad.summarise();

  const { config } = sink;
  const seconds = (performance.now() - startedAt) / 1000;
  const bytesPerVector = totals.totalRows === 0 ? 0 : totals.sizeBytes / totals.totalRows;
  return {
    input: input.name,
    output: o.output,
    format: target,
    rows,
    ...totals,
    skipped: bad.count,
    badRows: bad.listed,
    dimension: config.dimension,
    bitWidth: config.bitWidth,
    seed: config.seed,
    residual: config.residualEnabled,
    policy: sink.policy,
    configHash: config.configHash,
    codebook: origin,
    trainRows,
    bytesPerVector,
    ratio: bytesPerVector === 0 ? 0 : (4 * config.dimension) / bytesPerVector,
    seconds,
    rowsPerSecond: rows / seconds,
    dryRun: o.dryRun === true,
  };
}

/** Runs `compress` or `ingest`, whichever options they come with. */
export async function compressTo(path: string, o: CompressOptions): Promise<CompressResult> {
  const target = targetFor(o);
  const policy = o.policy ?? 'compress';
  if (target === 'tqcv' && policy !== 'compress') {
    throw usage(`a .tqcv file holds compressed vectors only: --policy ${policy} needs a .tq file`, { policy });
  }
  const needless = o.trainRows !== undefined ? '--train-rows' : o.method !== undefined ? '--method' : undefined;
  if (o.codebook !== undefined && needless !== undefined)
    throw usage(`${needless} is about training: with --codebook nothing is trained`, { option: needless });
  const input = await openInput(path, o, 'the input');
  if (o.output === '-') {
    const dry = o.dryRun === true;
    return dry
      ? compressFile(input, '-', target, o)
      : pipeFile(target === 'corpus' ? '.tq' : '.tqcv', (file) => compressFile(input, file, target, o));
  }
  if (o.append !== true && o.dryRun !== true) await claim(o.output, o.force === true);
  else session.writes(o.output);
  return compressFile(input, o.output, target, o);
}

/** What `compress` and `ingest` tell people. */
export function summary(result: CompressResult): string {
  const { output, rows, totalRows, skipped, dimension, sizeBytes, ratio, seconds, rowsPerSecond } = result;
  const what =
    result.policy === 'compress' ? `${result.bitWidth} bits${result.residual ? ' + residual' : ''}` : result.policy;
  const left = skipped > 0 ? `, ${grouped(skipped)} left out` : '';
  const all = totalRows === rows ? '' : `, ${grouped(totalRows)} in all`;
  const hint = result.residual && result.policy === 'compress' ? ', mostly residuals: see --no-residual' : '';
  const head = result.dryRun ? `${output}: would hold` : `${output}:`;
  return (
    `${head} ${grouped(rows)} x ${dimension}${all}, ${what}, ${grouped(sizeBytes)} bytes (${ratio.toFixed(1)} times smaller${hint})` +
    `${left}, ${seconds.toFixed(1)} s, ${grouped(rowsPerSecond)} rows/s`
  );
}
