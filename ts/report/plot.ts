import { escapeMarkup } from './format.js';
import type { ReportFamily } from './model.js';

/** The two sizes a plot is drawn in: its text keeps its size, so that each screen has one that it fills. */
export type Layout = 'wide' | 'narrow';
export const LAYOUTS: readonly Layout[] = ['wide', 'narrow'];

/** Size of the text in the plots, as the style sheet has it. */
export const FONT = 11;

/** Upper estimate of the width of a text: fonts of the system differ, and labels must not meet in any. */
export function textWidth(text: string): number {
  return text.length * FONT * 0.66;
}

/** A coordinate, short and the same on every machine. */
export function round(value: number): string {
  return `${Math.round(value * 100) / 100}`;
}

/** A picture that says by itself what it shows. */
export function svg(
  layout: Layout,
  id: string,
  width: number,
  height: number,
  title: string,
  description: string,
  body: readonly string[],
): string {
  const name = `${id}-${layout}`;
  return [
    `<svg class="plot ${layout}" id="${name}" viewBox="0 0 ${width} ${round(height)}" role="img" aria-labelledby="${name}-t ${name}-d">`,
    `<title id="${name}-t">${escapeMarkup(title)}</title>`,
    `<desc id="${name}-d">${escapeMarkup(description)}</desc>`,
    ...body,
    '</svg>',
  ].join('\n');
}

const SIZE = 4.5;

/** Outline of a family's mark around the origin: shapes tell the families apart where colours cannot. */
function outline(family: ReportFamily): string {
  const [r, s, d] = [round(SIZE), round(SIZE * 0.9), round(SIZE * 1.3)];
  switch (family) {
    case 'float':
      return `M-${s} -${s}H${s}V${s}H-${s}Z`;
    case 'scalar':
      return `M0 -${d}L${d} ${s}H-${d}Z`;
    case 'residual':
      return `M0 -${d}L${d} 0L0 ${d}L-${d} 0Z`;
    case 'tinyquant':
    case 'lloyd-max':
      return `M-${r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 -${r} 0Z`;
    case 'product':
      return `M0 ${d}L${d} -${s}H-${d}Z`;
  }
}

/** A family's mark for legends, beside text. */
export function key(family: ReportFamily): string {
  return `<svg class="key" viewBox="-7 -7 14 14" aria-hidden="true"><path class="f-${family}" d="${outline(family)}"/></svg>`;
}

/** A scale from figures to the picture. */
export interface Axis {
  readonly title: string;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
  /** Place of a value, 0 at the start of the axis to 1 at its end. */
  readonly place: (value: number) => number;
}

