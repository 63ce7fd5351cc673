import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BadRow, type ReadVectorsOptions, readVectors, type VectorBatch, writeVectors } from '../dist/io.js';
import { type ErrorCode, isTinyQuantError } from '../index.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';
import { type Dtype, eighths, encode, npy, pieces, read, scratch } from './helpers/io.js';

const folder = scratch();

/** Reads with bad rows left out: what is left, and what was reported. */
async function skip(path: string, options: ReadVectorsOptions = {}) {
  const bad: [number, ErrorCode][] = [];
  const onBadRow = ({ row, error }: BadRow): void => {
    expect(error.details).toMatchObject({ path, row });
    bad.push([row, error.code]);
  };
  return { ...(await read(path, { ...options, onBadRow })), bad };
}

describe('a bad row', () => {
  const values = eighths(40);
  const dirty = values.map((value, i) => (i === 22 ? Number.NaN : i === 31 ? Number.NEGATIVE_INFINITY : value));
  const kept = values.filter((_, i) => ![5, 7].includes(Math.floor(i / 4)));

  it.each<[string, Uint8Array]>([
    ['nan.f32', encode(dirty, 'f4')],
    ...(['f2', 'f4', 'f8'] as Dtype[]).map((dtype): [string, Uint8Array] => [
      `nan-${dtype}.npy`,
      npy({ dtype: `<${dtype}`, shape: [10, 4], data: encode(dirty, dtype) }),
    ]),
    [
      'nan.csv',
      Buffer.from(Array.from({ length: 10 }, (_, row) => `${dirty.slice(4 * row, 4 * row + 4).join()}\n`).join('')),
    ],
  ])('of %s is named, or left out', async (name, bytes) => {
    const path = folder.file(name, bytes);
    const options = name.endsWith('f32') ? { dimension: 4 } : {};
    const error = await rejection(() => read(path, options), 'ERR_TQ_NON_FINITE', { path, row: 5, column: 2 });
    expect(error.message).toContain(`${path}: row 5, column 2 is NaN`);
    for (const batchRows of [1, 3, 100]) {
      const result = await skip(path, { ...options, batchRows });
      expect(result.bad).toEqual([
        [5, 'ERR_TQ_NON_FINITE'],
        [7, 'ERR_TQ_NON_FINITE'],
      ]);
      expect(result.vectors).toEqual(kept);
    }
  });

  it('gives the rows after it their numbers as ids', async () => {
    const path = folder.file('named.f32', encode(dirty, 'f4'));
    const ids: (readonly string[] | undefined)[] = [];
    for await (const batch of readVectors(path, { dimension: 4, batchRows: 3, onBadRow: () => {} }))
      ids.push(batch.ids);
    expect(ids).toEqual([undefined, ['3', '4'], ['6', '8'], ['9']]);
    const limited = await skip(path, { dimension: 4, batchRows: 3, limit: 6 });
    expect(limited.ids).toEqual(['3', '4', '6']);
    expect(limited.bad).toEqual([[5, 'ERR_TQ_NON_FINITE']]);
    // What lies beyond the limit is nobody's business.
    expect((await read(path, { dimension: 4, limit: 5 })).batches).toEqual([5]);
  });

  it('keeps the ids of a file that has them', async () => {
    const lines = ['a', 'b', 'c'].map((id, i) => JSON.stringify({ id, vector: i === 1 ? [1] : [1, 2] }));
    expect(await skip(folder.file('own.jsonl', lines.join('\n')))).toMatchObject({
      ids: ['a', 'c'],
      bad: [[1, 'ERR_TQ_DIM_MISMATCH']],
    });
  });

  it('beyond f32 counts as infinite', async () => {
    const path = folder.file('wide.npy', npy({ dtype: '<f8', shape: [2, 1], data: encode([1, 1e300], 'f8') }));
    await rejection(() => read(path), 'ERR_TQ_NON_FINITE', { path, row: 1, column: 0 });
    await rejection(() => read(folder.file('wide.csv', '1\n1e39\n')), 'ERR_TQ_NON_FINITE', { row: 1 });
  });

  it('may make the callback throw, and that passes through', async () => {
    const reason = new RangeError('mine');
    const onBadRow = (): never => {
      throw reason;
    };
    for (const name of ['nulls.parquet', 'nulls.arrow']) {
      expect(await reasonOf(read(join(ROOT, 'fixtures/io', name), { onBadRow }))).toBe(reason);
    }
    expect(await reasonOf(read(folder.file('mine.csv', 'x\n'), { onBadRow }))).toBe(reason);
  });

  const LINES: [string, ErrorCode][] = [
    ['{"vector":[1,2}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1]}', 'ERR_TQ_DIM_MISMATCH'],
    ['{"vector":[1,2,3]}', 'ERR_TQ_DIM_MISMATCH'],
    ['{"vector":[]}', 'ERR_TQ_DIM_MISMATCH'],
    ['{"vector":[1,null]}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,"2"]}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,1e39]}', 'ERR_TQ_NON_FINITE'],
    ['{"vector":"AAAAAA"}', 'ERR_TQ_FORMAT'],
    ['{"vector":"AAAA AAAA"}', 'ERR_TQ_FORMAT'],
    ['{"vector":null}', 'ERR_TQ_FORMAT'],
    ['{"vektor":[1,2]}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,2],"metadata":5}', 'ERR_TQ_FORMAT'],
    [`{"vector":[1,2],"metadata":${'{"a":'.repeat(101)}1${'}'.repeat(101)}}`, 'ERR_TQ_FORMAT'],
    ['{"vector":[1,2],"id":1.5}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,2],"id":9007199254740993}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,2],"id":"\\ud800"}', 'ERR_TQ_FORMAT'],
    ['{"vector":[1,2],"id":null}', 'ERR_TQ_FORMAT'],
    ['5', 'ERR_TQ_FORMAT'],
    ['null', 'ERR_TQ_FORMAT'],
    ['[NaN,1]', 'ERR_TQ_FORMAT'],
  ];

  it.each(LINES)('of jsonl: %s', async (line, code) => {
    const path = folder.file('bad.jsonl', `[1,2]\n\n${line}\n[3,4]\n`);
    await rejection(() => read(path), code, { path, row: 1 });
    expect(await skip(path)).toMatchObject({ vectors: [1, 2, 3, 4], ids: ['0', '2'], bad: [[1, code]] });
  });

  it('of jsonl without the id that others have', async () => {
    const path = folder.file('noid.jsonl', '{"id":1,"vector":[1]}\n{"vector":[2]}\n[3]\n');
    await rejection(() => read(path), 'ERR_TQ_FORMAT', { row: 1, line: 2 });
    await rejection(() => read(folder.file('key.jsonl', '[3]'), { idColumn: 'key' }), 'ERR_TQ_FORMAT', { row: 0 });
    await rejection(() => read(path, { column: 'other' }), 'ERR_TQ_FORMAT', { row: 0 });
  });

  it.each([
    ['a,b', 'ERR_TQ_FORMAT'],
    ['1,', 'ERR_TQ_FORMAT'],
    ['1,0x10', 'ERR_TQ_FORMAT'],
    ['1;2', 'ERR_TQ_FORMAT'],
    ['1,2,3', 'ERR_TQ_DIM_MISMATCH'],
    ['1, -inf', 'ERR_TQ_NON_FINITE'],
    ['nan,1', 'ERR_TQ_NON_FINITE'],
  ] as [string, ErrorCode][])('of csv: %s', async (line, code) => {
    const path = folder.file('bad.csv', `1,2\n${line}\n +3.5 , -4e-1\n`);
    await rejection(() => read(path), code, { path, row: 1 });
    expect(await skip(path)).toMatchObject({ vectors: [1, 2, 3.5, Math.fround(-0.4)], bad: [[1, code]] });
  });

  it('of text that is not UTF-8', async () => {
    const path = folder.file('latin1.jsonl', Buffer.from('[1]\n{"id":"\xe9","vector":[1]}\n', 'latin1'));
    await rejection(() => read(path), 'ERR_TQ_FORMAT', { row: 1 });
  });

  it('of fvecs has another dimension', async () => {
    const row = (dimension: number): Uint8Array =>
      Buffer.concat([new Uint8Array(Int32Array.of(dimension).buffer), encode(eighths(dimension), 'f4')]);
    const path = folder.file('ragged.fvecs', Buffer.concat([row(3), row(2), row(3)]));
    await rejection(() => read(path), 'ERR_TQ_DIM_MISMATCH', { path, row: 1, expected: 3, got: 2 });
    expect(await skip(path)).toMatchObject({ ids: ['0', '2'], bad: [[1, 'ERR_TQ_DIM_MISMATCH']] });
    for (const dimension of [0, -1, 2 ** 31 - 1]) {
      const broken = folder.file(
        'broken.fvecs',
        Buffer.concat([row(3), new Uint8Array(Int32Array.of(dimension).buffer)]),
      );
      await rejection(() => skip(broken), 'ERR_TQ_FORMAT', { row: 1, got: dimension });
    }
  });
});

