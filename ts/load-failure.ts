import { TinyQuantError } from './errors.js';

/** Platforms and C libraries, and how packages name them. */
export const TRIPLES: Readonly<Record<string, string>> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm64-glibc': 'linux-arm64-gnu',
  'linux-arm64-musl': 'linux-arm64-musl',
  'linux-x64-glibc': 'linux-x64-gnu',
  'linux-x64-musl': 'linux-x64-musl',
  'win32-arm64': 'win32-arm64-msvc',
  'win32-x64': 'win32-x64-msvc',
};

/** A C library. */
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

/**
 * What each attempt to load reported, in order. The generated loader chains them from the last to the first under a
 * message of its own, which blames the package manager whatever happened, and ends with a WebAssembly fallback that
 * is not published: both are left out where there is anything else to say.
 */
export function causesOf(error: unknown): string[] {
  const attempts = messagesOf(error).reverse();
  const telling = attempts.filter((text) => !/^Cannot find native binding|wasi/.test(text));
  return telling.length > 0 ? telling : attempts;
}

/** Every distinct message along the chains of `cause` and `errors`, outermost first. */
function messagesOf(error: unknown): string[] {
  const messages: string[] = [];
  const seen = new Set<unknown>();
  const queue: unknown[] = [error];
  while (queue.length > 0 && messages.length < 40) {
    const current = queue.shift();
    if (current === undefined || current === null || seen.has(current)) continue;
    seen.add(current);
    if (!(current instanceof Error)) {
      messages.push(String(current));
      continue;
    }
    const firstLine = current.message.split('\n', 1)[0] ?? '';
    if (firstLine !== '' && !messages.includes(firstLine)) messages.push(firstLine);
    queue.push(current.cause);
    if (current instanceof AggregateError) queue.push(...current.errors);
  }
  return messages;
}

function addonsDisabled(error: unknown): boolean {
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return flags.includes('--no-addons') || causesOf(error).some((text) => /loading addons is disabled/i.test(text));
}

/**
 * Builds the error for an addon that does not load, from facts: platform, C library, the package that should hold
 * the binary, what to do, and what each attempt reported.
 *
 * @param error what loading threw
 * @param path the file named by `TINYQUANT_NATIVE_PATH`, if that was used
 */
export function loadFailure(error: unknown, path: string | undefined): TinyQuantError {
  const library = libc();
  const host = `${process.platform}-${process.arch}`;
  const triple = TRIPLES[library === null ? host : `${host}-${library.family}`];
  const expected = triple === undefined ? null : `@tinyquant/native-${triple}`;
  const libraryText = library === null ? '' : `, ${[library.family, library.version].filter(Boolean).join(' ')}`;
  const causes = causesOf(error);
  const lines = [
    `The native addon of tinyquant could not be loaded on ${host}${libraryText} (Node.js ${process.versions.node}).`,
  ];
  if (addonsDisabled(error)) {
    lines.push(
      process.permission === undefined
        ? 'Node.js was started with --no-addons, which forbids every native addon: start it without that flag.'
        : "Node.js' permission model forbids every native addon: start it with --allow-addons as well.",
    );
  } else if (path !== undefined) {
    lines.push(
      `TINYQUANT_NATIVE_PATH names ${path}: it must be an addon built for this platform. Unset the variable to use the installed package.`,
    );
  } else if (expected === null) {
    lines.push(`No binary is published for this platform. Supported: ${Object.values(TRIPLES).join(', ')}.`);
    lines.push('Build the addon from source and name the file in TINYQUANT_NATIVE_PATH.');
  } else {
    lines.push(`Expected package: ${expected}. If it is missing, reinstall with optional dependencies:`);
    lines.push('  npm install --include=optional');
    lines.push(
      'If the lock file was made on another platform, delete node_modules and the lock file, then install again.',
    );
  }
  if (library?.family === 'glibc') lines.push('The binary needs glibc 2.17 or later.');
  lines.push('Causes:');
  for (const cause of causes) lines.push(`  - ${cause}`);
  return new TinyQuantError('ERR_TQ_NATIVE_LOAD', lines.join('\n'), {
    cause: error,
    details: {
      platform: process.platform,
      arch: process.arch,
      libc: library === null ? null : library.family,
      libcVersion: library?.version ?? null,
      expectedPackage: expected,
      path: path ?? null,
      causes,
    },
  });
}
