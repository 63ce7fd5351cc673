// npm run mutants [-- FILE... --shard K/N]: changes the code of codec and store in small ways and expects that a test fails
// each time. Results lie in target/mutants.out. It takes hours; files, or one of N parts of all changes, narrow it down.
// .cargo/mutants.toml lists the changes that no test can notice.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installTool } from './external.mjs';
import { main, root, run, Stop } from './lib.mjs';

await main(() => {
  for (const tool of ['cargo-mutants', 'cargo-nextest']) installTool(tool);
  const { values, positionals } = parseArgs({ options: { shard: { type: 'string' } }, allowPositionals: true });
  const files = positionals.flatMap((file) => ['--file', file]);
  const part = values.shard === undefined ? [] : ['--shard', values.shard];
  const crates = ['--package', 'tinyquant-codec', '--package', 'tinyquant-store'];
  const args = ['mutants', ...crates, ...files, ...part, '--jobs', '2', '--output', join(root, 'target')];
  if (!run('cargo', args)) throw new Stop('some changes went unnoticed: target/mutants.out/missed.txt');
});
