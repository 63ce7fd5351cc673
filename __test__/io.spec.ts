import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readVectors, VECTOR_FORMATS, type VectorBatch, type VectorFormat, writeVectors } from '../dist/io.js';
import { failure, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';
import { byColumns, collect, type Dtype, eighths, encode, npy, pieces, read, scratch } from './helpers/io.js';

const folder = scratch();
const EXTENSIONS: Record<VectorFormat, string> = {
  npy: 'npy',
  fvecs: 'fvecs',
  raw: 'f32',
  jsonl: 'jsonl',
  csv: 'csv',
  parquet: 'parquet',
  arrow: 'arrow',
};
const TABLES: readonly VectorFormat[] = ['jsonl', 'parquet', 'arrow'];
const batchOf = (vectors: readonly number[], dimension: number, more: Partial<VectorBatch> = {}): VectorBatch => ({
  vectors: Float32Array.from(vectors),
  rows: vectors.length / dimension,
  dimension,
  ...more,
});

describe('a round trip', () => {
  const demo = join(ROOT, 'fixtures/demo/vectors.f16.npy');

  it.each(VECTOR_FORMATS)('of the demo vectors through %s keeps every value', async (format) => {
    const path = folder.file(`demo.${EXTENSIONS[format]}`);
    const back = folder.file(`demo-${format}.npy`);
    const dimension = format === 'raw' ? { dimension: 384 } : {};
    const { rows, sizeBytes } = await writeVectors(path, readVectors(demo, { batchRows: 999 }));
    expect(rows).toBe(4000);
    expect(sizeBytes).toBe(readFileSync(path).length);
    // f16 again: each value must be exactly what it was.
    await writeVectors(back, readVectors(path, dimension), { dtype: 'f16' });
    expect(readFileSync(back).equals(readFileSync(demo))).toBe(true);
  });

  it.each(VECTOR_FORMATS)(
    'through %s keeps any 32-bit float, and ids and metadata where they have a place',
    async (format) => {
      const path = folder.file(`any.${EXTENSIONS[format]}`);
      const value = fc.float({ noNaN: true, noDefaultInfinity: true });
      const id = fc.string({ unit: 'grapheme' });
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }).chain((dimension) => {
          const row = fc.tuple(fc.array(value, { minLength: dimension, maxLength: dimension }), id);
          return fc.tuple(fc.constant(dimension), fc.array(row, { minLength: 1, maxLength: 30 }));
        }),
        fc.integer({ min: 1, max: 8 }),
        async ([dimension, rows], batchRows) => {
          const batches: VectorBatch[] = [];
          for (let at = 0; at < rows.length; at += batchRows) {
            const some = rows.slice(at, at + batchRows);
            batches.push(
              batchOf(
                some.flatMap(([values]) => values),
                dimension,
                { ids: some.map(([, name]) => name) },
              ),
            );
          }
          await writeVectors(path, batches, { overwrite: true });
          const back = await read(path, { dimension, batchRows });
          expect(back.vectors).toEqual(rows.flatMap(([values]) => values));
          expect(back.ids).toEqual(TABLES.includes(format) ? rows.map(([, name]) => name) : []);
        },
      );
      await fc.assert(property, { numRuns: 40 });
    },
  );

  it('through jsonl keeps metadata', async () => {
    const path = folder.file('metadata.jsonl');
    const metadata = [{ a: [1, null, 'é'], b: { c: true } }, null, {}];
    await writeVectors(path, [batchOf([1, 2, 3], 1, { metadata })]);
    expect((await read(path)).metadata).toEqual(metadata);
    expect(readFileSync(path, 'utf8').split('\n')[1]).toBe('{"vector":[2]}');
  });

  it.each(['f32', 'f16', 'f64'] as const)('through %s of npy is byte for byte what NumPy writes', async (dtype) => {
    const values = eighths(60);
    const path = folder.file(`${dtype}.npy`);
    await writeVectors(path, [batchOf(values.slice(0, 20), 5), batchOf(values.slice(20), 5)], { dtype });
    const size = { f16: 'f2', f32: 'f4', f64: 'f8' }[dtype] as Dtype;
    const expected = npy({ dtype: `<${size}`, shape: [12, 5], data: encode(values, size) });
    expect(readFileSync(path)).toEqual(Buffer.from(expected));
  });

  it.each(VECTOR_FORMATS)('of no rows through %s', async (format) => {
    const path = folder.file(`none.${EXTENSIONS[format]}`);
    expect(await writeVectors(path, [])).toMatchObject({ rows: 0 });
    expect(await read(path, format === 'raw' ? { dimension: 3 } : {})).toMatchObject({ batches: [], vectors: [] });
  });

  it('through groups of a table cuts large batches and joins small ones', async () => {
    const dimension = 1024;
    const values = eighths(2500 * dimension, 3);
    for (const extension of ['parquet', 'arrow', 'arrows']) {
      const path = folder.file(`groups.${extension}`);
      const sizes = [1, 1, 2300, 198];
      let at = 0;
      // One array for all batches: the writer must not keep a view of it.
      const memory = new Float32Array(2300 * dimension);
      const batches = function* (): Generator<VectorBatch> {
        for (const rows of sizes) {
          memory.set(values.slice(at * dimension, (at + rows) * dimension));
          at += rows;
          yield { vectors: memory.subarray(0, rows * dimension), rows, dimension };
        }
      };
      await writeVectors(path, batches());
      const back = await read(path);
      expect(
        Buffer.from(Float32Array.from(back.vectors).buffer).equals(Buffer.from(Float32Array.from(values).buffer)),
      ).toBe(true);
      expect(back.batches).toEqual([1024, 1024, 452]);
    }
  });
});

