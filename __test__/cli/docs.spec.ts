import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { normals } from '../helpers/data.js';
import { ROOT } from '../helpers/golden.js';
import { folder, json, npy, ok } from './cli.js';

const path = folder();
const docs = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8');

/** Fields that the table of JSON results names, by command. */
const fields: Record<string, string[]> = Object.fromEntries(
  [...docs.slice(docs.indexOf('\n## JSON')).matchAll(/^\| `(\w+)` \| (`\w+`(?:, `\w+`)*) \|$/gm)].map((match) => [
    match[1] ?? '',
    (match[2] ?? '').replaceAll('`', '').split(', '),
  ]),
);

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(normals(200 * 8, 8), 8));
  writeFileSync(path('q.npy'), npy(normals(3 * 8, 9), 8));
  await ok(['compress', path('v.npy'), '-o', path('v.tq')]);
});

describe('docs/cli.md', () => {
  it.each([
    ['train', ['train', path('v.npy'), '-o', path('cb.tqcb')]],
    ['compress', ['compress', path('v.npy'), '-o', path('c.tq')]],
    ['decompress', ['decompress', path('v.tq'), '-o', path('d.npy')]],
    ['index', ['index', path('v.npy'), '-o', path('v.tqi')]],
    ['info', ['info']],
    ['search', ['search', path('v.tq'), '--query', path('q.npy')]],
    ['recall', ['recall', path('v.tq'), '--truth', path('v.npy'), '--query', path('q.npy')]],
    ['convert', ['convert', path('v.npy'), '-o', path('v.csv')]],
    ['report', ['report', path('v.npy'), '-o', path('r.html')]],
    ['bench', ['bench', '--rows', '50', '--dimension', '8', '--runs', '1']],
    ['completion', ['completion', 'bash']],
    ['doctor', ['doctor']],
  ])('names the fields of %s --json', async (command, args) => {
    expect(Object.keys(await json(args))).toEqual(fields[command]);
  });

  it('names the fields of every command', () => {
    expect(Object.keys(fields).sort()).toEqual(
      [
        'train',
        'compress',
        'decompress',
        'index',
        'info',
        'search',
        'recall',
        'convert',
        'report',
        'bench',
        'completion',
        'doctor',
      ].sort(),
    );
  });

  it('names every option, and no other', async () => {
    const { stdout } = await ok(['completion', 'bash']);
    const words = [...stdout.matchAll(/^ {4}'tinyquant[^']*'\) words='([^']*)'/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    const options = new Set(words.filter((word) => word.startsWith('--')));
    const named = new Set([...docs.matchAll(/(?<![\w-])--[a-z][\w-]*/g)].map((match) => match[0]));
    expect([...named].filter((option) => !options.has(option))).toEqual([]);
    expect([...options].filter((option) => !named.has(option))).toEqual([]);
    expect(options.size).toBeGreaterThan(40);
  });
});
