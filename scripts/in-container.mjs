// npm run in-container -- IMAGE SCRIPT [ARGUMENT...]: runs a script of package.json in a container on a copy of this folder,
// whose packages are installed anew: those of this machine may be for another C library.
import { spawnSync } from 'node:child_process';
import { main, root, run, Stop } from './lib.mjs';
import { manifest } from './platforms.mjs';

/** Copies what is mounted at /source, without packages and builds but with the tarballs of a release, and runs npm. */
const PROGRAM = `
set -e
mkdir -p /work/target
tar -C /source -cf - --exclude ./node_modules --exclude ./target . | tar -C /work -xf -
if [ -d /source/target/release-tarballs ]; then cp -r /source/target/release-tarballs /work/target/; fi
cd /work
script=$1
shift
exec npm run "$script" -- "$@"
`;

await main(() => {
  const [image, script, ...args] = process.argv.slice(2);
  if (image === undefined || manifest.scripts[script] === undefined) {
    throw new Stop('usage: npm run in-container -- IMAGE SCRIPT [ARGUMENT...]');
  }
  if (spawnSync('docker', ['--version']).status !== 0) throw new Stop('docker is not installed');
  const docker = ['run', '--rm', '--env', 'CI', '--volume', `${root}:/source:ro`, image, 'sh', '-c', PROGRAM, 'sh'];
  if (!run('docker', [...docker, script, ...args])) throw new Stop(`${script} failed in ${image}`);
});
