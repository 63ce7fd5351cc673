import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Corpus, TqcvReader } from '../../index.js';
import { normals } from '../helpers/data.js';
import { cli, failure, folder, json, npy, ok, terminal } from './cli.js';

const path = folder();
const ROWS = 700;
const DIM = 24;
const vectors = normals(ROWS * DIM, 5);
const rowOf = (row: number): Float32Array => vectors.slice(row * DIM, (row + 1) * DIM);

const COMPRESS_KEYS = [
  'input',
  'output',
  'format',
  'rows',
  'totalRows',
  'sizeBytes',
  'skipped',
  'badRows',
  'dimension',
  'bitWidth',
  'seed',
  'residual',
  'policy',
  'configHash',
  'codebook',
  'trainRows',
  'bytesPerVector',
  'ratio',
  'seconds',
  'rowsPerSecond',
  'dryRun',
];

/** One JSON line a row. */
function lines(rows: number, record: (row: number) => unknown): string {
  return Array.from({ length: rows }, (_, row) => `${JSON.stringify(record(row))}\n`).join('');
}

beforeAll(() => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  writeFileSync(
    path('v.jsonl'),
    lines(ROWS, (row) => ({ id: `doc-${row}`, vector: [...rowOf(row)], metadata: { row } })),
  );
});

