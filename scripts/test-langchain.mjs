// npm run test:langchain: the checks of tinyquant/langchain and its typings, on the @langchain/core of this repository and
// on the oldest ones that users may have.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, npm, root, Stop, tool } from './lib.mjs';
import { setup } from './setup.mjs';

const FOLDER = join(root, 'target', 'langchain');
/** The oldest that package.json allows of each major version. */
const OLDEST = ['0.3.80', '1.0.1'];
const SPECS = '__test__/adapters/langchain';

/** A project with a version of @langchain/core, and the files and tests of this package inside it. */
function install(version) {
  const project = join(FOLDER, version);
  const inside = join(project, 'package');
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(inside, { recursive: true });
  writeFileSync(
    join(project, 'package.json'),
    `${JSON.stringify({ name: 'langchain', private: true, dependencies: { '@langchain/core': version } }, null, 2)}\n`,
  );
  if (!npm(['install'], { cwd: project }))
    throw new Stop(`@langchain/core ${version} did not install: see the message of npm above`);
  const files = ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'dist', 'native', 'package.json'];
  for (const name of [...files, '__test__', 'vitest.config.mts', 'tsconfig.json']) {
    cpSync(join(root, name), join(inside, name), { recursive: true });
  }
  const types = { extends: './tsconfig.json', include: ['__test__/langchain.test-d.mts', `${SPECS}*`] };
  writeFileSync(join(inside, 'tsconfig.types.json'), JSON.stringify(types));
  return inside;
}

await main(async () => {
  await setup({ profile: 'ci' });
  if (!tool('vitest', ['run', SPECS, '__test__/adapters/docs-langchain']))
    throw new Stop('The checks failed: see above');
  for (const version of OLDEST) {
    console.log(`\nThe same on @langchain/core ${version}`);
    const inside = install(version);
    const done =
      tool('vitest', ['run', '--root', inside, SPECS]) &&
      tool('typescript', ['-p', join(inside, 'tsconfig.types.json')], { command: 'tsc' });
    if (!done) throw new Stop(`The checks failed on ${version}: see above`);
  }
});
