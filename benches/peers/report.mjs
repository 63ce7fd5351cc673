// The figures of a run as text.

/** What the ratios compare with. */
const BASE = { engine: 'turbovec', index: '4 bits' };

export const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
export const labelOf = (search) =>
  Object.entries(search)
    .map(([name, value]) => (value === true ? name : `${name} ${value}`))
    .join(', ');

/**
 * Adds medians, spreads and ratios to the results; a ratio is the median of those within each round. Returns how much
 * processor time the measurements got in their time: below one thread's 1 other programs were busy.
 */
export function rateOf(results) {
  const shares = [];
  const base = results.find(({ engine, index }) => engine === BASE.engine && index === BASE.index);
  for (const kind of ['alone', 'batch']) {
    for (const { [kind]: figures } of results) {
      if (!figures) continue;
      figures.ms = median(figures.rounds);
      figures.cpuMs = median(figures.cpuRounds);
      shares.push(...figures.rounds.map((ms, round) => figures.cpuRounds[round] / ms));
      figures.spread = [Math.min(...figures.rounds), Math.max(...figures.rounds)];
      const ratios = base?.[kind]?.rounds.map((ms, round) => ms / figures.rounds[round]);
      if (ratios) figures.timesTurbovec = median(ratios);
    }
  }
  return shares.length > 0 ? median(shares) : null;
}

function markdown(header, rows, textColumns) {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i < textColumns ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

const significant = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const count = (value) => Math.round(value).toLocaleString('en-US');
/** Median with half of the spread. */
const timeOf = ({ ms, spread: [least, most] }) => `${significant(ms)} ±${((50 * (most - least)) / ms).toFixed(0)}%`;
const optional = (value, format) => (value === undefined || value === null ? '-' : format(value));

const about = ({ cpu, threads, isPinned, rounds, date }) =>
  `${cpu}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${isPinned ? ', pinned' : ''}, ` +
  `median of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${date}`;

export function searchTable(report) {
  const { data, results } = report;
  const header = ['engine', 'index', 'search', 'bytes', 'fixed KB', 'recall@1', 'recall@10', 'build rows/s'];
  header.push(
    'alone ms',
    'batch ms',
    'open ms',
    'again ms',
    'memory MB',
    `alone x${BASE.engine}`,
    `batch x${BASE.engine}`,
  );
  const worst = (row, name) => Math.min(...[row.alone, row.batch].filter(Boolean).map((figures) => figures[name]));
  const rows = results.map((row) => [
    row.engine,
    row.index,
    labelOf(row.search),
    row.bytesPerVector.toFixed(row.bytesPerVector < 1000 ? 1 : 0),
    count(row.fixedBytes / 1024),
    worst(row, 'recall1').toFixed(3),
    worst(row, 'recall10').toFixed(3),
    `${row.isReused ? '*' : ''}${count(row.rowsPerSecond)}`,
    timeOf(row.alone),
    optional(row.batch, timeOf),
    significant(row.firstOpenMs),
    significant(row.openMs),
    optional(row.memoryBytes, (bytes) => (bytes / 2 ** 20).toFixed(0)),
    optional(row.alone.timesTurbovec, significant),
    optional(row.batch?.timesTurbovec, significant),
  ]);
  const lines = [
    `${data.name}: ${count(data.rows)} x ${data.dim}, ${count(data.queries)} queries; ${about(report)}`,
    '',
    markdown(header, rows, 3),
  ];
  if (results.some(({ isReused }) => isReused)) lines.push('', '* built by an earlier run');
  if (report.threads === 1 && report.processorShare < 0.95) {
    const percent = (100 * report.processorShare).toFixed(0);
    lines.push('', `Other programs were busy: the measurements had a processor for ${percent} % of their time.`);
  }
  return lines.join('\n');
}

export function encodeTable(report) {
  const { results } = report;
  const rows = results.map(({ engine, dim, bits, rowsPerSecond, rounds }) => {
    const base = results.find((each) => each.engine === BASE.engine && each.dim === dim);
    const ratios = base?.rounds.map((rate, round) => rounds[round] / rate);
    const spread = `${count(Math.min(...rounds))} to ${count(Math.max(...rounds))}`;
    return [
      engine,
      String(dim),
      String(bits),
      count(rowsPerSecond),
      spread,
      optional(ratios && median(ratios), significant),
    ];
  });
  const header = ['engine', 'dimensions', 'bits', 'rows/s', 'spread', `x${BASE.engine}`];
  return `${count(report.data.rows)} rows added to an index without training; ${about(report)}\n\n${markdown(header, rows, 1)}`;
}
