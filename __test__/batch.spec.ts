import { afterAll, describe, expect, it } from 'vitest';
import { Codebook, Codec, CodecConfig, CompressedBatch, type VectorRows } from '../index.js';
import { binding, supportedLevels } from './helpers/binding.js';
import { runNode } from './helpers/child.js';
import { normals, setup } from './helpers/data.js';
import { failure, rejection } from './helpers/failure.js';
import { sha256, toBits, toHex } from './helpers/golden.js';

const codec = new Codec();
const { config, codebook, vectors } = setup(300);
const batch = codec.compressBatchSync(vectors, config, codebook);

function rowsOf(count: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) => vectors.slice(i * 64, (i + 1) * 64));
}

/** Both forms of a batch call, so that every check covers both. */
async function bothFail(input: unknown, code: Parameters<typeof failure>[1], details: object = {}): Promise<void> {
  failure(() => codec.compressBatchSync(input as VectorRows, config, codebook), code, details);
  await rejection(() => codec.compressBatch(input as VectorRows, config, codebook), code, details);
}

describe('compressBatch', () => {
  it('gives the bytes of single calls, in order', async () => {
    const single = rowsOf(300).map((vector) => toHex(codec.compress(vector, config, codebook).toBytes()));
    const awaited = await codec.compressBatch(vectors, config, codebook);
    expect([...batch].map((record) => toHex(record.toBytes()))).toEqual(single);
    expect([...awaited].map((record) => toHex(record.toBytes()))).toEqual(single);
    expect(toHex(batch.toBytes())).toBe(single.join(''));
  });

  it('takes every form of rows', async () => {
    const expected = sha256(batch.toBytes());
    const shared = new Float32Array(new SharedArrayBuffer(vectors.byteLength));
    shared.set(vectors);
    const padded = new Float32Array(vectors.length + 3);
    padded.set(vectors, 3);
    const forms: VectorRows[] = [
      rowsOf(300),
      rowsOf(300).map((vector) => Array.from(vector)),
      rowsOf(300).map((vector, i) => (i % 2 === 0 ? vector : Array.from(vector))),
      shared,
      padded.subarray(3),
    ];
    for (const form of forms) {
      expect(sha256(codec.compressBatchSync(form, config, codebook).toBytes())).toBe(expected);
      expect(sha256((await codec.compressBatch(form, config, codebook)).toBytes())).toBe(expected);
    }
  });

  it('is not affected by writes after the call', async () => {
    const input = vectors.slice();
    const pending = codec.compressBatch(input, config, codebook);
    input.fill(Number.NaN);
    expect(sha256((await pending).toBytes())).toBe(sha256(batch.toBytes()));
    const rows = rowsOf(300);
    const second = codec.compressBatch(rows, config, codebook);
    for (const row of rows) row.fill(0);
    expect(sha256((await second).toBytes())).toBe(sha256(batch.toBytes()));
  });

  it('takes over an array on transfer', async () => {
    const input = vectors.slice();
    const pending = codec.compressBatch(input, config, codebook, { transfer: true });
    expect(input).toHaveLength(0);
    expect(input.buffer.byteLength).toBe(0);
    expect(sha256((await pending).toBytes())).toBe(sha256(batch.toBytes()));
    await rejection(() => codec.compressBatch(input, config, codebook), 'ERR_TQ_INVALID_ARG');
  });

  it('copies on transfer what Node.js cannot move', async () => {
    const decoded = await codec.decompressBatch(batch, config, codebook);
    const expected = codec.compressBatchSync(decoded, config, codebook);
    const again = codec.compressBatch(decoded, config, codebook, { transfer: true });
    expect(sha256((await again).toBytes())).toBe(sha256(expected.toBytes()));
  });

  it('transfers only what it can take whole', async () => {
    const part = vectors.slice().subarray(64);
    const shared = new Float32Array(new SharedArrayBuffer(256));
    for (const input of [part, shared, rowsOf(2)]) {
      await rejection(() => codec.compressBatch(input, config, codebook, { transfer: true }), 'ERR_TQ_INVALID_ARG');
    }
    expect(part).toHaveLength(299 * 64);
    const odd = vectors.slice(0, 65);
    await rejection(() => codec.compressBatch(odd, config, codebook, { transfer: true }), 'ERR_TQ_DIM_MISMATCH');
    expect(odd).toHaveLength(65);
    await rejection(
      () => codec.compressBatch(vectors, config, codebook, { transfer: 1 as never }),
      'ERR_TQ_INVALID_ARG',
      { argument: 'transfer' },
    );
  });

  it('takes an empty batch', async () => {
    for (const empty of [new Float32Array(0), []]) {
      const sync = codec.compressBatchSync(empty, config, codebook);
      expect(sync).toMatchObject({ length: 0, sizeBytes: 0 });
      expect([...sync]).toEqual([]);
      expect(sync.toBytes()).toHaveLength(0);
      const awaited = await codec.compressBatch(empty, config, codebook);
      expect(awaited.length).toBe(0);
      expect(await codec.decompressBatch(awaited, config, codebook)).toHaveLength(0);
    }
    expect(await codec.decompressBatch([], config, codebook)).toHaveLength(0);
  });

  it('names the row and column of a NaN', async () => {
    const bad = vectors.slice();
    bad[7 * 64 + 3] = Number.NaN;
    await bothFail(bad, 'ERR_TQ_NON_FINITE', { row: 7, column: 3, value: 'NaN' });
  });

  it('names the row of a residual beyond half precision', async () => {
    const bad = vectors.slice();
    bad.fill(1e6, 9 * 64, 10 * 64);
    await bothFail(bad, 'ERR_TQ_LIMIT', { row: 9 });
  });

  it('refuses wrong shapes', async () => {
    const short = rowsOf(4);
    short[2] = new Float32Array(63);
    await bothFail(vectors.slice(0, 130), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 2, row: 2 });
    await bothFail(short, 'ERR_TQ_DIM_MISMATCH', { row: 2, expected: 64, got: 63 });
    await bothFail(new Float64Array(64), 'ERR_TQ_INVALID_ARG', { argument: 'vectors' });
    await bothFail([rowsOf(1)[0], new Float64Array(64)], 'ERR_TQ_INVALID_ARG', { row: 1 });
    await bothFail([1, 2, 3], 'ERR_TQ_INVALID_ARG', { row: 0 });
    await bothFail([rowsOf(1)[0], undefined], 'ERR_TQ_INVALID_ARG', { row: 1 });
    await bothFail(undefined, 'ERR_TQ_INVALID_ARG');
    await bothFail('rows', 'ERR_TQ_INVALID_ARG');
    await bothFail(new Set(rowsOf(2)), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses mismatched and foreign handles', async () => {
    const narrow = Codebook.fromEntries([1, 2, 3, 4], 2);
    failure(() => codec.compressBatchSync(vectors, config, narrow), 'ERR_TQ_CODEBOOK_MISMATCH', {
      expected: 4,
      got: 2,
    });
    await rejection(() => codec.compressBatch(vectors, config, narrow), 'ERR_TQ_CODEBOOK_MISMATCH');
    await rejection(() => codec.compressBatch(vectors, {} as CodecConfig, codebook), 'ERR_TQ_INVALID_ARG');
    await rejection(
      () => codec.decompressBatch(batch, config, Object.create(Codebook.prototype) as Codebook),
      'ERR_TQ_INVALID_ARG',
    );
  });

  it('refuses unknown options', async () => {
    const start = (o: object) => () => codec.compressBatch(vectors, config, codebook, o as never);
    await rejection(start({ onprogress() {} }), 'ERR_TQ_INVALID_ARG', { suggestion: 'onProgress' });
    await rejection(start({ device: {} }), 'ERR_TQ_INVALID_ARG', { option: 'device' });
    await rejection(start({ signal: 'x' }), 'ERR_TQ_INVALID_ARG', { argument: 'signal' });
    await rejection(start({ onProgress: 5 }), 'ERR_TQ_INVALID_ARG', { argument: 'onProgress' });
    await rejection(
      () => codec.decompressBatch(batch, config, codebook, { transfer: true } as never),
      'ERR_TQ_INVALID_ARG',
      { option: 'transfer' },
    );
  });
});

