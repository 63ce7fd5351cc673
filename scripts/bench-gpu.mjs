// npm run bench:gpu [-- --preference NAME] [--rows N --dim D --corpus N --corpus-dim D --queries N --max-memory BYTES]
// [--bandwidth GB/s] [--record]: batches and searches on a GPU beside the CPU of the same machine. With --record the
// results become a file of benches/record/. A software device runs small sizes by default: it shows that everything
// works, and nothing about the speed of a GPU.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { softwareEnv } from './external.mjs';
import { main, root, Stop } from './lib.mjs';
import { buildGpuAddon, setup } from './setup.mjs';

const RUNS = 5;

function numbers(values) {
  const parsed = {};
  for (const [name, text] of Object.entries(values)) {
    if (typeof text !== 'string' || name === 'preference') continue;
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) throw new Stop(`--${name} must be a number above 0, got ${text}`);
    parsed[name] = value;
  }
  return parsed;
}

/** Values of deviation 1 / sqrt(dim), the same in every run. */
function rows(count, dim, seed) {
  const out = new Float32Array(count * dim);
  let state = seed;
  for (let i = 0; i < out.length; i += 1) {
    let sum = -2;
    for (let k = 0; k < 4; k += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state / 2 ** 32;
    }
    out[i] = (sum * Math.sqrt(3)) / Math.sqrt(dim);
  }
  return out;
}

/** Median seconds of both sides, run in alternation after one run that does not count. */
async function compare(device, cpu) {
  const times = [[], []];
  for (let run = 0; run <= RUNS; run += 1) {
    for (const [side, body] of [device, cpu].entries()) {
      const start = performance.now();
      await body();
      if (run > 0) times[side].push((performance.now() - start) / 1000);
    }
  }
  return times.map((seconds) => seconds.sort((a, b) => a - b)[RUNS >> 1]);
}

