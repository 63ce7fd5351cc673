import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const MAGIC = 0x7f454c46;
const LOADED_SEGMENT = 1;
/** The header and the program headers of a library lie in its first page. */
const PAGE = 4096;

/** End of the last byte that loading maps from a 64-bit little-endian ELF file, or 0 for another file. */
function mappedLength(head: Buffer): number {
  if (head.length < 64 || head.readUInt32BE(0) !== MAGIC || head[4] !== 2 || head[5] !== 1) return 0;
  const table = Number(head.readBigUInt64LE(32));
  const size = head.readUInt16LE(54);
  let length = 0;
  for (let i = 0; i < head.readUInt16LE(56); i += 1) {
    const at = table + i * size;
    if (at + 40 > head.length) break;
    if (head.readUInt32LE(at) !== LOADED_SEGMENT) continue;
    length = Math.max(length, Number(head.readBigUInt64LE(at + 8) + head.readBigUInt64LE(at + 32)));
  }
  return length;
}

/**
 * Why an ELF file must not be loaded, or null: the system's loader maps a file that was cut short without a word, and
 * the process is ended by a signal when it touches what is missing. A file that cannot be read is left to the loader,
 * which says why.
 */
export function cutShort(path: string): string | null {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const head = Buffer.alloc(PAGE);
    const expected = mappedLength(head.subarray(0, readSync(file, head, 0, PAGE, 0)));
    const { size } = fstatSync(file);
    return size < expected ? `${path}: the file is cut short, ${size} bytes of at least ${expected}` : null;
  } catch {
    return null;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
