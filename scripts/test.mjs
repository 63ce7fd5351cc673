// npm test [-- STEP...]: every check of the repository, or the named steps. All run even when one fails;
// the last line counts them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compilerMissing, fuzzMissing, gpuMissing, peerBinary, peerMissing, softwareEnv } from './external.mjs';
import { checkFacade } from './facade.mjs';
import { capture, root, run, Stop, tool } from './lib.mjs';
import { buildAddon, buildGpuAddon, checkTools, installPackages } from './setup.mjs';

// Optimised without link-time optimisation; one profile, so that everything shares one set of dependencies.
const PROFILE = ['--profile', 'ci'];
const cargo = (...args) => run('cargo', args);
const script = (name, ...args) => run(process.execPath, [join(root, 'scripts', name), ...args]);

/** Time of each fuzz target. `npm run fuzz` and its workflow take longer. */
const FUZZ_SECONDS = 5;

/** What a cargo subcommand from a rustup component needs, or null where it is there. */
const component = (name, command) =>
  capture('cargo', [command, '--version']) === null
    ? { reason: `cargo ${command} is missing`, install: `rustup component add ${name}` }
    : null;

async function build() {
  buildAddon('ci');
  // The steps that follow need not build it again.
  process.env.TINYQUANT_BUILT = 'ci';
  const stale = await checkFacade();
  if (stale.length > 0) throw new Stop(`Not as ts/ gives them: ${stale.join(', ')}. Run npm run build and review them`);
  return true;
}

/** The GPU backend on the software device: its Rust tests, then those of the package. */
function gpu() {
  const env = { ...softwareEnv(), TINYQUANT_TEST_GPU: 'software' };
  // With the addon and for a named target, as that is built: both share wgpu, which takes more than a minute to compile.
  const host = capture('rustc', ['-vV'])?.match(/^host: (\S+)$/m)?.[1];
  const target = host === undefined ? [] : ['--target', host];
  const packages = ['-p', 'tinyquant-gpu', '-p', 'tinyquant-gpu-node'];
  const options = ['--', '--include-ignored', '--test-threads', '2'];
  if (!run('cargo', ['test', ...packages, ...target, ...PROFILE, ...options], { env })) return false;
  buildGpuAddon('ci');
  return tool('vitest', ['run', '__test__/gpu.spec.ts'], { env });
}

const STEPS = [
  {
    name: 'fmt',
    title: 'Rust formatting',
    needs: () => component('rustfmt', 'fmt'),
    run: () =>
      cargo('fmt', '--all', '--check') && cargo('fmt', '--manifest-path', join('fuzz', 'Cargo.toml'), '--check'),
  },
  {
    name: 'clippy',
    title: 'Rust lints',
    needs: () => component('clippy', 'clippy'),
    run: () => cargo('clippy', '--workspace', '--all-targets', ...PROFILE, '--', '-D', 'warnings'),
  },
  {
    name: 'peer-cli',
    title: "TinyQuant's own command line, for the tests that exchange files with it",
    needs: peerMissing,
    run: () => {
      process.env.TINYQUANT_PEER_CLI = peerBinary;
      return script('peer-cli.mjs');
    },
  },
  {
    name: 'cargo-test',
    title: 'Rust tests, those of the GPU backend aside',
    run: () => cargo('test', '--workspace', '--exclude', 'tinyquant-gpu', '--no-fail-fast', ...PROFILE),
  },
  {
    name: 'capi',
    title: 'C library: header, and a C program that uses all of it',
    needs: compilerMissing,
    run: () => script('capi.mjs'),
  },
  { name: 'crates', title: 'Dependencies between crates', run: () => script('check-crates.mjs') },
  {
    name: 'doc',
    title: 'Rust documentation',
    run: () => run('cargo', ['doc', '--workspace', '--no-deps', ...PROFILE], { env: { RUSTDOCFLAGS: '-D warnings' } }),
  },
  {
    name: 'biome',
    title: 'TypeScript lints and formatting',
    run: () => tool('@biomejs/biome', ['ci', '--error-on-warnings'], { command: 'biome' }),
  },
  { name: 'lengths', title: 'File lengths', run: () => script('check-lengths.mjs') },
  { name: 'workflows', title: 'Workflows', run: () => script('lint-workflows.mjs') },
  { name: 'build', title: 'Addon, facade and its committed typings', run: build },
  { name: 'types', title: 'Type check', run: () => tool('typescript', [], { command: 'tsc' }) },
  { name: 'vitest', title: 'Tests of the package and of the README', run: () => tool('vitest', ['run']) },
  { name: 'docs', title: 'Documentation site', run: () => script('docs.mjs') },
  {
    name: 'examples',
    title: 'Packages of examples/, installed from the packed package',
    run: () => script('examples.mjs', '--built', '--omit-optional'),
  },
  { name: 'gpu', title: 'GPU backend on a software Vulkan device', needs: gpuMissing, run: gpu },
  {
    name: 'demo-weights',
    title: 'Weights of a real encoder, or embeddings where these cannot be had',
    run: () => script('demo-weights.mjs'),
  },
  {
    name: 'fuzz',
    title: 'Fuzz targets, each for a short time',
    needs: fuzzMissing,
    run: () => script('fuzz.mjs', `${FUZZ_SECONDS}`),
  },
  { name: 'publint', title: 'Package manifest', run: () => tool('publint', ['--strict']) },
  {
    name: 'attw',
    title: 'Typings as each module system resolves them',
    run: () => tool('@arethetypeswrong/cli', ['--pack', '.', '--profile', 'node16'], { command: 'attw' }),
  },
];

/** Runs one step and returns 'passed', 'failed' or 'skipped'. */
async function runStep(step) {
  console.log(`\n=== ${step.name}: ${step.title}`);
  const missing = step.needs?.() ?? null;
  if (missing !== null) {
    // A continuous integration machine installs what it needs; elsewhere the user may choose not to.
    const failed = process.env.CI === 'true' && missing.isOptional !== true;
    console.log(`${failed ? 'FAILED' : 'SKIPPED'}: ${missing.reason}; install with: ${missing.install}`);
    return failed ? 'failed' : 'skipped';
  }
  try {
    return (await step.run()) ? 'passed' : 'failed';
  } catch (error) {
    console.error(error instanceof Stop ? error.message : error);
    return 'failed';
  }
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !STEPS.some((step) => step.name === name));
const results = [];
try {
  if (unknown.length > 0) {
    throw new Stop(`Unknown step ${unknown.join(', ')}; there are ${STEPS.map((step) => step.name).join(', ')}`);
  }
  checkTools();
  installPackages();
  // Tests on large data read it from here and say so where it is absent.
  const data = join(root, '..', 'shared', 'data');
  if (process.env.TINYQUANT_DATA === undefined && existsSync(data)) process.env.TINYQUANT_DATA = data;

  for (const step of STEPS.filter((each) => named.length === 0 || named.includes(each.name))) {
    const start = performance.now();
    const outcome = await runStep(step);
    results.push({ name: step.name, outcome, seconds: (performance.now() - start) / 1000 });
  }
} catch (error) {
  console.error(error instanceof Stop ? error.message : error);
  results.push({ name: 'set-up', outcome: 'failed', seconds: 0 });
}

console.log('\n=== Summary');
for (const { name, outcome, seconds } of results) {
  console.log(`${outcome.padEnd(8)} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(7)} s`);
}
const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : '';
process.exitCode = count('failed') > 0 ? 1 : 0;
console.log(`${count('passed')} passed, ${count('failed')} failed${skipped}`);
