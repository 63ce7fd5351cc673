import { cpus } from 'node:os';
import { BruteForceBackend } from '../backend.js';
import { TinyQuantError } from '../errors.js';
import { type Job, job } from '../job.js';
import { call, native } from '../native.js';
import { integer, invalidArg, options, text } from '../validate.js';
import { toRows, type VectorRows } from '../vectors.js';
import { cosines, type Pair, pearson, recall, samplePairs, sampleRows, squaredError, takeRows } from './measure.js';
import { METHODS, type Method, type Outcome, type Task } from './methods.js';
import type { Report, ReportEnvironment, ReportOptions, ReportProgress, ReportRow } from './model.js';
import { Pace } from './pace.js';

const MAX_ROWS = 20_000;
const MAX_QUERIES = 200;
const TRAIN_ROWS = 4096;
/** 32 points a centroid; the time of k-means grows with it. */
const PRODUCT_TRAIN_ROWS = 8192;
const PAIRS = 10_000;
const NEIGHBOURS = 10;
/** Each sample is drawn from a stream of its own. */
const SEEDS = { rows: 1, queries: 2, pairs: 3, train: 4, product: 5 } as const;
/** Values that are handled in one go, about a millisecond. */
const BLOCK = 1 << 17;

/** Counts units of work; the highest number reached is what is told. */
class Progress {
  readonly #total: number;
  readonly #tell: ((progress: ReportProgress) => void) | undefined;
  #done = 0;
  #phase = '';

  constructor(total: number, tell: ((progress: ReportProgress) => void) | undefined) {
    this.#total = total;
    this.#tell = tell;
  }

