import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Manifest {
  name: string;
  version: string;
  license: string;
  main: string;
  engines: { node: string };
  repository: { url: string; directory?: string };
  files: string[];
  os?: string[];
  cpu?: string[];
  libc?: string[];
  preferUnplugged?: boolean;
  exports: Record<string, string | Record<'import' | 'require', { types: string; default: string }>>;
  napi: { binaryName: string; packageName: string; targets: string[] };
  scripts: Record<string, string>;
  dependencies?: object;
  optionalDependencies?: object;
}

const root = join(__dirname, '..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = (folder: string): Manifest => JSON.parse(text(join(folder, 'package.json'))) as Manifest;

const main = manifest('.');

/** `x86_64-unknown-linux-gnu` as npm folders are named: `linux-x64-gnu`. */
function platformOf(target: string): string {
  const [arch, , system, abi] = target.split('-');
  const cpu = arch === 'aarch64' ? 'arm64' : 'x64';
  if (system === 'darwin') return `darwin-${cpu}`;
  return `${system === 'windows' ? 'win32' : system}-${cpu}-${abi}`;
}

describe('the main package', () => {
  it('installs nothing else and runs nothing at install', () => {
    expect(main.dependencies).toBeUndefined();
    // The platform packages are added when a release is made.
    expect(main.optionalDependencies).toBeUndefined();
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(Object.keys(main.scripts).filter((name) => hooks.includes(name))).toEqual([]);
  });

  it('has scripts that exist and need no installed tool', () => {
    for (const [name, command] of Object.entries(main.scripts)) {
      const script = /^node ((?:scripts|benches\/peers)\/[\w-]+\.mjs)$/.exec(command)?.[1];
      expect(script, `script ${name}: ${command}`).toBeDefined();
      expect(existsSync(join(root, script ?? '')), `${script} of script ${name}`).toBe(true);
    }
  });

  it('has the version of the Rust workspace and of the lock files', () => {
    expect(/\[workspace\.package\][^[]*?\nversion = "([^"]+)"/.exec(text('Cargo.toml'))?.[1]).toBe(main.version);
    const lock = JSON.parse(text('package-lock.json')) as { version: string; packages: { '': { version: string } } };
    expect([lock.version, lock.packages[''].version]).toEqual([main.version, main.version]);
    const locked = text('Cargo.lock').matchAll(/\nname = "(tinyquant-(?:gpu-)?node)"\nversion = "([^"]+)"/g);
    expect(Object.fromEntries([...locked].map(([, name, own]) => [name, own]))).toEqual({
      'tinyquant-node': main.version,
      'tinyquant-gpu-node': main.version,
    });
  });

  it('names no download location in its lock file', () => {
    expect(text('package-lock.json')).not.toContain('"resolved"');
  });

  it('locks the tools of every platform, so that npm ci works on each', () => {
    const lock = JSON.parse(text('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: object }>;
    };
    const locked = Object.keys(lock.packages);
    const optional = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    const missing = optional.filter((name) => !locked.some((path) => path.endsWith(`node_modules/${name}`)));
    expect(missing).toEqual([]);
  });

  it('packs every file of the exports map and no addon', () => {
    const npm = process.env.npm_execpath;
    const args = ['pack', '--dry-run', '--json', '--loglevel=error'];
    const options = { cwd: root, encoding: 'utf8', shell: npm === undefined && process.platform === 'win32' } as const;
    const output = npm ? execFileSync(process.execPath, [npm, ...args], options) : execFileSync('npm', args, options);
    const [pack] = JSON.parse(output) as { files: { path: string }[] }[];
    const packed = pack?.files.map((file) => file.path) ?? [];

    for (const [entry, conditions] of Object.entries(main.exports)) {
      if (typeof conditions === 'string') continue;
      for (const target of Object.values(conditions)) {
        expect(Object.keys(target), `${entry}: types come first`).toEqual(['types', 'default']);
        for (const file of Object.values(target)) expect(packed).toContain(file.slice(2));
      }
    }
    expect(packed).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'native/binding.cjs', 'native/binding.d.cts']),
    );
    expect(packed.filter((path) => path.endsWith('.node'))).toEqual([]);
    const kept =
      /^(index\.(js|mjs|d\.ts|d\.mts)|dist\/.*|native\/(binding|gpu)\.(cjs|d\.cts)|package\.json|README\.md|LICENSE)$/;
    expect(packed.filter((path) => !kept.test(path))).toEqual([]);
  });
});

describe('the entry points', () => {
  it('give one instance of each class to ESM and CommonJS, from the root and from the subpaths', async () => {
    const require = createRequire(join(root, 'package.json'));
    for (const entry of Object.keys(main.exports).filter((name) => name !== './package.json')) {
      const name = join('tinyquant', entry).replaceAll('\\', '/').replace(/\/$/, '');
      const face = require('tinyquant') as Record<string, unknown>;
      const common = require(name) as Record<string, unknown>;
      const names = Object.keys(common).sort();
      const program = `import(${JSON.stringify(name)}).then((m) => {
        const common = require(${JSON.stringify(name)});
        const same = Object.keys(m).filter((key) => m[key] === common[key]);
        console.log(JSON.stringify(same.filter((key) => key !== 'default' && key !== 'module.exports').sort()));
      })`;
      const output = execFileSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' });
      expect(names.length, name).toBeGreaterThan(0);
      expect(JSON.parse(output), name).toEqual(names);
      // What the root exports too is the same; some entry points export names of their own.
      const hasOwn = [
        './gpu',
        './io',
        './langchain',
        './lnmp',
        './pgvector',
        './scalar',
        './turboquant',
        './weights',
      ].includes(entry);
      const shared = names.filter((key) => !hasOwn || key in face);
      for (const key of shared) expect(common[key], `${key} of ${name}`).toBe(face[key]);
    }
  });
});

const FAMILIES = [
  { folder: 'npm', napi: main.napi, count: 8, loader: 'native/binding.cjs' },
  // No musl system has GPU drivers to speak of.
  { folder: 'npm-gpu', napi: JSON.parse(text('npm-gpu.json')) as Manifest['napi'], count: 6, loader: 'native/gpu.cjs' },
];

describe.each(FAMILIES)('the platform packages in $folder', ({ folder: family, napi, count, loader }) => {
  const platforms = readdirSync(join(root, family)).sort();

  it('are those of the targets', () => {
    expect(napi.targets.map(platformOf).sort()).toEqual(platforms);
    expect(platforms).toHaveLength(count);
  });

  it.each(platforms)('%s agrees with the main package', (platform) => {
    const folder = join(family, platform);
    const own = manifest(folder);
    const [os, cpu, abi] = platform.split('-');
    const binary = `${napi.binaryName}.${platform}.node`;
    const libc = { gnu: ['glibc'], musl: ['musl'] }[abi ?? ''];
    expect(own).toMatchObject({
      name: `${napi.packageName}-${platform}`,
      version: main.version,
      license: main.license,
      engines: main.engines,
      repository: { url: main.repository.url, directory: `${family}/${platform}` },
      os: [os],
      cpu: [cpu],
      main: binary,
      files: [binary],
      preferUnplugged: true,
    });
    expect(own.libc).toEqual(libc);
    expect(text(join(folder, 'README.md'))).toContain(`# ${own.name}\n`);
  });

  it.runIf(existsSync(join(root, loader))).each(platforms)('%s is what the loader asks for', (platform) => {
    expect(text(loader)).toContain(`require('./${napi.binaryName}.${platform}.node')`);
    expect(text(loader)).toContain(`require('${napi.packageName}-${platform}')`);
  });
});