const MB = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function bench(given) {
  const { Codebook, Codec, CodecConfig, SearchIndex, simdLevel } = await import('tinyquant');
  const { GpuBackend } = await import('tinyquant/gpu');
  const { preference = 'auto' } = given;
  const sizes = numbers(given);
  const gpu = await GpuBackend.create({
    preference,
    ...(sizes['max-memory'] === undefined ? {} : { maxMemory: sizes['max-memory'] }),
  });
  const { adapter } = gpu;
  const isSoftware = adapter.deviceType === 'software';
  const count = sizes.rows ?? (isSoftware ? 1024 : 10_000);
  const dim = sizes.dim ?? (isSoftware ? 256 : 1536);
  const corpus = sizes.corpus ?? (isSoftware ? 20_000 : 1_000_000);
  const corpusDim = sizes['corpus-dim'] ?? (isSoftware ? 128 : 768);
  const queryCount = sizes.queries ?? 16;

  console.log(`adapter    ${adapter.name}, ${adapter.deviceType}, ${adapter.backend}`);
  console.log(`driver     ${adapter.driver} ${adapter.driverInfo}`);
  console.log(`CPU        ${cpus()[0]?.model}, ${cpus().length} threads, ${simdLevel()}`);
  if (isSoftware) console.log('A software device runs on this CPU: its times say nothing about a GPU.');
  const results = [];
  const report = (name, seconds, moved, { rate, unit, scanned }) => {
    const [device, cpu] = seconds;
    const line = { name, device, cpu, deviceRate: rate / device, cpuRate: rate / cpu, unit, ...moved };
    results.push(line);
    console.log(`\n${name}`);
    console.log(`  to the device ${MB(moved.uploaded)}, back ${MB(moved.downloaded)}`);
    for (const [side, time] of [
      ['device', device],
      ['CPU', cpu],
    ]) {
      console.log(`  ${side.padEnd(7)} ${(time * 1000).toFixed(1)} ms, ${Math.round(rate / time)} ${unit}`);
    }
    console.log(`  device / CPU  ${(cpu / device).toFixed(2)}`);
    if (scanned === undefined) return;
    line.scannedPerSecond = scanned / device;
    console.log(`  codes read    ${(scanned / device / 1e9).toFixed(2)} GB/s`);
    if (sizes.bandwidth !== undefined) {
      line.bandwidthShare = scanned / device / (sizes.bandwidth * 1e9);
      console.log(`  of ${sizes.bandwidth} GB/s  ${(100 * line.bandwidthShare).toFixed(1)}%`);
    }
  };

  const codec = new Codec();
  const vectors = rows(count, dim, 1);
  for (const residualEnabled of [false, true]) {
    const config = new CodecConfig({ bitWidth: 4, dimension: dim, residualEnabled });
    const codebook = Codebook.train(vectors.subarray(0, Math.min(count, 1000) * dim), config);
    const batch = await codec.compressBatch(vectors, config, codebook);
    const name = `${count} x ${dim}, 4 bits${residualEnabled ? ' and residuals' : ''}`;
    // A bit for each coordinate comes back too: whether the CPU has to decide it.
    const marks = 4 * count * Math.ceil(dim / 32);
    const bytes = { rows: vectors.byteLength, codes: batch.sizeBytes };
    report(
      `compress ${name}`,
      await compare(
        () => gpu.compressBatch(vectors, config, codebook),
        () => codec.compressBatch(vectors, config, codebook),
      ),
      { uploaded: bytes.rows, downloaded: bytes.codes + marks },
      { rate: count, unit: 'vectors/s' },
    );
    report(
      `decompress ${name}`,
      await compare(
        () => gpu.decompressBatch(batch, config, codebook),
        () => codec.decompressBatch(batch, config, codebook),
      ),
      { uploaded: bytes.codes, downloaded: bytes.rows },
      { rate: count, unit: 'vectors/s' },
    );
  }

  const index = new SearchIndex({ dim: corpusDim, bits: 4 });
  const part = 20_000;
  for (let first = 0; first < corpus; first += part) {
    await index.add(rows(Math.min(part, corpus - first), corpusDim, 7 + first));
  }
  const prepared = await gpu.prepare(index);
  console.log(`\nprepared ${corpus} x ${corpusDim} at 4 bits: ${MB(prepared.bytes)} on the device`);
  for (const together of [1, queryCount]) {
    const queries = rows(together, corpusDim, 3);
    report(
      `search ${corpus} x ${corpusDim}, 4 bits, k = 10, ${together} queries`,
      await compare(
        () => gpu.search(prepared, queries, { k: 10 }),
        () => index.searchBatch(queries, { k: 10, exact: true }),
      ),
      { uploaded: queries.byteLength, downloaded: together * (20 + 256) * 12 },
      // Four queries share one reading of the codes.
      { rate: together, unit: 'queries/s', scanned: prepared.bytes * Math.ceil(together / 4) },
    );
  }
  if (given.record) {
    const folder = adapter.name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '');
    const path = join(root, 'benches', 'record', folder, `${new Date().toISOString().slice(0, 10)}-gpu.json`);
    mkdirSync(join(path, '..'), { recursive: true });
    const facts = {
      command: `npm run bench:gpu -- ${process.argv.slice(2).join(' ')}`.trim(),
      adapter,
      cpu: cpus()[0]?.model,
      threads: cpus().length,
      level: simdLevel(),
      isSoftware,
    };
    writeFileSync(path, `${JSON.stringify({ ...facts, results }, null, 2)}\n`);
    console.log(`\nRecorded in ${relative(process.cwd(), path)}`);
  }
  prepared.close();
  gpu.close();
}

await main(async () => {
  const text = { type: 'string' };
  const options = { preference: text, rows: text, dim: text, corpus: text, queries: text, bandwidth: text };
  const { values } = parseArgs({
    options: { ...options, 'corpus-dim': text, 'max-memory': text, profile: text, record: { type: 'boolean' } },
  });
  const { profile = 'release', ...given } = values;
  if (given.preference === 'software') {
    for (const [name, value] of Object.entries(softwareEnv())) if (value !== '') process.env[name] = value;
  }
  await setup({ profile });
  buildGpuAddon(profile);
  await bench(given);
});
