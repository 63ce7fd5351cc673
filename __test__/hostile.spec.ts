import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  BruteForceBackend,
  Codebook,
  Codec,
  CodecConfig,
  CompressedBatch,
  CompressedVector,
  CompressionPolicy,
  Corpus,
  type CorpusOptions,
  CorpusWriter,
  compress,
  decompress,
  RotationMatrix,
  TqcvReader,
  TqcvWriter,
  VectorEntry,
} from '../index.js';
import { setup } from './helpers/data.js';
import { failure, rejection } from './helpers/failure.js';
import { sha256 } from './helpers/golden.js';

const codec = new Codec();
const { config, codebook, vectors } = setup(6, { dimension: 8 });
const row = (i: number): Float32Array => vectors.slice(i * 8, i * 8 + 8);
const options: CorpusOptions = {
  corpusId: 'c',
  codecConfig: config,
  codebook,
  compressionPolicy: CompressionPolicy.PASSTHROUGH,
};

describe('typed arrays that are not what they say', () => {
  class Liar extends Float32Array {
    override get length(): number {
      return 8;
    }
  }
  const long = Liar.from(vectors.subarray(0, 16));
  const short = Liar.from([1, 2]);

  it('are measured, not asked', async () => {
    for (const [array, got] of [
      [long, 16],
      [short, 2],
    ] as const) {
      failure(() => compress(array, config, codebook), 'ERR_TQ_DIM_MISMATCH', { got });
      failure(() => codec.compressBatchSync([array, row(0)], config, codebook), 'ERR_TQ_DIM_MISMATCH', { got, row: 0 });
      failure(() => codec.compressBatchSync([row(0), array], config, codebook), 'ERR_TQ_DIM_MISMATCH', { got, row: 1 });
      failure(() => new Corpus(options).insertBatch({ a: array }), 'ERR_TQ_DIM_MISMATCH', { got });
    }
    const totals: number[] = [];
    const onProgress = ({ total }: { total: number }) => totals.push(total);
    const batch = await codec.compressBatch(long, config, codebook, { onProgress });
    expect(batch.length).toBe(2);
    expect(totals.at(-1)).toBe(2);
  });

  it('are read past properties of their own', async () => {
    const array = row(0);
    const expected = sha256(compress(row(0), config, codebook).toBytes());
    Object.defineProperties(array, {
      length: { value: 4 },
      byteLength: { value: 0 },
      buffer: { value: new SharedArrayBuffer(8) },
      subarray: { value: () => [] },
    });
    expect(sha256(compress(array, config, codebook).toBytes())).toBe(expected);
    expect(sha256(codec.compressBatchSync([array], config, codebook).toBytes())).toBe(expected);
    const batch = await codec.compressBatch(array, config, codebook, { transfer: true });
    expect(sha256(batch.toBytes())).toBe(expected);
  });

  it('are refused when their buffer has shrunk', () => {
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      o: object,
    ) => ArrayBuffer & { resize(n: number): void };
    const buffer = new Resizable(64, { maxByteLength: 64 });
    const array = new Float32Array(buffer, 32, 8);
    array.set(row(0));
    expect(compress(array, config, codebook).toBytes()).toEqual(compress(row(0), config, codebook).toBytes());
    const bytes = new Uint8Array(buffer, 44, 4);
    buffer.resize(40);
    for (const call of [
      () => compress(array, config, codebook),
      () => codec.compressBatchSync(array, config, codebook),
      () => codec.compressBatchSync([array], config, codebook),
      () => new BruteForceBackend().ingest({ a: array }),
      () => CompressedBatch.fromBytes(bytes),
    ]) {
      expect(failure(call, 'ERR_TQ_INVALID_ARG').message).toMatch(/detached/);
    }
  });
});

describe('a transferred array', () => {
  it('stays the caller’s when configuration and codebook do not fit', async () => {
    const array = vectors.slice();
    const wrong = setup(1, { dimension: 8, bitWidth: 2 }).codebook;
    const kind = 'CodebookIncompatible';
    await rejection(() => codec.compressBatch(array, config, wrong, { transfer: true }), 'ERR_TQ_CODEBOOK_MISMATCH', {
      kind,
    });
    expect(array).toEqual(vectors);
  });
});

