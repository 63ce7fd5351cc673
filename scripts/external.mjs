// Programs from outside the repository that some checks use: what is missing, and how to get it.
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { capture, root, run, Stop } from './lib.mjs';

const TOOLS = join(root, 'target', 'tools');
const isCi = () => process.env.CI === 'true';
const executable = (name) => (process.platform === 'win32' ? `${name}.exe` : name);

/** Lets cargo find the subcommands in target/tools. */
function useTools() {
  const folder = join(TOOLS, 'bin');
  const path = process.env.PATH ?? '';
  if (!path.split(delimiter).includes(folder)) process.env.PATH = `${folder}${delimiter}${path}`;
}

/** What fuzzing lacks, or null. A continuous integration machine gets cargo-fuzz by itself, but no toolchain. */
export function fuzzMissing() {
  useTools();
  if (capture('cargo', ['+nightly', '--version']) === null) {
    const install = 'rustup toolchain install nightly --profile minimal';
    return { reason: 'the nightly toolchain is missing', install, isOptional: true };
  }
  if (isCi() || capture('cargo', ['fuzz', '--version']) !== null) return null;
  return { reason: 'cargo-fuzz is missing', install: 'cargo install --locked cargo-fuzz' };
}

/** Installs a subcommand of cargo into target/tools where it is missing. */
export function installTool(name) {
  useTools();
  if (capture('cargo', [name.replace('cargo-', ''), '--version']) !== null) return;
  if (!run('cargo', ['install', '--locked', '--root', TOOLS, name])) throw new Stop(`${name} did not install`);
}

/** Installs cargo-fuzz into target/tools where it is missing. */
export const installFuzz = () => installTool('cargo-fuzz');

/** TinyQuant's own command line, whose files we read and which reads ours. */
export const PEER_VERSION = '1.1.0';
export const peerRoot = join(root, 'target', 'peer-cli');
export const peerBinary = join(peerRoot, 'bin', executable('tinyquant'));

/** What the checks against TinyQuant's command line lack, or null. */
export function peerMissing() {
  if (isCi() || existsSync(peerBinary)) return null;
  return { reason: `tinyquant-cli ${PEER_VERSION} is not built`, install: 'node scripts/peer-cli.mjs' };
}

const ICD_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];

/** The file that names Mesa's software Vulkan device to the Vulkan loader, or null. */
export function softwareDevice() {
  const files = ICD_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder).map((name) => join(folder, name)),
  );
  return files.find((path) => /\/lvp_icd[^/]*\.json$/.test(path)) ?? null;
}

/** What the tests of the GPU backend lack, or null. */
export function gpuMissing() {
  if (softwareDevice() !== null) return null;
  const reason = 'there is no software Vulkan device';
  // Other systems have none in their packages.
  return { reason, install: 'node scripts/lavapipe.mjs', isOptional: process.platform !== 'linux' };
}

/** Variables that pin Vulkan to the software device. */
export function softwareEnv() {
  const { XDG_RUNTIME_DIR = '/tmp' } = process.env;
  return { VK_ICD_FILENAMES: softwareDevice() ?? '', XDG_RUNTIME_DIR };
}

/** What the C program of the tests needs to be compiled, or null. */
export function compilerMissing() {
  if (process.platform === 'win32') {
    const install = 'wsl --install, and run it there';
    return { reason: 'the C program uses POSIX threads', install, isOptional: true };
  }
  if (capture('cc', ['--version']) !== null) return null;
  const install = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install gcc libc6-dev';
  return { reason: 'cc is missing', install };
}

/** What checking the memory of the C program needs, or null. There is no valgrind for macOS of today. */
export function valgrindMissing() {
  if (capture('valgrind', ['--version']) !== null) return null;
  const isOptional = process.platform !== 'linux';
  return { reason: 'valgrind is missing', install: 'apt-get install valgrind', isOptional };
}