/** Powers of two times `unit`. */
export function doublingAxis(
  title: string,
  values: readonly number[],
  unit: number,
  label: (v: number) => string,
): Axis {
  const logs = values.map((value) => Math.log2(value / unit));
  const [low, high] = [Math.min(...logs) - 0.3, Math.max(...logs) + 0.3];
  // A range within one doubling would have no tick.
  const [from, to] = high - low < 1.2 ? [Math.floor(low), Math.ceil(high)] : [low, high];
  const first = Math.ceil(from);
  const ticks = Array.from({ length: Math.floor(to) - first + 1 }, (_, i) => unit * 2 ** (first + i));
  return {
    title,
    ticks: ticks.map((value) => ({ value, label: label(value) })),
    place: (value) => (Math.log2(value / unit) - from) / (to - from),
  };
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Powers of ten; 0 has no place on it and gets one below all others. */
export function powersOfTen(title: string, values: readonly number[]): Axis {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const [low, high] = logs.length === 0 ? [-1, 0] : [Math.min(...logs), Math.max(...logs)];
  const [from, to] = [Math.floor(low - 0.1), Math.ceil(high + 0.1)];
  const hasZero = values.some((value) => value === 0);
  const step = Math.ceil((to - from) / 8);
  // The zero stands one step below the axis proper, with room for labels under it.
  const bottom = hasZero ? from - 1.75 * step : from;
  const ticks = [];
  for (let power = from; power <= to; power += step) {
    const digits = [...`${Math.abs(power)}`].map((digit) => SUPERSCRIPTS[Number(digit)] ?? '').join('');
    ticks.push({ value: 10 ** power, label: power === 0 ? '1' : `10${power < 0 ? '⁻' : ''}${digits}` });
  }
  return {
    title,
    ticks: hasZero ? [{ value: 0, label: '0' }, ...ticks] : ticks,
    place: (value) => ((value === 0 ? from - step : Math.log10(value)) - bottom) / (to - bottom),
  };
}

/** Shares up to 1, from the tick below the least value. */
export function shares(title: string, values: readonly number[]): Axis {
  const least = Math.min(...values);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((each) => (1 - least) / each <= 6) ?? 0.2;
  // Steps are counted down from 1, so that the ticks are round.
  const count = Math.max(1, Math.ceil((1 - least) / step + 0.25));
  const from = Math.max(0, 1 - count * step);
  // Marks of a perfect score stay inside the frame.
  const top = 1 + (1 - from) * 0.04;
  const ticks = Array.from({ length: Math.round((1 - from) / step) + 1 }, (_, i) => 1 - i * step);
  return {
    title,
    ticks: ticks.map((value) => ({ value, label: value.toFixed(2) })),
    place: (value) => (value - from) / (top - from),
  };
}

/** A row of the report in a plot. */
export interface Point {
  /** Number of the row in the table. */
  readonly row: number;
  readonly family: ReportFamily;
  readonly x: number;
  readonly y: number;
  /** Short text beside the mark; it is left out where there is no room. */
  readonly label: string;
  /** Full text, shown by pointing at the mark. */
  readonly title: string;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const meet = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const inside = (a: Box, b: Box): boolean =>
  a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;

interface Placed extends Point {
  readonly cx: number;
  readonly cy: number;
}

/** Points along the lines that join the marks of a family, as small boxes that labels keep off. */
function alongLines(series: readonly (readonly Placed[])[]): Box[] {
  const boxes: Box[] = [];
  for (const points of series) {
    for (const [i, to] of points.entries()) {
      const from = points[i - 1];
      if (from === undefined) continue;
      const steps = Math.ceil(Math.hypot(to.cx - from.cx, to.cy - from.cy) / 3);
      for (let step = 1; step < steps; step++) {
        const x = from.cx + ((to.cx - from.cx) * step) / steps;
        const y = from.cy + ((to.cy - from.cy) * step) / steps;
        boxes.push({ left: x - 1, top: y - 1, right: x + 1, bottom: y + 1 });
      }
    }
  }
  return boxes;
}

/** Finds room for the labels one after another: beside, above or below the mark, clear of marks and labels. */
function placeLabels(series: readonly (readonly Placed[])[], frame: Box): { text: string; x: number; y: number }[] {
  const points = series.flat();
  const taken: Box[] = points.map(({ cx, cy }) => ({ left: cx - 6, top: cy - 6, right: cx + 6, bottom: cy + 6 }));
  const lines = alongLines(series);
  const labels = [];
  for (const { label, cx, cy } of points) {
    const width = textWidth(label);
    const middle = cy + FONT * 0.35;
    const spots: readonly [left: number, baseline: number][] = [
      [cx + 9, middle],
      [cx - 9 - width, middle],
      [cx - width / 2, cy - 10],
      [cx - width / 2, cy + 10 + FONT * 0.8],
      [cx + 6, cy - 10],
      [cx - 6 - width, cy + 10 + FONT * 0.8],
      [cx - 6 - width, cy - 10],
      [cx + 6, cy + 10 + FONT * 0.8],
    ];
    const free = spots
      .map(([left, baseline]) => ({
        x: left + width / 2,
        y: baseline,
        box: { left, top: baseline - FONT, right: left + width, bottom: baseline + FONT * 0.3 },
      }))
      .filter(({ box }) => inside(box, frame) && !taken.some((other) => meet(box, other)));
    // A label may cut a line where nothing else is free, but never a mark or another label.
    const spot = free.find(({ box }) => !lines.some((other) => meet(box, other))) ?? free[0];
    if (spot === undefined) continue;
    taken.push(spot.box);
    labels.push({ text: label, x: spot.x, y: spot.y });
  }
  return labels;
}

const SIZES = {
  wide: { width: 520, height: 380, left: 52, right: 16, top: 28, bottom: 44 },
  narrow: { width: 328, height: 340, left: 42, right: 14, top: 28, bottom: 44 },
} as const;

/** Draws points by family, joined in the order of x. */
export function scatter(
  layout: Layout,
  id: string,
  title: string,
  description: string,
  points: readonly Point[],
  x: Axis,
  y: Axis,
): string {
  const size = SIZES[layout];
  const frame: Box = {
    left: size.left,
    top: size.top,
    right: size.width - size.right,
    bottom: size.height - size.bottom,
  };
  const across = (value: number): number => frame.left + x.place(value) * (frame.right - frame.left);
  const up = (value: number): number => frame.bottom - y.place(value) * (frame.bottom - frame.top);
  const body: string[] = [];

  for (const { value, label } of y.ticks) {
    const at = round(up(value));
    body.push(`<path class="grid" d="M${frame.left} ${at}H${frame.right}"/>`);
    body.push(
      `<text class="axis" x="${frame.left - 7}" y="${round(up(value) + FONT * 0.35)}" text-anchor="end">${escapeMarkup(label)}</text>`,
    );
  }
  // On a narrow picture every other tick of a long axis keeps its label, and the last one moves inside the picture.
  const widest = Math.max(...x.ticks.map(({ label }) => textWidth(label)));
  const [first, second] = x.ticks.map(({ value }) => across(value));
  const room = (second ?? frame.right) - (first ?? frame.left);
  const every = Math.max(1, Math.ceil((widest + 14) / room));
  for (const [i, { value, label }] of x.ticks.entries()) {
    const at = across(value);
    body.push(`<path class="grid" d="M${round(at)} ${frame.top}V${frame.bottom}"/>`);
    if ((x.ticks.length - 1 - i) % every !== 0) continue;
    const middle = round(Math.min(at, size.width - textWidth(label) / 2));
    body.push(
      `<text class="axis" x="${middle}" y="${frame.bottom + 17}" text-anchor="middle">${escapeMarkup(label)}</text>`,
    );
  }
  body.push(`<path class="frame" d="M${frame.left} ${frame.top}V${frame.bottom}H${frame.right}"/>`);
  body.push(`<text class="axis name" x="2" y="${FONT}">${escapeMarkup(y.title)}</text>`);
  body.push(
    `<text class="axis name" x="${frame.right}" y="${size.height - 8}" text-anchor="end">${escapeMarkup(x.title)}</text>`,
  );

  const families = [...new Set(points.map(({ family }) => family))];
  const series = families.map((family) =>
    points
      .filter((point) => point.family === family)
      .map((point): Placed => ({ ...point, cx: across(point.x), cy: up(point.y) }))
      .sort((a, b) => a.x - b.x || a.row - b.row),
  );
  // A mark on its own has no line that leads to it: it lies above the others.
  series.sort((a, b) => b.length - a.length);
  for (const line of series) {
    const path = line.map(({ cx, cy }, i) => `${i === 0 ? 'M' : 'L'}${round(cx)} ${round(cy)}`).join('');
    // Floats are not one method with more or fewer bits.
    if (line.length > 1 && line[0]?.family !== 'float')
      body.push(`<path class="series f-${line[0]?.family}" d="${path}"/>`);
  }
  for (const { row, family, cx, cy, title: text } of series.flat()) {
    body.push(
      `<path class="mark f-${family}" data-row="${row}" transform="translate(${round(cx)} ${round(cy)})" d="${outline(family)}"><title>${escapeMarkup(text)}</title></path>`,
    );
  }
  for (const { text, x: left, y: top } of placeLabels(series, frame)) {
    body.push(
      `<text class="halo" x="${round(left)}" y="${round(top)}" text-anchor="middle">${escapeMarkup(text)}</text>`,
    );
  }
  return svg(layout, id, size.width, size.height, title, description, body);
}

/** A bar with its name and figure. */
export interface Bar {
  readonly row: number;
  readonly family: ReportFamily;
  readonly name: string;
  readonly value: number;
  readonly figure: string;
  /** Whether it is drawn pale, as not to be compared with the others. */
  readonly plain: boolean;
}

/** Draws bars from 0, one below the other. */
export function bars(layout: Layout, id: string, title: string, description: string, all: readonly Bar[]): string {
  const { width } = SIZES[layout];
  const beside = layout === 'wide';
  const names = beside ? Math.max(...all.map(({ name }) => textWidth(name))) + 10 : 0;
  const figures = Math.max(...all.map(({ figure }) => textWidth(figure))) + 6;
  const [step, thick] = beside ? [22, 13] : [36, 12];
  const scale = (width - names - figures) / Math.max(...all.map(({ value }) => value));
  const body: string[] = [];
  for (const [i, { row, family, name, value, figure, plain }] of all.entries()) {
    const top = i * step + (beside ? (step - thick) / 2 : FONT + 7);
    const baseline = top + thick / 2 + FONT * 0.35;
    const length = Math.max(1, value * scale);
    body.push(
      beside
        ? `<text x="${round(names - 10)}" y="${round(baseline)}" text-anchor="end">${escapeMarkup(name)}</text>`
        : `<text x="2" y="${round(top - 4)}">${escapeMarkup(name)}</text>`,
      `<rect class="bar${plain ? ' plain' : ''} f-${family}" data-row="${row}" x="${round(names)}" y="${round(top)}" width="${round(length)}" height="${thick}" rx="1.5"/>`,
      `<text class="axis" x="${round(names + length + 5)}" y="${round(baseline)}">${escapeMarkup(figure)}</text>`,
    );
  }
  return svg(layout, id, width, all.length * step + 2, title, description, body);
}
