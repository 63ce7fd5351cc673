import { TinyQuantError } from './errors.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeTensorFile } from './native-weights.js';
import { type FilePath, filePath } from './path.js';
import { invalidArg, notAHandle, options, text } from './validate.js';
import { maxSize } from './weights-checks.js';
import type { QuantizedWeights } from './weights-gptq.js';
import {
  type DecompressTensorJobOptions,
  type DecompressTensorOptions,
  STORE_NAMES,
  type StoredTensor,
  type StoreTensorOptions,
  storePlan,
  type TensorData,
  type TensorInfo,
  toInfo,
  toTensor,
} from './weights-tensor.js';

/** A tensor to be written: its values, and how to store them. */
export interface TensorSource extends StoreTensorOptions {
  /** Values, or weights that {@link gptq} quantized. */
  readonly data: TensorData | readonly number[] | QuantizedWeights;
}

/** Tensors by name. A `Map` keeps its order; so does a plain object, except for keys that look like array indices. */
export type TensorSources = Readonly<Record<string, TensorSource>> | ReadonlyMap<string, TensorSource>;

/** Options of {@link writeTensors}: how tensors are stored that do not say so themselves. */
export interface WriteTensorsOptions extends Omit<StoreTensorOptions, 'shape'>, JobOptions {}

/** What {@link writeTensors} wrote. */
export interface WrittenTensors {
  /** Tensors in the file. */
  readonly tensorCount: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
}

/** A summary of a {@link TensorFile}. */
export interface TensorFileSummary {
  /** The file. */
  readonly path: string;
  /** Number of tensors. */
  readonly tensorCount: number;
}

const DEFAULT_NAMES = STORE_NAMES.filter((name) => name !== 'shape');

/** Options that a tensor that is quantized already cannot have. */
const CODING_NAMES: readonly string[] = ['method', 'bits', 'groupSize', 'perRow', 'keepGain'];

function entries(value: unknown): [string, unknown][] {
  if (value instanceof Map) return [...(value as Map<string, unknown>)];
  if (typeof value !== 'object' || value === null || Symbol.iterator in value || ArrayBuffer.isView(value)) {
    throw invalidArg('tensors', 'an object or a Map from name to tensor', value);
  }
  return Object.entries(value);
}

/**
 * Stores tensors and writes them to one file, on the thread pool. The file is there as a whole or not at all, in place of
 * one that is there. Values are copied as their turn comes: change them when the promise has settled.
 *
 * @throws {TinyQuantError} as {@link compressTensor}, and ERR_TQ_IO; the promise rejects, the call itself never throws
 *
 * @example
 * await writeTensors('model.tqw', { embedding: { data, shape: [30522, 384] } }, { method: 'grid', bits: 6 });
 * const file = await TensorFile.open('model.tqw');
 */
export async function writeTensors(
  path: FilePath,
  tensors: TensorSources,
  o?: WriteTensorsOptions,
): Promise<WrittenTensors> {
  const given = options(o, 'writeTensors options', [...DEFAULT_NAMES, ...JOB_OPTION_NAMES]);
  const control = job(given);
  const target = filePath(path, 'path');
  const plans = entries(tensors).map(([name, source]) => {
    const argument = `tensor ${JSON.stringify(text(name, 'name of a tensor').slice(0, 40))}`;
    const own = options(source, argument, ['data', ...STORE_NAMES], true);
    const isQuantized = typeof own.data === 'object' && own.data !== null && 'codes' in own.data;
    for (const key of DEFAULT_NAMES) {
      if (own[key] === undefined && !(isQuantized && CODING_NAMES.includes(key))) own[key] = given[key];
    }
    return { name, plan: storePlan(own.data, own, argument) };
  });
  const stored: Uint8Array[] = [];
  const sizeBytes = await runJob(control, 'save', plans.length, async (abort, onProgress) => {
    for (const [at, { plan }] of plans.entries()) {
      onProgress?.(at, plans.length);
      stored.push(
        'grid' in plan
          ? await native.compressGrid(plan.grid, plan.store, abort)
          : await native.compressTensor(plan.shape, plan.data, plan.store, abort),
      );
    }
    const names = plans.map(({ name }) => name);
    return native.writeTensors(target, names, stored, abort, null);
  });
  return { tensorCount: plans.length, sizeBytes };
}