describe('compress', () => {
  it('writes a corpus file that holds the vectors', async () => {
    const result = await json(['compress', path('v.npy'), '-o', path('a.tq')]);
    expect(Object.keys(result)).toEqual(COMPRESS_KEYS);
    expect(result).toMatchObject({
      input: path('v.npy'),
      output: path('a.tq'),
      format: 'corpus',
      rows: ROWS,
      totalRows: ROWS,
      skipped: 0,
      badRows: [],
      dimension: DIM,
      bitWidth: 4,
      seed: '42',
      residual: true,
      policy: 'compress',
      codebook: 'trained',
      trainRows: ROWS,
      sizeBytes: readFileSync(path('a.tq')).length,
      dryRun: false,
    });
    const corpus = await Corpus.open(path('a.tq'), { verify: true });
    expect(corpus.vectorCount).toBe(ROWS);
    expect([...corpus.vectorIds].slice(0, 3)).toEqual(['0', '1', '2']);
    expect(corpus.codecConfig.residualEnabled).toBe(true);
    expect(corpus.get('0').insertedAt.getTime()).toBe(0);
    const back = corpus.decompress('5');
    expect(Math.max(...back.map((value, i) => Math.abs(value - (rowOf(5)[i] ?? 0))))).toBeLessThan(0.01);
    corpus.close();
  });

  it('says on standard error what was done, and nothing on standard output', async () => {
    const { stdout, stderr } = await ok([
      'compress',
      path('v.npy'),
      '-o',
      path('b.tq'),
      '--no-residual',
      '--bits',
      '2',
    ]);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /b\.tq: 700 x 24, 2 bits, [\d,]+ bytes \(\d+\.\d times smaller\), \d+\.\d s, [\d,]+ rows\/s\n$/,
    );
    const quiet = await ok(['compress', path('v.npy'), '-o', path('b2.tq'), '--quiet']);
    expect(quiet.stderr).toBe('');
    const silent = await ok(['compress', path('v.npy'), '-o', path('b3.tq'), '--log', 'error']);
    expect(silent.stderr).toBe('');
  });

  it('gives the same bytes whatever the threads, the instruction set and the name', async () => {
    await ok(['compress', path('v.npy'), '-o', path('t1.tq'), '--threads', '1']);
    await ok(['compress', path('v.npy'), '-o', path('t2.tq'), '--threads', '2'], { env: { TINYQUANT_SIMD: 'scalar' } });
    await ok(['compress', '-', '--format', 'npy', '-o', path('t3.tq')], { stdin: readFileSync(path('v.npy')) });
    const { bytes } = await ok(['compress', path('v.npy'), '-o', '-']);
    for (const other of [readFileSync(path('t2.tq')), readFileSync(path('t3.tq')), bytes]) {
      expect(Buffer.compare(other, readFileSync(path('t1.tq')))).toBe(0);
    }
  });

  it('trains on the first rows alone, of a file as of a stream', async () => {
    const options = ['--train-rows', '100', '--bits', '2', '--seed', '7', '--method', 'lloyd-max'];
    const result = await json(['compress', path('v.npy'), '-o', path('r1.tq'), ...options]);
    expect(result).toMatchObject({ trainRows: 100, bitWidth: 2, seed: '7' });
    await ok(['compress', '-', '--format', 'npy', '-o', path('r2.tq'), ...options], {
      stdin: readFileSync(path('v.npy')),
    });
    expect(readFileSync(path('r2.tq'))).toEqual(readFileSync(path('r1.tq')));

    // The same in two steps.
    const made = await json([
      'train',
      path('v.npy'),
      '-o',
      path('cb.tqcb'),
      '--config-out',
      path('c.json'),
      ...options,
    ]);
    expect(Object.keys(made)).toEqual([
      'input',
      'output',
      'configOut',
      'rows',
      'skipped',
      'badRows',
      'dimension',
      'bitWidth',
      'seed',
      'residual',
      'method',
      'configHash',
      'entries',
      'sizeBytes',
      'seconds',
    ]);
    expect(made).toMatchObject({
      rows: 100,
      entries: 4,
      sizeBytes: 28,
      method: 'lloyd-max',
      configHash: result.configHash,
    });
    const two = await json([
      'compress',
      path('v.npy'),
      '-o',
      path('r3.tq'),
      '--codebook',
      path('cb.tqcb'),
      '--config-json',
      path('c.json'),
    ]);
    expect(two).toMatchObject({ codebook: 'given', trainRows: 0 });
    expect(readFileSync(path('r3.tq'))).toEqual(readFileSync(path('r1.tq')));
    const { bytes } = await ok(['train', path('v.npy'), '-o', '-', ...options]);
    expect(bytes).toEqual(readFileSync(path('cb.tqcb')));
  });

  it('keeps ids and metadata', async () => {
    await ok(['compress', path('v.jsonl'), '-o', path('ids.tq')]);
    const corpus = await Corpus.open(path('ids.tq'));
    expect([...corpus.vectorIds].slice(-1)).toEqual([`doc-${ROWS - 1}`]);
    expect(corpus.get('doc-3').metadata).toEqual({ row: 3 });
    corpus.close();
    const other = lines(4, (row) => ({ key: row * 10, vector: [...rowOf(row)], id: 'x' }));
    await ok(['compress', '-', '--format', 'jsonl', '--ids', 'key', '-o', path('keys.tq'), '--bits', '2'], {
      stdin: other,
    });
    const keyed = await Corpus.open(path('keys.tq'));
    expect([...keyed.vectorIds]).toEqual(['0', '10', '20', '30']);
    keyed.close();
  });

  it.each(['passthrough', 'fp16'])('stores floats under %s, without training', async (policy) => {
    const file = path(`${policy}.tq`);
    const result = await json(['compress', path('v.npy'), '-o', file, '--policy', policy]);
    expect(result).toMatchObject({ policy, codebook: 'none', trainRows: 0 });
    const corpus = await Corpus.open(file);
    expect(corpus.compressionPolicy.kind).toBe(policy);
    const apart = Math.max(...corpus.decompress('9').map((value, i) => Math.abs(value - (rowOf(9)[i] ?? 0))));
    if (policy === 'passthrough') expect(apart).toBe(0);
    else expect(apart).toBeGreaterThan(0);
    expect(apart).toBeLessThan(0.002);
    corpus.close();
  });

  it('writes a TinyQuant file by its extension', async () => {
    const result = await json(['compress', path('v.npy'), '-o', path('a.tqcv'), '--no-residual']);
    expect(result).toMatchObject({ format: 'tqcv', residual: false, sizeBytes: readFileSync(path('a.tqcv')).length });
    const reader = await TqcvReader.open(path('a.tqcv'));
    expect({ length: reader.length, hash: reader.configHash }).toEqual({ length: ROWS, hash: result.configHash });
    reader.close();
    const { bytes } = await ok(['compress', path('v.npy'), '-o', '-', '--to', 'tqcv', '--no-residual']);
    expect(bytes).toEqual(readFileSync(path('a.tqcv')));
    const { stderr } = await ok(['compress', path('v.jsonl'), '-o', path('b.tqcv')]);
    expect(stderr).toMatch(/^warning: a \.tqcv file has no place for ids and metadata/);
  });

  it('stops at --limit', async () => {
    expect(await json(['compress', path('v.npy'), '-o', path('l.tq'), '--limit', '50'])).toMatchObject({
      rows: 50,
      trainRows: 50,
    });
  });

  it('stamps the time only when asked', async () => {
    const before = Date.now();
    await ok(['compress', path('v.npy'), '-o', path('now.tq'), '--timestamps', '--limit', '40']);
    const corpus = await Corpus.open(path('now.tq'));
    expect(corpus.get('0').insertedAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(corpus.get('0').insertedAt.getTime()).toBeLessThanOrEqual(Date.now());
    corpus.close();
  });

  it('--dry-run reads everything and writes nothing', async () => {
    const result = await json(['compress', path('v.npy'), '-o', path('dry.tq'), '--dry-run']);
    expect(Object.keys(result)).toEqual(COMPRESS_KEYS);
    expect(result).toMatchObject({ rows: ROWS, dryRun: true, sizeBytes: ROWS * (12 + 2 * DIM) });
    expect(existsSync(path('dry.tq'))).toBe(false);
    expect(await failure(['compress', path('nan.npy'), '-o', path('dry.tq'), '--dry-run'])).toMatchObject({ exit: 3 });
  });

  it('shows a progress bar on a terminal, and only there', async () => {
    const args = ['compress', path('v.npy'), '-o', path('bar.tq'), '--force'];
    const env = { TERM: 'xterm' };
    const node = terminal('stderr');
    const { stdout, stderr } = await ok(args, { node, env });
    expect(stdout).toBe('');
    expect(stderr).toMatch(/compress \[=*-*\] \d+% \| [\d,]+ of 700 rows \| [\d,]+\/s \| \S+ left/);
    for (const [more, change] of [
      [[], { CI: 'true' }],
      [[], { TERM: 'dumb' }],
      [['--no-progress'], {}],
      [['--quiet'], {}],
      [['--json'], {}],
    ] as const) {
      expect((await ok([...args, ...more], { node, env: { ...env, ...change } })).stderr).not.toContain('%');
    }
    expect((await ok(args, { env })).stderr).not.toContain('%');
  });
});

