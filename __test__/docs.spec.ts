import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  BruteForceBackend,
  Codebook,
  Codec,
  CodecConfig,
  CompressedVector,
  CompressionPolicy,
  Corpus,
  type ErrorCode,
  SearchIndex,
  TqcvReader,
} from '../index.js';
import { failure, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';

const guides = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
const folders = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((each) => each.isDirectory());
const examples = folders.map(({ name }) => name);
const documents = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'benches/README.md'],
  ...guides.map((name) => `docs/${name}`),
  ...examples.map((name) => `examples/${name}/README.md`),
];
const textOf = (document: string): string => readFileSync(join(ROOT, document), 'utf8').replaceAll('\r\n', '\n');
const prose = (document: string): string => textOf(document).replaceAll(/^```[\s\S]*?^```$/gm, '');

/** Names that headings of a document can be linked by. */
function anchors(document: string): string[] {
  const headings = [...prose(document).matchAll(/^#+ (.*)$/gm)].map((match) => match[1] ?? '');
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('documents', () => {
  it.each(documents)('%s: links lead somewhere', (document) => {
    const links = [...prose(document).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    for (const link of links.filter((each) => !/^https?:/.test(each))) {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? document : join(dirname(document), path);
      expect(existsSync(join(ROOT, target)), `${link} in ${document}`).toBe(true);
      if (anchor === undefined) continue;
      expect(statSync(join(ROOT, target)).isFile(), link).toBe(true);
      expect(anchors(target), `${link} in ${document}`).toContain(anchor);
    }
  });

  it('are all in the list of the guides', () => {
    const listed = [...textOf('docs/index.md').matchAll(/\]\(([\w-]+\.md)\)/g)].map((match) => match[1]);
    expect(listed.sort()).toEqual(guides.filter((name) => name !== 'index.md').sort());
  });

  it('of examples belong to packages that depend on this one', () => {
    const packages = examples.filter((name) => existsSync(join(ROOT, 'examples', name, 'package.json')));
    expect(packages.length).toBeGreaterThan(3);
    for (const name of packages) {
      const manifest = JSON.parse(textOf(`examples/${name}/package.json`)) as {
        private?: boolean;
        dependencies?: Record<string, string>;
      };
      expect(manifest.private, name).toBe(true);
      expect(manifest.dependencies?.tinyquant, name).toBe('file:../..');
    }
  });
});

describe('docs/migrating-from-tinyquant.md', () => {
  /** Codes that the table of errors gives, by TinyQuant's name. */
  const codes: Partial<Record<string, ErrorCode>> = Object.fromEntries(
    [...textOf('docs/migrating-from-tinyquant.md').matchAll(/^\| (`[A-Z].*) \| `(ERR_TQ_\w+)` \|$/gm)].flatMap(
      (match) =>
        [...(match[1] ?? '').matchAll(/`([A-Z]\w*[a-z]\w*)`/g)].map((name) => [name[1] ?? '', match[2] as ErrorCode]),
    ),
  );
  function codeOf(kind: string): ErrorCode {
    const code = codes[kind];
    if (code === undefined) throw new Error(`the table has no ${kind}`);
    return code;
  }

  const config = (bitWidth = 2, dimension = 8): CodecConfig =>
    new CodecConfig({ bitWidth: bitWidth as 2, dimension, residualEnabled: false });
  const rows = Float32Array.from({ length: 400 }, (_, i) => Math.sin(i * i));
  const codebook = Codebook.train(rows, config());
  const row = rows.subarray(0, 8);
  const record = new Codec().compress(row, config(), codebook).toBytes();
  const changed = (at: number, value: number): Uint8Array => record.map((byte, i) => (i === at ? value : byte));
  const corpus = new Corpus({
    corpusId: 'c',
    codecConfig: config(),
    codebook,
    compressionPolicy: CompressionPolicy.COMPRESS,
  });
  corpus.insert('a', row);

  const failures: Record<string, () => unknown> = {
    UnsupportedBitWidth: () => config(3),
    InvalidDimension: () => config(2, 0),
    DimensionTooLarge: () => config(2, 16385),
    InsufficientTrainingData: () => Codebook.train(new Float32Array(8), config()),
    CodebookDuplicate: () => Codebook.fromEntries([1, 1, 2, 3], 2),
    CodebookNotSorted: () => Codebook.fromEntries([2, 1, 3, 4], 2),
    InvalidTopK: () => new BruteForceBackend().search(row, 0),
    DimensionMismatch: () => new Codec().compress(row.subarray(1), config(), codebook),
    CodebookIncompatible: () => new Codec().compress(row, config(4), codebook),
    ConfigMismatch: () =>
      new Codec().decompress(
        CompressedVector.fromBytes(record),
        new CodecConfig({ bitWidth: 2, dimension: 8, seed: 7, residualEnabled: false }),
        codebook,
      ),
    InvalidResidualFlag: () => CompressedVector.fromBytes(changed(72, 7)),
    BadMagic: () => Codebook.fromBytes(new Uint8Array(64)),
    UnknownVersion: () => CompressedVector.fromBytes(changed(0, 9)),
    Truncated: () => CompressedVector.fromBytes(record.subarray(0, 50)),
    DuplicateVectorId: () => corpus.insert('a', row),
    UnknownVectorId: () => corpus.get('b'),
  };

  it.each(Object.entries(failures))('%s has the code of the table', (kind, run) => {
    failure(run, codeOf(kind), { kind });
  });

  it('names every code that files fail with', async () => {
    const path = join(ROOT, 'no such file');
    await rejection(() => TqcvReader.open(path), codeOf('Io'));
    await rejection(() => SearchIndex.open(path), codeOf('Io'));
    const tested = new Set([...Object.keys(failures), 'Io', 'InvalidHeader']);
    expect(Object.keys(codes).filter((name) => !tested.has(name) && name !== 'TQCX')).toEqual([]);
  });
});
