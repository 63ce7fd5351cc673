// Zig as a linker for old C libraries: the wheel from PyPI and cargo-zigbuild, both in target/tools.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, run, Stop } from './lib.mjs';

const ZIG = '0.17.1';
const ZIGBUILD = '0.24.1';
const TOOLS = join(root, 'target', 'tools');

/** Installs what is missing and returns the environment in which `cargo zigbuild` works. */
export function zigEnvironment() {
  const zig = join(TOOLS, `zig-${ZIG}`);
  if (!existsSync(join(zig, 'ziglang', 'zig'))) {
    console.log(`Installing zig ${ZIG}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--target', zig];
    if (!run('python3', [...pip, `ziglang==${ZIG}`])) {
      throw new Stop('zig did not install: Python 3 with pip is needed (apt-get install python3-pip)');
    }
  }
  if (!existsSync(join(TOOLS, 'bin', 'cargo-zigbuild'))) {
    console.log(`Installing cargo-zigbuild ${ZIGBUILD}`);
    if (!run('cargo', ['install', '--quiet', '--locked', '--root', TOOLS, `cargo-zigbuild@${ZIGBUILD}`])) {
      throw new Stop('cargo-zigbuild did not install: see the messages above');
    }
  }
  const path = [join(zig, 'ziglang'), join(TOOLS, 'bin'), process.env.PATH ?? ''];
  return { PATH: path.join(delimiter) };
}
