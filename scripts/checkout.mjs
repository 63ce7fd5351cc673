// A copy of the package with its tests, the release addon of another platform and that platform's builds of what the
// tests use.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkFacade } from './facade.mjs';
import { npm, root, run, Stop } from './lib.mjs';
import { installPackages } from './setup.mjs';

const COPIED = [
  ...['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'package.json', 'vitest.config.mts', 'tsconfig.json'],
  ...['__test__', 'fixtures', 'dist', 'ts'],
];

/** Runs npm and stops where it fails. */
export function install(args, cwd) {
  if (!npm(args, { cwd })) throw new Stop(`npm ${args[0]} failed in ${cwd}`);
}

/** Makes the folder a checkout for the platform, whose addon is built unless it lies in npm/. */
export async function checkout(platform, folder) {
  installPackages();
  if (!existsSync(join(root, 'native', 'binding.cjs'))) throw new Stop('the loader is not built: run npm run build');
  const stale = await checkFacade();
  if (stale.length > 0) throw new Stop(`Not as ts/ gives them: ${stale.join(', ')}. Run npm run build and review them`);
  if (!existsSync(platform.binary)) {
    const built = run(process.execPath, [join(root, 'scripts', 'build-platform.mjs'), platform.name]);
    if (!built) throw new Stop(`${platform.name} did not build`);
  }
  const locked = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const copy = join(folder, 'package-lock.json');
  mkdirSync(join(folder, 'native'), { recursive: true });
  if (!existsSync(join(folder, 'node_modules')) || readFileSync(copy, 'utf8') !== locked) {
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(root, file), join(folder, file));
    const libc = platform.libc === 'gnu' ? 'glibc' : platform.libc;
    install(['ci', `--os=${platform.os}`, `--cpu=${platform.cpu}`, `--libc=${libc}`, '--ignore-scripts'], folder);
  }
  for (const name of COPIED) {
    rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  cpSync(join(root, 'native', 'binding.cjs'), join(folder, 'native', 'binding.cjs'));
  cpSync(platform.binary, join(folder, 'native', platform.file));
}
