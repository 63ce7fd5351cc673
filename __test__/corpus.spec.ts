import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  Codebook,
  CodecConfig,
  CompressionPolicy,
  Corpus,
  type CorpusOptions,
  VectorEntry,
  type Vectors,
} from '../index.js';
import { normals, setup } from './helpers/data.js';
import { failure } from './helpers/failure.js';
import { toBits } from './helpers/golden.js';

const { config, codebook, vectors } = setup(40);
const vector = (i: number): Float32Array => vectors.slice(i * 64, (i + 1) * 64);

function make(options: Partial<CorpusOptions> = {}): Corpus {
  return new Corpus({
    corpusId: 'docs',
    codecConfig: config,
    codebook,
    compressionPolicy: CompressionPolicy.COMPRESS,
    ...options,
  });
}

describe('CompressionPolicy', () => {
  it('has three frozen members', () => {
    expect(CompressionPolicy.COMPRESS.storageDtype()).toBe('uint8');
    expect(CompressionPolicy.PASSTHROUGH.storageDtype()).toBe('float32');
    expect(CompressionPolicy.FP16.storageDtype()).toBe('float16');
    expect(CompressionPolicy.FP16.requiresCodec()).toBe(false);
    expect(Object.isFrozen(CompressionPolicy.COMPRESS)).toBe(true);
    expect(inspect(CompressionPolicy.FP16)).toBe("CompressionPolicy { kind: 'fp16' }");
    failure(() => new (CompressionPolicy as unknown as new (k: string) => unknown)('compress'), 'ERR_TQ_INVALID_ARG');
  });
});

