// Cases: the installed package as each module system and compiler sees it, and as the checkers of packages do.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { bin, root } from '../lib.mjs';
import { hostPlatform, manifest } from '../platforms.mjs';
import { CJS, ENTRIES, ESM, expectResult, TYPESCRIPT } from './consumer.mjs';
import { VERSIONS } from './versions.mjs';

/** A project with the package installed from the tarballs, made once. */
let installed;
async function consumer({ empty, tarballs }) {
  installed ??= (async () => {
    const project = empty('load');
    await project.npm(['install', '--offline', tarballs.main, tarballs.host]);
    return project;
  })();
  return installed;
}

/** Counts the names of every entry point, by a way to load one. */
const counting = (load) => `
const entries = ${JSON.stringify(ENTRIES)};
// Node.js 20 reports a CommonJS file that fails below an import a second time, to nobody.
process.on('unhandledRejection', () => {});
async function count() {
  const counts = {};
  for (const entry of entries) {
    try {
      counts[entry] = Object.keys(${load}).length;
    } catch (error) {
      counts[entry] = error.code + ' ' + error.message;
    }
  }
  console.log(JSON.stringify(counts));
}
count();
`;

/** An entry point has names, or says which optional peer it needs. */
function expectEntries(output) {
  const peers = Object.keys(manifest.peerDependencies ?? {});
  for (const [entry, count] of Object.entries(JSON.parse(output))) {
    const lacksPeer = peers.some((peer) => /NOT_FOUND/.test(count) && String(count).includes(peer));
    assert.ok(count > 0 || lacksPeer, `${entry}: ${count}`);
  }
}

async function fromEsm(context) {
  const project = await consumer(context);
  project.write({ 'esm.mjs': ESM, 'entries.mjs': counting('await import(entry)') });
  expectResult(await project.node(['esm.mjs']));
  expectEntries(await project.node(['entries.mjs']));
}

async function fromCommonJs(context) {
  const project = await consumer(context);
  project.write({
    'common.cjs': CJS,
    'entries.cjs': counting('require(entry)'),
    // One class each, however it is reached.
    'same.cjs': `import('tinyquant').then((m) => console.log(m.Codec === require('tinyquant/codec').Codec));`,
  });
  expectResult(await project.node(['common.cjs']));
  expectEntries(await project.node(['entries.cjs']));
  assert.equal((await project.node(['same.cjs'])).trim(), 'true');
  const hidden = await project.try(process.execPath, ['-e', "require('tinyquant/dist/native.js')"]);
  assert.match(hidden.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
}

/** Where `AbortSignal` and `URL` come from: a project has the types of Node or of browsers. */
const TYPES = {
  node: { lib: ['es2023'], types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] },
  dom: { lib: ['es2023', 'dom'], types: [] },
};

/** How a project of each kind is compiled, and which module systems its output may have. */
const COMPILERS = {
  node16: { module: 'node16', moduleResolution: 'node16', kinds: ['commonjs', 'module'] },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext', kinds: ['commonjs', 'module'] },
  bundler: { module: 'esnext', moduleResolution: 'bundler', kinds: ['module'] },
};

/** Compiles a strict user's program with the typings of the package checked too, and runs what comes out. */
const typescript = (name, version) => async (context) => {
  const { kinds, ...modules } = COMPILERS[name];
  const base = await consumer(context);
  let compiler = bin('typescript', 'tsc');
  if (version !== undefined) {
    const home = context.empty(`typescript-${version}`);
    await home.add(`typescript@${version}`);
    compiler = home.path('node_modules', 'typescript', 'bin', 'tsc');
  }
  // The older compiler takes seconds for the types of browsers alone.
  const chosen = Object.entries(TYPES).filter(([types]) => version !== undefined || types === 'node');
  const variants = kinds.flatMap((kind) => chosen.map(([types, options]) => ({ kind, types, options })));
  for (const { kind, types, options } of variants) {
    const folder = `${name}-${kind}-${types}-${version ?? 'own'}`;
    const compilerOptions = {
      ...modules,
      ...options,
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      rootDir: '.',
      outDir: 'out',
    };
    base.write({
      [`${folder}/package.json`]: JSON.stringify({ type: kind }),
      [`${folder}/tsconfig.json`]: JSON.stringify({ compilerOptions, include: ['job.ts'] }),
      [`${folder}/job.ts`]: TYPESCRIPT,
      [`${folder}/out/package.json`]: JSON.stringify({ type: kind }),
    });
    await base.node([compiler, '-p', folder]);
    expectResult(await base.node([`${folder}/out/job.js`]));
  }
};

