import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import { SearchIndex } from '../index.js';
import { binding } from './helpers/binding.js';
import { runNode } from './helpers/child.js';
import { failure, rejection } from './helpers/failure.js';
import { clustered, plain, rowOf } from './helpers/search.js';

const data = clustered(3000, 128, 16, 6);
const { dim, rows, vectors, queries } = data;
const query = rowOf(queries, 0, dim);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('searches', () => {
  it('beside each other give what they give alone', async () => {
    const index = await SearchIndex.build(vectors, { dim, partitions: 20, originals: 'f16' });
    const kinds = [{ k: 5 }, { k: 20, exact: true }, { k: 3, filter: [1, 2, 3, 4, 5] }, { k: 9, effort: 3 }];
    const alone = kinds.map((o) => plain(index.searchBatchSync(queries, o)));
    const jobs = Array.from({ length: 120 }, async (_, i) => {
      const o = kinds[i % kinds.length] ?? { k: 5 };
      const each = i % 3 === 0 ? index.searchBatch(queries, o) : Promise.all(lists.map((one) => index.search(one, o)));
      expect(plain(await each)).toEqual(alone[i % kinds.length]);
    });
    await Promise.all(jobs);
  });
  const lists = Array.from({ length: 16 }, (_, i) => rowOf(queries, i, dim));

  it('see all of an add or none of it', async () => {
    const index = await SearchIndex.build(vectors.subarray(0, 100 * dim), { dim });
    const sizes = new Set<number>();
    let done = false;
    const adding = (async () => {
      for (let i = 0; i < 12; i++) await index.add(vectors);
      done = true;
    })();
    while (!done) {
      const found = await Promise.all([
        index.search(query, { k: 1e6 }),
        index.searchBatch(lists, { k: 1e6, exact: true }),
      ]);
      for (const hits of [found[0], ...found[1]]) {
        sizes.add(hits.length);
        expect(new Set(hits.ids).size).toBe(hits.length);
        expect(Math.max(...hits.ids)).toBe(hits.length - 1);
      }
      sizes.add(index.searchSync(query, { k: 1e6 }).length);
      sizes.add(index.size);
    }
    await adding;
    expect([...sizes].filter((size) => (size - 100) % rows !== 0)).toEqual([]);
    expect(sizes.size).toBeGreaterThan(1);
    expect(index.size).toBe(100 + 12 * rows);
  });

  it('that began before an add or a removal see none of it', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    const before = plain([index.searchSync(query, { k: rows })]);
    const running = index.searchBatch(Array(200).fill(query), { k: rows, exact: true });
    const adding = index.add(vectors);
    for (const hits of await running) expect(hits.length % rows).toBe(0);
    await adding;
    expect(before).not.toEqual(plain([index.searchSync(query, { k: rows })]));
  });

  it('leave the event loop free', async () => {
    const index = await SearchIndex.build(vectors, { dim });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const until = performance.now() + 1500;
    const client = async (): Promise<number> => {
      let count = 0;
      for (; performance.now() < until; count++) await index.search(query, { k: 10, exact: true });
      return count;
    };
    await index.search(query, { k: 10 });
    delay.enable();
    const counts = await Promise.all(Array.from({ length: 8 }, client));
    delay.disable();
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
    // A machine that does other work beside the tests is given more time.
    expect(delay.percentile(99) / 1e6).toBeLessThan(30);
  });
});

