import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { SearchIndex } from '../../index.js';
import { normals } from '../helpers/data.js';
import { clustered } from '../helpers/search.js';
import { cli, failure, folder, json, npy, ok } from './cli.js';

const path = folder();
const ROWS = 900;
const DIM = 128;
const { vectors, queries } = clustered(ROWS, DIM, 6, 12);
const rowOf = (row: number): number[] => [...vectors.slice(row * DIM, (row + 1) * DIM)];

interface Hit {
  readonly id: string;
  readonly score: number;
}

/** One JSON line a row. */
function lines(rows: number, record: (row: number) => unknown): string {
  return Array.from({ length: rows }, (_, row) => `${JSON.stringify(record(row))}\n`).join('');
}

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  writeFileSync(path('q.npy'), npy(queries, DIM));
  writeFileSync(
    path('v.jsonl'),
    lines(ROWS, (row) => ({ id: `doc-${row}`, vector: rowOf(row) })),
  );
  await ok(['index', path('v.npy'), '-o', path('v.tqi')]);
  await ok(['compress', path('v.npy'), '-o', path('v.tq')]);
});

describe('index', () => {
  it('writes the index that the library builds', async () => {
    const result = await json(['index', path('v.npy'), '-o', path('a.tqi')]);
    expect(result).toMatchObject({
      input: path('v.npy'),
      output: path('a.tqi'),
      rows: ROWS,
      sizeBytes: statSync(path('a.tqi')).size,
      skipped: 0,
      badRows: [],
      dimension: DIM,
      bitWidth: 4,
      metric: 'cosine',
      seed: '42',
      idType: 'number',
      originals: 'none',
    });
    const built = await SearchIndex.build(vectors, { dim: DIM });
    expect(Buffer.compare(built.toBytes(), readFileSync(path('a.tqi')))).toBe(0);
    const o = ['--bits', '2', '--metric', 'l2', '--seed', '7', '--no-fit', '--partitions', '9', '--originals', 'f16'];
    const other = await json(['index', path('v.npy'), '-o', path('b.tqi'), ...o]);
    expect(other).toMatchObject({
      bitWidth: 2,
      metric: 'l2',
      seed: '7',
      originals: 'f16',
      partitions: 9,
      fitted: false,
    });
    const same = await SearchIndex.build(vectors, {
      dim: DIM,
      bits: 2,
      metric: 'l2',
      seed: 7,
      fit: false,
      partitions: 9,
      originals: 'f16',
    });
    expect(Buffer.compare(same.toBytes(), readFileSync(path('b.tqi')))).toBe(0);
  });

  it('says on standard error what was done, and nothing on standard output', async () => {
    const { stdout, stderr } = await ok(['index', path('v.npy'), '-o', path('said.tqi'), '--originals', 'f32']);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /said\.tqi: 900 x 128, 4 bits(, fitted)? \+ originals \(f32\), [\d,]+ bytes \(\d+\.\d times smaller\), \d+\.\d s, [\d,]+ rows\/s\n$/,
    );
  });

  it('keeps the ids of the input', async () => {
    await ok(['index', path('v.jsonl'), '-o', path('named.tqi')]);
    const named = await SearchIndex.open<string>(path('named.tqi'), { verify: true });
    expect([named.idType, named.size, named.ids()[17]]).toEqual(['string', ROWS, 'doc-17']);
    await ok(['convert', path('v.jsonl'), '-o', path('v.parquet')]);
    const result = await json(['index', path('v.parquet'), '-o', path('parquet.tqi'), '--ids', 'id']);
    expect(result.idType).toBe('string');
    expect(readFileSync(path('parquet.tqi'))).toEqual(readFileSync(path('named.tqi')));
    const twice = lines(5, (row) => ({ id: row === 3 ? 'a0' : `a${row}`, vector: rowOf(row) }));
    writeFileSync(path('twice.jsonl'), twice);
    const error = await failure(['index', path('twice.jsonl'), '-o', path('twice.tqi')]);
    expect(error).toMatchObject({ exit: 3, code: 'ERR_TQ_ID_EXISTS', details: { row: 3, path: path('twice.jsonl') } });
    expect(existsSync(path('twice.tqi'))).toBe(false);
  });

  it('leaves out bad rows when told to, and rows keep their numbers', async () => {
    const broken = vectors.slice();
    broken[5 * DIM + 1] = Number.NaN;
    broken[700 * DIM] = Number.POSITIVE_INFINITY;
    writeFileSync(path('bad.npy'), npy(broken, DIM));
    expect(await failure(['index', path('bad.npy'), '-o', path('bad.tqi')])).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_NON_FINITE',
      details: { row: 5, column: 1 },
    });
    for (const rows of [[], ['--train-rows', '300'], ['--train-rows', '2']]) {
      const result = await json(['index', path('bad.npy'), '-o', path('bad.tqi'), '--skip-bad', '--force', ...rows]);
      expect(result).toMatchObject({ rows: ROWS - 2, skipped: 2, idType: 'number' });
      expect((result.badRows as { row: number }[]).map(({ row }) => row)).toEqual([5, 700]);
      const index = await SearchIndex.open(path('bad.tqi'));
      expect([index.ids()[4], index.ids()[5], index.ids().at(-1)]).toEqual([4, 6, ROWS - 1]);
      expect([index.has(5), index.has(700)]).toEqual([false, false]);
    }
  });

  it('adds the rows that it was not built of', async () => {
    const result = await json(['index', path('v.jsonl'), '-o', path('grown.tqi'), '--train-rows', '400']);
    expect(result.rows).toBe(ROWS);
    const index = await SearchIndex.build(vectors.subarray(0, 400 * DIM), {
      dim: DIM,
      ids: Array.from({ length: 400 }, (_, row) => `doc-${row}`),
    });
    await index.add(vectors.subarray(400 * DIM), { ids: Array.from({ length: 500 }, (_, row) => `doc-${row + 400}`) });
    const opened = await SearchIndex.open<string>(path('grown.tqi'), { verify: true });
    expect(opened.ids()).toEqual(index.ids());
    const o = { k: 10, exact: true };
    expect(opened.searchBatchSync(queries, o)).toEqual(index.searchBatchSync(queries, o));
  });

  it('reads from a stream, writes to one, and gives the same bytes whatever the threads', async () => {
    const stdin = readFileSync(path('v.npy'));
    const { bytes } = await ok(['index', '-', '--format', 'npy', '-o', '-', '--threads', '1'], { stdin });
    expect(Buffer.compare(bytes, readFileSync(path('v.tqi')))).toBe(0);
    const scalar = await ok(['index', path('v.npy'), '-o', '-'], { env: { TINYQUANT_SIMD: 'scalar' } });
    expect(Buffer.compare(scalar.bytes, bytes)).toBe(0);
  });

  it('refuses what it cannot do', async () => {
    const run = (...args: string[]): ReturnType<typeof failure> =>
      failure(['index', path('v.npy'), '-o', path('no.tqi'), ...args]);
    for (const args of [
      ['--bits', '5'],
      ['--metric', 'l1'],
      ['--partitions', '0'],
      ['--partitions', 'some'],
      ['--partitions', '70000'],
      ['--originals', 'f64'],
      ['--seed', '-1'],
      ['--train-rows', '0'],
      ['--residual'],
    ]) {
      expect(await run(...args), args.join(' ')).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
    }
    expect(await failure(['index', path('v.npy')])).toMatchObject({ exit: 2 });
    expect(await failure(['index', path('absent.npy'), '-o', path('no.tqi')])).toMatchObject({ exit: 3 });
    writeFileSync(path('none.npy'), npy(new Float32Array(), DIM));
    expect(await failure(['index', path('none.npy'), '-o', path('no.tqi')])).toMatchObject({ exit: 3 });
    expect(await failure(['index', path('v.npy'), '-o', path('v.tqi')])).toMatchObject({
      exit: 1,
      details: { errno: 'EEXIST' },
    });
    expect((await run('--dimension', '64')).code).toBe('ERR_TQ_DIM_MISMATCH');
    expect(existsSync(path('no.tqi'))).toBe(false);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    // An input that goes on and on, while it is read and once its first rows have been indexed.
    for (const rows of [[], ['--train-rows', '100']]) {
      const args = ['index', '-', '--format', 'npy', '-o', path('long.tqi'), ...rows];
      const { code } = await cli(args, {
        stdin: readFileSync(path('v.npy')).subarray(0, -DIM),
        hold: true,
        started: (child) => setTimeout(() => child.kill('SIGINT'), 1500),
      });
      expect(code).toBe(130);
      expect(readdirSync(path('.')).filter((name) => name.includes('long.tqi'))).toEqual([]);
    }
  });
});

