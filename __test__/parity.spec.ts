import { describe, expect, it } from 'vitest';
import {
  Codebook,
  Codec,
  CodecConfig,
  CompressedBatch,
  CompressedVector,
  decompress,
  type ErrorCode,
  RotationMatrix,
} from '../index.js';
import * as deviations from './helpers/deviations.js';
import { failure } from './helpers/failure.js';
import {
  fromBits,
  fromHex,
  goldenCodebook,
  readBytes,
  readFloats,
  readJson,
  row,
  sha256,
  toBits,
  toFloats,
  toHex,
} from './helpers/golden.js';

type Width = 2 | 4 | 8;
const WIDTHS: readonly Width[] = [2, 4, 8];
const SIX = WIDTHS.flatMap((bitWidth) => [true, false].map((residualEnabled) => ({ bitWidth, residualEnabled })));
const codec = new Codec();

describe('configuration hashes', () => {
  const { cases } = readJson<{
    cases: {
      bit_width: Width;
      seed: string;
      dimension: number;
      residual_enabled: boolean;
      config_hash: string;
    }[];
  }>('config/config_hashes.json');

  it('equal all 180 golden hashes', () => {
    expect(cases).toHaveLength(180);
    for (const c of cases) {
      const config = new CodecConfig({
        bitWidth: c.bit_width,
        seed: BigInt(c.seed),
        dimension: c.dimension,
        residualEnabled: c.residual_enabled,
      });
      expect(config.configHash).toBe(c.config_hash);
      expect(config.numCodebookEntries).toBe(2 ** c.bit_width);
      expect(CodecConfig.fromJSON(JSON.parse(JSON.stringify(config))).configHash).toBe(c.config_hash);
    }
  });

  const errors =
    readJson<{ args: [string, string, string, string]; result: { error: string } | null }[]>(
      'config/config_errors.json',
    );
  it.each(errors)('constructor verdict of $args', ({ args, result }) => {
    const [bitWidth, seed, dimension, residual] = args;
    const make = () =>
      new CodecConfig({
        bitWidth: Number(bitWidth) as Width,
        seed: BigInt(seed),
        dimension: Number(dimension),
        residualEnabled: (residual === 'True' ? true : Number(residual)) as boolean,
      });
    // JavaScript has one number type: 4.0 is 4.
    if (result === null || bitWidth === '4.0') expect(make().dimension).toBe(Number(dimension));
    else failure(make, 'ERR_TQ_INVALID_ARG');
  });
});

describe('rotation', () => {
  function expectClose(got: Float64Array, golden: Float64Array): void {
    expect(got).toHaveLength(golden.length);
    const worst = golden.reduce((most, value, i) => Math.max(most, Math.abs(value - (got[i] ?? Number.NaN))), 0);
    expect(worst).toBeLessThanOrEqual(deviations.ROTATION.tolerance);
  }

  it.each([
    [42n, 64, 'rotation/wheel_seed42_dim64.f64.bin'],
    [7n, 128, 'rotation/wheel_seed7_dim128.f64.bin'],
  ] as const)('matrix of seed %s, dimension %s', (seed, dimension, file) => {
    const matrix = RotationMatrix.fromConfig(new CodecConfig({ bitWidth: 4, seed, dimension }));
    expect(matrix.seed).toBe(seed);
    expect(matrix.dimension).toBe(dimension);
    expectClose(matrix.toArray(), new Float64Array(readBytes(file).slice().buffer));
  });

  it.each([
    [768, [0, 1, 383, 767]],
    [1536, [0, 1, 767, 1535]],
  ])('rows of the matrix of dimension %s', (dimension, rows) => {
    const golden = new Float64Array(readBytes(`rotation/rows_seed42_dim${dimension}_kc1024.f64.bin`).slice().buffer);
    const matrix = RotationMatrix.fromConfig(new CodecConfig({ bitWidth: 4, dimension })).toArray();
    rows.forEach((index, i) => {
      expectClose(
        matrix.slice(index * dimension, (index + 1) * dimension),
        golden.slice(i * dimension, (i + 1) * dimension),
      );
    });
  });
});

