// One vector by the plain call against one product of an f64 matrix and a vector by numpy, in alternation, one
// thread each. numpy lives in a virtual environment under target/. `-- --record FILE` writes the figures.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Codec, CodecConfig } from '../../index.mjs';

const PEER = `
import sys, time, numpy
for line in sys.stdin:
    n, repeats = map(int, line.split())
    rng = numpy.random.default_rng(1)
    a, x = rng.standard_normal((n, n)), rng.standard_normal(n)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ x
        times.append(time.perf_counter() - start)
    print(sorted(times)[repeats // 2] * 1e6, flush=True)
`;

const test = process.argv.includes('--test');
const [rounds, repeats] = test ? [1, 3] : [41, 101];
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

function python() {
  const folder = fileURLToPath(new URL('../../target/bench-venv', import.meta.url));
  const binary = join(folder, 'bin', 'python');
  const steps = existsSync(join(folder, 'ready'))
    ? []
    : [
        ['python3', ['-m', 'venv', folder]],
        [binary, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'numpy']],
      ];
  for (const [command, args] of steps) {
    if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) return null;
  }
  writeFileSync(join(folder, 'ready'), '');
  return binary;
}

const binary = python();
if (binary === null) {
  console.log('SKIPPED: numpy could not be installed; install Python 3 with its venv module');
  process.exitCode = process.env.CI === 'true' ? 1 : 0;
} else {
  const env = { ...process.env, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };
  const peer = spawn(binary, ['-c', PEER], { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  const numpy = async (dimension) => {
    peer.stdin.write(`${dimension} ${repeats}\n`);
    return Number((await lines.next()).value);
  };
  const results = [];
  console.log('microseconds, one thread               numpy f64 product  compress  ratio  decompress  ratio');
  for (const dimension of [384, 768, 1536]) {
    const vectors = Float32Array.from({ length: 64 * dimension }, (_, i) => Math.sin(i * i) / Math.sqrt(dimension));
    const config = new CodecConfig({ bitWidth: 4, dimension });
    const codec = new Codec();
    const codebook = codec.buildCodebook(vectors, config);
    const vector = vectors.subarray(0, dimension);
    const record = codec.compress(vector, config, codebook);
    const own = (body) => {
      const times = [];
      for (let i = 0; i < repeats; i++) {
        const start = performance.now();
        body();
        times.push((performance.now() - start) * 1000);
      }
      return median(times);
    };
    const times = { numpy: [], compress: [], decompress: [] };
    codec.decompress(record, config, codebook);
    for (let round = 0; round < rounds; round++) {
      times.numpy.push(await numpy(dimension));
      times.compress.push(own(() => codec.compress(vector, config, codebook)));
      times.decompress.push(own(() => codec.decompress(record, config, codebook)));
    }
    const [product, compress, decompress] = [times.numpy, times.compress, times.decompress].map(median);
    results.push({ dimension, numpy_us: product, compress_us: compress, decompress_us: decompress });
    const cells = [product.toFixed(1).padStart(17), compress.toFixed(1).padStart(9), (compress / product).toFixed(2)];
    cells.push(decompress.toFixed(1).padStart(11), (decompress / product).toFixed(2));
    console.log(`D=${String(dimension).padEnd(36)} ${cells.join('  ')}`);
  }
  peer.stdin.end();
  const at = process.argv.indexOf('--record');
  if (at > 0) {
    const record = { command: 'node benches/node/single.bench.mjs', cpu: cpus()[0]?.model, threads: 1, results };
    writeFileSync(process.argv[at + 1], `${JSON.stringify(record, null, 2)}\n`);
  }
}
