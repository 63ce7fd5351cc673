// npm run smoke [-- PACKAGE]: installs the package into an empty project, as a user does, and does the main job with it.
// PACKAGE is a tarball, or a name with a version for the registry; without it the packed one in target/release-tarballs.
// The platform package comes from the registry, which may show a new one only after some minutes.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { main, root, Stop } from './lib.mjs';
import { CJS, ESM, expectResult } from './packaging/consumer.mjs';
import { Project } from './packaging/project.mjs';
import { hostPlatform, manifest } from './platforms.mjs';

const TRIES = 10;
const PAUSE = 30_000;

/** Installs until the platform package is there too: npm takes the absence of an optional one for normal. */
async function install(folder, what) {
  const { packageName } = hostPlatform();
  for (let left = TRIES; ; left -= 1) {
    const project = new Project(join(folder, `try-${left}`));
    await project.add(what, '--prefer-online', '--no-prefer-offline');
    if (existsSync(project.path('node_modules', packageName))) return project;
    if (left === 1) throw new Stop(`${packageName} did not come with ${what}`);
    console.log(`${packageName} is not there yet`);
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

await main(async () => {
  const packed = join(root, 'target', 'release-tarballs', `${manifest.name}-${manifest.version}.tgz`);
  const named = process.argv[2] ?? packed;
  const what = named.endsWith('.tgz') ? resolve(named) : named;
  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-smoke-'));
  try {
    const project = await install(folder, what);
    project.write({ 'job.mjs': ESM, 'job.cjs': CJS });
    expectResult(await project.node(['job.mjs']));
    expectResult(await project.node(['job.cjs']));
    console.log(`${what} works on ${hostPlatform().name} with Node.js ${process.versions.node}`);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
