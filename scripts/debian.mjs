// Debian packages that some checks need: other machines' standard libraries, linkers, emulators.
import { capture, run, Stop } from './lib.mjs';

/** Rust from Debian, whose packages have the standard library for other machines and its source. */
export const DEBIAN_RUSTC = '/usr/bin/rustc';

/** A name without architecture is that of this machine where packages of several are installed. */
function isInstalled(name) {
  const own = capture('dpkg', ['--print-architecture'])?.trim();
  const names = name.includes(':') ? [name] : [name, `${name}:${own}`];
  return names.some((each) => /^Status: .* installed$/m.test(capture('dpkg', ['--status', each]) ?? ''));
}

/**
 * Installs the packages that are missing, as root or on a continuous integration machine.
 *
 * @param purpose what they are for, in the message where they cannot be installed
 */
export function needPackages(names, purpose) {
  if (capture('dpkg', ['--version']) === null) throw new Stop(`${purpose} needs Debian's packages ${names.join(' ')}`);
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const isRoot = process.getuid() === 0;
  const arm64 = missing.some((name) => name.endsWith(':arm64'));
  const commands = [
    ...(arm64 ? [['dpkg', '--add-architecture', 'arm64']] : []),
    ['apt-get', 'update', '-q'],
    ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing],
  ].map((command) => (isRoot ? command : ['sudo', ...command]));
  const text = commands.map((command) => command.join(' ')).join(' && ');
  if (!isRoot && process.env.CI !== 'true') throw new Stop(`${purpose} needs packages that are missing; run ${text}`);
  console.log(`Installing ${missing.join(' ')}`);
  for (const [command, ...args] of commands) {
    if (!run(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }))
      throw new Stop(`${purpose}: this failed: ${text}`);
  }
}
