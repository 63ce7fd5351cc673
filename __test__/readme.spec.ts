import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface Block {
  readonly document: string;
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

const root = join(__dirname, '..');
/** The blocks of the guide to pgvector are one program, which the live tests run. */
const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md') && name !== 'pgvector.md');
const documents = ['README.md', ...guides.map((name) => `docs/${name}`)];
const textOf = (document: string): string => readFileSync(join(root, document), 'utf8').replaceAll('\r\n', '\n');
const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts;

const blocks: Block[] = documents.flatMap((document) => {
  const text = textOf(document);
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    language: match[1] ?? '',
    code: match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length,
  }));
});
const programs = blocks.filter(({ language }) => ['ts', 'js'].includes(language));

/** A user's folder, with this package installed in it. */
let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'tinyquant-readme-'));
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(project, 'node_modules', 'tinyquant'), 'junction');
  // The peers of its adapters.
  symlinkSync(join(root, 'node_modules', '@langchain'), join(project, 'node_modules', '@langchain'), 'junction');
  symlinkSync(
    join(root, 'node_modules', '@types', 'node'),
    join(project, 'node_modules', '@types', 'node'),
    'junction',
  );
  for (const document of documents) {
    mkdirSync(folderOf(document), { recursive: true });
    symlinkSync(join(root, 'fixtures'), join(folderOf(document), 'fixtures'), 'junction');
  }
});

/** Where the programs and commands of a document run. */
const folderOf = (document: string): string => join(project, document.replaceAll(/\W/g, '-'));

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** What a strict compiler says about a TypeScript module of the project. */
function complaints(path: string): string[] {
  const program = ts.createProgram([path], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts'],
    types: ['node'],
    typeRoots: [join(project, 'node_modules', '@types')],
  });
  return ts.getPreEmitDiagnostics(program).map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n'));
}

describe('README.md and the guides', () => {
  it('have programs to run', () => {
    for (const document of ['README.md', 'docs/memory.md', 'docs/bundlers.md', 'docs/migrating-from-tinyquant.md']) {
      expect(programs.filter((each) => each.document === document).length, document).toBeGreaterThan(1);
    }
  });

  it.each(programs)(
    '$document, line $line: the $language block works as pasted',
    ({ document, language, code, line }) => {
      const folder = folderOf(document);
      const common = language === 'js' && /\brequire\(|\bmodule\.exports\b/.test(code);
      let source = code;
      if (language === 'ts') {
        const path = join(folder, `block-${line}.mts`);
        writeFileSync(path, code);
        expect(complaints(path)).toEqual([]);
        source = ts.transpileModule(code, {
          compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
        }).outputText;
      }
      const script = join(folder, `block-${line}.${common ? 'cjs' : 'mjs'}`);
      writeFileSync(script, source);
      execFileSync(process.execPath, [script], { cwd: folder, stdio: 'pipe', timeout: 60_000 });
    },
  );

  it.each(documents)('%s: commands work as pasted', (document) => {
    const own = blocks.filter((each) => each.document === document && each.language === 'sh');
    const commands = own
      .flatMap(({ code }) => code.trim().split('\n'))
      .filter((line) => line.startsWith('npx tinyquant '));
    if (document === 'README.md') expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      const args = command.split(' ').slice(2);
      execFileSync(process.execPath, [join(root, 'dist', 'cli.js'), ...args], {
        cwd: folderOf(document),
        stdio: 'pipe',
      });
    }
  });

  it('names only npm scripts that exist', () => {
    const files = [...documents, 'CONTRIBUTING.md', 'SECURITY.md'];
    const named = files.flatMap((document) =>
      [...textOf(document).matchAll(/npm (?:run )?(test|(?<=run )[\w:-]+)/g)].map((match) => match[1]),
    );
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});
