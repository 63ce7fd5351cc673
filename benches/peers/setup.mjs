// Installs the peers once: Python's in target/peers/venv, Node's in target/peers/node, each by its pinned version.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, Stop } from '../../scripts/lib.mjs';

export const FOLDER = join(root, 'target', 'peers');
export const python = join(FOLDER, 'venv', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const nodeFolder = join(FOLDER, 'node');
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const stateFile = join(FOLDER, 'installed.json');

/** Pinned versions by package, for each worker. */
function pins() {
  const lines = readFileSync(here('python/requirements.txt'), 'utf8').trim().split('\n');
  const manifest = JSON.parse(readFileSync(here('node/package.json'), 'utf8'));
  return { python: Object.fromEntries(lines.map((line) => line.split('=='))), node: manifest.dependencies, manifest };
}

/** What a failed installer said that tells most. */
function reasonOf({ error, stderr, stdout, status }) {
  if (error) return error.message;
  const lines = `${stderr}\n${stdout}`.split('\n').map((line) => line.trim());
  const telling = lines
    .filter((line) => /error/i.test(line))
    .map((line) => line.replace(/^(npm error|ERROR:)\s*/i, ''));
  return (telling.find((line) => line.length > 20) ?? `status ${status}`).slice(0, 200);
}

const call = (command, args, options) => spawnSync(command, args, { encoding: 'utf8', cwd: FOLDER, ...options });

function pip(name, version) {
  if (!existsSync(python)) {
    const made = call('python3', ['-m', 'venv', join(FOLDER, 'venv')]);
    if (made.status !== 0) throw new Stop(`Python 3 with its venv module is needed: ${reasonOf(made)}`);
  }
  return call(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `${name}==${version}`]);
}

function npm(name, version, { dependencies: _, ...manifest }) {
  const target = join(nodeFolder, 'package.json');
  if (!existsSync(target)) {
    mkdirSync(nodeFolder, { recursive: true });
    writeFileSync(target, JSON.stringify(manifest));
  }
  const args = ['install', '--prefix', nodeFolder, '--save-exact', '--no-audit', '--no-fund', `${name}@${version}`];
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return call(process.execPath, [script, ...args], { cwd: nodeFolder });
  return call('npm', args, { cwd: nodeFolder, shell: process.platform === 'win32' });
}

/**
 * Installs what is missing of the packages, given as `[worker, name]`. Returns `{ name, version }` of each, with a
 * `reason` where it did not install; these are tried again when installed.json in target/peers is deleted.
 */
export function install(packages) {
  mkdirSync(FOLDER, { recursive: true });
  const { manifest, ...versions } = pins();
  const state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : {};
  for (const [worker, name] of packages) {
    const version = versions[worker][name];
    const key = `${worker}: ${name}`;
    if (version === undefined) throw new Stop(`${name} has no version in the manifest of the ${worker} worker`);
    if (state[key]?.version === version) continue;
    console.error(`Installing ${name} ${version}`);
    const result = worker === 'python' ? pip(name, version) : npm(name, version, manifest);
    state[key] = result.status === 0 ? { version } : { version, reason: reasonOf(result) };
    writeFileSync(stateFile, `${JSON.stringify(state, null, 2)}\n`);
  }
  return packages.map(([worker, name]) => ({ name, ...state[`${worker}: ${name}`] }));
}