describe('construction', () => {
  it('keeps what it was given', () => {
    const metadata = { model: 'm', tags: ['a', { deep: null }], when: undefined };
    const corpus = make({ metadata });
    expect(corpus).toMatchObject({ corpusId: 'docs', vectorCount: 0, isEmpty: true });
    expect(corpus.codecConfig).toBe(config);
    expect(corpus.codebook).toBe(codebook);
    expect(corpus.compressionPolicy).toBe(CompressionPolicy.COMPRESS);
    metadata.tags.length = 0;
    expect(corpus.metadata).toEqual({ model: 'm', tags: ['a', { deep: null }] });
    expect(Object.isFrozen(corpus.metadata)).toBe(true);
    expect(make().metadata).toBeNull();
    expect(JSON.parse(JSON.stringify(corpus))).toEqual({
      corpusId: 'docs',
      compressionPolicy: 'compress',
      configHash: config.configHash,
      dimension: 64,
      vectorCount: 0,
    });
  });

  it('dates its creation', () => {
    const before = Date.now();
    const [created] = make().pendingEvents();
    expect(created).toMatchObject({ type: 'CorpusCreated', corpusId: 'docs', compressionPolicy: 'compress' });
    expect(created?.timestamp).toBeInstanceOf(Date);
    expect(created?.timestamp.getTime()).toBeGreaterThanOrEqual(before);
    expect(created?.timestamp.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it.each([
    ['corpusId', 5],
    ['corpusId', '\ud800'],
    ['codecConfig', {}],
    ['codebook', Object.create(Codebook.prototype)],
    ['compressionPolicy', 'compress'],
    ['compressionPolicy', Object.create(CompressionPolicy.prototype)],
    ['metadata', []],
    ['metadata', 'text'],
    ['metadata', { f() {} }],
    ['policy', CompressionPolicy.FP16],
  ])('refuses a wrong %s', (key, value) => {
    failure(() => make({ [key]: value }), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses missing options', () => {
    failure(() => new Corpus(undefined as never), 'ERR_TQ_INVALID_ARG');
    failure(() => new Corpus({ corpusId: 'x' } as never), 'ERR_TQ_INVALID_ARG', { argument: 'codecConfig' });
  });

  it('is not cloned', () => {
    const corpus = make();
    const entry = corpus.insert('a', vector(0));
    for (const handle of [corpus, entry, CompressionPolicy.COMPRESS]) {
      expect(() => structuredClone(handle)).toThrow(expect.objectContaining({ name: 'DataCloneError' }));
    }
  });
});

describe('insert', () => {
  it('gives an entry', () => {
    const corpus = make();
    const insertedAt = new Date('2020-01-02T03:04:05.678Z');
    const metadata = { title: 'T', n: 1.5, list: [1, { x: true }] };
    const entry = corpus.insert('a', vector(0), metadata, { insertedAt });
    expect(entry).toBeInstanceOf(VectorEntry);
    expect(entry).toMatchObject({ vectorId: 'a', dimension: 64, hasResidual: true, configHash: config.configHash });
    expect(entry.insertedAt).toEqual(insertedAt);
    expect(entry.metadata).toEqual(metadata);
    metadata.list.length = 0;
    expect(corpus.get('a').metadata).toEqual({ title: 'T', n: 1.5, list: [1, { x: true }] });
    expect(entry.compressed).toBe(entry.compressed);
    expect(entry.compressed.toBytes()).toEqual(corpus.get('a').compressed.toBytes());
    expect(corpus.insert('b', vector(1), null, { insertedAt: 5 }).insertedAt.getTime()).toBe(5);
    expect(corpus.get('b').metadata).toBeNull();
    expect(Math.abs(corpus.insert('c', Array.from(vector(2))).insertedAt.getTime() - Date.now())).toBeLessThan(5000);
    expect(corpus.vectorCount).toBe(3);
    expect(inspect(entry)).toMatch(/^VectorEntry \{ vectorId: 'a', .*\}$/);
  });

  it('takes any text as an id', () => {
    const corpus = make();
    const ids = ['', ' ', '__proto__', 'constructor', '17', 'é', '漢字', '\0', 'a'.repeat(10_000), '😀'];
    for (const [i, id] of ids.entries()) corpus.insert(id, vector(i));
    expect([...corpus.vectorIds]).toEqual(ids);
    expect(corpus.contains('__proto__')).toBe(true);
    expect(corpus.contains('toString')).toBe(false);
    expect(Object.keys(corpus.decompressAll())).toHaveLength(ids.length);
    expect(Object.getPrototypeOf(corpus.decompressAll())).toBeNull();
  });

  it('refuses and changes nothing', () => {
    const corpus = make();
    corpus.insert('a', vector(0));
    corpus.pendingEvents();
    const bad = vector(1);
    bad[9] = Number.POSITIVE_INFINITY;
    failure(() => corpus.insert('a', vector(1)), 'ERR_TQ_ID_EXISTS', { id: 'a' });
    failure(() => corpus.insert('b', new Float32Array(3)), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 3 });
    failure(() => corpus.insert('b', bad), 'ERR_TQ_NON_FINITE', { column: 9 });
    failure(() => corpus.insert('b', new Float64Array(64) as never), 'ERR_TQ_INVALID_ARG');
    for (const id of [5, undefined, null, {}, Symbol.iterator, '\udfff']) {
      failure(() => corpus.insert(id as string, vector(1)), 'ERR_TQ_INVALID_ARG', { argument: 'id' });
    }
    for (const insertedAt of ['2020', Number.NaN, new Date(Number.NaN), 1.5, 1e300]) {
      failure(() => corpus.insert('b', vector(1), null, { insertedAt: insertedAt as number }), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => corpus.insert('b', vector(1), null, { inserted_at: 5 } as never), 'ERR_TQ_INVALID_ARG', {
      suggestion: 'insertedAt',
    });
    expect(corpus.vectorCount).toBe(1);
    expect(corpus.pendingEvents()).toEqual([]);
  });

  it('refuses metadata that is not JSON', () => {
    const corpus = make();
    const cycle: Record<string, unknown> = {};
    cycle.self = { cycle };
    let deep: Record<string, unknown> = {};
    for (let i = 0; i < 200; i++) deep = { deep };
    const holes = [1, 2, 3];
    delete holes[1];
    for (const value of [
      { f: () => 1 },
      { n: 1n },
      { n: Number.NaN },
      { n: [Number.NEGATIVE_INFINITY] },
      { s: Symbol('s') },
      { d: new Date() },
      { m: new Map() },
      { t: new Float32Array(2) },
      { h: holes },
      cycle,
      deep,
      'text',
      [1],
      5,
      new Map(),
    ]) {
      failure(() => corpus.insert('a', vector(0), value as never), 'ERR_TQ_INVALID_ARG');
    }
    expect(corpus.isEmpty).toBe(true);
    const path = failure(() => corpus.insert('a', vector(0), { list: [1, { bad: 1n }] }), 'ERR_TQ_INVALID_ARG');
    expect(path.message).toContain('metadata.list[1].bad');
    const shared = { x: 1 };
    expect(corpus.insert('a', vector(0), { one: shared, two: shared }).metadata).toEqual({ one: shared, two: shared });
    const proto = JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>;
    expect(Object.hasOwn(corpus.insert('p', vector(1), proto).metadata ?? {}, '__proto__')).toBe(true);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('insertBatch', () => {
  const forms: Record<string, Vectors> = {
    'an object': { x: vector(0), y: vector(1), z: vector(2) },
    'a Map': new Map([
      ['x', vector(0)],
      ['y', vector(1)],
      ['z', vector(2)],
    ]),
    'an array': [
      ['x', vector(0)],
      ['y', Array.from(vector(1))],
      ['z', vector(2)],
    ],
    'a null-prototype object': Object.assign(Object.create(null) as Record<string, Float32Array>, {
      x: vector(0),
      y: vector(1),
      z: vector(2),
    }),
  };
  it.each(Object.entries(forms))('takes %s', (_, input) => {
    const corpus = make();
    corpus.pendingEvents();
    const entries = corpus.insertBatch(input, { y: { from: 'record' }, unused: {} }, { insertedAt: 9 });
    expect(entries.map(({ vectorId }) => vectorId)).toEqual(['x', 'y', 'z']);
    expect(entries.map(({ metadata }) => metadata)).toEqual([null, { from: 'record' }, null]);
    expect(corpus.pendingEvents()).toMatchObject([{ type: 'VectorsInserted', vectorIds: ['x', 'y', 'z'], count: 3 }]);
    expect([...corpus.entries()].map(({ insertedAt }) => insertedAt.getTime())).toEqual([9, 9, 9]);
    const single = make();
    single.insert('x', vector(0));
    expect(toBits(corpus.decompress('x'))).toEqual(toBits(single.decompress('x')));
  });

  it('takes a generator that refills one array', () => {
    const corpus = make();
    const reused = new Float32Array(64);
    corpus.insertBatch(
      (function* () {
        for (let i = 0; i < 5; i++) {
          reused.set(vector(i));
          yield [`v${i}`, reused, { i }] as const;
        }
      })(),
      new Map([['v0', { overridden: true }]]),
    );
    for (let i = 0; i < 5; i++) {
      const single = make();
      single.insert('v', vector(i));
      expect(toBits(corpus.decompress(`v${i}`))).toEqual(toBits(single.decompress('v')));
      expect(corpus.get(`v${i}`).metadata).toEqual({ i });
    }
  });

  it('keeps the order of a Map, and puts index-like keys of an object first', () => {
    const ids = ['b', '10', '9', 'a'];
    const ordered = make();
    ordered.insertBatch(new Map(ids.map((id, i) => [id, vector(i)])));
    expect([...ordered.vectorIds]).toEqual(ids);
    expect([...ordered.decompressEntries()].map(([id]) => id)).toEqual(ids);
    const sorted = make();
    sorted.insertBatch(Object.fromEntries(ids.map((id, i) => [id, vector(i)])));
    expect([...sorted.vectorIds]).toEqual(['9', '10', 'b', 'a']);
  });

  it('takes an empty batch without an event', () => {
    const corpus = make();
    corpus.pendingEvents();
    for (const empty of [{}, [], new Map()]) expect(corpus.insertBatch(empty as Vectors)).toEqual([]);
    expect(corpus.pendingEvents()).toEqual([]);
  });

  it('is all or nothing', () => {
    const corpus = make();
    corpus.insert('taken', vector(0));
    corpus.pendingEvents();
    const bad = vector(3);
    bad[4] = Number.NaN;
    const attempts: [unknown, Parameters<typeof failure>[1], object][] = [
      [
        [
          ['a', vector(1)],
          ['taken', vector(2)],
        ],
        'ERR_TQ_ID_EXISTS',
        { id: 'taken' },
      ],
      [
        [
          ['a', vector(1)],
          ['a', vector(2)],
        ],
        'ERR_TQ_ID_EXISTS',
        { id: 'a' },
      ],
      [{ a: vector(1), b: new Float32Array(63) }, 'ERR_TQ_DIM_MISMATCH', { row: 1, expected: 64, got: 63 }],
      [{ a: vector(1), b: bad }, 'ERR_TQ_NON_FINITE', { row: 1, column: 4 }],
      [{ a: vector(1), b: new Float64Array(64) }, 'ERR_TQ_INVALID_ARG', { row: 1 }],
      [{ a: vector(1), b: 'text' }, 'ERR_TQ_INVALID_ARG', { row: 1 }],
      [
        [
          ['a', vector(1)],
          [5, vector(2)],
        ],
        'ERR_TQ_INVALID_ARG',
        {},
      ],
      [
        [
          ['a', vector(1)],
          ['b', vector(2), 'text'],
        ],
        'ERR_TQ_INVALID_ARG',
        {},
      ],
      [[['a', vector(1)], 'b'], 'ERR_TQ_INVALID_ARG', { row: 1 }],
      [[['a']], 'ERR_TQ_INVALID_ARG', { row: 0 }],
      [vectors, 'ERR_TQ_INVALID_ARG', {}],
      ['ab', 'ERR_TQ_INVALID_ARG', {}],
      [null, 'ERR_TQ_INVALID_ARG', {}],
      [(async function* () {})(), 'ERR_TQ_INVALID_ARG', {}],
    ];
    for (const [input, code, details] of attempts) {
      failure(() => corpus.insertBatch(input as Vectors), code, details);
      expect([...corpus.vectorIds]).toEqual(['taken']);
    }
    failure(() => corpus.insertBatch({ a: vector(1) }, 5 as never), 'ERR_TQ_INVALID_ARG');
    expect(corpus.pendingEvents()).toEqual([]);
  });

  it('leaves no trace of an iterable that throws', () => {
    const corpus = make();
    const boom = new Error('boom');
    let closed = false;
    const broken = function* (): Generator<[string, Float32Array]> {
      try {
        yield ['a', vector(0)];
        yield ['b', new Float64Array(64) as never];
      } finally {
        closed = true;
      }
    };
    failure(() => corpus.insertBatch(broken()), 'ERR_TQ_INVALID_ARG');
    expect(closed).toBe(true);
    const throwing = function* (): Generator<[string, Float32Array]> {
      yield ['a', vector(0)];
      throw boom;
    };
    expect(() => corpus.insertBatch(throwing())).toThrow(boom);
    expect(corpus.isEmpty).toBe(true);
    expect(corpus.insertBatch([['a', vector(0)]])).toHaveLength(1);
  });
});

describe('reading', () => {
  it('answers only to text', () => {
    const corpus = make();
    for (const id of [5, undefined, {}]) {
      for (const name of ['get', 'contains', 'remove', 'decompress'] as const) {
        failure(() => corpus[name](id as string), 'ERR_TQ_INVALID_ARG', { argument: 'id' });
      }
    }
  });

  it('hands out one snapshot of the ids until the corpus changes', () => {
    const corpus = make();
    corpus.insert('a', vector(0));
    const before = corpus.vectorIds;
    expect(corpus.vectorIds).toBe(before);
    failure(() => (before as Set<string>).add('x'), 'ERR_TQ_INVALID_ARG');
    failure(() => (before as Set<string>).delete('a'), 'ERR_TQ_INVALID_ARG');
    failure(() => (before as Set<string>).clear(), 'ERR_TQ_INVALID_ARG');
    corpus.insert('b', vector(1));
    expect([...before]).toEqual(['a']);
    expect([...corpus.vectorIds]).toEqual(['a', 'b']);
    corpus.remove('a');
    expect([...corpus.vectorIds]).toEqual(['b']);
  });

  it('reads every entry and every vector in order, over many chunks', () => {
    const wide = setup(1, { dimension: 512, bitWidth: 2, residualEnabled: false });
    const corpus = make({
      codecConfig: wide.config,
      codebook: wide.codebook,
      compressionPolicy: CompressionPolicy.FP16,
    });
    const data = normals(600 * 512, 4);
    corpus.insertBatch(Array.from({ length: 600 }, (_, i) => [`v${i}`, data.slice(i * 512, (i + 1) * 512)] as const));
    corpus.pendingEvents();
    const ids = Array.from({ length: 600 }, (_, i) => `v${i}`);
    expect([...corpus.entries()].map(({ vectorId }) => vectorId)).toEqual(ids);
    const pairs = [...corpus.decompressEntries()];
    expect(pairs.map(([id]) => id)).toEqual(ids);
    for (const [id, values] of pairs) expect(toBits(values)).toEqual(toBits(corpus.decompress(id)));
    expect(new Set(pairs.map(([, values]) => values.buffer)).size).toBe(600);
    expect(corpus.pendingEvents()).toEqual([]);
  });

  it('survives changes during an iteration', () => {
    const corpus = make();
    corpus.insertBatch(Array.from({ length: 600 }, (_, i) => [`v${i}`, vector(i % 40)] as const));
    let seen = 0;
    for (const entry of corpus.entries()) {
      if (seen++ === 0) {
        for (let i = 300; i < 600; i++) corpus.remove(`v${i}`);
        corpus.insert('late', vector(0));
      }
      expect(entry.vectorId).not.toBe('late');
    }
    expect(seen).toBe(300);
    const names: string[] = [];
    for (const [id] of corpus.decompressEntries()) {
      if (names.push(id) === 1) corpus.remove('v299');
    }
    expect(names[0]).toBe('v0');
  });

  it('records one event for reconstructing all, none for an empty corpus', () => {
    const corpus = make();
    expect(corpus.decompressAll()).toEqual(Object.create(null));
    corpus.insertBatch({ a: vector(0), b: vector(1) });
    corpus.pendingEvents();
    corpus.decompressAll();
    expect(corpus.pendingEvents()).toMatchObject([{ type: 'CorpusDecompressed', vectorCount: 2 }]);
  });

  it('refuses forged objects', () => {
    const forged = Object.create(Corpus.prototype) as Corpus;
    failure(() => forged.vectorCount, 'ERR_TQ_INVALID_ARG');
    failure(() => forged.insert('a', vector(0)), 'ERR_TQ_INVALID_ARG');
    failure(() => [...forged.entries()], 'ERR_TQ_INVALID_ARG');
    failure(() => (Object.create(VectorEntry.prototype) as VectorEntry).vectorId, 'ERR_TQ_INVALID_ARG');
    failure(() => new (VectorEntry as unknown as new () => unknown)(), 'ERR_TQ_INVALID_ARG');
  });
});

describe('policies', () => {
  it('pass through bit for bit', () => {
    const corpus = make({ compressionPolicy: CompressionPolicy.PASSTHROUGH });
    const values = vector(0);
    values[0] = -0;
    values[1] = 1e-45;
    corpus.insert('a', values);
    expect(toBits(corpus.decompress('a'))).toEqual(toBits(values));
    expect(corpus.get('a').compressed.sizeBytes).toBe(256);
  });

  it('round to half precision, and refuse what does not fit', () => {
    const corpus = make({ compressionPolicy: CompressionPolicy.FP16 });
    corpus.insert('a', vector(0));
    for (const [i, value] of corpus.decompress('a').entries()) {
      expect(Math.abs(value - (vector(0)[i] ?? 0))).toBeLessThanOrEqual(Math.abs(value) * 2 ** -10);
    }
    failure(() => corpus.insert('b', new Float32Array(64).fill(70_000)), 'ERR_TQ_LIMIT', { column: 0 });
    expect(corpus.vectorCount).toBe(1);
  });

  it('check the configuration only where the codec is used', () => {
    const codecConfig = new CodecConfig({ bitWidth: 2, dimension: 64 });
    expect(make({ codecConfig, compressionPolicy: CompressionPolicy.FP16 }).insert('a', vector(0)).vectorId).toBe('a');
    failure(() => make({ codecConfig }).insert('a', vector(0)), 'ERR_TQ_CODEBOOK_MISMATCH');
    failure(() => make({ codecConfig }).insertBatch({ a: vector(0) }), 'ERR_TQ_CODEBOOK_MISMATCH');
  });
});
