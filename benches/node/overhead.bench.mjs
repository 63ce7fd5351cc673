// What the Node call adds to a batch of 1,000 vectors: the same batch in Rust and through the addon, in
// alternation, on pools of the same size. `-- --record FILE` writes the figures as JSON.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Codec, CodecConfig } from '../../index.mjs';

const ROWS = 1000;
const test = process.argv.includes('--test');
const rounds = test ? 1 : 7;
const repeats = test ? 1 : 11;
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Medians in milliseconds of the Rust program, by dimension. */
function rust() {
  const profile = test ? ['--profile', 'ci'] : [];
  const args = [
    'bench',
    '-q',
    '-p',
    'tinyquant-bench',
    '--bench',
    'batch',
    ...profile,
    '--',
    ...(test ? ['--test'] : []),
  ];
  const result = spawnSync('cargo', args, { cwd: fileURLToPath(new URL('../..', import.meta.url)), encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

/** Medians in milliseconds of the public API. */
async function node(dimension) {
  const vectors = Float32Array.from({ length: ROWS * dimension }, (_, i) => Math.sin(i * i) / Math.sqrt(dimension));
  const config = new CodecConfig({ bitWidth: 4, dimension });
  const codec = new Codec();
  const codebook = codec.buildCodebook(vectors, config);
  const times = { compress: [], compressSync: [], decompress: [], decompressSync: [] };
  const timed = async (name, body) => {
    const start = performance.now();
    const result = await body();
    times[name].push(performance.now() - start);
    return result;
  };
  let batch = codec.compressBatchSync(vectors, config, codebook);
  for (let i = 0; i < repeats; i++) {
    batch = await timed('compress', () => codec.compressBatch(vectors, config, codebook));
    await timed('compressSync', () => codec.compressBatchSync(vectors, config, codebook));
    await timed('decompress', () => codec.decompressBatch(batch, config, codebook));
    await timed('decompressSync', () => codec.decompressBatchSync(batch, config, codebook));
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

const rustRounds = [];
const nodeRounds = [];
for (let round = 0; round < rounds; round++) {
  rustRounds.push(rust());
  const own = {};
  for (const dimension of [384, 768, 1536]) own[dimension] = await node(dimension);
  nodeRounds.push(own);
}

const results = [];
console.log('milliseconds for 1,000 vectors, 4 bits + residual      Rust     Node  added');
for (const dimension of [384, 768, 1536]) {
  for (const name of ['compress', 'compressSync', 'decompress', 'decompressSync']) {
    const bases = rustRounds.map((round) => round[dimension][name.replace('Sync', '')]);
    const own = nodeRounds.map((round) => round[dimension][name]);
    const [base, ours] = [median(bases), median(own)];
    const added = (median(own.map((time, round) => time / bases[round])) - 1) * 100;
    results.push({ dimension, call: name, rust_ms: base, node_ms: ours, added_percent: added });
    const label = `D=${dimension} ${name}`.padEnd(50);
    console.log(
      `${label} ${base.toFixed(2).padStart(8)} ${ours.toFixed(2).padStart(8)} ${added.toFixed(1).padStart(5)}%`,
    );
  }
}
const at = process.argv.indexOf('--record');
if (at > 0) {
  const record = {
    command: 'node benches/node/overhead.bench.mjs',
    cpu: cpus()[0]?.model,
    threads: cpus().length,
    results,
  };
  writeFileSync(process.argv[at + 1], `${JSON.stringify(record, null, 2)}\n`);
}