describe('an index file', () => {
  it('is searched', async () => {
    const args = ['search', path('v.tqi'), '--query', path('q.npy')];
    const answer = await json<{ results: Hit[][] }>(args);
    const index = await SearchIndex.open(path('v.tqi'));
    const expected = (k: number, o: object): Hit[][] =>
      index
        .searchBatchSync(queries, { k, ...o })
        .map((hits) => Array.from(hits, ({ id, score }) => ({ id: String(id), score })));
    expect(answer).toEqual({ results: expected(5, {}) });
    expect(await json([...args, '--top-k', '9', '--exact'])).toEqual({ results: expected(9, { exact: true }) });
    expect(await json([...args, '--effort', '.05'])).toEqual({ results: expected(5, { effort: 0.05 }) });
    const all = await json<{ results: Hit[][] }>([...args, '--top-k', '5000', '--limit', '1']);
    expect(all.results.map((hits) => hits.length)).toEqual([ROWS]);
    const [first] = answer.results[0] ?? [];
    const { stdout } = await ok([...args, '--csv', '--limit', '1', '--top-k', '1']);
    expect(stdout).toBe(`query,rank,id,score\n0,1,${first?.id},${first?.score.toFixed(9)}\n`);
    for (const bad of ['0', '-1', 'x', 'Infinity', '1e400', '']) {
      expect(await failure([...args, '--effort', bad])).toMatchObject({ exit: 2 });
    }
    writeFileSync(path('wide.npy'), npy(normals(20, 3), 20));
    const wide = await failure(['search', path('v.tqi'), '--query', path('wide.npy')]);
    expect(wide).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
  });

  it('has options of its own', async () => {
    const args = ['search', path('v.tq'), '--query', path('q.npy')];
    expect(await failure([...args, '--effort', '2'])).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
    expect(await json([...args, '--exact'])).toEqual(await json(args));
  });

  it('is measured', async () => {
    const run = (file: string, ...more: string[]): Promise<Record<string, unknown>> =>
      json(['recall', path(file), '--truth', path('v.npy'), '--query', path('q.npy'), ...more]);
    const { recall, vectors: count } = await run('v.tqi');
    expect(count).toBe(ROWS);
    expect(recall).toBeGreaterThan(0.8);
    await ok(['index', path('v.npy'), '-o', path('kept.tqi'), '--originals', 'f32']);
    expect((await run('kept.tqi', '--exact')).recall).toBe(1);
    // By id, and by place where the originals have none.
    await ok(['index', path('v.jsonl'), '-o', path('texts.tqi'), '--originals', 'f32']);
    expect((await run('texts.tqi', '--exact')).recall).toBe(1);
    const named = ['recall', path('texts.tqi'), '--truth', path('v.jsonl'), '--query', path('q.npy'), '--exact'];
    expect((await json(named)).recall).toBe(1);
    await ok(['index', path('v.npy'), '-o', path('l2.tqi'), '--metric', 'l2']);
    const other = await failure(['recall', path('l2.tqi'), '--truth', path('v.npy'), '--query', path('q.npy')]);
    expect(other).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
  });

  it('is told and checked', async () => {
    const info = await json(['info', path('v.tqi')]);
    expect(info).toMatchObject({
      file: path('v.tqi'),
      format: 'index',
      sizeBytes: statSync(path('v.tqi')).size,
      bitWidth: 4,
      vectorCount: ROWS,
      dimension: DIM,
      seed: '42',
      metric: 'cosine',
      idType: 'number',
      originals: 'none',
      partitions: 1,
      commits: 1,
    });
    const { seconds, ok: fine, ...verified } = await json(['verify', path('v.tqi')]);
    expect([fine, seconds]).toEqual([true, expect.any(Number)]);
    expect(verified).toEqual(info);
    const { stdout } = await ok(['info', path('v.tqi')]);
    expect(stdout).toMatch(/^format: +search index$/m);
    expect(stdout).toMatch(/^metric: +cosine$/m);
    expect((await ok(['verify', path('v.tqi')])).stderr).toMatch(/: ok, 900 vectors, [\d,]+ bytes read/);
    const damaged = readFileSync(path('v.tqi'));
    damaged[damaged.length - 5000] = (damaged[damaged.length - 5000] ?? 0) ^ 1;
    writeFileSync(path('damaged.tqi'), damaged);
    expect(await failure(['verify', path('damaged.tqi')])).toMatchObject({ exit: 3, code: 'ERR_TQ_CHECKSUM' });
  });

  it('is not what other commands read', async () => {
    for (const args of [
      ['decompress', path('v.tqi'), '-o', path('x.npy')],
      ['convert', path('v.tqi'), '-o', path('x.tqcv')],
      ['compress', path('v.tqi'), '-o', path('x.tq')],
    ]) {
      const { exit, message } = await failure(args);
      expect([2, 3], message).toContain(exit);
    }
    expect(existsSync(path('x.npy'))).toBe(false);
  });
});
