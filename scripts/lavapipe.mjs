// node scripts/lavapipe.mjs: installs Mesa's software Vulkan device from the packages of Debian or Ubuntu, for the tests
// of the GPU backend on a machine without a GPU.
import { softwareDevice } from './external.mjs';
import { capture, main, run, Stop } from './lib.mjs';

const PACKAGES = ['libvulkan1', 'mesa-vulkan-drivers'];

/** Runs apt-get, as the administrator where this user is not. */
function apt(...args) {
  const words = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', 'apt-get'];
  const [command, ...rest] = [...words, ...args];
  if (!run(command, rest, { env: { DEBIAN_FRONTEND: 'noninteractive' } })) {
    throw new Stop(`${[...words, ...args].join(' ')} failed: see its message above`);
  }
}

await main(() => {
  if (softwareDevice() === null) {
    if (process.platform !== 'linux' || capture('apt-get', ['--version']) === null) {
      throw new Stop(`No apt-get here: install lavapipe of Mesa 22 or newer by hand (${PACKAGES.join(', ')})`);
    }
    apt('update', '-q');
    apt('install', '-y', '-q', '--no-install-recommends', ...PACKAGES);
  }
  const found = softwareDevice();
  if (found === null) throw new Stop('The packages are installed, but they have brought no lvp_icd file');
  console.log(`Software Vulkan device: ${found}`);
});
