import { describe, expect, it } from 'vitest';
import { runNode } from './helpers/child.js';

const PRELUDE = `
  const { Codec, Codebook, CodecConfig, Corpus, CompressionPolicy, BruteForceBackend } = require('./index.js');
  const codec = new Codec();
  const config = new CodecConfig({ bitWidth: 4, dimension: 256 });
  const vectors = Float32Array.from({ length: 4000 * 256 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
  const codebook = Codebook.train(vectors.subarray(0, 100 * 256), config);
  const collect = async () => { for (let i = 0; i < 4; i++) { gc(); await new Promise((done) => setTimeout(done, 20)); } };
  const megabytes = () => { const { rss, external } = process.memoryUsage(); return { rss: rss / 2 ** 20, external: external / 2 ** 20 }; };
`;

describe('memory', () => {
  it('of dropped results is collected without being asked', async () => {
    const { stdout, stderr } = await runNode(
      `${PRELUDE}
      (async () => {
        const wide = new CodecConfig({ bitWidth: 8, dimension: 256 });
        const book = Codebook.train(vectors, wide);
        let size = 0;
        let most = 0;
        await codec.compressBatch(vectors, wide, book);
        const before = megabytes().rss;
        for (let i = 0; i < 400; i++) {
          size += (await codec.compressBatch(vectors, wide, book)).sizeBytes / 2 ** 20;
          most = Math.max(most, megabytes().rss);
        }
        console.log(JSON.stringify({ size, growth: most - before }));
      })();`,
      { timeout: 120_000 },
    );
    expect(stderr).toBe('');
    const { size, growth } = JSON.parse(stdout) as { size: number; growth: number };
    // The objects themselves are tiny: only the report of their native memory makes the collector run.
    expect(size).toBeGreaterThan(1000);
    expect(growth).toBeLessThan(size / 3);
  }, 150_000);

  it('of results comes back', async () => {
    const { stdout, stderr } = await runNode(
      `${PRELUDE}
      (async () => {
        const run = async () => {
          const held = [];
          for (let i = 0; i < 60; i++) held.push(await codec.compressBatch(vectors, config, codebook));
          return { rss: megabytes().rss, size: held.reduce((sum, batch) => sum + batch.sizeBytes, 0) / 2 ** 20 };
        };
        await codec.compressBatch(vectors, config, codebook);
        await collect();
        const before = megabytes().rss;
        const during = await run();
        await collect();
        const after = megabytes().rss;
        console.log(JSON.stringify({ before, during, after, again: await run() }));
      })();`,
      { args: ['--expose-gc'] },
    );
    expect(stderr).toBe('');
    const { before, during, after, again } = JSON.parse(stdout) as {
      before: number;
      during: { rss: number; size: number };
      after: number;
      again: { rss: number };
    };
    expect(during.size).toBeGreaterThan(120);
    expect(during.rss - before).toBeGreaterThan(during.size * 0.8);
    expect(after - before).toBeLessThan(during.size * 0.5);
    expect(again.rss - during.rss).toBeLessThan(during.size * 0.5);
  });

  it('does not grow over many rounds of everything', async () => {
    const { stdout, stderr } = await runNode(
      `${PRELUDE}
      const small = vectors.subarray(0, 500 * 256);
      async function round() {
        const batch = await codec.compressBatch(small, config, codebook);
        await codec.decompressBatch(batch, config, codebook);
        await codec.decompressBatch([...batch], config, codebook);
        const corpus = new Corpus({ corpusId: 'c', codecConfig: config, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
        corpus.insertBatch(Array.from({ length: 500 }, (_, i) => ['v' + i, small.subarray(i * 256, (i + 1) * 256)]));
        corpus.decompressAll();
        const backend = new BruteForceBackend();
        backend.ingest(corpus.decompressEntries());
        backend.search(small.subarray(0, 256), 10);
        const controller = new AbortController();
        const stopped = codec.compressBatch(small, config, codebook, { signal: controller.signal, onProgress() {} });
        controller.abort();
        await stopped.catch(() => {});
        await codec.compressBatch(new Float32Array(5), config, codebook).catch(() => {});
      }
      (async () => {
        for (let i = 0; i < 15; i++) await round();
        await collect();
        const before = megabytes();
        for (let i = 0; i < 60; i++) await round();
        await collect();
        console.log(JSON.stringify({ before, after: megabytes() }));
      })();`,
      { args: ['--expose-gc'], timeout: 120_000 },
    );
    expect(stderr).toBe('');
    const { before, after } = JSON.parse(stdout) as Record<'before' | 'after', { rss: number; external: number }>;
    // 60 rounds handle over 100 MB of results: a leak of any one of them would show.
    expect(after.external - before.external).toBeLessThan(2);
    expect(after.rss - before.rss).toBeLessThan(40);
  }, 150_000);

  it('of corpora and backends is collected without being asked', async () => {
    const { stdout, stderr } = await runNode(
      `${PRELUDE}
      (async () => {
        const items = Array.from({ length: 4000 }, (_, i) => ['v' + i, vectors.subarray(i * 256, (i + 1) * 256)]);
        let most = 0;
        const before = megabytes().rss;
        for (let i = 0; i < 60; i++) {
          const corpus = new Corpus({ corpusId: 'c', codecConfig: config, codebook, compressionPolicy: CompressionPolicy.PASSTHROUGH });
          corpus.insertBatch(items);
          const backend = new BruteForceBackend();
          backend.ingest(items);
          most = Math.max(most, megabytes().rss);
          await new Promise(setImmediate);
        }
        console.log(JSON.stringify({ growth: most - before }));
      })();`,
      { timeout: 120_000 },
    );
    expect(stderr).toBe('');
    const { growth } = JSON.parse(stdout) as { growth: number };
    // Each round makes 8 MB, 480 MB in all.
    expect(growth).toBeLessThan(250);
  }, 150_000);
});

describe('the process', () => {
  it('ends by itself when the work is done', async () => {
    const started = performance.now();
    const { code, stdout } = await runNode(
      `${PRELUDE}
      codec.compressBatch(vectors, config, codebook, { onProgress() {}, signal: new AbortController().signal })
        .then(({ length }) => console.log(length));`,
      { timeout: 30_000 },
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '4000\n' });
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('does nothing at import', async () => {
    const { code, stdout } = await runNode(
      `const { readdirSync } = require('node:fs');
       const threads = () => process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0;
       const before = threads();
       require('./index.js');
       console.log(threads() - before);`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0\n' });
  });

  it('survives process.exit in the middle of a job', async () => {
    const { code, signal } = await runNode(
      `${PRELUDE}
      for (let i = 0; i < 4; i++) codec.compressBatch(vectors, config, codebook, { onProgress() {} });
      setTimeout(() => process.exit(7), 5);`,
    );
    expect({ code, signal }).toEqual({ code: 7, signal: null });
  });
});
