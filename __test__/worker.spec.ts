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
