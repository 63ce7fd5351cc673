import { type BatchBackend, batchBackend } from './batch-backend.js';
import { Codebook, nativeCodebook, type TrainMethod, type TrainOptions } from './codebook.js';
import {
  CompressedBatch,
  CompressedVector,
  type CompressedVectorSummary,
  nativeBatch,
  nativeRecord,
  wrapBatch,
  wrapRecord,
} from './compressed.js';
import {
  type BitWidth,
  CodecConfig,
  type CodecConfigJson,
  type CodecConfigOptions,
  type CodecConfigOpts,
  type ConfigHash,
  nativeConfig,
} from './config.js';
import { JOB_OPTION_NAMES, type JobOptions, job, jobOptions, type Progress, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeBatch, NativeRecord } from './native-types.js';
import { RotationMatrix } from './rotation.js';
import { boolean, invalidArg, options } from './validate.js';
import { takeOver, toRows, toVector, type Vector, type VectorRows } from './vectors.js';

/** Options of {@link Codec.compressBatch}. */
export interface CompressBatchOptions extends JobOptions {
  /**
   * Reads a `Float32Array` in place instead of copying it first. The array is detached (its length becomes 0) once
   * the arguments have passed their checks, also when the job fails later. It must span the whole of its
   * `ArrayBuffer`. Memory that Node.js cannot move, such as that of arrays which this package returned, is copied and kept. Default `false`: the input is copied before the call returns, and later writes to it change nothing.
   */
  readonly transfer?: boolean;
  /**
   * A device that large batches go to: those of `backend.batchThreshold` vectors and more. Smaller ones stay on the CPU.
   * The `GpuBackend` of `tinyquant/gpu` is one; what it gives equals what the CPU gives, as its description says.
   */
  readonly backend?: BatchBackend;
}

/** Options of {@link Codec.decompressBatch}. */
export interface DecompressBatchOptions extends JobOptions {
  /** A device that large batches go to, as for {@link CompressBatchOptions.backend}. */
  readonly backend?: BatchBackend;
}

/** Either the native batch or the native records of an array. */
function compressedInput(value: unknown): { batch: NativeBatch } | { records: NativeRecord[] } {
  const batch = nativeBatch(value);
  if (batch !== undefined) return { batch };
  if (!Array.isArray(value)) throw invalidArg('compressed', 'a CompressedBatch or an array of CompressedVector', value);
  return { records: Array.from(value as readonly unknown[], (item, i) => nativeRecord(item, `compressed[${i}]`)) };
}

/**
 * Compresses and reconstructs vectors. It keeps no state: one instance serves everything, and two give the same bytes.
 * Results do not depend on processor, thread count, or on whether a vector goes alone or in a batch.
 *
 * Vectors are compressed as they are, never normalised: their scale must be that of the codebook's training data.
 *
 * @example
 * const codec = new Codec();
 * const config = new CodecConfig({ bitWidth: 4, dimension: 768 });
 * const codebook = codec.buildCodebook(vectors, config);
 * const batch = await codec.compressBatch(vectors, config, codebook, { signal: AbortSignal.timeout(10_000) });
 * const reconstruction = await codec.decompressBatch(batch, config, codebook);
 */
export class Codec {
  /**
   * Trains a codebook; the same as {@link Codebook.train}.
   *
   * @param training row-major `n * config.dimension` values, or an array of vectors
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
   */
  buildCodebook(training: VectorRows, config: CodecConfig, o?: TrainOptions): Codebook {
    return Codebook.train(training, config, o);
  }

  /**
   * Compresses one vector of `config.dimension` finite values.
   *
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT where a
   * residual exceeds half precision (65504), ERR_TQ_INVALID_ARG
   */
  compress(vector: Vector, config: CodecConfig, codebook: Codebook): CompressedVector {
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const { data } = toVector(vector, 'vector');
    return wrapRecord(call(() => native.compress(data, configHandle, codebookHandle)));
  }

  /**
   * Reconstructs one vector. A residual is used where the record has one.
   *
   * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH for a record of another configuration, ERR_TQ_CODEBOOK_MISMATCH,
   * ERR_TQ_DIM_MISMATCH, ERR_TQ_INVALID_ARG
   */
  decompress(compressed: CompressedVector, config: CodecConfig, codebook: Codebook): Float32Array {
    const record = nativeRecord(compressed, 'compressed');
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    return call(() => native.decompress(record, configHandle, codebookHandle));
  }

