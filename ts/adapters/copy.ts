import { TinyQuantError } from '../errors.js';

/** How PostgreSQL keeps the vectors of a table. */
export type PgvectorColumn = 'vector' | 'halfvec' | 'bit';

/** Rows on their way to a table. */
export interface CopyPage {
  readonly ids: readonly string[];
  /** Row-major values. */
  readonly vectors: Float32Array;
  /** Codes of each row, where the table keeps codes. */
  readonly codes: readonly Uint8Array[] | null;
  /** JSON text of each row. */
  readonly metadata: readonly (string | null)[];
}

const MAX_HALF = 65504;

/** Bytes of rows that are sent in one piece. */
const PIECE_BYTES = 1 << 18;

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);
const NULL_LENGTH = -1;
/** Version of the binary form of `jsonb`. */
const JSONB_VERSION = 1;

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

/** The bits of a half-precision float, rounded to nearest with ties to even; values beyond its range are infinite. */
export function toHalf(value: number): number {
  single[0] = value;
  const from = bits[0] ?? 0;
  const sign = (from >>> 16) & 0x8000;
  const size = from & 0x7fff_ffff;
  if (size >= 0x4780_0000) return sign | 0x7c00;
  if (size < 0x3880_0000) {
    // Below the normal range a unit is 2^-24; the sum with 1/2 rounds at that place.
    single[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] ?? 0) - 0x3f00_0000);
  }
  return sign | ((size - 0x3800_0000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

/** Bytes of a vector in the binary form of its type. */
function vectorBytes(column: PgvectorColumn, dimension: number): number {
  if (column === 'bit') return 4 + Math.ceil(dimension / 8);
  return 4 + dimension * (column === 'vector' ? 4 : 2);
}

/** Writes one vector in the binary form of its type, all numbers big-endian. */
function writeVector(target: Buffer, at: number, values: Float32Array, column: PgvectorColumn): void {
  const { length } = values;
  if (column === 'bit') {
    target.writeInt32BE(length, at);
    for (let i = 0; i < length; i += 8) {
      let byte = 0;
      for (let j = i; j < i + 8; j++) byte = (byte << 1) | ((values[j] ?? 0) > 0 ? 1 : 0);
      target[at + 4 + (i >> 3)] = byte;
    }
    return;
  }
  target.writeInt16BE(length, at);
  target.writeInt16BE(0, at + 2);
  const start = at + 4;
  if (column === 'vector') {
    const end = start + length * 4;
    target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
    target.subarray(start, end).swap32();
    return;
  }
  for (let i = 0; i < length; i++) target.writeUInt16BE(toHalf(values[i] ?? 0), start + 2 * i);
}

/** Refuses values that no row may have, before anything is sent. */
export function checkValues(vectors: Float32Array, dimension: number, column: PgvectorColumn, argument: string): void {
  const isHalf = column === 'halfvec';
  for (let i = 0; i < vectors.length; i++) {
    const value = vectors[i] ?? 0;
    const isNumber = value - value === 0;
    if (isNumber && !(isHalf && Math.abs(value) > MAX_HALF)) continue;
    const [row, position] = [Math.floor(i / dimension), i % dimension];
    const place = vectors.length > dimension ? `row ${row}, column ${position}` : `column ${position}`;
    if (!isNumber) {
      const message = `${argument} holds ${value} at ${place}, expected finite values`;
      throw new TinyQuantError('ERR_TQ_NON_FINITE', message, {
        details: { row, column: position, got: String(value) },
      });
    }
    const message = `${argument} holds ${value} at ${place}, half precision ends at ${MAX_HALF}`;
    throw new TinyQuantError('ERR_TQ_LIMIT', message, { details: { row, column: position, got: value } });
  }
}

/** The text of a bit string: one for each value above 0, as `binary_quantize` of pgvector has it. */
export function bitText(values: Float32Array): string {
  return Array.from(values, (value) => (value > 0 ? '1' : '0')).join('');
}

/** Rows in the binary format of COPY: id, vector, codes where there are some, metadata. */
export class CopyEncoder {
  readonly #column: PgvectorColumn;
  readonly #dimension: number;

  constructor(column: PgvectorColumn, dimension: number) {
    this.#column = column;
    this.#dimension = dimension;
  }

  /** The whole stream in pieces of about a quarter of a megabyte. */
  async *encode(pages: AsyncIterable<CopyPage>): AsyncGenerator<Buffer, void> {
    yield SIGNATURE;
    for await (const page of pages) yield* this.#pieces(page);
    yield TRAILER;
  }

  *#pieces(page: CopyPage): Generator<Buffer, void> {
    const width = vectorBytes(this.#column, this.#dimension);
    const { ids, codes, metadata } = page;
    let sizes = 0;
    let first = 0;
    for (let row = 0; row < ids.length; row++) {
      const code = codes === null ? 0 : 4 + (codes[row]?.length ?? 0);
      const facts = metadata[row] ?? null;
      const json = facts === null ? 4 : 5 + Buffer.byteLength(facts);
      sizes += 2 + 4 + Buffer.byteLength(ids[row] ?? '') + 4 + width + code + json;
      if (sizes < PIECE_BYTES && row + 1 < ids.length) continue;
      yield this.#piece(page, first, row + 1, sizes);
      sizes = 0;
      first = row + 1;
    }
  }

  #piece({ ids, vectors, codes, metadata }: CopyPage, first: number, end: number, size: number): Buffer {
    const dimension = this.#dimension;
    const width = vectorBytes(this.#column, dimension);
    const out = Buffer.allocUnsafe(size);
    let at = 0;
    for (let row = first; row < end; row++) {
      at = out.writeInt16BE(codes === null ? 3 : 4, at);
      const id = ids[row] ?? '';
      const idBytes = out.write(id, at + 4);
      out.writeInt32BE(idBytes, at);
      at = out.writeInt32BE(width, at + 4 + idBytes);
      writeVector(out, at, vectors.subarray(row * dimension, (row + 1) * dimension), this.#column);
      at += width;
      const code = codes?.[row];
      if (code !== undefined) {
        at = out.writeInt32BE(code.length, at);
        out.set(code, at);
        at += code.length;
      }
      const facts = metadata[row] ?? null;
      if (facts === null) {
        at = out.writeInt32BE(NULL_LENGTH, at);
      } else {
        const bytes = out.write(facts, at + 5);
        out.writeInt32BE(bytes + 1, at);
        out[at + 4] = JSONB_VERSION;
        at += 5 + bytes;
      }
    }
    return out;
  }
}
