// npm run format: rewrites Rust, TypeScript and JSON in the project's style.
import { main, run, Stop, tool } from './lib.mjs';
import { installPackages } from './setup.mjs';

await main(() => {
  installPackages();
  const rust = run('cargo', ['fmt', '--all']) && run('cargo', ['fmt', '--manifest-path', 'fuzz/Cargo.toml']);
  const script = tool('@biomejs/biome', ['check', '--write'], { command: 'biome' });
  if (!rust || !script) throw new Stop('Not everything could be formatted: see the messages above');
});
