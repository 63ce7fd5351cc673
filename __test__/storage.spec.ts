import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  BruteForceBackend,
  Codec,
  CompressionPolicy,
  Corpus,
  CorpusWriter,
  fileInfo,
  TqcvReader,
  TqcvWriter,
  verifyFile,
} from '../index.js';
import { setup } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';

/** Systems whose shell sets limits, and that say what is no folder. */
const isPosix = process.platform !== 'win32';
const DIMENSION = 12;
const ROWS = 60;
const { config: codecConfig, codebook, vectors } = setup(ROWS, { dimension: DIMENSION });
const folder = mkdtempSync(join(tmpdir(), 'tinyquant-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = (extension = 'tq'): string => join(folder, `${count++}.${extension}`);
const row = (i: number): Float32Array => vectors.slice(i * DIMENSION, (i + 1) * DIMENSION);
const policies = [CompressionPolicy.COMPRESS, CompressionPolicy.PASSTHROUGH, CompressionPolicy.FP16];
const options = { corpusId: 'c', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS };

function filled(compressionPolicy = CompressionPolicy.COMPRESS): Corpus {
  const corpus = new Corpus({ ...options, compressionPolicy, metadata: { made: 'here' } });
  for (let i = 0; i < 20; i++) {
    corpus.insert(`vector ${i}`, row(i), i % 2 === 0 ? { i, nested: { list: [i] } } : null, { insertedAt: 1000 * i });
  }
  corpus.remove('vector 3');
  return corpus;
}

/** Everything that can be seen of a corpus. */
const content = (corpus: Corpus): unknown => ({
  entries: [...corpus.entries()].map((entry) => ({ ...entry.toJSON(), bytes: [...entry.compressed.toBytes()] })),
  values: [...corpus.decompressEntries()],
  ids: [...corpus.vectorIds],
  metadata: corpus.metadata,
  summary: corpus.toJSON(),
  codebook: [...corpus.codebook.toBytes()],
  config: corpus.codecConfig.toJSON(),
});

describe('a saved corpus', () => {
  it.each(policies.map((policy) => [policy.kind, policy] as const))('comes back whole under %s', async (_, policy) => {
    const corpus = filled(policy);
    const path = fresh();
    await corpus.save(path);
    const expected = content(corpus);
    for (const mmap of [true, false]) {
      expect(content(await Corpus.open(path, { mmap, verify: true }))).toEqual(expected);
      expect(content(Corpus.openSync(path, { mmap, verify: true }))).toEqual(expected);
    }
    const copy = fresh();
    corpus.saveSync(pathToFileURL(copy));
    expect(readFileSync(copy)).toEqual(readFileSync(path));
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('has the same bytes whatever the clock says', async () => {
    const [a, b] = [fresh(), fresh()];
    await filled().save(a);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await filled().save(b);
    expect(readFileSync(a)).toEqual(readFileSync(b));
  });

  it('can be changed in memory without touching the file', async () => {
    const path = fresh();
    await filled().save(path);
    const before = readFileSync(path);
    using corpus = await Corpus.open(path);
    expect(corpus.pendingEvents()).toEqual([]);
    corpus.insert('new', row(30));
    expect(corpus.remove('vector 7')).toBe(true);
    expect(corpus.remove('vector 7')).toBe(false);
    failure(() => corpus.insert('vector 8', row(8)), 'ERR_TQ_ID_EXISTS');
    expect(corpus.vectorCount).toBe(19);
    expect([...corpus.vectorIds].at(-1)).toBe('new');
    expect(corpus.contains('vector 7')).toBe(false);
    failure(() => corpus.get('vector 7'), 'ERR_TQ_ID_NOT_FOUND');
    expect(readFileSync(path)).toEqual(before);
  });

  it('grows by what changed', async () => {
    const path = fresh();
    const corpus = filled();
    await corpus.save(path, { append: true });
    const size = statSync(path).size;
    const prefix = readFileSync(path).subarray(8192);
    corpus.insert('new', row(40), { is: 'new' });
    corpus.remove('vector 0');
    await corpus.save(path, { append: true });
    expect(statSync(path).size).toBeGreaterThan(size);
    expect(readFileSync(path).subarray(8192, size)).toEqual(prefix);
    const opened = await Corpus.open(path, { verify: true });
    expect(content(opened)).toEqual(content(corpus));
    opened.remove('new');
    opened.insert('vector 0', row(0));
    opened.saveSync(path, { append: true });
    expect(content(await Corpus.open(path, { verify: true }))).toEqual(content(opened));
    expect((await fileInfo(path)).commits).toBe(3);
    // The first corpus does not know what the second one wrote.
    corpus.insert('late', row(41));
    await rejection(() => corpus.save(path, { append: true }), 'ERR_TQ_IO', { kind: 'Changed', path });
    await rejection(() => filled().save(path, { append: true }), 'ERR_TQ_INVALID_ARG');
    await opened.save(path);
    expect((await fileInfo(path)).commits).toBe(1);
    expect(content(await Corpus.open(path))).toEqual(content(opened));
  });

  it('is the corpus at the time of the call', async () => {
    const [path, second] = [fresh(), fresh()];
    const corpus = filled();
    const saves = [corpus.save(path), corpus.save(second)];
    corpus.insert('later', row(50));
    await Promise.all(saves);
    expect((await Corpus.open(path)).contains('later')).toBe(false);
    expect(corpus.contains('later')).toBe(true);
    await corpus.save(second, { append: true });
    expect((await Corpus.open(second)).contains('later')).toBe(true);
  });

  it('is searched without loading it', async () => {
    const path = fresh();
    const corpus = filled();
    await corpus.save(path);
    using opened = await Corpus.open(path);
    const backend = new BruteForceBackend();
    backend.ingest(corpus.decompressEntries());
    const queries = [row(30), row(31), row(2)];
    const done: number[] = [];
    const found = await opened.searchBatch(queries, 5, { onProgress: (progress) => done.push(progress.done) });
    expect(found).toEqual(queries.map((query) => backend.search(query, 5)));
    expect(await opened.search(row(2), 100)).toEqual(backend.search(row(2), 100));
    expect(done.at(-1)).toBe(19);
    expect(await opened.searchBatch(new Float32Array(), 1)).toEqual([]);
    await rejection(() => opened.search(row(1), 0), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidTopK' });
    await rejection(() => opened.search(row(1).subarray(1), 1), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => opened.search(row(1).fill(Number.NaN), 1), 'ERR_TQ_NON_FINITE');
  });

  it('touches only what it reads', async () => {
    const path = fresh();
    const wide = setup(1000, { dimension: 1024 });
    const writer = await CorpusWriter.create(path, {
      ...options,
      codecConfig: wide.config,
      codebook: wide.codebook,
      compressionPolicy: CompressionPolicy.PASSTHROUGH,
    });
    for (let i = 0; i < 20; i++) await writer.write(wide.vectors);
    const { sizeBytes, vectorCount } = await writer.finish();
    expect(sizeBytes).toBeGreaterThan(80e6);
    const body = `const { Corpus } = require(${JSON.stringify(join(__dirname, '..'))});
      const rss = () => process.memoryUsage().rss;
      Corpus.openSync(${JSON.stringify(path)}).close();
      const before = rss();
      const corpus = Corpus.openSync(${JSON.stringify(path)});
      for (let i = 0; i < 10; i++) corpus.get(String(i * 1999));
      console.log(rss() - before, corpus.vectorCount);`;
    const [grown, seen] = execFileSync(process.execPath, ['-e', body], { encoding: 'utf8' }).split(' ').map(Number);
    expect(seen).toBe(vectorCount);
    // The system may map up to 2 MB around each page that is touched.
    expect(grown).toBeLessThan(sizeBytes / 2);
  });

  it('is closed for good', async () => {
    const path = fresh();
    await filled().save(path);
    const corpus = await Corpus.open(path);
    const entry = corpus.get('vector 1');
    corpus.close();
    corpus.close();
    failure(() => corpus.vectorCount, 'ERR_TQ_CLOSED');
    failure(() => corpus.get('vector 1'), 'ERR_TQ_CLOSED');
    failure(() => corpus.insert('x', row(1)), 'ERR_TQ_CLOSED');
    failure(() => [...corpus.entries()], 'ERR_TQ_CLOSED');
    await rejection(() => corpus.save(path), 'ERR_TQ_CLOSED');
    await rejection(() => corpus.search(row(1), 1), 'ERR_TQ_CLOSED');
    expect(entry.compressed.sizeBytes).toBeGreaterThan(0);
    expect(corpus.corpusId).toBe('c');
  });

  it('stops when it is told to', async () => {
    const path = fresh();
    const corpus = filled();
    const reason = new Error('enough');
    expect(await reasonOf(corpus.save(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(existsSync(path)).toBe(false);
    await corpus.save(path);
    expect(await reasonOf(Corpus.open(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await reasonOf(verifyFile(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await reasonOf(corpus.search(row(1), 1, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });
});

describe('a file that is not as it should be', () => {
  it('is told by a code', async () => {
    const path = fresh();
    await filled().save(path);
    const bytes = readFileSync(path);
    const damaged = fresh();
    const cases: [name: string, code: Parameters<typeof rejection>[1], edit: (copy: Buffer) => Buffer][] = [
      ['empty', 'ERR_TQ_TRUNCATED', () => Buffer.alloc(0)],
      ['cut', 'ERR_TQ_TRUNCATED', (copy) => copy.subarray(0, copy.length - 1)],
      ['of another kind', 'ERR_TQ_FORMAT', (copy) => copy.fill('x', 0, 8192)],
      ['of the future', 'ERR_TQ_VERSION', (copy) => copy.fill(9, 4, 5)],
      ['with a damaged head', 'ERR_TQ_CHECKSUM', (copy) => copy.fill(0xaa, 8200, 8201)],
    ];
    for (const [name, code, edit] of cases) {
      writeFileSync(damaged, edit(Buffer.from(bytes)));
      for (const mmap of [true, false]) {
        const error = await rejection(() => Corpus.open(damaged, { mmap }), code);
        expect(error.message, name).toContain(damaged);
        failure(() => Corpus.openSync(damaged, { mmap }), code);
      }
      await rejection(() => verifyFile(damaged), code);
    }
  });

  it('is found by its checksum where nothing else tells', async () => {
    const path = fresh();
    await filled().save(path);
    const bytes = readFileSync(path);
    // The last id of the file: it stands there as text.
    const at = bytes.indexOf('vector 19') + 'vector 1'.length;
    bytes.write('8', at);
    writeFileSync(path, bytes);
    expect((await Corpus.open(path)).vectorCount).toBe(19);
    await rejection(() => verifyFile(path), 'ERR_TQ_CHECKSUM', { section: 'ids', path });
    await rejection(() => Corpus.open(path, { verify: true }), 'ERR_TQ_CHECKSUM');
  });

  it('may shrink while it is read', async () => {
    const path = fresh();
    const writer = await CorpusWriter.create(path, options);
    for (let i = 0; i < 50; i++) await writer.write(vectors);
    await writer.finish();
    const corpus = await Corpus.open(path, { mmap: false });
    truncateSync(path, 9000);
    failure(() => corpus.decompress('2999'), 'ERR_TQ_TRUNCATED', { path });
    await rejection(() => corpus.search(row(0), 1), 'ERR_TQ_TRUNCATED');
  });

  it('is refused by the system', async () => {
    const corpus = filled();
    const missing = join(folder, 'none', 'x.tq');
    await rejection(() => corpus.save(missing), 'ERR_TQ_IO', { errno: 'ENOENT', path: missing });
    await rejection(() => Corpus.open(missing), 'ERR_TQ_IO', { errno: 'ENOENT', path: missing });
    await rejection(() => corpus.save(folder), 'ERR_TQ_IO', { errno: 'EISDIR', path: folder });
    await rejection(() => Corpus.open(folder), 'ERR_TQ_IO', { errno: 'EISDIR', path: folder });
    await rejection(() => fileInfo(missing), 'ERR_TQ_IO', { errno: 'ENOENT' });
    for (const path of ['', 'a\0b', 5, undefined, new URL('https://example.com/x')]) {
      await rejection(() => corpus.save(path as string), 'ERR_TQ_INVALID_ARG');
      await rejection(() => Corpus.open(path as string), 'ERR_TQ_INVALID_ARG');
    }
  });

  it.runIf(isPosix)('is refused below what is no folder', async () => {
    const below = join(fresh('txt'), 'x.tq');
    writeFileSync(join(below, '..'), 'no folder');
    await rejection(() => filled().save(below), 'ERR_TQ_IO', { errno: 'ENOTDIR' });
  });

  it('has metadata that is no JSON', async () => {
    const path = fresh();
    await filled().save(path);
    const bytes = readFileSync(path);
    bytes.write('[[[[[[', bytes.indexOf('{"i":4'));
    writeFileSync(path, bytes);
    const corpus = await Corpus.open(path);
    failure(() => corpus.get('vector 4').metadata, 'ERR_TQ_FORMAT');
  });
});

describe('CorpusWriter', () => {
  it('gives the bytes of one write for many', async () => {
    const [whole, parts] = [fresh(), fresh()];
    const first = await CorpusWriter.create(whole, options);
    await first.write(vectors);
    expect(await first.finish()).toEqual({ vectorCount: ROWS, sizeBytes: statSync(whole).size });
    const second = await CorpusWriter.create(parts, options);
    const writes = Array.from({ length: ROWS }, (_, i) => second.write([row(i)]));
    await Promise.all(writes);
    expect(second.rows).toBe(ROWS);
    await second.finish();
    expect(readFileSync(parts)).toEqual(readFileSync(whole));
    const corpus = await Corpus.open(whole, { verify: true });
    expect([...corpus.vectorIds]).toEqual(Array.from({ length: ROWS }, (_, i) => `${i}`));
    expect(corpus.get('7').insertedAt.getTime()).toBe(0);
  });

  it('keeps ids, metadata and times', async () => {
    const path = fresh();
    await using writer = await CorpusWriter.create(path, { ...options, metadata: { a: 1 } });
    const ids = ['', 'ä', '0', '01'];
    const metadata = [null, { x: 1 }, null, {}];
    await writer.write(vectors.slice(0, 4 * DIMENSION), { ids, metadata, insertedAt: new Date(5) });
    await writer.finish();
    using corpus = await Corpus.open(path, { verify: true });
    expect([...corpus.vectorIds]).toEqual(ids);
    expect(ids.map((id) => corpus.get(id).metadata)).toEqual(metadata);
    expect(corpus.get('0').insertedAt.getTime()).toBe(5);
    expect(corpus.metadata).toEqual({ a: 1 });
  });

  it('takes all rows of a call or none', async () => {
    const path = fresh();
    const writer = await CorpusWriter.create(path, options);
    const two = vectors.slice(0, 2 * DIMENSION);
    await writer.write(two, { ids: ['a', 'b'] });
    await rejection(() => writer.write(two, { ids: ['c', 'a'] }), 'ERR_TQ_ID_EXISTS', { row: 1, id: 'a' });
    await rejection(() => writer.write(two, { ids: ['d', 'd'] }), 'ERR_TQ_ID_EXISTS', { row: 1, id: 'd' });
    const bad = two.slice();
    bad[DIMENSION + 3] = Number.NaN;
    await rejection(() => writer.write(bad, { ids: ['e', 'f'] }), 'ERR_TQ_NON_FINITE', { row: 1, column: 3 });
    await rejection(() => writer.write(two, { ids: ['e'] }), 'ERR_TQ_INVALID_ARG');
    await rejection(() => writer.write(two, { metadata: [null] }), 'ERR_TQ_INVALID_ARG');
    await rejection(() => writer.write(two.subarray(1)), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => writer.write(two, { idz: [] } as object), 'ERR_TQ_INVALID_ARG', { suggestion: 'ids' });
    const owned = vectors.slice(0, DIMENSION);
    await writer.write(owned, { ids: ['c'], transfer: true });
    expect(owned).toHaveLength(0);
    await writer.finish();
    await rejection(() => writer.write(two), 'ERR_TQ_CLOSED');
    await rejection(() => writer.finish(), 'ERR_TQ_CLOSED');
    const corpus = await Corpus.open(path, { verify: true });
    expect([...corpus.vectorIds]).toEqual(['a', 'b', 'c']);
  });

  it('takes records as they are', async () => {
    const [path, plain] = [fresh(), fresh()];
    const batch = await new Codec().compressBatch(vectors, codecConfig, codebook);
    const writer = await CorpusWriter.create(path, options);
    const ids = Array.from({ length: ROWS }, (_, i) => `r${i}`);
    await writer.writeRecords(batch, { ids, insertedAt: 7 });
    await rejection(() => writer.writeRecords(batch, { ids }), 'ERR_TQ_ID_EXISTS', { row: 0 });
    await rejection(() => writer.writeRecords(batch, { ids: ['x'] }), 'ERR_TQ_INVALID_ARG');
    await rejection(() => writer.writeRecords(vectors as never), 'ERR_TQ_INVALID_ARG', { argument: 'batch' });
    const other = setup(3, { dimension: DIMENSION, seed: 7 });
    const foreign = new Codec().compressBatchSync(other.vectors, other.config, other.codebook);
    await rejection(() => writer.writeRecords(foreign), 'ERR_TQ_CONFIG_MISMATCH');
    await writer.finish();
    const twin = await CorpusWriter.create(plain, options);
    await twin.write(vectors, { ids, insertedAt: 7 });
    await twin.finish();
    expect(readFileSync(path)).toEqual(readFileSync(plain));
    const floats = await CorpusWriter.create(fresh(), { ...options, compressionPolicy: CompressionPolicy.FP16 });
    await rejection(() => floats.writeRecords(batch), 'ERR_TQ_POLICY');
    await floats.abort();
  });

  it('is alone with its file, and leaves nothing when it gives up', async () => {
    const path = fresh();
    await filled().save(path);
    const before = readFileSync(path);
    await rejection(() => CorpusWriter.create(path, options), 'ERR_TQ_IO', { errno: 'EEXIST', path });
    const writer = await CorpusWriter.create(path, { ...options, overwrite: true });
    await writer.write(vectors);
    const locked = { kind: 'Locked', path };
    await rejection(() => CorpusWriter.create(path, { ...options, overwrite: true }), 'ERR_TQ_IO', locked);
    await rejection(() => CorpusWriter.append(path), 'ERR_TQ_IO', locked);
    await rejection(() => filled().save(path), 'ERR_TQ_IO', locked);
    await writer.abort();
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    const second = await CorpusWriter.append(path);
    await rejection(() => filled().save(path), 'ERR_TQ_IO', locked);
    await second.write(vectors);
    await second.finish();
    expect((await Corpus.open(path, { verify: true })).vectorCount).toBe(19 + ROWS);
  });

  it('writes through a link', async () => {
    const [path, link] = [fresh(), fresh()];
    await filled().save(path);
    symlinkSync(path, link);
    const corpus = await Corpus.open(link);
    corpus.insert('new', row(0));
    await corpus.save(link);
    expect((await Corpus.open(path)).contains('new')).toBe(true);
  });
});

describe('a writer that dies', () => {
  const program = (body: string): string =>
    `const { Codebook, CodecConfig, CompressionPolicy, Corpus } = require(${JSON.stringify(join(__dirname, '..'))});
     ${body}`;
  const loop = (path: string): string =>
    program(`(async () => {
      const corpus = await Corpus.open(${JSON.stringify(path)});
      process.stdout.write('ready');
      const vector = new Float32Array(${DIMENSION}).fill(1);
      for (let i = 0; ; i++) {
        for (let j = 0; j < 50; j++) corpus.insert(\`\${i}.\${j}\`, vector);
        await corpus.save(${JSON.stringify(path)}, { append: i % 3 !== 0 });
      }
    })();`);

  it('leaves the content before or after a save', async () => {
    const path = fresh();
    await filled().save(path);
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, ['-e', loop(path)], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 15 * round));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const corpus = await Corpus.open(path, { verify: true });
      // Fifty more with every save that was finished.
      expect((corpus.vectorCount - 19) % 50).toBe(0);
      // Another begins anew: the lock is gone, and what was left of a file is taken over.
      await filled().save(path);
      expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    }
  });

  it.runIf(isPosix)('finds no room', async () => {
    const path = fresh();
    await filled().save(path);
    const before = readFileSync(path);
    const body = program(`(async () => {
      const corpus = await Corpus.open(${JSON.stringify(path)});
      const vector = new Float32Array(${DIMENSION}).fill(1);
      for (let i = 0; i < 20000; i++) corpus.insert(\`\${i}\`, vector);
      for (const append of [false, true]) {
        await corpus.save(${JSON.stringify(path)}, { append }).catch((e) => console.log(e.code, e.details.errno, e.details.path));
      }
      console.log(corpus.vectorCount);
    })();`);
    // A limit on the length of files, of 512 or 1024 bytes a unit by the shell: the file is shorter than either, and
    // would become longer. The signal that would end the process is ignored.
    const command = `trap '' XFSZ; ulimit -f 100; exec "$0" -e "$1"`;
    const limited = spawnSync('sh', ['-c', command, process.execPath, body], { encoding: 'utf8' });
    expect(before.length).toBeLessThan(100 * 512);
    expect(limited.stderr).toBe('');
    const line = `ERR_TQ_IO EFBIG ${path}\n`;
    expect(limited.stdout).toBe(`${line}${line}20019\n`);
    expect(content(await Corpus.open(path, { verify: true }))).toEqual(content(filled()));
    expect(readFileSync(path).subarray(0, before.length)).toEqual(before);
  });

  it('finds a full disk', async () => {
    const mount = join(folder, 'full');
    mkdirSync(mount);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]);
    if (mounted.status !== 0) {
      console.log('SKIPPED: a small file system cannot be mounted here; run the tests as root with CAP_SYS_ADMIN');
      return;
    }
    try {
      const path = join(mount, 'c.tq');
      await filled().save(path);
      const corpus = await Corpus.open(path);
      for (let i = 0; i < 9000; i++) corpus.insert(`${i}`, row(0));
      for (const append of [false, true]) {
        await rejection(() => corpus.save(path, { append }), 'ERR_TQ_IO', { errno: 'ENOSPC', path });
        expect((await Corpus.open(path, { verify: true })).vectorCount).toBe(19);
      }
      expect(readdirSync(mount)).toEqual(['c.tq']);
      expect(corpus.vectorCount).toBe(9019);
    } finally {
      execFileSync('umount', ['-l', mount]);
    }
  });
});

describe('TQCV files', () => {
  it('hold records without ids', async () => {
    const path = fresh('tqcv');
    const codec = new Codec();
    const batch = await codec.compressBatch(vectors, codecConfig, codebook);
    const writer = await TqcvWriter.create(path, { codecConfig, metadata: Uint8Array.of(1, 2, 3) });
    await Promise.all([writer.write(batch), writer.write(batch)]);
    expect(await writer.finish()).toEqual({ length: 2 * ROWS, sizeBytes: statSync(path).size });
    await rejection(() => TqcvWriter.create(path, { codecConfig }), 'ERR_TQ_IO', { errno: 'EEXIST' });
    for (const mmap of [true, false]) {
      using reader = await TqcvReader.open(path, { mmap });
      expect(reader.toJSON()).toEqual({
        length: 2 * ROWS,
        dimension: DIMENSION,
        bitWidth: codecConfig.bitWidth,
        hasResidual: codecConfig.residualEnabled,
        configHash: codecConfig.configHash,
      });
      expect(reader.metadata).toEqual(Uint8Array.of(1, 2, 3));
      expect(reader.read(ROWS, ROWS).toBytes()).toEqual(batch.toBytes());
      expect([...reader.batches(50)].map(({ length }) => length)).toEqual([50, 50, 20]);
      failure(() => reader.read(1, 2 * ROWS), 'ERR_TQ_INVALID_ARG');
      reader.close();
      failure(() => reader.length, 'ERR_TQ_CLOSED');
    }
    expect(await verifyFile(path)).toMatchObject({ format: 'tqcv', version: 1, vectorCount: 2 * ROWS });
    const book = fresh('tqcb');
    writeFileSync(book, codebook.toBytes());
    expect(await verifyFile(book)).toEqual({
      format: 'tqcb',
      version: 1,
      sizeBytes: codebook.toBytes().length,
      bitWidth: codebook.bitWidth,
      entries: codebook.numEntries,
    });
  });

  it('are not there until they are finished', async () => {
    const path = fresh('tqcv');
    await using writer = await TqcvWriter.create(path, { codecConfig });
    await writer.write(await new Codec().compressBatch(vectors, codecConfig, codebook));
    expect(existsSync(path)).toBe(false);
    await writer.abort();
    expect(existsSync(path)).toBe(false);
    await rejection(() => writer.finish(), 'ERR_TQ_CLOSED');
    const unfinished = fresh('tqcv');
    const golden = join(__dirname, '../fixtures/golden/tinyquant/tqcv/with_metadata_5.tqcv');
    copyFileSync(golden, unfinished);
    const bytes = readFileSync(unfinished);
    bytes.write('TQCX');
    writeFileSync(unfinished, bytes);
    await rejection(() => TqcvReader.open(unfinished), 'ERR_TQ_TRUNCATED');
  });
});
