import type { VectorBatch } from '../io.js';

/** Formats of vectors that TinyQuant's own commands write. */
export const OWN_FORMATS = ['f32', 'npy', 'csv', 'jsonl'] as const;
export type OwnFormat = (typeof OWN_FORMATS)[number];

/** The number with the fewest digits that reads back as the same 32-bit float. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}

/**
 * A floating-point number in JSON as TinyQuant writes it: always with a point or an exponent.
 *
 * @param value exactly what is written, in its shortest form
 * @param least smallest magnitude that is written without exponent
 * @param most smallest magnitude above which an exponent is used again
 */
function jsonNumber(value: number, least: number, most: number): string {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < least || magnitude >= most)) return value.toExponential().replace('e+', 'e');
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A 32-bit float in JSON. */
export function jsonF32(value: number): string {
  return jsonNumber(shortest(value), 1e-6, 1e13);
}

/** A 64-bit float in JSON. */
export function jsonF64(value: number): string {
  return jsonNumber(value, 1e-5, 1e16);
}

/** Header of an .npy file, as TinyQuant lays it out. */
function npyHeader(rows: number, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}, ), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.write('\u0093NUMPY\u0001\u0000', 0, 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(text, 10, 'latin1');
  header.write('\n', 10 + length - 1, 'latin1');
  return header;
}

/** The platforms there are packages for are little-endian, as the formats are. */
function littleEndian(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * The bytes of vectors in one of TinyQuant's formats. CSV keeps all digits, where TinyQuant stops after nine decimals
 * and loses small values.
 */
export async function* encode(
  batches: AsyncIterable<VectorBatch>,
  format: OwnFormat,
  rows: number,
  dimension: number,
): AsyncGenerator<Uint8Array, void, void> {
  if (format === 'npy') yield npyHeader(rows, dimension);
  let number = 0;
  for await (const batch of batches) {
    if (format === 'f32' || format === 'npy') {
      yield littleEndian(batch.vectors);
      continue;
    }
    const lines: string[] = [];
    for (let row = 0; row < batch.rows; row++) {
      const values = [...batch.vectors.subarray(row * dimension, (row + 1) * dimension)];
      const id = JSON.stringify(batch.ids?.[row] ?? String(number + row));
      lines.push(
        format === 'csv'
          ? `${values.map((value) => String(shortest(value))).join(',')}\n`
          : `{"id":${id},"vector":[${values.map(jsonF32).join(',')}]}\n`,
      );
    }
    number += batch.rows;
    yield Buffer.from(lines.join(''));
  }
}
