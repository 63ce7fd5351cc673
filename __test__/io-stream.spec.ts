import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import {
  chmodSync,
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readVectors, type VectorBatch, writeVectors } from '../dist/io.js';
import { runNode } from './helpers/child.js';
import { reasonOf, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';
import { collect, encode, npy, openFiles, read, scratch } from './helpers/io.js';

const folder = scratch();
const WIDTH = 256;
const ROW_BYTES = 4 * WIDTH;
const batchOf = (rows: number, value = 1): VectorBatch => ({
  vectors: new Float32Array(rows * WIDTH).fill(value),
  rows,
  dimension: WIDTH,
});
const linux = process.platform === 'linux';
/** Systems with permissions by mode, and that say what is no folder. */
const posix = process.platform !== 'win32';

describe('a reader', () => {
  it('runs one batch ahead of its consumer, and no more', async () => {
    let given = 0;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 100; i++) {
        given++;
        yield new Uint8Array(ROW_BYTES);
      }
    };
    let taken = 0;
    for await (const { rows } of readVectors(source(), { format: 'raw', dimension: WIDTH, batchRows: 4 })) {
      taken += rows;
      await sleep(5);
      expect(given).toBe(Math.min(100, taken + 4));
    }
    expect(taken).toBe(100);
  });

  it('answers calls that overlap in their order, and none after it is closed', async () => {
    const path = folder.file('overlap.f32', encode([0, 1, 2, 3, 4, 5, 6], 'f4'));
    const reading = readVectors(path, { dimension: 1, batchRows: 1 })[Symbol.asyncIterator]();
    const taken: number[] = [];
    for (let i = 0; i < 2; i++) {
      const results = await Promise.all([reading.next(), reading.next()]);
      for (const { value } of results) taken.push(...(value?.vectors ?? []));
    }
    expect(taken).toEqual([0, 1, 2, 3]);
    await reading.return?.();
    expect(await reading.next()).toEqual({ done: true, value: undefined });
  });

  it('takes a path as a file: URL', async () => {
    const path = folder.file('of a url.f32');
    await writeVectors(pathToFileURL(path), [batchOf(2)]);
    expect((await collect(readVectors(pathToFileURL(path), { dimension: WIDTH }))).batches).toEqual([2]);
    await rejection(async () => readVectors(new URL('https://example.org/a.npy')), 'ERR_TQ_INVALID_ARG');
  });

  it('opens nothing before the first batch is asked for', async () => {
    const reader = readVectors(folder.file('nothing.npy'));
    writeFileSync(folder.file('nothing.npy'), npy({ shape: [1, 1], data: encode([5], 'f4') }));
    expect((await collect(reader)).vectors).toEqual([5]);
  });

  it.runIf(linux).each(['npy', 'parquet', 'arrow', 'arrows', 'jsonl', 'csv', 'fvecs', 'f32'])(
    'of %s closes its file at the end, on leaving the loop, after an error and on abort',
    async (extension) => {
      const path = folder.file(`open.${extension}`);
      await writeVectors(path, [batchOf(50)], { overwrite: true });
      const options = { batchRows: 5, ...(extension === 'f32' ? { dimension: WIDTH } : {}) };
      await read(path, options);
      expect(openFiles(folder.path)).toEqual([]);
      for await (const batch of readVectors(path, options)) {
        expect(batch.rows).toBe(5);
        expect(openFiles(folder.path)).toEqual([path]);
        break;
      }
      expect(openFiles(folder.path)).toEqual([]);
      await rejection(
        () => read(path, { ...options, dimension: 7 }),
        extension === 'f32' ? 'ERR_TQ_TRUNCATED' : 'ERR_TQ_DIM_MISMATCH',
      );
      expect(openFiles(folder.path)).toEqual([]);

      const controller = new AbortController();
      const { signal } = controller;
      const reason = new Error('enough');
      const aborted = async (): Promise<void> => {
        for await (const batch of readVectors(path, { ...options, signal })) {
          expect(batch.rows).toBe(5);
          controller.abort(reason);
        }
      };
      expect(await reasonOf(aborted())).toBe(reason);
      expect(openFiles(folder.path)).toEqual([]);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    },
  );

  it('that is aborted before it begins gives the reason, and opens nothing', async () => {
    const reason = { any: 'value' };
    const signal = AbortSignal.abort(reason);
    const reader = readVectors(folder.file('absent.npy'), { signal });
    expect(await reasonOf(collect(reader))).toBe(reason);
  });

  /** A stream that gives one chunk and then nothing, ever. */
  function stuck(chunk: Uint8Array): PassThrough {
    const stream = new PassThrough();
    stream.write(chunk);
    return stream;
  }

  it.each(['raw', 'npy', 'jsonl', 'fvecs', 'csv', 'arrow'] as const)(
    'of %s stops waiting for a stream on abort',
    async (format) => {
      const stream = stuck(
        format === 'npy' ? npy({ shape: [9, 1], data: new Uint8Array(4) }).subarray(0, 40) : new Uint8Array(0),
      );
      const controller = new AbortController();
      const options = { format, signal: controller.signal, ...(format === 'raw' ? { dimension: 1 } : {}) };
      const pending = read(stream, options);
      setTimeout(() => controller.abort(), 20);
      expect(await reasonOf(pending)).toBe(controller.signal.reason);
      expect(stream.destroyed).toBe(true);
    },
  );

  it('leaves a stream that has nothing more to give', async () => {
    const stream = stuck(encode([1, 2, 3], 'f4'));
    for await (const { rows } of readVectors(stream, { format: 'raw', dimension: 1, batchRows: 2 })) {
      expect(rows).toBe(2);
      break;
    }
    expect(stream.destroyed).toBe(true);
  });

  it('tells a generator that it is done, and passes its error through', async () => {
    let returned = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield encode([1, 2], 'f4');
      } finally {
        returned = true;
      }
    };
    expect(await read(endless(), { format: 'raw', dimension: 1, limit: 5 })).toMatchObject({
      vectors: [1, 2, 1, 2, 1],
    });
    expect(returned).toBe(true);

    const reason = new RangeError('mine');
    for (const format of ['raw', 'npy', 'jsonl', 'csv', 'fvecs', 'arrow'] as const) {
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(0);
        throw reason;
      };
      expect(await reasonOf(read(failing(), { format, ...(format === 'raw' ? { dimension: 1 } : {}) }))).toBe(reason);
    }
    const text = async function* (): AsyncGenerator<Uint8Array> {
      yield '[1]' as never;
    };
    await rejection(() => read(text(), { format: 'jsonl' }), 'ERR_TQ_INVALID_ARG');
  });

  it.runIf(linux)('takes a pipe by its path', async () => {
    const path = folder.file('pipe.jsonl');
    execFileSync('mkfifo', [path]);
    const pending = read(path);
    const pipe = createWriteStream(path);
    pipe.end('[1,2]\n[3,4]\n');
    expect((await pending).vectors).toEqual([1, 2, 3, 4]);
    const unread = read(path, { limit: 0 });
    createWriteStream(path).end();
    expect((await unread).batches).toEqual([]);
    // The writing end is open in this process, too, for a moment.
    await expect.poll(() => openFiles(folder.path)).toEqual([]);
  });

  it.runIf(linux)('stops waiting for the other end of a pipe on abort', async () => {
    const path = folder.file('lonely.jsonl');
    execFileSync('mkfifo', [path]);
    const controller = new AbortController();
    const pending = read(path, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect(await reasonOf(pending)).toBe(controller.signal.reason);
    // Lets the thread go that still opens it.
    createWriteStream(path).end();
    await expect.poll(() => openFiles(folder.path)).toEqual([]);
  });

  it('takes a Node stream, whatever its chunks', async () => {
    const path = folder.file(
      'node.npy',
      npy({ dtype: '<f8', shape: [300, 3], data: encode(new Array(900).fill(2.5), 'f8') }),
    );
    for (const highWaterMark of [3, 100, 1 << 16]) {
      const result = await read(createReadStream(path, { highWaterMark }), { format: 'npy', batchRows: 7 });
      expect(result.vectors).toEqual(new Array(900).fill(2.5));
    }
  });
});

