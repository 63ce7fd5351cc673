// Cases: what a user reads when the addon does not load. Each error is checked for the cause, the package and the command
// that mends it, and the command is run where it can be.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostPlatform, manifest, PLATFORMS } from '../platforms.mjs';
import { CJS, expectResult } from './consumer.mjs';

const host = hostPlatform();
const other = PLATFORMS.find(({ name }) => name === (host.cpu === 'x64' ? 'linux-arm64-gnu' : 'linux-x64-gnu'));
/** The same machine with the other C library. */
const otherLibc = PLATFORMS.find(({ os, cpu, name }) => os === host.os && cpu === host.cpu && name !== host.name);

const REPORT = `
try {
  require('tinyquant');
  console.log('{}');
} catch (error) {
  const { name, code, message, details } = error;
  console.log(JSON.stringify({ name, code, message, details, hasCause: error.cause instanceof Error }));
}
`;

/** A project of its own with the package, and its platform's unless `with` names others by their tarballs. */
async function installed({ empty, tarballs }, name, packages = [tarballs.host]) {
  const project = empty(`fails-${name}`);
  project.write({ 'report.cjs': REPORT, 'job.cjs': CJS });
  await project.npm(['install', '--offline', '--force', tarballs.main, ...packages]);
  return project;
}

/** Loads the package, which has to fail, and checks what every such error has. */
async function failureOf(project, { args = [], env } = {}) {
  const error = JSON.parse(await project.node([...args, 'report.cjs'], { env }));
  assert.equal(error.name, 'TinyQuantError', 'it has to fail');
  assert.equal(error.code, 'ERR_TQ_NATIVE_LOAD');
  assert.equal(error.hasCause, true);
  assert.equal(error.details.platform, host.os);
  assert.equal(error.details.arch, host.cpu);
  for (const text of [`${host.os}-${host.cpu}`, ...error.details.causes]) assert.ok(error.message.includes(text), text);
  assert.doesNotMatch(error.message, /npm has a bug|wasi/i);
  if (host.libc !== undefined) assert.match(error.message, /glibc|musl/);
  return error;
}

const has = (error, ...texts) => {
  for (const text of texts) assert.ok(error.message.includes(text), `${text} is not in:\n${error.message}`);
};

/** The line of a message that is the command to run. */
const commandIn = ({ message }) => /^ {2}npm (.*)$/m.exec(message)[1].split(' ');

const addonOf = (project, platform = host) => project.path('node_modules', platform.packageName, platform.file);

/** A project of its own with the package from the registry, and the environment for further calls of npm. */
async function fromRegistry({ empty, registry }, name, ...flags) {
  const project = empty(`fails-${name}`);
  const env = { npm_config_cache: project.path('.cache') };
  project.write({ 'report.cjs': REPORT, 'job.cjs': CJS, '.npmrc': `registry=${registry.url}/\n` });
  await project.npm(['install', 'tinyquant', ...flags], { env });
  return { project, env };
}

async function missing(context) {
  const { project, env } = await fromRegistry(context, 'missing', '--omit=optional');
  const error = await failureOf(project);
  has(error, `Expected package: ${host.packageName}. It is not installed.`, `Cannot find module '${host.packageName}'`);
  assert.deepEqual(error.details.installedPackages, []);
  assert.deepEqual(commandIn(error), ['install', '--include=optional']);
  await project.npm(commandIn(error), { env });
  expectResult(await project.node(['job.cjs']));
}

