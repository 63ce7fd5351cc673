// A user's project: an empty folder outside the repository, and programs that run in it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { npmCommand } from '../lib.mjs';

/** Settings of npm and of the tests' own run that would change what a user's project sees. */
function cleanEnvironment() {
  const own = /^(npm_|TINYQUANT_|NAPI_RS_|NODE_OPTIONS$|NODE_PATH$|INIT_CWD$|YARN_|PNPM_)/i;
  const kept = Object.entries(process.env).filter(
    ([name]) => !own.test(name) || /^npm_config_(cache|cafile|userconfig)$/i.test(name),
  );
  return Object.fromEntries(kept);
}

/** A failed command of a case, with what it printed. */
export class CommandFailure extends Error {
  constructor(line, { code, stdout, stderr }) {
    const printed = `${stdout}\n${stderr}`.trim().split('\n').slice(-40).join('\n');
    super(`${line} ended with ${code}\n${printed}`);
    this.output = printed;
  }
}

export class Project {
  /** @param folder where it lies; made if missing */
  constructor(folder, manifest = {}) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.write({ 'package.json': JSON.stringify({ name: 'consumer', version: '1.0.0', private: true, ...manifest }) });
  }

  path(...parts) {
    return join(this.folder, ...parts);
  }

  /** Writes files by path. */
  write(files) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(this.path(path)), { recursive: true });
      writeFileSync(this.path(path), text);
    }
  }

  /** Starts a program and gives its child process. */
  start(command, args, { env, ...options } = {}) {
    return spawn(command, args, {
      cwd: this.folder,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
  }

  /** Runs a program to its end: `{ code, stdout, stderr }`. */
  async try(command, args, options = {}) {
    const child = this.start(command, args, { timeout: 300_000, ...options });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] += text;
      });
    }
    const [code, signal] = await once(child, 'close');
    return { code: code ?? signal, ...output };
  }

  /** Standard output of a program that has to succeed. */
  async run(command, args, options) {
    const result = await this.try(command, args, options);
    if (result.code !== 0) throw new CommandFailure([command, ...args].join(' ').slice(0, 300), result);
    return result.stdout;
  }

  node(args, options) {
    return this.run(process.execPath, args, options);
  }

  npm([name, ...args], options) {
    const { command, args: all, shell } = npmCommand([name, '--no-audit', '--no-fund', '--loglevel=error', ...args]);
    return this.run(command, all, { shell, ...options });
  }

  /** Installs packages of the machine's own registry, with what they need; tarballs go as they are. */
  add(...packages) {
    const { npm_config_registry: registry } = process.env;
    const env = registry === undefined ? {} : { npm_config_registry: registry };
    return this.npm(['install', '--prefer-offline', '--save-exact', ...packages], { env });
  }
}
