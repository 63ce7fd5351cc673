import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { messageOf, oneLine } from './failure.js';
import { installation, libc, report, table, threads } from './info.js';
import { example } from './options.js';
import { action, session } from './session.js';

/** One thing `doctor` looked at. */
interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** A missing optional thing is no fault. */
  readonly optional: boolean;
  readonly detail: string;
}

const LEAST_NODE = [20, 19] as const;

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  return {
    name: 'node',
    ok,
    optional: false,
    detail: `${process.versions.node}${ok ? '' : ` (needs ${LEAST_NODE.join('.')} or later)`}`,
  };
}

/** Loads the addon and puts a vector through it. */
async function addonChecks(): Promise<Check[]> {
  try {
    const { Codebook, Codec, CodecConfig, version } = await import('../index.js');
    const own = report().sharedObjects?.find((path) => /tinyquant[^/\\]*\.node$/.test(path));
    const path = own ?? process.env.TINYQUANT_NATIVE_PATH ?? 'loaded';
    const config = new CodecConfig({ bitWidth: 2, dimension: 4, residualEnabled: false });
    const codebook = Codebook.fromEntries([-1, -0.5, 0.5, 1], 2);
    const codec = new Codec();
    const back = codec.decompress(codec.compress([1, 0, 0, 0], config, codebook), config, codebook);
    const works = back.length === 4 && back.every((value) => Number.isFinite(value));
    const { simd } = await installation();
    return [
      { name: 'addon', ok: true, optional: false, detail: `${path} (${version()})` },
      {
        name: 'codec',
        ok: works,
        optional: false,
        detail: works ? 'compresses and reconstructs' : `gave ${String(back)}`,
      },
      { name: 'simd', ok: true, optional: false, detail: simd },
    ];
  } catch (error) {
    return [{ name: 'addon', ok: false, optional: false, detail: oneLine(messageOf(error)) }];
  }
}

async function temporaryCheck(): Promise<Check> {
  const folder = tmpdir();
  const path = join(folder, `tinyquant-doctor-${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(path, 'x', { flag: 'wx' });
    return { name: 'temporary folder', ok: true, optional: false, detail: `${folder} (writable)` };
  } catch (error) {
    return { name: 'temporary folder', ok: false, optional: false, detail: `${folder}: ${messageOf(error)}` };
  } finally {
    await rm(path, { force: true });
  }
}

/** The package with the binary of this platform: not needed where the addon was built here. */
function packageCheck(): Check {
  const musl = libc() === 'musl';
  const abi = { linux: musl ? '-musl' : '-gnu', win32: '-msvc' }[process.platform as string] ?? '';
  const name = `@tinyquant/native-${process.platform}-${process.arch}${abi}`;
  try {
    createRequire(__filename).resolve(name);
    return { name: 'platform package', ok: true, optional: true, detail: name };
  } catch {
    return { name: 'platform package', ok: false, optional: true, detail: `${name} is not installed` };
  }
}

/** What the environment says about the package. */
function settingChecks(): Check[] {
  return ['TINYQUANT_NATIVE_PATH', 'TINYQUANT_SIMD', 'TINYQUANT_THREADS'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [{ name, ok: true, optional: true, detail: value }];
  });
}

function shellCheck(): Promise<Check> {
  return new Promise((done) => {
    // On Windows the command is a script of the shell.
    const shell = process.platform === 'win32';
    execFile('tinyquant', ['--version'], { timeout: 10_000, shell }, (error, stdout) => {
      const ok = error === null;
      done({
        name: 'command on the PATH',
        ok,
        optional: true,
        detail: ok ? stdout.trim() : 'not found: use npx tinyquant',
      });
    });
  });
}

/** `tinyquant doctor` */
export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .summary('check that everything here works')
    .description(
      'Checks Node, the native addon, the temporary folder and what is optional. Exit code 1 where something needed is missing.',
    );
  example(command, 'tinyquant doctor');
  command.action(
    action(async () => {
      const checks: Check[] = [
        {
          name: 'platform',
          ok: true,
          optional: false,
          detail: `${process.platform}-${process.arch}${libc() === null ? '' : `, ${libc()}`}`,
        },
        nodeCheck(),
        ...(await addonChecks()),
        { name: 'threads', ok: true, optional: false, detail: String(threads()) },
        await temporaryCheck(),
        packageCheck(),
        await shellCheck(),
        ...settingChecks(),
      ];
      const ok = checks.every((check) => check.ok || check.optional);
      const sign = (check: Check): string => (check.ok ? 'ok' : check.optional ? '--' : 'FAULT');
      const lines = checks.map((check): [string, string] => [check.name, `${sign(check).padEnd(6)}${check.detail}`]);
      await session.result(
        { ok, checks },
        `${table(lines)}\n${ok ? 'Everything needed is there.' : 'Something needed is missing.'}`,
        true,
      );
      if (!ok) process.exitCode = 1;
    }),
  );
}