describe('calls that change an index', () => {
  it('run in the order they were made', async () => {
    const [first, second] = [join(folder, 'first.tqi'), join(folder, 'second.tqi')];
    const index = new SearchIndex({ dim });
    const calls = [
      index.fit(vectors),
      index.add(vectors.subarray(0, 50 * dim)),
      index.save(first),
      index.add(vectors.subarray(0, 30 * dim), { ids: Array.from({ length: 30 }, (_, i) => 1000 + i) }),
      rejection(() => index.add([query], { ids: [0] }), 'ERR_TQ_ID_EXISTS'),
      index.add(vectors.subarray(0, 20 * dim)),
      index.save(second),
      index.sync(second),
    ];
    expect(index.size).toBe(0);
    await Promise.all(calls);
    expect(index.size).toBe(100);
    expect([index.ids()[49], index.ids()[50], index.ids()[80]]).toEqual([49, 1000, 1030]);
    expect((await SearchIndex.open(first)).size).toBe(50);
    expect((await SearchIndex.open(second)).ids()).toEqual(index.ids());
  });

  it('are not overtaken by those that wait', async () => {
    const index = new SearchIndex({ dim });
    const adding = index.add(vectors);
    failure(() => index.addSync([query]), 'ERR_TQ_INVALID_ARG');
    failure(() => index.saveSync(join(folder, 'x.tqi')), 'ERR_TQ_INVALID_ARG');
    expect(index.remove([0])).toBe(0);
    await adding;
    index.addSync([query]);
    index.saveSync(join(folder, 'x.tqi'));
    expect(index.remove([0])).toBe(1);
    expect(index.size).toBe(rows);
    await rejection(() => index.add([query], { ids: [5] }), 'ERR_TQ_ID_EXISTS');
    index.addSync([query]);
  });

  it('and removals beside them leave every vector once', async () => {
    const index = new SearchIndex({ dim, originals: 'f32' });
    const kept = new Set<number>();
    const adds: Promise<void>[] = [];
    for (let i = 0; i < 40; i++) {
      const ids = Array.from({ length: 50 }, (_, j) => i * 100 + j);
      adds.push(index.add(vectors.subarray(i * 50 * dim, (i + 1) * 50 * dim), { ids }));
      for (const id of ids) kept.add(id);
      if (i % 4 === 3) {
        await adds.at(-2);
        const gone = [(i - 1) * 100, (i - 2) * 100 + 7];
        expect(index.remove(gone)).toBe(2);
        for (const id of gone) kept.delete(id);
      }
    }
    await Promise.all(adds);
    expect(new Set(index.ids())).toEqual(kept);
    const hits = await index.search(query, { k: 1e5, exact: true });
    expect(new Set(hits.ids)).toEqual(kept);
    for (const id of [101, 707, 3949]) {
      const row = Math.floor(id / 100) * 50 + (id % 100);
      expect(index.reconstruct(id)).toEqual(rowOf(vectors, row, dim));
    }
  });

  it('finish before a closed index lets go', async () => {
    const path = join(folder, 'closed.tqi');
    const index = new SearchIndex({ dim });
    const calls = [
      index.add(vectors),
      index.add(vectors),
      index.save(path),
      index.searchBatch(Array(50).fill(query), { k: 5 }),
    ];
    index.close();
    index.close();
    failure(() => index.size, 'ERR_TQ_CLOSED');
    await rejection(() => index.add(vectors), 'ERR_TQ_CLOSED');
    await Promise.all(calls);
    expect((await SearchIndex.open(path, { verify: true })).size).toBe(2 * rows);
  });
});

