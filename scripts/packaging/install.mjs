// Cases: each package manager installs the package into an empty project, and gives it what it needs and no more.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../lib.mjs';
import { hostPlatform, manifest, PLATFORMS } from '../platforms.mjs';
import { CJS, ESM, expectResult } from './consumer.mjs';
import { VERSIONS } from './versions.mjs';

const host = hostPlatform();

/** Packages below a node_modules folder, scopes opened. */
function packagesIn(folder) {
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return names.flatMap((name) =>
    name.startsWith('@') ? readdirSync(`${folder}/${name}`).map((own) => `${name}/${own}`) : [name],
  );
}

/** The installed package works from both module systems. */
async function expectWorking(project, run = (file) => project.node([file])) {
  project.write({ 'job.mjs': ESM, 'job.cjs': CJS });
  expectResult(await run('job.mjs'));
  expectResult(await run('job.cjs'));
}

/** No package but ours and that of this platform is there, and none has packages of its own. */
function expectOnlyOurs(project) {
  const modules = project.path('node_modules');
  assert.deepEqual(packagesIn(modules).sort(), [host.packageName, manifest.name].sort());
  for (const name of packagesIn(modules))
    assert.ok(!existsSync(`${modules}/${name}/node_modules`), `${name} has its own`);
}

/** Registry settings as every package manager but Yarn 2 and later reads them. */
const npmrc = (registry) => `registry=${registry.url}/\naudit=false\nfund=false\nupdate-notifier=false\n`;

async function fromTarballs({ empty, tarballs }) {
  const project = empty('npm-offline');
  await project.npm(['install', '--offline', tarballs.main, tarballs.host], {
    env: { npm_config_cache: project.path('.cache') },
  });
  expectOnlyOurs(project);
  await expectWorking(project);
}

async function fromRegistry({ empty, registry }) {
  const project = empty('npm');
  project.write({ '.npmrc': npmrc(registry) });
  await project.npm(['install', 'tinyquant', '--ignore-scripts'], {
    env: { npm_config_cache: project.path('.cache') },
  });
  expectOnlyOurs(project);
  await expectWorking(project);
  // A lock file made here names the packages of every platform, so that it serves all of them.
  const lock = JSON.parse(await project.node(['-p', 'JSON.stringify(require("./package-lock.json").packages)']));
  for (const { packageName } of PLATFORMS)
    assert.equal(lock[`node_modules/${packageName}`]?.optional, true, packageName);
  await project.npm(['ci', '--ignore-scripts'], { env: { npm_config_cache: project.path('.cache') } });
  expectOnlyOurs(project);
}

/** npm can be told to install for another machine, as for a container or an Electron build. */
async function forOtherPlatform({ empty, registry, addons }) {
  const other = PLATFORMS.find(
    ({ name }) => name === (host.name === 'linux-arm64-gnu' ? 'linux-x64-gnu' : 'linux-arm64-gnu'),
  );
  const project = empty('npm-other');
  project.write({ '.npmrc': npmrc(registry) });
  const flags = [`--os=${other.os}`, `--cpu=${other.cpu}`, '--libc=glibc'];
  await project.npm(['install', 'tinyquant', ...flags], { env: { npm_config_cache: project.path('.cache') } });
  assert.deepEqual(packagesIn(project.path('node_modules')).sort(), [other.packageName, manifest.name].sort());
  const isThere = existsSync(project.path('node_modules', other.packageName, other.file));
  assert.equal(isThere, addons.has(other.name));
}

/** A package manager from npm, in a folder of its own: a function that runs its command in a project. */
async function manager({ empty }, name, script) {
  const home = empty(`tool-${name.replace(/\W/g, '-')}`);
  await home.add(`${name}@${VERSIONS[name]}`);
  const path = home.path('node_modules', name, script);
  // Stores and caches stay in the folder that goes away.
  const env = { XDG_DATA_HOME: home.path('data'), XDG_CACHE_HOME: home.path('cache'), HOME: home.folder, CI: 'true' };
  return (project, args) => project.node([path, ...args], { env });
}

async function withPnpm(context) {
  const pnpm = await manager(context, 'pnpm', 'bin/pnpm.mjs');
  const project = context.empty('pnpm');
  // A store inside the project, and packages of any age: the registry here has only new ones.
  project.write({
    '.npmrc': npmrc(context.registry),
    'pnpm-workspace.yaml': 'minimumReleaseAge: 0\nstoreDir: .store\n',
  });
  await pnpm(project, ['add', 'tinyquant']);
  assert.deepEqual(packagesIn(project.path('node_modules')), [manifest.name]);
  await expectWorking(project);
}