describe('a file that cannot be read', () => {
  it('is missing', async () => {
    for (const name of ['none.npy', 'none.parquet', 'none.arrow', 'none.jsonl']) {
      const path = folder.file(name);
      const error = await rejection(() => read(path), 'ERR_TQ_IO', { errno: 'ENOENT', path, syscall: 'open' });
      expect(error.message).toContain(path);
    }
  });

  it.each<[string, Uint8Array, ErrorCode]>([
    ['integers', npy({ dtype: '<i4', shape: [1, 2], data: new Uint8Array(8) }), 'ERR_TQ_FORMAT'],
    ['three dimensions', npy({ shape: [1, 1, 2], data: new Uint8Array(8) }), 'ERR_TQ_FORMAT'],
    ['a scalar', npy({ shape: [], data: new Uint8Array(4) }), 'ERR_TQ_FORMAT'],
    ['rows without values', npy({ shape: [3, 0], data: new Uint8Array(0) }), 'ERR_TQ_DIM_MISMATCH'],
    ['too many dimensions', npy({ shape: [1, 1 << 21], data: new Uint8Array(4 << 21) }), 'ERR_TQ_LIMIT'],
    ['too much data', npy({ shape: [1, 2], data: new Uint8Array(12) }), 'ERR_TQ_FORMAT'],
    ['too little data', npy({ shape: [2, 2], data: new Uint8Array(12) }), 'ERR_TQ_TRUNCATED'],
    ['a size beyond memory', npy({ shape: [1e12, 2], data: new Uint8Array(12) }), 'ERR_TQ_TRUNCATED'],
    ['no header', Buffer.from('\x93NUM', 'latin1'), 'ERR_TQ_TRUNCATED'],
    ['another format', Buffer.from('PK\x03\x04 this is a zip file', 'latin1'), 'ERR_TQ_FORMAT'],
  ])('is an npy of %s', async (_, bytes, code) => {
    const path = folder.file('bad.npy', bytes);
    await rejection(() => read(path), code, { path });
    const error = await rejection(() => read(pieces(bytes, 7), { format: 'npy' }), code);
    expect(error.details?.path).toBeUndefined();
  });

  it('is of another dimension or number of rows', async () => {
    const path = folder.file('shape.npy', npy({ shape: [2, 3], data: new Uint8Array(24) }));
    await rejection(() => read(path, { dimension: 4 }), 'ERR_TQ_DIM_MISMATCH', { path, expected: 4, got: 3 });
    await rejection(() => read(path, { rows: 3 }), 'ERR_TQ_FORMAT', { expected: 3, got: 2 });
    const demo = join(ROOT, 'fixtures/io/snappy.parquet');
    await rejection(() => read(demo, { dimension: 13 }), 'ERR_TQ_DIM_MISMATCH', { row: 0, expected: 13, got: 12 });
  });

  it('is of another format than its name says', async () => {
    for (const name of ['odd.parquet', 'odd.arrow']) {
      await rejection(() => read(folder.file(name, 'this is no table at all')), 'ERR_TQ_FORMAT');
      await rejection(() => read(folder.file(name, '')), 'ERR_TQ_TRUNCATED');
    }
  });

  it('cannot be streamed where it is read from its end', async () => {
    await rejection(() => read(pieces(new Uint8Array(9), 3), { format: 'parquet' }), 'ERR_TQ_INVALID_ARG', {
      argument: 'source',
    });
  });

  it('shrinks while it is read', async () => {
    for (const fortran of [false, true]) {
      const path = folder.file('shrinks.npy', npy({ fortran, shape: [100, 1000], data: new Uint8Array(400_000) }));
      const reading = readVectors(path, { batchRows: 10 })[Symbol.asyncIterator]();
      await reading.next();
      truncateSync(path, 50_000);
      const rest = async (): Promise<void> => {
        while ((await reading.next()).done !== true);
      };
      await rejection(rest, 'ERR_TQ_TRUNCATED', { path });
    }
  });
});