describe('options', () => {
  it('are objects, not what belongs into them', async () => {
    const { signal } = new AbortController();
    for (const given of [signal, new Map([['signal', signal]]), new Date(), Promise.resolve({}), [signal], null]) {
      await rejection(() => codec.compressBatch(vectors, config, codebook, given as object), 'ERR_TQ_INVALID_ARG', {
        argument: 'compressBatch options',
      });
      failure(() => Codebook.train(vectors, config, given as object), 'ERR_TQ_INVALID_ARG');
    }
  });

  it('may have getters, also inherited ones, which run once', () => {
    let reads = 0;
    const other = new CodecConfig({ bitWidth: 4, dimension: 4 });
    class Given {
      corpusId = 'c';
      codebook = codebook;
      compressionPolicy = CompressionPolicy.PASSTHROUGH;
      get codecConfig(): CodecConfig {
        return reads++ === 0 ? config : other;
      }
    }
    const corpus = new Corpus(new Given());
    expect(reads).toBe(1);
    expect(corpus.codecConfig).toBe(config);
    corpus.insert('a', row(0));
    expect(corpus.decompressAll()).toEqual({ __proto__: null, a: row(0) });
    expect(new CodecConfig(config).configHash).toBe(config.configHash);
    expect(CodecConfig.fromJSON(config).configHash).toBe(config.configHash);
  });

  it('with an unknown name are told which there are', () => {
    const { message } = failure(
      () => new CodecConfig({ bitWidth: 4, dimension: 8, bits: 4 } as never),
      'ERR_TQ_INVALID_ARG',
      { option: 'bits' },
    );
    expect(message).toBe(
      'unknown option "bits" in CodecConfig options (known: bitWidth, dimension, seed, residualEnabled)',
    );
  });

  it('name a bad bit width or dimension as TinyQuant does', () => {
    for (const bitWidth of [0, 1, 3, 16, -4, 4.5, '4', 4n, null, undefined]) {
      const { message } = failure(
        () => new CodecConfig({ bitWidth: bitWidth as 4, dimension: 8 }),
        'ERR_TQ_INVALID_ARG',
        { kind: 'UnsupportedBitWidth', argument: 'bitWidth' },
      );
      expect(message).toMatch(/^bitWidth must be 2, 4 or 8, got /);
      failure(() => Codebook.fromEntries([1, 2, 3, 4], bitWidth as 4), 'ERR_TQ_INVALID_ARG', {
        kind: 'UnsupportedBitWidth',
      });
    }
    for (const dimension of [-1, 1.5, 2 ** 32 + 8, '8', 8n]) {
      failure(() => new CodecConfig({ bitWidth: 4, dimension: dimension as 8 }), 'ERR_TQ_INVALID_ARG', {
        kind: 'InvalidDimension',
      });
    }
  });
});

describe('vectors by id', () => {
  it('are not the keys of just any object', () => {
    const corpus = new Corpus(options);
    corpus.insert('a', row(0));
    const sources = [Promise.resolve({ b: row(1) }), new Date(), corpus, new WeakMap(), new Error('no'), config, /a/];
    for (const source of sources) {
      failure(() => corpus.insertBatch(source as never), 'ERR_TQ_INVALID_ARG', { argument: 'vectors' });
      failure(() => new BruteForceBackend().ingest(source as never), 'ERR_TQ_INVALID_ARG', { argument: 'vectors' });
    }
    expect([...corpus.vectorIds]).toEqual(['a']);
  });

  it('come from objects and maps of other realms too', () => {
    const corpus = new Corpus(options);
    corpus.insertBatch(runInNewContext('({ a: v })', { v: row(0) }));
    const metadata = runInNewContext('new Map([["b", { x: 1 }]])');
    corpus.insertBatch(runInNewContext('new Map([["b", v]])', { v: row(1) }), metadata);
    expect([...corpus.vectorIds]).toEqual(['a', 'b']);
    expect(corpus.get('b').metadata).toEqual({ x: 1 });
  });
});

describe('a value of the wrong kind', () => {
  const throwing = new Proxy(
    {},
    {
      get() {
        throw new Error('trap');
      },
    },
  );

  it('is described whatever it is', () => {
    const odd = () => undefined;
    Object.defineProperty(odd, 'name', { value: Symbol('odd') });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [throwing, proxy, odd, new Proxy(config, {}), Object.create(CodecConfig.prototype)]) {
      failure(() => compress(row(0), value as CodecConfig, codebook), 'ERR_TQ_INVALID_ARG', { argument: 'config' });
    }
    failure(() => compress(odd as never, config, codebook), 'ERR_TQ_INVALID_ARG', { got: 'function' });
  });

  it('as the object of a method is an argument like any other', async () => {
    const classes = [
      CodecConfig,
      Codebook,
      RotationMatrix,
      CompressedVector,
      CompressedBatch,
      CompressionPolicy,
      Corpus,
      CorpusWriter,
      TqcvReader,
      TqcvWriter,
      VectorEntry,
      BruteForceBackend,
    ];
    for (const { prototype } of classes) {
      for (const name of Reflect.ownKeys(prototype).filter((key) => key !== 'constructor')) {
        const { get, value } = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
        for (const self of [undefined, null, 1, {}, throwing, prototype]) {
          const run = async () => {
            const result: unknown = Reflect.apply(get ?? value, self, ['a', row(0)]);
            // A generator checks when it is asked for its first item.
            return result instanceof Promise ? result : (result as Iterator<unknown>).next();
          };
          await rejection(run, 'ERR_TQ_INVALID_ARG', { argument: 'this' });
        }
      }
    }
  });
});

describe('a subclass', () => {
  it('does not decide how memory is cut', () => {
    class Odd extends CodecConfig {
      override get dimension(): number {
        return 3;
      }
    }
    class OddCorpus extends Corpus {
      override get codecConfig(): CodecConfig {
        return new CodecConfig({ bitWidth: 4, dimension: 2 });
      }
    }
    const codecConfig = new Odd({ bitWidth: 4, dimension: 8 });
    for (const corpus of [new Corpus({ ...options, codecConfig }), new OddCorpus(options)]) {
      corpus.insertBatch({ a: row(0), b: row(1) });
      expect({ ...corpus.decompressAll() }).toEqual({ a: row(0), b: row(1) });
      expect([...corpus.decompressEntries()]).toEqual([
        ['a', row(0)],
        ['b', row(1)],
      ]);
      expect(corpus.toJSON()).toMatchObject({ dimension: 8, vectorCount: 2 });
    }
    const record = compress(row(0), codecConfig, codebook);
    expect(decompress(record, codecConfig, codebook)).toHaveLength(8);
  });
});
