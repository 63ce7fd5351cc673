// Builds ts/ into dist/, with the ESM shims and typings of every entry point.
//
// The package is one CommonJS instance: index.mjs and dist/*.mjs re-export it by name, and the typings of
// the subpaths re-export those of the root, so that classes stay equal whichever way they are imported.
// A subpath of OWN declares names of its own, classes among them, and imports what the root declares.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, Stop, tool } from './lib.mjs';

/** Subpaths that export what the root does not. */
const OWN = ['gpu', 'io', 'langchain', 'lnmp', 'pgvector', 'scalar', 'turboquant', 'weights'];

/** Subpaths whose names another one uses. */
const USED = { lnmp: ['scalar'] };

/** Optional peers that typings of a subpath may import, each by the start of its module names. */
const PEERS = ['@langchain/core/'];
const isPeer = (module) => PEERS.some((peer) => module.startsWith(peer));

/** Licence texts of the packages that the bundler has put into dist/, which it names in comments. */
function notices(dist) {
  const names = new Set();
  for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(join(dist, file), 'utf8');
    for (const [, name] of text.matchAll(/#region node_modules\/((?:@[^/]+\/)?[^/\s]+)/g)) names.add(name);
  }
  const parts = [...names].sort().map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
    if (license === undefined) throw new Stop(`${name} is bundled and names no licence`);
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return [`${name} ${version} (${license})`, ...texts].join('\n\n');
  });
  return `This package contains parts of the following.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

const MARK = '// Written by `npm run build` from ts/.\n';

/** Names that a rolled-up declaration file exports, split into values and types. */
async function exportsOf(file, text) {
  const { default: ts } = await import('typescript');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const typeNames = new Set();
  const exported = [];
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement) && !isPeer(statement.moduleSpecifier.text)) {
      throw new Stop(`${file} imports ${statement.moduleSpecifier.text}: public typings stand alone`);
    }
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) {
      typeNames.add(statement.name.text);
    }
    if (ts.isExportDeclaration(statement)) exported.push(...statement.exportClause.elements);
  }
  const isOverPeer = source.statements.some((statement) => ts.isImportDeclaration(statement));
  const names = { values: [], types: [], isOverPeer };
  for (const element of exported) {
    const local = (element.propertyName ?? element.name).text;
    names[element.isTypeOnly || typeNames.has(local) ? 'types' : 'values'].push(element.name.text);
  }
  names.values.sort();
  names.types.sort();
  return names;
}

/**
 * Typings of a subpath with its own names: what the root exports is imported from it, and no other subpath may declare a
 * class of this one, so that no class is doubled. Only a class with private members is told apart by its declaration.
 *
 * @param sources modules and the names that are imported from each
 * @param owners the subpath of each class so far
 */
async function ownTypings(file, text, sources, owners) {
  const { default: ts } = await import('typescript');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const nameOf = (statement) => (statement.name ?? statement.declarationList?.declarations[0]?.name)?.text;
  const face = sources.flatMap(([, names]) => names);
  const shared = source.statements.filter((statement) => face.includes(nameOf(statement)));
  const isNominal = (each) =>
    each.members.some((member) => member.name !== undefined && ts.isPrivateIdentifier(member.name));
  for (const own of source.statements.filter((each) => ts.isClassDeclaration(each) && !shared.includes(each))) {
    if (!isNominal(own)) continue;
    const name = nameOf(own);
    if (owners.has(name)) throw new Stop(`${file} and ${owners.get(name)} both declare the class ${name}`);
    owners.set(name, file);
  }
  let own = text;
  for (const statement of shared.toReversed()) {
    own = own.slice(0, statement.getFullStart()) + own.slice(statement.end);
  }
  const words = own.replaceAll(/\/\*.*?\*\//gs, '').match(/\w+/g);
  const imports = sources.map(([from, names], i) => {
    const before = sources.slice(0, i).flatMap(([, earlier]) => earlier);
    const mine = shared.map(nameOf).filter((name) => names.includes(name) && !before.includes(name));
    const used = mine.filter((name) => words.includes(name));
    return used.length > 0 ? `import type ${list(used)} from '${from}';\n` : '';
  });
  return imports.join('') + own.trimStart();
}

const list = (names) => `{\n${names.map((name) => `  ${name},\n`).join('')}}`;

/** Text of each committed file of the public face, as ts/ now gives it. */
async function build() {
  const dist = join(root, 'dist');
  rmSync(dist, { recursive: true, force: true });
  if (!tool('tsdown', ['--logLevel', 'error'])) throw new Stop('The facade did not build: see the messages above');

  const types = join(dist, 'types');
  const rolledUp = readFileSync(join(types, 'index.d.ts'), 'utf8');
  const face = await exportsOf('index.d.ts', rolledUp);
  const owners = new Map();
  for (const file of readdirSync(types).filter((name) => name.endsWith('.d.ts') && name !== 'index.d.ts')) {
    const entry = file.slice(0, -'.d.ts'.length);
    const text = readFileSync(join(types, file), 'utf8');
    const names = await exportsOf(file, text);
    const exported = [...face.values, ...face.types];
    if (OWN.includes(entry)) {
      const sources = [['../index.js', exported]];
      for (const used of USED[entry] ?? []) {
        const { values, types: others } = await exportsOf(
          `${used}.d.ts`,
          readFileSync(join(types, `${used}.d.ts`), 'utf8'),
        );
        sources.push([`./${used}.js`, [...values, ...others]]);
      }
      writeFileSync(join(dist, file), MARK + (await ownTypings(file, text, sources, owners)));
    } else {
      const foreign = [...names.values, ...names.types].filter((name) => !exported.includes(name));
      if (foreign.length > 0) {
        throw new Stop(`tinyquant/${entry} exports what tinyquant does not: ${foreign.join(', ')}`);
      }
      const all = [...names.values, ...names.types.map((name) => `type ${name}`)];
      writeFileSync(join(dist, file), `${MARK}export ${list(all)} from '../index.js';\n`);
    }
    // A peer has typings for each module system, which do not take each other's classes.
    const module = names.isOverPeer
      ? readFileSync(join(dist, file), 'utf8')
      : `${MARK}export * from './${entry}.js';\n`;
    writeFileSync(join(dist, `${entry}.d.mts`), module);
    writeFileSync(join(dist, `${entry}.mjs`), `${MARK}export ${list(names.values)} from './${entry}.js';\n`);
  }
  rmSync(types, { recursive: true });
  writeFileSync(join(dist, 'NOTICES.txt'), notices(dist));

  return {
    'index.js': "module.exports = require('./dist/index.js');\n",
    'index.mjs': `${MARK}export ${list(face.values)} from './index.js';\n`,
    // Symbol.dispose is not in the libraries of every target.
    'index.d.ts': `${MARK}/// <reference lib="esnext.disposable" />\n${rolledUp}`,
    'index.d.mts': `${MARK}export * from './index.js';\n`,
  };
}

/** Builds dist/ and returns the committed files that differ from what ts/ gives. */
export async function checkFacade() {
  const files = Object.entries(await build());
  return files.filter(([name, text]) => !existsSync(join(root, name)) || read(name) !== text).map(([name]) => name);
}

/** Builds dist/ and writes the committed files where they differ. */
export async function buildFacade() {
  for (const [name, text] of Object.entries(await build())) {
    if (!existsSync(join(root, name)) || read(name) !== text) writeFileSync(join(root, name), text);
  }
}

const read = (name) => readFileSync(join(root, name), 'utf8').replaceAll('\r\n', '\n');
