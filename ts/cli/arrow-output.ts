import type { Data, Field, Schema } from 'apache-arrow';
import { session } from './session.js';

/** The Arrow library as the package sets it up. */
export type Arrow = typeof import('../io/arrow-library.js');

/** A column of one record batch. */
export interface Column {
  readonly field: Field;
  readonly data: Data;
}

/** An Arrow IPC stream that is being written. */
export interface ArrowOutput {
  /** Writes one record batch; resolves when it has left. */
  write(schema: Schema, columns: readonly Column[], rows: number): Promise<void>;
  /** @param schema of a stream without batches */
  end(schema: Schema): Promise<void>;
}

/** The Arrow stream on standard output; each batch has left before the next one is made. */
export function arrowOutput(arrow: Arrow): ArrowOutput {
  let pieces: Uint8Array[] = [];
  class Writer extends arrow.RecordBatchStreamWriter {
    protected override _write(chunk: ArrayBufferView): this {
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      pieces.push(bytes);
      this._position += bytes.length;
      return this;
    }
  }
  const writer = new Writer();
  const send = async (): Promise<void> => {
    const sent = Buffer.concat(pieces);
    pieces = [];
    await session.write(sent);
  };
  let begun = false;
  return {
    write: async (schema, columns, rows) => {
      begun = true;
      const type = new arrow.Struct(schema.fields);
      const data = arrow.makeData({ type, length: rows, nullCount: 0, children: columns.map((column) => column.data) });
      writer.write(new arrow.RecordBatch(schema, data));
      await send();
    },
    end: async (schema) => {
      if (!begun) writer.reset(undefined, schema);
      writer.close();
      await send();
    },
  };
}