describe('ingest', () => {
  it('creates a file, adds to it, and refuses an id that is there', async () => {
    const file = path('grow.tq');
    writeFileSync(
      path('first.jsonl'),
      lines(300, (row) => ({ id: `a${row}`, vector: [...rowOf(row)] })),
    );
    writeFileSync(
      path('second.jsonl'),
      lines(100, (row) => ({ id: `b${row}`, vector: [...rowOf(300 + row)], metadata: { n: row } })),
    );
    const first = await json(['ingest', path('first.jsonl'), '--to', file]);
    expect(Object.keys(first)).toEqual(COMPRESS_KEYS);
    const second = await json(['ingest', path('second.jsonl'), '--to', file, '--append']);
    expect(second).toMatchObject({ rows: 100, totalRows: 400, codebook: 'stored', bitWidth: 4, seed: '42' });
    const before = readFileSync(file);
    // Rows of another dimension whose values would fill rows of this one.
    for (const other of [DIM / 2, 2 * DIM]) {
      writeFileSync(path('other.npy'), npy(normals(4 * other, 9), other));
      for (const more of [[], ['--skip-bad']]) {
        const refused = await failure(['ingest', path('other.npy'), '--to', file, '--append', ...more]);
        expect(refused).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
      }
    }
    expect(await failure(['ingest', path('v.npy'), '--to', file, '--append', '--dimension', '5'])).toMatchObject({
      exit: 2,
    });
    const clash = await failure(['ingest', path('second.jsonl'), '--to', file, '--append']);
    expect(clash).toMatchObject({ exit: 3, code: 'ERR_TQ_ID_EXISTS', details: { row: 0, path: path('second.jsonl') } });
    expect(clash.message).toContain('b0');
    expect(readFileSync(file)).toEqual(before);
    const corpus = await Corpus.open(file, { verify: true });
    expect([...corpus.vectorIds].slice(299, 301)).toEqual(['a299', 'b0']);
    expect(corpus.get('b7').metadata).toEqual({ n: 7 });
    corpus.close();
    expect(await json(['info', file])).toMatchObject({ vectorCount: 400, commits: 2 });
  });

  it('numbers rows without ids on', async () => {
    const file = path('numbers.tq');
    await ok(['ingest', path('v.npy'), '--to', file, '--limit', '50']);
    // A bad row among the new ones must not bring back the number of an old one.
    const bad = vectors.slice(0, 5 * DIM);
    bad[2 * DIM] = Number.NaN;
    writeFileSync(path('more.npy'), npy(bad, DIM));
    const result = await json(['ingest', path('more.npy'), '--to', file, '--append', '--skip-bad']);
    expect(result).toMatchObject({ rows: 4, totalRows: 54, skipped: 1 });
    const corpus = await Corpus.open(file);
    expect([...corpus.vectorIds].slice(-4)).toEqual(['50', '51', '52', '53']);
    corpus.close();
  });

  it('refuses options that the file has decided, and files that are not there', async () => {
    const file = path('numbers.tq');
    for (const options of [
      ['--bits', '8'],
      ['--seed', '1'],
      ['--no-residual'],
      ['--policy', 'fp16'],
      ['--force'],
      ['--codebook', 'x.tqcb'],
    ]) {
      const { code, stderr } = await cli(['ingest', path('v.npy'), '--to', file, '--append', ...options]);
      expect(code, stderr).toBe(2);
      expect(stderr).toContain(options[0]);
    }
    expect(await failure(['ingest', path('v.npy'), '--to', path('absent.tq'), '--append'])).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_IO',
      details: { errno: 'ENOENT', path: path('absent.tq') },
    });
    expect(await failure(['ingest', path('v.npy'), '--to', file])).toMatchObject({
      exit: 1,
      details: { errno: 'EEXIST' },
    });
    expect(await failure(['ingest', path('v.npy'), '--to', path('x.npy')])).toMatchObject({ exit: 2 });
    await ok(['ingest', path('v.npy'), '--to', file, '--force']);
    expect(await json(['info', file])).toMatchObject({ vectorCount: ROWS, commits: 1 });
  });
});

