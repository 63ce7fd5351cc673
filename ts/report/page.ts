import { bytes, COLUMNS, type Column, escapeMarkup, figure, grouped, NO_FIGURE, rate, rowName } from './format.js';
import { REPORT_FAMILIES, type Report, type ReportFamily, type ReportRow } from './model.js';
import {
  type Axis,
  type Bar,
  bars,
  doublingAxis,
  key,
  LAYOUTS,
  type Layout,
  type Point,
  powersOfTen,
  scatter,
  shares,
} from './plot.js';
import { STYLE } from './theme.js';

const FAMILY_NAMES: Readonly<Record<ReportFamily, string>> = {
  float: 'floats',
  scalar: 'uint8 scalar',
  residual: 'TinyQuant + residual',
  tinyquant: 'TinyQuant',
  'lloyd-max': 'TinyQuant, lloyd-max',
  product: 'product quantizer',
};

/** Text beside a mark; its family is told by shape and colour. */
function markLabel(row: ReportRow): string {
  if (row.family === 'float') return row.method;
  if (row.family === 'scalar') return 'uint8';
  if (row.family === 'product') return row.bits.replace(' dims', '');
  return `${row.bits.replace(' + residual', '')} bit`;
}

/** The table's families that have rows, in order. */
function families(
  results: readonly ReportRow[],
): { family: ReportFamily; rows: { row: ReportRow; index: number }[] }[] {
  const indexed = results.map((row, index) => ({ row, index }));
  return REPORT_FAMILIES.map((family) => ({ family, rows: indexed.filter(({ row }) => row.family === family) })).filter(
    ({ rows }) => rows.length > 0,
  );
}

const isRate = (column: Column): boolean => column.field.endsWith('PerSecond');

/** The best text of a column among the compressed rows; equal figures as shown are equally good. */
function bestOf(results: readonly ReportRow[], column: Column): string | undefined {
  let best: { value: number; text: string } | undefined;
  for (const row of results) {
    const value = row[column.field];
    if (value === null || row.method === 'float32' || (isRate(column) && !row.native)) continue;
    const better = best === undefined || (column.best === 'least' ? value < best.value : value > best.value);
    if (better) best = { value, text: figure(row, column) };
  }
  return best?.text;
}

function table(report: Report): string {
  const best = COLUMNS.map((column) => bestOf(report.results, column));
  const head = [
    '<th scope="col">method</th>',
    '<th scope="col" class="bits">bits</th>',
    ...COLUMNS.map(({ title }) => `<th scope="col">${title}</th>`),
  ].join('');
  const line = ({ row, index }: { row: ReportRow; index: number }): string => {
    const start = `<tr data-row="${index}"><th scope="row">${key(row.family)}${escapeMarkup(row.method)}</th><td class="bits">${escapeMarkup(row.bits)}</td>`;
    if (row.unavailable !== null) {
      return `${start}<td class="reason" colspan="${COLUMNS.length}">not available: ${escapeMarkup(row.unavailable)}</td></tr>`;
    }
    const cells = COLUMNS.map((column, i) => {
      const text = figure(row, column);
      const foreign = isRate(column) && !row.native;
      const isBest = row.method !== 'float32' && !foreign && text === best[i];
      const star = foreign && text !== NO_FIGURE ? '<span class="star">*</span>' : '';
      return `<td${isBest ? ' class="best"' : ''}>${escapeMarkup(text)}${star}</td>`;
    });
    return `${start}${cells.join('')}</tr>`;
  };
  const bodies = families(report.results).map(({ rows }) => `<tbody>\n${rows.map(line).join('\n')}\n</tbody>`);
  return `<div class="scroll" tabindex="0" role="region" aria-label="Table of all methods">
<table>
<thead><tr>${head}</tr></thead>
${bodies.join('\n')}
</table>
</div>`;
}

function legend(results: readonly ReportRow[]): string {
  const items = families(results)
    .filter(({ rows }) => rows.some(({ row }) => row.unavailable === null))
    .map(({ family }) => `<li>${key(family)}${FAMILY_NAMES[family]}</li>`);
  return `<ul class="legend" aria-label="Marks of the plots">${items.join('')}</ul>`;
}

/** Points of a plot: the rows that have both figures. */
function points(
  report: Report,
  x: (row: ReportRow) => number | null,
  field: 'mse' | 'recall10',
  name: string,
): Point[] {
  return report.results.flatMap((row, index) => {
    const [across, up] = [x(row), row[field]];
    if (across === null || up === null) return [];
    const column = COLUMNS.find((each) => each.field === field);
    const title = `${rowName(row)}: ${bytes(row.bytesPerVector ?? 0)} bytes a vector, ${name} ${column?.show(up) ?? ''}`;
    return [{ row: index, family: row.family, x: across, y: up, label: markLabel(row), title }];
  });
}

