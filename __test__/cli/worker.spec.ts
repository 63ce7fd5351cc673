import { writeFileSync } from 'node:fs';
import * as arrow from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { Codebook, Codec, CodecConfig, Corpus } from '../../index.js';
import { normals } from '../helpers/data.js';
import { cli, failure, folder, npy, ok } from './cli.js';

const path = folder();
const ROWS = 300;
const DIM = 12;
const vectors = normals(ROWS * DIM, 31);
const rows = Array.from({ length: ROWS }, (_, row) => Array.from(vectors.subarray(row * DIM, (row + 1) * DIM)));
const config = new CodecConfig({ bitWidth: 4, dimension: DIM });
const codebook = Codebook.train(vectors, config);
const coding = ['--codebook', path('cb.tqcb'), '--config', path('c.json')];

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  writeFileSync(path('cb.tqcb'), codebook.toBytes());
  writeFileSync(path('c.json'), JSON.stringify(config));
  await ok(['compress', path('v.npy'), '-o', path('v.tq'), '--codebook', path('cb.tqcb')]);
});

/** A table of ids, vectors and categories in several record batches. */
function stream(type: arrow.DataType, from = 0, to = ROWS, name = 'vector'): Uint8Array {
  const parts: arrow.RecordBatch[] = [];
  for (let start = from; start < to; start += 128) {
    const end = Math.min(start + 128, to);
    const table = new arrow.Table({
      id: arrow.vectorFromArray(
        rows.slice(start, end).map((_, i) => `row ${start + i}`),
        new arrow.Utf8(),
      ),
      [name]: arrow.vectorFromArray(rows.slice(start, end), type),
      n: arrow.vectorFromArray(
        rows.slice(start, end).map((_, i) => (i % 3 === 0 ? null : start + i)),
        new arrow.Int32(),
      ),
    });
    parts.push(...table.batches);
  }
  const schema = parts[0]?.schema;
  if (schema === undefined) throw new Error('no batches');
  return arrow.tableToIPC(
    new arrow.Table(
      schema,
      parts.map((part) => new arrow.RecordBatch(schema, part.data)),
    ),
    'stream',
  );
}

const listOf = (item: arrow.DataType): arrow.DataType => new arrow.List(new arrow.Field('item', item, true));
const fixedOf = (item: arrow.DataType): arrow.DataType =>
  new arrow.FixedSizeList(DIM, new arrow.Field('item', item, true));

