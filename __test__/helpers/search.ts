import { join } from 'node:path';
import { readVectors } from '../../dist/io.js';
import type { Hits, IndexId, Metric } from '../../index.js';
import { normals } from './data.js';
import { ROOT } from './golden.js';

/** Rows around random centres, with queries that lie near some of them. */
export interface Clustered {
  readonly dim: number;
  readonly rows: number;
  readonly vectors: Float32Array;
  readonly queries: Float32Array;
}

/** The same rows for the same arguments. Coordinates shrink from the first to the last, as those of embeddings do. */
export function clustered(rows: number, dim: number, queries = 20, seed = 1): Clustered {
  const centres = Math.max(1, Math.ceil(rows / 25));
  const places = normals(centres * dim, seed * 31 + 7);
  const noise = normals((rows + queries) * dim, seed * 17 + 3);
  const around = (row: number, j: number): number => {
    const centre = (row * 7919) % centres;
    const spread = 2 ** ((-3 * j) / dim);
    return ((places[centre * dim + j] ?? 0) + 0.6 * (noise[row * dim + j] ?? 0)) * spread;
  };
  const fill = (first: number, count: number): Float32Array =>
    Float32Array.from({ length: count * dim }, (_, i) => around(first + Math.floor(i / dim), i % dim));
  return { dim, rows, vectors: fill(0, rows), queries: fill(rows, queries) };
}

/** The score of two vectors, in 64-bit floats. */
export function scoreOf(metric: Metric, a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb, apart] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    apart += (x - y) ** 2;
  }
  if (metric === 'dot') return dot;
  if (metric === 'l2') return -apart;
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

export const rowOf = (vectors: Float32Array, row: number, dim: number): Float32Array =>
  vectors.slice(row * dim, (row + 1) * dim);

/** The best rows of those allowed, by an exact search. */
export function bestRows(
  { vectors, dim, rows }: Clustered,
  query: Float32Array,
  k: number,
  metric: Metric = 'cosine',
  allowed: (row: number) => boolean = () => true,
): number[] {
  const scored: { row: number; score: number }[] = [];
  for (let row = 0; row < rows; row++) {
    if (allowed(row)) scored.push({ row, score: scoreOf(metric, query, vectors.subarray(row * dim, (row + 1) * dim)) });
  }
  scored.sort((a, b) => b.score - a.score || a.row - b.row);
  return scored.slice(0, k).map(({ row }) => row);
}

/** Share of the true best `k` rows that the hits of each query have, where ids are row numbers. */
export function recallOf(data: Clustered, lists: readonly Hits[], k: number, metric: Metric = 'cosine'): number {
  let found = 0;
  for (const [i, hits] of lists.entries()) {
    const ids = new Set(hits.ids);
    for (const row of bestRows(data, rowOf(data.queries, i, data.dim), k, metric)) if (ids.has(row)) found++;
  }
  return found / (k * lists.length);
}

/** Everything that a list of hits says, as plain values. */
export const plain = <Id extends IndexId>(lists: readonly Hits<Id>[]): unknown =>
  lists.map((hits) => ({ ids: [...hits.ids], scores: [...hits.scores] }));

async function all(path: string): Promise<{ values: Float32Array; dim: number; rows: number }> {
  const parts: Float32Array[] = [];
  let dim = 0;
  for await (const batch of readVectors(path)) {
    parts.push(batch.vectors);
    dim = batch.dimension;
  }
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return { values, dim, rows: values.length / dim };
}

/** The embeddings that come with the repository: 4,000 x 384, and 100 queries. */
export async function demoSet(): Promise<Clustered> {
  const folder = join(ROOT, 'fixtures', 'demo');
  const { values, dim, rows } = await all(join(folder, 'vectors.f16.npy'));
  const queries = (await all(join(folder, 'queries.f16.npy'))).values;
  return { dim, rows, vectors: values, queries };
}
