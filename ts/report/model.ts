import type { VectorRows } from '../vectors.js';

/** Which method a row of a {@link Report} belongs to; the rows of one family differ in their bits. */
export type ReportFamily = 'float' | 'scalar' | 'residual' | 'tinyquant' | 'lloyd-max' | 'product';

/** All families in the order of the table. */
export const REPORT_FAMILIES: readonly ReportFamily[] = [
  'float',
  'scalar',
  'residual',
  'tinyquant',
  'lloyd-max',
  'product',
];

/** What one method keeps and costs. A figure is `null` where it does not exist; `unavailable` says why all are. */
export interface ReportRow {
  readonly family: ReportFamily;
  /** Name of the method, the same in a whole family but for the floats. */
  readonly method: string;
  /** Bits a value as they are chosen: `'4'`, `'4 + residual'`, `'8 per 4 dims'`. */
  readonly bits: string;
  /** Bytes that are stored for each vector, without the header of a record. */
  readonly payloadBytes: number | null;
  /** Bytes of the tables that are stored once for all vectors. */
  readonly sharedBytes: number | null;
  /** `payloadBytes` and this vector's share of `sharedBytes`. */
  readonly bytesPerVector: number | null;
  /** Bytes of float32 divided by `bytesPerVector`. */
  readonly ratio: number | null;
  /** Pearson correlation between the cosines of the sampled pairs before and after. */
  readonly rho: number | null;
  /** Mean squared error of a value. */
  readonly mse: number | null;
  /** Share of the true 5 nearest that are found, 0 to 1. */
  readonly recall5: number | null;
  /** Share of the true 10 nearest that are found, 0 to 1. */
  readonly recall10: number | null;
  /** Vectors a second; `null` where nothing is to be done. */
  readonly encodePerSecond: number | null;
  /** Vectors a second; `null` where nothing is to be done. */
  readonly decodePerSecond: number | null;
  /** Whether the rates are those of the native addon, and not of single-threaded JavaScript. */
  readonly native: boolean;
  /** Why the method cannot take these vectors, or `null`. */
  readonly unavailable: string | null;
}

/** Where a report was measured. */
export interface ReportEnvironment {
  readonly cpu: string;
  readonly node: string;
  /** Version of the package. */
  readonly version: string;
  /** Instruction set of the native code. */
  readonly simd: string;
  /** Threads of the native code. */
  readonly threads: number;
}

/** What {@link ReportRow}s were measured on and how. Plain JSON: it survives `JSON.stringify` and back. */
export interface Report {
  readonly title: string;
  /** Vectors measured. */
  readonly rows: number;
  /** Vectors given, of which `rows` were measured. */
  readonly rowsGiven: number;
  readonly dimension: number;
  /** Queries searched. */
  readonly queries: number;
  /** Whether the queries were given, or are some of the vectors, which then are not found themselves. */
  readonly queriesGiven: boolean;
  /** Pairs of vectors behind `rho`. */
  readonly pairs: number;
  /** Vectors that the TinyQuant codebooks were trained on. */
  readonly trainRows: number;
  /** Vectors that the product quantizers were trained on. */
  readonly productTrainRows: number;
  /** Euclidean lengths of the shortest and of the longest vector. */
  readonly norms: { readonly min: number; readonly max: number };
  readonly results: readonly ReportRow[];
  readonly environment: ReportEnvironment;
}

/** What `onProgress` of {@link ReportOptions} receives. */
export interface ReportProgress {
  /** Units of work that are done; never decreases. */
  readonly done: number;
  /** Units of work in all. */
  readonly total: number;
  /** What is being measured. */
  readonly phase: string;
}

/** Options of `measureReport`. */
export interface ReportOptions {
  /** Heading of the report. Default `'Compression report'`. */
  readonly title?: string;
  /** Vectors to search for, of the same dimension. Default: some of the vectors, each searching the others. */
  readonly queries?: VectorRows;
  /** At most so many vectors are measured, a fixed random sample where more are given. Default 20,000. */
  readonly maxRows?: number;
  /** At most so many queries are searched, a fixed random sample where more are given. Default 200. */
  readonly maxQueries?: number;
  /** At most so many vectors train a TinyQuant codebook, a fixed random sample of the measured ones. Default 4,096. */
  readonly trainRows?: number;
  /** Stops the work; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** Called as the work goes on, and a last time with `done === total` before the promise resolves. */
  readonly onProgress?: (progress: ReportProgress) => void;
}