describe('codebooks', () => {
  it.each(WIDTHS)('training at %s bits', (bitWidth) => {
    const config = new CodecConfig({ bitWidth, dimension: 64 });
    const trained = codec.buildCodebook(readFloats('train/train_n500_d64.f32.bin'), config);
    expect(toBits(trained.entries())).toEqual(toBits(readFloats(`train/codebook_d64_bw${bitWidth}.f32.bin`)));
    expect(trained.numEntries).toBe(2 ** bitWidth);
  });

  const small =
    readJson<{ name: string; bit_width: Width; values: string[]; entries: string[] | { error: string } | null }[]>(
      'train/small_cases.json',
    );
  it.each(small)('training on $name', ({ name, bit_width, values, entries }) => {
    const config = new CodecConfig({ bitWidth: bit_width, dimension: 1 });
    const train = () => Codebook.train(fromBits(values), config);
    const deviation = deviations.TRAINING[name];
    if (deviation !== undefined) failure(train, deviation.code, deviation.details);
    else if (Array.isArray(entries)) expect(toBits(train().entries())).toEqual(entries);
    else failure(train, 'ERR_TQ_INVALID_ARG', { kind: 'InsufficientTrainingData' });
  });

  const KINDS: readonly (readonly [RegExp, string])[] = [
    [/must have/, 'CodebookEntryCount'],
    [/sorted/, 'CodebookNotSorted'],
    [/distinct/, 'CodebookDuplicate'],
    [/bit_width must be/, 'UnsupportedBitWidth'],
  ];
  const constructed = readJson<
    { name: string; bit_width: number; entries: string[] | '0..65535'; result: { message: string } | null }[]
  >('train/codebook_constructor.json');
  it.each(constructed)('entries $name', ({ name, bit_width, entries, result }) => {
    const values = entries === '0..65535' ? Float32Array.from({ length: 65536 }, (_, i) => i) : fromBits(entries);
    const make = () => Codebook.fromEntries(values, bit_width as Width);
    const deviation = deviations.CODEBOOKS[name];
    if (deviation !== undefined) {
      failure(make, deviation.code, deviation.details);
    } else if (result === null) {
      expect(toBits(make().entries())).toEqual(entries);
    } else {
      const kind = KINDS.find(([pattern]) => pattern.test(result.message))?.[1];
      expect(kind).toBeDefined();
      failure(make, 'ERR_TQ_INVALID_ARG', { kind });
    }
  });
});

describe.each(SIX)(
  'records of 64 values, $bitWidth bits, residual $residualEnabled',
  ({ bitWidth, residualEnabled }) => {
    const config = new CodecConfig({ bitWidth, dimension: 64, residualEnabled });
    const codebook = goldenCodebook(bitWidth);
    const vectors = readFloats('d64/vectors_n200.f32.bin');
    const name = `d64/bw${bitWidth}_${residualEnabled ? 'res' : 'nores'}`;
    const records = readBytes(`${name}_to_bytes.bin`);
    const reconstructed = readFloats(`${name}_decompressed.f32.bin`);
    const recordLength = records.length / 200;

    it('one by one', () => {
      for (let i = 0; i < 200; i++) {
        const record = codec.compress(row(vectors, i, 64), config, codebook);
        expect(toHex(record.toBytes())).toBe(toHex(row(records, i, recordLength)));
        expect(record.hasResidual).toBe(residualEnabled);
        expect(record.sizeBytes).toBe(recordLength - (residualEnabled ? 75 : 71));
        expect(toBits(decompress(record, config, codebook))).toEqual(toBits(row(reconstructed, i, 64)));
      }
    });

    it('as a batch', async () => {
      const batch = await codec.compressBatch(vectors, config, codebook);
      expect(sha256(batch.toBytes())).toBe(sha256(records));
      expect(batch.length).toBe(200);
      expect(batch.sizeBytes).toBe(200 * (recordLength - (residualEnabled ? 75 : 71)));
      expect(sha256(await codec.decompressBatch(batch, config, codebook))).toBe(sha256(reconstructed));
      expect(sha256(codec.decompressBatchSync(CompressedBatch.fromBytes(records), config, codebook))).toBe(
        sha256(reconstructed),
      );
    });

    if (residualEnabled) {
      it('indices and residual', () => {
        const indices = readBytes(`d64/bw${bitWidth}_res_indices.u8.bin`);
        const residuals = readBytes(`d64/bw${bitWidth}_res_residual.bin`);
        const batch = codec.compressBatchSync(vectors, config, codebook);
        for (const [i, record] of [...batch].entries()) {
          expect(toHex(record.indices())).toBe(toHex(row(indices, i, 64)));
          expect(toHex(record.residual() ?? new Uint8Array())).toBe(toHex(row(residuals, i, 128)));
        }
      });

      it('special rows: equal bytes, or the refusal the table of deviations names', () => {
        const special = readFloats('d64/special_n12.f32.bin');
        const golden = readBytes(`d64/special_bw${bitWidth}_res_to_bytes.bin`);
        const width = golden.length / 12;
        for (let i = 0; i < 12; i++) {
          const bytes = row(golden, i, width);
          const halves = new Uint16Array(bytes.slice(width - 128).buffer);
          const compressRow = () => codec.compress(row(special, i, 64), config, codebook);
          const deviation = deviations.SPECIAL_ROWS[i];
          if (deviation === undefined) {
            expect(halves.every((half) => (half & 0x7c00) !== 0x7c00)).toBe(true);
            expect(toHex(compressRow().toBytes())).toBe(toHex(bytes));
          } else {
            expect(halves.some((half) => (half & 0x7c00) === 0x7c00)).toBe(true);
            failure(compressRow, deviation.code, deviation.details);
          }
        }
      });
    }
  },
);

