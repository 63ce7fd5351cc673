import { version } from '../package.json';
import { expectAddon, expectWhole, firstOf, openFile, pathIn } from './addon.js';
import { TinyQuantError } from './errors.js';
import { adviseInstalled, causesOf } from './load-failure.js';
import type { NativeAbort, NativeParts, NativeProgress, NativeUnitPlan } from './native-types.js';
import { installedFiles, installedPackages, libc, PUBLISHED, packageOf, tripleOf } from './platform.js';

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
  version(): string;
  openGpu(preference: string, maxMemory: number): Promise<NativeGpu>;
}

/** What is wrong with the package that holds the addon, and the commands that mend it. */
function advise(
  expected: string,
  own: string | undefined,
  errors: readonly unknown[],
  causes: readonly string[],
): string[] {
  const install = `  npm install ${expected}@${version}`;
  if (own === undefined) {
    return ['It is a package of its own, so that the usual installation stays small. Install it:', install];
  }
  if (own === version) return adviseInstalled(expected, errors, causes);
  return [
    `${expected} is installed in version ${own}, but this is tinyquant ${version}: both must be the same.`,
    install,
  ];
}

/** The error for an addon that does not load, with what to install. */
function missing(errors: readonly unknown[], path: string | undefined): TinyQuantError {
  const library = libc();
  const host = `${process.platform}-${process.arch}`;
  const triple = tripleOf(library);
  const expected = triple !== undefined && PUBLISHED.gpu.includes(triple) ? packageOf(triple, 'gpu') : null;
  const installed = installedPackages('gpu');
  const causes = causesOf(errors);
  const lines = [`The GPU addon of tinyquant could not be loaded on ${host} (Node.js ${process.versions.node}).`];
  if (path !== undefined) {
    lines.push(
      `TINYQUANT_GPU_PATH names ${path}: it must be the GPU addon of tinyquant ${version}, built for this platform.`,
    );
  } else if (expected === null) {
    lines.push(`No GPU addon is published for this platform. Supported: ${PUBLISHED.gpu.join(', ')}.`);
  } else {
    lines.push(...advise(expected, installed.get(expected), errors, causes));
  }
  lines.push('Everything else of tinyquant works without it.', 'Causes:');
  for (const cause of causes) lines.push(`  - ${cause}`);
  return new TinyQuantError('ERR_TQ_NATIVE_LOAD', lines.join('\n'), {
    cause: errors[0],
    details: {
      platform: process.platform,
      arch: process.arch,
      libc: library === null ? null : library.family,
      expectedPackage: expected,
      installedPackages: [...installed].map(([name, own]) => `${name}@${own}`),
      path: path ?? null,
      causes,
    },
  });
}

const checked = (loaded: unknown): GpuBinding => expectAddon<GpuBinding>(loaded, 'openGpu', 'tinyquant/gpu');

function loadGenerated(): GpuBinding {
  for (const path of installedFiles('gpu').values()) expectWhole(path);
  // The literal lets tracing tools and bundlers see the file; the path is relative to the compiled module in dist/.
  return checked(require('../native/gpu.cjs'));
}

/**
 * The package of this process' C library, where the generated loader took a file of the distribution to say that it is
 * musl.
 */
function loadForLibc(): GpuBinding {
  try {
    if (process.arch === 'x64') return checked(require('@tinyquant/gpu-linux-x64-gnu'));
    return checked(require('@tinyquant/gpu-linux-arm64-gnu'));
  } catch (error) {
    // Bundlers let a package be absent only where its absence is caught here.
    throw error instanceof Error ? error : new Error(String(error));
  }
}

let loaded: GpuBinding | undefined;

/**
 * The GPU addon, loaded at the first call.
 *
 * @throws {TinyQuantError} ERR_TQ_NATIVE_LOAD with the package to install
 */
export function gpuBinding(): GpuBinding {
  if (loaded !== undefined) return loaded;
  const chosen = pathIn('TINYQUANT_GPU_PATH');
  const installed = libc()?.family === 'glibc' ? [loadGenerated, loadForLibc] : [loadGenerated];
  const ways = chosen === undefined ? installed : [() => checked(openFile(chosen))];
  loaded = firstOf(ways, (errors) => missing(errors, chosen));
  return loaded;
}