/** Each way in which a file is no addon; the reinstallation that the message names mends the last. */
async function damaged(context) {
  const { project, env } = await fromRegistry(context, 'damaged');
  const path = addonOf(project);
  const whole = readFileSync(path);
  const kinds = {
    empty: Buffer.alloc(0),
    'cut short': whole.subarray(0, 4096),
    'half of it': whole.subarray(0, whole.length >> 1),
    zeros: Buffer.alloc(whole.length),
    'a web page': Buffer.from('<!doctype html><title>404</title>'.repeat(40)),
  };
  for (const [kind, bytes] of Object.entries(kinds)) {
    // A new file: the old one may be mapped.
    rmSync(path);
    writeFileSync(path, bytes);
    const result = await project.try(process.execPath, ['report.cjs']);
    assert.equal(result.code, 0, `an addon that is ${kind} ends the process with ${result.code}`);
    const error = await failureOf(project);
    has(error, `${host.packageName} is installed, but its file does not load`);
    assert.ok(
      error.details.causes.some((cause) => cause.includes(host.file)),
      `${kind}: ${error.message}`,
    );
    assert.deepEqual(error.details.installedPackages, [`${host.packageName}@${manifest.version}`]);
  }
  const error = await failureOf(project);
  assert.deepEqual(commandIn(error), ['ci']);
  await project.npm(['ci'], { env });
  expectResult(await project.node(['job.cjs']));
}

async function fromOtherMachine(context) {
  const project = await installed(context, 'other-machine', [context.tarballs.byName.get(other.name)]);
  const error = await failureOf(project);
  has(error, `Expected package: ${host.packageName}`, `Installed instead: ${other.packageName}`, 'another machine');
  const libc = { gnu: ' --libc=glibc', musl: ' --libc=musl' }[host.libc] ?? '';
  has(error, `npm install tinyquant@${manifest.version} --os=${host.os} --cpu=${host.cpu}${libc}`);
}

/** Makes Node say that it runs with the other C library, as far as the loader can tell. */
const OTHER_LIBC = `
const report = process.report.getReport();
if (process.env.PRETEND_REPORT) {
  delete report.header.glibcVersionRuntime;
  process.report.getReport = () => ({ ...report, sharedObjects: ['/lib/ld-musl-x86_64.so.1'] });
}
const fs = require('node:fs');
const read = fs.readFileSync;
fs.readFileSync = (path, ...rest) => (path === '/usr/bin/ldd' ? 'musl libc' : read(path, ...rest));
`;

async function wrongLibc(context) {
  const project = await installed(context, 'libc');
  project.write({ 'other-libc.cjs': OTHER_LIBC });
  const error = await failureOf(project, { args: ['-r', './other-libc.cjs'], env: { PRETEND_REPORT: '1' } });
  has(error, `Expected package: ${otherLibc.packageName}`, `Installed instead: ${host.packageName}`, 'or C library');
  has(error, '--libc=musl');
  assert.equal(error.details.libc, 'musl');
  // A file of the distribution says musl, but the process runs with glibc: that is no failure.
  expectResult(await project.node(['-r', './other-libc.cjs', 'job.cjs']));
}

/** The addon of the other C library where this one's should be. */
async function otherLibcFile(context) {
  const project = await installed(context, 'libc-file');
  rmSync(addonOf(project));
  cpSync(context.addons.get(otherLibc.name), addonOf(project));
  const error = await failureOf(project);
  // A system with the files of a linker has a text of the name of that library.
  const reasons = ['a library that it needs is missing', 'its file does not load'];
  assert.ok(
    reasons.some((reason) => error.message.includes(`${host.packageName} is installed, but ${reason}`)),
    error.message,
  );
  assert.ok(
    error.details.causes.some((cause) => /libc/.test(cause)),
    error.message,
  );
}

/** Both packages are there, as some managers install them, and the one that this process does not use is damaged. */
async function otherLibcDamaged(context) {
  const project = await installed(context, 'libc-damaged');
  const folder = project.path('node_modules', otherLibc.packageName);
  mkdirSync(folder, { recursive: true });
  const { packageName: name, file: main } = otherLibc;
  writeFileSync(`${folder}/package.json`, JSON.stringify({ name, version: manifest.version, main }));
  writeFileSync(addonOf(project, otherLibc), readFileSync(addonOf(project)).subarray(0, 65_536));
  expectResult(await project.node(['job.cjs']));
}

