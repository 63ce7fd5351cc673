import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  Codebook,
  Codec,
  CodecConfig,
  type CodecConfigOptions,
  CompressedBatch,
  CompressedVector,
  compress,
  decompress,
  RotationMatrix,
  simdLevel,
  version,
} from '../index.js';
import packageJson from '../package.json';
import { normals, setup } from './helpers/data.js';
import { failure } from './helpers/failure.js';
import { toBits, toHex } from './helpers/golden.js';

const codec = new Codec();
const { config, codebook, vectors } = setup(20);
const first = vectors.slice(0, 64);

describe('package', () => {
  it('reports its version and the level it runs on', () => {
    expect(version()).toBe(packageJson.version);
    expect(simdLevel()).toMatch(/^[a-z][a-z0-9_-]*$/);
  });

  it('is one instance across entry points and module systems', async () => {
    const [root, sub] = await Promise.all([import('../index.mjs'), import('../dist/codec.mjs' as string)]);
    expect(root.CodecConfig).toBe(CodecConfig);
    expect((sub as { CodecConfig: unknown }).CodecConfig).toBe(CodecConfig);
  });
});

describe('CodecConfig', () => {
  it('has the documented defaults', () => {
    expect(config).toMatchObject({
      bitWidth: 4,
      dimension: 64,
      seed: 42n,
      residualEnabled: true,
      numCodebookEntries: 16,
    });
    expect(new CodecConfig({ bitWidth: 2, dimension: 768, residualEnabled: false }).configHash).toBe(
      '1dba122fb7fad626db53a40d412aaf0aede0f13beef67e31636eecfb58398c77',
    );
  });

  it.each([
    [0, 0n],
    [7n, 7n],
    [Number.MAX_SAFE_INTEGER, 9007199254740991n],
    [2n ** 64n - 1n, 18446744073709551615n],
  ])('takes the seed %s', (seed, expected) => {
    expect(new CodecConfig({ bitWidth: 2, dimension: 1, seed }).seed).toBe(expected);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY, -1n, 2n ** 64n, '42', null, {}])(
    'refuses the seed %s',
    (seed) => {
      failure(() => new CodecConfig({ bitWidth: 4, dimension: 8, seed: seed as number }), 'ERR_TQ_INVALID_ARG', {
        argument: 'seed',
      });
    },
  );

  it.each([0, 16385, -1, 1.5, 2 ** 32 + 8, Number.NaN, Number.POSITIVE_INFINITY, '8', 8n, null, undefined, [8]])(
    'refuses the dimension %s',
    (dimension) => {
      const error = failure(
        () => new CodecConfig({ bitWidth: 4, dimension: dimension as number }),
        'ERR_TQ_INVALID_ARG',
      );
      expect(error.message).toMatch(/dimension/);
    },
  );

  it.each([0, 1, 3, 16, 256, -4, 4.5, '4', undefined])('refuses the bit width %s', (bitWidth) => {
    failure(() => new CodecConfig({ bitWidth: bitWidth as 4, dimension: 8 }), 'ERR_TQ_INVALID_ARG');
  });

  it('keeps the names of upstream failures', () => {
    const make = (options: object) => () =>
      new CodecConfig({ bitWidth: 4, dimension: 8, ...options } as CodecConfigOptions);
    failure(make({ bitWidth: 3 }), 'ERR_TQ_INVALID_ARG', { kind: 'UnsupportedBitWidth' });
    failure(make({ dimension: 0 }), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidDimension' });
    failure(make({ dimension: 16385 }), 'ERR_TQ_INVALID_ARG', { kind: 'DimensionTooLarge' });
  });

  it.each([
    ['dimensions', 'dimension'],
    ['bit_width', 'bitWidth'],
    ['residual', undefined],
    ['zzz', undefined],
  ])('refuses the unknown option %s', (option, suggestion) => {
    const error = failure(
      () => new CodecConfig({ bitWidth: 4, dimension: 8, [option]: 1 } as CodecConfigOptions),
      'ERR_TQ_INVALID_ARG',
      { option, ...(suggestion === undefined ? {} : { suggestion }) },
    );
    if (suggestion !== undefined) expect(error.message).toContain(`did you mean '${suggestion}'?`);
  });

  it.each([undefined, null, 4, 'x', [], new Float32Array(2)])('refuses %s in place of options', (options) => {
    failure(() => new CodecConfig(options as never), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses a residual flag that is not a boolean', () => {
    failure(() => new CodecConfig({ bitWidth: 4, dimension: 8, residualEnabled: 1 as never }), 'ERR_TQ_INVALID_ARG');
  });

  it('goes through JSON', () => {
    const big = new CodecConfig({ bitWidth: 8, dimension: 3, seed: 2n ** 64n - 1n, residualEnabled: false });
    expect(big.toJSON()).toEqual({
      bitWidth: 8,
      seed: '18446744073709551615',
      dimension: 3,
      residualEnabled: false,
      configHash: big.configHash,
    });
    const back = CodecConfig.fromJSON(JSON.parse(JSON.stringify(big)));
    expect(back.toJSON()).toEqual(big.toJSON());
    expect(CodecConfig.fromJSON({ bitWidth: 4, dimension: 64, seed: 42 }).configHash).toBe(config.configHash);
    expect(CodecConfig.fromJSON({ bitWidth: 4, dimension: 64, seed: 42n }).configHash).toBe(config.configHash);
    expect(CodecConfig.fromJSON({ bitWidth: 4, dimension: 64 }).configHash).toBe(config.configHash);
  });

  it('refuses JSON that is not right', () => {
    const json = config.toJSON();
    const other = new CodecConfig({ bitWidth: 4, dimension: 65 });
    failure(() => CodecConfig.fromJSON({ ...json, configHash: other.configHash }), 'ERR_TQ_CONFIG_MISMATCH', {
      kind: 'ConfigMismatch',
      expected: config.configHash,
      got: other.configHash,
    });
    failure(() => CodecConfig.fromJSON({ ...json, extra: 1 }), 'ERR_TQ_INVALID_ARG', { option: 'extra' });
    for (const seed of ['', '-1', '1.5', '0x10', '18446744073709551616', '1e3', ' 1']) {
      failure(() => CodecConfig.fromJSON({ ...json, seed }), 'ERR_TQ_INVALID_ARG', { argument: 'seed' });
    }
    failure(() => CodecConfig.fromJSON('{}' as never), 'ERR_TQ_INVALID_ARG');
    failure(() => CodecConfig.fromJSON({ ...json, configHash: 5 }), 'ERR_TQ_INVALID_ARG');
  });
});

describe('Codebook', () => {
  it('goes through TQCB bytes', () => {
    const bytes = codebook.toBytes();
    expect(new TextDecoder().decode(bytes.slice(0, 4))).toBe('TQCB');
    expect(bytes).toHaveLength(12 + 16 * 4);
    const back = Codebook.fromBytes(bytes);
    expect(toBits(back.entries())).toEqual(toBits(codebook.entries()));
    expect(back).toMatchObject({ bitWidth: 4, numEntries: 16 });
  });

  it('refuses damaged TQCB bytes', () => {
    const bytes = codebook.toBytes();
    for (let length = 0; length < bytes.length; length++) {
      failure(() => Codebook.fromBytes(bytes.slice(0, length)), 'ERR_TQ_TRUNCATED');
    }
    const changed = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return () => Codebook.fromBytes(copy);
    };
    failure(changed(0, 0), 'ERR_TQ_FORMAT');
    failure(changed(4, 9), 'ERR_TQ_VERSION');
    failure(changed(5, 3), 'ERR_TQ_FORMAT');
    failure(changed(8, 15), 'ERR_TQ_FORMAT');
    const hungry = bytes.slice(0, 12);
    hungry[5] = 31;
    hungry.set([0, 0, 0, 0x80], 8);
    failure(() => Codebook.fromBytes(hungry), 'ERR_TQ_FORMAT');
  });

  it('hands out copies', () => {
    const entries = codebook.entries();
    entries.fill(0);
    expect(codebook.entries()[0]).not.toBe(0);
  });

  it('takes plain numbers, and training rows as arrays', () => {
    expect(Codebook.fromEntries([1, 2, 3, 4], 2).entries()).toEqual(Float32Array.of(1, 2, 3, 4));
    const flat = normals(640);
    const rows = Array.from({ length: 10 }, (_, i) => flat.slice(i * 64, (i + 1) * 64));
    const expected = toBits(Codebook.train(flat, config).entries());
    expect(toBits(Codebook.train(rows, config).entries())).toEqual(expected);
    expect(
      toBits(
        codec
          .buildCodebook(
            rows.map((r) => Array.from(r)),
            config,
          )
          .entries(),
      ),
    ).toEqual(expected);
  });

  it('trains with Lloyd-Max for less error at equal size', async () => {
    const plain = new CodecConfig({ bitWidth: 2, dimension: 64, residualEnabled: false });
    const sample = normals(500 * 64, 5);
    const error = async (trained: Codebook) => {
      const back = await codec.decompressBatch(codec.compressBatchSync(vectors, plain, trained), plain, trained);
      return back.reduce((sum, value, i) => sum + (value - (vectors[i] ?? 0)) ** 2, 0) / back.length;
    };
    const quantiles = await error(Codebook.train(sample, plain, { method: 'tinyquant' }));
    const lloyd = await error(Codebook.train(sample, plain, { method: 'lloyd-max' }));
    expect(lloyd).toBeLessThan(quantiles * 0.5);
  });

  it('refuses wrong options, sizes and values', () => {
    failure(() => Codebook.train(vectors, config, { method: 'kmeans' as never }), 'ERR_TQ_INVALID_ARG', {
      argument: 'method',
    });
    failure(() => Codebook.train(vectors, config, { methods: 'tinyquant' } as never), 'ERR_TQ_INVALID_ARG', {
      suggestion: 'method',
    });
    failure(() => Codebook.train(vectors.slice(1), config), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 63 });
    failure(() => Codebook.train(new Float32Array(64).fill(1), config), 'ERR_TQ_INVALID_ARG', {
      kind: 'InsufficientTrainingData',
    });
    const bad = vectors.slice();
    bad[3 * 64 + 5] = Number.NaN;
    failure(() => Codebook.train(bad, config), 'ERR_TQ_NON_FINITE', { row: 3, column: 5, value: 'NaN' });
  });
});

