// Reads the two-dimensional little-endian f16 arrays of fixtures/demo.
import { readFileSync } from 'node:fs';

/** Values of the 65,536 half-precision numbers, by their bits. */
const HALVES = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
});

/** Returns `{ rows, dimension, data }`, with `data` a row-major Float32Array. */
export function readNpy(path) {
  const file = readFileSync(path);
  const length = file.readUInt16LE(8);
  const header = file.toString('latin1', 10, 10 + length);
  const shape = header.match(/'shape': \((\d+), (\d+)\)/);
  const plain = file.toString('latin1', 1, 6) === 'NUMPY' && file[6] === 1;
  if (!plain || shape === null || !header.includes("'<f2'") || !header.includes("'fortran_order': False")) {
    throw new Error(`${path} is not a two-dimensional <f2 array in C order: ${header.trim()}`);
  }
  const [rows, dimension] = [Number(shape[1]), Number(shape[2])];
  const data = new Float32Array(rows * dimension);
  for (let i = 0; i < data.length; i += 1) data[i] = HALVES[file.readUInt16LE(10 + length + 2 * i)];
  return { rows, dimension, data };
}
