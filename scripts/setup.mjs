// Everything a fresh clone needs before it can run: checks the tools, installs the locked packages, builds.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacade } from './facade.mjs';
import { capture, npm, root, Stop, tool } from './lib.mjs';

const NODE = '20.19.0';
const RUST = '1.89.0';

function older(version, floor) {
  const parts = (text) => text.split('.').map((part) => Number.parseInt(part, 10));
  const [left, right] = [parts(version), parts(floor)];
  const at = [0, 1, 2].find((i) => left[i] !== right[i]);
  return at !== undefined && left[at] < right[at];
}

/** Fails with one message that names everything missing and how to get it. */
export function checkTools() {
  const missing = [];
  if (older(process.versions.node, NODE)) {
    missing.push(`Node ${NODE} or newer (this is ${process.versions.node}): https://nodejs.org/en/download`);
  }
  for (const name of ['cargo', 'rustc']) {
    const version = capture(name, ['--version'])?.match(/\d+\.\d+\.\d+/)?.[0];
    if (version === undefined) {
      missing.push(`${name} ${RUST} or newer (not found on PATH): install Rust from https://rustup.rs`);
    } else if (older(version, RUST)) {
      missing.push(`${name} ${RUST} or newer (this is ${version}): run rustup update stable`);
    }
  }
  if (missing.length > 0) throw new Stop(`tinyquant cannot be built here. Missing:\n  - ${missing.join('\n  - ')}`);
}

/** Installs the locked packages unless that was done since the lock file last changed. */
export function installPackages() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log('Installing the locked packages (npm ci)');
  if (!npm(['ci'])) throw new Stop('npm ci failed: see its message above');
}

/** Builds native/tinyquant.<triple>.node with its loader and typings; cargo skips what is up to date. */
export function buildAddon(profile) {
  const done = tool(
    '@napi-rs/cli',
    [
      ...['build', '--platform', '--profile', profile],
      ...['--manifest-path', 'crates/tinyquant-node/Cargo.toml'],
      ...['--output-dir', 'native', '--js', 'binding.cjs', '--dts', 'binding.d.cts', '--no-const-enum'],
    ],
    { command: 'napi' },
  );
  if (!done) throw new Stop('The addon did not build: see the compiler output above');
}

/** Builds native/tinyquant-gpu.<triple>.node, the addon of tinyquant/gpu, with its loader and typings. */
export function buildGpuAddon(profile) {
  const done = tool(
    '@napi-rs/cli',
    [
      ...['build', '--platform', '--profile', profile, '--config-path', 'npm-gpu.json'],
      ...['--manifest-path', 'crates/tinyquant-gpu-node/Cargo.toml'],
      ...['--output-dir', 'native', '--js', 'gpu.cjs', '--dts', 'gpu.d.cts', '--no-const-enum'],
    ],
    { command: 'napi' },
  );
  if (!done) throw new Stop('The GPU addon did not build: see the compiler output above');
}

/**
 * Makes the package in this folder usable.
 * `profile` is the cargo profile of the addon: `ci` builds quickly, `release` is what users get. Nothing is built where
 * TINYQUANT_BUILT says that the caller has built that profile.
 */
export async function setup({ profile = 'ci' } = {}) {
  checkTools();
  installPackages();
  if (process.env.TINYQUANT_BUILT === profile) return;
  buildAddon(profile);
  await buildFacade();
}
