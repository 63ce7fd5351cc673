import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BatchBackend, GPU_BATCH_THRESHOLD, GpuBackend, type PreparedCorpus } from '../dist/gpu.js';
import {
  Codebook,
  Codec,
  CodecConfig,
  type CompressedBatch,
  CompressionPolicy,
  Corpus,
  SearchIndex,
  type SearchResult,
  version,
} from '../index.js';
import { describeBackend } from './backend-conformance.js';
import { runNode } from './helpers/child.js';
import { normals, setup } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';
import { ROOT, row } from './helpers/golden.js';

/** Set by `npm test -- gpu`, which builds the addon and brings a software device. */
const HAS_DEVICE = process.env.TINYQUANT_TEST_GPU === 'software';
const codec = new Codec();

/** A program that prints what creating a backend fails with, and that the CPU works after that. */
const failing = (entry: string, options = '', prelude = ''): string => `
  const { Codec, CodecConfig, Codebook } = require(${JSON.stringify(join(ROOT, 'index.js'))});
  const { GpuBackend } = require(${JSON.stringify(entry)});
  ${prelude}
  GpuBackend.create(${options}).catch(async ({ code, message, details }) => {
    const config = new CodecConfig({ bitWidth: 2, dimension: 2 });
    const codebook = Codebook.fromEntries([-1, 0, 1, 2], 2);
    const batch = await new Codec().compressBatch(new Float32Array(2000), config, codebook);
    console.log(JSON.stringify({ code, message, details, length: batch.length }));
  });`;

const GPU_ENTRY = join(ROOT, 'dist', 'gpu.js');
const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
const isGlibc = report.header.glibcVersionRuntime !== undefined;
const PACKAGE = `@tinyquant/gpu-linux-${process.arch}-gnu`;

/** Runs a program, which must end by itself and without a word on stderr, and gives what it printed. */
async function outcome(script: string, env: NodeJS.ProcessEnv = {}) {
  const { code, signal, stdout, stderr } = await runNode(script, { env });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  const printed = JSON.parse(stdout);
  expect(printed).toMatchObject({ code: 'ERR_TQ_NATIVE_LOAD', length: 1000 });
  return printed;
}

