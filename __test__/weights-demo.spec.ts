import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readVectors } from '../dist/io.js';
import { TensorFile } from '../dist/weights.js';
import { normals } from './helpers/data.js';

type Weights = (name: string) => Float32Array;
interface Encoder {
  readonly TABLE: string;
  readonly layerMatrices: readonly string[];
  tokenizer(vocabulary: string): (text: string) => number[];
  embed(
    weights: Weights,
    texts: readonly number[][],
    watch?: (name: string, inputs: Float32Array) => void,
  ): Float32Array;
}
interface Wheel {
  extract(zip: Buffer, wanted: Readonly<Record<string, string>>, folder: string): string | null;
}

const root = join(__dirname, '..');
const script = async <T>(name: string): Promise<T> =>
  (await import(pathToFileURL(join(root, 'scripts', name)).href)) as T;

/** A zip archive of files, of which those of more than ten bytes are compressed. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const [bodies, directory]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const isStored = text.length <= 10;
    const data = isStored ? Buffer.from(text) : deflateRawSync(text);
    const local = Buffer.alloc(30 + name.length);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.write('PK\x01\x02', 'latin1');
    entry.writeUInt16LE(isStored ? 0 : 8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46);
    bodies.push(local, data);
    directory.push(entry);
    offset += local.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, ...directory, end]);
}

const row = (values: Float32Array, at: number): Float32Array => values.subarray(at * 384, (at + 1) * 384);
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

describe('the scripts of demo:weights', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinyquant-wheel-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('take files out of a wheel', async () => {
    const { extract } = await script<Wheel>('wheel.mjs');
    const long = 'a line that repeats\n'.repeat(50);
    const archive = zip({ 'pkg/short.txt': 'short', 'pkg/model/long.txt': long });
    expect(extract(archive, { a: 'pkg/short.txt', b: 'pkg/missing' }, folder)).toBe('pkg/missing');
    expect(readdirSync(folder)).toEqual([]);
    expect(extract(archive, { a: 'pkg/short.txt', b: 'pkg/model/long.txt' }, folder)).toBeNull();
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('short');
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe(long);
    expect(readdirSync(folder)).toEqual(['a', 'b']);
    expect(() => extract(Buffer.from('no archive'), {}, folder)).toThrow('no zip');
  });

  it('split text into the longest word pieces', async () => {
    const { tokenizer } = await script<Encoder>('minilm.mjs');
    const vocabulary = ['[UNK]', '[CLS]', '[SEP]', 'un', '##aff', '##able', '##a', 'cafe', ',', '!'].join('\n');
    const split = tokenizer(vocabulary);
    expect(split('Unaffable,café!')).toEqual([1, 3, 4, 5, 8, 7, 9, 2]);
    expect(split('unzzz una')).toEqual([1, 0, 3, 6, 2]);
    expect(split('')).toEqual([1, 2]);
    expect(split('un '.repeat(500))).toHaveLength(128);
  });

  it('embed each text by itself, and show the inputs of each matrix', async () => {
    const { embed, layerMatrices, TABLE } = await script<Encoder>('minilm.mjs');
    const made = new Map<string, Float32Array>();
    const make = (name: string): Float32Array => {
      if (name.endsWith('LayerNorm.weight')) return new Float32Array(384).fill(1);
      // Tables have more rows than the texts have ids and places.
      const inner = /\d\.(intermediate|output)\.dense/.test(name) ? 1536 : 384;
      const outputs = name.includes('intermediate') ? 1536 : 384;
      return normals(name.endsWith('bias') ? outputs : inner * 384, name.length).map((value) => 0.05 * value);
    };
    const weights: Weights = (name) => {
      const values = made.get(name) ?? make(name);
      made.set(name, values);
      return values;
    };
    const seen = new Map<string, number>();
    const texts = [[5, 6, 7], [9], [300, 2, 5, 5]];
    const together = embed(weights, texts, (name, inputs) => seen.set(name, inputs.length));
    expect([...seen.keys()].sort()).toEqual([...layerMatrices].sort());
    expect(seen.get('encoder.layer.3.output.dense.weight')).toBe(8 * 1536);
    expect(seen.has(TABLE)).toBe(false);
    texts.forEach((text, at) => {
      const alone = embed(weights, [text]);
      expect(dot(alone, alone)).toBeCloseTo(1, 5);
      expect(row(together, at)).toEqual(alone);
    });
    expect(dot(row(together, 0), row(together, 1))).toBeLessThan(0.999);
  });

  const model = join(root, 'target', 'weights', 'model.safetensors');
  it.skipIf(!existsSync(model))(
    'embed as the encoder that made fixtures/demo (npm run demo:weights fetches it)',
    async () => {
      const { embed, tokenizer } = await script<Encoder>('minilm.mjs');
      const file = TensorFile.openSync(model);
      const weights: Weights = (name) => file.readSync(name).data as Float32Array;
      const demo = join(root, 'fixtures', 'demo');
      const { queries } = JSON.parse(readFileSync(join(demo, 'texts.json'), 'utf8')) as { queries: string[] };
      const split = tokenizer(readFileSync(join(root, 'target', 'weights', 'vocab.txt'), 'utf8'));
      const found = embed(weights, queries.slice(0, 4).map(split));
      const batches = readVectors(join(demo, 'queries.f16.npy'));
      for await (const { vectors } of batches) {
        for (let at = 0; at < 4; at++) expect(dot(row(found, at), row(vectors, at))).toBeGreaterThan(0.9999);
        break;
      }
      file.close();
    },
  );
});
