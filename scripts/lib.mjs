// What the other scripts share: where the repository is, and how its tools are started without a shell.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** A failure that the user can act on: shown without a stack. */
export class Stop extends Error {}

/** Runs a program in the repository and returns whether it succeeded. */
export function run(command, args, options = {}) {
  const { env, ...rest } = options;
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env }, ...rest });
  return result.status === 0;
}

/** Output of a program, or null where it cannot be started or fails. */
export function capture(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  return result.status === 0 ? result.stdout : null;
}

/** Path of the script behind an installed package's command. */
export function bin(packageName, command = packageName) {
  const folder = join(root, 'node_modules', packageName);
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) throw new Stop(`${packageName} is not installed: run npm ci`);
  const entry = JSON.parse(readFileSync(manifest, 'utf8')).bin;
  return join(folder, typeof entry === 'string' ? entry : entry[command]);
}

/** Runs an installed package's command with this Node. */
export function tool(packageName, args, options = {}) {
  const { command, ...rest } = options;
  return run(process.execPath, [bin(packageName, command), ...args], rest);
}

/**
 * Program and arguments that start npm without a shell where that is possible: under npm its own script is known; without
 * it, Windows finds npm.cmd only through a shell.
 */
export function npmCommand(args) {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return { command: process.execPath, args: [script, ...args], shell: false };
  return { command: 'npm', args, shell: process.platform === 'win32' };
}

/** Runs npm, quietly, and returns whether it succeeded. */
export function npm([name, ...args], options = {}) {
  const { command, args: all, shell } = npmCommand([name, ...args, '--no-audit', '--no-fund', '--loglevel=error']);
  return run(command, all, { shell, ...options });
}

/** Runs a script's main function: prints an expected failure as text and ends with status 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof Stop ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}
