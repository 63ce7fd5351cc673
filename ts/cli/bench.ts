import type { Command } from 'commander';
import { allocate } from '../vectors.js';
import { badData } from './failure.js';
import { installation, table } from './info.js';
import { BadRows, gather, openInput } from './input.js';
import {
  type CodecOptions,
  codecOptions,
  count,
  DEFAULT_TRAIN_ROWS,
  example,
  type ReadOptions,
  readOptions,
} from './options.js';
import { train } from './pipeline.js';
import { grouped } from './progress.js';
import { action, session } from './session.js';

interface BenchOptions extends ReadOptions, CodecOptions {
  readonly rows: number;
  readonly queries: number;
  readonly runs: number;
}

/** Standard normal values, the same on every run. */
function normals(length: number): Float32Array {
  let state = 0x9e37_79b9;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  const values = allocate(length, 'the random vectors');
  for (let i = 0; i < length; i++) values[i] = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return values;
}

/** Median seconds of some runs, after one that is not counted. */
async function seconds(runs: number, body: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    await body();
    session.signal.throwIfAborted();
    if (run > 0) times.push((performance.now() - start) / 1000);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1] ?? 0;
}

async function bench(path: string | undefined, o: BenchOptions): Promise<void> {
  const { BruteForceBackend, Codec, CodecConfig } = await import('../index.js');
  let dimension = o.dimension ?? 384;
  let rows = o.rows;
  let vectors: Float32Array;
  if (path === undefined) vectors = normals(rows * dimension);
  else {
    // The number is a limit here, not what the file must have.
    const { rows: most, ...read } = o;
    const bad = new BadRows(o.skipBad === true);
    const input = await openInput(path, read, 'the input');
    ({ vectors, rows, dimension } = await gather(input, { limit: Math.min(most, o.limit ?? most), bad }));
    bad.summarise();
    if (rows === 0) throw badData(`${input.name}: there are no vectors`, { path: input.name });
  }
  const config = new CodecConfig({
    bitWidth: o.bits ?? 4,
    dimension,
    seed: o.seed ?? 42n,
    residualEnabled: o.residual ?? true,
  });
  const codebook = await train(
    vectors.subarray(0, (o.trainRows ?? DEFAULT_TRAIN_ROWS) * dimension),
    config,
    o,
    path ?? 'random vectors',
  );
  const codec = new Codec();
  const { signal } = session;
  const batch = await codec.compressBatch(vectors, config, codebook, { signal });
  const compress = await seconds(o.runs, () => codec.compressBatch(vectors, config, codebook, { signal }));
  let decoded = new Float32Array(0);
  const decompress = await seconds(o.runs, async () => {
    decoded = (await codec.decompressBatch(batch, config, codebook, { signal })) as Float32Array<ArrayBuffer>;
  });

  const backend = new BruteForceBackend();
  backend.ingest(
    (function* () {
      for (let row = 0; row < rows; row++) {
        yield [String(row), decoded.subarray(row * dimension, (row + 1) * dimension)] as [string, Float32Array];
      }
    })(),
  );
  const queries = Math.min(o.queries, rows);
  const search = await seconds(o.runs, async () => {
    for (let row = 0; row < queries; row++) {
      signal.throwIfAborted();
      backend.search(vectors.subarray(row * dimension, (row + 1) * dimension), 10);
    }
  });

  const { version, simd, threads } = await installation();
  const bytesPerVector = batch.at(0).toBytes().length;
  const result = {
    version,
    simd,
    threads,
    rows,
    dimension,
    bitWidth: config.bitWidth,
    residual: config.residualEnabled,
    bytesPerVector,
    runs: o.runs,
    compress: { seconds: compress, vectorsPerSecond: rows / compress },
    decompress: { seconds: decompress, vectorsPerSecond: rows / decompress },
    search: {
      seconds: search,
      queries,
      queriesPerSecond: queries / search,
      vectorsPerSecond: (queries * rows) / search,
    },
  };
  const text = table([
    [
      'data',
      `${grouped(rows)} x ${dimension}, ${config.bitWidth} bits${config.residualEnabled ? ' + residual' : ''}, ${bytesPerVector} bytes a record`,
    ],
    ['machine', `${simd}, ${threads} threads`],
    ['compress', `${grouped(rows / compress)} vectors/s`],
    ['decompress', `${grouped(rows / decompress)} vectors/s`],
    ['search', `${grouped((queries * rows) / search)} vectors/s (${grouped(queries / search)} queries/s, one thread)`],
  ]);
  await session.result(result, text, true);
}

/** `tinyquant bench` */
export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .summary('how fast this machine compresses, decompresses and searches')
    .description('Times the codec on random or given vectors, in memory: the median of some runs after one to warm up.')
    .argument('[vectors]', 'file of vectors (default: random ones of --dimension values)')
    .option('--rows <n>', 'vectors to use', count(1, 10_000_000), 10_000)
    .option('--queries <n>', 'queries to search for', count(1), 100)
    .option('--runs <n>', 'runs to take the median of', count(1, 1000), 3);
  readOptions(codecOptions(command));
  example(command, 'tinyquant bench --dimension 768 --bits 4 --no-residual');
  command.action(action(bench));
}
