// Recall@10 against queries a second as an SVG: one panel for single queries, one for batches, and a legend.

const PANEL = { width: 560, height: 560, left: 64, top: 64, gap: 80 };
const LEGEND = { width: 300, row: 18 };
const KINDS = { alone: 'one query a call', batch: '500 queries a call' };
const RECALLS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1];
/** The recall axis is logarithmic in what is missed; this share missed stands for none. */
const NONE_MISSED = 0.001;
const MARKS = [
  (x, y) => `<circle cx="${x}" cy="${y}" r="4"/>`,
  (x, y) => `<rect x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`,
  (x, y) => `<path d="M${x} ${y - 5}l5 9h-10z"/>`,
  (x, y) => `<path d="M${x} ${y - 5.5}l5.5 5.5-5.5 5.5-5.5-5.5z"/>`,
  (x, y) => `<path d="M${x} ${y + 5}l5-9h-10z"/>`,
  (x, y) => `<path d="M${x - 5} ${y - 1.8}h10v3.6h-10z"/>`,
];

const escaped = (text) => text.replace(/[<>&]/g, (char) => `&#${char.charCodeAt(0)};`);
const round = (value) => Math.round(value * 10) / 10;
const text = (x, y, content, more = '') => `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(content)}</text>`;

/** Indexes in the order of the results, each with its colour, its mark and its points. */
function curvesOf(results, colours) {
  const curves = new Map();
  const marks = new Map();
  for (const { engine, index, alone, batch } of results) {
    const name = `${engine}, ${index}`;
    if (!curves.has(name)) {
      const mark = marks.get(engine) ?? 0;
      marks.set(engine, mark + 1);
      curves.set(name, { name, colour: colours[engine], mark: MARKS[mark % MARKS.length], alone: [], batch: [] });
    }
    for (const [kind, figures] of Object.entries({ alone, batch })) {
      if (figures) curves.get(name)[kind].push({ missed: 1 - figures.recall10, rate: 1000 / figures.ms });
    }
  }
  return [...curves.values()];
}

/** What the axes span, and where a point lies between their ends. */
function scaleOf(curves) {
  const points = curves.flatMap(({ alone, batch }) => [...alone, ...batch]);
  const rates = points.map(({ rate }) => rate);
  const [least, most] = [Math.min(...rates) / 1.5, Math.max(...rates) * 1.5];
  const widest = Math.max(...points.map(({ missed }) => missed));
  const first = RECALLS.findLast((recall) => 1 - recall >= widest) ?? RECALLS[0];
  const along = (missed) => Math.log(Math.max(missed, NONE_MISSED));
  const rateTicks = [];
  for (let decade = 10 ** Math.floor(Math.log10(least)); decade <= most; decade *= 10) {
    rateTicks.push(...[1, 2, 5].map((step) => step * decade).filter((rate) => rate >= least && rate <= most));
  }
  return {
    x: (missed) => (along(1 - first) - along(missed)) / (along(1 - first) - along(0)),
    y: (rate) => Math.log(rate / least) / Math.log(most / least),
    recalls: RECALLS.filter((recall) => recall >= first),
    rates: rateTicks,
  };
}

function panel(curves, kind, left, scale) {
  const { width, height, top } = PANEL;
  const x = ({ missed }) => round(left + scale.x(missed) * width);
  const y = ({ rate }) => round(top + height - scale.y(rate) * height);
  const parts = [text(left, top - 14, `recall@10 and queries a second, ${KINDS[kind]}`, 'font-weight="600"')];
  for (const recall of scale.recalls) {
    const at = x({ missed: 1 - recall });
    parts.push(`<path class="grid" d="M${at} ${top}v${height}"/>`);
    parts.push(text(at, top + height + 18, String(recall), 'text-anchor="middle"'));
  }
  for (const rate of scale.rates) {
    parts.push(`<path class="grid" d="M${left} ${y({ rate })}h${width}"/>`);
    parts.push(text(left - 8, y({ rate }) + 4, rate.toLocaleString('en-US'), 'text-anchor="end"'));
  }
  for (const { colour, mark, [kind]: points } of curves) {
    const seen = points.filter(({ missed }) => scale.x(missed) >= 0).toSorted((a, b) => b.missed - a.missed);
    if (seen.length === 0) continue;
    const line = seen.map((point) => `${x(point)} ${y(point)}`).join('L');
    const shapes = seen.map((point) => mark(x(point), y(point))).join('');
    parts.push(`<g fill="${colour}"><path class="line" stroke="${colour}" d="M${line}"/>${shapes}</g>`);
  }
  return parts;
}

/** The picture of a report; points left of the recall axis are not in it. */
export function plot({ data, results, cpu, threads, date }, colours) {
  const curves = curvesOf(results, colours);
  const scale = scaleOf(curves);
  const lefts = [PANEL.left, PANEL.left + PANEL.width + PANEL.gap];
  const legend = lefts[1] + PANEL.width + 28;
  const height = Math.max(PANEL.top + PANEL.height + 36, PANEL.top + curves.length * LEGEND.row + 16);
  const rows = data.rows.toLocaleString('en-US');
  const count = `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${legend + LEGEND.width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>Recall against queries a second</title>`,
    '<style>.grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:1.5}</style>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    text(
      PANEL.left,
      24,
      `${data.name}, ${rows} x ${data.dim}, ${count}, ${cpu}, ${date}`,
      'font-size="15" font-weight="600"',
    ),
    ...Object.keys(KINDS).flatMap((kind, i) => panel(curves, kind, lefts[i], scale)),
    ...curves.map(({ name, colour, mark }, i) => {
      const y = PANEL.top + 8 + i * LEGEND.row;
      return `<g fill="${colour}">${mark(legend, y)}</g>${text(legend + 14, y + 4, name)}`;
    }),
    '</svg>',
  ].join('\n')}\n`;
}
