import type { ReportRow } from './model.js';

/** Text in which HTML and XML see no markup. */
export function escapeMarkup(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** A whole number with thousands set apart. */
export function grouped(value: number): string {
  return `${Math.round(value)}`.replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** Bytes: whole ones, or with one decimal where a share of a table makes them uneven. */
export function bytes(value: number): string {
  const tenths = Math.round(value * 10) / 10;
  return Number.isInteger(tenths) ? grouped(tenths) : `${grouped(Math.floor(tenths))}.${Math.round((tenths % 1) * 10)}`;
}

/** A small positive number with two decimals and its power of ten; 0 as it is. */
export function scientific(value: number): string {
  return value === 0 ? '0' : value.toExponential(2).replace('-', '−').replace('+', '');
}

/** A rate to three figures, which is more than it repeats to. */
export function rate(value: number): string {
  if (value < 1000) return value < 10 ? value.toFixed(1) : `${Math.round(value)}`;
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return grouped(Math.round(value / unit) * unit);
}

/** A column of figures. */
export interface Column {
  /** Field of {@link ReportRow} that it shows. */
  readonly field:
    | 'bytesPerVector'
    | 'ratio'
    | 'rho'
    | 'mse'
    | 'recall5'
    | 'recall10'
    | 'encodePerSecond'
    | 'decodePerSecond';
  readonly title: string;
  readonly best: 'least' | 'most';
  readonly show: (value: number) => string;
}

/** The columns of figures in the order of the table, after method and bits. */
export const COLUMNS: readonly Column[] = [
  { field: 'bytesPerVector', title: 'bytes/vector', best: 'least', show: bytes },
  { field: 'ratio', title: 'ratio', best: 'most', show: (value) => value.toFixed(2) },
  { field: 'rho', title: 'rho', best: 'most', show: (value) => value.toFixed(5) },
  { field: 'mse', title: 'MSE', best: 'least', show: scientific },
  { field: 'recall5', title: 'recall@5', best: 'most', show: (value) => value.toFixed(3) },
  { field: 'recall10', title: 'recall@10', best: 'most', show: (value) => value.toFixed(3) },
  { field: 'encodePerSecond', title: 'encode/s', best: 'most', show: rate },
  { field: 'decodePerSecond', title: 'decode/s', best: 'most', show: rate },
];

/** What stands where there is no figure. */
export const NO_FIGURE = '–';

/** Text of a figure. */
export function figure(row: ReportRow, column: Column): string {
  const value = row[column.field];
  return value === null ? NO_FIGURE : column.show(value);
}

/** Method and bits in one text. */
export function rowName(row: ReportRow): string {
  return row.family === 'float' || row.family === 'scalar'
    ? row.method
    : `${row.method}, ${row.bits}${/^\d$/.test(row.bits) ? ' bit' : ''}`;
}

/** The table as text: the titles, and a line of cells for each row. */
export function reportCells(results: readonly ReportRow[]): { readonly header: string[]; readonly rows: string[][] } {
  return {
    header: ['method', 'bits', ...COLUMNS.map(({ title }) => title)],
    rows: results.map((row) => [row.method, row.bits, ...COLUMNS.map((column) => figure(row, column))]),
  };
}