describe('without a device', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinyquant-gpu-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A copy of the package without a GPU addon, or with the package of one; gives its entry point. */
  function copy(installed?: { version: string; bytes: Buffer }): string {
    cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
    mkdirSync(join(folder, 'native'));
    symlinkSync(join(ROOT, 'native', 'binding.cjs'), join(folder, 'native', 'binding.cjs'));
    if (installed !== undefined) {
      const path = join(folder, 'node_modules', PACKAGE);
      mkdirSync(path, { recursive: true });
      const manifest = { name: PACKAGE, version: installed.version, main: 'gpu.node' };
      writeFileSync(join(path, 'package.json'), JSON.stringify(manifest));
      writeFileSync(join(path, 'gpu.node'), installed.bytes);
      // Stands for the generated loader, which is only there where the addon was built.
      writeFileSync(join(folder, 'native', 'gpu.cjs'), `module.exports = require('${PACKAGE}');`);
    }
    return join(folder, 'dist', 'gpu.js');
  }

  /** An ELF file of which the end is missing. */
  function cut(): Buffer {
    const file = `tinyquant.linux-${process.arch}-${isGlibc ? 'gnu' : 'musl'}.node`;
    return readFileSync(join(ROOT, 'native', file)).subarray(0, 65_536);
  }

  it('an absent addon is an error that says what to install, and the CPU works', async () => {
    const { message, details } = await outcome(failing(copy()));
    if (details.expectedPackage === null) return;
    expect(message).toContain(`npm install ${details.expectedPackage}@${version()}`);
    expect(details.installedPackages).toEqual([]);
  });

  it('a file that is no GPU addon is named', async () => {
    for (const path of ['/nonexistent/gpu.node', join(ROOT, 'package.json')]) {
      const { details } = await outcome(failing(GPU_ENTRY), { TINYQUANT_GPU_PATH: path });
      expect(details.path).toBe(path);
    }
  });

  it.each([
    ["openGpu() {}, version: () => '0.0.1'", `the addon is of tinyquant 0.0.1, this package of ${version()}`],
    ['openGpu() {}', 'the file is an addon, but not that of tinyquant/gpu'],
    [`version: () => '${version()}'`, 'the file is an addon, but not that of tinyquant/gpu'],
  ])('an addon with %s is refused', async (exported, cause) => {
    const prelude = `process.dlopen = (target) => { target.exports = { ${exported} }; };`;
    const env = { TINYQUANT_GPU_PATH: join(folder, 'other.node') };
    const { message, details } = await outcome(failing(GPU_ENTRY, '', prelude), env);
    expect(details.causes).toEqual([cause]);
    expect(message).toContain(`it must be the GPU addon of tinyquant ${version()}`);
  });

  it.runIf(process.platform === 'linux')('a file that is cut short is refused before it is loaded', async () => {
    const path = join(folder, 'cut.node');
    writeFileSync(path, cut());
    const { details } = await outcome(failing(GPU_ENTRY), { TINYQUANT_GPU_PATH: path });
    expect(details.causes).toEqual([expect.stringContaining(`${path}: the file is cut short, 65536 bytes of`)]);
  });

  it.runIf(isGlibc)('a package that is installed and damaged is not asked for', async () => {
    for (const bytes of [cut(), Buffer.from('no library'), Buffer.alloc(0)]) {
      const { message, details } = await outcome(failing(copy({ version: version(), bytes })));
      expect(message).toContain(`${PACKAGE} is installed, but its file does not load: it is damaged`);
      expect(message).toContain('npm ci');
      expect(message).not.toContain('package of its own');
      expect(details.installedPackages).toEqual([`${PACKAGE}@${version()}`]);
      rmSync(join(folder, 'dist'), { recursive: true });
      rmSync(join(folder, 'native'), { recursive: true });
    }
  });

  it.runIf(isGlibc)('a package of another version is named, with the one to install', async () => {
    const { message } = await outcome(failing(copy({ version: '0.0.1', bytes: Buffer.from('no library') })));
    expect(message).toContain(`${PACKAGE} is installed in version 0.0.1, but this is tinyquant ${version()}`);
    expect(message).toContain(`npm install ${PACKAGE}@${version()}`);
  });

  it.runIf(isGlibc)('the package of the C library is found, whatever the generated loader asks for', async () => {
    const entry = copy({ version: version(), bytes: Buffer.from('stands for the addon') });
    writeFileSync(join(folder, 'native', 'gpu.cjs'), "require('@tinyquant/gpu-linux-none-musl');");
    const prelude = `process.dlopen = (target) => {
      const openGpu = () => Promise.reject(Object.assign(new Error('found'), { code: 'ERR_TQ_GPU' }));
      target.exports = { openGpu, version: () => '${version()}' };
    };`;
    const { stdout } = await runNode(failing(entry, '', prelude));
    expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_TQ_GPU', message: 'found' });
  });

  it('arguments are checked first', async () => {
    const create = (o: unknown) => () => GpuBackend.create(o as object);
    await rejection(create({ preference: 'gl' }), 'ERR_TQ_INVALID_ARG', { argument: 'preference' });
    await rejection(create({ prefer: 'auto' }), 'ERR_TQ_INVALID_ARG', { option: 'prefer' });
    await rejection(create({ maxMemory: 1000 }), 'ERR_TQ_INVALID_ARG', { argument: 'maxMemory' });
    await rejection(create({ maxMemory: 1e7 + 0.5 }), 'ERR_TQ_INVALID_ARG');
    failure(() => Reflect.construct(GpuBackend, []), 'ERR_TQ_INVALID_ARG');
    const { config, codebook, vectors } = setup(1);
    for (const backend of [{}, 5, null, 'gpu']) {
      const o = { backend: backend as unknown as BatchBackend };
      await rejection(() => codec.compressBatch(vectors, config, codebook, o), 'ERR_TQ_INVALID_ARG');
      const batch = codec.compressBatchSync(vectors, config, codebook);
      await rejection(() => codec.decompressBatch(batch, config, codebook, o), 'ERR_TQ_INVALID_ARG');
    }
  });

  it('a batch goes to a backend from its threshold on', async () => {
    const { config, codebook, vectors } = setup(20);
    const batch = codec.compressBatchSync(vectors, config, codebook);
    const calls: string[] = [];
    const backend: BatchBackend = {
      batchThreshold: 20,
      async compressBatch(rows, ...rest) {
        calls.push(`compress ${rows.length} ${rest.length}`);
        return batch;
      },
      async decompressBatch(given) {
        calls.push(`decompress ${(given as CompressedBatch).length}`);
        return vectors;
      },
    };
    const some = vectors.subarray(0, 19 * 64);
    await codec.compressBatch(some, config, codebook, { backend });
    await codec.decompressBatch(codec.compressBatchSync(some, config, codebook), config, codebook, { backend });
    expect(calls).toEqual([]);
    expect(await codec.compressBatch(vectors, config, codebook, { backend })).toBe(batch);
    expect(await codec.decompressBatch(batch, config, codebook, { backend })).toBe(vectors);
    const input = vectors.slice();
    await codec.compressBatch(input, config, codebook, { backend, transfer: true });
    expect(input).toHaveLength(0);
    expect(calls).toEqual([`compress ${20 * 64} 3`, 'decompress 20', `compress ${20 * 64} 3`]);
  });
});