describe('bad input', () => {
  beforeAll(() => {
    const bad = vectors.slice();
    bad[123 * DIM + 4] = Number.NaN;
    bad[456 * DIM] = Number.POSITIVE_INFINITY;
    writeFileSync(path('nan.npy'), npy(bad, DIM));
    writeFileSync(path('empty.npy'), npy(new Float32Array(0), DIM));
    writeFileSync(path('empty.jsonl'), '');
    writeFileSync(path('short.npy'), npy(vectors, DIM).subarray(0, 5000));
    writeFileSync(path('junk.npy'), 'not an array');
    writeFileSync(path('ragged.jsonl'), '{"id":"a","vector":[1,2,3]}\n{"id":"b","vector":[4,5]}\n');
    writeFileSync(
      path('twice.jsonl'),
      lines(5, (row) => ({ id: row === 4 ? 'r1' : `r${row}`, vector: [...rowOf(row)] })),
    );
    writeFileSync(path('few.npy'), npy(new Float32Array(60).fill(0.25), 6));
    const integers = npy(new Float32Array(30), 3);
    integers.write("'<i4'", integers.indexOf("'<f4'"));
    writeFileSync(path('integers.npy'), integers);
    mkdirSync(path('folder.npy'));
  });

  it.each([
    ['a NaN', ['nan.npy'], 3, 'ERR_TQ_NON_FINITE', { row: 123, column: 4 }],
    ['a missing file', ['absent.npy'], 3, 'ERR_TQ_IO', { errno: 'ENOENT' }],
    ['a folder', ['folder.npy'], 3, 'ERR_TQ_IO', { errno: 'EISDIR' }],
    ['a file that ends early', ['short.npy'], 3, 'ERR_TQ_TRUNCATED', {}],
    ['another format', ['junk.npy'], 3, 'ERR_TQ_FORMAT', {}],
    ['integers', ['integers.npy'], 3, 'ERR_TQ_FORMAT', {}],
    ['ragged rows', ['ragged.jsonl'], 3, 'ERR_TQ_DIM_MISMATCH', { row: 1, expected: 3, got: 2 }],
    ['an id that comes twice', ['twice.jsonl'], 3, 'ERR_TQ_ID_EXISTS', { row: 4 }],
    ['another dimension', ['v.npy', '--dimension', '25'], 3, 'ERR_TQ_DIM_MISMATCH', { expected: 25, got: 24 }],
    ['another column', ['v.jsonl', '--column', 'embedding'], 3, 'ERR_TQ_FORMAT', {}],
    ['too few values to train on', ['few.npy'], 3, 'ERR_TQ_INVALID_ARG', { kind: 'InsufficientTrainingData' }],
    ['raw floats without dimension', ['v.npy', '--format', 'raw'], 2, 'ERR_TQ_INVALID_ARG', {}],
    ['an unknown extension', ['v.txt'], 3, 'ERR_TQ_IO', { errno: 'ENOENT' }],
  ] as const)('%s is reported and leaves nothing behind', async (_, [file, ...options], exit, code, details) => {
    const before = readdirSync(path('')).sort();
    const error = await failure(['compress', path(file), '-o', path('bad.tq'), ...options]);
    expect(error, error.message).toMatchObject({ exit, code, details });
    if (exit === 3) expect(error.message).toContain(file);
    expect(readdirSync(path('')).sort()).toEqual(before);
  });

  it.each(['empty.npy', 'empty.jsonl'])('no vectors in %s is reported, or makes an empty file', async (file) => {
    const error = await failure(['compress', path(file), '-o', path(`${file}.tq`)]);
    expect(error).toMatchObject({ exit: 3, details: { kind: 'InsufficientTrainingData' } });
    expect(error.message).toContain('there are no vectors');
    const args = ['--policy', 'fp16', '--dimension', String(DIM), '--force'];
    const result = await json(['compress', path(file), '-o', path(`${file}.tq`), ...args]);
    expect(result).toMatchObject({ rows: 0, totalRows: 0, dimension: DIM });
    expect(await json(['info', path(`${file}.tq`)])).toMatchObject({ vectorCount: 0, dimension: DIM });
  });

  it('--skip-bad leaves bad rows out, counts and lists them', async () => {
    const result = await json(['compress', path('nan.npy'), '-o', path('skip.tq'), '--skip-bad']);
    expect(result).toMatchObject({ rows: ROWS - 2, skipped: 2 });
    expect(result.badRows).toEqual([
      { row: 123, code: 'ERR_TQ_NON_FINITE', message: expect.stringContaining('row 123') as string },
      { row: 456, code: 'ERR_TQ_NON_FINITE', message: expect.stringContaining('row 456') as string },
    ]);
    const corpus = await Corpus.open(path('skip.tq'));
    // The rows keep the numbers they have in the file.
    expect([...corpus.vectorIds].slice(122, 124)).toEqual(['122', '124']);
    corpus.close();
    const { stderr } = await ok(['compress', path('nan.npy'), '-o', path('skip2.tq'), '--skip-bad']);
    expect(stderr.match(/^warning: left out .*row (123|456)\b/gm)).toHaveLength(2);
    expect(stderr).toContain(', 2 left out,');
  });

  it('lists no more than the first twenty on standard error', async () => {
    const bad = vectors.slice(0, 100 * DIM);
    for (let row = 40; row < 70; row++) bad[row * DIM] = Number.NaN;
    const { stderr } = await ok(['compress', '-', '--format', 'npy', '-o', path('many.tq'), '--skip-bad'], {
      stdin: npy(bad, DIM),
    });
    expect(stderr.match(/^warning: left out /gm)).toHaveLength(20);
    expect(stderr).toContain('warning: 30 rows were left out in all\n');
    const result = await json<{ badRows: unknown[] }>(
      ['compress', '-', '--format', 'npy', '-o', path('many2.tq'), '--skip-bad'],
      { stdin: npy(bad, DIM) },
    );
    expect(result.badRows).toHaveLength(30);
  });

  it('names the row of a value that half precision cannot hold', async () => {
    const large = vectors.slice(0, 200 * DIM);
    large[150 * DIM + 3] = 1e9;
    writeFileSync(path('large.npy'), npy(large, DIM));
    const error = await failure(['compress', path('large.npy'), '-o', path('large.tq'), '--train-rows', '100']);
    expect(error).toMatchObject({ exit: 3, code: 'ERR_TQ_LIMIT', details: { row: 150, path: path('large.npy') } });
    expect(existsSync(path('large.tq'))).toBe(false);
  });

  it('refuses a codebook or configuration that does not fit or is damaged', async () => {
    await ok(['train', path('v.npy'), '-o', path('two.tqcb'), '--bits', '2', '--config-out', path('two.json')]);
    const run = (...options: string[]): ReturnType<typeof failure> =>
      failure(['compress', path('v.npy'), '-o', path('no.tq'), ...options]);
    expect(await run('--codebook', path('two.tqcb'), '--bits', '4')).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_CODEBOOK_MISMATCH',
    });
    expect(await run('--codebook', path('v.npy'))).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    expect(await run('--codebook', path('absent.tqcb'))).toMatchObject({ exit: 3, details: { errno: 'ENOENT' } });
    expect(await run('--config-json', path('two.json'), '--bits', '4')).toMatchObject({ exit: 2 });
    expect(await run('--config-json', path('v.npy'))).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    writeFileSync(
      path('five.json'),
      readFileSync(path('two.json'), 'utf8').replace('"bit_width": 2', '"bit_width": 5'),
    );
    expect(await run('--config-json', path('five.json'))).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    const other = readFileSync(path('two.json'), 'utf8').replace(`"dimension": ${DIM}`, '"dimension": 7');
    writeFileSync(path('seven.json'), other);
    expect(await run('--config-json', path('seven.json'))).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
    expect(existsSync(path('no.tq'))).toBe(false);
    // Without --bits the codebook decides.
    expect(await json(['compress', path('v.npy'), '-o', path('two.tq'), '--codebook', path('two.tqcb')])).toMatchObject(
      { bitWidth: 2 },
    );
  });
});

