// npm run test:addon [-- gpu | SPEC...]: the tests of the package over the release addon of this platform, which lies in
// npm/; with `gpu` those of tinyquant/gpu over the one in npm-gpu/: on a software Vulkan device where there is one, else
// the addon must load and find a device or say that there is none.
// Needs no Rust: the loader and the facade come from `npm run build` on any machine.
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { gpuMissing, softwareEnv } from './external.mjs';
import { main, root, run, Stop, tool } from './lib.mjs';
import { GPU_PLATFORMS, hostPlatform } from './platforms.mjs';
import { installPackages } from './setup.mjs';
import { SPECS } from './specs.mjs';

const OPEN_GPU = `
require('./dist/gpu.js').GpuBackend.create().then(
  (gpu) => { console.log(gpu.adapter.name); gpu.close(); },
  (error) => { console.log(error.message); process.exitCode = error.code === 'ERR_TQ_GPU' ? 0 : 1; },
);`;

function testGpu() {
  if (gpuMissing() !== null) return run(process.execPath, ['-e', OPEN_GPU]);
  return tool('vitest', ['run', '__test__/gpu.spec.ts'], { env: { ...softwareEnv(), TINYQUANT_TEST_GPU: 'software' } });
}

await main(() => {
  installPackages();
  const named = process.argv.slice(2);
  const isGpu = named[0] === 'gpu';
  const addons = isGpu ? [hostPlatform(), hostPlatform(GPU_PLATFORMS)] : [hostPlatform()];
  for (const path of [...addons.map(({ loader }) => loader), 'dist/index.js']) {
    if (!existsSync(join(root, path))) throw new Stop(`${path} is missing: run npm run build, and with -- gpu`);
  }
  for (const { label, binary, file } of addons) {
    if (!existsSync(binary)) throw new Stop(`${binary} is missing: run npm run build:platform -- ${label}`);
    // The loader looks beside itself first.
    cpSync(binary, join(root, 'native', file));
  }
  const passed = isGpu ? testGpu() : tool('vitest', ['run', ...(named.length > 0 ? named : SPECS)]);
  if (!passed) throw new Stop(`tests failed on ${addons.map(({ label }) => label).join(' and ')}`);
});
