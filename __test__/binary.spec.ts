import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './helpers/golden.js';

interface Platform {
  readonly name: string;
  readonly os: string;
  readonly cpu: string;
  readonly libc?: string;
  readonly file: string;
  readonly budget: number;
}

interface Inspection {
  readonly format: string;
  readonly cpu: string;
  readonly needed: string[];
  readonly versions: string[];
  readonly glibc: string | null;
  readonly size: number;
  readonly problems: string[];
}

interface Checker {
  readonly GLIBC_FLOOR: readonly [number, number];
  inspect(bytes: Buffer, platform: Platform): Inspection;
  newestGlibc(versions: readonly string[]): [number, number] | null;
  readBinary(bytes: Buffer): { format: string; cpu: string };
}

interface Table {
  readonly PLATFORMS: Platform[];
  readonly ADDONS: Platform[];
  hostPlatform(): Platform;
  rustFlags(platform: Platform): string | null;
}

const script = async (name: string): Promise<unknown> => import(pathToFileURL(join(ROOT, 'scripts', name)).href);

let checker: Checker;
let table: Table;
let platforms: Platform[];
let host: Platform;
let addon: Buffer;

beforeAll(async () => {
  checker = (await script('binary.mjs')) as Checker;
  table = (await script('platforms.mjs')) as Table;
  platforms = table.PLATFORMS;
  host = table.hostPlatform();
  addon = readFileSync(join(ROOT, 'native', host.file));
});

/** A file of Windows on x86-64 that has a text in it. */
function windowsFile(text: string): Buffer {
  const bytes = Buffer.alloc(256);
  bytes.write('MZ', 'latin1');
  bytes.writeUInt32LE(80, 60);
  bytes.writeUInt16LE(0x8664, 84);
  bytes.write(text, 128, 'latin1');
  return bytes;
}

/** The host's platform with other properties. */
const like = (change: Partial<Platform>): Platform => ({ ...host, ...change });

/** What is wrong with an addon apart from its size, which that of a quick build exceeds, and its C library. */
const flaws = (bytes: Buffer, platform: Platform): string[] =>
  checker.inspect(bytes, platform).problems.filter((text) => !/budget|glibc/.test(text));

describe('the platforms', () => {
  it('are the folders of the packages', () => {
    expect(platforms.map(({ name }) => name).sort()).toEqual(readdirSync(join(ROOT, 'npm')).sort());
  });

  it('have the C runtime in the addon on Windows, and outside of it with musl', () => {
    const expected = { win32: '-C target-feature=+crt-static', musl: '-C target-feature=-crt-static' };
    for (const platform of table.ADDONS) {
      const { os, libc } = platform;
      expect(table.rustFlags(platform)).toBe(os === 'win32' ? expected.win32 : libc === 'musl' ? expected.musl : null);
    }
  });
});

describe('the check of an addon', () => {
  it('reads format and processor', () => {
    const found = checker.inspect(addon, host);
    expect(found.cpu).toBe(process.arch);
    expect(found.size).toBe(addon.length);
    expect(flaws(addon, host)).toEqual([]);
  });

  it('refuses the addon of another processor or system', () => {
    const cpu = host.cpu === 'x64' ? 'arm64' : 'x64';
    expect(flaws(addon, like({ cpu }))).toEqual([`for ${host.cpu}, not ${cpu}`]);
    const os = host.os === 'win32' ? 'darwin' : 'win32';
    expect(flaws(addon, { name: 'x', file: 'x', os, cpu: host.cpu, budget: host.budget })[0]).toMatch(
      /^a \w+ file, not (pe|macho)$/,
    );
  });

  it('refuses one that is over the budget', () => {
    const large = Buffer.concat([addon, Buffer.alloc(Math.max(0, host.budget - addon.length))]);
    expect(checker.inspect(large, host).problems).toContain(
      `${large.length} bytes, not below the budget of ${host.budget}`,
    );
  });

  it.runIf(process.platform === 'linux')('reads what it needs of the C library', () => {
    const { glibc, needed, versions } = checker.inspect(addon, host);
    if (host.libc === 'gnu') {
      expect(needed).toContain('libc.so.6');
      expect(versions).toContain(`GLIBC_${glibc}`);
      expect(checker.inspect(addon, like({ libc: 'musl' })).problems).toContain(`needs symbols of glibc ${glibc}`);
    } else {
      expect(checker.inspect(addon, like({ libc: 'gnu' })).problems).toContain('no symbol of glibc');
    }
  });

  it.runIf(process.platform === 'linux')('refuses one that needs a newer glibc', () => {
    const [version] = checker.inspect(addon, host).versions.filter((name) => /^GLIBC_\d\.\d\d$/.test(name));
    if (version === undefined) {
      expect(host.libc).toBe('musl');
      return;
    }
    // The name of a version is a string in the file.
    const newer = Buffer.from(addon);
    newer.write('GLIBC_9.99', newer.indexOf(`\0${version}\0`, 0, 'latin1') + 1, 'latin1');
    expect(checker.inspect(newer, like({ libc: 'gnu' })).problems).toContain('needs glibc 9.99, newer than 2.17');
  });

  it('orders versions by number', () => {
    expect(checker.newestGlibc(['GLIBC_2.9', 'GLIBC_2.17', 'GCC_4.2.0', 'GLIBC_2.2.5'])).toEqual([2, 17]);
    expect(checker.newestGlibc(['GCC_3.0'])).toBeNull();
    expect(checker.GLIBC_FLOOR).toEqual([2, 17]);
  });

  it('refuses what is no library', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), Buffer.from('<!doctype html>'.repeat(20))]) {
      expect(() => checker.readBinary(bytes)).toThrow('neither an ELF, a Mach-O nor a PE file');
    }
    expect(() => checker.readBinary(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, ...Buffer.alloc(64)]))).toThrow(
      'not a 64-bit little-endian one',
    );
  });

  it('knows the formats of macOS and Windows', () => {
    const macho = Buffer.alloc(64);
    macho.writeUInt32BE(0xcffaedfe, 0);
    macho.writeUInt32LE(0x0100000c, 4);
    expect(checker.readBinary(macho)).toMatchObject({ format: 'macho', cpu: 'arm64' });
    expect(checker.readBinary(windowsFile(''))).toMatchObject({ format: 'pe', cpu: 'x64' });
  });

  it('refuses one that needs the runtime of Visual C++', () => {
    const platform = { name: 'win32-x64-msvc', os: 'win32', cpu: 'x64', file: 'x', budget: 1000 };
    const problems = (text: string): string[] => checker.inspect(windowsFile(text), platform).problems;
    expect(problems('KERNEL32.dll\0api-ms-win-core-synch-l1-2-0.dll')).toEqual([]);
    for (const name of ['VCRUNTIME140.dll', 'vcruntime140_1.dll']) {
      expect(problems(`KERNEL32.dll\0${name}\0`)).toEqual([`needs ${name}, which is not on every Windows`]);
    }
  });
});