describe('npy', () => {
  const [rows, dimension] = [23, 7];
  const values = eighths(rows * dimension);
  const all = [1, 2, 3].flatMap((version) =>
    ['f2', 'f4', 'f8'].flatMap((dtype) =>
      [false, true].flatMap((bigEndian) => [false, true].map((fortran) => ({ version, dtype, bigEndian, fortran }))),
    ),
  ) as { version: 1 | 2 | 3; dtype: Dtype; bigEndian: boolean; fortran: boolean }[];

  it.each(all)('of $dtype, version $version, big-endian $bigEndian, by columns $fortran', async (o) => {
    const data = encode(o.fortran ? byColumns(values, rows, dimension) : values, o.dtype, o.bigEndian);
    const dtype = `${o.bigEndian ? '>' : '<'}${o.dtype}`;
    const bytes = npy({ dtype, version: o.version, fortran: o.fortran, shape: [rows, dimension], data });
    const path = folder.file('all.npy', bytes);
    expect(await read(path, { batchRows: 4 })).toMatchObject({
      vectors: values,
      dimension,
      batches: [4, 4, 4, 4, 4, 3],
    });
    expect((await read(path, { limit: 6, batchRows: 4 })).batches).toEqual([4, 2]);
    if (o.fortran) await rejection(() => read(pieces(bytes, 50), { format: 'npy' }), 'ERR_TQ_INVALID_ARG');
    else expect((await read(pieces(bytes, 50), { format: 'npy', batchRows: 5 })).vectors).toEqual(values);
  });

  it('of one dimension is one row', async () => {
    const path = folder.file('one.npy', npy({ shape: [7], data: encode(values.slice(0, 7), 'f4') }));
    expect(await read(path)).toMatchObject({ vectors: values.slice(0, 7), dimension: 7, batches: [1] });
  });

  it('of any shape, type, order and batch is the matrix', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom<Dtype>('f2', 'f4', 'f8'),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 300 }),
      async (height, width, dtype, bigEndian, fortran, batchRows, size) => {
        const matrix = eighths(height * width, height + 1);
        const data = encode(fortran ? byColumns(matrix, height, width) : matrix, dtype, bigEndian);
        const bytes = npy({ dtype: `${bigEndian ? '>' : '<'}${dtype}`, fortran, shape: [height, width], data });
        const source = fortran ? folder.file('property.npy', bytes) : pieces(bytes, size);
        const result = await read(source, { format: 'npy', batchRows, rows: height, dimension: width });
        expect(result.vectors).toEqual(matrix);
        expect(result.batches.every((count) => count <= batchRows)).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it('has batches of about 4 MiB unless told otherwise', async () => {
    const path = folder.file('big.npy', npy({ shape: [3000, 384], data: new Uint8Array(3000 * 384 * 4) }));
    expect((await read(path)).batches).toEqual([2730, 270]);
  });
});

