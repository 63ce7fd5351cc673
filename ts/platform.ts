import { createRequire } from 'node:module';

const TRIPLES: Readonly<Record<string, string>> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm64-glibc': 'linux-arm64-gnu',
  'linux-arm64-musl': 'linux-arm64-musl',
  'linux-x64-glibc': 'linux-x64-gnu',
  'linux-x64-musl': 'linux-x64-musl',
  'win32-arm64': 'win32-arm64-msvc',
  'win32-x64': 'win32-x64-msvc',
};

/** Which addon a package holds: the one of the codec, or the one of `tinyquant/gpu`. */
export type AddonKind = 'native' | 'gpu';

/** Platforms for which each is published: software devices aside, no musl system has GPU drivers to speak of. */
export const PUBLISHED: Readonly<Record<AddonKind, readonly string[]>> = {
  native: Object.values(TRIPLES),
  gpu: Object.values(TRIPLES).filter((triple) => !triple.endsWith('-musl')),
};

export interface Libc {
  readonly family: 'glibc' | 'musl';
  readonly version?: string;
}

interface ReportHeader {
  readonly glibcVersionRuntime?: string;
}

/**
 * C library of the running process, from Node's own report: the files a distribution happens to install say nothing
 * reliable about the library this process is linked to.
 */
export function libc(): Libc | null {
  if (process.platform !== 'linux') return null;
  const { report } = process;
  // Host name look-ups can block the report for seconds on a machine without network.
  const reporter = report as typeof report & { excludeNetwork?: boolean };
  const before = reporter.excludeNetwork;
  reporter.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: ReportHeader };
  reporter.excludeNetwork = before ?? false;
  const version = header.glibcVersionRuntime;
  return version === undefined ? { family: 'musl' } : { family: 'glibc', version };
}

/** Platform of this process as packages are named, or undefined where none is published. */
export function tripleOf(library: Libc | null): string | undefined {
  const host = `${process.platform}-${process.arch}`;
  return TRIPLES[library === null ? host : `${host}-${library.family}`];
}

export const packageOf = (triple: string, kind: AddonKind): string => `@tinyquant/${kind}-${triple}`;

/** Every platform package of an addon that this one can reach, with its version. */
export function installedPackages(kind: AddonKind): Map<string, string> {
  const found = new Map<string, string>();
  const load = createRequire(__filename);
  for (const name of PUBLISHED[kind].map((triple) => packageOf(triple, kind))) {
    try {
      found.set(name, String((load(`${name}/package.json`) as { version?: unknown }).version));
    } catch {
      // Not installed, or without a readable manifest.
    }
  }
  return found;
}

/** Files of the installed packages for this processor on Linux by their platforms, whichever C library they are for. */
export function installedFiles(kind: AddonKind): Map<string, string> {
  const found = new Map<string, string>();
  if (process.platform !== 'linux') return found;
  const load = createRequire(__filename);
  for (const triple of PUBLISHED[kind].filter((each) => each.startsWith(`linux-${process.arch}-`))) {
    try {
      found.set(triple, load.resolve(packageOf(triple, kind)));
    } catch {
      // Not installed.
    }
  }
  return found;
}

/** Flags with which npm installs for the platform, whatever machine it runs on. */
export function npmFlags(triple: string): string {
  const [os, cpu, abi] = triple.split('-');
  const family = abi === 'gnu' ? ' --libc=glibc' : abi === 'musl' ? ' --libc=musl' : '';
  return `--os=${os} --cpu=${cpu}${family}`;
}
