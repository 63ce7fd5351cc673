// npm run deny [-- CHECK...]: licences, sources and advisories of the Rust dependencies, by deny.toml.
import { installTool } from './external.mjs';
import { main, run, Stop } from './lib.mjs';

await main(() => {
  installTool('cargo-deny');
  if (!run('cargo', ['deny', 'check', ...process.argv.slice(2)])) throw new Stop('cargo deny found problems');
});