describe('jsonl', () => {
  it('takes arrays, objects and base64, blank lines and any line ending', async () => {
    const base64 = Buffer.from(Float32Array.of(5, 6).buffer).toString('base64');
    const text = `\ufeff[1,2]\r\n\n{"embedding":[3,4.5]}\n   \n{"values":"${base64}","other":1}\n{"vector":[7,8]}`;
    expect(await read(folder.file('mixed.jsonl', text))).toMatchObject({
      vectors: [1, 2, 3, 4.5, 5, 6, 7, 8],
      ids: [],
      batches: [4],
    });
  });

  it('takes ids as text or integers, from any field', async () => {
    const path = folder.file('ids.ndjson', '{"key":"a\\u00e9","v":[1]}\n{"key":9007199254740991,"v":[2]}\n');
    expect(await read(path, { column: 'v', idColumn: 'key' })).toMatchObject({
      vectors: [1, 2],
      ids: ['aé', '9007199254740991'],
    });
  });

  it('is the same however the stream cuts it', async () => {
    const line = fc.record({
      id: fc.string({ unit: 'grapheme' }),
      vector: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
      metadata: fc.option(
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          fc.jsonValue(),
        ),
        { nil: undefined },
      ),
    });
    const property = fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 40 }), async (lines, size) => {
      const bytes = Buffer.from(lines.map((each) => `${JSON.stringify(each)}\n`).join(''));
      const result = await read(pieces(bytes, size), { format: 'jsonl', batchRows: 7 });
      expect(result.ids).toEqual(lines.map(({ id }) => id));
      expect(result.vectors.map((value) => value + 0)).toEqual(lines.flatMap(({ vector }) => vector.map((v) => v + 0)));
    });
    await fc.assert(property, { numRuns: 100 });
  });
});

