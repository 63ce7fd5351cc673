import type { RowCollector, VectorBatch } from './batch.js';
import type { Encoder } from './encoder.js';
import { readLines } from './lines.js';
import type { Source } from './source.js';

/** One decimal number, or what C and Python print for the others. */
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)$/i;

function parse(cell: string): number {
  const value = Number(cell);
  if (!Number.isNaN(value)) return value;
  return /inf/i.test(cell) ? (cell.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) : Number.NaN;
}

/** Reads numbers that commas separate. */
export function readCsv(source: Source, into: RowCollector): AsyncGenerator<VectorBatch> {
  return readLines(source, into, (text, line) => {
    const cells = text.split(',').map((cell) => cell.trim());
    const column = cells.findIndex((cell) => !NUMBER.test(cell));
    if (column === -1) into.add(cells.map(parse));
    else
      into.reject(`column ${column} is ${JSON.stringify(cells[column]?.slice(0, 40))}, expected a number`, {
        column,
        line,
      });
  });
}

/** Text of about this length goes out at a time. */
const TEXT_LENGTH = 1 << 20;

/** The number in at most nine digits, which is what it takes to read the same 32-bit float back. */
export function decimal(value: number): string {
  return Object.is(value, -0) ? '-0' : String(Number(value.toPrecision(9)));
}

/** Lines of text for the rows of a batch, in pieces. */
export function* lines(
  { vectors, rows, dimension }: VectorBatch,
  line: (numbers: string, row: number) => string,
): Generator<Uint8Array> {
  let text = '';
  for (let row = 0; row < rows; row++) {
    const values = vectors.subarray(row * dimension, (row + 1) * dimension);
    text += `${line(Array.from(values, decimal).join(), row)}\n`;
    if (text.length < TEXT_LENGTH && row + 1 < rows) continue;
    yield Buffer.from(text, 'utf8');
    text = '';
  }
}

/** Writes numbers with as many digits as a 32-bit float needs. */
export function csvEncoder(): Encoder {
  return { encode: (batch) => lines(batch, (numbers) => numbers), end: () => ({ tail: [] }) };
}