/**
 * A file of named tensors, open for reading: one that {@link writeTensors} wrote, or a `.safetensors` file, whose kinds
 * f32, f16, bf16, i8 and u8 are read. Opening reads the table alone.
 *
 * @example
 * const file = await TensorFile.open('model.safetensors');
 * for (const name of file.names) console.log(name, file.info(name).shape);
 * const { data } = await file.read('embeddings.word_embeddings.weight');
 */
export class TensorFile extends Handle {
  readonly #native: NativeTensorFile;
  readonly #path: string;
  readonly #infos: ReadonlyMap<string, TensorInfo>;
  #isClosed = false;

  private constructor(token: typeof INTERNAL, handle: NativeTensorFile, path: string) {
    super();
    assertInternal(token, 'TensorFile', 'TensorFile.open');
    this.#native = handle;
    this.#path = path;
    this.#infos = new Map(call(() => handle.tensors()).map((info) => [info.name, toInfo(info)]));
  }

  static #self(value: unknown): TensorFile {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'TensorFile');
    return value;
  }

  static #open(value: unknown): NativeTensorFile {
    const file = TensorFile.#self(value);
    if (file.#isClosed) throw new TinyQuantError('ERR_TQ_CLOSED', 'the TensorFile has been closed');
    return file.#native;
  }

  /**
   * Opens a file on the thread pool.
   *
   * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_LIMIT,
   * ERR_TQ_INVALID_ARG
   */
  static async open(path: FilePath, o?: Pick<JobOptions, 'signal'>): Promise<TensorFile> {
    const control = job(options(o, 'open options', ['signal']));
    const source = filePath(path, 'path');
    const handle = await runJob(control, 'verify', 1, (abort) => native.openTensors(source, abort));
    return new TensorFile(INTERNAL, handle, source);
  }

  /**
   * The same as {@link TensorFile.open} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link TensorFile.open}
   */
  static openSync(path: FilePath): TensorFile {
    const source = filePath(path, 'path');
    return new TensorFile(
      INTERNAL,
      call(() => native.NativeTensorFile.openSync(source)),
      source,
    );
  }

  /** Where the file lies. */
  get path(): string {
    return TensorFile.#self(this).#path;
  }

  /** Names of the tensors, in the order of the file. */
  get names(): readonly string[] {
    return [...TensorFile.#self(this).#infos.keys()];
  }

  /**
   * What the file says of a tensor.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND for a name that there is not
   */
  info(name: string): TensorInfo {
    const wanted = text(name, 'name');
    const info = TensorFile.#self(this).#infos.get(wanted);
    if (info !== undefined) return info;
    throw new TinyQuantError('ERR_TQ_ID_NOT_FOUND', `no tensor ${JSON.stringify(wanted)} in ${this.path}`, {
      details: { name: wanted },
    });
  }

  /**
   * Reads a tensor on the thread pool.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_IO, ERR_TQ_FORMAT also for a kind of values that is not read,
   * ERR_TQ_CHECKSUM, ERR_TQ_LIMIT, ERR_TQ_CLOSED, ERR_TQ_INVALID_ARG
   */
  async read(name: string, o?: DecompressTensorJobOptions): Promise<StoredTensor> {
    const given = options(o, 'read options', ['maxSize', 'signal']);
    const control = job(given);
    const most = maxSize(given.maxSize);
    const handle = TensorFile.#open(this);
    const wanted = text(name, 'name');
    return toTensor(await runJob(control, 'decompress', 1, (abort) => handle.read(wanted, most, abort)));
  }

  /**
   * The same as {@link TensorFile.read} on the calling thread's time.
   *
   * @throws {TinyQuantError} as {@link TensorFile.read}
   */
  readSync(name: string, o?: DecompressTensorOptions): StoredTensor {
    const most = maxSize(options(o, 'read options', ['maxSize']).maxSize);
    const handle = TensorFile.#open(this);
    const wanted = text(name, 'name');
    return toTensor(call(() => handle.readSync(wanted, most)));
  }

  /** Lets go of the file; reads that are under way come to their end. Closing twice does nothing. */
  close(): void {
    const file = TensorFile.#self(this);
    file.#isClosed = true;
    file.#native.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A summary. */
  toJSON(): TensorFileSummary {
    const { path, names } = this;
    return { path, tensorCount: names.length };
  }
}