function figureBlock(heading: string, caption: string, draw: (layout: Layout) => string): string {
  return `<figure>
<h2>${heading}</h2>
<figcaption>${caption}</figcaption>
${LAYOUTS.map(draw).join('\n')}
</figure>`;
}

function plotBlock(
  id: string,
  heading: string,
  caption: string,
  all: readonly Point[],
  axes: (points: readonly Point[]) => readonly [Axis, Axis],
): string {
  if (all.length === 0) return '';
  const [x, y] = axes(all);
  const description = all.map(({ title }) => title).join('; ');
  return figureBlock(heading, caption, (layout) => scatter(layout, id, heading, description, all, x, y));
}

function distortionPlot(report: Report): string {
  const all = points(
    report,
    (row) => (row.bytesPerVector === null ? null : (8 * row.bytesPerVector) / report.dimension),
    'mse',
    'mean squared error',
  );
  const zero = all.some(({ y }) => y === 0) ? ' What comes back unchanged stands on the line of 0.' : '';
  return plotBlock(
    'distortion',
    'Rate and distortion',
    `Mean squared error of a value against bits per dimension; lower left is better.${zero}`,
    all,
    (each) => [
      doublingAxis(
        'bits per dimension',
        each.map(({ x }) => x),
        1,
        (value) => `${value}`,
      ),
      powersOfTen(
        'mean squared error',
        each.map(({ y }) => y),
      ),
    ],
  );
}

function recallPlot(report: Report): string {
  const raw = 4 * report.dimension;
  return plotBlock(
    'recall',
    'Recall and size',
    'Share of the ten nearest that are found against bytes per vector; upper left is better.',
    points(report, (row) => row.bytesPerVector, 'recall10', 'recall@10'),
    (each) => [
      doublingAxis(
        'bytes per vector',
        each.map(({ x }) => x),
        raw,
        (value) => bytes(value),
      ),
      shares(
        'recall@10',
        each.map(({ y }) => y),
      ),
    ],
  );
}

function ratePlot(report: Report, field: 'encodePerSecond' | 'decodePerSecond', heading: string): string {
  const all = report.results.flatMap((row, index): Bar[] => {
    const value = row[field];
    const name = `${rowName(row)}${row.native ? '' : ' *'}`;
    const plain = !row.native;
    return value === null ? [] : [{ row: index, family: row.family, name, value, figure: rate(value), plain }];
  });
  if (all.length === 0) return '';
  const description = all.map(({ name, figure: text }) => `${name}: ${text}`).join('; ');
  const id = field === 'encodePerSecond' ? 'encode' : 'decode';
  return figureBlock(heading, 'Vectors a second; longer is faster.', (layout) =>
    bars(layout, id, heading, description, all),
  );
}

/** The smallest methods that keep most of the ten nearest: what a reader chooses by. */
function choices(report: Report): string {
  const targets = [0.99, 0.95, 0.9];
  const items = targets.map((target) => {
    const able = report.results.filter((row) => (row.recall10 ?? 0) >= target && row.bytesPerVector !== null);
    const [smallest] = able.sort((a, b) => (a.bytesPerVector ?? 0) - (b.bytesPerVector ?? 0));
    if (smallest === undefined) return '';
    const facts = `${bytes(smallest.bytesPerVector ?? 0)} bytes, ratio ${(smallest.ratio ?? 0).toFixed(2)}, recall@10 ${(smallest.recall10 ?? 0).toFixed(3)}`;
    return `<div><dt>Smallest with recall@10 of at least ${target.toFixed(2)}</dt><dd>${escapeMarkup(rowName(smallest))}<span>${facts}</span></dd></div>`;
  });
  return items.every((item) => item === '') ? '' : `<dl class="facts">\n${items.join('\n')}\n</dl>`;
}

const plural = (count: number, one: string, many: string): string => `${grouped(count)} ${count === 1 ? one : many}`;