describe('awkward dimensions', () => {
  interface OddCase {
    dimension: number;
    bit_width: Width;
    seed: number;
    residual: boolean;
    codebook_hex: string | null;
    codebook_sha256: string;
    vectors_hex: string[];
    to_bytes_hex: string[];
    decompressed_hex: string[];
    size_bytes: number;
  }
  const cases = readJson<OddCase[]>('odd_dims.json');
  const codebooks = new Map(
    cases.filter((c) => c.codebook_hex !== null).map((c) => [c.codebook_sha256, c.codebook_hex]),
  );
  const withCodebook = cases.filter((c) => codebooks.has(c.codebook_sha256));

  it('covers 15 dimensions, with a codebook at 2 and 4 bits', () => {
    expect(new Set(cases.map((c) => c.dimension)).size).toBe(15);
    expect(withCodebook).toHaveLength(60);
  });

  it.each(cases)('records of dimension $dimension, $bit_width bits, residual $residual are read and written', (c) => {
    const hash = new CodecConfig({
      bitWidth: c.bit_width,
      seed: c.seed,
      dimension: c.dimension,
      residualEnabled: c.residual,
    }).configHash;
    for (const hex of c.to_bytes_hex) {
      const record = CompressedVector.fromBytes(fromHex(hex));
      expect(record).toMatchObject({ dimension: c.dimension, bitWidth: c.bit_width, hasResidual: c.residual });
      expect(record).toMatchObject({ sizeBytes: c.size_bytes, configHash: hash });
      expect(toHex(record.toBytes())).toBe(hex);
    }
  });

  it.each(withCodebook)('dimension $dimension, $bit_width bits, residual $residual', (c) => {
    const config = new CodecConfig({
      bitWidth: c.bit_width,
      seed: c.seed,
      dimension: c.dimension,
      residualEnabled: c.residual,
    });
    const codebook = Codebook.fromEntries(toFloats(fromHex(codebooks.get(c.codebook_sha256) ?? '')), c.bit_width);
    expect(sha256(codebook.entries())).toBe(c.codebook_sha256);
    c.vectors_hex.forEach((hex, i) => {
      const record = codec.compress(toFloats(fromHex(hex)), config, codebook);
      expect(toHex(record.toBytes())).toBe(c.to_bytes_hex[i]);
      expect(record.sizeBytes).toBe(c.size_bytes);
      const values = decompress(record, config, codebook);
      expect(toHex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))).toBe(c.decompressed_hex[i]);
    });
  });
});

