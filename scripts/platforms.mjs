// The platforms that have packages of their own, from the targets in package.json and npm-gpu.json.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, Stop } from './lib.mjs';

export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** A Rust target under the name of its package: `x86_64-unknown-linux-gnu` is `linux-x64-gnu`. */
function platformOf(target) {
  const [arch, , system, abi] = target.split('-');
  const cpu = arch === 'aarch64' ? 'arm64' : 'x64';
  if (system === 'darwin') return { name: `darwin-${cpu}`, os: 'darwin', cpu };
  const os = system === 'windows' ? 'win32' : system;
  return { name: `${os}-${cpu}-${abi}`, os, cpu, ...(os === 'linux' ? { libc: abi } : {}) };
}

/**
 * Every platform of an addon: name, Rust target, `os`, `cpu` and on Linux `libc`, its package, where its files lie, and
 * with `addon` what is the same for all: crate, loader, the most bytes, and `label`, how commands name a platform's addon.
 */
function platformsOf({ binaryName, packageName, targets }, packages, addon) {
  return targets.map((target) => {
    const platform = platformOf(target);
    const folder = join(root, packages, platform.name);
    const file = `${binaryName}.${platform.name}.node`;
    const [binary, notices] = [file, 'NOTICES.txt'].map((name) => join(folder, name));
    const label = `${addon.prefix}${platform.name}`;
    return {
      ...platform,
      ...addon,
      label,
      target,
      folder,
      file,
      binary,
      notices,
      packageName: `${packageName}-${platform.name}`,
    };
  });
}

/** The platforms of the addon that every installation brings. */
export const PLATFORMS = platformsOf(manifest.napi, 'npm', {
  prefix: '',
  crate: 'tinyquant-node',
  loader: 'native/binding.cjs',
  budget: 5_000_000,
});

/** The platforms of the addon of tinyquant/gpu, which is installed by name. */
export const GPU_PLATFORMS = platformsOf(JSON.parse(readFileSync(join(root, 'npm-gpu.json'), 'utf8')), 'npm-gpu', {
  prefix: 'gpu-',
  crate: 'tinyquant-gpu-node',
  loader: 'native/gpu.cjs',
  budget: 8_000_000,
});

/** All addons that are published. */
export const ADDONS = [...PLATFORMS, ...GPU_PLATFORMS];

/** The addon of that label: `linux-x64-gnu`, or `gpu-linux-x64-gnu` for that of tinyquant/gpu. */
export function addonNamed(label) {
  const found = ADDONS.find((addon) => addon.label === label);
  if (found === undefined) throw new Stop(`no addon ${label}: ${ADDONS.map((each) => each.label).join(', ')}`);
  return found;
}

/** Flags with which rustc has to build for a platform, or null. */
export function rustFlags({ os, libc }) {
  // A static musl library cannot be loaded into a process; the runtime of Visual C++ is not on every Windows.
  if (libc === 'musl') return '-C target-feature=-crt-static';
  return os === 'win32' ? '-C target-feature=+crt-static' : null;
}

/** The platform of this process. */
export function hostPlatform(platforms = PLATFORMS) {
  const { os, arch } = { os: process.platform, arch: process.arch };
  const isGlibc = os === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined;
  const libc = isGlibc ? 'gnu' : 'musl';
  const found = platforms.find((each) => each.os === os && each.cpu === arch && [undefined, libc].includes(each.libc));
  if (found === undefined)
    throw new Stop(`no package is published for ${os}-${arch}${os === 'linux' ? `-${libc}` : ''}`);
  return found;
}

/** The addon to test on this machine: that of `npm run build:platform` or else that of `npm run build`; null without any. */
export function builtAddon(platform) {
  const candidates = [platform.binary, join(root, 'native', platform.file)];
  return candidates.find((path) => existsSync(path)) ?? null;
}
