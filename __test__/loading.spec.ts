import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../index.js';
import { runNode } from './helpers/child.js';
import { ROOT } from './helpers/golden.js';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details: {
    readonly expectedPackage: string | null;
    readonly installedPackages: string[];
    readonly libc: string | null;
    readonly path: string | null;
    readonly causes: string[];
  };
}

const isLinux = process.platform === 'linux';
const header = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
const abi = header.header.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
const triple = `linux-${process.arch}-${abi}`;
const addon = join(ROOT, 'native', `tinyquant.${triple}.node`);

/** Loads the package after a prelude and gives what was thrown, or null. */
async function load(prelude: string, env: NodeJS.ProcessEnv = {}): Promise<Failure | null> {
  const { code, signal, stdout, stderr } = await runNode(
    `${prelude}
     try { require('./index.js'); console.log('null'); }
     catch ({ code, message, details }) { console.log(JSON.stringify({ code, message, details })); }`,
    { env },
  );
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as Failure | null;
}

/** Resolves the given packages to files, and says that no other addon is installed. */
const packages = (files: Readonly<Record<string, string>>): string => `
  const Module = require('node:module');
  const resolve = Module._resolveFilename;
  const files = ${JSON.stringify(files)};
  Module._resolveFilename = (name, ...rest) => {
    if (files[name] !== undefined) return files[name];
    if (/native-|\\.node$|wasi/.test(name)) {
      throw Object.assign(new Error("Cannot find module '" + name + "'"), { code: 'MODULE_NOT_FOUND' });
    }
    return resolve(name, ...rest);
  };`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinyquant-loading-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A manifest of a platform package in a file of its own. */
function manifest(name: string, own: string): Record<string, string> {
  const path = join(folder, `${name}-${own}.json`);
  writeFileSync(path, JSON.stringify({ name: `@tinyquant/native-${name}`, version: own }));
  return { [`@tinyquant/native-${name}/package.json`]: path };
}

