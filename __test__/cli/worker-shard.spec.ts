import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as arrow from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { Corpus, SearchIndex } from '../../index.js';
import { clustered } from '../helpers/search.js';
import { BIN, cli, failure, folder, json, npy, type Outcome, ok } from './cli.js';

const path = folder();
const posix = process.platform !== 'win32';
const ROWS = 900;
const DIM = 192;
const { vectors, queries } = clustered(ROWS, DIM, 9, 12);
const coding = ['--codebook', path('cb.tqcb'), '--config', path('c.json')];
const nameOf = (row: number): string => `doc-${String(row).padStart(4, '0')}`;

type Names = readonly (string | null)[] | null;

/** Rows of the data set as an Arrow stream in batches of some size. */
function stream(rows: readonly number[], size = 128, names: Names = rows.map(nameOf), dim = DIM): Uint8Array {
  const type = new arrow.FixedSizeList(dim, new arrow.Field('item', new arrow.Float32(), false));
  const fields = [
    ...(names === null ? [] : [new arrow.Field('id', new arrow.Utf8(), true)]),
    new arrow.Field('vector', type, false),
  ];
  const schema = new arrow.Schema(fields);
  const batches: arrow.RecordBatch[] = [];
  for (let at = 0; at < rows.length; at += size) {
    const some = rows.slice(at, at + size);
    const values = new Float32Array(some.length * dim);
    for (const [i, row] of some.entries()) values.set(vectors.subarray(row * DIM, row * DIM + dim), i * dim);
    const child = arrow.makeData({ type: new arrow.Float32(), length: values.length, nullCount: 0, data: values });
    const lists = arrow.makeData({ type, length: some.length, nullCount: 0, child });
    const ids = names === null ? [] : arrow.vectorFromArray(names.slice(at, at + size), new arrow.Utf8()).data;
    const children = [...ids, lists] as arrow.Data[];
    const struct = new arrow.Struct(schema.fields);
    batches.push(new arrow.RecordBatch(schema, arrow.makeData({ type: struct, length: some.length, children })));
  }
  return arrow.tableToIPC(new arrow.Table(schema, batches), 'stream');
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** The one row that says what was written. */
function told(outcome: Outcome): Record<string, unknown> {
  const table = arrow.tableFromIPC(outcome.bytes);
  expect(table.numRows).toBe(1);
  expect(table.schema.fields.map((field) => `${field.name} ${String(field.type)}`)).toEqual([
    'shard Utf8',
    'rows Int64',
    'bytes Int64',
  ]);
  return {
    shard: table.get(0)?.shard as unknown,
    rows: Number(table.get(0)?.rows),
    bytes: Number(table.get(0)?.bytes),
  };
}

/** Words of a worker that writes a shard, by the kind of file. */
const makers = {
  index: (to: string) => ['worker', 'index', '--like', path('fit.tqi'), '-o', to],
  compress: (to: string) => ['worker', 'compress', ...coding, '-o', to],
} as const;
const kinds = [
  ['index', '.tqi'],
  ['compress', '.tq'],
] as const;

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  writeFileSync(path('all.arrows'), stream(range(0, ROWS)));
  expect(await json(['index', path('v.npy'), '-o', path('fit.tqi'), '--fit-only'])).toMatchObject({ fitted: true });
  await ok(['train', path('v.npy'), '-o', path('cb.tqcb'), '--config-out', path('c.json'), '--no-residual']);
  await ok(['index', path('all.arrows'), '-o', path('all.tqi'), '--like', path('fit.tqi')]);
  const config = ['--codebook', path('cb.tqcb'), '--config-json', path('c.json')];
  await ok(['compress', path('all.arrows'), '-o', path('all.tq'), ...config]);
});

