// npm run pack:release [-- --from FOLDER] [--all] [TO]: the tarballs of a release: one for each addon that is in npm/ and
// npm-gpu/, and the main package, which has those of npm/ as optional dependencies. They come to target/release-tarballs
// unless a folder is named. --from takes addons from below a folder first, and --all fails where one is absent.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inspect } from './binary.mjs';
import { buildFacade } from './facade.mjs';
import { main, npmCommand, root, Stop } from './lib.mjs';
import { ADDONS, manifest, PLATFORMS } from './platforms.mjs';
import { installPackages } from './setup.mjs';

/** Packs a folder into `to` and returns the path of the tarball with the paths inside it. */
function npmPack(folder, to) {
  const { command, args, shell } = npmCommand(['pack', '--json', '--loglevel=error', '--pack-destination', to]);
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    shell,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (result.status !== 0) throw new Stop(`npm pack failed in ${folder}`);
  const [{ filename, files }] = JSON.parse(result.stdout);
  return { tarball: join(to, filename), files: files.map(({ path }) => path) };
}

/** Runs a function with an empty folder that is gone afterwards. */
function inTemporary(body) {
  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-pack-'));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * Packs the main package as it is published: what is there for development is out, and the platform packages of the
 * same version are optional dependencies.
 */
export function packMain(to) {
  return inTemporary((folder) => {
    const { files } = npmPack(root, folder);
    const staged = join(folder, 'package');
    for (const path of files) cpSync(join(root, path), join(staged, path));
    const { devDependencies: _, scripts: __, napi: ___, ...published } = manifest;
    const names = PLATFORMS.map(({ packageName }) => packageName).sort();
    published.optionalDependencies = Object.fromEntries(names.map((name) => [name, manifest.version]));
    writeFileSync(join(staged, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
    return { ...npmPack(staged, to), manifest: published };
  });
}

/**
 * Packs a platform's package with the given addon, or without one to have its manifest only. The licence texts of what
 * is in the addon are there where `npm run build:platform` built it.
 */
export function packPlatform(platform, to, addon) {
  return inTemporary((folder) => {
    const own = readManifest(platform.folder);
    own.files.push(basename(platform.notices));
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
    copyFileSync(join(platform.folder, 'README.md'), join(folder, 'README.md'));
    copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    if (addon !== null) copyFileSync(addon, join(folder, platform.file));
    if (addon === platform.binary) copyFileSync(platform.notices, join(folder, basename(platform.notices)));
    return { ...npmPack(folder, to), manifest: readManifest(folder) };
  });
}

/** Copies every addon below a folder into the package of its platform. */
function collect(folder) {
  const found = readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.node'));
  for (const path of found) {
    const platform = ADDONS.find(({ file }) => file === basename(path));
    if (platform === undefined) throw new Stop(`${path} is the addon of no platform`);
    copyFileSync(join(folder, path), platform.binary);
    copyFileSync(join(folder, dirname(path), basename(platform.notices)), platform.notices);
  }
}

async function packAll() {
  const { values, positionals } = parseArgs({
    options: { from: { type: 'string' }, all: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  installPackages();
  await buildFacade();
  for (const loader of manifest.files.filter((path) => path.startsWith('native/'))) {
    if (!existsSync(join(root, loader))) throw new Stop(`${loader} is missing: run npm run build, and with -- gpu`);
  }
  if (values.from !== undefined) collect(values.from);
  const present = ADDONS.filter(({ binary }) => existsSync(binary));
  const absent = ADDONS.filter((platform) => !present.includes(platform)).map(({ label }) => label);
  if (values.all && absent.length > 0) throw new Stop(`there is no addon ${absent.join(', ')}`);
  const problems = present.flatMap((platform) =>
    inspect(readFileSync(platform.binary), platform).problems.map((problem) => `${platform.label}: ${problem}`),
  );
  if (problems.length > 0) throw new Stop(problems.join('\n'));

  const to = resolve(positionals[0] ?? join(root, 'target', 'release-tarballs'));
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const platform of present) console.log(packPlatform(platform, to, platform.binary).tarball);
  console.log(packMain(to).tarball);
  if (absent.length > 0) console.log(`without ${absent.join(', ')}: these are not built`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(packAll);
