// npm run mutants [-- FILE...]: changes the code of codec and store in small ways and expects that a test fails each time.
// Results lie in target/mutants.out. It takes hours; files narrow it down.
import { join } from 'node:path';
import { installTool } from './external.mjs';
import { main, root, run, Stop } from './lib.mjs';

await main(() => {
  installTool('cargo-mutants');
  const files = process.argv.slice(2).flatMap((file) => ['--file', file]);
  const crates = ['--package', 'tinyquant-codec', '--package', 'tinyquant-store'];
  const args = ['mutants', ...crates, ...files, '--output', join(root, 'target'), '--', '--profile', 'ci'];
  if (!run('cargo', args)) throw new Stop('some changes went unnoticed: target/mutants.out/missed.txt');
});
