// npm run deny [-- CHECK...]: licences, sources and advisories of the Rust dependencies, by deny.toml.
import { capture, main, run, Stop } from './lib.mjs';

await main(() => {
  if (capture('cargo', ['deny', '--version']) === null) {
    throw new Stop('cargo-deny is not installed: run cargo install --locked cargo-deny');
  }
  if (!run('cargo', ['deny', 'check', ...process.argv.slice(2)])) throw new Stop('cargo deny found problems');
});
