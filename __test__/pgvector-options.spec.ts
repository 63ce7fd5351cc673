import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { PgvectorBackend, type PostgresPool, SqlFragment, sql } from '../dist/pgvector.js';
import { Codebook, CodecConfig } from '../index.js';
import { normals } from './helpers/data.js';
import { failure, rejection } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';

const codecOf = (dimension: number, bitWidth: 4 | 8 = 4) => {
  const config = new CodecConfig({ bitWidth, dimension });
  return { config, codebook: Codebook.train(normals(4096), config) };
};

type Answer = (text: string) => { rows: unknown[]; rowCount: number | null } | Error;

/** A pool whose one connection answers as it is told, and keeps what it was asked. */
function fakePool(answer: Answer): PostgresPool & { statements: string[]; released: (boolean | undefined)[] } {
  const statements: string[] = [];
  const released: (boolean | undefined)[] = [];
  return {
    statements,
    released,
    connect: async () => ({
      query: async (text) => {
        statements.push(text);
        const result = answer(text);
        if (result instanceof Error) throw result;
        return result;
      },
      release: (destroy) => released.push(destroy),
      on: () => undefined,
      removeListener: () => undefined,
    }),
  };
}

const pool = fakePool(() => ({ rows: [], rowCount: 0 }));

describe('options of PgvectorBackend', () => {
  const good = { pool, table: 't', dimension: 8 };

  it.each<[string, object]>([
    ['nothing', {}],
    ['no table', { table: undefined }],
    ['an empty table', { table: '' }],
    ['NUL in a table', { table: 'a\0b' }],
    ['a table of 64 bytes', { table: 'é'.repeat(32) }],
    ['half a character', { table: '\ud800' }],
    ['a table that is no text', { table: 5 }],
    ['a schema that is no name', { schema: '' }],
    ['both pool and connection string', { connectionString: 'postgres://' }],
    ['neither', { pool: undefined }],
    ['an empty connection string', { pool: undefined, connectionString: '' }],
    ['a pool that is none', { pool: {} }],
    ['no dimension', { dimension: undefined }],
    ['one dimension', { dimension: 1 }],
    ['too many dimensions', { dimension: 16_001, index: 'none' }],
    ['an unknown column', { column: 'sparsevec' }],
    ['an unknown index', { index: 'btree' }],
    ['an unknown metric', { metric: 'l1' }],
    ['bits without a codec', { column: 'bit' }],
    ['a codec without a codebook', { codec: { config: codecOf(8).config } }],
    ['a codec that is none', { codec: { config: {}, codebook: {} } }],
    ['an empty shortlist', { shortlist: 0 }],
    ['a column without a name', { names: { id: '' } }],
    ['two columns of one name', { names: { id: 'metadata' } }],
    ['an unknown column name', { names: { ids: 'x' } }],
    ['an unknown option', { tabel: 't' }],
  ])('refuses %s', (name, change) => {
    const o = name === 'nothing' ? undefined : { ...good, ...change };
    failure(() => new PgvectorBackend(o as never), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses what an index or a codec cannot be for', () => {
    failure(() => new PgvectorBackend({ ...good, dimension: 2001 }), 'ERR_TQ_LIMIT', { expected: 2000, got: 2001 });
    failure(() => new PgvectorBackend({ ...good, dimension: 4001, column: 'halfvec' }), 'ERR_TQ_LIMIT');
    failure(() => new PgvectorBackend({ ...good, codec: codecOf(16) }), 'ERR_TQ_DIM_MISMATCH', {
      expected: 8,
      got: 16,
    });
    const mixed = { config: codecOf(8, 4).config, codebook: codecOf(8, 8).codebook };
    failure(() => new PgvectorBackend({ ...good, codec: mixed }), 'ERR_TQ_CODEBOOK_MISMATCH', { expected: 4, got: 8 });
    expect(new PgvectorBackend({ ...good, dimension: 2001, index: 'none' })).toBeInstanceOf(PgvectorBackend);
    expect(new PgvectorBackend({ ...good, dimension: 4000, column: 'halfvec' })).toBeInstanceOf(PgvectorBackend);
  });

  it('never shows the connection string', () => {
    const secret = 'postgres://user:secret@host/db';
    const given = { pool, connectionString: secret, table: 't', dimension: 8 };
    const error = failure(() => new PgvectorBackend(given), 'ERR_TQ_INVALID_ARG');
    expect(JSON.stringify([error.message, error.details])).not.toContain('secret');
    const wrong = failure(
      () => new PgvectorBackend({ ...given, pool: undefined, connectionString: [secret] } as never),
      'ERR_TQ_INVALID_ARG',
    );
    expect(JSON.stringify([wrong.message, wrong.details])).not.toContain('secret');
  });

  it('refuses options of calls before anything is sent', async () => {
    const store = new PgvectorBackend(good);
    const before = pool.statements.length;
    const query = new Float32Array(8).fill(1);
    const refused = [
      () => store.create({ m: 1 }),
      () => store.create({ buildIndex: 1 as never }),
      () => store.createIndex({ efConstruction: 2 }),
      () => store.createIndex({ lists: 0 }),
      () => store.createIndex({ signal: {} as never }),
      () => store.ingest({ a: query }, { onConflict: 'ignore' as never }),
      () => store.ingest({ a: query }, { signal: 1 as never }),
      () => store.upsert({ a: query }, { onConflict: 'error' } as never),
      () => store.ingestCorpus({} as never),
      () => store.search(query, 1, { exact: 1 as never }),
      () => store.search(query, 1, { shortlist: 1.5 }),
      () => store.search(query, 1, { efSearch: 1001 }),
      () => store.search(query, 1, { probes: 0 }),
      () => store.search(query, 1, { filter: 'a = 1' as never }),
      () => store.search(query, 1, { filter: new Map() as never }),
      () => store.entries({ batchRows: 0 }).next(),
    ];
    for (const call of refused) await rejection(call, 'ERR_TQ_INVALID_ARG');
    expect(pool.statements).toHaveLength(before);
  });
});

describe('sql', () => {
  it('is a fragment for a template, and for nothing else', () => {
    expect(sql`a = ${1} and ${sql`b = ${'x'}`}`).toBeInstanceOf(SqlFragment);
    const looksAlike = Object.assign(['drop table t'], { raw: ['drop table t'] });
    for (const given of ['drop table t', ['drop table t'], looksAlike, undefined, {}]) {
      failure(() => sql(given as never), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => new (SqlFragment as never as new (...given: unknown[]) => unknown)(['x'], []), 'ERR_TQ_INVALID_ARG');
    for (const value of [undefined, () => 1, Symbol('s')]) failure(() => sql`a = ${value}`, 'ERR_TQ_INVALID_ARG');
  });
});

describe('a server with an older pgvector', () => {
  it.each(['0.7.4', '0.5.0'])('%s is refused by its version', async (version) => {
    const old = fakePool((text) => ({
      rows: text.includes('extversion') ? [{ extversion: version }] : [],
      rowCount: 1,
    }));
    const store = new PgvectorBackend({ pool: old, table: 't', dimension: 8 });
    await rejection(() => store.count(), 'ERR_TQ_BACKEND', { got: version, expected: '0.8.0' });
    await rejection(() => store.create(), 'ERR_TQ_BACKEND', { got: version });
    expect(old.statements.at(-1)).toBe('rollback');
    expect(old.released).toEqual([false, false]);
  });
});

describe('errors without words', () => {
  it('name what there is', async () => {
    const causes: [Error, string][] = [
      [new AggregateError([new Error('first'), new Error('second')], ''), 'first; second'],
      [Object.assign(new Error(''), { code: 'EWHATEVER' }), 'EWHATEVER'],
      [Object.assign(new Error('told'), { detail: 'more', hint: 'try' }), 'told (more)'],
    ];
    for (const [cause, words] of causes) {
      const broken = fakePool(() => cause);
      const store = new PgvectorBackend({ pool: broken, table: 't', dimension: 8 });
      const error = await rejection(() => store.count(), 'ERR_TQ_BACKEND');
      expect(error.message).toContain(words);
      expect(error.cause).toBe(cause);
      // The server has said nothing, so that the connection is not trusted any more.
      expect(broken.released).toEqual([true]);
    }
  });
});

describe('a project without the optional packages', () => {
  it('loads, compiles, and is told what to install', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tinyquant-peers-'));
    try {
      const home = join(folder, 'node_modules', 'tinyquant');
      mkdirSync(home, { recursive: true });
      for (const path of ['dist', 'native', 'package.json', 'index.js', 'index.mjs', 'index.d.ts', 'index.d.mts']) {
        cpSync(join(ROOT, path), join(home, path), { recursive: true });
      }
      mkdirSync(join(folder, 'node_modules', '@types'));
      symlinkSync(
        join(ROOT, 'node_modules', '@types', 'node'),
        join(folder, 'node_modules', '@types', 'node'),
        'junction',
      );
      const code = `
        import { isTinyQuantError } from 'tinyquant';
        import { PgvectorBackend } from 'tinyquant/pgvector';
        const store = new PgvectorBackend({ connectionString: 'postgres://127.0.0.1:1/x', table: 't', dimension: 4 });
        const said: string[] = [];
        for (const call of [() => store.count(), () => store.ingest({ a: [1, 2, 3, 4] })]) {
          await call().catch((error: unknown) => {
            if (isTinyQuantError(error)) said.push(error.code + ' ' + error.message);
          });
        }
        console.log(JSON.stringify(said));`;
      const path = join(folder, 'index.mts');
      writeFileSync(path, code);
      const program = ts.createProgram([path], {
        strict: true,
        noEmit: true,
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.NodeNext,
        moduleResolution: ts.ModuleResolutionKind.NodeNext,
        lib: ['lib.es2023.d.ts'],
        types: ['node'],
        typeRoots: [join(folder, 'node_modules', '@types')],
      });
      const complaints = ts
        .getPreEmitDiagnostics(program)
        .map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n'));
      expect(complaints).toEqual([]);
      const script = join(folder, 'index.mjs');
      const { outputText } = ts.transpileModule(code, {
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
      });
      writeFileSync(script, outputText);
      const said = JSON.parse(execFileSync(process.execPath, [script], { cwd: folder, encoding: 'utf8' })) as string[];
      expect(said[0]).toMatch(
        /^ERR_TQ_BACKEND .*package pg, which is not installed \(npm install pg pgvector pg-copy-streams\)/,
      );
      expect(said[1]).toMatch(
        /^ERR_TQ_BACKEND .*package pg-copy-streams, which is not installed \(npm install pg pgvector/,
      );
      expect(said).toHaveLength(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
