import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  Codebook,
  CodecConfig,
  CompressionPolicy,
  Corpus,
  fileInfo,
  type IndexBits,
  type IndexId,
  type Metric,
  type Originals,
  SearchIndex,
  verifyFile,
} from '../index.js';
import { runNode } from './helpers/child.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';
import { clustered, plain, rowOf } from './helpers/search.js';

const data = clustered(700, 96, 8, 4);
const { dim, rows, vectors, queries } = data;
const query = rowOf(queries, 0, dim);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = (): string => join(folder, `${count++}.tqi`);

/** Everything that can be seen of an index. */
const content = <Id extends IndexId>(index: SearchIndex<Id>): unknown => ({
  summary: index.toJSON(),
  segments: index.stats().segments,
  ids: [...index.ids()],
  hits: plain(index.searchBatchSync(queries, { k: 12 })),
  exact: plain(index.searchBatchSync(queries, { k: 12, exact: true })),
  filtered: plain([index.searchSync(query, { k: 12, filter: new Uint8Array(40).fill(0x5a) })]),
  vectors: [...index.ids()].slice(0, 30).map((id) => [...index.reconstruct(id as Id)]),
});

const names = Array.from({ length: rows }, (_, row) => `n ${row}`);
const bigints = Array.from({ length: rows }, (_, row) => 2n ** 63n + BigInt(row * 3));
const cases: [string, { bits?: IndexBits; metric?: Metric; originals?: Originals; partitions?: number }, object][] = [
  ['numbers', {}, {}],
  ['numbers of its own', { bits: 1, metric: 'l2' }, { ids: names.map((_, row) => row * 5 + 2) }],
  ['bigints', { bits: 3, metric: 'dot', partitions: 12 }, { ids: bigints }],
  ['texts', { bits: 2, originals: 'f16', partitions: 5 }, { ids: names }],
  ['originals', { bits: 8, originals: 'f32' }, { ids: names }],
];

