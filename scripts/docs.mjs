// npm run docs: the documentation site, from the typings that users get and the guides in docs/, into target/docs.
// A broken link, a name that is used but not exported, and a name without documentation are errors.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildFacade } from './facade.mjs';
import { main, root, Stop, tool } from './lib.mjs';
import { installPackages } from './setup.mjs';

const out = join(root, 'target', 'docs');
const typings = join(root, 'target', 'typings');

/** Copies the typings, each under the name that users import. */
function stage() {
  rmSync(typings, { recursive: true, force: true });
  mkdirSync(join(typings, 'dist'), { recursive: true });
  const copy = (name, path) => {
    const text = readFileSync(join(root, path), 'utf8');
    writeFileSync(join(typings, path), `/** @module ${name} */\n${text}`);
  };
  copy('tinyquant', 'index.d.ts');
  const files = readdirSync(join(root, 'dist')).filter((name) => name.endsWith('.d.ts'));
  for (const file of files) copy(`tinyquant/${basename(file, '.d.ts')}`, join('dist', file));
}

await main(async () => {
  installPackages();
  await buildFacade();
  stage();
  rmSync(out, { recursive: true, force: true });
  if (!tool('typedoc', ['--options', join('docs', 'typedoc.json'), '--logLevel', 'Warn'])) {
    throw new Stop('The documentation is incomplete: see the messages above');
  }
  const pages = readdirSync(out, { recursive: true }).filter((name) => name.endsWith('.html')).length;
  console.log(`${pages} pages: target/docs/index.html`);
});