describe('outputs', () => {
  it('are not replaced without --force', async () => {
    for (const [args, output] of [
      [['compress', path('v.npy')], 'out.tq'],
      [['compress', path('v.npy')], 'out.tqcv'],
      [['train', path('v.npy')], 'out.tqcb'],
      [['convert', path('v.npy')], 'out.fvecs'],
    ] as const) {
      const file = path(output);
      writeFileSync(file, 'old');
      const error = await failure([...args, '-o', file]);
      expect(error).toMatchObject({ exit: 1, code: 'ERR_TQ_IO', details: { errno: 'EEXIST', path: file } });
      expect(readFileSync(file, 'utf8')).toBe('old');
      await ok([...args, '-o', file, '--force']);
      expect(readFileSync(file).length).toBeGreaterThan(27);
    }
  });

  it('that cannot be written exit 1', async () => {
    expect(await failure(['compress', path('v.npy'), '-o', path('nowhere/x.tq')])).toMatchObject({
      exit: 1,
      code: 'ERR_TQ_IO',
      details: { errno: 'ENOENT' },
    });
    expect(await failure(['convert', path('v.npy'), '-o', path('nowhere/x.fvecs')])).toMatchObject({
      exit: 1,
      code: 'ERR_TQ_IO',
      details: { errno: 'ENOENT' },
    });
    expect(await failure(['train', path('v.npy'), '-o', path('nowhere/x.tqcb')])).toMatchObject({
      exit: 1,
      code: 'ERR_TQ_IO',
      details: { errno: 'ENOENT' },
    });
    mkdirSync(path('folder.tq'));
    expect(await failure(['compress', path('v.npy'), '-o', path('folder.tq'), '--force'])).toMatchObject({
      exit: 1,
      details: { errno: 'EISDIR' },
    });
  });

  it('with an extension that says nothing are wrong usage', async () => {
    expect(await failure(['compress', path('v.npy'), '-o', path('x.zip')])).toMatchObject({ exit: 2 });
    expect(await failure(['convert', path('v.npy'), '-o', path('x.zip')])).toMatchObject({ exit: 2 });
    expect(await failure(['compress', path('v.npy'), '-o', path('x.tqcv'), '--policy', 'fp16'])).toMatchObject({
      exit: 2,
    });
  });
});