/** Other engines that load addons: their programs lie in packages for each platform, which need no install script. */
const ENGINES = {
  Bun: {
    'linux-x64-gnu': ['@oven/bun-linux-x64', 'bin/bun'],
    'linux-arm64-gnu': ['@oven/bun-linux-aarch64', 'bin/bun'],
    'darwin-arm64': ['@oven/bun-darwin-aarch64', 'bin/bun'],
    'darwin-x64': ['@oven/bun-darwin-x64', 'bin/bun'],
  },
  Deno: {
    'linux-x64-gnu': ['@deno/linux-x64-glibc', 'deno', 'run', '--allow-all'],
    'linux-arm64-gnu': ['@deno/linux-arm64-glibc', 'deno', 'run', '--allow-all'],
    'darwin-arm64': ['@deno/darwin-arm64', 'deno', 'run', '--allow-all'],
    'darwin-x64': ['@deno/darwin-x64', 'deno', 'run', '--allow-all'],
  },
};

const engine = (name) => ({
  name,
  needs: () => (ENGINES[name][hostPlatform().name] === undefined ? `no package for ${hostPlatform().name}` : null),
  run: async ({ empty, tarballs }) => {
    const [packageName, program, ...args] = ENGINES[name][hostPlatform().name];
    const project = empty(name.toLowerCase());
    project.write({ 'job.mjs': ESM, 'job.cjs': CJS });
    await project.add(tarballs.main, tarballs.host, `${packageName}@${VERSIONS[name]}`);
    const command = project.path('node_modules', packageName, program);
    for (const file of ['job.mjs', 'job.cjs']) expectResult(await project.run(command, [...args, file]));
  },
});

async function publint({ tarballs, empty }) {
  await empty('publint').node([bin('publint'), 'run', tarballs.main, '--strict']);
}

async function attw({ tarballs, empty }) {
  await empty('attw').node([bin('@arethetypeswrong/cli', 'attw'), tarballs.main, '--profile', 'node16']);
}

/** What is in the tarballs: nothing of the development, nothing that runs at install, no packages inside. */
async function contents({ packed, platforms }) {
  for (const { files, manifest: own } of [packed, ...platforms]) {
    const odd = files.filter((path) => /node_modules|(^|\/)(target|crates|scripts|ts|__test__|fixtures)\//.test(path));
    assert.deepEqual(odd, [], own.name);
    assert.equal(own.version, manifest.version);
    assert.equal(own.scripts, undefined, `${own.name} runs nothing at install`);
    assert.equal(own.dependencies, undefined, `${own.name} needs nothing`);
    assert.equal(own.devDependencies, undefined);
    assert.ok(files.includes('LICENSE'), `${own.name} has its licence`);
  }
  assert.deepEqual(
    packed.files.filter((path) => path.endsWith('.node')),
    [],
  );
  assert.deepEqual(
    Object.keys(packed.manifest.optionalDependencies).sort(),
    platforms.map(({ manifest: own }) => own.name).sort(),
  );
  const own = platforms.find(({ manifest: each }) => each.name === hostPlatform().packageName);
  assert.ok(own.files.includes(hostPlatform().file));
}

export const LOAD_CASES = [
  { name: 'contents of the tarballs', run: contents },
  { name: 'publint --strict', run: publint },
  { name: 'attw --profile node16', run: attw },
  { name: 'ES modules', run: fromEsm },
  { name: 'CommonJS', run: fromCommonJs },
  ...Object.keys(ENGINES).map(engine),
  ...Object.keys(COMPILERS).flatMap((name) => [
    { name: `TypeScript, ${name}`, run: typescript(name) },
    { name: `TypeScript ${VERSIONS.typescript}, ${name}`, run: typescript(name, VERSIONS.typescript) },
  ]),
];
