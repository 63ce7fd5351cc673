// npm run test:packaging [-- WORD...]: what a user gets from the packed tarballs: installed, loaded, compiled, bundled,
// and explained where something is wrong. With words only the cases whose names have one of them. The addon is that of
// `npm run build:platform`, or else that of `npm run build`. --keep leaves the projects where they are.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, root, Stop } from './lib.mjs';
import { packMain, packPlatform } from './pack.mjs';
import { BUNDLE_CASES } from './packaging/bundle.mjs';
import { ERROR_CASES } from './packaging/failures.mjs';
import { INSTALL_CASES } from './packaging/install.mjs';
import { LOAD_CASES } from './packaging/load.mjs';
import { CommandFailure, Project } from './packaging/project.mjs';
import { startRegistry } from './packaging/registry.mjs';
import { builtAddon, hostPlatform, manifest, PLATFORMS } from './platforms.mjs';
import { setup } from './setup.mjs';

const CASES = [...INSTALL_CASES, ...LOAD_CASES, ...BUNDLE_CASES, ...ERROR_CASES];

/** What a failed command says where a package could not be fetched. */
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|E40[134]|ETARGET|ENOTCACHED)\b/;

/** Runs a case: its outcome, and why it did not pass. */
async function outcomeOf({ run, needs }, context) {
  const missing = needs?.(context) ?? null;
  if (missing !== null) return { outcome: 'SKIPPED', why: missing };
  try {
    await run(context);
    return { outcome: 'passed', why: '' };
  } catch (error) {
    const said = error instanceof CommandFailure && UNREACHABLE.exec(error.output);
    // On a continuous integration machine every package can be had.
    if (said && process.env.CI !== 'true') return { outcome: 'SKIPPED', why: `a package did not install: ${said[0]}` };
    console.error(error);
    return { outcome: 'failed', why: error.message.split('\n', 1)[0] };
  }
}

/** Packs everything and serves it; packages without an addon here have only their manifest, like an empty shell. */
async function prepare(work) {
  const packed = join(work, 'tarballs');
  mkdirSync(packed);
  const host = hostPlatform();
  const addons = new Map();
  for (const platform of PLATFORMS) {
    const file = platform === host ? builtAddon(host) : platform.binary;
    if (existsSync(file)) addons.set(platform.name, file);
  }
  const packages = PLATFORMS.map((platform) => packPlatform(platform, packed, addons.get(platform.name) ?? null));
  const own = packMain(packed);
  const registry = await startRegistry([own, ...packages]);
  const byName = new Map(PLATFORMS.map(({ name }, i) => [name, packages[i].tarball]));
  const tarballs = { main: own.tarball, host: byName.get(host.name), byName };
  const empty = (name, manifest) => new Project(join(work, name), manifest);
  return { empty, registry, tarballs, addons, packed: own, platforms: packages };
}

await main(async () => {
  const named = process.argv.slice(2);
  const words = named.filter((word) => word !== '--keep');
  const chosen = CASES.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0) throw new Stop(`no case has one of these words: ${words.join(', ')}`);
  if (builtAddon(hostPlatform()) === null || !existsSync(join(root, 'dist', 'index.js'))) await setup();

  const work = mkdtempSync(join(tmpdir(), 'tinyquant-packaging-'));
  const results = [];
  let context;
  try {
    context = await prepare(work);
    console.log(`addons: ${[...context.addons].map(([name, file]) => `${name} (${file})`).join(', ')}`);
    for (const each of chosen) {
      console.log(`--- ${each.name}`);
      const start = performance.now();
      const result = await outcomeOf(each, context);
      results.push({ name: each.name, ...result, seconds: (performance.now() - start) / 1000 });
    }
    const peers = Object.keys(manifest.peerDependencies ?? {});
    const unknown = context.registry.unknown().filter((name) => !peers.includes(name));
    const why = unknown.join(', ');
    results.push({ name: 'no other package', outcome: why === '' ? 'passed' : 'failed', why, seconds: 0 });
  } finally {
    context?.registry.close();
    if (named.includes('--keep')) console.log(`projects: ${work}`);
    else rmSync(work, { recursive: true, force: true, maxRetries: 3 });
  }

  const width = Math.max(...results.map(({ name }) => name.length));
  console.log(`\n${'case'.padEnd(width)}  outcome   seconds`);
  for (const { name, outcome, why, seconds } of results) {
    console.log(`${name.padEnd(width)}  ${outcome.padEnd(8)}  ${seconds.toFixed(1).padStart(7)}  ${why}`.trimEnd());
  }
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('SKIPPED')} skipped`);
  if (count('failed') > 0) process.exitCode = 1;
});