describe('Codec', () => {
  it('reconstructs within the residual of half precision', () => {
    const record = codec.compress(first, config, codebook);
    const back = codec.decompress(record, config, codebook);
    expect(back).toHaveLength(64);
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(first[i] ?? Number.NaN, 2);
  });

  it('keeps no state: instances and functions agree', () => {
    const expected = toHex(codec.compress(first, config, codebook).toBytes());
    expect(toHex(new Codec().compress(first, config, codebook).toBytes())).toBe(expected);
    expect(toHex(compress(first, config, codebook).toBytes())).toBe(expected);
    expect(toHex(compress(Array.from(first), config, codebook).toBytes())).toBe(expected);
    expect(toHex(compress(vectors.subarray(0, 64), config, codebook).toBytes())).toBe(expected);
    const record = compress(first, config, codebook);
    expect(toBits(decompress(record, config, codebook))).toEqual(toBits(codec.decompress(record, config, codebook)));
  });

  it('never changes its input', () => {
    const input = first.slice();
    codec.compress(input, config, codebook);
    expect(toBits(input)).toEqual(toBits(first));
  });

  it('reads a vector from shared memory', () => {
    const shared = new Float32Array(new SharedArrayBuffer(256));
    shared.set(first);
    expect(toHex(codec.compress(shared, config, codebook).toBytes())).toBe(
      toHex(codec.compress(first, config, codebook).toBytes()),
    );
  });

  it.each([
    ['a Float64Array', new Float64Array(64)],
    ['an Int32Array', new Int32Array(64)],
    ['a string', 'vector'],
    ['nothing', undefined],
    ['null', null],
    ['an array-like object', { length: 64 }],
  ])('refuses %s', (_, value) => {
    failure(() => codec.compress(value as never, config, codebook), 'ERR_TQ_INVALID_ARG', { argument: 'vector' });
  });

  it('names the position of an element that is no number', () => {
    const holes = Array.from(first);
    delete holes[7];
    failure(() => codec.compress(holes, config, codebook), 'ERR_TQ_INVALID_ARG', { position: 7 });
    const strings: unknown[] = Array.from(first);
    strings[9] = '1';
    failure(() => codec.compress(strings as number[], config, codebook), 'ERR_TQ_INVALID_ARG', { position: 9 });
  });

  it('refuses a detached array', () => {
    const array = first.slice();
    structuredClone(array.buffer, { transfer: [array.buffer] });
    const error = failure(() => codec.compress(array, config, codebook), 'ERR_TQ_INVALID_ARG');
    expect(error.message).toMatch(/detached/);
  });

  it('refuses wrong lengths, NaN, infinities and residuals beyond half precision', () => {
    failure(() => codec.compress(new Float32Array(63), config, codebook), 'ERR_TQ_DIM_MISMATCH', {
      expected: 64,
      got: 63,
    });
    failure(() => codec.compress([], config, codebook), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 0 });
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const bad = first.slice();
      bad[5] = value;
      failure(() => codec.compress(bad, config, codebook), 'ERR_TQ_NON_FINITE', { column: 5, value: String(value) });
    }
    const tooLarge = Array.from(first);
    tooLarge[6] = 1e300;
    failure(() => codec.compress(tooLarge, config, codebook), 'ERR_TQ_NON_FINITE', { column: 6 });
    failure(() => codec.compress(new Float32Array(64).fill(1e6), config, codebook), 'ERR_TQ_LIMIT');
  });

  it('refuses mismatched configurations and codebooks', () => {
    const record = codec.compress(first, config, codebook);
    const other = new CodecConfig({ bitWidth: 4, dimension: 64, seed: 1 });
    const narrow = Codebook.fromEntries([1, 2, 3, 4], 2);
    failure(() => codec.compress(first, config, narrow), 'ERR_TQ_CODEBOOK_MISMATCH', {
      kind: 'CodebookIncompatible',
      expected: 4,
      got: 2,
    });
    failure(() => codec.decompress(record, config, narrow), 'ERR_TQ_CODEBOOK_MISMATCH', { expected: 4, got: 2 });
    failure(() => codec.decompress(record, other, codebook), 'ERR_TQ_CONFIG_MISMATCH', {
      kind: 'ConfigMismatch',
      expected: other.configHash,
      got: config.configHash,
    });
  });
});