function lead(report: Report): string {
  const { rows, rowsGiven, dimension, queries, queriesGiven, norms } = report;
  const of = rowsGiven > rows ? ` (a sample of ${grouped(rowsGiven)})` : '';
  const length = (value: number): string => value.toPrecision(4);
  const lengths =
    length(norms.min) === length(norms.max) ? length(norms.min) : `${length(norms.min)} to ${length(norms.max)}`;
  const searched = queriesGiven
    ? plural(queries, 'query', 'queries')
    : `${plural(queries, 'of the vectors as a query', 'of the vectors as queries')}, each searching the others`;
  return `${plural(rows, 'vector', 'vectors')}${of} of ${plural(dimension, 'dimension', 'dimensions')}, ${grouped(4 * dimension)} bytes each as float32; lengths ${escapeMarkup(lengths)}; ${searched}.`;
}

function notes(report: Report): string {
  const half = report.results.find((row) => row.method === 'float16');
  const exactHalf = half?.mse === 0 ? ' It loses nothing here, because all values are half precision already.' : '';
  const untrained = report.results.some(({ family, unavailable }) => family === 'tinyquant' && unavailable !== null);
  const repeats = untrained
    ? ' Quantiles need as many distinct values as entries: a value that repeats often, such as an exact zero, leaves too few.'
    : '';
  const entries: readonly [string, string][] = [
    [
      'bytes/vector',
      `What is stored for each vector, plus its share of the tables that are stored once for all ${grouped(report.rows)} vectors: the entries of a TinyQuant codebook, the centroids of a product quantizer. Left out are ids and the header of a serialised TinyQuant record: 71 bytes, or 75 with a residual. The rotation of TinyQuant is drawn from a seed and not stored.`,
    ],
    ['ratio', `Bytes of float32 (${grouped(4 * report.dimension)}) divided by bytes/vector.`],
    [
      'rho',
      `Pearson correlation between the cosines of ${plural(report.pairs, 'pair', 'pairs')} of vectors before and after.`,
    ],
    [
      'MSE',
      'Mean squared error of a value. Bits per dimension are eight times bytes/vector, divided by the dimension.',
    ],
    [
      'recall@k',
      `Share of the true k nearest by cosine that an exact search over the decoded vectors finds; the queries are not compressed.`,
    ],
    [
      'encode/s, decode/s',
      `Vectors a second, the median of up to five runs. TinyQuant runs on ${plural(report.environment.threads, 'thread', 'threads')} of the native addon, float16 on one; a rate with * (a pale bar) is that of plain JavaScript on one thread and says little about the method.`,
    ],
    ['float16', `Half precision, rounded to nearest.${exactHalf}`],
    [
      'uint8 scalar',
      'A byte for each value between the least and the largest of its vector, which are stored as float32.',
    ],
    [
      'TinyQuant',
      `A rotation, then 8, 4 or 2 bits a value. The residual adds what is lost in half precision, 2 bytes a value. Codebooks are trained on ${plural(report.trainRows, 'vector', 'vectors')}: their entries are quantiles of the values, or with lloyd-max those of least squared error on the rotated values.${repeats}`,
    ],
    [
      'product quantizer',
      `A byte for every 4 or 8 dimensions: the number of the nearest of up to 256 centroids, which k-means found there on ${plural(report.productTrainRows, 'vector', 'vectors')}. The centroids, 1024 bytes a dimension, weigh little only where vectors are many.`,
    ],
  ];
  return `<dl class="notes">\n${entries.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join('\n')}\n</dl>`;
}

function footer({ environment }: Report): string {
  const { cpu, node, version, simd, threads } = environment;
  const parts = [
    `tinyquant ${version}`,
    `SIMD level ${simd}`,
    plural(threads, 'thread', 'threads'),
    `Node ${node}`,
    cpu,
  ];
  return `<footer>${parts.map(escapeMarkup).join(' · ')}</footer>`;
}

/**
 * Draws a report as one HTML file that needs nothing else: no network, font or script. It reads in a light and a dark
 * scheme and on a phone. The same report gives the same text.
 *
 * @param report as `measureReport` returns it
 * @returns a whole document in UTF-8
 */
export function renderReport(report: Report): string {
  const title = escapeMarkup(report.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>
${STYLE}
</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p class="lead">${lead(report)}</p>
${choices(report)}
<h2>All methods</h2>
<p class="note">Bold is best in a column; float32 is left out, and so are rates with *.</p>
${table(report)}
${legend(report.results)}
<div class="plots">
${[
  distortionPlot(report),
  recallPlot(report),
  ratePlot(report, 'encodePerSecond', 'Encoding'),
  ratePlot(report, 'decodePerSecond', 'Decoding'),
]
  .filter((block) => block !== '')
  .join('\n')}
</div>
<h2>How to read it</h2>
${notes(report)}
${footer(report)}
</main>
</body>
</html>
`;
}
