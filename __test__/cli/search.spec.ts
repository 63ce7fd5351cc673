import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Codebook, CodecConfig, CompressionPolicy, Corpus, CorpusWriter, TqcvReader } from '../../index.js';
import { normals } from '../helpers/data.js';
import { cli, failure, folder, json, npy, ok } from './cli.js';

const path = folder();
const ROWS = 500;
const DIM = 16;
const vectors = normals(ROWS * DIM, 9);
const queries = normals(7 * DIM, 10);

interface Hit {
  readonly id: string;
  readonly score: number;
}

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  writeFileSync(path('q.npy'), npy(queries, DIM));
  writeFileSync(path('one.npy'), npy(queries.slice(0, DIM), DIM));
  writeFileSync(path('wide.npy'), npy(normals(20, 3), 20));
  writeFileSync(path('none.npy'), npy(new Float32Array(0), DIM));
  await ok(['train', path('v.npy'), '-o', path('cb.tqcb'), '--config-out', path('c.json')]);
  await ok(['compress', path('v.npy'), '-o', path('v.tq'), '--codebook', path('cb.tqcb')]);
  await ok(['compress', path('v.npy'), '-o', path('v.tqcv'), '--codebook', path('cb.tqcb')]);
});

describe('search', () => {
  it('prints one list of hits a query in JSON', async () => {
    const answer = await json<{ results: Hit[][] }>(['search', path('v.tq'), '--query', path('q.npy')]);
    expect(Object.keys(answer)).toEqual(['results']);
    expect(answer.results).toHaveLength(7);
    const corpus = await Corpus.open(path('v.tq'));
    for (const [i, hits] of answer.results.entries()) {
      expect(hits).toHaveLength(5);
      for (const hit of hits) expect(Object.keys(hit)).toEqual(['id', 'score']);
      const expected = await corpus.search(queries.slice(i * DIM, (i + 1) * DIM), 5);
      expect(hits).toEqual(expected.map(({ vectorId, score }) => ({ id: vectorId, score })));
    }
    corpus.close();
  });

  it('finds the same in a TinyQuant file, with its codebook', async () => {
    const own = await json(['search', path('v.tq'), '--query', path('q.npy'), '--top-k', '9']);
    const args = ['search', path('v.tqcv'), '--query', path('q.npy'), '--top-k', '9', '--codebook', path('cb.tqcb')];
    expect(await json(args)).toEqual(own);
    expect(await json([...args, '--config-json', path('c.json')])).toEqual(own);
    expect(await failure(args.slice(0, -2))).toMatchObject({ exit: 2, code: 'ERR_TQ_INVALID_ARG' });
  });

  it('prints a table or CSV, and takes queries from a stream', async () => {
    const stdin = readFileSync(path('one.npy'));
    const args = ['search', path('v.tq'), '--query', '-', '--format', 'npy', '--top-k', '2'];
    const { results } = await json<{ results: Hit[][] }>(args, { stdin });
    const [first, second] = results[0] ?? [];
    const csv = await ok([...args, '--csv'], { stdin });
    expect(csv.stdout).toBe(
      `query,rank,id,score\n0,1,${first?.id},${first?.score.toFixed(9)}\n0,2,${second?.id},${second?.score.toFixed(9)}\n`,
    );
    const table = await ok(args, { stdin });
    expect(table.stdout.split('\n').map((line) => line.trim().split(/\s+/))).toEqual([
      ['query', 'rank', 'score', 'id'],
      ['0', '1', first?.score.toFixed(6), first?.id],
      ['0', '2', second?.score.toFixed(6), second?.id],
      [''],
    ]);
    writeFileSync(path('q.f32'), new Uint8Array(queries.buffer));
    const raw = await json(['search', path('v.tq'), '--query', path('q.f32')]);
    expect(raw).toEqual(await json(['search', path('v.tq'), '--query', path('q.npy')]));
  });

  it('answers no queries with no lists, and no more hits than there are vectors', async () => {
    expect(await json(['search', path('v.tq'), '--query', path('none.npy')])).toEqual({ results: [] });
    const { results } = await json<{ results: Hit[][] }>([
      'search',
      path('v.tq'),
      '--query',
      path('one.npy'),
      '--top-k',
      '600',
    ]);
    expect(results[0]).toHaveLength(ROWS);
    const limited = await json<{ results: Hit[][] }>([
      'search',
      path('v.tq'),
      '--query',
      path('q.npy'),
      '--limit',
      '3',
    ]);
    expect(limited.results).toHaveLength(3);
  });

  it.each([
    ['queries of another dimension', ['v.tq', 'wide.npy'], 3, 'ERR_TQ_DIM_MISMATCH'],
    ['a missing file', ['absent.tq', 'q.npy'], 3, 'ERR_TQ_IO'],
    ['missing queries', ['v.tq', 'absent.npy'], 3, 'ERR_TQ_IO'],
    ['a file of vectors', ['v.npy', 'q.npy'], 3, 'ERR_TQ_FORMAT'],
    ['a codebook', ['cb.tqcb', 'q.npy'], 3, 'ERR_TQ_FORMAT'],
  ] as const)('%s exit %i', async (_, [file, query], exit, code) => {
    const error = await failure(['search', path(file), '--query', path(query)]);
    expect(error, error.message).toMatchObject({ exit, code });
  });
});