describe('CompressedVector', () => {
  const record = codec.compress(first, config, codebook);
  const bytes = record.toBytes();

  it('refuses a record cut at any byte, and takes the whole', () => {
    for (let length = 0; length < bytes.length; length++) {
      failure(() => CompressedVector.fromBytes(bytes.slice(0, length)), 'ERR_TQ_TRUNCATED', {});
    }
    expect(toHex(CompressedVector.fromBytes(bytes).toBytes())).toBe(toHex(bytes));
    expect(toHex(CompressedVector.fromBytes(Buffer.from(bytes)).toBytes())).toBe(toHex(bytes));
  });

  const flag = 70 + 32;
  it.each([
    ['version', 0, 2, 'ERR_TQ_VERSION'],
    ['hash', 1, 0x67, 'ERR_TQ_FORMAT'],
    ['hash in upper case', 1, 0x41, 'ERR_TQ_FORMAT'],
    ['hash that is no text', 5, 0xff, 'ERR_TQ_FORMAT'],
    ['smaller dimension', 65, 63, 'ERR_TQ_FORMAT'],
    ['larger dimension', 65, 66, undefined],
    ['dimension beyond the limit', 67, 1, undefined],
    ['bit width without meaning', 69, 3, 'ERR_TQ_FORMAT'],
    ['larger bit width', 69, 8, undefined],
    ['residual flag', flag, 2, 'ERR_TQ_FORMAT'],
    ['residual dropped', flag, 0, 'ERR_TQ_FORMAT'],
    ['residual length', flag + 1, 127, 'ERR_TQ_FORMAT'],
  ] as const)('refuses a changed header: %s', (_, at, value, code) => {
    const changed = bytes.slice();
    changed[at] = value;
    if (code !== undefined) failure(() => CompressedVector.fromBytes(changed), code);
    else expect(() => CompressedVector.fromBytes(changed)).toThrow(expect.objectContaining({ name: 'TinyQuantError' }));
  });

  it('refuses trailing bytes and other types', () => {
    failure(() => CompressedVector.fromBytes(Buffer.concat([bytes, Buffer.of(0)])), 'ERR_TQ_FORMAT');
    for (const value of [undefined, null, 'abc', [1, 2], new ArrayBuffer(4), new Uint16Array(80)]) {
      failure(() => CompressedVector.fromBytes(value as never), 'ERR_TQ_INVALID_ARG');
    }
  });

  it('has no residual where the configuration asks for none', () => {
    const plain = new CodecConfig({ bitWidth: 2, dimension: 64, residualEnabled: false });
    const small = codec.compress(first, plain, Codebook.train(vectors, plain));
    expect(small.residual()).toBeNull();
    expect(small).toMatchObject({ hasResidual: false, sizeBytes: 16, bitWidth: 2 });
    expect(small.toBytes()).toHaveLength(71 + 16);
  });
});

