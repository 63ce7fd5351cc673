// npm run bench [-- --test]: Rust benches, then those of benches/node over the built addon.
// With --test each bench runs once, as a check that it works, and everything builds with the quick profile.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, run, Stop } from './lib.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const args = process.argv.slice(2);
  const test = args.includes('--test');
  await setup({ profile: test ? 'ci' : 'release' });

  const profile = test ? ['--profile', 'ci'] : [];
  const failed = [];
  if (!run('cargo', ['bench', '-p', 'tinyquant-bench', ...profile, '--', ...args])) failed.push('tinyquant-bench');

  const folder = join(root, 'benches', 'node');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.bench.mjs')) : [];
  for (const file of files.sort()) {
    if (!run(process.execPath, [join(folder, file), ...args])) failed.push(file);
  }
  if (failed.length > 0) throw new Stop(`These benches failed: ${failed.join(', ')}`);
});