describe('tables of another library', () => {
  const path = (name: string): string => join(ROOT, 'fixtures/io', name);
  const bytes = readFileSync(path('expected.f32'));
  const expected = [...new Float32Array(Uint8Array.from(bytes).buffer)];
  const names = Array.from({ length: 50 }, (_, row) => `row-${row}é`);
  const integers = Array.from({ length: 50 }, (_, row) => String(1e15 + row));

  it.each([
    'snappy.parquet',
    'gzip.parquet',
    'zstd.parquet',
    'lz4.parquet',
    'brotli.parquet',
    'pages-v1.parquet',
    'pages-v2.parquet',
    'f16-fixed.parquet',
    'f64-integers.parquet',
    'plain.arrow',
    'lz4.arrow',
    'zstd.arrow',
    'large.arrow',
    'f16-fixed.arrows',
    'f64-integers.feather',
  ])('%s', async (name) => {
    const { vectors, ids, dimension, batches } = await read(path(name), { batchRows: 7 });
    expect(vectors).toEqual(expected);
    expect(ids).toEqual(name.includes('integers') ? integers : names);
    expect({ dimension, batches }).toEqual({ dimension: 12, batches: [7, 7, 7, 7, 7, 7, 7, 1] });
    expect((await read(path(name), { limit: 23, batchRows: 10 })).batches).toEqual([10, 10, 3]);
  });

  it.each(['plain.arrow', 'f16-fixed.arrows'])('%s from a stream', async (name) => {
    const file = readFileSync(path(name));
    expect((await read(pieces(file, 100), { format: 'arrow' })).vectors).toEqual(expected);
  });

  it.each(['nulls.parquet', 'nulls.arrow'])('%s has rows that are left out', async (name) => {
    const bad: unknown[] = [];
    const { ids, vectors } = await read(path(name), {
      onBadRow: ({ row, error }) => bad.push([row, error.code, error.details?.path]),
    });
    expect(bad).toEqual([
      [1, 'ERR_TQ_FORMAT', path(name)],
      [2, 'ERR_TQ_DIM_MISMATCH', path(name)],
      [3, 'ERR_TQ_FORMAT', path(name)],
      [4, 'ERR_TQ_DIM_MISMATCH', path(name)],
    ]);
    expect(ids).toEqual(['0', '5']);
    expect(vectors).toEqual([...expected.slice(0, 12), ...expected.slice(60, 72)]);
    await rejection(() => read(path(name)), 'ERR_TQ_FORMAT', { path: path(name), row: 1 });
  });

  it('need the right columns', async () => {
    for (const name of ['snappy.parquet', 'plain.arrow']) {
      const details = { candidates: ['vector'], path: path(name) };
      await rejection(() => read(path(name), { column: 'price' }), 'ERR_TQ_INVALID_ARG', details);
      await rejection(() => read(path(name), { column: 'nope' }), 'ERR_TQ_INVALID_ARG', { argument: 'column' });
      await rejection(() => read(path(name), { idColumn: 'price' }), 'ERR_TQ_INVALID_ARG', { candidates: ['id'] });
      expect((await read(path(name), { column: 'vector', idColumn: 'id' })).ids).toEqual(names);
    }
  });

  it('read what this package writes under other names', async () => {
    for (const extension of ['parquet', 'arrow', 'arrows', 'jsonl']) {
      const target = folder.file(`names.${extension}`);
      await writeVectors(target, [batchOf([1, 2], 1, { ids: ['a', 'b'] })], { column: 'emb', idColumn: 'key' });
      expect(await read(target, { column: 'emb', idColumn: 'key' })).toMatchObject({
        vectors: [1, 2],
        ids: ['a', 'b'],
      });
      if (extension !== 'jsonl') expect((await read(target)).ids).toEqual([]);
    }
  });
});