async function withYarnClassic(context) {
  const yarn = await manager(context, 'yarn', 'bin/yarn.js');
  const project = context.empty('yarn');
  project.write({ '.npmrc': npmrc(context.registry), '.yarnrc': `registry "${context.registry.url}/"\n` });
  await yarn(project, ['add', 'tinyquant', '--non-interactive', '--cache-folder', project.path('.cache')]);
  // It knows no libc, and so may bring the other package of this system as well.
  const found = packagesIn(project.path('node_modules')).filter((name) => !name.startsWith(host.packageName));
  const sameMachine = PLATFORMS.filter(({ os, cpu }) => os === host.os && cpu === host.cpu).map(
    ({ packageName }) => packageName,
  );
  assert.deepEqual(
    found.filter((name) => !sameMachine.includes(name)),
    [manifest.name],
  );
  await expectWorking(project);
}

const withYarn = (linker) => async (context) => {
  const yarn = await manager(context, '@yarnpkg/cli-dist', 'bin/yarn.js');
  const project = context.empty(`yarn-${linker}`);
  const settings = [
    `nodeLinker: ${linker}`,
    `npmRegistryServer: "${context.registry.url}"`,
    'unsafeHttpWhitelist: ["127.0.0.1"]',
    'enableGlobalCache: false',
    'enableTelemetry: false',
    'npmMinimalAgeGate: 0',
    'pnpEnableEsmLoader: true',
  ];
  project.write({ '.yarnrc.yml': `${settings.join('\n')}\n`, 'yarn.lock': '' });
  await yarn(project, ['add', 'tinyquant']);
  if (linker === 'node-modules') expectOnlyOurs(project);
  else assert.ok(!existsSync(project.path('node_modules')));
  await expectWorking(project, (file) => yarn(project, ['node', file]));
};

/** `npx` in an empty folder fetches the package and runs its command. */
async function withNpx({ empty, registry, tarballs }) {
  const project = empty('npx');
  project.write({ '.npmrc': npmrc(registry) });
  const env = { npm_config_cache: project.path('.cache') };
  const call = (packages, command) => {
    const args = ['exec', '--yes', ...packages.map((each) => `--package=${each}`), '--', ...command];
    return project.npm(args, { env });
  };
  const info = JSON.parse(await call(['tinyquant'], ['tinyquant', 'info', '--json']));
  assert.equal(info.version, manifest.version);
  const files = ['tinyquant', 'doctor', '--json'];
  const { ok } = JSON.parse(await call([tarballs.main, tarballs.host], files));
  assert.equal(ok, true);
}

const script = (name) => join(root, 'scripts', name);

/** What a release does once the platform packages are out: the packed main package, and the rest from the registry. */
async function smoke({ empty, registry, tarballs }) {
  const project = empty('smoke');
  const env = { npm_config_registry: registry.url, npm_config_cache: project.path('.cache') };
  const output = await project.node([script('smoke.mjs'), tarballs.main], { env });
  assert.match(output, new RegExp(`works on ${host.name}`));
}

/** What npm would publish, by the script of a release. */
async function publishDry({ empty, tarballs, platforms }) {
  const project = empty('publish');
  const env = { npm_config_cache: project.path('.cache') };
  const publish = async (...args) => {
    const { code, stdout, stderr } = await project.try(process.execPath, [script('publish.mjs'), ...args], { env });
    return { code, output: `${stdout}${stderr}` };
  };
  const folder = dirname(tarballs.main);
  const first = await publish('platforms', '--dry-run', folder);
  assert.equal(first.code, 0, first.output);
  for (const { manifest: own } of platforms) assert.ok(first.output.includes(`+ ${own.name}@${own.version}`), own.name);
  assert.ok(!first.output.includes(`+ ${manifest.name}@`));
  const second = await publish('main', '--dry-run', folder);
  assert.ok(second.output.includes(`+ ${manifest.name}@${manifest.version}`), second.output);
  assert.notEqual((await publish('main', '--dry-run', project.folder)).code, 0);
  assert.notEqual((await publish('everything', '--dry-run', folder)).code, 0);
}

export const INSTALL_CASES = [
  { name: 'npm, offline from tarballs', run: fromTarballs },
  { name: 'npm, from a registry', run: fromRegistry },
  { name: 'npm, for another platform', run: forOtherPlatform },
  { name: 'pnpm', run: withPnpm },
  { name: 'yarn 1', run: withYarnClassic },
  { name: 'yarn 4, node_modules', run: withYarn('node-modules') },
  { name: "yarn 4, Plug'n'Play", run: withYarn('pnp') },
  { name: 'npx', run: withNpx },
  { name: 'smoke install', run: smoke },
  { name: 'publish, dry run', run: publishDry },
];
