import { version } from '../package.json';
import { CutShort, ForeignAddon, VersionMismatch } from './addon.js';
import { TinyQuantError } from './errors.js';
import { installedPackages, type Libc, libc, npmFlags, PUBLISHED, packageOf, tripleOf } from './platform.js';

/** The WebAssembly fallback of the generated loaders by its own names, and no folder that is named like it. */
const FALLBACK =
  /^Cannot find native binding|'\.\/tinyquant(?:-gpu)?\.wasi|(?<![/\\])@tinyquant\/(?:native|gpu)-wasm32-wasi/;

/**
 * What each attempt to load reported, in order. The generated loader chains them from the last to the first under a
 * message of its own, which blames the package manager whatever happened, and ends with a WebAssembly fallback that
 * is not published: both are left out where there is anything else to say.
 */
export function causesOf(errors: readonly unknown[]): string[] {
  const attempts = [...new Set(errors.flatMap((error) => messagesOf(error).reverse()))];
  const telling = attempts.filter((text) => !FALLBACK.test(text));
  return telling.length > 0 ? telling : attempts;
}

/** A message on one line: all of what the system said, which names the file on a second line on Windows. */
function textOf(error: Error): string {
  const lines = error.message.split('\n').map((line) => line.trim());
  const isOfSystem = 'code' in error && error.code === 'ERR_DLOPEN_FAILED';
  return lines
    .slice(0, isOfSystem ? lines.length : 1)
    .filter(Boolean)
    .join(' ');
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
    const text = textOf(current);
    if (text !== '' && !messages.includes(text)) messages.push(text);
    queue.push(current.cause);
    if (current instanceof AggregateError) queue.push(...current.errors);
  }
  return messages;
}

function addonsDisabled(causes: readonly string[]): boolean {
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return flags.includes('--no-addons') || causes.some((text) => /loading addons is disabled/i.test(text));
}

/**
 * What the loaders of Linux with glibc and musl, macOS and Windows say of a file that is no library for them. That of
 * glibc calls a file for another processor absent; it names that by its path, and a library that is needed by its name.
 */
const NO_LIBRARY =
  /invalid ELF header|wrong ELF class|file too short|ELF load command|Exec format error|not a mach-o|mach-o file, but|not a valid Win32 application|^\/.*: cannot open shared object file: No such file/i;

/** What they say of a library that another one needs. */
const NO_DEPENDENCY =
  /^[^/]+: cannot open shared object file: No such file|^Error loading shared library [^/]+: No such file|Library not loaded|specified module could not be found/i;

/** Whether the file of an installed package is absent, or not what was published. */
function isDamaged(name: string, errors: readonly unknown[], causes: readonly string[]): boolean {
  const ours = [CutShort, ForeignAddon, VersionMismatch];
  if (errors.some((error) => ours.some((kind) => error instanceof kind))) return true;
  const isAbsent = (text: string) => /^Cannot find module/.test(text) && text.replaceAll('\\', '/').includes(name);
  return causes.some((text) => NO_LIBRARY.test(text) || isAbsent(text));
}

/**
 * What keeps an installed package of this version from loading.
 *
 * @param name the package
 * @param errors what each way to load it threw
 * @param causes their messages
 */
export function adviseInstalled(name: string, errors: readonly unknown[], causes: readonly string[]): string[] {
  if (causes.some((text) => /GLIBC_\d/.test(text))) {
    return [`${name} is installed, but the C library of this system is older than it needs.`];
  }
  if (isDamaged(name, errors, causes)) {
    return [
      `${name} is installed, but its file does not load: it is damaged or was replaced. Install it again:`,
      '  npm ci',
      'Without a lock file, delete node_modules and run npm install.',
    ];
  }
  if (causes.some((text) => NO_DEPENDENCY.test(text))) {
    return [`${name} is installed, but a library that it needs is missing from this system, see Causes.`];
  }
  return [`${name} is installed, but the system does not load it, see Causes.`];
}

/** What is wrong with the platform packages, and the commands that mend it. */
function advise(
  triple: string,
  library: Libc | null,
  installed: ReadonlyMap<string, string>,
  errors: readonly unknown[],
  causes: readonly string[],
): string[] {
  const expected = packageOf(triple, 'native');
  const own = installed.get(expected);
  const others = [...installed.keys()].filter((name) => name !== expected);
  if (own !== undefined && own !== version) {
    return [
      `${expected} is installed in version ${own}, but this is tinyquant ${version}: both must be the same.`,
      `  npm install tinyquant@${version} --include=optional`,
    ];
  }
  if (own !== undefined) return adviseInstalled(expected, errors, causes);
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
  const installed = installedPackages('native');
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
    lines.push(`No binary is published for this platform. Supported: ${PUBLISHED.native.join(', ')}.`);
    lines.push('Build the addon from source and name the file in TINYQUANT_NATIVE_PATH.');
  } else {
    lines.push(...advise(triple, library, installed, errors, causes));
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
      expectedPackage: triple === undefined ? null : packageOf(triple, 'native'),
      installedPackages: [...installed].map(([name, own]) => `${name}@${own}`),
      path: path ?? null,
      causes,
    },
  });
}
