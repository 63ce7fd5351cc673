import type { RowCollector, VectorBatch } from './batch.js';
import type { Encoder } from './encoder.js';
import { readMatrix } from './matrix.js';
import { failure } from './origin.js';
import type { Source } from './source.js';

/**
 * Reads f32 values that follow each other without a header.
 *
 * @param expectedRows checked when the end is reached
 */
export async function* readRaw(
  source: Source,
  into: RowCollector,
  dimension: number,
  expectedRows: number | undefined,
): AsyncGenerator<VectorBatch> {
  into.setDimension(dimension);
  const layout = { dtype: 'f4', bigEndian: false, byColumns: false, rows: undefined, dimension } as const;
  yield* readMatrix(source, into, layout);
  const rows = into.row;
  if (expectedRows === undefined || into.done || rows === expectedRows) return;
  const code = rows < expectedRows ? 'ERR_TQ_TRUNCATED' : 'ERR_TQ_FORMAT';
  throw failure(source.origin, code, `${rows} rows, expected ${expectedRows}`, { expected: expectedRows, got: rows });
}

/** Writes the values alone. */
export function rawEncoder(): Encoder {
  return {
    encode: ({ vectors }) => [new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength)],
    end: () => ({ tail: [] }),
  };
}