describe('decompressBatch', () => {
  it('gives the values of single calls', async () => {
    const single = [...batch].flatMap((record) => toBits(codec.decompress(record, config, codebook)));
    expect(toBits(codec.decompressBatchSync(batch, config, codebook))).toEqual(single);
    expect(toBits(await codec.decompressBatch(batch, config, codebook))).toEqual(single);
    const records = [...batch].reverse();
    const reversed = await codec.decompressBatch(records, config, codebook);
    expect(toBits(reversed.slice(0, 64))).toEqual(single.slice(-64));
    expect(toBits(codec.decompressBatchSync(records, config, codebook))).toEqual(toBits(reversed));
  });

  it('refuses what is neither a batch nor records', async () => {
    for (const input of [undefined, {}, batch.at(0), batch.toBytes(), Object.create(CompressedBatch.prototype)]) {
      failure(() => codec.decompressBatchSync(input as never, config, codebook), 'ERR_TQ_INVALID_ARG');
      await rejection(() => codec.decompressBatch(input as never, config, codebook), 'ERR_TQ_INVALID_ARG');
    }
  });

  it('refuses records of another configuration', async () => {
    const other = new CodecConfig({ bitWidth: 4, dimension: 64, seed: 1 });
    const mixed = [batch.at(0), codec.compress(vectors.slice(0, 64), other, codebook)];
    await rejection(() => codec.decompressBatch(batch, other, codebook), 'ERR_TQ_CONFIG_MISMATCH');
    await rejection(() => codec.decompressBatch(mixed, config, codebook), 'ERR_TQ_CONFIG_MISMATCH');
    failure(() => codec.decompressBatchSync(mixed, config, codebook), 'ERR_TQ_CONFIG_MISMATCH');
  });
});

