import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report, ReportRow } from '../ts/report.js';
import { embeddings, has, reports } from './helpers/report.js';

const { measureReport, renderReport } = reports;

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const INSTALL = 'apt-get install -y --no-install-recommends chromium';
const missing = existsSync(CHROMIUM)
  ? undefined
  : `no ${CHROMIUM}; install with: ${INSTALL} (or set CHROMIUM to its path)`;
/** A continuous integration machine has to have it; elsewhere the user may choose not to. */
const skipped = missing !== undefined && process.env.CI !== 'true';
if (skipped) console.info(`SKIPPED: report in a browser: ${missing}`);

/** Text that would do harm, or break the page, if it were markup. */
const HOSTILE = `</title><script>alert(1)</script><img src=x onerror="alert(2)"> & 'quotes'`;

/** A measured report and variations of it that are hard to draw. */
async function samples(): Promise<Record<'usual' | 'small' | 'crowded' | 'hostile' | 'poor', Report>> {
  const { base, queries } = await embeddings();
  const measure = (rows: number): Promise<Report> =>
    measureReport(base.data.slice(0, rows * base.dimension), base.dimension, { queries: queries.data });
  const [usual, small] = [await measure(500), await measure(40)];
  const change = (results: (row: ReportRow, index: number) => Partial<ReportRow>): readonly ReportRow[] =>
    usual.results.map((row, index) => ({ ...row, ...results(row, index) }));
  return {
    usual,
    // Its centroids weigh more than the vectors, and no 8-bit codebook can be trained.
    small,
    // All marks of a family in one place, and rates that differ ten thousandfold.
    crowded: {
      ...usual,
      rows: 12_345_678,
      title: 'Sprache'.repeat(40),
      results: change((row, i) => ({
        ...{ bytesPerVector: 384 + (i % 2), recall10: 0.9871 + (i % 3) * 1e-4, mse: 1e-7 * (1 + (i % 2) * 0.01) },
        encodePerSecond: row.encodePerSecond === null ? null : 12_345_678.9 / 10 ** (i % 5),
      })),
    },
    hostile: {
      ...usual,
      title: HOSTILE,
      environment: { ...usual.environment, cpu: HOSTILE, simd: HOSTILE, node: HOSTILE, version: HOSTILE },
      results: change((_, i) => (i === 4 ? { ...NOTHING, unavailable: HOSTILE } : {})),
    },
    // What one vector gives.
    poor: { ...usual, rows: 1, results: change(() => ({ rho: null, recall5: null, recall10: null, mse: 0 })) },
  };
}

const NOTHING: Partial<ReportRow> = {
  ...{ payloadBytes: null, sharedBytes: null, bytesPerVector: null, ratio: null, rho: null, mse: null },
  ...{ recall5: null, recall10: null, encodePerSecond: null, decodePerSecond: null },
};

let all: Awaited<ReturnType<typeof samples>>;
beforeAll(async () => {
  all = await samples();
});

/** Contrast of two colours after WCAG 2.2, from 1 to 21; channels from 0 to 255. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (colour: readonly number[]): number => {
    const [red = 0, green = 0, blue = 0] = colour.map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

describe('renderReport', () => {
  it('gives the same text for the same report, also after JSON', () => {
    const page = renderReport(all.usual);
    expect(renderReport(all.usual)).toBe(page);
    expect(renderReport(JSON.parse(JSON.stringify(all.usual)) as Report)).toBe(page);
    expect(renderReport({ ...all.usual, title: 'Other' })).not.toBe(page);
  });

  it('needs nothing outside itself', () => {
    for (const report of Object.values(all)) {
      const page = renderReport(report);
      expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
      expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
      expect(page.match(/<script|<iframe|<object|<embed|@import|@font-face|url\(|https?:/)).toBe(null);
      expect(page.match(/<[^>]*\s(on\w+|src|srcset|style)=/)).toBe(null);
      expect(page.match(/undefined|NaN|Infinity|\[object/)).toBe(null);
      expect(page.match(/\shref="[^"]*"/g)).toEqual([' href="data:,"']);
    }
  });

  it('shows text from outside as text', () => {
    const page = renderReport(all.hostile);
    expect(page).not.toContain('<img');
    expect(page.split('&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img')).toHaveLength(8);
    expect(page).toContain('&amp; &#39;quotes&#39;');
  });

  it('has colours of sufficient contrast in both schemes', () => {
    const schemes = [...renderReport(all.usual).matchAll(/:root\{([^}]*)\}/g)].map(([, block = '']) => {
      const pairs = [...block.matchAll(/--([\w-]+):#([0-9a-f]{6})/g)];
      return new Map(
        pairs.map(([, name = '', hex = '']) => [
          name,
          [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)),
        ]),
      );
    });
    expect(schemes).toHaveLength(2);
    for (const colours of schemes) {
      const of = (name: string): readonly number[] => colours.get(name) ?? [];
      for (const background of ['page', 'panel']) {
        for (const text of ['text', 'muted']) expect(contrast(of(text), of(background))).toBeGreaterThan(4.5);
      }
      for (const { family } of all.usual.results) expect(contrast(of(family), of('page'))).toBeGreaterThan(4.5);
    }
    expect(contrast([0, 0, 0], [255, 255, 255])).toBe(21);
    expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
  });
});

interface Box {
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** In the page: the box of an element as drawn. */
const BOX_OF = `(element) => {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  return { text: element.textContent, row: Number(element.dataset.row), left, top, right, bottom };
}`;

