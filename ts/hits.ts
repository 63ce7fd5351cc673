import type { NativeHits } from './native-types.js';

/** One hit of a search. */
export interface SearchResult {
  /** The caller's name for the vector. */
  readonly vectorId: string;
  /** Higher is better; cosine similarity for {@link BruteForceBackend}. */
  readonly score: number;
}

/** Texts in the order of their UTF-8 bytes. */
export function byText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Higher scores first; among equals the smaller id by its bytes. */
export function byScore(a: SearchResult, b: SearchResult): number {
  return b.score - a.score || byText(a.vectorId, b.vectorId);
}

/** The hits of one query as objects. */
export function toResults({ ids, scores }: NativeHits): SearchResult[] {
  return ids.map((vectorId, i) => ({ vectorId, score: scores[i] ?? Number.NaN }));
}
