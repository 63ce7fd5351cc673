import { MAX_DIMENSION, type RowCollector, type VectorBatch } from './batch.js';
import type { Encoder } from './encoder.js';
import { failure } from './origin.js';
import { type Source, Window } from './source.js';

/** Reads rows that each begin with their dimension. */
export async function* readFvecs(source: Source, into: RowCollector): AsyncGenerator<VectorBatch> {
  const window = new Window(source);
  do {
    const bytes = window.bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= 4) {
      const dimension = view.getInt32(at, true);
      if (dimension <= 0 || dimension > MAX_DIMENSION) {
        // What follows cannot be found without a length that is right.
        const text = `row ${into.row} has the dimension ${dimension}, expected 1 to ${MAX_DIMENSION}`;
        throw failure(source.origin, 'ERR_TQ_FORMAT', text, { row: into.row, got: dimension });
      }
      const end = at + 4 + 4 * dimension;
      if (end > bytes.length) break;
      into.add(new Float32Array(bytes.buffer, bytes.byteOffset + at + 4, dimension));
      at = end;
      if (!into.full) continue;
      const batch = into.take();
      if (batch !== undefined) yield batch;
      if (into.done) return;
    }
    window.skip(at);
  } while (await window.more());
  const left = window.bytes.length;
  if (left > 0) {
    const text = `the data ends ${left} bytes into row ${into.row}`;
    throw failure(source.origin, 'ERR_TQ_TRUNCATED', text, { row: into.row, got: left });
  }
  const last = into.take();
  if (last !== undefined) yield last;
}

/** Writes the dimension before every row. */
export function fvecsEncoder(): Encoder {
  return {
    encode({ vectors, rows, dimension }) {
      const stride = dimension + 1;
      const values = new Float32Array(rows * stride);
      const dimensions = new Int32Array(values.buffer);
      for (let row = 0; row < rows; row++) {
        dimensions[row * stride] = dimension;
        values.set(vectors.subarray(row * dimension, (row + 1) * dimension), row * stride + 1);
      }
      return [new Uint8Array(values.buffer)];
    },
    end: () => ({ tail: [] }),
  };
}
