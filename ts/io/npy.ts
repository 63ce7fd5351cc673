import { isTinyQuantError, TinyQuantError } from '../errors.js';
import { call, native } from '../native.js';
import type { NativeNpyHeader } from '../native-types.js';
import { invalidArg } from '../validate.js';
import type { RowCollector, VectorBatch } from './batch.js';
import type { Encoder } from './encoder.js';
import { itemBytes, type Layout, readMatrix } from './matrix.js';
import { failure } from './origin.js';
import { FileSource, type Source } from './source.js';

/** Headers that NumPy writes have 128 bytes; a structured type or a damaged length may ask for more. */
const HEADER_BYTES = 128;
const MAX_HEADER_BYTES = 1 << 20;

async function readHeader(source: Source): Promise<NativeNpyHeader> {
  let head = new Uint8Array(0);
  let needed = HEADER_BYTES;
  for (;;) {
    const more = new Uint8Array(needed);
    more.set(head);
    const got = head.length + (await source.readInto(more.subarray(head.length)));
    const ended = got < needed;
    head = more.subarray(0, got);
    try {
      const header = call(() => native.parseNpyHeader(head));
      source.unread(head.subarray(header.dataOffset));
      return header;
    } catch (error) {
      if (!isTinyQuantError(error)) throw error;
      const asked = error.code === 'ERR_TQ_TRUNCATED' ? error.details?.needed : undefined;
      if (typeof asked === 'number' && asked > needed && asked <= MAX_HEADER_BYTES && !ended) {
        needed = asked;
        continue;
      }
      throw failure(source.origin, error.code, error.message, error.details, { cause: error });
    }
  }
}

function matrixOf(
  source: Source,
  { dtype, bigEndian, fortranOrder, shape }: NativeNpyHeader,
): Layout & { rows: number } {
  const [first, second = first] = shape;
  if (first === undefined || second === undefined || shape.length > 2) {
    throw failure(
      source.origin,
      'ERR_TQ_FORMAT',
      `an array of shape (${shape.join(', ')}), expected rows and columns`,
      {
        shape,
        expected: 'a 2-D array, or 1-D for one row',
      },
    );
  }
  const [rows, dimension] = shape.length === 1 ? [first === 0 ? 0 : 1, first] : [first, second];
  return { dtype, bigEndian, byColumns: fortranOrder && rows > 1 && dimension > 1, rows, dimension };
}

/**
 * Reads a NumPy array. One in Fortran order is read from a path only, a piece of each column for each batch.
 *
 * @param expectedRows checked against the header
 */
export async function* readNpy(
  source: Source,
  into: RowCollector,
  expectedRows: number | undefined,
): AsyncGenerator<VectorBatch> {
  const layout = matrixOf(source, await readHeader(source));
  const { rows, dimension, byColumns } = layout;
  if (expectedRows !== undefined && expectedRows !== rows) {
    throw failure(source.origin, 'ERR_TQ_FORMAT', `${rows} rows, expected ${expectedRows}`, {
      expected: expectedRows,
      got: rows,
    });
  }
  if (rows > 0 || dimension > 0) into.setDimension(dimension);
  const length = rows * dimension * itemBytes(layout.dtype);
  if (source instanceof FileSource && source.left < length) {
    throw failure(source.origin, 'ERR_TQ_TRUNCATED', `${source.left} bytes of data, the header promises ${length}`, {
      expected: length,
      got: source.left,
    });
  }
  if (byColumns && !(source instanceof FileSource)) {
    throw invalidArg('source', 'a path for an array in Fortran order, whose columns lie apart', 'a stream');
  }
  if (source instanceof FileSource && source.left > length) throw trailing(source);
  yield* readMatrix(source, into, layout);
  if (!into.done && !byColumns && (await source.chunk()) !== undefined) throw trailing(source);
}

function trailing(source: Source): Error {
  return failure(source.origin, 'ERR_TQ_FORMAT', 'more data after the array that the header describes');
}

const DESCR = { f32: '<f4', f16: '<f2', f64: '<f8' } as const;

/** Number types of an .npy file. */
export type NpyDtype = keyof typeof DESCR;

function header(dtype: NpyDtype, rows: number, dimension: number): Uint8Array {
  const text = `{'descr': '${DESCR[dtype]}', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const bytes = Buffer.alloc(HEADER_BYTES, ' ');
  bytes.write('\x93NUMPY\x01\x00', 'latin1');
  bytes.writeUInt16LE(HEADER_BYTES - 10, 8);
  bytes.write(text, 10, 'latin1');
  bytes[HEADER_BYTES - 1] = 0x0a;
  return bytes;
}

/** Numbers as f16, with the row counted from the start of the file where one does not fit. */
function narrow(vectors: Float32Array, dimension: number, before: number): Uint8Array {
  try {
    return call(() => native.narrowF16(vectors, dimension));
  } catch (error) {
    if (!isTinyQuantError(error) || typeof error.details?.row !== 'number') throw error;
    const { row, column } = error.details;
    const text = `row ${before + row}, column ${column} is beyond f16, write f32 instead`;
    throw new TinyQuantError(error.code, text, { details: { ...error.details, row: before + row }, cause: error });
  }
}

/** Writes version 1 in C order. The number of rows is put into the header at the end. */
export function npyEncoder(dtype: NpyDtype): Encoder {
  let dimension = 0;
  let before = 0;
  return {
    encode({ vectors, rows, dimension: given }) {
      const first = dimension === 0 ? [header(dtype, 0, given)] : [];
      dimension = given;
      before += rows;
      if (dtype === 'f16') return [...first, narrow(vectors, given, before - rows)];
      const values = dtype === 'f64' ? Float64Array.from(vectors) : vectors;
      return [...first, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
    },
    end(rows) {
      const head = header(dtype, rows, dimension);
      return dimension === 0 ? { tail: [head] } : { tail: [], head };
    },
  };
}
