import { version } from '../package.json';
import { TinyQuantError } from './errors.js';
import { installedPackages, type Libc, libc, npmFlags, packageOf, SUPPORTED, tripleOf } from './platform.js';

/**
 * What each attempt to load reported, in order. The generated loader chains them from the last to the first under a
 * message of its own, which blames the package manager whatever happened, and ends with a WebAssembly fallback that
 * is not published: both are left out where there is anything else to say.
 */
export function causesOf(errors: readonly unknown[]): string[] {
  const attempts = [...new Set(errors.flatMap((error) => messagesOf(error).reverse()))];
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

function addonsDisabled(causes: readonly string[]): boolean {
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return flags.includes('--no-addons') || causes.some((text) => /loading addons is disabled/i.test(text));
}

/** An addon of another release than the facade, whose functions may differ. */
export class VersionMismatch extends Error {
  constructor(readonly found: string) {
    super(`the addon is of tinyquant ${found}, this package of ${version}`);
  }
}

/** What is wrong with the platform packages, and the commands that mend it. */
function advise(
  triple: string,
  library: Libc | null,
  installed: ReadonlyMap<string, string>,
  causes: readonly string[],
): string[] {
  const expected = packageOf(triple);
  const own = installed.get(expected);
  const others = [...installed.keys()].filter((name) => name !== expected);
  if (own !== undefined && own !== version) {
    return [
      `${expected} is installed in version ${own}, but this is tinyquant ${version}: both must be the same.`,
      `  npm install tinyquant@${version} --include=optional`,
    ];
  }
  if (own !== undefined && causes.some((text) => /GLIBC_\d/.test(text))) {
    return [`${expected} is installed, but the C library of this system is older than it needs.`];
  }
  if (own !== undefined) {
    return [
      `${expected} is installed, but its file does not load: it is damaged or was replaced. Install it again:`,
      '  npm ci',
      'Without a lock file, delete node_modules and run npm install.',
    ];
  }
  if (others.length > 0) {
    const kind = library !== null && others.some((name) => /-(gnu|musl)$/.test(name)) ? ' or C library' : '';
    return [
      `Expected package: ${expected}. Installed instead: ${others.join(', ')}, for another platform${kind}.`,
      'node_modules comes from another machine. Install on this one:',
      '  npm ci',
      'or say on the other one what to install for:',
      `  npm install tinyquant@${version} ${npmFlags(triple)}`,
    ];
  }
  return [
    `Expected package: ${expected}. It is not installed. Reinstall with optional dependencies:`,
    '  npm install --include=optional',
    'If the lock file was made on another platform, delete node_modules and the lock file, then install again.',
  ];
}

/**
 * Builds the error for an addon that does not load, from facts: platform, C library, the package that should hold
 * the binary and those that are installed, what to do, and what each attempt reported.
 *
 * @param errors what each way to load it threw
 * @param path the file named by `TINYQUANT_NATIVE_PATH`, if that was used
 */
export function loadFailure(errors: readonly unknown[], path: string | undefined): TinyQuantError {
  const library = libc();
  const host = `${process.platform}-${process.arch}`;
  const triple = tripleOf(library);
  const libraryText = library === null ? '' : `, ${[library.family, library.version].filter(Boolean).join(' ')}`;
  const causes = causesOf(errors);
  const installed = installedPackages();
  const lines = [
    `The native addon of tinyquant could not be loaded on ${host}${libraryText} (Node.js ${process.versions.node}).`,
  ];
  if (addonsDisabled(causes)) {
    lines.push(
      process.permission === undefined
        ? 'Node.js was started with --no-addons, which forbids every native addon: start it without that flag.'
        : "Node.js' permission model forbids every native addon: start it with --allow-addons as well.",
    );
  } else if (path !== undefined) {
    lines.push(
      `TINYQUANT_NATIVE_PATH names ${path}: it must be an addon of tinyquant ${version} built for this platform. Unset the variable to use the installed package.`,
    );
  } else if (triple === undefined) {
    lines.push(`No binary is published for this platform. Supported: ${SUPPORTED.join(', ')}.`);
    lines.push('Build the addon from source and name the file in TINYQUANT_NATIVE_PATH.');
  } else {
    lines.push(...advise(triple, library, installed, causes));
  }
  if (library?.family === 'glibc') lines.push('The binary needs glibc 2.17 or later.');
  lines.push('Causes:');
  for (const cause of causes) lines.push(`  - ${cause}`);
  return new TinyQuantError('ERR_TQ_NATIVE_LOAD', lines.join('\n'), {
    cause: errors[0],
    details: {
      platform: process.platform,
      arch: process.arch,
      libc: library === null ? null : library.family,
      libcVersion: library?.version ?? null,
      expectedPackage: triple === undefined ? null : packageOf(triple),
      installedPackages: [...installed].map(([name, own]) => `${name}@${own}`),
      path: path ?? null,
      causes,
    },
  });
}
