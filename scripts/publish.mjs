// npm run publish:release -- platforms|main [--dry-run] [FOLDER]: publishes the tarballs of target/release-tarballs, or of
// another folder, with provenance in GitHub Actions, where alone npm can state it.
// The platform packages come first: the main package must not be out before what it needs. What is published already in
// this version is left alone, so that a release that broke off can be run again.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, npmCommand, root, run, Stop } from './lib.mjs';
import { ADDONS, manifest } from './platforms.mjs';

const { name, version } = manifest;
/** File name that npm gives the tarball of a package. */
const tarballOf = (packageName) => `${packageName.replace('@', '').replace('/', '-')}-${version}.tgz`;

function isPublished(packageName) {
  const { command, args, shell } = npmCommand(['view', `${packageName}@${version}`, 'version', '--json']);
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', shell });
  if (status !== 0 && !/E404/.test(`${stdout}${stderr}`)) throw new Stop(`npm view ${packageName} failed:\n${stderr}`);
  return status === 0 && stdout.trim() !== '';
}

/** Flags of npm publish: a dry run is one after a release as well, whose version npm refuses without --force. */
function modeFlags(dry) {
  if (dry) return ['--dry-run', '--force'];
  return process.env.GITHUB_ACTIONS === 'true' ? ['--provenance'] : [];
}

await main(() => {
  const { values, positionals } = parseArgs({
    options: { 'dry-run': { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const dry = values['dry-run'];
  const [what, folder = join(root, 'target', 'release-tarballs')] = positionals;
  const named = { platforms: ADDONS.map(({ packageName }) => packageName), main: [name] }[what];
  if (named === undefined) throw new Stop('usage: npm run publish:release -- platforms|main [--dry-run] [FOLDER]');
  const tag = process.env.GITHUB_REF_NAME;
  if (tag !== undefined && !dry && tag !== `v${version}`) throw new Stop(`the tag is ${tag}, the version ${version}`);
  const present = existsSync(folder) ? readdirSync(folder) : [];
  const absent = named.filter((packageName) => !present.includes(tarballOf(packageName)));
  // A dry run checks what was packed on this machine.
  if (absent.length > 0 && !dry) throw new Stop(`not packed: ${absent.join(', ')}`);
  const chosen = named.filter((packageName) => !absent.includes(packageName));
  if (chosen.length === 0) throw new Stop('nothing is packed: run npm run pack:release');

  const release = ['--access', 'public', '--tag', version.includes('-') ? 'next' : 'latest'];
  for (const packageName of chosen) {
    if (!dry && isPublished(packageName)) {
      console.log(`${packageName}@${version} is published already`);
      continue;
    }
    const tarball = join(folder, tarballOf(packageName));
    const { command, args, shell } = npmCommand(['publish', tarball, ...release, ...modeFlags(dry)]);
    if (!run(command, args, { shell })) throw new Stop(`${packageName} was not published`);
  }
  if (absent.length > 0) console.log(`not packed here: ${absent.join(', ')}`);
});