describe('options', () => {
  const path = folder.file('options.f32', encode([1, 2, 3, 4], 'f4'));

  it('are checked at once', () => {
    const source = pieces(new Uint8Array(0), 1);
    const wrong: [() => unknown, object][] = [
      [() => readVectors(path, { dimensions: 2 } as object), { option: 'dimensions', suggestion: 'dimension' }],
      [() => readVectors(path), { argument: 'dimension' }],
      [() => readVectors(path, { dimension: 0 }), { argument: 'dimension' }],
      [() => readVectors(path, { dimension: 2, batchRows: 0 }), { argument: 'batchRows' }],
      [() => readVectors(path, { dimension: 2, limit: -1 }), { argument: 'limit' }],
      [() => readVectors(path, { dimension: 2, column: 'vector' }), { argument: 'column' }],
      [() => readVectors(path, { dimension: 2, onBadRow: true as never }), { argument: 'onBadRow' }],
      [() => readVectors(path, { dimension: 2, signal: {} as never }), { argument: 'signal' }],
      [() => readVectors('a.csv', { rows: 2 }), { argument: 'rows' }],
      [() => readVectors('a\0.npy'), { argument: 'source' }],
      [() => readVectors(''), { argument: 'source' }],
      [() => readVectors('a.txt'), { argument: 'format', path: 'a.txt' }],
      [() => readVectors(path, { format: 'hdf5' as never }), { argument: 'format' }],
      [() => readVectors(source), { argument: 'format' }],
      [() => readVectors(new Uint8Array(4) as never, { format: 'csv' }), { argument: 'source' }],
    ];
    for (const [run, details] of wrong) failure(run, 'ERR_TQ_INVALID_ARG', details);
  });

  it('of a writer are checked', async () => {
    const target = folder.file('wrong.jsonl');
    const good = [batchOf([1, 2], 2)];
    const wrong: [() => Promise<unknown>, object][] = [
      [() => writeVectors(target, good, { force: true } as object), { option: 'force' }],
      [() => writeVectors(target, good, { dtype: 'f16' }), { argument: 'dtype' }],
      [() => writeVectors(target, good, { column: 'id' }), { argument: 'idColumn' }],
      [() => writeVectors(5 as never, good), { argument: 'target' }],
      [() => writeVectors(target, 5 as never), { argument: 'source' }],
      [() => writeVectors(target, [{ ...batchOf([1, 2], 2), rows: 2 }]), { argument: 'batch.rows' }],
      [() => writeVectors(target, [batchOf([1, 2], 2, { ids: ['a', 'b'] })]), { argument: 'batch.ids' }],
      [() => writeVectors(target, [batchOf([1], 1, { ids: ['\ud800'] })]), { argument: 'batch.ids[0]' }],
      [() => writeVectors(target, [{ vectors: [1], rows: 1, dimension: 0 } as never]), { argument: 'batch.dimension' }],
    ];
    for (const [run, details] of wrong) await rejection(run, 'ERR_TQ_INVALID_ARG', details);
    await rejection(() => writeVectors(target, [...good, batchOf([1], 1)]), 'ERR_TQ_DIM_MISMATCH', {
      row: 1,
      expected: 2,
    });
    await rejection(() => writeVectors(target, [...good, batchOf([1, Number.NaN], 2)]), 'ERR_TQ_NON_FINITE', {
      row: 1,
      column: 1,
    });
    expect(existsSync(target)).toBe(false);
  });

  it('limit and rows', async () => {
    const o = { dimension: 1 };
    expect((await read(path, { ...o, limit: 3 })).vectors).toEqual([1, 2, 3]);
    expect((await read(path, { ...o, batchRows: 2 ** 32 - 1 })).batches).toEqual([4]);
    expect((await read(path, { ...o, limit: 0 })).batches).toEqual([]);
    expect((await read(path, { ...o, rows: 4 })).vectors).toHaveLength(4);
    await rejection(() => read(path, { ...o, rows: 5 }), 'ERR_TQ_TRUNCATED', { expected: 5, got: 4 });
    await rejection(() => read(path, { ...o, rows: 3 }), 'ERR_TQ_FORMAT', { expected: 3, got: 4 });
  });

  it('ids of a table must begin with the first batch, or be asked for', async () => {
    const batches = [batchOf([1, 2], 1), batchOf([3], 1, { ids: ['7'] })];
    for (const extension of ['parquet', 'arrow']) {
      const target = folder.file(`late.${extension}`);
      await rejection(() => writeVectors(target, batches), 'ERR_TQ_INVALID_ARG', { argument: 'batch.ids' });
      await writeVectors(target, batches, { idColumn: 'id' });
      expect((await read(target)).ids).toEqual(['0', '1', '7']);
    }
    const lines = folder.file('late.jsonl');
    await writeVectors(lines, batches);
    expect((await read(lines)).ids).toEqual(['0', '1', '7']);
  });

  it('a reader is read once', async () => {
    const reader = readVectors(path, { dimension: 1 });
    await collect(reader);
    await rejection(() => collect(reader), 'ERR_TQ_CLOSED');
  });

  it('a folder is no file', async () => {
    mkdirSync(folder.file('folder.npy'));
    await rejection(() => read(folder.file('folder.npy')), 'ERR_TQ_IO', { errno: 'EISDIR' });
    await rejection(() => writeVectors(folder.file('folder.npy'), [], { overwrite: true }), 'ERR_TQ_IO', {
      errno: 'EISDIR',
    });
  });
});
