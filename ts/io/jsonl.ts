import { isTooDeep, type Metadata, toMetadataJson } from '../metadata.js';
import { describe } from '../validate.js';
import type { RowCollector, VectorBatch } from './batch.js';
import { lines } from './csv.js';
import type { Encoder } from './encoder.js';
import { readLines } from './lines.js';
import type { Source } from './source.js';

const DEFAULT_FIELDS = ['vector', 'embedding', 'values'] as const;

/** Numbers of a JSON value, or what is wrong with it. */
function numbersOf(value: unknown): ArrayLike<number> | string {
  if (Array.isArray(value)) {
    const column = value.findIndex((item) => typeof item !== 'number');
    return column === -1 ? value : `value ${column} of the vector is ${describe(value[column])}, expected a number`;
  }
  if (typeof value !== 'string') return `the vector is ${describe(value)}, expected numbers or base64`;
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0) {
    return 'the vector is text, but not base64 of 32-bit floats';
  }
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/**
 * Text of an id. An integer becomes its decimal digits.
 *
 * @returns `undefined` for anything that cannot be an id
 */
export function idText(value: unknown): string | undefined {
  if (typeof value === 'string') return /\p{Surrogate}/u.test(value) ? undefined : value;
  // JSON beyond 2^53 has lost digits by now.
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one JSON value a line: an object with the vector in a field, or the vector itself. */
export function readJsonl(
  source: Source,
  into: RowCollector,
  column: string | undefined,
  idColumn: string | undefined,
): AsyncGenerator<VectorBatch> {
  // Decided by the first row: a name that is missing later is an error, not a reason to invent one.
  let hasIds = idColumn === undefined ? undefined : true;
  return readLines(source, into, (text, line) => {
    const reject = (what: string): void => into.reject(what, { line });
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      return reject(`not JSON: ${(error as Error).message}`);
    }
    const row = isObject(parsed) ? parsed : {};
    const own = (name: string): boolean => Object.hasOwn(row, name);
    const field = column ?? DEFAULT_FIELDS.find(own);
    if (parsed === row && (field === undefined || !own(field))) {
      return reject(
        `no field ${(column === undefined ? DEFAULT_FIELDS : [column]).map((name) => `'${name}'`).join(', ')}`,
      );
    }
    const values = numbersOf(parsed === row ? row[field ?? ''] : parsed);
    if (typeof values === 'string') return reject(values);
    const idField = idColumn ?? 'id';
    hasIds ??= own(idField);
    const id = own(idField) ? idText(row[idField]) : undefined;
    if (id === undefined && (hasIds || own(idField))) {
      return reject(
        `'${idField}' is ${own(idField) ? describe(row[idField]) : 'missing'}, expected text or an integer`,
      );
    }
    const metadata = row.metadata ?? undefined;
    if (metadata !== undefined && !isObject(metadata)) return reject("'metadata' is no object");
    if (metadata !== undefined && isTooDeep(metadata)) return reject("'metadata' is nested too deep");
    return into.add(values, id, metadata as Metadata | undefined);
  });
}

/** Writes one object a line, with the numbers that 32-bit floats need. */
export function jsonlEncoder(column: string, idColumn: string): Encoder {
  return {
    encode(batch) {
      const { ids, metadata } = batch;
      return lines(batch, (numbers, row) => {
        const id = ids === undefined ? '' : `${JSON.stringify(idColumn)}:${JSON.stringify(ids[row])},`;
        const facts = toMetadataJson(metadata?.[row], `metadata[${row}]`);
        return `{${id}${JSON.stringify(column)}:[${numbers}]${facts === null ? '' : `,"metadata":${facts}`}}`;
      });
    },
    end: () => ({ tail: [] }),
  };
}