  /**
   * Compresses many vectors on the thread pool. The event loop stays free, and the input may be changed as soon as
   * the call has returned. All or nothing: one bad row fails the whole batch.
   *
   * @param vectors row-major `n * config.dimension` values, or an array of `n` vectors; zero vectors give an empty batch
   * @returns the records in the order of the rows; the promise rejects, the call itself never throws
   * @throws {TinyQuantError} as {@link Codec.compress}, with the row in `details`
   */
  async compressBatch(
    vectors: VectorRows,
    config: CodecConfig,
    codebook: Codebook,
    o?: CompressBatchOptions,
  ): Promise<CompressedBatch> {
    const given = options(o, 'compressBatch options', [...JOB_OPTION_NAMES, 'transfer', 'backend']);
    const control = job(given);
    const backend = batchBackend(given.backend);
    const transfer = given.transfer === undefined ? false : boolean(given.transfer, 'transfer');
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const { dimension } = configHandle;
    const rows = toRows(vectors, dimension, 'vectors');
    // Whether the codebook fits is the native side's to say, before the caller's memory is taken: so with no rows.
    if (transfer) call(() => native.compressBatchSync(new Float32Array(0), configHandle, codebookHandle));
    const { data, owned } = transfer ? { data: takeOver(vectors, 'vectors'), owned: true } : rows;
    if (backend !== undefined && rows.count >= backend.batchThreshold)
      return backend.compressBatch(data, config, codebook, jobOptions(control));
    const handle = await runJob(control, 'compress', rows.count, (abort, onProgress) =>
      native.compressBatch(data, owned, configHandle, codebookHandle, abort, onProgress),
    );
    return wrapBatch(handle);
  }

  /**
   * Compresses many vectors on the calling thread's time: it blocks until all are done.
   *
   * @param vectors row-major `n * config.dimension` values, or an array of `n` vectors; zero vectors give an empty batch
   * @throws {TinyQuantError} as {@link Codec.compress}, with the row in `details`
   */
  compressBatchSync(vectors: VectorRows, config: CodecConfig, codebook: Codebook): CompressedBatch {
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const { data } = toRows(vectors, configHandle.dimension, 'vectors');
    return wrapBatch(call(() => native.compressBatchSync(data, configHandle, codebookHandle)));
  }

  /**
   * Reconstructs many vectors on the thread pool.
   *
   * @param compressed a batch, or records of one configuration in any order
   * @returns row-major `n * config.dimension` values; the promise rejects, the call itself never throws
   * @throws {TinyQuantError} as {@link Codec.decompress}
   */
  async decompressBatch(
    compressed: CompressedBatch | readonly CompressedVector[],
    config: CodecConfig,
    codebook: Codebook,
    o?: DecompressBatchOptions,
  ): Promise<Float32Array> {
    const given = options(o, 'decompressBatch options', [...JOB_OPTION_NAMES, 'backend']);
    const control = job(given);
    const backend = batchBackend(given.backend);
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const input = compressedInput(compressed);
    const total = 'batch' in input ? input.batch.length : input.records.length;
    if (backend !== undefined && total >= backend.batchThreshold)
      return backend.decompressBatch(compressed, config, codebook, jobOptions(control));
    return runJob(control, 'decompress', total, (abort, onProgress) =>
      'batch' in input
        ? native.decompressBatch(input.batch, configHandle, codebookHandle, abort, onProgress)
        : native.decompressRecords(input.records, configHandle, codebookHandle, abort, onProgress),
    );
  }

  /**
   * Reconstructs many vectors on the calling thread's time: it blocks until all are done.
   *
   * @param compressed a batch, or records of one configuration in any order
   * @returns row-major `n * config.dimension` values
   * @throws {TinyQuantError} as {@link Codec.decompress}
   */
  decompressBatchSync(
    compressed: CompressedBatch | readonly CompressedVector[],
    config: CodecConfig,
    codebook: Codebook,
  ): Float32Array {
    const configHandle = nativeConfig(config, 'config');
    const codebookHandle = nativeCodebook(codebook, 'codebook');
    const input = compressedInput(compressed);
    return call(() =>
      'batch' in input
        ? native.decompressBatchSync(input.batch, configHandle, codebookHandle)
        : native.decompressRecordsSync(input.records, configHandle, codebookHandle),
    );
  }
}

const shared: Codec = new Codec();

/**
 * Compresses one vector; the same as {@link Codec.compress}.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT,
 * ERR_TQ_INVALID_ARG
 */
export function compress(vector: Vector, config: CodecConfig, codebook: Codebook): CompressedVector {
  return shared.compress(vector, config, codebook);
}

/**
 * Reconstructs one vector; the same as {@link Codec.decompress}.
 *
 * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_DIM_MISMATCH, ERR_TQ_INVALID_ARG
 */
export function decompress(compressed: CompressedVector, config: CodecConfig, codebook: Codebook): Float32Array {
  return shared.decompress(compressed, config, codebook);
}

export type {
  BatchBackend,
  BitWidth,
  CodecConfigJson,
  CodecConfigOptions,
  CodecConfigOpts,
  CompressedVectorSummary,
  ConfigHash,
  JobOptions,
  Progress,
  TrainMethod,
  TrainOptions,
  Vector,
  VectorRows,
};
export { Codebook, CodecConfig, CompressedBatch, CompressedVector, RotationMatrix };
