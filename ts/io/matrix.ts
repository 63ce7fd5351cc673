import { call, native } from '../native.js';
import { allocate } from '../vectors.js';
import type { RowCollector, VectorBatch } from './batch.js';
import { failure } from './origin.js';
import { FileSource, type Source } from './source.js';

/** How numbers lie in memory. */
export interface Layout {
  readonly dtype: 'f2' | 'f4' | 'f8';
  readonly bigEndian: boolean;
  /** Whether columns follow each other instead of rows. */
  readonly byColumns: boolean;
  /** Rows in all, where known before the end. */
  readonly rows: number | undefined;
  readonly dimension: number;
}

const ITEM_BYTES = { f2: 2, f4: 4, f8: 8 } as const;

/** Bytes of one number. */
export function itemBytes(dtype: Layout['dtype']): number {
  return ITEM_BYTES[dtype];
}

/** Numbers as 32-bit floats; those of f32 stay where they are. `bytes` begins its buffer. */
function toFloats(bytes: Uint8Array, { dtype, bigEndian }: Layout): Float32Array {
  const { buffer, byteOffset, length } = bytes;
  if (bigEndian) {
    const view = Buffer.from(buffer, byteOffset, length);
    if (dtype === 'f2') view.swap16();
    else if (dtype === 'f4') view.swap32();
    else view.swap64();
  }
  if (dtype === 'f2') return call(() => native.widenF16(bytes));
  if (dtype === 'f4') return new Float32Array(buffer, byteOffset, length / 4);
  return Float32Array.from(new Float64Array(buffer, byteOffset, length / 8));
}

/** Rows of what was read column by column. */
function transpose(columns: Float32Array, rows: number, dimension: number): Float32Array {
  const result = new Float32Array(columns.length);
  for (let column = 0; column < dimension; column++) {
    for (let row = 0, from = column * rows; row < rows; row++) {
      result[row * dimension + column] = columns[from + row] as number;
    }
  }
  return result;
}

/** Fills `target` with the part of each column that belongs to `count` rows from `row`. */
async function readColumns(
  source: FileSource,
  target: Uint8Array,
  start: number,
  row: number,
  count: number,
  layout: Layout & { rows: number },
): Promise<number> {
  const item = ITEM_BYTES[layout.dtype];
  const length = count * item;
  for (let column = 0; column < layout.dimension; column++) {
    const part = target.subarray(column * length, (column + 1) * length);
    const filled = await source.readAt(part, start + (column * layout.rows + row) * item);
    if (filled < length) return column * length + filled;
  }
  return target.length;
}

/** Reads a matrix that starts where the source stands, a batch of rows at a time. */
export async function* readMatrix(source: Source, into: RowCollector, layout: Layout): AsyncGenerator<VectorBatch> {
  const { dimension, dtype, rows, byColumns } = layout;
  const rowBytes = dimension * ITEM_BYTES[dtype];
  const start = source instanceof FileSource ? source.size - source.left : 0;
  // Numbers of 32 bits become the batch itself; others are converted, and their memory is used again.
  let scratch: Uint8Array | undefined;
  const most = rows ?? (source instanceof FileSource ? Math.ceil(source.left / rowBytes) : Number.POSITIVE_INFINITY);
  let row = 0;
  while (!into.done && row < most) {
    const count = Math.min(into.room, most - row);
    const length = count * rowBytes;
    if (scratch?.length !== length || dtype === 'f4') {
      const floats = allocate(Math.ceil(length / 4), 'a batch');
      scratch = new Uint8Array(floats.buffer, 0, length);
    }
    const filled =
      byColumns && rows !== undefined && source instanceof FileSource
        ? await readColumns(source, scratch, start, row, count, { ...layout, rows })
        : await source.readInto(scratch);
    const got = rows === undefined ? Math.floor(filled / rowBytes) : count;
    if (filled < got * rowBytes || (rows === undefined && filled % rowBytes !== 0)) {
      const cut = row + (byColumns ? 0 : Math.floor(filled / rowBytes));
      throw failure(source.origin, 'ERR_TQ_TRUNCATED', `the data ends within row ${cut} of ${rowBytes} bytes`, {
        row: cut,
        expected: length,
        got: filled,
      });
    }
    if (got === 0) return;
    const values = toFloats(got === count ? scratch : scratch.subarray(0, got * rowBytes), layout);
    const vectors = byColumns ? transpose(values, got, dimension) : values;
    row += got;
    const batch = into.block(vectors, got, dimension);
    if (batch !== undefined) yield batch;
  }
}
