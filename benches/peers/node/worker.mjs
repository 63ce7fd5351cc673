// Runs one index of one engine for the driver: a JSON object on standard input is a command, a line is its answer.
// `worker.mjs ADAPTER THREADS` imports adapters/ADAPTER.mjs. The commands are those of python/worker.py.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readRows } from './npy.mjs';

const BATCH = 500;
const [adapter, threads] = process.argv.slice(2);
const peers = fileURLToPath(new URL('../../../target/peers/node/package.json', import.meta.url));
const state = {};

async function create(dim, params) {
  const { Engine } = await import(`./adapters/${adapter}.mjs`);
  return new Engine({ dim, params, threads: Number(threads), require: createRequire(peers) });
}

/** Bytes of this process that lie in memory. */
function resident() {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

/** Times one call to the end of what it returns, in seconds. */
async function timed(body) {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
}

/** Seconds to the end of the first search of an index that is opened. */
const timedOpen = (index, folder, search) =>
  timed(async () => {
    await index.open(folder);
    index.prepare(search);
    await index.alone(state.calls.alone[0].call);
  });

const commands = {
  async build({ data, params, folder }) {
    const { vectors, dim } = readRows(data);
    const index = await create(dim, params);
    const build = await timed(() => index.build(vectors, folder));
    const save = await timed(() => index.save(folder));
    return { build, save, fixed: index.fixed, facts: index.facts };
  },

  async encode({ data, params }) {
    if (state.data !== data) Object.assign(state, { data, ...readRows(data) });
    const index = await create(state.dim, params);
    index.add(state.vectors.subarray(0, 1000 * state.dim));
    const rest = state.vectors.subarray(1000 * state.dim);
    return { rows: state.rows - 1000, seconds: await timed(() => index.add(rest)) };
  },

  async open({ queries, params, folder, search }) {
    const { vectors, rows, dim } = readRows(queries);
    const index = await create(dim, params);
    const calls = (size) =>
      Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
        const part = vectors.subarray(i * size * dim, (i + 1) * size * dim);
        return { count: part.length / dim, call: index.form(part) };
      });
    state.calls = { alone: calls(1), batch: index.constructor.hasBatch ? calls(BATCH) : null };
    state.before = resident();
    state.index = index;
    Object.assign(state, { dim, params });
    return { seconds: await timedOpen(index, folder, search) };
  },

  async reopen({ folder, search }) {
    const seconds = [];
    while (seconds.length < 5) {
      const index = await create(state.dim, state.params);
      seconds.push(await timedOpen(index, folder, search));
      index.close();
    }
    return { seconds };
  },

  memory: () => ({ bytes: resident() - state.before }),

  async ask({ kind, search, least, most, ids = false }) {
    const { index } = state;
    const calls = state.calls[kind];
    if (calls === null) return null;
    index.prepare(search);
    const kept = [];
    let asked = 0;
    let seconds = 0;
    const before = process.cpuUsage();
    const start = performance.now();
    rounds: while (seconds < least || asked === 0) {
      for (const { count, call } of calls) {
        let answer = index[kind](call);
        if (answer instanceof Promise) answer = await answer;
        seconds = (performance.now() - start) / 1000;
        asked += count;
        if (ids) kept.push(answer);
        if (seconds > most) break rounds;
      }
      if (ids) break;
    }
    const { user, system } = process.cpuUsage(before);
    const found = ids ? kept.flatMap((answer) => index.ids(answer)) : null;
    return { queries: asked, seconds, cpu: (user + system) / 1e6, ids: found };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = JSON.parse(line);
  let answer;
  try {
    answer = await commands[name](command);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  // Engines may leave half a line on standard output.
  writeSync(1, `\n${JSON.stringify(answer)}\n`);
}
state.index?.close();