describe('handles', () => {
  const record = codec.compress(first, config, codebook);
  const batch = codec.compressBatchSync(vectors, config, codebook);
  const rotation = RotationMatrix.fromConfig(config);
  const all = { config, codebook, record, batch, rotation };

  it.each(Object.entries(all))('%s refuses to be cloned, and prints and serialises as a line', (_, handle) => {
    expect(() => structuredClone(handle)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
    expect(() => structuredClone({ inside: handle })).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
    expect(inspect(handle)).toMatch(new RegExp(`^${handle.constructor.name} \\{ .*: .* \\}$`));
    expect(inspect(Object.create(Object.getPrototypeOf(handle) as object))).toBe(`[${handle.constructor.name}]`);
    expect(Object.keys(JSON.parse(JSON.stringify(handle)) as object).length).toBeGreaterThan(0);
    expect(Object.keys(handle)).toEqual([]);
  });

  it.each([undefined, null, {}, 'config', Object.create(CodecConfig.prototype), codebook, { ...config.toJSON() }])(
    'refuses %s in place of a configuration',
    (foreign) => {
      const bad = foreign as CodecConfig;
      for (const run of [
        () => codec.compress(first, bad, codebook),
        () => codec.decompress(record, bad, codebook),
        () => codec.compressBatchSync(vectors, bad, codebook),
        () => codec.decompressBatchSync(batch, bad, codebook),
        () => Codebook.train(vectors, bad),
        () => RotationMatrix.fromConfig(bad),
      ]) {
        failure(run, 'ERR_TQ_INVALID_ARG', { argument: 'config' });
      }
    },
  );

  it.each([undefined, {}, Object.create(Codebook.prototype), config])(
    'refuses %s in place of a codebook',
    (foreign) => {
      failure(() => codec.compress(first, config, foreign as Codebook), 'ERR_TQ_INVALID_ARG', { argument: 'codebook' });
      failure(() => codec.decompress(record, config, foreign as Codebook), 'ERR_TQ_INVALID_ARG', {
        argument: 'codebook',
      });
    },
  );

  it.each([undefined, {}, Object.create(CompressedVector.prototype), batch])(
    'refuses %s in place of a record',
    (foreign) => {
      failure(() => codec.decompress(foreign as CompressedVector, config, codebook), 'ERR_TQ_INVALID_ARG', {
        argument: 'compressed',
      });
      failure(
        () => codec.decompressBatchSync([record, foreign as CompressedVector], config, codebook),
        'ERR_TQ_INVALID_ARG',
        {
          argument: 'compressed[1]',
        },
      );
    },
  );

  it.each(Object.entries(all))('members of a forged %s fail with a code', (_, handle) => {
    const forged = Object.create(Object.getPrototypeOf(handle) as object) as Record<string, unknown>;
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(handle)).filter((name) => name !== 'constructor');
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) {
      failure(() => {
        const member = forged[name];
        return typeof member === 'function' ? Reflect.apply(member, forged, [0]) : member;
      }, 'ERR_TQ_INVALID_ARG');
    }
  });

  it.each([Codebook, RotationMatrix, CompressedVector, CompressedBatch])(
    '%o cannot be constructed directly',
    (Class) => {
      const Callable = Class as unknown as new (...args: unknown[]) => unknown;
      failure(() => new Callable(), 'ERR_TQ_INVALID_ARG');
      failure(() => new Callable(Symbol('tinyquant.internal'), {}), 'ERR_TQ_INVALID_ARG');
    },
  );
});

describe('RotationMatrix', () => {
  it('is orthogonal', () => {
    const matrix = RotationMatrix.fromConfig(new CodecConfig({ bitWidth: 4, dimension: 24, seed: 5n })).toArray();
    for (let i = 0; i < 24; i++) {
      for (let j = 0; j < 24; j++) {
        let sum = 0;
        for (let k = 0; k < 24; k++) sum += (matrix[i * 24 + k] ?? 0) * (matrix[j * 24 + k] ?? 0);
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 12);
      }
    }
  });
});
