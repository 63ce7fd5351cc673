// npm run build [-- [gpu] PROFILE]: addon into native/, facade into dist/ and the committed typings; with `gpu` the addon
// of tinyquant/gpu instead.
import { main } from './lib.mjs';
import { buildGpuAddon, checkTools, installPackages, setup } from './setup.mjs';

await main(async () => {
  const args = process.argv.slice(2);
  const profile = args.find((arg) => arg !== 'gpu') ?? 'release';
  if (!args.includes('gpu')) return setup({ profile });
  checkTools();
  installPackages();
  buildGpuAddon(profile);
});
