// The mixed load in a process of its own: `node --expose-gc mixed.mjs SECONDS SAMPLES` prints JSON with the number of
// steps, what went wrong, the delay of the event loop and memory at regular times. Memory is that after a collection,
// and what the collection takes is no part of the delay.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { act, actors } from './actors.mjs';

const [seconds = 10, count = 20] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-soak-'));
const megabytes = (bytes) => Math.round((bytes / 2 ** 20) * 100) / 100;

/** Delay of the event loop of an idle process, from now until the returned function is called. */
function idleBeside() {
  const child = fork(new URL('./idle.mjs', import.meta.url), { execArgv: [] });
  return () =>
    new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('message', resolve);
      child.send('stop');
    });
}

try {
  const { steps, close } = await actors(folder);
  // Caches fill, the pool starts and the code is compiled before anything is counted.
  const warm = performance.now() + Math.min(10, seconds / 4) * 1000;
  const { wrong: early } = await act(steps, () => performance.now() > warm);

  const idle = idleBeside();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const start = performance.now();
  const end = start + seconds * 1000;
  const samples = [];
  const sampling = (async () => {
    for (let i = 1; i <= count; i++) {
      await sleep(start + (seconds * 1000 * i) / count - performance.now());
      delay.disable();
      globalThis.gc();
      const { rss, heapUsed, external } = process.memoryUsage();
      samples.push({
        second: Math.round((performance.now() - start) / 100) / 10,
        rssMB: megabytes(rss),
        heapMB: megabytes(heapUsed),
        externalMB: megabytes(external),
      });
      // The tick of the collection itself goes by before counting goes on.
      await sleep(5);
      delay.enable();
    }
  })();
  delay.enable();
  const { counts, wrong } = await act(steps, () => performance.now() > end);
  await sampling;
  delay.disable();
  close();
  const ms = (nanoseconds) => Math.round(nanoseconds / 1e4) / 100;
  const loop = {
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    p999: ms(delay.percentile(99.9)),
    max: ms(delay.max),
    idleProcessP99: ms((await idle()) * 1e6),
  };
  console.log(JSON.stringify({ seconds, counts, wrong: [...early, ...wrong], loop, samples }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