describe('recall', () => {
  it('refuses originals that cannot be those of the file', async () => {
    const args = ['recall', path('v.tq'), '--truth', path('q.npy'), '--query', path('q.npy')];
    expect(await failure(args)).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
  });

  it('is the share of the true nearest that the file returns', async () => {
    const args = ['--truth', path('v.npy'), '--query', path('q.npy')];
    const exact = await json(['recall', path('v.tq'), ...args]);
    expect(Object.keys(exact)).toEqual([
      'file',
      'truth',
      'vectors',
      'originals',
      'queries',
      'topK',
      'recall',
      'seconds',
    ]);
    // With a residual hardly anything is lost.
    expect(exact).toMatchObject({ vectors: ROWS, originals: ROWS, queries: 7, topK: 10, recall: 1 });
    await ok(['compress', path('v.npy'), '-o', path('rough.tq'), '--bits', '2', '--no-residual']);
    const rough = await json<{ recall: number }>(['recall', path('rough.tq'), ...args, '--top-k', '5']);
    const corpus = await Corpus.open(path('rough.tq'));
    let found = 0;
    for (let i = 0; i < 7; i++) {
      const query = queries.slice(i * DIM, (i + 1) * DIM);
      const cosine = (row: number): number => {
        let [dot, norm] = [0, 0];
        for (let j = 0; j < DIM; j++) {
          const value = vectors[row * DIM + j] ?? 0;
          dot += value * (query[j] ?? 0);
          norm += value * value;
        }
        return dot / Math.sqrt(norm);
      };
      const rows = Array.from({ length: ROWS }, (_, row) => row).sort((a, b) => cosine(b) - cosine(a));
      const truth = new Set(rows.slice(0, 5).map(String));
      found += (await corpus.search(query, 5)).filter((hit) => truth.has(hit.vectorId)).length;
    }
    corpus.close();
    expect(rough.recall).toBeCloseTo(found / 35, 12);
    expect(rough.recall).toBeGreaterThan(0.1);
    expect(rough.recall).toBeLessThan(1);
    const { stdout } = await ok(['recall', path('rough.tq'), ...args, '--top-k', '5']);
    expect(stdout).toBe(`recall@5: ${rough.recall.toFixed(4)} (7 queries, 500 vectors)\n`);
  });

  it('matches vectors by their ids, and originals without ids by their place', async () => {
    const order = Array.from({ length: ROWS }, (_, i) => (i * 7) % ROWS);
    const line = (row: number): string =>
      JSON.stringify({ id: `n${row}`, vector: [...vectors.slice(row * DIM, (row + 1) * DIM)] });
    writeFileSync(path('named.jsonl'), `${order.map(line).join('\n')}\n`);
    writeFileSync(
      path('sorted.jsonl'),
      `${order
        .toSorted((a, b) => a - b)
        .map(line)
        .join('\n')}\n`,
    );
    await ok(['compress', path('named.jsonl'), '-o', path('named.tq')]);
    const recall = async (truth: string): Promise<unknown> =>
      (await json(['recall', path('named.tq'), '--truth', path(truth), '--query', path('q.npy')])).recall;
    expect(await recall('sorted.jsonl')).toBe(1);
    await ok(['convert', path('named.jsonl'), '-o', path('named.npy')]);
    expect(await recall('named.npy')).toBe(1);
    // By place these are other vectors.
    expect(await recall('v.npy')).toBeLessThan(0.5);
    expect(
      await json([
        'recall',
        path('v.tqcv'),
        '--codebook',
        path('cb.tqcb'),
        '--truth',
        path('v.npy'),
        '--query',
        path('q.npy'),
      ]),
    ).toMatchObject({ recall: 1 });
  });

  it('reports what does not fit', async () => {
    const run = (truth: string, query: string): ReturnType<typeof failure> =>
      failure(['recall', path('v.tq'), '--truth', path(truth), '--query', path(query)]);
    expect(await run('wide.npy', 'q.npy')).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
    expect(await run('v.npy', 'wide.npy')).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
    expect(await run('absent.npy', 'q.npy')).toMatchObject({ exit: 3, details: { errno: 'ENOENT' } });
    expect(await failure(['recall', path('v.tq'), '--truth', '-', '--query', '-'])).toMatchObject({ exit: 2 });
  });
});

