import type { Codebook } from './codebook.js';
import type { CompressedBatch, CompressedVector } from './compressed.js';
import type { CodecConfig } from './config.js';
import type { JobOptions } from './job.js';
import { invalidArg } from './validate.js';
import type { VectorRows } from './vectors.js';

/** A device that compresses and reconstructs batches in place of the CPU; the `GpuBackend` of `tinyquant/gpu` is one. */
export interface BatchBackend {
  /** Vectors from which on a batch goes to the device. */
  readonly batchThreshold: number;
  /** Does what `Codec.compressBatch` does. */
  compressBatch(vectors: VectorRows, config: CodecConfig, codebook: Codebook, o?: JobOptions): Promise<CompressedBatch>;
  /** Does what `Codec.decompressBatch` does. */
  decompressBatch(
    compressed: CompressedBatch | readonly CompressedVector[],
    config: CodecConfig,
    codebook: Codebook,
    o?: JobOptions,
  ): Promise<Float32Array>;
}

/** Checks an option that is a {@link BatchBackend} or absent. */
export function batchBackend(value: unknown): BatchBackend | undefined {
  if (value === undefined) return undefined;
  const candidate = value as Partial<BatchBackend> | null;
  const fits =
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.batchThreshold === 'number' &&
    typeof candidate.compressBatch === 'function' &&
    typeof candidate.decompressBatch === 'function';
  if (!fits) throw invalidArg('backend', 'a GpuBackend', value);
  return candidate as BatchBackend;
}
