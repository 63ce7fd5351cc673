import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface Block {
  language: string;
  code: string;
  line: number;
}

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8').replaceAll('\r\n', '\n');
const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts;

const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
  language: match[1] ?? '',
  code: match[2] ?? '',
  line: readme.slice(0, match.index).split('\n').length,
}));
const programs = blocks.filter(({ language }) => ['ts', 'js'].includes(language));

/** A user's folder, with this package installed in it. */
let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'tinyquant-readme-'));
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(project, 'node_modules', 'tinyquant'), 'junction');
  symlinkSync(
    join(root, 'node_modules', '@types', 'node'),
    join(project, 'node_modules', '@types', 'node'),
    'junction',
  );
});

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

describe('README.md', () => {
  it('has programs to run', () => {
    expect(programs.length).toBeGreaterThan(0);
  });

  it.each(programs)('line $line: the $language block works as pasted', ({ language, code, line }) => {
    const common = language === 'js' && /\brequire\(/.test(code);
    let source = code;
    if (language === 'ts') {
      const path = join(project, `block-${line}.mts`);
      writeFileSync(path, code);
      expect(complaints(path)).toEqual([]);
      source = ts.transpileModule(code, {
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
      }).outputText;
    }
    const script = join(project, `block-${line}.${common ? 'cjs' : 'mjs'}`);
    writeFileSync(script, source);
    execFileSync(process.execPath, [script], { cwd: project, stdio: 'pipe', timeout: 60_000 });
  });

  it('has commands that work as pasted', () => {
    const lines = blocks.filter(({ language }) => language === 'sh').flatMap(({ code }) => code.trim().split('\n'));
    const commands = lines.filter((line) => line.startsWith('npx tinyquant '));
    expect(commands.length).toBeGreaterThan(0);
    symlinkSync(join(root, 'fixtures'), join(project, 'fixtures'), 'junction');
    for (const command of commands) {
      const args = command.split(' ').slice(2);
      execFileSync(process.execPath, [join(root, 'dist', 'cli.js'), ...args], { cwd: project, stdio: 'pipe' });
    }
  });

  it('names only npm scripts that exist', () => {
    const named = [...readme.matchAll(/npm (?:run )?(test|(?<=run )[\w:-]+)/g)].map((match) => match[1]);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});