describe.each(kinds)('worker %s writes a shard', (kind, extension) => {
  const make = makers[kind];

  it('with the bytes that index or compress give the same rows, however they are batched', async () => {
    for (const size of [ROWS, 128, 7]) {
      const to = path(`whole-${size}${extension}`);
      const outcome = await ok(make(to), { stdin: stream(range(0, ROWS), size) });
      const expected = readFileSync(path(`all${extension}`));
      expect(readFileSync(to).equals(expected)).toBe(true);
      expect(told(outcome)).toEqual({ shard: to, rows: ROWS, bytes: expected.length });
      expect(outcome.stderr).toMatch(/^.*: 900 rows, [\d,]+ bytes in \d+\.\d s\n$/);
    }
  });

  it('in place of an older one, with the same bytes', async () => {
    const to = path(`again${extension}`);
    writeFileSync(to, 'what an older run has left');
    for (let run = 0; run < 2; run++) await ok(make(to), { stdin: stream(range(5, 400)) });
    const once = path(`once${extension}`);
    await ok(make(once), { stdin: stream(range(5, 400), 50) });
    expect(readFileSync(to).equals(readFileSync(once))).toBe(true);
  });

  it('of no rows', async () => {
    const to = path(`empty${extension}`);
    const outcome = await ok(make(to), { stdin: stream([]) });
    expect(told(outcome)).toMatchObject({ shard: to, rows: 0 });
    expect(await json(['info', to])).toMatchObject({ vectorCount: 0, dimension: DIM });
    await ok(['verify', to]);
  });

  it('and tells about it in JSON on standard error', async () => {
    const to = path(`json${extension}`);
    const { stderr } = await cli([...make(to), '--json'], { stdin: stream(range(0, 30)) });
    const result = JSON.parse(stderr) as object;
    expect(Object.keys(result)).toEqual(['rows', 'seconds', 'output', 'sizeBytes']);
    expect(result).toMatchObject({ rows: 30, output: to, sizeBytes: readFileSync(to).length });
  });

  it('not of bad rows', async () => {
    const where = path(`bad ${kind}`);
    mkdirSync(where);
    const to = `${where}/x${extension}`;
    const run = (stdin: Uint8Array | string, ...words: string[]): ReturnType<typeof failure> =>
      failure([...make(to), ...words], { stdin });
    const whole = stream(range(0, ROWS));
    expect(await run('')).toMatchObject({ exit: 3 });
    expect(await run('no stream of Arrow batches')).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    expect(await run(whole, '--column', 'absent')).toMatchObject({ code: 'ERR_TQ_INVALID_ARG' });
    expect(await run(stream(range(0, 9), 9, null))).toMatchObject({ code: 'ERR_TQ_INVALID_ARG' });
    expect(await run(stream(range(0, 9), 9, range(0, 9).map(nameOf), 64))).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_DIM_MISMATCH',
    });
    const twice = [...range(0, 300).map(nameOf), nameOf(7)];
    expect(await run(stream(range(0, 301), 128, twice))).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_ID_EXISTS',
      details: { row: 300 },
    });
    const unnamed = [...range(0, 200).map(nameOf), null];
    expect(await run(stream(range(0, 201), 128, unnamed))).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    const damaged = Uint8Array.from(whole);
    new DataView(damaged.buffer).setFloat32(damaged.length - 5000, Number.NaN, true);
    expect(await run(damaged)).toMatchObject({ exit: 3, code: 'ERR_TQ_NON_FINITE' });
    expect(readdirSync(where)).toEqual([]);
  });

  it('not of a stream that ends early, which is what a producer leaves that was killed', async () => {
    const where = path(`cut ${kind}`);
    mkdirSync(where);
    const whole = stream(range(0, ROWS));
    for (const length of [whole.length - 8, whole.length - 200, Math.floor(whole.length / 2)]) {
      const error = await failure(make(`${where}/x${extension}`), { stdin: whole.subarray(0, length) });
      expect(error).toMatchObject({ exit: 3, code: 'ERR_TQ_TRUNCATED' });
    }
    expect(readdirSync(where)).toEqual([]);
  });

  it.runIf(posix)('or nothing when it is told to stop', async () => {
    for (const [signal, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const where = path(`${kind} ${signal}`);
      mkdirSync(where);
      const to = `${where}/x${extension}`;
      writeFileSync(to, 'the old content');
      const whole = stream(range(0, ROWS));
      const { code, stderr } = await cli(make(to), {
        stdin: whole.subarray(0, whole.length - 8),
        hold: true,
        started: async (child) => {
          await sleep(2500);
          child.kill(signal);
        },
      });
      expect({ code, stderr }).toEqual({ code: exit, stderr: `error: interrupted by ${signal}\n` });
      expect(readdirSync(where)).toEqual([`x${extension}`]);
      expect(readFileSync(to, 'utf8')).toBe('the old content');
    }
  });

  it.runIf(posix)('again after it was killed on the way', async () => {
    const where = path(`killed ${kind}`);
    mkdirSync(where);
    const to = `${where}/x${extension}`;
    const whole = stream(range(0, ROWS));
    const { signal } = await cli(make(to), {
      stdin: whole.subarray(0, whole.length / 2),
      hold: true,
      started: async (child) => {
        await sleep(2500);
        child.kill('SIGKILL');
      },
    });
    expect(signal).toBe('SIGKILL');
    expect(existsSync(to)).toBe(false);
    await ok(make(to), { stdin: whole });
    expect(readdirSync(where)).toEqual([`x${extension}`]);
    expect(readFileSync(to).equals(readFileSync(path(`all${extension}`)))).toBe(true);
  });

  it.runIf(posix)('even if nobody reads what it tells', async () => {
    const to = path(`unread${extension}`);
    const child = spawn(process.execPath, [BIN, ...make(to)], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin.end(stream(range(0, 100)));
    const code = await new Promise((done) => child.once('close', done));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await json(['info', to])).toMatchObject({ vectorCount: 100 });
  });

  it('under the rules of its options', async () => {
    const stdin = stream(range(0, 3));
    const exits = async (...words: string[]): Promise<string> => {
      const { exit, code } = await failure(['worker', kind, ...words], { stdin });
      return `${exit} ${code}`;
    };
    const rest = make('x').slice(2, -2);
    expect(await exits('-o', path(`o${extension}`))).toBe('2 ERR_TQ_INVALID_ARG');
    expect(await exits(...rest, '-o', '-')).toBe('2 ERR_TQ_INVALID_ARG');
    expect(await exits(...rest, '-o', path('absent/x.tq'))).toBe('1 ERR_TQ_IO');
    expect(await exits(...rest, '-o', path('.'))).toMatch(/^[12] ERR_TQ_/);
    const wrong = rest.map((word) => (word.startsWith('--') ? word : path('absent')));
    expect(await exits(...wrong, '-o', path(`o${extension}`))).toBe('3 ERR_TQ_IO');
    expect(existsSync(path(`o${extension}`))).toBe(false);
  });
});