async function otherVersion(context) {
  const project = await installed(context, 'version');
  const path = project.path('node_modules', host.packageName, 'package.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), version: '0.0.1' }));
  rmSync(addonOf(project));
  const error = await failureOf(project);
  has(error, `${host.packageName} is installed in version 0.0.1, but this is tinyquant ${manifest.version}`);
  assert.deepEqual(commandIn(error), ['install', `tinyquant@${manifest.version}`, '--include=optional']);
}

async function noAddons(context) {
  const project = await installed(context, 'no-addons');
  has(await failureOf(project, { args: ['--no-addons'] }), 'started with --no-addons', 'start it without that flag');
  has(await failureOf(project, { env: { NODE_OPTIONS: '--no-addons' } }), 'started with --no-addons');
  const [major] = process.versions.node.split('.').map(Number);
  const permission = major >= 22 ? '--permission' : '--experimental-permission';
  has(await failureOf(project, { args: [permission, '--allow-fs-read=*'] }), '--allow-addons');
}

async function chosenPath(context) {
  const project = await installed(context, 'path');
  const addon = project.path('own.node');
  cpSync(addonOf(project), addon);
  rmSync(project.path('node_modules', host.packageName), { recursive: true });
  expectResult(await project.node(['job.cjs'], { env: { TINYQUANT_NATIVE_PATH: './own.node' } }));
  const named = async (path, ...texts) => {
    const error = await failureOf(project, { env: { TINYQUANT_NATIVE_PATH: path } });
    has(error, 'TINYQUANT_NATIVE_PATH names', project.path(path), ...texts);
    assert.equal(error.details.path, project.path(path));
    assert.doesNotMatch(error.message, /npm install/);
  };
  await named('absent.node');
  await named('report.cjs');
  writeFileSync(project.path('short.node'), readFileSync(addon).subarray(0, 5000));
  await named('short.node', host.os === 'linux' ? 'the file is cut short, 5000 bytes of at least' : 'Causes');
  mkdirSync(project.path('folder.node'));
  await named('folder.node');
  // The machine is a field of the header: an addon of another processor.
  const bytes = Buffer.from(readFileSync(addon));
  if (host.os === 'linux') {
    bytes.writeUInt16LE(host.cpu === 'x64' ? 183 : 62, 18);
    writeFileSync(project.path('machine.node'), bytes);
    await named('machine.node');
  }
}

/** The command line says it too, and ends with a status of failure. */
async function commandLine(context) {
  const project = await installed(context, 'cli');
  rmSync(project.path('node_modules', host.packageName), { recursive: true });
  const cli = project.path('node_modules', 'tinyquant', 'dist', 'cli.js');
  const info = await project.try(process.execPath, [cli, 'doctor', '--json']);
  assert.equal(info.code, 1);
  const { checks } = JSON.parse(info.stdout);
  const { ok, detail } = checks.find(({ name }) => name === 'addon');
  assert.equal(ok, false);
  assert.ok(detail.includes(host.packageName), detail);
  assert.ok(readdirSync(project.path('node_modules')).includes('tinyquant'));
}

const onGlibc = () => (host.libc === 'gnu' ? null : 'for glibc systems');
const withMusl = ({ addons }) =>
  onGlibc() ??
  (addons.has(otherLibc.name) ? null : `npm run build:platform -- ${otherLibc.name} builds the addon for it`);

export const ERROR_CASES = [
  { name: 'error: no platform package', run: missing },
  { name: 'error: damaged addon', run: damaged },
  { name: 'error: installed on another machine', run: fromOtherMachine },
  { name: 'error: package of the wrong libc', run: wrongLibc, needs: onGlibc },
  { name: 'error: file of the wrong libc', run: otherLibcFile, needs: withMusl },
  { name: 'error: damaged package of the other libc', run: otherLibcDamaged, needs: onGlibc },
  { name: 'error: package of another version', run: otherVersion },
  { name: 'error: --no-addons, permissions', run: noAddons },
  { name: 'error: TINYQUANT_NATIVE_PATH', run: chosenPath },
  { name: 'error: command line', run: commandLine },
];