describe('serialised records', () => {
  const cases =
    readJson<
      {
        case: string;
        bit_width: number;
        dim: number;
        residual: boolean;
        indices_sha256: string;
        residual_sha256: string | null;
      }[]
    >('level1/cases.json');
  it.each(cases)('$case is read and written unchanged', (c) => {
    const bytes = readBytes(`level1/${c.case}.bin`);
    const record = CompressedVector.fromBytes(bytes);
    expect(record).toMatchObject({ bitWidth: c.bit_width, dimension: c.dim, hasResidual: c.residual });
    expect(sha256(record.indices())).toBe(c.indices_sha256);
    const residual = record.residual();
    expect(residual === null ? null : sha256(residual)).toBe(c.residual_sha256);
    expect(toHex(record.toBytes())).toBe(toHex(bytes));
  });

  const VERDICTS: readonly (readonly [string, ErrorCode])[] = [
    ['Truncated', 'ERR_TQ_TRUNCATED'],
    ['UnknownVersion', 'ERR_TQ_VERSION'],
    ['InvalidBitWidth', 'ERR_TQ_FORMAT'],
    ['InvalidUtf8', 'ERR_TQ_FORMAT'],
    ['Decode', 'ERR_TQ_FORMAT'],
  ];
  const rejections = readJson<{ name: string; hex: string; rust_from_bytes: string }[]>('level1/rejections.json');
  it.each(rejections)('malformed input: $name', ({ name, hex, rust_from_bytes }) => {
    const bytes = fromHex(hex);
    const read = () => CompressedVector.fromBytes(bytes);
    const deviation = deviations.RECORDS[name];
    if (deviation !== undefined) {
      failure(read, deviation.code, deviation.details);
    } else if (rust_from_bytes.startsWith('Ok')) {
      expect(toHex(read().toBytes())).toBe(hex);
    } else {
      const code = VERDICTS.find(([variant]) => rust_from_bytes.startsWith(variant))?.[1];
      failure(read, code ?? 'ERR_TQ_INTERNAL');
    }
  });

  it('every deviation names a case', () => {
    const names = rejections.map(({ name }) => name);
    expect(Object.keys(deviations.RECORDS).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('codec errors', () => {
  const golden = readJson<Record<string, { error: string } | null | number | number[]>>('corpus/codec_errors.json');
  const CODES: Readonly<Record<string, ErrorCode>> = {
    DimensionMismatchError: 'ERR_TQ_DIM_MISMATCH',
    CodebookIncompatibleError: 'ERR_TQ_CODEBOOK_MISMATCH',
    ConfigMismatchError: 'ERR_TQ_CONFIG_MISMATCH',
    TypeError: 'ERR_TQ_INVALID_ARG',
    ValueError: 'ERR_TQ_INVALID_ARG',
  };
  const config = new CodecConfig({ bitWidth: 4, dimension: 64 });
  const plain = new CodecConfig({ bitWidth: 4, dimension: 64, residualEnabled: false });
  const other = new CodecConfig({ bitWidth: 4, dimension: 64, seed: 43 });
  const codebook = goldenCodebook(4);
  const vector = row(readFloats('d64/vectors_n200.f32.bin'), 30, 64);
  const record = codec.compress(vector, config, codebook);

  function forged(change: (bytes: Uint8Array) => Uint8Array): CompressedVector {
    return CompressedVector.fromBytes(change(codec.compress(vector, plain, codebook).toBytes()));
  }
  function withHash(bytes: Uint8Array): Uint8Array {
    bytes.set(new TextEncoder().encode(config.configHash), 1);
    return bytes;
  }
  const withoutResidual = () => forged(withHash);

  const CALLS: Readonly<Record<string, () => unknown>> = {
    compress_dim: () => codec.compress(new Float32Array(5), config, codebook),
    compress_codebook: () => codec.compress(vector, config, goldenCodebook(2)),
    compress_dim_and_codebook: () => codec.compress(new Float32Array(5), config, goldenCodebook(2)),
    compress_f64: () => codec.compress(new Float64Array(64) as unknown as Float32Array, config, codebook),
    decompress_config: () => codec.decompress(record, other, codebook),
    decompress_residual_flag: () => codec.decompress(record, plain, codebook),
    decompress_codebook: () => codec.decompress(record, config, goldenCodebook(2)),
    batch_cols: () => codec.compressBatchSync([new Float32Array(63)], config, codebook),
    train_wrong_cols: () => Codebook.train(new Float32Array(63), config),
    train_empty: () => Codebook.train(new Float32Array(0), config),
    rotation_dim0: () => RotationMatrix.fromConfig(new CodecConfig({ bitWidth: 4, dimension: 0 })),
    rotation_dim_max: () => RotationMatrix.fromConfig(new CodecConfig({ bitWidth: 4, dimension: 16385 })),
    forged_bit_width: () =>
      codec.decompress(
        CompressedVector.fromBytes(
          withHash(
            codec.compress(vector, new CodecConfig({ bitWidth: 8, dimension: 64 }), goldenCodebook(8)).toBytes(),
          ),
        ),
        config,
        codebook,
      ),
    no_residual_record_under_residual_config: () => codec.decompress(withoutResidual(), config, codebook),
  };

  it.each(Object.entries(CALLS))('%s', (name, run) => {
    const verdict = golden[name];
    const deviation = deviations.CODEC[name];
    expect(verdict).not.toBeUndefined();
    if (deviation !== undefined) failure(run, deviation.code, deviation.details);
    else if (verdict === null) expect(run()).toHaveLength(64);
    else failure(run, CODES[(verdict as { error: string }).error] ?? 'ERR_TQ_INTERNAL');
  });

  it('a record of another dimension under the right hash', () => {
    const short = new CodecConfig({ bitWidth: 4, dimension: 63, residualEnabled: false });
    const bytes = withHash(codec.compress(vector.slice(1), short, codebook).toBytes());
    failure(() => codec.decompress(CompressedVector.fromBytes(bytes), config, codebook), 'ERR_TQ_DIM_MISMATCH');
  });

  it('empty batches', () => {
    expect(golden.batch_empty).toBe(0);
    expect(codec.compressBatchSync(new Float32Array(0), config, codebook).length).toBe(0);
    expect(codec.decompressBatchSync([], config, codebook)).toEqual(new Float32Array(0));
  });
});