describe('info and verify', () => {
  it.each([
    [
      'v.tq',
      [
        'format',
        'version',
        'sizeBytes',
        'bitWidth',
        'vectorCount',
        'dimension',
        'residual',
        'configHash',
        'seed',
        'policy',
        'corpusId',
        'bytesPerVector',
        'commits',
      ],
    ],
    [
      'v.tqcv',
      [
        'format',
        'version',
        'sizeBytes',
        'bitWidth',
        'vectorCount',
        'dimension',
        'residual',
        'configHash',
        'bytesPerVector',
      ],
    ],
    ['cb.tqcb', ['format', 'version', 'sizeBytes', 'bitWidth', 'entries']],
  ])('tell what %s holds', async (file, keys) => {
    const info = await json(['info', path(file)]);
    expect(Object.keys(info).sort()).toEqual(['file', ...keys].sort());
    expect(info).toMatchObject({ file: path(file), sizeBytes: readFileSync(path(file)).length, bitWidth: 4 });
    const { seconds, ok: fine, ...verified } = await json(['verify', path(file)]);
    expect(fine).toBe(true);
    expect(seconds).toBeGreaterThan(0);
    expect(verified).toEqual(info);
    const { stdout } = await ok(['info', path(file)]);
    expect(stdout).toMatch(/^format: +\S.*\n/);
    expect(stdout).toMatch(/^bits per value: +4$/m);
    const text = await ok(['verify', path(file)]);
    expect(text.stdout).toBe('');
    expect(text.stderr).toMatch(/: ok, (500 vectors|16 codebook entries), [\d,]+ bytes read in \d+\.\d\d s\n$/);
  });

  it('exit 3 for damage, which verify finds anywhere', async () => {
    const file = readFileSync(path('v.tq'));
    for (const at of [0, 4, Math.floor(file.length / 2), file.length - 200]) {
      const copy = Buffer.from(file);
      copy[at] = (copy[at] ?? 0) ^ 0xff;
      writeFileSync(path('damaged.tq'), copy);
      const { code, stdout, stderr } = await cli(['verify', path('damaged.tq')]);
      if (code === 0) continue;
      expect({ at, code, stdout }).toEqual({ at, code: 3, stdout: '' });
      expect(stderr).toMatch(/^error: [^\n]+damaged\.tq[^\n]+\n$/);
    }
    writeFileSync(path('cut.tq'), file.subarray(0, file.length - 100));
    expect((await cli(['verify', path('cut.tq')])).code).toBe(3);
    expect(await failure(['info', path('v.npy')])).toMatchObject({ exit: 3, code: 'ERR_TQ_FORMAT' });
    expect(await failure(['verify', path('')])).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_IO',
      details: { errno: 'EISDIR' },
    });
    expect(await failure(['verify', path('absent')])).toMatchObject({ exit: 3, details: { errno: 'ENOENT' } });
  });
});