describe('memory', () => {
  it('is told to the garbage collector, and given back', async () => {
    // What earlier tests have dropped must not be given back in the middle of this one.
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 3; i++) {
      collect();
      await setImmediate();
    }
    const before = binding.externalMemory();
    const known = (): number => binding.externalMemory() - before;
    const index = await SearchIndex.build(vectors, { dim, originals: 'f32', fit: false });
    const built = index.memoryUsage().heapBytes;
    expect(built).toBeGreaterThan(rows * dim * 4.4);
    const slack = 600_000;
    expect(Math.abs(known() - built)).toBeLessThan(slack + rows * dim * 4);
    await index.add(vectors);
    index.addSync(vectors);
    expect(index.memoryUsage().heapBytes).toBeGreaterThan(2.5 * built);
    const held = known();
    index.close();
    expect(held - known()).toBeGreaterThan(2.5 * built - slack);
    const opened = SearchIndex.fromBytes((await SearchIndex.build(vectors, { dim })).toBytes());
    opened[Symbol.dispose]();
    failure(() => opened.size, 'ERR_TQ_CLOSED');
  });

  it('of dropped indexes is collected without being asked', async () => {
    const { stdout, stderr } = await runNode(
      `const { SearchIndex } = require('./index.js');
       const vectors = Float32Array.from({ length: 4000 * 256 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
       const megabytes = () => process.memoryUsage().rss / 2 ** 20;
       (async () => {
         await SearchIndex.build(vectors, { dim: 256, originals: 'f32', fit: false });
         const before = megabytes();
         let most = 0;
         for (let i = 0; i < 80; i++) {
           const index = await SearchIndex.build(vectors, { dim: 256, originals: 'f32', fit: false });
           index.searchSync(vectors.subarray(0, 256), { k: 5 });
           most = Math.max(most, megabytes());
         }
         console.log(JSON.stringify({ growth: most - before }));
       })();`,
      { timeout: 120_000 },
    );
    expect(stderr).toBe('');
    // Each round makes 4.5 MB that stay and as much that does not, 360 MB in all.
    expect((JSON.parse(stdout) as { growth: number }).growth).toBeLessThan(200);
  }, 150_000);

  it('does not grow over many searches', async () => {
    const { stdout, stderr } = await runNode(
      `const { SearchIndex } = require('./index.js');
       const vectors = Float32Array.from({ length: 500 * 64 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
       const query = vectors.subarray(0, 64);
       const collect = async () => { for (let i = 0; i < 4; i++) { gc(); await new Promise((done) => setTimeout(done, 20)); } };
       (async () => {
         const index = await SearchIndex.build(vectors, { dim: 64, ids: Array.from({ length: 500 }, (_, i) => 'id' + i) });
         const round = async () => {
           for (let i = 0; i < 200; i++) {
             await index.search(query, { k: 50, filter: ['id1', 'id2'] });
             index.searchBatchSync(vectors.subarray(0, 640), { k: 50 });
             index.remove(['id' + i]);
             index.addSync([query], { ids: ['id' + i] });
           }
         };
         for (let i = 0; i < 5; i++) await round();
         await collect();
         const before = process.memoryUsage();
         for (let i = 0; i < 20; i++) await round();
         await collect();
         const after = process.memoryUsage();
         console.log(JSON.stringify({ rss: (after.rss - before.rss) / 2 ** 20, heap: (after.heapUsed - before.heapUsed) / 2 ** 20 }));
       })();`,
      { args: ['--expose-gc'], timeout: 120_000 },
    );
    expect(stderr).toBe('');
    const { rss, heap } = JSON.parse(stdout) as { rss: number; heap: number };
    expect(heap).toBeLessThan(3);
    expect(rss).toBeLessThan(30);
  }, 150_000);
});

describe('worker threads', () => {
  it('search one file together, and are terminated in the middle of it', async () => {
    const file = join(folder, 'shared.tqi');
    const { stdout, stderr, code, signal } = await runNode(
      `const { Worker } = require('node:worker_threads');
       const { SearchIndex, verifyFile } = require('./index.js');
       const file = ${JSON.stringify(file)};
       const vectors = Float32Array.from({ length: 4000 * 64 }, (_, i) => Math.sin(i * i));
       const source = \`const { parentPort } = require('node:worker_threads');
         const { SearchIndex } = require('./index.js');
         const vectors = Float32Array.from({ length: 4000 * 64 }, (_, i) => Math.sin(i * i));
         SearchIndex.open(\${JSON.stringify(file)}).then(async (index) => {
           const hits = await index.searchBatch(vectors.subarray(0, 640), { k: 4 });
           parentPort.postMessage(hits.map(({ ids }) => ids.join()).join(' '));
           for (;;) {
             const jobs = [index.add(vectors), SearchIndex.build(vectors, { dim: 64 }), index.searchBatch(vectors, { k: 9 })];
             await Promise.all(jobs.concat(index.save(\${JSON.stringify(file)} + Math.random(), { onProgress() {} }))).catch(() => {});
           }
         });\`;
       const run = (i) => new Promise((resolve, reject) => {
         const worker = new Worker(source, { eval: true });
         worker.once('error', reject);
         worker.once('message', (found) => setTimeout(() => worker.terminate().then(() => resolve(found), reject), i * 7));
       });
       (async () => {
         const index = await SearchIndex.build(vectors, { dim: 64, partitions: 8 });
         await index.save(file);
         const found = await Promise.all(Array.from({ length: 6 }, (_, i) => run(i)));
         const { vectorCount } = await verifyFile(file);
         console.log(new Set(found).size, vectorCount, (await index.search(vectors.subarray(0, 64), { k: 1 })).length);
       })();`,
      { timeout: 90_000 },
    );
    expect({ stdout, stderr, code, signal }).toEqual({ stdout: '1 4000 1\n', stderr: '', code: 0, signal: null });
  }, 100_000);

  it('cannot be sent an index', async () => {
    const index = new SearchIndex({ dim });
    expect(() => structuredClone(index)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
  });
});
