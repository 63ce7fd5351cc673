// npm run test:examples [-- NAME...]: installs each package of examples/ that has a `test` script as a user would, from
// the packed package and the packed addon of this platform, in a folder of its own, and runs that script. With
// --omit-optional their optional dependencies, of which one may have to be compiled for minutes, are left out.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { main, npm, root, Stop } from './lib.mjs';
import { hostPlatform } from './platforms.mjs';
import { setup } from './setup.mjs';

const read = (...parts) => JSON.parse(readFileSync(join(...parts), 'utf8'));

/** Packs a package; the path of the tarball in `folder`. */
function pack(source, folder) {
  const before = readdirSync(folder);
  if (!npm(['pack', '--silent', '--pack-destination', folder], { cwd: source }))
    throw new Stop(`${source} cannot be packed`);
  const [made] = readdirSync(folder).filter((name) => name.endsWith('.tgz') && !before.includes(name));
  return join(folder, made);
}

/** Tarballs of the package and of the addon in native/ of this platform, by package name. */
function tarballs(folder) {
  const { name, file, folder: source, packageName } = hostPlatform();
  if (!existsSync(join(root, 'native', file))) throw new Stop(`native/ holds no ${file}: run npm run build`);
  const staged = join(folder, name);
  cpSync(source, staged, { recursive: true });
  cpSync(join(root, 'native', file), join(staged, file));
  return { tinyquant: pack(root, folder), [packageName]: pack(staged, folder) };
}

/** Installs one example in `folder` and runs its test. */
function test(name, folder, packed, extra) {
  const source = join(root, 'examples', name);
  const target = join(folder, 'examples', name);
  cpSync(source, target, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
  const manifest = read(target, 'package.json');
  for (const [own, file] of Object.entries(packed)) manifest.dependencies = { ...manifest.dependencies, [own]: file };
  writeFileSync(join(target, 'package.json'), JSON.stringify(manifest, null, 2));
  return npm(['install', '--no-package-lock', ...extra], { cwd: target }) && npm(['test', '--silent'], { cwd: target });
}

await main(async () => {
  const args = process.argv.slice(2);
  const named = args.filter((each) => !each.startsWith('--'));
  const extra = args.includes('--omit-optional') ? ['--omit=optional'] : [];
  const all = readdirSync(join(root, 'examples')).filter((name) => {
    const path = join(root, 'examples', name, 'package.json');
    return existsSync(path) && read(path).scripts?.test !== undefined;
  });
  const unknown = named.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Stop(`No example ${unknown.join(', ')}; there are ${all.join(', ')}`);
  if (!args.includes('--built')) await setup({ profile: 'ci' });

  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-examples-'));
  const failed = [];
  try {
    mkdirSync(join(folder, 'examples'));
    const packed = tarballs(folder);
    for (const name of all.filter((each) => named.length === 0 || named.includes(each))) {
      const start = performance.now();
      const isDone = test(name, folder, packed, extra);
      if (!isDone) failed.push(name);
      console.log(`${isDone ? 'passed' : 'failed'}  ${name}  ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (failed.length > 0) throw new Stop(`These examples failed: ${failed.join(', ')}`);
});