  at(done: number, phase: string): void {
    const reached = Math.max(this.#done, Math.floor(done));
    if (reached === this.#done && phase === this.#phase) return;
    this.#done = reached;
    this.#phase = phase;
    this.#tell?.({ done: reached, total: this.#total, phase });
  }
}

/** Queries and, where they are rows of the searched vectors, their numbers there. */
interface Queries {
  readonly data: Float32Array;
  readonly count: number;
  readonly own: Uint32Array | undefined;
}

/** Refuses NaN and infinities, and measures the rows' lengths on the way. */
async function checkFinite(
  data: Float32Array,
  dimension: number,
  argument: string,
  pace: Pace,
): Promise<{ min: number; max: number }> {
  let [min, max] = [Number.POSITIVE_INFINITY, 0];
  await pace.ranges(data.length / dimension, Math.max(1, Math.floor(BLOCK / dimension)), (first, last) => {
    for (let row = first; row < last; row++) {
      let sum = 0;
      for (let column = 0; column < dimension; column++) {
        const value = data[row * dimension + column] ?? 0;
        if (!Number.isFinite(value)) {
          throw new TinyQuantError(
            'ERR_TQ_NON_FINITE',
            `${argument} must be finite: found ${value} at row ${row}, column ${column}`,
            { details: { argument, row, column, value: `${value}` } },
          );
        }
        sum += value * value;
      }
      min = Math.min(min, sum);
      max = Math.max(max, sum);
    }
  });
  return { min: Math.sqrt(min), max: Math.sqrt(max) };
}

/** Numbers of the most similar rows for each query, best first; a query that is a row itself is left out. */
async function nearest(
  data: Float32Array,
  dimension: number,
  queries: Queries,
  pace: Pace,
): Promise<readonly (readonly number[])[]> {
  const backend = new BruteForceBackend();
  const rows = data.length / dimension;
  await pace.ranges(rows, Math.max(1, Math.floor(BLOCK / dimension)), (first, last) => {
    const block: [string, Float32Array][] = [];
    for (let row = first; row < last; row++)
      block.push([`${row}`, data.subarray(row * dimension, (row + 1) * dimension)]);
    backend.ingest(block);
  });
  const found: number[][] = [];
  await pace.ranges(queries.count, 1, (query) => {
    const self = queries.own?.[query];
    const hits = backend.search(queries.data.subarray(query * dimension, (query + 1) * dimension), NEIGHBOURS + 1);
    const numbers = hits.map((hit) => Number(hit.vectorId)).filter((row) => row !== self);
    found.push(numbers.slice(0, NEIGHBOURS));
  });
  backend.clear();
  return found;
}

async function pairCosines(data: Float32Array, dimension: number, pairs: readonly Pair[], pace: Pace) {
  const all: number[] = [];
  await pace.ranges(pairs.length, Math.max(1, Math.floor(BLOCK / dimension)), (from, to) => {
    all.push(...cosines(data, dimension, pairs.slice(from, to)));
  });
  return all;
}

async function meanSquaredError(original: Float32Array, decoded: Float32Array, pace: Pace): Promise<number> {
  let sum = 0;
  await pace.ranges(original.length, BLOCK, (from, to) => {
    sum += squaredError(original.subarray(from, to), decoded.subarray(from, to));
  });
  return sum / original.length;
}

/** Why a method cannot take the vectors, or `undefined` for an error that is not about them. */
function reasonWhyNot(error: unknown): string | undefined {
  if (!(error instanceof TinyQuantError)) return undefined;
  const untrainable = error.code === 'ERR_TQ_INVALID_ARG' && error.details?.kind === 'InsufficientTrainingData';
  return untrainable || error.code === 'ERR_TQ_LIMIT' ? error.message : undefined;
}

const NOTHING: Omit<ReportRow, 'family' | 'method' | 'bits' | 'native' | 'unavailable'> = {
  payloadBytes: null,
  sharedBytes: null,
  bytesPerVector: null,
  ratio: null,
  rho: null,
  mse: null,
  recall5: null,
  recall10: null,
  encodePerSecond: null,
  decodePerSecond: null,
};

/** What the decoded vectors are compared with. */
interface Truth {
  readonly queries: Queries;
  readonly nearest: readonly (readonly number[])[];
  readonly pairs: readonly Pair[];
  readonly cosines: readonly number[];
}

async function measureOutcome(outcome: Outcome, task: Task, truth: Truth): Promise<Partial<ReportRow>> {
  const { vectors, dimension, rows, pace } = task;
  const { decoded, payloadBytes, sharedBytes, encodeSeconds, decodeSeconds } = outcome;
  const bytesPerVector = payloadBytes + sharedBytes / rows;
  const found = await nearest(decoded, dimension, truth.queries, pace);
  const rate = (seconds: number | null): number | null => (seconds === null || seconds === 0 ? null : rows / seconds);
  return {
    payloadBytes,
    sharedBytes,
    bytesPerVector,
    ratio: (4 * dimension) / bytesPerVector,
    rho: pearson(truth.cosines, await pairCosines(decoded, dimension, truth.pairs, pace)),
    mse: await meanSquaredError(vectors, decoded, pace),
    recall5: recall(truth.nearest, found, 5),
    recall10: recall(truth.nearest, found, NEIGHBOURS),
    encodePerSecond: rate(encodeSeconds),
    decodePerSecond: rate(decodeSeconds),
  };
}

async function measureMethod(method: Method, task: Task, truth: Truth): Promise<ReportRow> {
  const { family, bits, native: isNative } = method;
  const row = { ...NOTHING, family, method: method.method, bits, native: isNative, unavailable: null };
  let outcome: Outcome;
  try {
    outcome = await method.run(task);
  } catch (error) {
    const unavailable = reasonWhyNot(error);
    if (unavailable === undefined) throw error;
    return { ...row, unavailable };
  }
  return { ...row, ...(await measureOutcome(outcome, task, truth)) };
}

function environment(): ReportEnvironment {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
    version: call(() => native.version()),
    simd: call(() => native.simdLevel()),
    threads: call(() => native.threads()),
  };
}

function pick(data: Float32Array, dimension: number, limit: number, seed: number): Float32Array {
  const rows = data.length / dimension;
  return rows <= limit ? data : takeRows(data, dimension, sampleRows(rows, limit, seed));
}

async function pickQueries(
  vectors: Float32Array,
  dimension: number,
  given: VectorRows | undefined,
  limit: number,
  pace: Pace,
): Promise<Queries> {
  if (given === undefined) {
    const own = sampleRows(vectors.length / dimension, limit, SEEDS.queries);
    return { data: takeRows(vectors, dimension, own), count: own.length, own };
  }
  const { data, count } = toRows(given, dimension, 'queries');
  if (count === 0) throw invalidArg('queries', 'at least one vector', given);
  await checkFinite(data, dimension, 'queries', pace);
  return { data: pick(data, dimension, limit, SEEDS.queries), count: Math.min(limit, count), own: undefined };
}

const OPTION_NAMES = ['title', 'queries', 'maxRows', 'maxQueries', 'trainRows', 'signal', 'onProgress'];

function limit(value: unknown, argument: string, otherwise: number): number {
  return value === undefined ? otherwise : integer(value, argument, 1, 0xffff_ffff);
}

/**
 * Measures what every method keeps of some vectors, and what it costs: float32 and float16, bytes between the least and
 * the largest value of a vector, TinyQuant with 8, 4 and 2 bits with and without residual and with the `'lloyd-max'`
 * codebook, and a product quantizer with one byte for every 4 and every 8 dimensions.
 *
 * All samples are drawn from fixed seeds: two runs differ in the rates only. The work is done in small steps between
 * which the event loop runs, except for the training of a codebook (a third of a second for 4,096 vectors of 768
 * dimensions). The vectors must not be changed before the promise settles.
 *
 * @param vectors row-major `n * dimension` values, or an array of vectors; at least one
 * @param dimension values of a vector, 1 to 16384
 * @returns a method that cannot take the vectors has a row that says why; the promise rejects, the call never throws
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE with row and column in `details`
 */
export async function measureReport(vectors: VectorRows, dimension: number, o?: ReportOptions): Promise<Report> {
  const given = options(o, 'measureReport options', OPTION_NAMES);
  const control: Job = job(given);
  const title = given.title === undefined ? 'Compression report' : text(given.title, 'title');
  const maxRows = limit(given.maxRows, 'maxRows', MAX_ROWS);
  const maxQueries = limit(given.maxQueries, 'maxQueries', MAX_QUERIES);
  const maxTrainRows = limit(given.trainRows, 'trainRows', TRAIN_ROWS);
  integer(dimension, 'dimension', 1, 16_384, { kind: 'InvalidDimension' });
  const all = toRows(vectors, dimension, 'vectors');
  if (all.count === 0) throw invalidArg('vectors', 'at least one vector', vectors);

  const pace = new Pace(control.signal);
  await checkFinite(all.data, dimension, 'vectors', pace);
  const data = pick(all.data, dimension, maxRows, SEEDS.rows);
  const rows = data.length / dimension;
  const norms = await checkFinite(data, dimension, 'vectors', pace);
  const queries = await pickQueries(data, dimension, given.queries as VectorRows | undefined, maxQueries, pace);

  const progress = new Progress(
    METHODS.reduce((sum, method) => sum + method.units + 1, 1),
    given.onProgress as ReportOptions['onProgress'],
  );
  progress.at(0, 'exact search');
  const pairs = samplePairs(rows, PAIRS, SEEDS.pairs);
  const truth: Truth = {
    queries,
    nearest: await nearest(data, dimension, queries, pace),
    pairs,
    cosines: await pairCosines(data, dimension, pairs, pace),
  };

  const trainRows = sampleRows(rows, maxTrainRows, SEEDS.train);
  const productTrainRows = sampleRows(rows, PRODUCT_TRAIN_ROWS, SEEDS.product);
  const results: ReportRow[] = [];
  let done = 1;
  for (const method of METHODS) {
    const [phase, before] = [`${method.method}, ${method.bits}`, done];
    progress.at(before, phase);
    const onPart = (share: number): void => progress.at(before + share * method.units, phase);
    const task: Task = {
      ...{ vectors: data, dimension, rows, trainRows, productTrainRows },
      ...{ signal: control.signal, pace, onPart },
    };
    results.push(await measureMethod(method, task, truth));
    done += method.units + 1;
  }
  progress.at(done, 'done');
  return {
    title,
    rows,
    rowsGiven: all.count,
    dimension,
    queries: queries.count,
    queriesGiven: queries.own === undefined,
    pairs: pairs.length,
    trainRows: trainRows.length,
    productTrainRows: productTrainRows.length,
    norms,
    results,
    environment: environment(),
  };
}
