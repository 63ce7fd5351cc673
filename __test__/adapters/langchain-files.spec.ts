import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { InMemoryStore } from '@langchain/core/stores';
import { afterAll, describe, expect, it } from 'vitest';
import { TinyQuantVectorStore } from '../../dist/langchain.js';
import { isTinyQuantError, SearchIndex } from '../../index.js';
import { rejection } from '../helpers/failure.js';
import { ROOT } from '../helpers/golden.js';
import { contentOf, PairEmbeddings } from '../helpers/langchain.js';

const base = mkdtempSync(join(tmpdir(), 'tinyquant-langchain-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => join(base, `${folders++}`);

const embeddings = new PairEmbeddings();
const words = (count: number, extra: object = {}): Document[] =>
  Array.from(
    { length: count },
    (_, i) => new Document({ pageContent: `word ${i * i} é\n`, metadata: { i, ...extra }, id: `id-${i}` }),
  );
const load = (path: string, o = {}): Promise<TinyQuantVectorStore> => TinyQuantVectorStore.load(path, embeddings, o);
const sidecarOf = (path: string): string => join(path, 'documents.jsonl');

/** A folder with a store of `count` documents, and what it holds. */
async function saved(count: number): Promise<{ path: string; content: unknown[] }> {
  const path = folder();
  const store = await TinyQuantVectorStore.fromDocuments(words(count), embeddings);
  await store.save(path);
  const content = await contentOf(store);
  store.close();
  return { path, content };
}

describe('a saved store', () => {
  it('comes back with vectors, documents and rows', async () => {
    const path = folder();
    const store = await TinyQuantVectorStore.fromDocuments(words(300), embeddings, { bits: 2, metric: 'dot' });
    await store.delete({ ids: ['id-3', 'id-299'] });
    await store.addDocuments(words(2, { again: true }));
    await store.save(path);
    const same = await load(path);
    expect(await contentOf(same)).toEqual(await contentOf(store));
    expect(same.index?.toJSON()).toEqual(store.index?.toJSON());
    const scored = (each: TinyQuantVectorStore): Promise<unknown> =>
      each.similaritySearchWithScore('word 9', 9, { again: true });
    expect(await scored(same)).toEqual(await scored(store));
    expect(await scored(same)).toHaveLength(2);

    await same.addDocuments(words(1, { third: true }));
    await same.save(path);
    expect(readdirSync(path).length).toBe(2);
    const third = await load(path, { mmap: false, verify: true });
    expect(await third.similaritySearch('word', 9, { third: true })).toHaveLength(1);
    expect(third.size).toBe(same.size);
  });

  it('has the same bytes for the same calls', async () => {
    const bytes = async (): Promise<Buffer[]> => {
      const { path } = await saved(30);
      return readdirSync(path)
        .sort()
        .map((name) => readFileSync(join(path, name)));
    };
    expect(await bytes()).toEqual(await bytes());
  });

  it('may be empty, and keeps what its index is to be', async () => {
    const path = folder();
    const o = { bits: 8, metric: 'l2', seed: 2n ** 63n, originals: 'f16', fit: false, partitions: 1, dim: 64 } as const;
    await new TinyQuantVectorStore(embeddings, o).save(path);
    expect(readdirSync(path)).toEqual(['documents.jsonl']);
    const store = await load(path);
    expect(store.size).toBe(0);
    await store.addDocuments(words(3));
    expect(store.index?.toJSON()).toMatchObject({ bits: 8, metric: 'l2', seed: `${2n ** 63n}`, originals: 'f16' });
    await store.delete({ deleteAll: true });
    await store.save(path);
    const empty = await load(path);
    expect(await empty.similaritySearch('a', 1)).toEqual([]);
    await empty.addDocuments(words(2));
    expect(await empty.similaritySearch('a', 5, { i: 1 })).toHaveLength(1);
  });

  it('leaves documents of the caller where they are', async () => {
    const path = folder();
    const documents = new InMemoryStore<DocumentInterface>();
    const store = await TinyQuantVectorStore.fromDocuments(words(20), embeddings, { documents });
    await store.delete({ ids: ['id-5'] });
    await store.save(path);
    expect(readFileSync(sidecarOf(path), 'utf8')).not.toContain('word');
    const same = await load(path, { documents });
    expect(await contentOf(same)).toEqual(await contentOf(store));
    expect(await same.similaritySearch('word', 9, { i: 7 })).toHaveLength(1);
    await rejection(() => load(path), 'ERR_TQ_INVALID_ARG', { argument: 'documents' });
    await rejection(async () => load((await saved(2)).path, { documents }), 'ERR_TQ_INVALID_ARG');
  });

  it('of an index with unknown rows comes back', async () => {
    const path = folder();
    const documents = new InMemoryStore<DocumentInterface>();
    await documents.mset(words(3).map((each) => [each.id ?? '', each]));
    const vectors = words(3).map(({ pageContent }) => embeddings.vector(pageContent));
    const index = await SearchIndex.build(vectors, { dim: 64, ids: ['id-0', 'id-1', 'id-2'] });
    index.remove(['id-0']);
    await (await TinyQuantVectorStore.fromExistingIndex(embeddings, { index, documents })).save(path);
    const store = await load(path, { documents });
    expect((await store.similaritySearch('a', 5, { i: 2 })).map(({ id }) => id)).toEqual(['id-2']);
  });

  it('takes a file: URL and a folder that is not there, but no file', async () => {
    const path = join(folder(), 'in', 'depth');
    const store = await TinyQuantVectorStore.fromDocuments(words(2), embeddings);
    await store.save(pathToFileURL(path) as never);
    expect((await load(path)).size).toBe(2);
    await rejection(() => store.save(sidecarOf(path)), 'ERR_TQ_IO', { errno: 'EEXIST' });
    await rejection(() => store.save(''), 'ERR_TQ_INVALID_ARG');
    await rejection(() => load(folder()), 'ERR_TQ_IO', { errno: 'ENOENT' });
    await rejection(() => load(path, { verified: true }), 'ERR_TQ_INVALID_ARG', { suggestion: 'verify' });
  });
});

describe('a damaged folder', () => {
  it('is refused whichever byte of the sidecar changed or is missing', async () => {
    const { path } = await saved(3);
    const good = readFileSync(sidecarOf(path));
    const codes = new Set<string>();
    const refused = async (bytes: Uint8Array, what: string): Promise<void> => {
      writeFileSync(sidecarOf(path), bytes);
      const error: unknown = await load(path).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!isTinyQuantError(error)) throw new Error(`${what} gave ${String(error)}`);
      codes.add(error.code);
    };
    for (let at = 0; at < good.length; at++) {
      const bytes = Uint8Array.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 7));
      await refused(bytes, `byte ${at}`);
      await refused(good.subarray(0, at), `length ${at}`);
    }
    await refused(Buffer.concat([good, Buffer.from('{}\n')]), 'a line more');
    expect([...codes].sort()).toEqual(
      expect.arrayContaining(['ERR_TQ_CHECKSUM', 'ERR_TQ_FORMAT', 'ERR_TQ_TRUNCATED', 'ERR_TQ_VERSION']),
    );
    writeFileSync(sidecarOf(path), good);
    expect((await load(path)).size).toBe(3);
  });

  it('is refused where index and sidecar do not belong together', async () => {
    const { path } = await saved(3);
    const other = await saved(4);
    cpSync(join(other.path, 'index-a.tqi'), join(path, 'index-a.tqi'));
    await rejection(() => load(path), 'ERR_TQ_FORMAT', { expected: 4, got: 3 });
    const index = await SearchIndex.build(
      words(3).map(() => [1, 2, 3]),
      { dim: 3, ids: ['id-0', 'id-1', 'x'] },
    );
    await index.save(join(path, 'index-a.tqi'));
    await rejection(() => load(path), 'ERR_TQ_FORMAT', { id: 'x' });
    await (await SearchIndex.build([[1, 2, 3]], { dim: 3 })).save(join(path, 'index-a.tqi'));
    await rejection(() => load(path), 'ERR_TQ_FORMAT');
    writeFileSync(join(path, 'index-a.tqi'), 'no index');
    await rejection(() => load(path), 'ERR_TQ_FORMAT');
    rmSync(join(path, 'index-a.tqi'));
    await rejection(() => load(path), 'ERR_TQ_IO', { errno: 'ENOENT' });
  });

  it('never leads out of the folder, and nothing in it is believed', async () => {
    const { path } = await saved(2);
    const { createHash } = await import('node:crypto');
    const good = readFileSync(sidecarOf(path), 'utf8').trimEnd().split('\n').slice(0, -1);
    const [head = '', first = '', second = ''] = good;
    const write = (lines: string[], count = lines.length - 1): void => {
      const text = lines.map((line) => `${line}\n`).join('');
      const sha256 = createHash('sha256').update(text).digest('hex');
      writeFileSync(sidecarOf(path), `${text}${JSON.stringify({ count, sha256 })}\n`);
    };
    write(good);
    expect((await load(path)).size).toBe(2);
    const nested = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    const wrong: [string[], number?][] = [
      [[head.replace('index-a.tqi', '../index-a.tqi'), first, second]],
      [[head.replace('"index-a.tqi"', 'null'), first, second]],
      [[head.replace('inline', 'elsewhere'), first, second]],
      [[head.replace('"settings":{', '"settings":{"bit":4,'), first, second]],
      [[head.replace('tinyquant-langchain', 'other'), first, second]],
      [[head, first, first]],
      [[head, first]],
      [good, 7],
      [[head, first.replace('"row":0', '"row":1'), second]],
      [[head, first, second.replace('"row":1', '"row":2')]],
      [[head, first, second.replace('"row":1', '"row":-1')]],
      [[head, first, second.replace('"id-1"', '7')]],
      [[head, first, second.replace(/"metadata":.*\}/, '"metadata":[]}')]],
      [[head, first, second.replace(/"metadata":.*\}/, `"metadata":{"a":${nested}}}`)]],
      [[head, first, second.replace(/"pageContent":"[^"]*"/, '"pageContent":null')]],
      [[head, first, '7']],
    ];
    for (const [lines, count] of wrong) {
      write(lines, count);
      await rejection(() => load(path), 'ERR_TQ_FORMAT', { path: sidecarOf(path) });
    }
    write([head.replace('"version":1', '"version":2'), first, second]);
    await rejection(() => load(path), 'ERR_TQ_VERSION', { expected: 1, got: 2 });
  });
});

