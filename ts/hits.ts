import type { SearchResult } from './backend.js';
import type { NativeHits } from './native-types.js';

/** The hits of one query as objects. */
export function toResults({ ids, scores }: NativeHits): SearchResult[] {
  return ids.map((vectorId, i) => ({ vectorId, score: scores[i] ?? Number.NaN }));
}
