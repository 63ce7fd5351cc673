import { resolve } from 'node:path';
import { TinyQuantError } from './errors.js';
import { causesOf } from './load-failure.js';
import type { NativeAbort, NativeParts, NativeProgress, NativeUnitPlan } from './native-types.js';
import { libc, SUPPORTED, tripleOf } from './platform.js';

/** Typed surface of the GPU addon. Internal: only the facade in this folder sees these names. */

export interface NativeAdapterInfo {
  readonly name: string;
  readonly backend: string;
  readonly deviceType: string;
  readonly driver: string;
  readonly driverInfo: string;
  readonly vendorId: number;
  readonly deviceId: number;
}

export interface NativeGpuLimits {
  readonly maxBufferSize: number;
  readonly maxBindingSize: number;
  readonly maxWorkgroups: number;
  readonly maxMemory: number;
}

/** Configuration and codebook by their values: the two addons share no objects. */
export interface NativeCoding {
  readonly bitWidth: number;
  readonly seed: bigint;
  readonly dimension: number;
  readonly residualEnabled: boolean;
  readonly entries: Float32Array;
}

export interface NativeGpu {
  info(): NativeAdapterInfo;
  limits(): NativeGpuLimits;
  memoryUsed(): number;
  loadPipelines(): Promise<void>;
  compressBatch(
    vectors: Float32Array,
    coding: NativeCoding,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<NativeParts>;
  decompressBatch(
    packed: Uint8Array,
    residuals: Uint8Array,
    coding: NativeCoding,
    abort: NativeAbort | null,
    onProgress: NativeProgress | null,
  ): Promise<Float32Array>;
  prepareRecords(coding: NativeCoding, rows: number): Promise<NativePrepared>;
  prepareUnits(plan: NativeUnitPlan, rows: number): Promise<NativePrepared>;
  close(): void;
}

/** The rows that may be among the best of each query; the count of a query is 2^32 - 1 where any row may be. */
export interface NativeShortlists {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/** Rows on a device. */
export interface NativePrepared {
  bytes(): number;
  pushRecords(packed: Uint8Array, residuals: Uint8Array): Promise<void>;
  pushUnits(codes: Uint8Array, factors: Uint8Array, norms: Float32Array): Promise<void>;
  searchVectors(queries: Float32Array, k: number, abort: NativeAbort | null): Promise<NativeShortlists>;
  searchUnits(
    codes: Int8Array,
    scales: Float32Array,
    terms: Float32Array,
    k: number,
    abort: NativeAbort | null,
  ): Promise<NativeShortlists>;
  close(): void;
}

export interface GpuBinding {
  readonly NativeAbort: new () => NativeAbort;
  openGpu(preference: string, maxMemory: number): Promise<NativeGpu>;
}

/** Published platforms: software devices aside, no musl system has GPU drivers to speak of. */
const PUBLISHED: readonly string[] = SUPPORTED.filter((triple) => !triple.endsWith('-musl'));

/** The error for an addon that does not load, with what to install. */
function missing(error: unknown, path: string | undefined): TinyQuantError {
  const library = libc();
  const host = `${process.platform}-${process.arch}`;
  const triple = tripleOf(library);
  const expected = triple !== undefined && PUBLISHED.includes(triple) ? `@tinyquant/gpu-${triple}` : null;
  const lines = [`The GPU addon of tinyquant could not be loaded on ${host} (Node.js ${process.versions.node}).`];
  if (path !== undefined) {
    lines.push(`TINYQUANT_GPU_PATH names ${path}: it must be the GPU addon, built for this platform.`);
  } else if (expected === null) {
    lines.push(`No GPU addon is published for this platform. Supported: ${PUBLISHED.join(', ')}.`);
  } else {
    lines.push('It is a package of its own, so that the usual installation stays small. Install it:');
    lines.push(`  npm install ${expected}`);
  }
  lines.push('Everything else of tinyquant works without it.', 'Causes:');
  const causes = causesOf([error]);
  for (const cause of causes) lines.push(`  - ${cause}`);
  return new TinyQuantError('ERR_TQ_NATIVE_LOAD', lines.join('\n'), {
    cause: error,
    details: {
      platform: process.platform,
      arch: process.arch,
      libc: library === null ? null : library.family,
      expectedPackage: expected,
      path: path ?? null,
      causes,
    },
  });
}

function find(chosen: string | undefined): unknown {
  if (chosen !== undefined) {
    const target = { exports: {} };
    process.dlopen(target, chosen);
    return target.exports;
  }
  // The literal lets tracing tools and bundlers see the file; the path is relative to the compiled module in dist/.
  return require('../native/gpu.cjs');
}

let loaded: GpuBinding | undefined;

/**
 * The GPU addon, loaded at the first call.
 *
 * @throws {TinyQuantError} ERR_TQ_NATIVE_LOAD with the package to install
 */
export function gpuBinding(): GpuBinding {
  if (loaded !== undefined) return loaded;
  const path = process.env.TINYQUANT_GPU_PATH;
  const chosen = path === undefined || path === '' ? undefined : resolve(path);
  try {
    const binding = find(chosen) as Partial<GpuBinding>;
    if (typeof binding.openGpu !== 'function') throw new Error('the file is an addon, but not that of tinyquant/gpu');
    loaded = binding as GpuBinding;
    return loaded;
  } catch (error) {
    throw missing(error, chosen);
  }
}