describe('CompressedBatch', () => {
  it('goes through bytes', () => {
    const bytes = batch.toBytes();
    const back = CompressedBatch.fromBytes(bytes);
    expect(back).toMatchObject({ length: 300, sizeBytes: batch.sizeBytes });
    expect(toHex(back.toBytes())).toBe(toHex(bytes));
    expect(CompressedBatch.fromBytes(new Uint8Array(0)).length).toBe(0);
  });

  it('refuses cut, mixed and other bytes', () => {
    const bytes = batch.toBytes();
    for (const cut of [1, 70, 234, bytes.length - 1]) {
      failure(() => CompressedBatch.fromBytes(bytes.slice(0, cut)), 'ERR_TQ_TRUNCATED');
    }
    const other = new CodecConfig({ bitWidth: 4, dimension: 64, seed: 1 });
    const foreign = codec.compress(vectors.slice(0, 64), other, codebook).toBytes();
    failure(() => CompressedBatch.fromBytes(Buffer.concat([bytes, foreign])), 'ERR_TQ_FORMAT');
    failure(() => CompressedBatch.fromBytes([] as never), 'ERR_TQ_INVALID_ARG');
  });

  it('is indexed from 0 to length - 1', () => {
    expect(toHex(batch.at(299).toBytes())).toBe(toHex(batch.toBytes().slice(-batch.toBytes().length / 300)));
    for (const index of [-1, 300, 1.5, Number.NaN, '0', undefined]) {
      failure(() => batch.at(index as number), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => CompressedBatch.fromBytes(new Uint8Array(0)).at(0), 'ERR_TQ_INVALID_ARG');
  });

  it('can be walked more than once, and in parts', () => {
    const [head] = batch;
    expect(toHex((head as { toBytes(): Uint8Array }).toBytes())).toBe(toHex(batch.at(0).toBytes()));
    expect([...batch]).toHaveLength(300);
    expect([...batch]).toHaveLength(300);
  });
});

describe('every level of the processor', () => {
  afterAll(() => {
    binding.setSimdLevel(null);
  });
  const levels = supportedLevels();

  it('knows at least the scalar one', () => {
    expect(levels).toContain('scalar');
  });

  it.each(levels)('%s gives the same bytes and scores', async (level) => {
    const odd = new CodecConfig({ bitWidth: 2, dimension: 37, seed: 9 });
    const sample = normals(37 * 50, 3);
    const digest = async () => {
      const trained = Codebook.train(sample, odd, { method: 'lloyd-max' });
      const compressed = await codec.compressBatch(sample, odd, trained);
      return [
        sha256(trained.entries()),
        sha256(compressed.toBytes()),
        sha256(await codec.decompressBatch(compressed, odd, trained)),
        sha256(codec.compressBatchSync(vectors, config, codebook).toBytes()),
        sha256(codec.decompressBatchSync(batch, config, codebook)),
      ];
    };
    binding.setSimdLevel('scalar');
    const expected = await digest();
    expect(binding.setSimdLevel(level)).toBe(level);
    expect(await digest()).toEqual(expected);
  });
});

describe('every level and thread count, in a process of its own', () => {
  const script = `
    const { createHash } = require('node:crypto');
    const { Codec, CodecConfig, Codebook, RotationMatrix, simdLevel } = require('./index.js');
    const config = new CodecConfig({ bitWidth: 4, dimension: 203, seed: 5 });
    const vectors = Float32Array.from({ length: 300 * 203 }, (_, i) => Math.sin(i * i * 0.37));
    const codebook = Codebook.train(vectors, config, { method: 'lloyd-max' });
    const hash = createHash('sha256').update(RotationMatrix.fromConfig(config).toArray()).update(codebook.toBytes());
    new Codec().compressBatch(vectors, config, codebook).then((batch) => {
      hash.update(batch.toBytes());
      console.log(simdLevel(), hash.digest('hex'));
    });`;
  const run = async (env: NodeJS.ProcessEnv): Promise<string[]> => {
    const { stdout, stderr } = await runNode(script, { env });
    expect(stderr).toBe('');
    return stdout.trim().split(' ');
  };

  it('gives the same matrix, codebook and records', async () => {
    const [, expected] = await run({});
    for (const level of supportedLevels()) {
      expect(await run({ TINYQUANT_SIMD: level })).toEqual([level, expected]);
    }
    for (const threads of ['1', '3', '8']) expect((await run({ TINYQUANT_THREADS: threads }))[1]).toBe(expected);
  });
});

describe('the event loop', () => {
  it('stays free during an asynchronous batch', async () => {
    const big = setup(3000, { dimension: 512, seed: 11 });
    let longest = 0;
    let ticks = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      ticks++;
    }, 1);
    const started = performance.now();
    const compressed = await codec.compressBatch(big.vectors, big.config, big.codebook);
    await codec.decompressBatch(compressed, big.config, big.codebook);
    const took = performance.now() - started;
    clearInterval(timer);
    // Copying the input blocks for a moment; the work itself must not.
    expect(ticks).toBeGreaterThan(5);
    expect(longest).toBeLessThan(Math.max(150, took / 2));
  });
});
