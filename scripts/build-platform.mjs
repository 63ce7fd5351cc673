// npm run build:platform [-- ADDON...]: release addons for the packages in npm/ and npm-gpu/, each checked against what its
// platform promises. An addon has the name of its platform, that of tinyquant/gpu `gpu-` before it. Without names: npm/ of
// this machine. `-- --check` only checks the addons that are there.
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GLIBC_FLOOR, inspect } from './binary.mjs';
import { DEBIAN_RUSTC, needPackages } from './debian.mjs';
import { capture, main, root, run, Stop } from './lib.mjs';
import { rustNotices } from './notices.mjs';
import { ADDONS, addonNamed, hostPlatform, rustFlags } from './platforms.mjs';
import { zigEnvironment } from './zig.mjs';

const sysroot = (rustc) => capture(rustc, ['--print', 'sysroot'])?.trim();
const hasLibrary = (rustc, target) => existsSync(join(sysroot(rustc) ?? '', 'lib', 'rustlib', target, 'lib'));

/** Environment and flags with which cargo finds a standard library for the target. */
function compilerFor(platform) {
  const { target, libc } = platform;
  const flags = rustFlags(platform);
  const env = flags === null ? {} : { RUSTFLAGS: flags };
  if (hasLibrary('rustc', target)) return { env, args: [] };
  if (run('rustup', ['target', 'add', target], { stdio: 'ignore' }) && hasLibrary('rustc', target)) {
    return { env, args: [] };
  }
  const debian = { ...env, RUSTC: DEBIAN_RUSTC };
  if (libc === 'gnu') {
    needPackages(['rustc-web', 'libstd-rust-web-dev', 'libstd-rust-web-dev:arm64'], `the addon for ${target}`);
    if (hasLibrary(DEBIAN_RUSTC, target)) return { env: debian, args: [] };
    throw new Stop(`no standard library for ${target}: run rustup target add ${target}`);
  }
  if (libc !== 'musl') throw new Stop(`no standard library for ${target}: run rustup target add ${target}`);
  needPackages(['rustc-web', 'libstd-rust-web-dev', 'rust-web-src'], `the addon for ${target}`);
  return { env: { ...debian, RUSTC_BOOTSTRAP: '1' }, args: ['-Zbuild-std=std,panic_unwind'] };
}

/** Fails where a setting of this machine would raise the processor that the addon needs. */
function checkBaseline() {
  const flags = `${process.env.RUSTFLAGS ?? ''} ${process.env.CARGO_ENCODED_RUSTFLAGS ?? ''}`;
  if (/target-(cpu|feature)/.test(flags)) {
    throw new Stop(`addons are built for the oldest processor of each platform, so RUSTFLAGS must not say ${flags}`);
  }
}

/** Name that cargo gives the library. */
function libraryName({ os, crate }) {
  const stem = crate.replaceAll('-', '_');
  return { linux: `lib${stem}.so`, darwin: `lib${stem}.dylib`, win32: `${stem}.dll` }[os];
}

function build(platform) {
  const { env, args } = compilerFor(platform);
  const zig = platform.os === 'linux';
  const target = platform.libc === 'gnu' ? `${platform.target}.${GLIBC_FLOOR.join('.')}` : platform.target;
  const command = [zig ? 'zigbuild' : 'build', '--release', '--locked', '-p', platform.crate, '--target', target];
  if (!run('cargo', [...command, ...args], { env: { ...(zig ? zigEnvironment() : {}), ...env } })) {
    throw new Stop(`${platform.label} did not build: see the compiler output above`);
  }
  const folder = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  copyFileSync(join(folder, platform.target, 'release', libraryName(platform)), `${platform.binary}.partial`);
  writeFileSync(platform.notices, rustNotices(platform));
  renameSync(`${platform.binary}.partial`, platform.binary);
}

/** Prints what an addon is and returns its problems. */
function check(platform) {
  const { size, glibc, needed, problems } = inspect(readFileSync(platform.binary), platform);
  const libc = { gnu: `glibc ${glibc}`, musl: 'musl' }[platform.libc] ?? 'system';
  const share = `${((100 * size) / platform.budget).toFixed(1)} % of the budget`;
  console.log(`${platform.label.padEnd(20)} ${size} bytes (${share}), ${libc}, needs ${needed.join(' ') || '-'}`);
  return problems.map((problem) => `${platform.label}: ${problem}`);
}

await main(() => {
  const named = process.argv.slice(2);
  const checks = named[0] === '--check';
  const names = checks ? named.slice(1) : named;
  let chosen = names.map(addonNamed);
  if (chosen.length === 0) chosen = checks ? ADDONS.filter(({ binary }) => existsSync(binary)) : [hostPlatform()];
  if (!checks) {
    checkBaseline();
    for (const platform of chosen) build(platform);
  }
  const problems = chosen.flatMap((platform) =>
    existsSync(platform.binary) ? check(platform) : [`${platform.label}: ${platform.binary} is missing`],
  );
  if (chosen.length === 0) problems.push('there is no addon to check: run npm run build:platform');
  if (problems.length > 0) throw new Stop(problems.join('\n'));
});
