import { isPlainObject, toMetadataJson } from './metadata.js';
import { invalidArg, text } from './validate.js';
import { type Vector, VectorCollector } from './vectors.js';

/**
 * Vectors by id. A `Map` and an iterable keep their order. So does a plain object, except that JavaScript puts keys
 * that look like array indices (`'0'`, `'17'`) first, in ascending order.
 */
export type Vectors =
  | Readonly<Record<string, Vector>>
  | ReadonlyMap<string, Vector>
  | Iterable<readonly [id: string, vector: Vector, metadata?: Readonly<Record<string, unknown>> | null]>;

/** {@link Vectors} after their checks, copied. */
export interface CollectedVectors {
  readonly ids: string[];
  readonly vectors: Float32Array;
  readonly lengths: Uint32Array;
  /** JSON text per vector. */
  readonly metadataJson: (string | null)[];
}

const EXPECTED = 'an object or a Map from id to vector, or an iterable of [id, vector, metadata?]';

function* items(source: unknown): Iterable<readonly unknown[]> {
  if (typeof source !== 'object' || source === null || ArrayBuffer.isView(source))
    throw invalidArg('vectors', EXPECTED, source);
  if (Symbol.iterator in source) {
    let row = 0;
    for (const item of source as Iterable<unknown>) {
      if (!Array.isArray(item) || item.length < 2 || item.length > 3) {
        throw invalidArg(`item ${row} of vectors`, 'an array [id, vector] or [id, vector, metadata]', item, { row });
      }
      yield item;
      row++;
    }
  } else if (Symbol.asyncIterator in source) {
    throw invalidArg('vectors', `${EXPECTED}; collect an async iterable first`, source);
  } else if (isPlainObject(source)) {
    yield* Object.entries(source);
  } else {
    // A promise or a corpus has no enumerable keys either: it would pass as an object of no vectors.
    throw invalidArg('vectors', EXPECTED, source);
  }
}

/**
 * Reads everything from the caller before anything is changed: an iterable that throws midway leaves no trace.
 *
 * @param fallback metadata for ids whose item carries none
 */
export function collect(source: unknown, fallback: (id: string) => unknown): CollectedVectors {
  const ids: string[] = [];
  const metadataJson: (string | null)[] = [];
  const collector = new VectorCollector();
  for (const [id, value, metadata] of items(source)) {
    const row = ids.length;
    const name = text(id, `id of vector ${row}`);
    collector.add(value, `vector ${row} (${JSON.stringify(name.slice(0, 40))})`);
    ids.push(name);
    metadataJson.push(toMetadataJson(metadata ?? fallback(name), `metadata of vector ${row}`));
  }
  return { ids, vectors: collector.data, lengths: Uint32Array.from(collector.lengths), metadataJson };
}
