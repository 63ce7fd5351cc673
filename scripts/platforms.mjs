// The platforms that have a package of their own, from the targets in package.json.
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

/** Every platform: name, Rust target, `os`, `cpu` and on Linux `libc`, its package, and where its files lie. */
export const PLATFORMS = manifest.napi.targets.map((target) => {
  const platform = platformOf(target);
  const folder = join(root, 'npm', platform.name);
  const file = `${manifest.napi.binaryName}.${platform.name}.node`;
  const packageName = `${manifest.napi.packageName}-${platform.name}`;
  const [binary, notices] = [file, 'NOTICES.txt'].map((name) => join(folder, name));
  return { ...platform, target, folder, file, binary, notices, packageName };
});

/** The platform of that name. */
export function platformNamed(name) {
  const found = PLATFORMS.find((platform) => platform.name === name);
  if (found === undefined) throw new Stop(`no platform ${name}: ${PLATFORMS.map((each) => each.name).join(', ')}`);
  return found;
}

/** The platform of this process. */
export function hostPlatform() {
  const { os, arch } = { os: process.platform, arch: process.arch };
  const isGlibc = os === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined;
  const libc = isGlibc ? 'gnu' : 'musl';
  const found = PLATFORMS.find((each) => each.os === os && each.cpu === arch && [undefined, libc].includes(each.libc));
  if (found === undefined) throw new Stop(`no package is published for ${os}-${arch}`);
  return found;
}

/** The addon to test on this machine: that of `npm run build:platform` or else that of `npm run build`; null without any. */
export function builtAddon(platform) {
  const candidates = [platform.binary, join(root, 'native', platform.file)];
  return candidates.find((path) => existsSync(path)) ?? null;
}
