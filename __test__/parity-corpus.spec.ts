import { describe, expect, it } from 'vitest';
import { BruteForceBackend, CodecConfig, CompressionPolicy, Corpus } from '../index.js';
import * as deviations from './helpers/deviations.js';
import { failure } from './helpers/failure.js';
import { goldenCodebook, readFloats, readJson, row, sha256, toBits } from './helpers/golden.js';

describe.each(['COMPRESS', 'PASSTHROUGH', 'FP16'] as const)('corpus scenario %s', (policy) => {
  interface Scenario {
    value: string;
    requires_codec: boolean;
    entry: {
      dimension: number;
      has_residual: boolean;
      config_hash: string;
      compressed_dimension: number;
      compressed_bit_width: number;
      size_bytes: number;
      to_bytes_sha256: string;
    };
    decompressed_sha256: Record<string, string>;
  }
  const golden = readJson<Record<string, Scenario>>('corpus/scenarios.json')[policy] as Scenario;
  const codecConfig = new CodecConfig({ bitWidth: 4, dimension: 64 });
  const vectors = readFloats('d64/vectors_n200.f32.bin');
  const [a, b, c] = [30, 31, 32].map((i) => row(vectors, i, 64)) as [Float32Array, Float32Array, Float32Array];

  it('gives the same entries, bytes, events and errors', () => {
    const compressionPolicy = CompressionPolicy[policy];
    const corpus = new Corpus({ corpusId: 'corp', codecConfig, codebook: goldenCodebook(4), compressionPolicy });
    expect(compressionPolicy.kind).toBe(golden.value);
    expect(compressionPolicy.requiresCodec()).toBe(golden.requires_codec);
    corpus.insert('b', b);
    corpus.insert('a', a);
    const entry = corpus.insert('c', c);
    expect(entry).toMatchObject({
      vectorId: 'c',
      dimension: golden.entry.dimension,
      hasResidual: golden.entry.has_residual,
      configHash: golden.entry.config_hash,
    });
    expect(entry.compressed).toMatchObject({
      dimension: golden.entry.compressed_dimension,
      bitWidth: golden.entry.compressed_bit_width,
      sizeBytes: golden.entry.size_bytes,
      configHash: golden.entry.config_hash,
    });
    expect(sha256(entry.compressed.toBytes())).toBe(golden.entry.to_bytes_sha256);

    failure(() => corpus.insert('a', a), 'ERR_TQ_ID_EXISTS', { kind: 'DuplicateVectorId', id: 'a' });
    failure(() => corpus.insert('d', a.slice(1)), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 63 });
    failure(() => corpus.insert('a', a.slice(1)), 'ERR_TQ_DIM_MISMATCH', { expected: 64, got: 63 });

    const events = corpus.pendingEvents();
    expect(events.map(({ type }) => type)).toEqual(['CorpusCreated', ...Array(3).fill('VectorsInserted')]);
    expect(events[0]).toMatchObject({ corpusId: 'corp', compressionPolicy: golden.value });
    expect(events.slice(1)).toMatchObject([
      { vectorIds: ['b'], count: 1, corpusId: 'corp' },
      { vectorIds: ['a'], count: 1 },
      { vectorIds: ['c'], count: 1 },
    ]);
    expect(corpus.pendingEvents()).toEqual([]);

    const all = corpus.decompressAll();
    expect(deviations.BEHAVIOUR.decompressAllFollowsInsertion).toBe(true);
    expect(Object.keys(all)).toEqual(['b', 'a', 'c']);
    for (const [id, digest] of Object.entries(golden.decompressed_sha256)) {
      expect(sha256(all[id] ?? new Float32Array())).toBe(digest);
      expect(sha256(corpus.decompress(id))).toBe(digest);
    }
    expect(corpus.pendingEvents()).toMatchObject([{ type: 'CorpusDecompressed', vectorCount: 3, corpusId: 'corp' }]);

    failure(() => corpus.get('zz'), 'ERR_TQ_ID_NOT_FOUND', { kind: 'UnknownVectorId', id: 'zz' });
    failure(() => corpus.decompress('zz'), 'ERR_TQ_ID_NOT_FOUND', { kind: 'UnknownVectorId', id: 'zz' });
    expect(corpus.remove('zz')).toBe(false);
    expect(corpus.remove('a')).toBe(true);
    expect(corpus.contains('a')).toBe(false);
    expect([...corpus.vectorIds]).toEqual(['b', 'c']);
    expect(corpus.pendingEvents()).toEqual([]);
    corpus.insert('a', a);
    expect([...corpus.vectorIds]).toEqual(['b', 'c', 'a']);
  });

  it('a codebook of another width fails at the first insert, where the codec is used', () => {
    const narrow = new CodecConfig({ bitWidth: 2, dimension: 64 });
    const corpus = new Corpus({
      corpusId: '',
      codecConfig: narrow,
      codebook: goldenCodebook(4),
      compressionPolicy: CompressionPolicy[policy],
    });
    if (policy === 'COMPRESS')
      failure(() => corpus.insert('a', a), 'ERR_TQ_CODEBOOK_MISMATCH', { expected: 2, got: 4 });
    else expect(corpus.insert('a', a).vectorId).toBe('a');
  });
});

