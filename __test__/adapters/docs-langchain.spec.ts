import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, expect, it } from 'vitest';

const root = join(__dirname, '..', '..');
const guide = readFileSync(join(root, 'docs', 'langchain.md'), 'utf8').replaceAll('\r\n', '\n');
const [, program = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(guide) ?? [];

/** A user's folder, with this package and its peer installed in it. */
const project = mkdtempSync(join(tmpdir(), 'tinyquant-guide-'));
afterAll(() => rmSync(project, { recursive: true, force: true }));

it('the program of docs/langchain.md works as pasted', () => {
  expect(program).not.toBe('');
  for (const [name, target] of [
    ['tinyquant', root],
    ['@langchain/core', join(root, 'node_modules', '@langchain', 'core')],
    ['@types/node', join(root, 'node_modules', '@types', 'node')],
  ] as const) {
    const link = join(project, 'node_modules', name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(target, link, 'junction');
  }
  const path = join(project, 'guide.mts');
  writeFileSync(path, program);
  const compiled = ts.createProgram([path], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    typeRoots: [join(project, 'node_modules', '@types')],
  });
  const complaints = ts.getPreEmitDiagnostics(compiled);
  expect(complaints.map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n'))).toEqual([]);
  const { outputText } = ts.transpileModule(program, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(project, 'guide.mjs'), outputText);
  const output = execFileSync(process.execPath, ['guide.mjs'], { cwd: project, encoding: 'utf8' });
  expect(output).toMatch(/watch-\d: .*\n2\n2\n$/s);
});