describe('a writer', () => {
  const names = (): string[] => readdirSync(folder.path).filter((name) => name.includes('target'));

  it('takes the next batch when the last one has gone out', async () => {
    let given = 0;
    let received = 0;
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _, done) {
        setTimeout(() => {
          received += chunk.length;
          done();
        }, 3);
      },
    });
    const source = function* (): Generator<VectorBatch> {
      for (let i = 0; i < 20; i++) {
        expect(given * ROW_BYTES).toBe(received);
        given++;
        yield batchOf(1);
      }
    };
    expect(await writeVectors(slow, source(), { format: 'raw' })).toEqual({ rows: 20, sizeBytes: 20 * ROW_BYTES });
    expect(received).toBe(20 * ROW_BYTES);
    expect(slow.writableFinished).toBe(true);
  });

  it.each(['npy', 'fvecs', 'f32', 'jsonl', 'csv', 'parquet', 'arrow', 'arrows'])(
    'of %s leaves no trace of a failure',
    async (extension) => {
      const fresh = folder.file(`target-fresh.${extension}`);
      const old = folder.file(`target-old.${extension}`, 'the old content');
      const before = names();
      const reason = new Error('the source failed');
      const failing = async function* (): AsyncGenerator<VectorBatch> {
        yield batchOf(5000);
        throw reason;
      };
      expect(await reasonOf(writeVectors(fresh, failing()))).toBe(reason);
      expect(await reasonOf(writeVectors(old, failing(), { overwrite: true }))).toBe(reason);

      const controller = new AbortController();
      const { signal } = controller;
      const endless = async function* (): AsyncGenerator<VectorBatch> {
        for (let i = 0; ; i++) {
          if (i === 3) controller.abort();
          yield batchOf(100);
        }
      };
      expect(await reasonOf(writeVectors(old, endless(), { overwrite: true, signal }))).toBe(signal.reason);
      expect(names()).toEqual(before);
      expect(readFileSync(old, 'utf8')).toBe('the old content');
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      if (linux) expect(openFiles(folder.path)).toEqual([]);
    },
  );

  it('aborts while its source is silent', async () => {
    const controller = new AbortController();
    let returned = false;
    const silent: AsyncIterable<VectorBatch> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: async () => {
          returned = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const path = folder.file('target-silent.npy');
    const pending = writeVectors(path, silent, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect(await reasonOf(pending)).toBe(controller.signal.reason);
    expect(returned).toBe(true);
    expect(names().filter((name) => name.includes('silent'))).toEqual([]);
  });

  it('replaces a file only when told to, and then at once', async () => {
    const path = folder.file('target-exists.f32', 'old');
    const details = { errno: 'EEXIST', path };
    let asked = false;
    const source = function* (): Generator<VectorBatch> {
      asked = true;
      yield batchOf(1);
    };
    await rejection(() => writeVectors(path, source()), 'ERR_TQ_IO', details);
    expect(asked).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe('old');

    const seen: string[] = [];
    const watched = async function* (): AsyncGenerator<VectorBatch> {
      for (let i = 0; i < 3; i++) {
        yield batchOf(1);
        seen.push(readFileSync(path, 'utf8'));
      }
    };
    await writeVectors(path, watched(), { overwrite: true });
    expect(seen).toEqual(['old', 'old', 'old']);
    expect(statSync(path).size).toBe(3 * ROW_BYTES);

    const late = folder.file('target-late.f32');
    const racing = async function* (): AsyncGenerator<VectorBatch> {
      yield batchOf(1);
      writeFileSync(late, 'another program');
    };
    await rejection(() => writeVectors(late, racing()), 'ERR_TQ_IO', { errno: 'EEXIST', path: late });
    expect(readFileSync(late, 'utf8')).toBe('another program');
    expect(names().filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('refuses an undefined batch instead of ending there', async () => {
    const path = folder.file('target-undefined.f32');
    await rejection(() => writeVectors(path, [batchOf(1), undefined as never, batchOf(1)]), 'ERR_TQ_INVALID_ARG');
    expect(existsSync(path)).toBe(false);
  });

  it('joins single rows into a group of a table in time that grows with their number', async () => {
    const row = { vectors: new Float32Array(64), rows: 1, dimension: 64 };
    const started = performance.now();
    const { rows } = await writeVectors(folder.file('single.parquet'), new Array<VectorBatch>(16_384).fill(row));
    expect(rows).toBe(16_384);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it.runIf(posix)('keeps a link and the permissions of what it replaces', async () => {
    const path = folder.file('target-linked.f32', 'old');
    const link = folder.file('target-link.f32');
    chmodSync(path, 0o662);
    symlinkSync(path, link);
    await writeVectors(link, [batchOf(1)], { overwrite: true });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(path)).toMatchObject({ size: ROW_BYTES, mode: 0o100662 });
  });

  it('says what the system refused', async () => {
    const missing = join(folder.path, 'no', 'such', 'folder.npy');
    await rejection(() => writeVectors(missing, [batchOf(1)]), 'ERR_TQ_IO', {
      errno: 'ENOENT',
      path: missing,
      syscall: 'open',
    });
  });

  it.runIf(posix)('says that a part of the path is no folder, or is locked', async () => {
    const under = join(folder.file('target-file', ''), 'a.npy');
    await rejection(() => writeVectors(under, [batchOf(1)]), 'ERR_TQ_IO', { errno: 'ENOTDIR', path: under });
    if (process.getuid?.() !== 0) {
      const locked = folder.file('locked');
      mkdirSync(locked, { mode: 0o500 });
      await rejection(() => writeVectors(join(locked, 'a.npy'), [batchOf(1)]), 'ERR_TQ_IO', { errno: 'EACCES' });
    }
  });

  it.runIf(linux)('reports a full device, and a file beyond its limit', async () => {
    await rejection(() => writeVectors('/dev/full', [batchOf(1)], { format: 'raw' }), 'ERR_TQ_IO', {
      errno: 'ENOSPC',
      path: '/dev/full',
      syscall: 'write',
    });
    // EFBIG stands for a disk that is full in the middle of a file: two rows of 4 MiB, and a limit of 2 or 4 MiB by the
    // unit of the shell.
    const path = folder.file('target-large.f32', 'old');
    const script = folder.file(
      'limited.cjs',
      `process.on('SIGXFSZ', () => {});
       const { writeVectors } = require(${JSON.stringify(join(ROOT, 'dist/io.js'))});
       const batch = { vectors: new Float32Array(1 << 20), rows: 1, dimension: 1 << 20 };
       writeVectors(${JSON.stringify(path)}, [batch, batch], { overwrite: true })
         .catch(({ code, details }) => console.log(code, details.errno, details.path));`,
    );
    const command = `ulimit -f 4096; exec "${process.execPath}" "${script}"`;
    const output = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(output.trim()).toBe(`ERR_TQ_IO EFBIG ${path}`);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(names().filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('passes the error of a stream through, and destroys the stream on its own', async () => {
    const reason = Object.assign(new Error('closed'), { code: 'EPIPE' });
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(reason) });
    expect(await reasonOf(writeVectors(broken, [batchOf(1), batchOf(1)], { format: 'csv' }))).toBe(reason);

    const sink = new PassThrough();
    sink.resume();
    await rejection(() => writeVectors(sink, [{} as never], { format: 'csv' }), 'ERR_TQ_INVALID_ARG');
    expect(sink.destroyed).toBe(true);

    const last = new Writable({ write: (_chunk, _encoding, done) => done(), final: (done) => done(reason) });
    expect(await reasonOf(writeVectors(last, [batchOf(1)], { format: 'csv' }))).toBe(reason);

    const closing = new Writable({ write: () => closing.destroy() });
    expect(await reasonOf(writeVectors(closing, [batchOf(1)], { format: 'csv' }))).toBeInstanceOf(Error);

    const untouched = new PassThrough();
    await rejection(() => writeVectors(untouched, [batchOf(1)], { format: 'npy' }), 'ERR_TQ_INVALID_ARG', {
      argument: 'target',
    });
    expect(untouched.destroyed).toBe(false);
  });

  it('streams every format that needs no going back', async () => {
    for (const format of ['fvecs', 'raw', 'jsonl', 'csv', 'parquet', 'arrow'] as const) {
      const path = folder.file(`streamed.${format}`);
      await writeVectors(createWriteStream(path), [batchOf(3), batchOf(2, 2)], { format });
      const { vectors } = await read(path, { format, dimension: WIDTH });
      expect(vectors).toEqual([...batchOf(3).vectors, ...batchOf(2, 2).vectors]);
    }
  });

  it('does not end stdout', async () => {
    const { stdout, code } = await runNode(`
      const { writeVectors } = require('./dist/io.js');
      writeVectors(process.stdout, [{ vectors: Float32Array.of(1, 2), rows: 1, dimension: 2 }], { format: 'csv' })
        .then(({ sizeBytes }) => console.log('after', sizeBytes));`);
    expect({ stdout, code }).toEqual({ stdout: '1,2\nafter 4\n', code: 0 });
  });

  it('and a reader leave nothing that keeps the process alive', async () => {
    const path = folder.file('alive.npy');
    const started = performance.now();
    const { stdout } = await runNode(`
      const { readVectors, writeVectors } = require('./dist/io.js');
      (async () => {
        await writeVectors(${JSON.stringify(path)}, [{ vectors: new Float32Array(1000), rows: 10, dimension: 100 }]);
        const iterator = readVectors(${JSON.stringify(path)}, { batchRows: 1 })[Symbol.asyncIterator]();
        console.log((await iterator.next()).value.rows);
        await iterator.return();
      })();`);
    expect(stdout).toBe('1\n');
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(existsSync(path)).toBe(true);
  });
});

describe('the entry', () => {
  it('loads the libraries of tables only when they are needed', async () => {
    const { stdout } = await runNode(`
      const { readVectors } = require('./dist/io.js');
      const loaded = () => Object.keys(require.cache).filter((name) => /parquet|arrow/i.test(name)).length;
      (async () => {
        const counts = [loaded()];
        for await (const batch of readVectors('fixtures/demo/queries.f16.npy')) counts.push(loaded());
        for await (const batch of readVectors('fixtures/io/snappy.parquet')) counts.push(loaded() > 0);
        console.log(JSON.stringify(counts));
      })();`);
    expect(stdout.trim()).toBe('[0,0,true]');
  });

  it('is the same to ESM and CommonJS, and throws the class of the root', async () => {
    const { stdout, stderr } = await runNode(
      `import { readVectors, VECTOR_FORMATS } from 'tinyquant/io';
       import { TinyQuantError } from 'tinyquant';
       import { createRequire } from 'node:module';
       const common = createRequire(process.cwd() + '/x.js')('tinyquant/io');
       let thrown; try { readVectors('x.unknown'); } catch (error) { thrown = error; }
       console.log(common.readVectors === readVectors, thrown instanceof TinyQuantError, VECTOR_FORMATS.length);`,
      { args: ['--input-type=module'] },
    );
    expect(stdout.trim(), stderr).toBe('true true 7');
  });
});
