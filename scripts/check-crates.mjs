// Checks which workspace crates each crate reaches through its normal dependencies.
import { capture, main, Stop } from './lib.mjs';

/** What a crate may reach. Only the benches, which nothing depends on, use tinyquant-testkit outside tests. */
const ALLOWED = {
  'tinyquant-kernels': [],
  'tinyquant-codec': ['tinyquant-kernels'],
  'tinyquant-corpus': ['tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-index': ['tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-family': ['tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-store': ['tinyquant-index', 'tinyquant-corpus', 'tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-node': [
    'tinyquant-store',
    'tinyquant-index',
    'tinyquant-family',
    'tinyquant-corpus',
    'tinyquant-codec',
    'tinyquant-kernels',
  ],
  'tinyquant-gpu': ['tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-gpu-node': ['tinyquant-gpu', 'tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-capi': ['tinyquant-store', 'tinyquant-index', 'tinyquant-corpus', 'tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-testkit': ['tinyquant-codec', 'tinyquant-kernels'],
  'tinyquant-bench': [
    'tinyquant-store',
    'tinyquant-index',
    'tinyquant-family',
    'tinyquant-corpus',
    'tinyquant-codec',
    'tinyquant-kernels',
    'tinyquant-testkit',
  ],
};

/** Packages that only some crates may reach: wgpu would make every addon larger by megabytes. */
const KEPT_APART = { wgpu: ['tinyquant-gpu', 'tinyquant-gpu-node'] };

await main(() => {
  const metadata = capture('cargo', ['metadata', '--no-deps', '--format-version', '1']);
  if (metadata === null) throw new Stop('cargo metadata failed');
  const members = JSON.parse(metadata).packages.map((member) => member.name);

  const problems = [];
  for (const name of members) {
    const allowed = ALLOWED[name];
    if (allowed === undefined) {
      problems.push(`${name} has no rule in scripts/check-crates.mjs`);
      continue;
    }
    const tree = capture('cargo', ['tree', '-e', 'normal', '--prefix', 'none', '--format', '{p}', '-p', name]);
    if (tree === null) throw new Stop(`cargo tree failed for ${name}`);
    const reached = new Set(tree.split('\n').map((line) => line.split(' ')[0]));
    for (const other of members) {
      if (other !== name && reached.has(other) && !allowed.includes(other)) {
        problems.push(`${name} must not depend on ${other}`);
      }
    }
    for (const [other, users] of Object.entries(KEPT_APART)) {
      if (reached.has(other) !== users.includes(name)) {
        problems.push(`${name} must ${users.includes(name) ? '' : 'not '}depend on ${other}`);
      }
    }
  }
  if (problems.length > 0) throw new Stop(problems.join('\n'));
  console.log(`${members.length} crates keep to their dependencies`);
});