describe('brute-force search', () => {
  function cosine(x: Float32Array, y: Float32Array): number {
    const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, value, i) => sum + value * (q[i] ?? 0), 0);
    return dot(x, y) / Math.sqrt(dot(x, x)) / Math.sqrt(dot(y, y)) || 0;
  }

  it('gives the same ids and the same score bits', () => {
    const vectors = readFloats('d64/vectors_n200.f32.bin');
    const queries = readFloats('search/queries_n10.f32.bin');
    const backend = new BruteForceBackend();
    backend.ingest(
      Array.from({ length: 200 }, (_, i) => [`v${String(i).padStart(3, '0')}`, row(vectors, i, 64)] as const),
    );
    const cases =
      readJson<{ query: number; top_k: number; results: [string, string, number][] }[]>('search/d64_bruteforce.json');
    for (const { query, top_k, results } of cases) {
      const hits = backend.search(row(queries, query, 64), top_k);
      const corrected = deviations.CORRECTED_VECTOR;
      const kept = hits.filter(({ vectorId }) => vectorId !== corrected);
      const golden = results.filter(([id]) => id !== corrected).slice(0, kept.length);
      expect(kept.length).toBeGreaterThanOrEqual(hits.length - 1);
      expect(kept.slice(0, golden.length).map(({ vectorId }) => vectorId)).toEqual(golden.map(([id]) => id));
      expect(toBits(kept.slice(0, golden.length).map(({ score }) => score))).toEqual(golden.map(([, bits]) => bits));
      expect(kept.length - golden.length).toBeLessThanOrEqual(1);
      const tiny = hits.find(({ vectorId }) => vectorId === corrected);
      if (tiny !== undefined) {
        expect(tiny.score).toBeCloseTo(cosine(row(queries, query, 64), row(vectors, 4, 64)), 6);
      }
    }
    const zeroed = cases.flatMap(({ results }) => results.filter(([id]) => id === deviations.CORRECTED_VECTOR));
    expect(new Set(zeroed.map(([, bits]) => bits))).toEqual(new Set(['00000000']));
  });

  interface Edges {
    scale_cases: Record<string, [string, string, number][]>;
    tie_order: string[];
  }
  const edges = readJson<Edges>('search/edge_cases.json');
  const vectors = readFloats('d64/vectors_n200.f32.bin');
  const base = edges.scale_cases['1.0'] ?? [];

  it.each(Object.entries(edges.scale_cases))('vectors scaled by %s', (scale, golden) => {
    const factor = Math.fround(Number(scale));
    const scaled = (i: number) => row(vectors, i, 64).map((value) => value * factor);
    const backend = new BruteForceBackend();
    backend.ingest({ a: scaled(20), b: scaled(21) });
    const hits = backend.search(scaled(20), 2);
    expect(hits.map(({ vectorId }) => vectorId)).toEqual(['a', 'b']);
    if (deviations.CORRECTED_SCALES.includes(scale)) {
      hits.forEach(({ score }, i) => {
        expect(score).toBeCloseTo(base[i]?.[2] ?? Number.NaN, 5);
      });
    } else {
      expect(toBits(hits.map(({ score }) => score))).toEqual(golden.map(([, bits]) => bits));
    }
  });

  it('orders ties by the bytes of the id', () => {
    const backend = new BruteForceBackend();
    const same = Float32Array.of(1, 2, 3);
    backend.ingest([...edges.tie_order].reverse().map((id) => [id, same] as const));
    expect(backend.search(same, 10).map(({ vectorId }) => vectorId)).toEqual(edges.tie_order);
  });

  it('refuses NaN, where the table of deviations says so', () => {
    const backend = new BruteForceBackend();
    backend.ingest({ b: [1, 2, 3] });
    const { nan_vector, nan_query } = deviations.SEARCH;
    failure(() => backend.ingest({ a: [1, Number.NaN, 3] }), nan_vector?.code ?? 'ERR_TQ_INTERNAL', {
      row: 0,
      column: 1,
    });
    failure(() => backend.search([1, Number.NaN, 3], 1), nan_query?.code ?? 'ERR_TQ_INTERNAL', { column: 1 });
    expect(backend.count).toBe(1);
  });

  it('takes vectors of no values', () => {
    const backend = new BruteForceBackend();
    backend.ingest({ first: [] });
    expect(readJson<Record<string, unknown>>('search/edge_cases.json').zero_dim_ingest_then_search).toEqual([
      ['first', '00000000', 0],
    ]);
    expect(backend.search([], 5)).toEqual([{ vectorId: 'first', score: 0 }]);
  });

  it('keeps the verdicts on counts and dimensions', () => {
    const backend = new BruteForceBackend();
    expect(backend.search([1, 2, 3], 5)).toEqual([]);
    failure(() => backend.search([1, 2, 3], 0), 'ERR_TQ_INVALID_ARG', { kind: 'InvalidTopK' });
    backend.ingest({});
    expect(backend.count).toBe(0);
    backend.ingest({ a: [1, 2, 3] });
    failure(() => backend.search([1, 2, 3, 4], 1), 'ERR_TQ_DIM_MISMATCH', { expected: 3, got: 4 });
    expect(deviations.BEHAVIOUR.ingestIsAtomic).toBe(true);
    failure(() => backend.ingest({ b: [1, 2, 3], c: [1, 2] }), 'ERR_TQ_DIM_MISMATCH', { expected: 3, got: 2, row: 1 });
    expect(backend.count).toBe(1);
    expect(deviations.BEHAVIOUR.dimensionIsReleasedWhenEmpty).toBe(true);
    expect(backend.remove(['a', 'unknown'])).toBe(1);
    backend.ingest({ e: [1, 2, 3, 4, 5] });
    expect(backend.count).toBe(1);
  });
});