describe('decompress', () => {
  it.each(['npy', 'fvecs', 'f32', 'jsonl', 'csv', 'parquet', 'arrow'])(
    'writes .%s, from either kind of file',
    async (format) => {
      const out = path(`back.${format}`);
      const result = await json(['decompress', path('v.tq'), '-o', out]);
      expect(Object.keys(result)).toEqual([
        'input',
        'output',
        'rows',
        'dimension',
        'sizeBytes',
        'seconds',
        'rowsPerSecond',
      ]);
      expect(result).toMatchObject({ rows: ROWS, dimension: DIM, sizeBytes: readFileSync(out).length });
      const corpus = await Corpus.open(path('v.tq'));
      const expected = Buffer.concat(
        [...corpus.decompressEntries()].map(([, vector]) => new Uint8Array(vector.slice().buffer)),
      );
      corpus.close();
      const again = path(`again-${format}.f32`);
      await ok(['convert', out, '-o', again, ...(format === 'f32' ? ['--dimension', '16'] : [])]);
      expect(readFileSync(again)).toEqual(expected);
      await ok(['decompress', path('v.tqcv'), '--codebook', path('cb.tqcb'), '-o', path(`two.${format}`)]);
      await ok([
        'convert',
        path(`two.${format}`),
        '-o',
        path(`two-${format}.f32`),
        ...(format === 'f32' ? ['--dimension', '16'] : []),
      ]);
      expect(readFileSync(path(`two-${format}.f32`))).toEqual(expected);
    },
  );

  it('keeps ids and metadata where the format has them', async () => {
    const lines = [0, 1, 2, 3, 4].map((row) => ({
      id: `r${row}`,
      vector: [...vectors.slice(row * DIM, (row + 1) * DIM)],
      ...(row % 2 === 0 ? { metadata: { row } } : {}),
    }));
    writeFileSync(path('meta.jsonl'), `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    await ok(['ingest', path('meta.jsonl'), '--to', path('meta.tq'), '--policy', 'passthrough']);
    const { stdout, stderr } = await ok(['decompress', path('meta.tq'), '-o', '-', '--format', 'jsonl']);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map(
          (line) =>
            JSON.parse(line, (_key, value: unknown) =>
              typeof value === 'number' ? Math.fround(value) : value,
            ) as unknown,
        ),
    ).toEqual(lines);
    expect(stderr).toMatch(/^-: 5 x 16/);
    for (const format of ['parquet', 'arrow']) {
      await ok(['decompress', path('meta.tq'), '-o', path(`meta.${format}`)]);
      await ok(['convert', path(`meta.${format}`), '-o', path(`meta-${format}.jsonl`)]);
      const ids = readFileSync(path(`meta-${format}.jsonl`), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: string }).id);
      expect(ids).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
    }
  });

  it('writes .npy of the element type asked for', async () => {
    for (const [dtype, bytes] of [
      ['f16', 2],
      ['f32', 4],
      ['f64', 8],
    ] as const) {
      const result = await json(['decompress', path('v.tq'), '-o', path(`${dtype}.npy`), '--dtype', dtype]);
      expect(result.sizeBytes).toBe(128 + ROWS * DIM * bytes);
    }
    expect(await failure(['decompress', path('v.tq'), '-o', path('x.csv'), '--dtype', 'f16'])).toMatchObject({
      exit: 2,
    });
  });

  it('refuses another configuration or codebook for a TinyQuant file', async () => {
    const run = (...options: string[]): ReturnType<typeof failure> =>
      failure(['decompress', path('v.tqcv'), '-o', path('no.npy'), ...options]);
    await ok(['train', path('v.npy'), '-o', path('cb2.tqcb'), '--bits', '2', '--config-out', path('c2.json')]);
    expect(await run()).toMatchObject({ exit: 2 });
    expect(await run('--codebook', path('cb2.tqcb'))).toMatchObject({ exit: 3, code: 'ERR_TQ_CODEBOOK_MISMATCH' });
    expect(await run('--codebook', path('cb2.tqcb'), '--config-json', path('c2.json'))).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_CONFIG_MISMATCH',
    });
    await ok(['compress', path('v.npy'), '-o', path('seed.tqcv'), '--seed', '7', '--codebook', path('cb.tqcb')]);
    const error = await failure(['decompress', path('seed.tqcv'), '-o', path('no.npy'), '--codebook', path('cb.tqcb')]);
    expect(error).toMatchObject({ exit: 2 });
    expect(error.message).toContain('--config-json');
  });
});

describe('convert', () => {
  it('between vector formats gives the same vectors', async () => {
    const result = await json(['convert', path('v.npy'), '-o', path('v.jsonl')]);
    expect(Object.keys(result)).toEqual([
      'input',
      'output',
      'rows',
      'skipped',
      'badRows',
      'dimension',
      'sizeBytes',
      'seconds',
    ]);
    expect(result).toMatchObject({
      rows: ROWS,
      dimension: DIM,
      skipped: 0,
      sizeBytes: readFileSync(path('v.jsonl')).length,
    });
    await ok(['convert', path('v.jsonl'), '-o', path('v2.npy')]);
    expect(readFileSync(path('v2.npy'))).toEqual(readFileSync(path('v.npy')));
    const { bytes, stderr } = await ok(['convert', '-', '--format', 'jsonl', '-o', '-', '--to', 'npy'], {
      stdin: readFileSync(path('v.jsonl')),
    });
    expect(bytes.subarray(-ROWS * DIM * 4)).toEqual(readFileSync(path('v.npy')).subarray(-ROWS * DIM * 4));
    expect(stderr).toMatch(/^-: 500 x 16/);
  });

  it('between the two kinds of compressed files carries the records over', async () => {
    const out = await cli([
      'convert',
      path('v.tq'),
      '-o',
      path('c.tqcv'),
      '--codebook-out',
      path('c.tqcb'),
      '--config-out',
      path('out.json'),
    ]);
    expect(out.code).toBe(0);
    expect(readFileSync(path('c.tqcv'))).toEqual(readFileSync(path('v.tqcv')));
    expect(readFileSync(path('c.tqcb'))).toEqual(readFileSync(path('cb.tqcb')));
    expect(readFileSync(path('out.json'))).toEqual(readFileSync(path('c.json')));
    const result = await json([
      'convert',
      path('c.tqcv'),
      '-o',
      path('c.tq'),
      '--codebook',
      path('c.tqcb'),
      '--config-json',
      path('out.json'),
    ]);
    expect(Object.keys(result)).toEqual(['input', 'output', 'rows', 'dimension', 'sizeBytes', 'seconds']);
    expect(result).toMatchObject({ rows: ROWS, dimension: DIM });
    const again = await TqcvReader.open(path('c.tqcv'));
    const corpus = await Corpus.open(path('c.tq'));
    const records = [...corpus.entries()].map((entry) => entry.compressed.toBytes());
    expect(records).toEqual([...again.read(0, ROWS)].map((record) => record.toBytes()));
    again.close();
    corpus.close();
    const reader = await TqcvReader.open(path('c.tqcv'));
    expect(reader.length).toBe(ROWS);
    reader.close();
  });

  it('refuses what is the work of another command, and records that are not codes', async () => {
    expect(await failure(['convert', path('v.tq'), '-o', path('x.npy')])).toMatchObject({ exit: 2 });
    expect(await failure(['convert', path('v.npy'), '-o', path('x.tq')])).toMatchObject({ exit: 2 });
    expect(await failure(['convert', path('v.tq'), '-o', path('x.tq')])).toMatchObject({ exit: 2 });
    expect(await failure(['convert', path('v.tqcv'), '-o', path('x.tq')])).toMatchObject({ exit: 2 });
    const codecConfig = new CodecConfig({ bitWidth: 2, dimension: DIM });
    const codebook = Codebook.train(vectors, codecConfig);
    const options = { corpusId: 'f', codecConfig, codebook, compressionPolicy: CompressionPolicy.FP16 };
    const writer = await CorpusWriter.create(path('f16.tq'), options);
    await writer.write(vectors);
    await writer.finish();
    expect(await failure(['convert', path('f16.tq'), '-o', path('x.tqcv')])).toMatchObject({ exit: 2 });
  });
});
