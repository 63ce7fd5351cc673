import { fromIds, type IdList, type IndexId } from './index-id.js';
import type { NativeIndexHits } from './native-types.js';

/** What a search of a {@link SearchIndex} found for one query, best first. Iterating gives `{ id, score }` objects. */
export interface Hits<Id extends IndexId = number> extends Iterable<{ readonly id: Id; readonly score: number }> {
  /** How many hits. */
  readonly length: number;
  /** Ids of the vectors: an array, of bigints a `BigUint64Array`. */
  readonly ids: IdList<Id>;
  /** Higher is better: cosine, dot product, or minus the squared distance. */
  readonly scores: Float32Array;
  /** The hits as plain objects; a bigint becomes its decimal text. */
  toJSON(): { id: number | string; score: number }[];
}

class HitList<Id extends IndexId> implements Hits<Id> {
  readonly ids: IdList<Id>;
  readonly scores: Float32Array;

  constructor(ids: IdList<Id>, scores: Float32Array) {
    this.ids = ids;
    this.scores = scores;
  }

  get length(): number {
    return this.scores.length;
  }

  *[Symbol.iterator](): IterableIterator<{ id: Id; score: number }> {
    const { ids, scores } = this;
    for (let i = 0; i < scores.length; i++) yield { id: ids[i] as Id, score: scores[i] ?? 0 };
  }

  toJSON(): { id: number | string; score: number }[] {
    return Array.from(this, ({ id, score }) => ({ id: typeof id === 'number' ? id : String(id), score }));
  }
}

/** The hits of one query. */
export function toHits<Id extends IndexId>({ ids, scores }: NativeIndexHits): Hits<Id> {
  return new HitList<Id>(fromIds(ids), scores);
}

/** The hits of each query of a call. */
export function toHitLists<Id extends IndexId>(found: NativeIndexHits): Hits<Id>[] {
  const { ids, scores, counts } = found;
  if (counts === undefined) return [toHits(found)];
  let from = 0;
  return Array.from(counts, (count) => {
    const until = from + count;
    const list = new HitList<Id>(fromIds(ids.slice(from, until)), scores.slice(from, until));
    from = until;
    return list;
  });
}