describe('an addon of another release', () => {
  it('is refused by its version', async () => {
    const failure = await load(
      `process.dlopen = (target) => { target.exports = { NativeConfig: class {}, version: () => '0.0.1' }; };`,
      { TINYQUANT_NATIVE_PATH: 'other.node' },
    );
    expect(failure?.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(failure?.details.causes).toEqual([`the addon is of tinyquant 0.0.1, this package of ${version()}`]);
    expect(failure?.message).toContain(`it must be an addon of tinyquant ${version()}`);
  });
});

describe.runIf(isLinux)('platform packages', () => {
  it('of another platform are named', async () => {
    const other = process.arch === 'x64' ? 'linux-arm64-gnu' : 'linux-x64-gnu';
    const failure = await load(packages(manifest(other, version())));
    expect(failure?.details.installedPackages).toEqual([`@tinyquant/native-${other}@${version()}`]);
    expect(failure?.message).toContain(`Installed instead: @tinyquant/native-${other}`);
    const libc = abi === 'gnu' ? 'glibc' : 'musl';
    expect(failure?.message).toContain(
      `npm install tinyquant@${version()} --os=linux --cpu=${process.arch} --libc=${libc}`,
    );
  });

  it('of another version are named', async () => {
    const failure = await load(packages(manifest(triple, '0.0.1')));
    expect(failure?.message).toContain(
      `@tinyquant/native-${triple} is installed in version 0.0.1, but this is tinyquant ${version()}`,
    );
    expect(failure?.message).toContain(`npm install tinyquant@${version()} --include=optional`);
  });

  it('that are missing are asked for', async () => {
    const failure = await load(packages({}));
    expect(failure?.details).toMatchObject({ expectedPackage: `@tinyquant/native-${triple}`, installedPackages: [] });
    expect(failure?.message).toContain('It is not installed.');
    expect(failure?.message).toContain('npm install --include=optional');
  });

  it('with a file that does not load are installed again', async () => {
    const path = join(folder, 'text.node');
    writeFileSync(path, 'no library');
    const failure = await load(packages({ ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: path }));
    expect(failure?.message).toContain('is installed, but its file does not load');
    expect(failure?.message).toContain('npm ci');
    expect(failure?.details.causes.some((cause) => cause.includes(path))).toBe(true);
  });

  it('keep a cause with the name of a user that is like that of the fallback', async () => {
    const path = join(folder, 'wasim', '@tinyquant', 'wasi', 'text.node');
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'no library');
    const failure = await load(packages({ ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: path }));
    expect(failure?.details.causes.some((cause) => cause.includes(path))).toBe(true);
    expect(failure?.message).not.toMatch(/Cannot find native binding|tinyquant\.wasi|wasm32/);
  });

  it('whose file is gone are installed again', async () => {
    const failure = await load(packages(manifest(triple, version())));
    expect(failure?.message).toContain('it is damaged or was replaced');
  });

  it('for another processor were replaced', async () => {
    const path = join(folder, 'machine.node');
    const bytes = readFileSync(addon);
    bytes.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18);
    writeFileSync(path, bytes);
    const failure = await load(packages({ ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: path }));
    expect(failure?.message).toContain('it is damaged or was replaced');
  });

  it.runIf(abi === 'gnu')('that need an absent library are not called damaged', async () => {
    const path = join(folder, 'needs.node');
    const bytes = readFileSync(addon);
    bytes.write('libX.so.6', bytes.indexOf('\0libc.so.6\0') + 1);
    writeFileSync(path, bytes);
    const failure = await load(packages({ ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: path }));
    expect(failure?.message).toContain('is installed, but a library that it needs is missing from this system');
    expect(failure?.details.causes.some((cause) => cause.startsWith('libX.so.6: '))).toBe(true);
    expect(failure?.message).not.toMatch(/damaged|npm ci/);
  });

  const library = 'a library that it needs is missing';
  const refused = 'the system does not load it, see Causes';
  const replaced = 'it is damaged or was replaced';
  it.each([
    ['liba.so.1: cannot open shared object file: No such file or directory', library],
    ['Error loading shared library liba.so.1: No such file or directory (needed by /x/y.node)', library],
    ['dlopen(/x/y.node, 0x0001): Library not loaded: @rpath/a.dylib\n  Referenced from: /x/y.node', library],
    ['The specified module could not be found.\r\n\\\\?\\C:\\x\\y.node', library],
    ['/x/y.node: failed to map segment from shared object: Operation not permitted', refused],
    ['/x/y.node: cannot open shared object file: Permission denied', refused],
    ['/x/y.node: undefined symbol: napi_later', refused],
    ['Access is denied.\r\nC:\\x\\y.node', refused],
    ["dlopen(/x/y.node, 0x0001): tried: '/x/y.node' (not a mach-o file)", replaced],
    ['\\\\?\\C:\\x\\y.node is not a valid Win32 application.\r\n\\\\?\\C:\\x\\y.node', replaced],
    ['Error loading shared library /x/y.node: Exec format error', replaced],
  ])('that fail with %j are explained by it', async (text, advice) => {
    const files = { ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: addon };
    const failure = await load(`${packages(files)}
      process.dlopen = () => { throw Object.assign(new Error(${JSON.stringify(text)}), { code: 'ERR_DLOPEN_FAILED' }); };`);
    expect(failure?.message).toContain(`@tinyquant/native-${triple} is installed, but`);
    for (const each of [library, refused, replaced]) expect(failure?.message.includes(each)).toBe(each === advice);
    const lines = text.split('\n').map((line) => line.trim());
    expect(failure?.details.causes).toContain(lines.join(' '));
    expect(failure?.message).not.toContain('\r');
  });

  it('for a newer system say so', async () => {
    const failure = await load(`${packages(manifest(triple, version()))}
      const known = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => {
        if (name === '@tinyquant/native-${triple}') throw new Error("version \`GLIBC_2.34' not found");
        return known(name, ...rest);
      };`);
    expect(failure?.message).toContain('the C library of this system is older than it needs');
    if (abi === 'gnu') expect(failure?.message).toContain('needs glibc 2.17 or later');
  });

  it('are those of the C library of the process, whatever the distribution says', async () => {
    const foreign = abi === 'gnu' ? 'musl libc' : 'GNU C Library';
    const failure = await load(`${packages({ [`@tinyquant/native-${triple}`]: addon })}
      const fs = require('node:fs');
      const read = fs.readFileSync;
      fs.readFileSync = (path, ...rest) => (path === '/usr/bin/ldd' ? ${JSON.stringify(foreign)} : read(path, ...rest));`);
    expect(failure).toBeNull();
  });
});

describe.runIf(isLinux)('a file that is cut short', () => {
  it.each([64, 4096, 65_536, 1_048_576])('to %s bytes is refused before it is loaded', async (length) => {
    const whole = readFileSync(addon);
    const path = join(folder, `cut-${length}.node`);
    writeFileSync(path, whole.subarray(0, length));
    const chosen = await load('', { TINYQUANT_NATIVE_PATH: path });
    const found = await load(packages({ ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: path }));
    for (const failure of [chosen, found]) {
      expect(failure?.code).toBe('ERR_TQ_NATIVE_LOAD');
      expect(failure?.details.causes.join('\n')).toContain(path);
    }
    if (length >= 4096)
      expect(chosen?.details.causes).toEqual([expect.stringContaining(`cut short, ${length} bytes of`)]);
  });

  it('is no problem in a package of the other C library', async () => {
    const other = abi === 'gnu' ? triple.replace('gnu', 'musl') : triple.replace('musl', 'gnu');
    const path = join(folder, 'other.node');
    writeFileSync(path, readFileSync(addon).subarray(0, 65_536));
    const cut = { ...manifest(other, version()), [`@tinyquant/native-${other}`]: path };
    const own = { ...manifest(triple, version()), [`@tinyquant/native-${triple}`]: addon };
    expect(await load(packages({ ...cut, ...own }))).toBeNull();
    const failure = await load(packages(cut));
    expect(failure?.message).toContain(`Installed instead: @tinyquant/native-${other}`);
    expect(failure?.details.causes).toEqual([`Cannot find module '@tinyquant/native-${triple}'`]);
  });

  it('is no problem where nothing is missing', async () => {
    const path = join(folder, 'whole.node');
    writeFileSync(path, readFileSync(addon));
    expect(await load('', { TINYQUANT_NATIVE_PATH: path })).toBeNull();
  });
});