describe('a file cut at any byte', () => {
  const rows = eighths(60);
  const batch: VectorBatch = {
    vectors: Float32Array.from(rows),
    rows: 20,
    dimension: 3,
    ids: rows.slice(0, 20).map((_, i) => `é${i}`),
  };

  it.each(['npy', 'parquet', 'arrow', 'arrows', 'fvecs'])('is noticed in %s', async (extension) => {
    const whole = folder.file(`whole.${extension}`);
    await writeVectors(whole, [batch], { overwrite: true });
    const bytes = readFileSync(whole);
    const cut = folder.file(`cut.${extension}`);
    for (let length = 0; length < bytes.length; length++) {
      // Rows of fvecs end where they end.
      if (extension === 'fvecs' && length % 16 === 0) continue;
      writeFileSync(cut, bytes.subarray(0, length));
      await rejection(() => read(cut, { batchRows: 4 }), 'ERR_TQ_TRUNCATED', { path: cut });
    }
    expect((await read(whole)).vectors).toEqual(rows);
  });

  it('of raw values is noticed within a row', async () => {
    const path = folder.file('cut.f32', encode(rows, 'f4').subarray(0, 4 * 31));
    await rejection(() => read(path, { dimension: 3, batchRows: 4 }), 'ERR_TQ_TRUNCATED', { path, row: 10 });
    await rejection(() => read(pieces(readFileSync(path), 5), { format: 'raw', dimension: 3 }), 'ERR_TQ_TRUNCATED', {
      row: 10,
    });
  });
});

describe('damaged tables', () => {
  const names = [
    'snappy.parquet',
    'zstd.parquet',
    'pages-v1.parquet',
    'f64-integers.parquet',
    'plain.arrow',
    'lz4.arrow',
    'f16-fixed.arrows',
  ];

  it.each(names)('%s gives values or a coded error, and soon', async (name) => {
    const bytes = readFileSync(join(ROOT, 'fixtures/io', name));
    const path = folder.file(`damaged-${name}`);
    let state = 99;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let run = 0; run < 300; run++) {
      const damaged = Buffer.from(bytes);
      for (let i = random(3); i >= 0; i--) {
        const at = run % 2 === 0 ? random(bytes.length) : bytes.length - 1 - random(Math.min(400, bytes.length));
        damaged[at] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)] ?? 0;
      }
      writeFileSync(path, damaged);
      const started = performance.now();
      try {
        await read(path, run % 3 === 0 ? { onBadRow: () => {} } : {});
      } catch (error) {
        if (!isTinyQuantError(error)) throw error;
        refused++;
      }
      expect(performance.now() - started).toBeLessThan(5000);
    }
    expect(refused).toBeGreaterThan(20);
    expect(statSync(path).size).toBe(bytes.length);
  });
});
