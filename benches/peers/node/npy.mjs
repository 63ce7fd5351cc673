// Rows of a .npy file of f16 or f32 as one Float32Array of rows of unit length.
import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK_ROWS = 65536;

/** Value of each of the 65,536 half-precision patterns. */
function halfTable() {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    const size = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    return bits >> 15 ? -size : size;
  });
}

function normalize(vectors, dim) {
  for (let at = 0; at < vectors.length; at += dim) {
    let sum = 0;
    for (let i = at; i < at + dim; i++) sum += vectors[i] * vectors[i];
    const scale = 1 / Math.sqrt(sum);
    for (let i = at; i < at + dim; i++) vectors[i] *= scale;
  }
}

export function readRows(path) {
  const file = openSync(path);
  try {
    const head = Buffer.alloc(10);
    readSync(file, head);
    const header = Buffer.alloc(head.readUInt16LE(8));
    readSync(file, header);
    const [, type] = /'descr': '(<f[24])'/.exec(header) ?? [];
    const [, rows, dim] = /'shape': \((\d+), (\d+)\)/.exec(header)?.map(Number) ?? [];
    if (type === undefined || rows === undefined) throw new Error(`${path} is not a matrix of f16 or f32`);
    const vectors = new Float32Array(rows * dim);
    const table = type === '<f2' ? halfTable() : undefined;
    const chunk = new (table ? Uint16Array : Float32Array)(CHUNK_ROWS * dim);
    for (let at = 0; at < vectors.length; ) {
      const bytes = Math.min(chunk.length, vectors.length - at) * chunk.BYTES_PER_ELEMENT;
      const read = readSync(file, chunk, 0, bytes) / chunk.BYTES_PER_ELEMENT;
      if (read < 1) throw new Error(`${path} ends early`);
      if (table) for (let i = 0; i < read; i++) vectors[at + i] = table[chunk[i]];
      else vectors.set(chunk.subarray(0, read), at);
      at += read;
    }
    normalize(vectors, dim);
    return { vectors, rows, dim };
  } finally {
    closeSync(file);
  }
}
