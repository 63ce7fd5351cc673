// npm run docs: the documentation site, from the typings that users get and the guides in docs/, into target/docs.
// A broken link, a name that is used but not exported, and a name without documentation are errors.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacade } from './facade.mjs';
import { main, root, Stop, tool } from './lib.mjs';
import { installPackages } from './setup.mjs';

const out = join(root, 'target', 'docs');

await main(async () => {
  installPackages();
  await buildFacade();
  rmSync(out, { recursive: true, force: true });
  if (!tool('typedoc', ['--options', join('docs', 'typedoc.json'), '--logLevel', 'Warn']))
    throw new Stop('The documentation is incomplete: see the messages above');
  const pages = readdirSync(out, { recursive: true }).filter((name) => name.endsWith('.html')).length;
  console.log(`${pages} pages: target/docs/index.html`);
});