describe('worker search', () => {
  const shards = range(0, 5).map((shard) => path(`part-${shard}.tqi`));
  const corpora = range(0, 2).map((shard) => path(`part-${shard}.tq`));
  const stdin = (): Uint8Array => {
    const type = new arrow.FixedSizeList(DIM, new arrow.Field('item', new arrow.Float32(), false));
    const rows = range(0, 9).map((row) => Array.from(queries.subarray(row * DIM, (row + 1) * DIM)));
    return arrow.tableToIPC(new arrow.Table({ vector: arrow.vectorFromArray(rows, type) }), 'stream');
  };

  beforeAll(async () => {
    for (const [i, to] of shards.entries()) {
      await ok(makers.index(to), { stdin: stream(range(0, ROWS).filter((row) => (row * 7) % 5 === i)) });
    }
    for (const [i, to] of corpora.entries()) {
      await ok(makers.compress(to), { stdin: stream(range(0, ROWS).filter((row) => row % 2 === i)) });
    }
  });

  /** Ids and scores of each query. */
  async function hits(...words: string[]): Promise<unknown[]> {
    const { bytes } = await ok(['worker', 'search', ...words], { stdin: stdin() });
    return arrow
      .tableFromIPC(bytes)
      .toArray()
      .map((row: unknown) => JSON.parse(JSON.stringify(row)) as unknown);
  }

  it('finds in several files what one file has', async () => {
    const expected = await hits('--file', path('all.tqi'), '--top-k', '12', '--exact');
    expect(await hits('--file', ...shards, '--top-k', '12', '--exact')).toEqual(expected);
    const [one, ...others] = shards as [string, ...string[]];
    expect(await hits('--file', one, '--file', ...others.reverse(), '--top-k', '12', '--exact')).toEqual(expected);
    // A search that is not exact finds at least the best one.
    const found = (await hits('--file', ...shards, '--top-k', '12', '--effort', '4')) as { ids: string[] }[];
    expect(found.map(({ ids }) => ids[0])).toEqual((expected as { ids: string[] }[]).map(({ ids }) => ids[0]));
    const index = await SearchIndex.open<string>(path('all.tqi'));
    const best = await index.search(queries.slice(0, DIM), { k: 12, exact: true });
    expect((expected[0] as { ids: string[] }).ids).toEqual(best.ids);
    index.close();
  });

  it('finds in several corpora what one has', async () => {
    const expected = await hits('--file', path('all.tq'), '--top-k', '4');
    expect(await hits('--file', ...corpora, '--top-k', '4')).toEqual(expected);
    const corpus = await Corpus.open(path('all.tq'));
    const best = await corpus.search(queries.slice(0, DIM), 4);
    expect((expected[0] as { ids: string[] }).ids).toEqual(best.map((hit) => hit.vectorId));
    corpus.close();
  });

  it('refuses files that do not belong together', async () => {
    writeFileSync(path('small.npy'), npy(vectors.slice(0, 8 * 200), 8));
    await ok(['index', path('small.npy'), '-o', path('small.tqi')]);
    await ok(['index', path('v.npy'), '-o', path('l2.tqi'), '--metric', 'l2']);
    const run = (...words: string[]): ReturnType<typeof failure> =>
      failure(['worker', 'search', '--file', ...words], { stdin: stdin() });
    expect(await run(path('all.tqi'), path('small.tqi'))).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
    expect(await run(path('all.tqi'), path('l2.tqi'))).toMatchObject({ exit: 3, code: 'ERR_TQ_CONFIG_MISMATCH' });
    expect(await run(path('all.tqi'), path('absent.tqi'))).toMatchObject({ exit: 3, code: 'ERR_TQ_IO' });
    expect(await run(path('all.tq'), '--effort', '2')).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
  });
});