/** Boxes of what a selector finds. */
const boxes = (page: Page, selector: string): Promise<(Box & { row: number })[]> =>
  page.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map(${BOX_OF})`);

interface Picture {
  readonly id: string;
  readonly frame: Box;
  readonly texts: readonly Box[];
  /** Those of the texts that stand beside marks. */
  readonly labels: readonly Box[];
  readonly marks: readonly Box[];
}

/** The pictures on the screen. */
const visible = (page: Page): Promise<Picture[]> =>
  page.evaluate(`[...document.querySelectorAll('svg.plot')].filter((svg) => svg.getClientRects().length > 0).map((svg) => {
    const find = (selector) => [...svg.querySelectorAll(selector)].map(${BOX_OF});
    const [frame] = [svg].map(${BOX_OF});
    return { id: svg.id, frame, texts: find('text'), labels: find('text.halo'), marks: find('.mark') };
  })`);

/** Pairs that cover some of the same place; half a pixel of rounding is allowed. */
function overlaps(some: readonly Box[], others: readonly Box[] = some): string[] {
  const found: string[] = [];
  for (const [i, a] of some.entries()) {
    for (const [j, b] of others.entries()) {
      if (some === others && j <= i) continue;
      const apart =
        a.right <= b.left + 0.5 || b.right <= a.left + 0.5 || a.bottom <= b.top + 0.5 || b.bottom <= a.top + 0.5;
      if (!apart) found.push(`${a.text} / ${b.text}`);
    }
  }
  return found;
}

/** A figure as the table shows it. */
function parse(text: string): number | null {
  return text === '–' ? null : Number(text.replaceAll(',', '').replace('−', '-').replace('*', ''));
}

/** Whether each value takes its place on a straight axis: places against values, after `scale`. */
function expectScale(values: readonly number[], places: readonly number[]): void {
  const least = values.indexOf(Math.min(...values));
  const most = values.indexOf(Math.max(...values));
  const at = (list: readonly number[], i: number): number => list[i] ?? Number.NaN;
  const span = at(values, most) - at(values, least);
  const length = at(places, most) - at(places, least);
  expect(span).toBeGreaterThan(0);
  expect(length).toBeGreaterThan(20);
  for (const [i, value] of values.entries()) {
    const share = (value - at(values, least)) / span;
    expect(Math.abs(at(places, i) - at(places, least) - share * length)).toBeLessThan(0.5);
  }
}

describe.skipIf(skipped)(`a report in Chromium${skipped ? ` (SKIPPED: ${missing})` : ''}`, () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), 'tinyquant-report-'));
  const foreign: string[] = [];

  beforeAll(async () => {
    if (missing !== undefined) throw new Error(`Chromium is missing: ${missing}`);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a report from a file, and lets nothing else be loaded. */
  async function open(report: Report, width: number, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
    const path = join(folder, 'report.html');
    writeFileSync(path, renderReport(report));
    const url = pathToFileURL(path).href;
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
    const page = await context.newPage();
    page.on('dialog', (dialog) => {
      foreign.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => foreign.push(String(error)));
    page.on('console', (message) => foreign.push(message.text()));
    await context.route('**/*', (route) => {
      if (route.request().url() === url) return route.continue();
      foreign.push(route.request().url());
      return route.abort();
    });
    await page.goto(url);
    return page;
  }

  /** Which of the two sizes of the plots is on the screen at a width. */
  const layout = (width: number): string => (width < 640 ? 'narrow' : 'wide');

  it('shows every row of the report in its table', async () => {
    for (const report of [all.usual, all.small, all.hostile]) {
      const page = await open(report, 1200);
      expect(await page.title()).toBe(report.title);
      expect(await page.locator('h1').textContent()).toBe(report.title);
      const lines = await page.locator('tbody tr').all();
      expect(lines).toHaveLength(report.results.length);
      for (const [i, line] of lines.entries()) {
        const row = report.results[i] as ReportRow;
        expect(await line.locator('th').textContent()).toBe(row.method);
        const [bits, ...cells] = await line.locator('td').allTextContents();
        expect(bits).toBe(row.bits);
        if (row.unavailable !== null) {
          expect(cells).toEqual([`not available: ${row.unavailable}`]);
          continue;
        }
        const figures: [number | null, (value: number) => number][] = [
          [row.bytesPerVector, () => 0.0501],
          [row.ratio, () => 0.00501],
          [row.rho, () => 0.00000501],
          [row.mse, (value) => value * 0.00501],
          [row.recall5, () => 0.000501],
          [row.recall10, () => 0.000501],
          [row.encodePerSecond, (value) => value * 0.00501],
          [row.decodePerSecond, (value) => value * 0.00501],
        ];
        expect(cells).toHaveLength(figures.length);
        for (const [column, [value, tolerance]] of figures.entries()) {
          const shown = parse(cells[column] ?? '');
          if (value === null) expect(shown).toBe(null);
          else expect(Math.abs(has(shown) - value)).toBeLessThanOrEqual(tolerance(value));
          const isStarred = value !== null && column >= 6 && !row.native;
          expect(cells[column]?.endsWith('*')).toBe(isStarred);
        }
      }
      await page.context().close();
    }
    expect(all.small.results.some(({ unavailable }) => unavailable !== null)).toBe(true);
  });

  it.each([360, 1200])('draws the marks where the figures are, %i pixels wide', async (width) => {
    for (const report of [all.usual, all.small]) {
      const page = await open(report, width);
      const rows = report.results;
      const bits = (row: ReportRow): number => Math.log2(has(row.bytesPerVector));
      for (const [id, field, up] of [
        ['distortion', 'mse', Math.log10],
        ['recall', 'recall10', (value: number) => value],
      ] as const) {
        const marks = await boxes(page, `#${id}-${layout(width)} .mark`);
        const drawn = rows.flatMap((row, i) => (row.bytesPerVector === null || row[field] === null ? [] : [i]));
        expect(marks.map(({ row }) => row).sort((a, b) => a - b)).toEqual(drawn);
        const centre = (mark: Box): number => (mark.left + mark.right) / 2;
        expectScale(
          marks.map(({ row }) => bits(rows[row] as ReportRow)),
          marks.map(centre),
        );

        const figures = marks.map(({ row }) => has((rows[row] as ReportRow)[field]));
        // The marks of some families are not as high above their point as below.
        const shift = { float: 0, residual: 0, tinyquant: 0, 'lloyd-max': 0, scalar: 0.9, product: -0.9 };
        const scale = (marks[0] as Box).right - (marks[0] as Box).left;
        const heights = marks.map((mark) => {
          const { family } = rows[mark.row] as ReportRow;
          return -(mark.top + mark.bottom) / 2 - (shift[family] * scale) / 8.1;
        });
        const positive = figures.flatMap((value, i) => (value > 0 ? [i] : []));
        expectScale(
          positive.map((i) => up(figures[i] ?? 0)),
          positive.map((i) => heights[i] ?? 0),
        );
        // A figure of 0 has no logarithm: it stands below all others.
        for (const [i, value] of figures.entries()) {
          if (value > 0) continue;
          expect(heights[i]).toBeLessThan(Math.min(...positive.map((j) => heights[j] ?? 0)) - 5);
        }
      }
      for (const [id, field] of [
        ['encode', 'encodePerSecond'],
        ['decode', 'decodePerSecond'],
      ] as const) {
        const drawn = await boxes(page, `#${id}-${layout(width)} .bar`);
        expect(drawn.map(({ row }) => row)).toEqual(rows.flatMap((row, i) => (row[field] === null ? [] : [i])));
        const rates = drawn.map(({ row }) => has((rows[row] as ReportRow)[field]));
        const most = Math.max(...rates);
        const widest = Math.max(...drawn.map(({ left, right }) => right - left));
        for (const [i, { left, right, top }] of drawn.entries()) {
          expect(Math.abs(right - left - Math.max((widest * (rates[i] ?? 0)) / most, 1))).toBeLessThan(2);
          expect(left).toBeCloseTo(drawn[0]?.left ?? 0, 0);
          expect(top).toBeGreaterThan(drawn[i - 1]?.bottom ?? 0);
        }
      }
      await page.context().close();
    }
  });

  it('says in words what each picture shows', async () => {
    const page = await open(all.usual, 1200);
    for (const id of ['distortion', 'recall', 'encode', 'decode']) {
      const picture = page.getByRole('img').and(page.locator(`#${id}-wide`));
      await expect(picture.count()).resolves.toBe(1);
      expect(await page.locator(`#${id}-wide > title`).textContent()).not.toBe('');
      expect(await page.locator(`#${id}-wide > desc`).textContent()).toContain('TinyQuant, lloyd-max, 4 bit');
      expect(await page.locator(`#${id}-narrow`).isVisible()).toBe(false);
    }
    const ids: string[] = await page.evaluate('[...document.querySelectorAll("[id]")].map(({ id }) => id)');
    expect(new Set(ids).size).toBe(ids.length);
    const titles = await page.locator('#recall-wide .mark title').allTextContents();
    expect(titles).toHaveLength(all.usual.results.length);
    expect(titles.join()).toMatch(/TinyQuant, 4 bit: 192\.1 bytes a vector, recall@10 0\.\d{3}/);
    await page.context().close();
  });

  it('leaves out the plots that have nothing to show', async () => {
    const page = await open(all.poor, 1200);
    expect(await page.locator('svg[id^=recall]').count()).toBe(0);
    expect(await page.locator('#distortion-wide .mark').count()).toBe(all.poor.results.length);
    await page.context().close();
  });

  it.each([320, 360, 639, 640, 1200])('keeps inside a page of %i pixels, and its labels apart', async (width) => {
    for (const [name, report] of Object.entries(all)) {
      const page = await open(report, width);
      const size: { page: number; view: number; table: number; box: number } = await page.evaluate(`(() => {
        const box = document.querySelector('.scroll');
        const { scrollWidth, clientWidth } = document.documentElement;
        return { page: scrollWidth, view: clientWidth, table: box.scrollWidth, box: box.clientWidth };
      })()`);
      expect(size.page).toBe(size.view);
      expect(size.view).toBe(width);
      // On a phone the table is wider than the page and scrolls on its own.
      expect(size.table > size.box).toBe(width < 700);
      const pictures = await visible(page);
      expect(pictures).toHaveLength(name === 'poor' ? 3 : 4);
      for (const { id, frame, texts, labels, marks } of pictures) {
        expect(id).toContain(layout(width));
        expect(texts.length).toBeGreaterThan(5);
        expect({ id, name, overlaps: overlaps(texts) }).toEqual({ id, name, overlaps: [] });
        for (const text of texts) {
          expect(text.left).toBeGreaterThanOrEqual(frame.left - 0.5);
          expect(text.right).toBeLessThanOrEqual(frame.right + 0.5);
          expect(text.top).toBeGreaterThanOrEqual(frame.top - 1);
          expect(text.bottom).toBeLessThanOrEqual(frame.bottom + 1);
        }
        expect({ id, name, hidden: overlaps(labels, marks) }).toEqual({ id, name, hidden: [] });
        if (name === 'usual' && marks.length > 0) expect(labels.length).toBeGreaterThanOrEqual(8);
      }
      await page.context().close();
    }
  });

  it('takes the colours of the scheme, all of them readable', async () => {
    const backgrounds: string[] = [];
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open(all.usual, 1200, scheme);
      // What a reader sees: the colour of each text, and the background of the nearest element that has one.
      const seen: { text: string; colour: string; behind: string }[] = await page.evaluate(`(() => {
        const found = [];
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const element = walker.currentNode.parentElement;
          const text = walker.currentNode.data.trim();
          if (text === '' || element.closest('title, desc') !== null || element.getClientRects().length === 0) continue;
          const style = getComputedStyle(element);
          let behind = element;
          while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
          const colour = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
          found.push({ text, colour, behind: getComputedStyle(behind).backgroundColor });
        }
        return found;
      })()`);
      expect(seen.length).toBeGreaterThan(150);
      const channels = (colour: string): number[] => {
        expect(colour).toMatch(/^rgb\(\d+, \d+, \d+\)$/);
        return (colour.match(/\d+/g) ?? []).map(Number);
      };
      for (const { text, colour, behind } of seen) {
        expect({ text, isReadable: contrast(channels(colour), channels(behind)) >= 4.5 }).toEqual({
          text,
          isReadable: true,
        });
      }
      const background: string = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      backgrounds.push(background);
      const fills: string[] = await page.evaluate(
        `[...document.querySelectorAll('svg .mark, svg .bar:not(.plain)')].map((element) => getComputedStyle(element).fill)`,
      );
      for (const fill of fills) expect(contrast(channels(fill), channels(background))).toBeGreaterThanOrEqual(3);
      expect(new Set(fills).size).toBe(6);
      await page.context().close();
    }
    const [light = '', dark = ''] = backgrounds.map((colour) => colour.match(/\d+/)?.[0]);
    expect(Number(light)).toBeGreaterThan(200);
    expect(Number(dark)).toBeLessThan(60);
  });

  it('never asked for anything but the file', async () => {
    expect(foreign).toEqual([]);
    // The guard itself works: a page that asks is caught.
    const page = await open(all.usual, 1200);
    await page.evaluate(`fetch('https://example.invalid/x').catch(() => {})`);
    expect(foreign.join()).toMatch(/example\.invalid|Content Security Policy/);
    await page.context().close();
  });
});
