import type { NativeHits } from './native-types.js';

/** One hit of a search. */
export interface SearchResult {
  /** The caller's name for the vector. */
  readonly vectorId: string;
  /** Higher is better; cosine similarity for {@link BruteForceBackend}. */
  readonly score: number;
}

/** The hits of one query as objects. */
export function toResults({ ids, scores }: NativeHits): SearchResult[] {
  return ids.map((vectorId, i) => ({ vectorId, score: scores[i] ?? Number.NaN }));
}