describe('index', () => {
  it('writes a fit without vectors, which other indexes are like', async () => {
    const to = path('own.tqi');
    const result = await json(['index', path('v.npy'), '-o', to, '--fit-only', '--bits', '2', '--metric', 'dot']);
    expect(result).toMatchObject({ rows: 0, fitted: true, bitWidth: 2, metric: 'dot', bytesPerVector: 0, ratio: 0 });
    const like = await json(['index', path('v.npy'), '-o', path('liked.tqi'), '--like', to, '--limit', '20']);
    expect(like).toMatchObject({ rows: 20, fitted: true, bitWidth: 2, metric: 'dot', idType: 'number' });
    const { stderr } = await ok(['index', path('v.npy'), '-o', path('f.tqi'), '--fit-only', '--limit', '9']);
    expect(stderr).toMatch(
      /^warning: .*nothing was learnt.*\n.*: no vectors, 192 values each, 4 bits, [\d,]+ bytes\n$/,
    );
  });

  it('refuses what contradicts a fit', async () => {
    const exits = async (...words: string[]): Promise<unknown> =>
      failure(['index', path('v.npy'), '-o', path('never.tqi'), ...words]);
    const fit = ['--like', path('fit.tqi')];
    for (const words of [
      [...fit, '--no-fit'],
      [...fit, '--fit-only'],
      ['--fit-only', '--no-fit'],
      ['--fit-only', '--partitions', '4'],
    ]) {
      expect(await exits(...words)).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
    }
    expect(await exits(...fit, '--bits', '2')).toMatchObject({ exit: 3, code: 'ERR_TQ_CONFIG_MISMATCH' });
    expect(await exits('--like', path('absent'))).toMatchObject({ exit: 3, code: 'ERR_TQ_IO' });
    expect(await exits('--like', path('all.tq'))).toMatchObject({ exit: 3 });
    expect(existsSync(path('never.tqi'))).toBe(false);
  });
});
