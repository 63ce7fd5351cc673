// npm run test:addon [-- SPEC...]: the tests of the package over the release addon of this platform, which lies in npm/.
// Needs no Rust: the loader and the facade come from `npm run build` on any machine.
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, Stop, tool } from './lib.mjs';
import { hostPlatform } from './platforms.mjs';
import { installPackages } from './setup.mjs';

const SPECS = [
  'codec',
  'batch',
  'corpus',
  'storage',
  'search',
  'io',
  'errors',
  'worker',
  'turboquant',
  'lnmp',
  'weights.spec',
];

await main(() => {
  installPackages();
  const { name, binary, file } = hostPlatform();
  if (!existsSync(binary)) throw new Stop(`${binary} is missing: run npm run build:platform -- ${name}`);
  for (const path of ['native/binding.cjs', 'dist/index.js']) {
    if (!existsSync(join(root, path))) throw new Stop(`${path} is missing: run npm run build`);
  }
  // The loader looks beside itself first.
  cpSync(binary, join(root, 'native', file));
  const named = process.argv.slice(2);
  if (!tool('vitest', ['run', ...(named.length > 0 ? named : SPECS)])) throw new Stop(`tests failed on ${name}`);
});
