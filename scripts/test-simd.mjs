// npm run test:simd [-- LEVEL...]: the tests on each SIMD level of this processor, forced one by one, and the addon on an
// emulated processor of the x86-64 baseline. Naming a level that the processor lacks is a failure.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { needPackages } from './debian.mjs';
import { main, root, run, Stop, tool } from './lib.mjs';
import { setup } from './setup.mjs';

const LEVELS = {
  x64: ['scalar', 'avx2', 'avx512', 'avx512vnni'],
  arm64: ['scalar', 'neon', 'neondot'],
}[process.arch];
const BASELINE = 'baseline';
const CRATES = ['tinyquant-kernels', 'tinyquant-codec', 'tinyquant-index', 'tinyquant-family'];
const SPECS = ['codec', 'batch', 'search.spec', 'turboquant', 'scalar', 'parity'];

/** Whether the processor has a level, as the addon sees it. */
function has(level) {
  const { setSimdLevel } = createRequire(import.meta.url)(join(root, 'native', 'binding.cjs'));
  try {
    return setSimdLevel(level) === level;
  } catch (error) {
    if (error.code !== 'ERR_TQ_INVALID_ARG') throw error;
    return false;
  } finally {
    setSimdLevel(null);
  }
}

function testLevel(level) {
  const env = { TINYQUANT_SIMD: level, TINYQUANT_REQUIRE_SIMD: level };
  const crates = CRATES.flatMap((name) => ['-p', name]);
  return (
    run('cargo', ['test', '--profile', 'ci', '--tests', ...crates], { env }) &&
    tool('vitest', ['run', ...SPECS], { env })
  );
}

/** Prints the level in use and a digest of what codec and search give. */
const DIGEST = `
const { createHash } = require('node:crypto');
const { Codec, CodecConfig, SearchIndex, simdLevel } = require('./index.js');
const dim = 96;
const vectors = Float32Array.from({ length: 400 * dim }, (_, i) => Math.sin(i * i * 0.37));
const config = new CodecConfig({ bitWidth: 4, dimension: dim });
const codec = new Codec();
const batch = codec.compressBatchSync(vectors, config, codec.buildCodebook(vectors, config));
SearchIndex.build(vectors, { dim }).then((index) => {
  const { ids, scores } = index.searchSync(vectors.subarray(dim, 2 * dim), { k: 20 });
  const hash = createHash('sha256').update(batch.toBytes()).update(index.toBytes());
  console.log(simdLevel(), hash.update(Float64Array.from(ids)).update(scores).digest('hex'));
});`;

/** An addon that uses a newer instruction unasked would end the emulated process. */
function testBaseline() {
  needPackages(['qemu-user-static'], 'the emulated baseline');
  const outputOf = (command, args, env) => {
    const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } });
    if (result.status !== 0)
      throw new Stop(`${command} ended with ${result.signal ?? result.status}\n${result.stderr}`);
    return result.stdout.trim().split(' ');
  };
  const [level, digest] = outputOf('qemu-x86_64-static', [process.execPath, '-e', DIGEST], { QEMU_CPU: 'qemu64' });
  const [native, expected] = outputOf(process.execPath, ['-e', DIGEST], {});
  console.log(`emulated baseline: ${level} ${digest}\nthis processor: ${native} ${expected}`);
  return level === 'scalar' && digest === expected;
}

await main(async () => {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => !LEVELS.includes(name) && name !== BASELINE);
  if (unknown.length > 0) throw new Stop(`no level ${unknown.join(', ')}: ${[...LEVELS, BASELINE].join(', ')}`);
  await setup();
  const canEmulate = process.platform === 'linux' && process.arch === 'x64';
  const results = [];
  for (const name of named.length > 0 ? named : [...LEVELS, ...(canEmulate ? [BASELINE] : [])]) {
    console.log(`--- ${name}`);
    const isAbsent = name !== BASELINE && !has(name);
    if (isAbsent && named.length === 0) results.push([name, 'SKIPPED: this processor lacks it']);
    else if (isAbsent) results.push([name, 'failed: this processor lacks it']);
    else results.push([name, (name === BASELINE ? testBaseline() : testLevel(name)) ? 'passed' : 'failed']);
  }
  console.log();
  for (const [name, outcome] of results) console.log(`${name.padEnd(12)} ${outcome}`);
  if (results.some(([, outcome]) => outcome.startsWith('failed'))) throw new Stop('Not every level passed');
});
