// Cases: bundlers and a web framework, each set up as the documentation says, and the bundle run.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostPlatform } from '../platforms.mjs';
import { CJS, ESM, expectResult, FUNCTION } from './consumer.mjs';
import { pinned } from './versions.mjs';

/** A project with the package and a bundler in it, and a program for each module system. */
async function bundled({ empty, tarballs }, name, ...packages) {
  const project = empty(name);
  project.write({ 'job.mjs': ESM, 'job.cjs': CJS });
  await project.add(tarballs.main, tarballs.host, ...pinned(...packages));
  return project;
}

/** Runs esbuild with options of its API. */
const esbuild = (project, options) =>
  project.node([
    '-e',
    `require('esbuild').buildSync(${JSON.stringify({ bundle: true, platform: 'node', ...options })})`,
  ]);

/** The package stays outside: `--external:tinyquant`. */
async function esbuildExternal(context) {
  const project = await bundled(context, 'esbuild', 'esbuild');
  const external = ['tinyquant'];
  await esbuild(project, { entryPoints: ['job.mjs'], external, format: 'esm', outfile: 'out/job.mjs' });
  await esbuild(project, { entryPoints: ['job.cjs'], external, outfile: 'out/job.cjs' });
  expectResult(await project.node(['out/job.mjs']));
  expectResult(await project.node(['out/job.cjs']));
}

/** Everything in one folder that runs where nothing is installed: the addon is copied beside the bundle. */
async function esbuildWhole(context) {
  const project = await bundled(context, 'esbuild-whole', 'esbuild');
  const target = context.empty('esbuild-whole-out');
  const loader = { '.node': 'copy' };
  await esbuild(project, { entryPoints: ['job.cjs'], loader, logLevel: 'error', outfile: target.path('job.cjs') });
  assert.ok(readdirSync(target.folder).some((file) => /^tinyquant\..*\.node$/.test(file)));
  expectResult(await target.node(['job.cjs']));
}

const webpackConfig = `
module.exports = {
  mode: 'production',
  target: 'node',
  entry: './job.mjs',
  output: { path: __dirname + '/out', filename: 'job.cjs' },
  externals: { tinyquant: 'commonjs tinyquant' },
};
`;

async function webpack(context) {
  const project = await bundled(context, 'webpack', 'webpack', 'webpack-cli');
  project.write({ 'webpack.config.cjs': webpackConfig });
  await project.node(['node_modules/webpack/bin/webpack.js']);
  expectResult(await project.node(['out/job.cjs']));
}

/** A server build leaves packages outside; a build for a library or a desktop program is told to. */
async function vite(context) {
  const project = await bundled(context, 'vite', 'vite');
  const build = (...args) => project.node(['node_modules/vite/bin/vite.js', 'build', ...args]);
  project.write({
    'vite.config.mjs': `export default { build: { ssr: 'job.mjs', outDir: 'out' } };`,
    'library.config.mjs': `export default {
      build: { lib: { entry: 'job.mjs', formats: ['es'], fileName: () => 'job.mjs' }, outDir: 'library',
        rolldownOptions: { external: ['tinyquant'] } },
    };`,
  });
  await build();
  const [file] = readdirSync(project.path('out')).filter((name) => /^job\./.test(name));
  expectResult(await project.node([`out/${file}`]));
  await build('--config', 'library.config.mjs');
  expectResult(await project.node(['library/job.mjs']));
}

const NEXT = {
  'next.config.mjs': `export default { serverExternalPackages: ['tinyquant'], output: 'standalone', outputFileTracingRoot: import.meta.dirname };\n`,
  'app/layout.js': 'export default ({ children }) => <html lang="en"><body>{children}</body></html>;\n',
  'app/page.js': 'export default () => <p>empty</p>;\n',
  'app/api/route.js': `import { job } from '../../job.js';
export const dynamic = 'force-dynamic';
export const GET = async () => Response.json(await job());
`,
  'job.js': FUNCTION,
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server, asks its route until it answers, and ends it. */
async function ask(project, args, options) {
  const port = await freePort();
  const env = { ...options?.env, PORT: String(port), HOSTNAME: '127.0.0.1' };
  const server = project.start(process.execPath, args(port), { ...options, env });
  let printed = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (text) => {
      printed += text;
    });
  }
  const ended = once(server, 'close');
  try {
    for (let tries = 0; tries < 150 && server.exitCode === null; tries += 1) {
      const response = await fetch(`http://127.0.0.1:${port}/api`).catch(() => null);
      if (response?.ok) return await response.text();
      if (response !== null) throw new Error(`the route answered ${response.status}\n${printed}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`the server did not answer\n${printed}`);
  } finally {
    server.kill();
    await ended;
  }
}

/** A route of a built application, served by Next.js and from the folder that a container would hold. */
async function next(context) {
  const project = await bundled(context, 'next', 'next', 'react', 'react-dom');
  project.write(NEXT);
  const env = { NEXT_TELEMETRY_DISABLED: '1', CI: 'true' };
  await project.node(['node_modules/next/dist/bin/next', 'build'], { env });
  expectResult(await ask(project, (port) => ['node_modules/next/dist/bin/next', 'start', '-p', String(port)], { env }));
  const host = hostPlatform();
  const traced = project.path('.next', 'standalone', 'node_modules', host.packageName, host.file);
  assert.ok(existsSync(traced), 'tracing finds the addon');
  expectResult(await ask(project, () => ['server.js'], { env, cwd: project.path('.next', 'standalone') }));
}

export const BUNDLE_CASES = [
  { name: 'esbuild, external', run: esbuildExternal },
  { name: 'esbuild, addon copied', run: esbuildWhole },
  { name: 'webpack', run: webpack },
  { name: 'Vite, server and library', run: vite },
  { name: 'Next.js route', run: next },
];
