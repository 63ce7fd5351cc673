import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runNode } from './helpers/child.js';

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { Codec, Codebook, CodecConfig } = require('./index.js');
  const codec = new Codec();
  const config = new CodecConfig({ bitWidth: 4, dimension: 384, seed: workerData.seed });
  const vectors = Float32Array.from({ length: workerData.rows * 384 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
  const codebook = Codebook.train(vectors.subarray(0, 20 * 384), config);
  const digest = (batch) => require('node:crypto').createHash('sha256').update(batch.toBytes()).digest('hex');
`;

describe('worker threads', () => {
  it('20 at once load the addon, work, and agree', async () => {
    const { stdout, stderr, code, signal } = await runNode(
      `const { Worker } = require('node:worker_threads');
       const source = ${JSON.stringify(`${WORKER}
         codec.compressBatch(vectors, config, codebook, { onProgress() {} }).then((batch) => parentPort.postMessage(digest(batch)));`)};
       const run = () => new Promise((resolve, reject) => {
         const worker = new Worker(source, { eval: true, workerData: { seed: 1, rows: 200 } });
         worker.once('error', reject);
         worker.once('message', resolve);
       });
       Promise.all(Array.from({ length: 20 }, run)).then((digests) => console.log(digests.length, new Set(digests).size));`,
      { timeout: 90_000 },
    );
    expect({ stdout, stderr, code, signal }).toEqual({ stdout: '20 1\n', stderr: '', code: 0, signal: null });
  }, 100_000);

  it('20 terminated in the middle of a job, and the process goes on', async () => {
    const { stdout, stderr, code, signal } = await runNode(
      `const { Worker } = require('node:worker_threads');
       const source = ${JSON.stringify(`${WORKER}
         for (let i = 0; i < 3; i++) codec.compressBatch(vectors, config, codebook, { onProgress() {}, signal: new AbortController().signal });
         parentPort.postMessage('started');`)};
       const run = (i) => new Promise((resolve, reject) => {
         const worker = new Worker(source, { eval: true, workerData: { seed: 1000 + i, rows: 2000 } });
         worker.once('error', reject);
         worker.once('message', () => setTimeout(() => worker.terminate().then(resolve, reject), i * 3));
       });
       (async () => {
         await Promise.all(Array.from({ length: 20 }, (_, i) => run(i)));
         const { Codec, Codebook, CodecConfig } = require('./index.js');
         const config = new CodecConfig({ bitWidth: 2, dimension: 16 });
         const vectors = Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i));
         const codebook = Codebook.train(vectors, config);
         console.log((await new Codec().compressBatch(vectors, config, codebook)).length);
       })();`,
      { timeout: 90_000 },
    );
    expect({ stdout, stderr, code, signal }).toEqual({ stdout: '100\n', stderr: '', code: 0, signal: null });
  }, 100_000);

  it('open one corpus file together, and are terminated while they save it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tinyquant-worker-'));
    const file = join(folder, 'c.tq');
    const { stdout, stderr, code, signal } = await runNode(
      `const { Worker } = require('node:worker_threads');
       const { readdirSync } = require('node:fs');
       const { Codebook, CodecConfig, CompressionPolicy, Corpus, verifyFile } = require('./index.js');
       const file = ${JSON.stringify(file)};
       const codecConfig = new CodecConfig({ bitWidth: 4, dimension: 64 });
       const vectors = Float32Array.from({ length: 2000 * 64 }, (_, i) => Math.sin(i * i));
       const codebook = Codebook.train(vectors, codecConfig);
       const corpus = new Corpus({ corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
       for (let i = 0; i < 2000; i++) corpus.insert('v' + i, vectors.subarray(i * 64, (i + 1) * 64));
       const source = \`const { parentPort } = require('node:worker_threads');
         const { Corpus } = require('./index.js');
         Corpus.open(\${JSON.stringify(file)}).then(async (corpus) => {
           const sum = corpus.decompress('v1999')[0] + (await corpus.search(corpus.decompress('v7'), 1))[0].score;
           parentPort.postMessage(sum);
           for (;;) await corpus.save(\${JSON.stringify(file)}).catch(() => {});
         });\`;
       const run = (i) => new Promise((resolve, reject) => {
         const worker = new Worker(source, { eval: true });
         worker.once('error', reject);
         worker.once('message', (sum) => setTimeout(() => worker.terminate().then(() => resolve(sum), reject), i * 7));
       });
       (async () => {
         await corpus.save(file);
         const sums = await Promise.all(Array.from({ length: 8 }, (_, i) => run(i)));
         const { vectorCount } = await verifyFile(file);
         // A save that a terminated worker had begun comes to its end on the pool; nobody holds the lock after that, and
         // nothing stays beside the file once another has saved.
         const until = performance.now() + 10_000;
         const isLocked = (error) => error.details?.kind === 'Locked' && performance.now() < until;
         for (let saved = false; !saved; ) {
           saved = await corpus.save(file).then(() => true, (error) => { if (!isLocked(error)) throw error; return false; });
         }
         console.log(new Set(sums).size, vectorCount, readdirSync(${JSON.stringify(folder)}).join());
       })();`,
      { timeout: 90_000 },
    );
    rmSync(folder, { recursive: true });
    expect({ stdout, stderr, code, signal }).toEqual({ stdout: '1 2000 c.tq\n', stderr: '', code: 0, signal: null });
  }, 100_000);

  it('handles do not cross threads silently', async () => {
    const { stdout } = await runNode(
      `const { Worker } = require('node:worker_threads');
       const { CodecConfig } = require('./index.js');
       const worker = new Worker('', { eval: true });
       try { worker.postMessage(new CodecConfig({ bitWidth: 4, dimension: 8 })); } catch (error) { console.log(error.name); }`,
    );
    expect(stdout).toBe('DataCloneError\n');
  });
});