describe('a saved index', () => {
  it.each(cases)('comes back whole: %s', async (_, o, ids) => {
    const index = (await SearchIndex.build(vectors, { dim, ...o, ...ids })) as unknown as SearchIndex<IndexId>;
    index.remove([...index.ids()].filter((_, row) => row % 11 === 3));
    const path = fresh();
    await index.save(path);
    const expected = content(index);
    for (const mmap of [true, false]) {
      for (const verify of [true, false]) {
        expect(content(await SearchIndex.open<IndexId>(path, { mmap, verify }))).toEqual(expected);
        expect(content(SearchIndex.openSync<IndexId>(pathToFileURL(path), { mmap, verify }))).toEqual(expected);
      }
    }
    expect(content(SearchIndex.fromBytes<IndexId>(index.toBytes()))).toEqual(expected);
    expect(content(SearchIndex.fromBytes<IndexId>(readFileSync(path)))).toEqual(expected);
    const copy = fresh();
    index.saveSync(pathToFileURL(copy));
    expect(readFileSync(copy)).toEqual(readFileSync(path));
    expect(Buffer.compare(index.toBytes(), readFileSync(path))).toBe(0);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('is told by its header', async () => {
    const index = await SearchIndex.build(vectors, {
      dim,
      bits: 2,
      metric: 'dot',
      originals: 'f16',
      partitions: 9,
      ids: names,
    });
    index.remove(['n 5']);
    const path = fresh();
    await index.save(path);
    const info = await fileInfo(path);
    expect(info).toEqual({
      format: 'index',
      version: 2,
      sizeBytes: statSync(path).size,
      bitWidth: 2,
      vectorCount: rows - 1,
      dimension: dim,
      seed: 42n,
      metric: 'dot',
      idType: 'string',
      originals: 'f16',
      fitted: index.fitted,
      partitions: 9,
      bytesPerVector: index.stats().bytesPerVector + 2 * dim,
      commits: 1,
    });
    const seen: number[] = [];
    expect(await verifyFile(path, { onProgress: ({ done, total }) => seen.push(done / total) })).toEqual(info);
    expect(seen.at(-1)).toBe(1);
  });

  it('has the same bytes whatever way it came to be written', async () => {
    const make = async (): Promise<SearchIndex> => SearchIndex.build(vectors, { dim, partitions: 6 });
    const [a, b] = [fresh(), fresh()];
    await (await make()).save(a);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await make();
    await other.search(query, { k: 3 });
    other.saveSync(b);
    expect(readFileSync(a)).toEqual(readFileSync(b));
    const opened = await SearchIndex.open(a);
    await opened.save(a);
    expect(readFileSync(a)).toEqual(readFileSync(b));
    expect(content(opened)).toEqual(content(other));
  });

  it('can be changed in memory without touching the file', async () => {
    const path = fresh();
    const index = await SearchIndex.build(vectors, { dim, ids: names, originals: 'f32' });
    await index.save(path);
    const before = readFileSync(path);
    using opened = await SearchIndex.open<string>(path);
    expect(opened.remove(['n 7', 'n 8'])).toBe(2);
    await opened.add(vectors.subarray(0, 2 * dim), { ids: ['n 8', 'new'] });
    await rejection(() => opened.add([query], { ids: ['n 9'] }), 'ERR_TQ_ID_EXISTS', { row: 0 });
    expect([opened.size, opened.has('n 7'), opened.has('n 8')]).toEqual([rows, false, true]);
    expect(opened.reconstruct('n 8')).toEqual(rowOf(vectors, 0, dim));
    expect(opened.reconstruct('n 9')).toEqual(rowOf(vectors, 9, dim));
    expect(opened.searchSync(rowOf(vectors, 1, dim), { k: 2 }).ids.toSorted()).toEqual(['n 1', 'new']);
    expect(readFileSync(path)).toEqual(before);
    expect(content(await SearchIndex.open<string>(path))).toEqual(content(index));
  });

  it('is searched from the file', async () => {
    const path = fresh();
    const large = clustered(6000, 256, 1, 2);
    const index = await SearchIndex.build(large.vectors, { dim: 256, originals: 'f32', fit: false });
    await index.save(path);
    const { mappedBytes, heapBytes } = (await SearchIndex.open(path)).memoryUsage();
    expect(mappedBytes).toBeGreaterThan(6000 * (128 + 1024));
    expect(heapBytes).toBeLessThan(500_000);
    const read = (await SearchIndex.open(path, { mmap: false })).memoryUsage();
    expect(read.mappedBytes).toBe(0);
    expect(read.heapBytes).toBeGreaterThan(6000 * (128 + 1024));
  });
});

describe('sync', () => {
  it('adds to the file what has changed', async () => {
    const path = fresh();
    const index = await SearchIndex.build(vectors, { dim, ids: names, originals: 'f16' });
    await index.sync(path);
    expect(content(await SearchIndex.open<string>(path, { verify: true }))).toEqual(content(index));
    const before = readFileSync(path);

    await index.sync(path);
    expect(readFileSync(path)).toEqual(before);

    index.remove(['n 1', 'n 2']);
    await index.add(vectors.subarray(0, 20 * dim), { ids: names.slice(0, 20).map((name) => `again ${name}`) });
    await index.sync(path);
    expect(statSync(path).size).toBeGreaterThan(before.length);
    expect(readFileSync(path).subarray(8192, before.length)).toEqual(before.subarray(8192));
    expect((await fileInfo(path)).commits).toBe(2);

    const opened = await SearchIndex.open<string>(path, { verify: true });
    expect(content(opened)).toEqual(content(index));
    opened.remove(['n 3']);
    await opened.add([query], { ids: ['n 3'] });
    await opened.sync(path);
    expect(content(await SearchIndex.open<string>(path, { verify: true, mmap: false }))).toEqual(content(opened));

    // The first index does not know what the second one wrote.
    index.remove(['n 4']);
    await rejection(() => index.sync(path), 'ERR_TQ_IO', { kind: 'Changed' });
    await index.save(path);
    expect(content(await SearchIndex.open<string>(path))).toEqual(content(index));
    await index.sync(path);
  });

  it('is about one file', async () => {
    const [path, other] = [fresh(), fresh()];
    const index = await SearchIndex.build(vectors, { dim });
    await index.save(path);
    await (await SearchIndex.build(vectors, { dim })).save(other);
    await rejection(() => index.sync(other), 'ERR_TQ_INVALID_ARG');
    // A file that is not there is written whole, and is the one from then on.
    rmSync(other);
    await index.sync(other);
    expect(content(await SearchIndex.open(other))).toEqual(content(index));
    await rejection(() => index.sync(path), 'ERR_TQ_INVALID_ARG');
  });

  it('takes many small changes', async () => {
    const path = fresh();
    const index = new SearchIndex<string>({ dim, idType: 'string' });
    for (let i = 0; i < 40; i++) {
      await index.add(vectors.subarray(i * 10 * dim, (i + 1) * 10 * dim), { ids: names.slice(i * 10, (i + 1) * 10) });
      if (i % 3 === 0) index.remove([`n ${i}`]);
      await index.sync(path);
    }
    const opened = await SearchIndex.open<string>(path, { verify: true });
    expect(content(opened)).toEqual(content(index));
    const whole = fresh();
    await index.save(whole);
    expect(statSync(path).size).toBeLessThan(4 * statSync(whole).size + 500_000);
  });
});

describe('a file that is not as it should be', () => {
  it('is refused by a code that says why', async () => {
    const path = fresh();
    await (await SearchIndex.build(vectors, { dim })).save(path);
    const bytes = readFileSync(path);
    const damaged = fresh();
    const wrong: [string, Parameters<typeof rejection>[1], (copy: Buffer) => Buffer][] = [
      ['empty', 'ERR_TQ_TRUNCATED', () => Buffer.alloc(0)],
      ['cut', 'ERR_TQ_TRUNCATED', (copy) => copy.subarray(0, copy.length - 1)],
      ['of another kind', 'ERR_TQ_FORMAT', (copy) => copy.fill('x', 0, 8192)],
      ['of the future', 'ERR_TQ_VERSION', (copy) => copy.fill(9, 4, 5)],
    ];
    for (const [what, code, edit] of wrong) {
      writeFileSync(damaged, edit(Buffer.from(bytes)));
      for (const mmap of [true, false]) {
        const error = await rejection(() => SearchIndex.open(damaged, { mmap }), code);
        expect(error.message, what).toContain(damaged);
        failure(() => SearchIndex.openSync(damaged, { mmap }), code);
      }
      await rejection(() => verifyFile(damaged), code);
      failure(() => SearchIndex.fromBytes(readFileSync(damaged)), code);
    }
  });

  it('is found by verify where nothing else tells', async () => {
    const path = fresh();
    await (await SearchIndex.build(vectors, { dim, ids: names })).save(path);
    const bytes = readFileSync(path);
    let found = 0;
    for (let i = 0; i < 60; i++) {
      const copy = Buffer.from(bytes);
      const at = 8192 + Math.floor(((copy.length - 8192) * i) / 60);
      copy[at] = (copy[at] ?? 0) ^ 0x10;
      const damaged = fresh();
      writeFileSync(damaged, copy);
      const outcome = await SearchIndex.open<string>(damaged, { verify: true }).then(content, reasonOfCode);
      const unharmed = typeof outcome !== 'string';
      // Bytes between sections mean nothing.
      if (unharmed) expect(outcome).toEqual(content(SearchIndex.fromBytes<string>(bytes)));
      else found++;
      // Without a check it may open: it must not crash.
      await SearchIndex.open<string>(damaged)
        .then((index) => {
          index.searchSync(query, { k: 5 });
          index.has('n 5');
        })
        .catch(reasonOfCode);
    }
    expect(found).toBeGreaterThan(50);
  });

  it('is told from a corpus file', async () => {
    const [index, other] = [fresh(), fresh()];
    await (await SearchIndex.build(vectors, { dim })).save(index);
    const codecConfig = new CodecConfig({ bitWidth: 4, dimension: dim });
    const codebook = Codebook.train(vectors, codecConfig);
    const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
    await corpus.save(other);
    const first = await rejection(() => SearchIndex.open(other), 'ERR_TQ_FORMAT');
    expect(first.message).toMatch(/corpus/);
    const second = await rejection(() => Corpus.open(index), 'ERR_TQ_FORMAT');
    expect(second.message).toMatch(/index/);
  });

  it('that cannot be written leaves what was there', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    const absent = join(folder, 'absent', 'x.tqi');
    for (const write of [() => index.save(absent), () => index.sync(absent)]) {
      await rejection(write, 'ERR_TQ_IO', { errno: 'ENOENT' });
    }
    failure(() => index.saveSync(absent), 'ERR_TQ_IO', { errno: 'ENOENT' });
    await rejection(() => index.save(folder), 'ERR_TQ_IO');
    await rejection(() => SearchIndex.open(absent), 'ERR_TQ_IO', { errno: 'ENOENT', path: absent });
    await rejection(() => SearchIndex.open(folder), 'ERR_TQ_IO');
    const path = fresh();
    await index.save(path);
    const before = readFileSync(path);
    index.remove([1]);
    const reason = new Error('enough');
    expect(await reasonOf(index.save(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await reasonOf(index.sync(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(readFileSync(path)).toEqual(before);
    expect(existsSync(absent)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });
});

it('a process that dies while it saves leaves the old file or the new one', async () => {
  const path = fresh();
  const program = `const { SearchIndex } = require('./index.js');
    const v = Float32Array.from({ length: 30000 * 64 }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011));
    SearchIndex.build(v, { dim: 64, originals: 'f32', fit: false, partitions: 1 }).then(async (index) => {
      await index.save(${JSON.stringify(path)});
      process.send?.('ready');
      console.log('ready');
      for (let i = 0; ; i++) { index.remove([i]); await index.save(${JSON.stringify(path)}); }
    });`;
  const digests = new Set<string>();
  for (const timeout of [900, 1300, 1700]) {
    await runNode(program, { timeout });
    if (!existsSync(path)) continue;
    const opened = await SearchIndex.open(path, { verify: true });
    expect(opened.stats().rows).toBe(30_000);
    digests.add(createHash('sha256').update(readFileSync(path)).digest('hex'));
  }
  expect(digests.size).toBeGreaterThan(0);
});

/** The code of an error of this package; anything else is thrown. */
function reasonOfCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !code.startsWith('ERR_TQ_')) throw error;
  return code;
}