if (HAS_DEVICE) {
  describeBackend('GpuBackend.asBackend()', {
    make: async (dim) => {
      const gpu = await GpuBackend.create({ preference: 'software' });
      return gpu.asBackend(new SearchIndex<string>({ dim, bits: 8, idType: 'string' }));
    },
    tolerance: 0.02,
    recall: 0.95,
  });
}

describe.runIf(HAS_DEVICE)('on a software device', () => {
  let gpu: GpuBackend;
  beforeAll(async () => {
    gpu = await GpuBackend.create({ preference: 'software' });
    await gpu.loadPipelines();
  });
  afterAll(() => gpu.close());

  /** Records of half-precision numbers in their order. */
  const steps = (batch: CompressedBatch, i: number): number[] => {
    const bytes = batch.at(i).residual() ?? new Uint8Array();
    return Array.from(new Uint16Array(bytes.slice().buffer), (half) => (half >= 0x8000 ? -1 - (half & 0x7fff) : half));
  };

  it('is described, and only asked for by name', async () => {
    expect(gpu.adapter).toMatchObject({ deviceType: 'software', backend: 'vulkan' });
    expect(gpu.limits.maxBindingSize).toBeGreaterThan(0);
    expect(gpu.batchThreshold).toBe(GPU_BATCH_THRESHOLD);
    expect(JSON.parse(JSON.stringify(gpu))).toMatchObject({ deviceType: 'software', maxMemory: 2 ** 30 });
    for (const preference of ['auto', 'vulkan', 'high-performance', 'low-power'] as const) {
      const error = await rejection(() => GpuBackend.create({ preference }), 'ERR_TQ_GPU', { kind: 'NoAdapter' });
      expect(error.message).toContain(gpu.adapter.name);
    }
  });

  it('that no driver shows is an error with the words of the loader, and the CPU works', async () => {
    const env = { VK_ICD_FILENAMES: '/nonexistent.json', VK_DRIVER_FILES: '/nonexistent.json' };
    const { stdout } = await runNode(failing(GPU_ENTRY, "{ preference: 'software' }"), { env });
    expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_TQ_GPU', details: { kind: 'NoAdapter' }, length: 1000 });
  });

  it.each([
    [2, false],
    [4, false],
    [8, false],
    [4, true],
    [8, true],
  ] as const)('compresses to %i bits, residual %s, as the CPU does', async (bitWidth, residualEnabled) => {
    const { config, codebook, vectors } = setup(600, { bitWidth, residualEnabled, dimension: 100 });
    const cpu = codec.compressBatchSync(vectors, config, codebook);
    const batch = await codec.compressBatch(vectors, config, codebook, { backend: gpu });
    expect(batch.length).toBe(600);
    for (let i = 0; i < 600; i++) {
      expect(batch.at(i).indices()).toEqual(cpu.at(i).indices());
      const [mine, theirs] = [steps(batch, i), steps(cpu, i)];
      expect(mine.every((step, j) => Math.abs(step - (theirs[j] ?? Number.NaN)) <= 1)).toBe(true);
    }
    if (!residualEnabled) expect(batch.toBytes()).toEqual(cpu.toBytes());
    const decoded = await codec.decompressBatch(cpu, config, codebook, { backend: gpu });
    const expected = codec.decompressBatchSync(cpu, config, codebook);
    const apart = decoded.map((value, i) => Math.abs(value - (expected[i] ?? 0)));
    expect(Math.max(...apart)).toBeLessThan(2e-6);
  });

  it('gives small batches to the CPU', async () => {
    const closed = await GpuBackend.create({ preference: 'software' });
    closed.close();
    const { config, codebook, vectors } = setup(GPU_BATCH_THRESHOLD);
    const few = vectors.subarray(64);
    const batch = await codec.compressBatch(few, config, codebook, { backend: closed });
    expect(batch.toBytes()).toEqual(codec.compressBatchSync(few, config, codebook).toBytes());
    await rejection(() => codec.compressBatch(vectors, config, codebook, { backend: closed }), 'ERR_TQ_CLOSED');
    await rejection(() => closed.loadPipelines(), 'ERR_TQ_CLOSED');
  });

  it('takes records with and without residuals', async () => {
    const { config, codebook, vectors } = setup(30);
    const batch = codec.compressBatchSync(vectors, config, codebook);
    const expected = codec.decompressBatchSync(batch, config, codebook);
    expect(await gpu.decompressBatch([...batch], config, codebook)).toHaveLength(expected.length);
    expect(await gpu.decompressBatch([], config, codebook)).toHaveLength(0);
    await rejection(() => gpu.decompressBatch([1] as never, config, codebook), 'ERR_TQ_INVALID_ARG');
    await rejection(() => gpu.decompressBatch(5 as never, config, codebook), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses what the CPU refuses', async () => {
    const { config, codebook, vectors } = setup(600);
    const bad = vectors.slice();
    bad[64 * 500 + 3] = Number.NaN;
    const backend = gpu;
    const details = { row: 500, column: 3 };
    await rejection(() => codec.compressBatch(bad, config, codebook, { backend }), 'ERR_TQ_NON_FINITE', details);
    const other = new CodecConfig({ bitWidth: 2, dimension: 64 });
    await rejection(() => gpu.compressBatch(vectors, other, codebook), 'ERR_TQ_CODEBOOK_MISMATCH');
    await rejection(() => gpu.compressBatch(vectors.subarray(1), config, codebook), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => gpu.compressBatch('rows' as never, config, codebook), 'ERR_TQ_INVALID_ARG');
    await rejection(() => gpu.compressBatch(vectors, {} as never, codebook), 'ERR_TQ_INVALID_ARG');
    const batch = codec.compressBatchSync(vectors, config, codebook);
    const seeded = new CodecConfig({ bitWidth: 4, dimension: 64, seed: 7 });
    await rejection(() => gpu.decompressBatch(batch, seeded, codebook), 'ERR_TQ_CONFIG_MISMATCH');
    expect(await gpu.compressBatch(new Float32Array(0), config, codebook)).toHaveLength(0);
  });

  it('reports progress, and stops in the middle', async () => {
    const small = await GpuBackend.create({ preference: 'software', maxMemory: 2 ** 20 });
    const { config, codebook, vectors } = setup(20_000, { residualEnabled: false });
    const seen: number[] = [];
    const batch = await small.compressBatch(vectors, config, codebook, { onProgress: ({ done }) => seen.push(done) });
    expect(batch.toBytes()).toEqual(codec.compressBatchSync(vectors, config, codebook).toBytes());
    expect(seen.at(-1)).toBe(20_000);
    const abort = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => abort.abort(reason), 20);
    const { signal } = abort;
    expect(await reasonOf(small.compressBatch(vectors, config, codebook, { signal }))).toBe(reason);
    expect(await reasonOf(small.compressBatch(vectors, config, codebook, { signal }))).toBe(reason);
    expect(small.memoryUsed).toBeLessThan(2 ** 20);
    expect(await small.compressBatch(vectors.subarray(0, 640), config, codebook)).toHaveLength(10);
    small.close();
  });

  it('out of its memory says so, and goes on', async () => {
    const small = await GpuBackend.create({ preference: 'software', maxMemory: 2 ** 20 });
    const { config, codebook, vectors } = setup(2, { dimension: 768, residualEnabled: false });
    await rejection(() => small.compressBatch(vectors, config, codebook), 'ERR_TQ_GPU', { kind: 'MemoryBound' });
    expect(codec.compressBatchSync(vectors, config, codebook)).toHaveLength(2);
    const fits = setup(100, { residualEnabled: false });
    const batch = await small.compressBatch(fits.vectors, fits.config, fits.codebook);
    expect(batch.toBytes()).toEqual(codec.compressBatchSync(fits.vectors, fits.config, fits.codebook).toBytes());
    small.close();
  });

  describe('a corpus', () => {
    const ids = Array.from({ length: 1500 }, (_, i) => `v${i}`);
    const filled = (bitWidth: 2 | 4 | 8, residualEnabled: boolean): Corpus => {
      const { config, codebook, vectors } = setup(1500, { bitWidth, residualEnabled, dimension: 48 });
      const corpus = new Corpus({
        corpusId: 'searched',
        codecConfig: config,
        codebook,
        compressionPolicy: CompressionPolicy.COMPRESS,
      });
      // Every tenth vector is the first one, and one is zero.
      const at = (i: number): Float32Array => row(vectors, i % 10 === 0 ? 0 : i, 48);
      corpus.insertBatch(ids.map((id, i) => [id, i === 3 ? new Float32Array(48) : at(i)] as const));
      for (const id of ['v11', 'v700', 'v1499']) corpus.remove(id);
      return corpus;
    };
    const queries = normals(6 * 48, 5);
    queries.set(normals(48), 0);
    queries.fill(0, 48, 96);

    it.each([
      [2, false],
      [4, true],
      [8, false],
    ] as const)('of %i bits, residual %s, is found through as on the CPU', async (bits, residual) => {
      const corpus = filled(bits, residual);
      const prepared = await gpu.prepare(corpus);
      expect(prepared.toJSON()).toMatchObject({ size: 1497, dimension: 48 });
      for (const k of [1, 10, 200, 5000]) {
        expect(await gpu.search(prepared, queries, { k })).toEqual(await corpus.searchBatch(queries, k));
      }
      expect(await gpu.search(prepared, [], { k: 1 })).toEqual([]);
      prepared.close();
    });

    it('can be left in the middle of preparing and searching', async () => {
      const corpus = filled(4, true);
      const used = gpu.memoryUsed;
      const { config, codebook, vectors } = setup(600);
      const reason = new Error('enough');
      const leave = async (call: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
        const abort = new AbortController();
        // One call after another: this one is still at work when the next has begun.
        const before = gpu.compressBatch(vectors, config, codebook);
        const pending = reasonOf(call(abort.signal));
        await Promise.resolve();
        abort.abort(reason);
        expect(await pending).toBe(reason);
        await before;
      };
      await leave((signal) => gpu.prepare(corpus, { signal }));
      expect(gpu.memoryUsed - used).toBeLessThan(1497 * 48);
      const prepared = await gpu.prepare(corpus);
      await leave((signal) => gpu.search(prepared, queries, { k: 3, signal }));
      // Thousands of queries are many submissions.
      const many = normals(4000 * 48, 6);
      const abort = new AbortController();
      setTimeout(() => abort.abort(reason), 10);
      expect(await reasonOf(gpu.search(prepared, many, { k: 3, signal: abort.signal }))).toBe(reason);
      expect(await gpu.search(prepared, queries, { k: 3 })).toEqual(await corpus.searchBatch(queries, 3));
      prepared.close();
    });

    it('belongs to the backend that it was prepared by, and is gone when that is closed', async () => {
      const corpus = filled(2, false);
      const other = await GpuBackend.create({ preference: 'software' });
      const prepared = await other.prepare(corpus);
      await rejection(() => gpu.search(prepared, queries, { k: 1 }), 'ERR_TQ_INVALID_ARG', { argument: 'prepared' });
      expect(await other.search(prepared, queries, { k: 1 })).toHaveLength(6);
      other.close();
      await rejection(() => other.search(prepared, queries, { k: 1 }), 'ERR_TQ_CLOSED');
      await rejection(() => other.prepare(corpus), 'ERR_TQ_CLOSED');
      failure(() => other.memoryUsed, 'ERR_TQ_CLOSED');
      prepared.close();
    });

    it('stays what it was when it was prepared', async () => {
      const corpus = filled(4, false);
      const before = await corpus.searchBatch(queries, 5);
      const prepared = await gpu.prepare(corpus);
      corpus.remove('v0');
      corpus.insertBatch([['new', row(queries, 0, 48)]]);
      expect(await gpu.search(prepared, queries, { k: 5 })).toEqual(before);
      const used = gpu.memoryUsed;
      prepared.close();
      await rejection(() => gpu.search(prepared, queries, { k: 5 }), 'ERR_TQ_CLOSED');
      const again: PreparedCorpus<SearchResult[]> = await gpu.prepare(corpus);
      expect(gpu.memoryUsed).toBeLessThan(used + again.bytes);
      expect(await gpu.search(again, queries, { k: 5 })).toEqual(await corpus.searchBatch(queries, 5));
      again.close();
    });

    it('that does not fit, and searches that do not, are refused', async () => {
      const corpus = filled(8, false);
      const small = await GpuBackend.create({ preference: 'software', maxMemory: 2 ** 20 });
      const large = setup(20_000, { bitWidth: 8, residualEnabled: false });
      const codes = new Corpus({
        corpusId: 'large',
        codecConfig: large.config,
        codebook: large.codebook,
        compressionPolicy: CompressionPolicy.COMPRESS,
      });
      codes.insertBatch(Array.from({ length: 20_000 }, (_, i) => [`${i}`, row(large.vectors, i, 64)] as const));
      await rejection(() => small.prepare(codes), 'ERR_TQ_GPU', { kind: 'MemoryBound' });
      expect(await codes.search(row(large.vectors, 7, 64), 1)).toMatchObject([{ vectorId: '7' }]);
      small.close();
      const plain = new Corpus({
        corpusId: 'plain',
        codecConfig: corpus.codecConfig,
        codebook: corpus.codebook,
        compressionPolicy: CompressionPolicy.FP16,
      });
      await rejection(() => gpu.prepare(plain), 'ERR_TQ_POLICY');
      await rejection(() => gpu.prepare({} as never), 'ERR_TQ_INVALID_ARG');
      const prepared = await gpu.prepare(corpus);
      await rejection(() => gpu.search(prepared, queries, { k: 0 }), 'ERR_TQ_INVALID_ARG');
      await rejection(() => gpu.search(prepared, queries, {} as never), 'ERR_TQ_INVALID_ARG');
      await rejection(() => gpu.search({} as never, queries, { k: 1 }), 'ERR_TQ_INVALID_ARG');
      await rejection(() => gpu.search(prepared, queries.subarray(1), { k: 1 }), 'ERR_TQ_DIM_MISMATCH');
      const bad = queries.slice();
      bad[50] = Number.POSITIVE_INFINITY;
      const where = { row: 1, column: 2 };
      await rejection(() => gpu.search(prepared, bad, { k: 1 }), 'ERR_TQ_NON_FINITE', where);
      const signal = AbortSignal.abort('no');
      expect(await reasonOf(gpu.search(prepared, queries, { k: 1, signal }))).toBe('no');
      expect(await reasonOf(gpu.prepare(corpus, { signal }))).toBe('no');
      const empty = await gpu.prepare(new Corpus({ ...plainOptions(corpus), corpusId: 'empty' }));
      expect(await gpu.search(empty, queries, { k: 3 })).toEqual([[], [], [], [], [], []]);
      prepared.close();
    });

    const plainOptions = ({ codecConfig, codebook }: Corpus) => ({
      codecConfig,
      codebook,
      compressionPolicy: CompressionPolicy.COMPRESS,
    });
  });

  describe('an index', () => {
    const vectors = normals(3000 * 80, 9);
    vectors.copyWithin(0, 80 * 40, 80 * 41);
    const queries = vectors.slice(0, 4 * 80);

    it.each([1, 2, 3, 4, 8] as const)('of %i bits is found through as on the CPU', async (bits) => {
      for (const metric of ['cosine', 'dot', 'l2'] as const) {
        const index = await SearchIndex.build(vectors, { dim: 80, bits, metric, partitions: 8 });
        await index.add(normals(80 * 5, 4));
        index.remove([5, 7, 2999]);
        const prepared = await gpu.prepare(index);
        for (const k of [1, 20]) {
          const hits = await gpu.search(prepared, queries, { k });
          const cpu = await index.searchBatch(queries, { k, exact: true, rescore: false });
          expect(hits.map((each) => each.toJSON())).toEqual(cpu.map((each) => each.toJSON()));
        }
        prepared.close();
      }
    });

    it('that keeps its vectors orders the best by them', async () => {
      const ids = Array.from({ length: 3000 }, (_, i) => `n${i}`);
      const index = await SearchIndex.build(vectors, { dim: 80, bits: 2, originals: 'f32', ids });
      const prepared = await gpu.prepare(index);
      const [mine] = await gpu.search(prepared, queries.subarray(0, 80), { k: 5 });
      const [exact] = await index.searchBatch(queries.subarray(0, 80), { k: 3000, exact: true });
      const scores = new Map(exact?.toJSON().map(({ id, score }) => [id, score]));
      expect(mine?.toJSON().map(({ id, score }) => score === scores.get(id))).toEqual([true, true, true, true, true]);
      expect(mine?.scores).toEqual(mine?.scores.slice().sort().reverse());
      expect(mine?.ids.slice(0, 2)).toEqual(['n0', 'n40']);
      await rejection(() => gpu.search(prepared, [new Float32Array(79)], { k: 1 }), 'ERR_TQ_DIM_MISMATCH');
      index.close();
      expect(await gpu.search(prepared, queries.subarray(0, 80), { k: 5 })).toHaveLength(1);
      await rejection(() => gpu.prepare(index), 'ERR_TQ_CLOSED');
      prepared.close();
    });
  });

  it('searches an index as a backend: its codes after each write, and the device is not closed with it', async () => {
    const { vectors } = setup(40);
    const rows = (from: number, to: number): [string, Float32Array][] =>
      Array.from({ length: to - from }, (_, i) => [
        `n${from + i}`,
        vectors.slice((from + i) * 64, (from + i + 1) * 64),
      ]);
    const index = new SearchIndex<string>({ dim: 64, bits: 4, idType: 'string' });
    const own = await GpuBackend.create({ preference: 'software' });
    const backend = own.asBackend(index);
    for (const until of [20, 40]) {
      await backend.ingest(rows(until - 20, until));
      const query = vectors.slice(5 * 64, 6 * 64);
      const exact = await index.search(query, { k: 7, exact: true });
      const expected = exact.toJSON().map(({ id, score }) => ({ vectorId: id, score }));
      expect(await backend.search(query, 7)).toEqual(expected);
    }
    const used = own.memoryUsed;
    expect(used).toBeGreaterThan(0);
    const stop = new Error('enough');
    for (let i = 0; i < 3; i++) {
      await rejection(() => backend.search(new Float32Array(64).fill(Number.NaN), 1), 'ERR_TQ_NON_FINITE');
      expect(await reasonOf(backend.search(vectors.slice(0, 64), 1, { signal: AbortSignal.abort(stop) }))).toBe(stop);
      expect(own.memoryUsed).toBe(used);
    }
    await backend.close();
    await rejection(() => backend.search(vectors.slice(0, 64), 1), 'ERR_TQ_CLOSED');
    await expect.poll(() => own.memoryUsed).toBe(0);

    const left = own.asBackend(new SearchIndex<string>({ dim: 64, idType: 'string' }));
    await left.ingest(rows(0, 3));
    own.close();
    await rejection(() => left.search(vectors.slice(0, 64), 1), 'ERR_TQ_CLOSED');
    expect(await left.count()).toBe(3);
    failure(() => own.asBackend(new SearchIndex({ dim: 2 })), 'ERR_TQ_CLOSED');
    failure(() => gpu.asBackend({} as SearchIndex), 'ERR_TQ_INVALID_ARG', { argument: 'index' });
  });

  it('is given back by close, and a backend made after it works', async () => {
    const other = await GpuBackend.create({ preference: 'software' });
    const { config, codebook, vectors } = setup(600);
    const pending = other.compressBatch(vectors, config, codebook);
    other.close();
    other.close();
    expect(await pending).toHaveLength(600);
    expect(Codebook.fromBytes(codebook.toBytes()).entries()).toEqual(codebook.entries());
    expect(await gpu.compressBatch(vectors, config, codebook)).toHaveLength(600);
  });
});
