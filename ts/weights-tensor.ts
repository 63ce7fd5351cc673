import { types } from 'node:util';
import { type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type {
  NativeGrid,
  NativeStoreOptions,
  NativeTensor,
  NativeTensorData,
  NativeTensorInfo,
} from './native-weights.js';
import { boolean, integer, invalidArg, oneOf, options } from './validate.js';
import { bytes, toVector } from './vectors.js';
import { count, level, maxSize, unshared } from './weights-checks.js';
import { grid, type QuantizedWeights } from './weights-gptq.js';

/** Kind of the values of a stored tensor. */
export type TensorDtype = 'f32' | 'f16' | 'bf16' | 'i8' | 'u8';

/** How the values of a tensor are stored. */
export type TensorMethod = 'lossless' | 'grid' | 'codebook';

/** Values of a tensor: floats, or bytes that are stored as they are. */
export type TensorData = Float32Array | Int8Array | Uint8Array;

/** How {@link compressTensorSync} stores a tensor. */
export interface StoreTensorOptions {
  /** Lengths along the dimensions, at most eight. Default: one dimension. */
  readonly shape?: readonly number[];
  /**
   * What is done to floats: nothing (`'lossless'`), integers times a scale a row or group (`'grid'`), or the indices of
   * trained levels (`'codebook'`). A row runs along the last dimension. Default `'lossless'`.
   */
  readonly method?: TensorMethod;
  /** Bits of a code: 2 to 8 of a grid, 1 to 8 of a codebook. Default 8. */
  readonly bits?: number;
  /** Columns of a grid that share a scale; 0 for all of a row. Default 0. */
  readonly groupSize?: number;
  /** Trains a codebook for each row in place of one for all. Default `false`. */
  readonly perRow?: boolean;
  /** Scales the levels of a codebook so that values keep their length on average. Default `false`. */
  readonly keepGain?: boolean;
  /** How codes lie: a byte each, which zstd makes smaller, or without gaps. Default `'bytes'`. */
  readonly layout?: 'bytes' | 'packed';
  /** Level of zstd, 1 to 22; 0 for none. Default 19. */
  readonly level?: number;
}

/** Options of {@link compressTensor}. */
export interface CompressTensorOptions extends StoreTensorOptions, Pick<JobOptions, 'signal'> {}

/** Options of {@link decompressTensorSync}. */
export interface DecompressTensorOptions {
  /** Most bytes that the values may take. Default 4 GiB. */
  readonly maxSize?: number;
}

/** Options of {@link decompressTensor}. */
export interface DecompressTensorJobOptions extends DecompressTensorOptions, Pick<JobOptions, 'signal'> {}

/** A tensor that was read. */
export interface StoredTensor {
  /** Kind of the values as they were given; half precision comes widened. */
  readonly dtype: TensorDtype;
  /** Lengths along the dimensions; none for a single value. */
  readonly shape: readonly number[];
  /** Row-major values: a `Float32Array` for floats, else an `Int8Array` or a `Uint8Array`. */
  readonly data: TensorData;
}

/** What is known of a stored tensor without its values. */
export interface TensorInfo {
  /** Kind of the values; of a foreign file also a kind that is not read, by its own name. */
  readonly dtype: TensorDtype | (string & {});
  /** Lengths of the dimensions. */
  readonly shape: readonly number[];
  /** How the values are stored. */
  readonly method: TensorMethod;
  /** Bits of a value before zstd; 0 for a kind that is not read. */
  readonly bits: number;
  /** Bytes that it takes as stored. */
  readonly storedBytes: number;
}

/** Names of the options in {@link StoreTensorOptions}. */
export const STORE_NAMES: readonly string[] = [
  ...['shape', 'method', 'bits', 'groupSize', 'perRow', 'keepGain', 'layout', 'level'],
];

/** A tensor and how to store it, after their checks. */
export type StorePlan =
  | { readonly grid: NativeGrid; readonly store: NativeStoreOptions }
  | { readonly shape: number[]; readonly data: NativeTensorData; readonly store: NativeStoreOptions };

function toData(value: unknown, argument: string): NativeTensorData {
  if (types.isInt8Array(value)) return unshared(value, argument);
  if (types.isUint8Array(value)) return bytes(value, argument);
  return toVector(value, argument).data;
}

function toShape(value: unknown, length: number): number[] {
  if (value === undefined) return [length];
  if (!Array.isArray(value) || value.length > 8) throw invalidArg('shape', 'an array of at most 8 lengths', value);
  return value.map((each, i) => integer(each, `shape[${i}]`, 0, Number.MAX_SAFE_INTEGER));
}

function storing(given: Record<string, unknown>): NativeStoreOptions {
  const { method, bits, perRow, keepGain, layout } = given;
  const chosen = method === undefined ? 'lossless' : oneOf(method, 'method', ['lossless', 'grid', 'codebook']);
  const isCodebook = chosen === 'codebook';
  const width = bits === undefined ? 8 : integer(bits, 'bits', isCodebook ? 1 : 2, 8);
  const byRow = perRow === undefined ? false : boolean(perRow, 'perRow');
  const group = count(given.groupSize, 'groupSize', 0, 0);
  return {
    method: chosen,
    param: isCodebook ? width : 2 ** (width - 1) - 1,
    group: isCodebook ? Number(byRow) : group,
    keepGain: keepGain === undefined ? false : boolean(keepGain, 'keepGain'),
    packed: layout !== undefined && oneOf(layout, 'layout', ['bytes', 'packed']) === 'packed',
    level: level(given.level, 0),
  };
}

/** Checks what is to be stored. */
export function storePlan(value: unknown, given: Record<string, unknown>, argument: string): StorePlan {
  const store = storing(given);
  const isQuantized = typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && 'codes' in value;
  if (isQuantized) {
    for (const name of ['shape', 'method', 'bits', 'groupSize', 'perRow', 'keepGain']) {
      if (given[name] !== undefined) throw invalidArg(name, 'absent for weights that are quantized', given[name]);
    }
    return { grid: grid(value, argument), store };
  }
  const data = toData(value, argument);
  return { shape: toShape(given.shape, data.length), data, store };
}

/** A tensor from the native side. */
export function toTensor({ dtype, shape, data }: NativeTensor): StoredTensor {
  return { dtype, shape, data };
}

/** What the native side says of a tensor. */
export function toInfo({ dtype, shape, method, bits, storedBytes }: NativeTensorInfo): TensorInfo {
  return { dtype, shape, method, bits, storedBytes };
}

/**
 * Stores a tensor in bytes, on the thread pool: a head with kind, shape, method and checksums, then the values as they
 * are, as integers times scales, or as indices of trained levels, in a zstd frame. The values are copied before the call
 * returns.
 *
 * @param values a tensor's values, or weights that {@link gptq} quantized, whose codes are stored
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH for values that do not fill the shape,
 * ERR_TQ_NON_FINITE of a method other than `'lossless'`, ERR_TQ_LIMIT; the promise rejects, the call itself never throws
 *
 * @example
 * const stored = await compressTensor(weights, { shape: [384, 1536], method: 'grid', bits: 6 });
 * const { shape, data } = await decompressTensor(stored);
 */
export async function compressTensor(
  values: TensorData | readonly number[] | QuantizedWeights,
  o?: CompressTensorOptions,
): Promise<Uint8Array> {
  const given = options(o, 'compressTensor options', [...STORE_NAMES, 'signal']);
  const control = job(given);
  const plan = storePlan(values, given, 'values');
  return runJob(control, 'compress', 1, (abort) =>
    'grid' in plan
      ? native.compressGrid(plan.grid, plan.store, abort)
      : native.compressTensor(plan.shape, plan.data, plan.store, abort),
  );
}

/**
 * The same as {@link compressTensor} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT
 */
export function compressTensorSync(
  values: TensorData | readonly number[] | QuantizedWeights,
  o?: StoreTensorOptions,
): Uint8Array {
  const plan = storePlan(values, options(o, 'compressTensor options', STORE_NAMES), 'values');
  return call(() =>
    'grid' in plan
      ? native.compressGridSync(plan.grid, plan.store)
      : native.compressTensorSync(plan.shape, plan.data, plan.store),
  );
}

/**
 * Reads what {@link compressTensor} writes, on the thread pool. Memory is bounded by `maxSize` and by what the bytes
 * could hold, whatever they claim.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_LIMIT for more than
 * `maxSize` bytes of values, ERR_TQ_INVALID_ARG; the promise rejects, the call itself never throws
 */
export async function decompressTensor(stored: Uint8Array, o?: DecompressTensorJobOptions): Promise<StoredTensor> {
  const given = options(o, 'decompressTensor options', ['maxSize', 'signal']);
  const control = job(given);
  const most = maxSize(given.maxSize);
  const source = bytes(stored, 'stored');
  return toTensor(await runJob(control, 'decompress', 1, (abort) => native.decompressTensor(source, most, abort)));
}

/**
 * The same as {@link decompressTensor} on the calling thread's time.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_LIMIT,
 * ERR_TQ_INVALID_ARG
 */
export function decompressTensorSync(stored: Uint8Array, o?: DecompressTensorOptions): StoredTensor {
  const most = maxSize(options(o, 'decompressTensor options', ['maxSize']).maxSize);
  const source = bytes(stored, 'stored');
  return toTensor(call(() => native.decompressTensorSync(source, most)));
}

/**
 * What the head of a stored tensor says; its values are not looked at.
 *
 * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_INVALID_ARG
 */
export function tensorInfo(stored: Uint8Array): TensorInfo {
  const source = bytes(stored, 'stored');
  return toInfo(call(() => native.tensorInfo(source)));
}
