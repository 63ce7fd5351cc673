// Zig as a linker for old C libraries, and cargo-zigbuild: programs that PyPI has as wheels, in target/tools.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, run, Stop } from './lib.mjs';

const ZIG = '0.17.1';
const ZIGBUILD = '0.24.0';
const TOOLS = join(root, 'target', 'tools');

/** Installs what is missing and returns the environment in which `cargo zigbuild` works. */
export function zigEnvironment() {
  const folder = join(TOOLS, `zig-${ZIG}-${ZIGBUILD}`);
  const program = (...parts) => join(folder, ...parts);
  if (!existsSync(program('bin', 'cargo-zigbuild')) || !existsSync(program('ziglang', 'zig'))) {
    console.log(`Installing zig ${ZIG} and cargo-zigbuild ${ZIGBUILD}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--root-user-action=ignore'];
    const wheels = [`ziglang==${ZIG}`, `cargo-zigbuild==${ZIGBUILD}`];
    if (!run('python3', [...pip, '--no-deps', '--upgrade', '--target', folder, ...wheels])) {
      throw new Stop('zig did not install: Python 3 with pip is needed (apt-get install python3-pip)');
    }
  }
  return { PATH: [program('ziglang'), program('bin'), process.env.PATH ?? ''].join(delimiter) };
}