describe('a save that does not come to its end', () => {
  it('leaves the store that was there', async () => {
    const { path, content } = await saved(5);
    const store = await TinyQuantVectorStore.fromDocuments(words(9), embeddings);
    // A folder in place of the new index file: the file cannot take its name.
    mkdirSync(join(path, 'index-b.tqi', 'x'), { recursive: true });
    await rejection(() => store.save(path), 'ERR_TQ_IO');
    expect(await contentOf(await load(path))).toEqual(content);
    rmSync(join(path, 'index-b.tqi'), { recursive: true });
    store.close();
    await rejection(() => store.save(path), 'ERR_TQ_CLOSED');
    expect(await contentOf(await load(path))).toEqual(content);
  });

  it('leaves the old store or the new one when the process is killed', async () => {
    const { path } = await saved(1);
    const script = `
      import { writeSync } from 'node:fs';
      import { TinyQuantVectorStore } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist', 'langchain.mjs')).href)};
      const embed = (text) => Array.from({ length: 64 }, (_, i) => Math.sin(text.length * (i + 1)));
      const embeddings = { embedDocuments: async (texts) => texts.map(embed), embedQuery: async (text) => embed(text) };
      for (let round = 0; ; round++) {
        const documents = Array.from({ length: 400 + (round % 7) }, (_, i) => ({
          pageContent: 'x'.repeat(i % 90), metadata: { round, count: 400 + (round % 7) }, id: String(i),
        }));
        const store = await TinyQuantVectorStore.fromDocuments(documents, embeddings, { fit: false });
        await store.save(${JSON.stringify(path)});
        store.close();
        writeSync(1, '.');
      }`;
    const rounds = new Set<unknown>();
    for (let run = 0; run < 6; run++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resume) => child.stdout.once('data', resume));
      await new Promise((resume) => setTimeout(resume, run * 14));
      const ended = new Promise((resume) => child.once('close', resume));
      child.kill('SIGKILL');
      await ended;
      const store = await load(path, { verify: true });
      const all = (await contentOf(store)) as { metadata: { round: number; count: number } }[];
      expect(all).toHaveLength(all[0]?.metadata.count ?? 0);
      expect(new Set(all.map(({ metadata }) => metadata.round)).size).toBe(1);
      rounds.add(all[0]?.metadata.round);
      store.close();
    }
    expect(rounds.size).toBeGreaterThan(1);
    // What was cut off is swept away by the saves that follow.
    const store = await load(path);
    await store.save(path);
    await store.save(path);
    expect(readdirSync(path).sort()).toEqual(['documents.jsonl', expect.stringMatching(/^index-[ab]\.tqi$/)]);
  });

  it('is never seen by those who load meanwhile', async () => {
    const { path } = await saved(10);
    let done = false;
    const writer = (async () => {
      for (let round = 0; round < 40; round++) {
        const store = await TinyQuantVectorStore.fromDocuments(words(10 + round, { round }), embeddings);
        await store.save(path);
        store.close();
      }
      done = true;
    })();
    const sizes = new Set<number>();
    while (!done) {
      const store = await load(path);
      const all = (await contentOf(store)) as { metadata: { round?: number } }[];
      expect(all).toHaveLength(10 + (all[0]?.metadata.round ?? 0));
      sizes.add(all.length);
      store.close();
    }
    await writer;
    expect(sizes.size).toBeGreaterThan(1);
    expect(existsSync(sidecarOf(path))).toBe(true);
  });
});