describe('worker compress and decompress', () => {
  it.each([
    ['lists of f32', listOf(new arrow.Float32())],
    ['lists of f64', listOf(new arrow.Float64())],
    ['fixed-size lists of f32', fixedOf(new arrow.Float32())],
  ])('replace a column of %s and pass the others through', async (_, type) => {
    const packed = await ok(['worker', 'compress', ...coding], { stdin: stream(type) });
    const table = arrow.tableFromIPC(packed.bytes);
    expect(table.schema.fields.map((field) => field.name)).toEqual(['id', 'codes', 'n']);
    expect(table.batches.map((batch) => batch.numRows)).toEqual([128, 128, 44]);
    const batch = await new Codec().compressBatch(vectors, config, codebook);
    const codes = table.getChild('codes');
    for (const row of [0, 127, 128, 299]) expect(codes?.get(row)).toEqual(batch.at(row).toBytes());
    expect(table.getChild('id')?.get(150)).toBe('row 150');
    expect([0, 1, 2, 3].map((row) => table.getChild('n')?.get(row) as unknown)).toEqual([null, 1, 2, null]);
    expect(packed.stderr).toMatch(/^300 rows in \d+\.\d s\n$/);

    const back = await ok(['worker', 'decompress', ...coding], { stdin: packed.bytes });
    const again = arrow.tableFromIPC(back.bytes);
    expect(again.schema.fields.map((field) => field.name)).toEqual(['id', 'vector', 'n']);
    const expected = await new Codec().decompressBatch(batch, config, codebook);
    for (const row of [0, 200, 299]) {
      const vector = again.getChild('vector')?.get(row) as arrow.Vector;
      expect(Array.from(vector.toArray() as Float32Array)).toEqual([...expected.subarray(row * DIM, (row + 1) * DIM)]);
    }
  });

  it('take f16 vectors, binary columns and columns of other names', async () => {
    const half = await ok(['worker', 'compress', ...coding, '--column', 'e'], {
      stdin: stream(listOf(new arrow.Float16()), 0, 40, 'e'),
    });
    expect(arrow.tableFromIPC(half.bytes).schema.fields.map((field) => field.name)).toEqual(['id', 'codes', 'n']);
    const codes = arrow.tableFromIPC(half.bytes).getChild('codes');
    const binary = new arrow.Table({
      blob: arrow.vectorFromArray(
        Array.from({ length: 40 }, (_, row) => codes?.get(row) as Uint8Array),
        new arrow.Binary(),
      ),
    });
    const back = await ok(['worker', 'decompress', ...coding, '--column', 'blob'], {
      stdin: arrow.tableToIPC(binary, 'stream'),
    });
    const vector = arrow.tableFromIPC(back.bytes).getChild('vector')?.get(3) as arrow.Vector;
    const apart = Array.from(vector.toArray() as Float32Array).map((value, i) => Math.abs(value - (rows[3]?.[i] ?? 0)));
    expect(Math.max(...apart)).toBeLessThan(0.01);
  });

  it('pass a stream without rows through', async () => {
    const empty = arrow.tableToIPC(
      new arrow.Table(new arrow.Schema([new arrow.Field('vector', listOf(new arrow.Float32()), true)])),
      'stream',
    );
    const { bytes } = await ok(['worker', 'compress', ...coding], { stdin: empty });
    const table = arrow.tableFromIPC(bytes);
    expect({ rows: table.numRows, names: table.schema.fields.map((field) => field.name) }).toEqual({
      rows: 0,
      names: ['codes'],
    });
  });

  it('report what is wrong with their input', async () => {
    const run = (stdin: Uint8Array | string, ...options: string[]): ReturnType<typeof failure> =>
      failure(['worker', 'compress', ...coding, ...options], { stdin });
    expect(await run('')).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    expect(await run('this is no Arrow stream')).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    const whole = stream(listOf(new arrow.Float32()));
    expect(await run(whole, '--column', 'absent')).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
    expect(await run(whole, '--column', 'id')).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    const short = arrow.tableToIPC(
      new arrow.Table({ vector: arrow.vectorFromArray([rows[0], [1, 2]], listOf(new arrow.Float32())) }),
      'stream',
    );
    expect(await run(short)).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_DIM_MISMATCH',
      details: { row: 1, expected: DIM, got: 2 },
    });
    const nulls = arrow.tableToIPC(
      new arrow.Table({ vector: arrow.vectorFromArray([rows[0], null], listOf(new arrow.Float32())) }),
      'stream',
    );
    expect(await run(nulls)).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT', details: { row: 1 } });
    const inner = arrow.tableToIPC(
      new arrow.Table({
        vector: arrow.vectorFromArray(
          [rows[0], rows[1]?.with(2, null as unknown as number)],
          listOf(new arrow.Float32()),
        ),
      }),
      'stream',
    );
    expect(await run(inner)).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT', details: { row: 1 } });
    const nan = arrow.tableToIPC(
      new arrow.Table({
        vector: arrow.vectorFromArray([rows[0], rows[1]?.with(2, Number.NaN)], listOf(new arrow.Float32())),
      }),
      'stream',
    );
    expect(await run(nan)).toMatchObject({ exit: 3, code: 'ERR_TQ_NON_FINITE', details: { row: 1, column: 2 } });
    const codes = arrow.tableToIPC(
      new arrow.Table({ codes: arrow.vectorFromArray([new Uint8Array(5)], new arrow.Binary()) }),
      'stream',
    );
    expect(await failure(['worker', 'decompress', ...coding], { stdin: codes })).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_FORMAT',
    });
  });

  it('do not take a stream that ends early for a whole one', async () => {
    const whole = stream(listOf(new arrow.Float32()));
    for (const length of [whole.length - 8, whole.length - 200, Math.floor(whole.length / 2)]) {
      const { code, stderr } = await cli(['worker', 'compress', ...coding], { stdin: whole.subarray(0, length) });
      expect(code, stderr).toBe(3);
      expect(stderr).toMatch(/^error: standard input: .*\n$/);
    }
  });

  it('tell the rows in JSON on standard error', async () => {
    const { stderr } = await cli(['worker', 'compress', ...coding, '--json'], {
      stdin: stream(listOf(new arrow.Float32())),
    });
    const result = JSON.parse(stderr) as object;
    expect(Object.keys(result)).toEqual(['rows', 'seconds']);
    expect(result).toMatchObject({ rows: ROWS });
  });
});

describe('worker search', () => {
  it('replaces queries by ids and scores', async () => {
    const { bytes } = await ok(['worker', 'search', '--file', path('v.tq'), '--top-k', '3'], {
      stdin: stream(fixedOf(new arrow.Float32()), 0, 200),
    });
    const table = arrow.tableFromIPC(bytes);
    expect(table.schema.fields.map((field) => field.name)).toEqual(['id', 'ids', 'scores', 'n']);
    const cell = (name: string, row: number): unknown => table.getChild(name)?.get(row);
    const corpus = await Corpus.open(path('v.tq'));
    for (const row of [0, 130, 199]) {
      const hits = await corpus.search(vectors.slice(row * DIM, (row + 1) * DIM), 3);
      expect(Array.from(cell('ids', row) as Iterable<string>)).toEqual(hits.map((hit) => hit.vectorId));
      expect(Array.from(cell('scores', row) as Iterable<number>)).toEqual(hits.map((hit) => hit.score));
      expect(hits[0]?.vectorId).toBe(String(row));
    }
    corpus.close();
  });
});
