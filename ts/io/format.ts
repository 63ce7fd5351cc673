import { extname } from 'node:path';
import { invalidArg, oneOf, text } from '../validate.js';

/** Names of the formats that vectors are read from and written to. */
export const VECTOR_FORMATS = ['npy', 'fvecs', 'raw', 'jsonl', 'csv', 'parquet', 'arrow'] as const;
Object.freeze(VECTOR_FORMATS);

/**
 * A format of vectors.
 *
 * | format | extensions | what |
 * | --- | --- | --- |
 * | `npy` | `.npy` | NumPy arrays of f16, f32 or f64, either byte order and memory order; 2-D, or 1-D as one row |
 * | `fvecs` | `.fvecs` | per row the dimension as i32, then f32 values, little-endian |
 * | `raw` | `.f32`, `.raw`, `.bin` | f32 values, little-endian, nothing else |
 * | `jsonl` | `.jsonl`, `.ndjson` | per line `{"id":…,"vector":[…],"metadata":{…}}`, or an array; a vector may be base64 of little-endian f32 |
 * | `csv` | `.csv` | numbers and commas, no header |
 * | `parquet` | `.parquet` | a column of lists of floats |
 * | `arrow` | `.arrow`, `.ipc`, `.feather`; `.arrows` is the stream format | a column of lists or fixed-size lists of floats |
 */
export type VectorFormat = (typeof VECTOR_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, VectorFormat>> = {
  '.npy': 'npy',
  '.fvecs': 'fvecs',
  '.f32': 'raw',
  '.raw': 'raw',
  '.bin': 'raw',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.ipc': 'arrow',
  '.feather': 'arrow',
};

/** The format that a path's extension stands for, if any. */
export function formatByExtension(path: string): VectorFormat | undefined {
  return BY_EXTENSION[extname(path).toLowerCase()];
}

/**
 * The format that was asked for, or that of the path's extension.
 *
 * @param path `undefined` for a stream, whose format must be given
 */
export function formatOf(given: unknown, path: string | undefined): VectorFormat {
  if (given !== undefined) return oneOf(given, 'format', VECTOR_FORMATS);
  if (path === undefined) throw invalidArg('format', `given for a stream, one of ${VECTOR_FORMATS.join(', ')}`, given);
  const found = formatByExtension(path);
  if (found !== undefined) return found;
  const known = Object.keys(BY_EXTENSION).join(' ');
  throw invalidArg('format', `given for a path that does not end in one of ${known}`, given, { path });
}

/** Formats whose rows have named parts. */
const HAS_COLUMNS: readonly VectorFormat[] = ['jsonl', 'parquet', 'arrow'];

/** Checks an option that names a column. */
export function columnOption(value: unknown, argument: string, format: VectorFormat): string | undefined {
  if (value === undefined) return undefined;
  if (HAS_COLUMNS.includes(format)) return text(value, argument);
  throw invalidArg(argument, `absent for ${format}, which has no columns`, value);
}
