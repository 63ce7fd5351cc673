// Licence texts of the Rust crates that an addon contains.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { capture, Stop } from './lib.mjs';

const LICENCE = /^(licen[cs]e|copying|notice|unlicense)/i;

/** What of a package becomes part of a program: not the macros that run while it is compiled. */
const isLinked = ({ targets }) => !targets.some(({ kind }) => kind.includes('proc-macro'));

/** Every package that the addon contains: those that it reaches through normal dependencies. */
function contained({ packages, resolve }, crate) {
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const byId = new Map(packages.map((each) => [each.id, each]));
  const seen = new Set();
  const queue = packages.filter(({ name }) => name === crate).map(({ id }) => id);
  for (const id of queue) {
    if (seen.has(id) || !isLinked(byId.get(id))) continue;
    seen.add(id);
    const normal = nodes.get(id).deps.filter(({ dep_kinds: kinds }) => kinds.some(({ kind }) => kind === null));
    queue.push(...normal.map(({ pkg }) => pkg));
  }
  return [...seen].map((id) => byId.get(id));
}

/** The text that goes with an addon of a platform: the crates in it with their licences, and each licence text once. */
export function rustNotices({ crate, target }) {
  const output = capture('cargo', ['metadata', '--locked', '--format-version', '1', '--filter-platform', target]);
  if (output === null) throw new Stop('cargo metadata failed');
  const foreign = contained(JSON.parse(output), crate).filter(({ source }) => source !== null);
  const owners = new Map();
  const lines = foreign.map(({ name, version, license, manifest_path: path }) => {
    if (license === null) throw new Stop(`${name} names no licence`);
    const folder = dirname(path);
    for (const file of readdirSync(folder).filter((each) => LICENCE.test(each))) {
      const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim();
      // Texts differ in their line breaks.
      const key = text.replaceAll(/\s+/g, ' ');
      const known = owners.get(key) ?? { text, names: [] };
      owners.set(key, { ...known, names: [...known.names, name] });
    }
    return `${name} ${version} (${license})`;
  });
  const texts = [...owners.values()].map(({ text, names }) => `${[...new Set(names)].sort().join(', ')}:\n\n${text}`);
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  return `The addon contains the following.\n\n${lines.sort().join('\n')}${rule}${texts.sort().join(rule)}\n`;
}
