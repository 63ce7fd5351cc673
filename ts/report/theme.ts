import type { ReportFamily } from './model.js';

/** Colours of one scheme by name; a test holds text to a contrast of 4.5 and marks to 3 against the page. */
type Scheme = Readonly<Record<'page' | 'panel' | 'text' | 'muted' | 'line' | 'grid' | ReportFamily, string>>;

const LIGHT: Scheme = {
  page: '#fbfbf9',
  panel: '#f3f3ef',
  text: '#1c2024',
  muted: '#565d66',
  line: '#cfd2d0',
  grid: '#e3e4e0',
  float: '#60676f',
  scalar: '#8a5c00',
  residual: '#0a7a72',
  tinyquant: '#2a5fb4',
  'lloyd-max': '#c2410c',
  product: '#a0306e',
};

const DARK: Scheme = {
  page: '#14171a',
  panel: '#1c2024',
  text: '#e7e9ea',
  muted: '#a4acb4',
  line: '#3a4046',
  grid: '#272c31',
  float: '#a9b1b9',
  scalar: '#d8a746',
  residual: '#4bc2b5',
  tinyquant: '#82b1f7',
  'lloyd-max': '#ff9462',
  product: '#ea8dba',
};

function variables(scheme: Scheme): string {
  return Object.entries(scheme)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(';');
}

/** Style sheet of the page. The plots come in two sizes of text, of which one is shown. */
export const STYLE: string = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2.5rem 1rem 3rem}
h1{margin:0 0 .35rem;font-size:1.75rem;line-height:1.2;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:2.75rem 0 .35rem;font-size:1.15rem;line-height:1.3;font-weight:650}
p{margin:.35rem 0;max-width:46rem}
.lead{max-width:60rem}
.lead,.note,figcaption,footer{color:var(--muted)}
.note,figcaption,footer,.notes{font-size:.875rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr));gap:1px;margin:1.5rem 0 0;padding:0;background:var(--line);border:1px solid var(--line);border-radius:8px;overflow:hidden}
.facts div{padding:.8rem 1rem .9rem;background:var(--panel)}
.facts dt{font-size:.8125rem;color:var(--muted)}
.facts dd{margin:.1rem 0 0;font-weight:600}
.facts dd span{display:block;font-weight:400;font-size:.875rem;color:var(--muted);font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin:.9rem 0 .6rem;border:1px solid var(--line);border-radius:8px}
.scroll:focus-visible{outline:2px solid var(--tinyquant);outline-offset:2px}
table{width:100%;border-collapse:separate;border-spacing:0;font-size:.875rem;line-height:1.35;font-variant-numeric:tabular-nums lining-nums}
th,td{padding:.42rem .75rem;text-align:right;white-space:nowrap;font-weight:400}
thead th{padding-top:.6rem;padding-bottom:.6rem;background:var(--panel);color:var(--muted);font-size:.8125rem;border-bottom:1px solid var(--line)}
tbody th,thead th:first-child{position:sticky;left:0;text-align:left}
tbody th{background:var(--page)}
td.bits,thead th.bits,td.reason{text-align:left}
td.reason{color:var(--muted);white-space:normal;min-width:16rem}
tbody+tbody tr:first-child>*{border-top:1px solid var(--line)}
td.best{font-weight:700}
.star{position:absolute;margin-left:.1em;color:var(--muted)}
td{position:relative}
.key{display:inline-block;vertical-align:-.1em;width:.85em;height:.85em;margin-right:.55em}
.plots{display:grid;grid-template-columns:minmax(0,1fr);gap:0 2.5rem}
figure{margin:0;min-width:0}
figcaption{margin-top:.25rem}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;margin:.75rem 0 0;padding:0;list-style:none;font-size:.875rem}
svg.narrow{max-width:26rem}
svg{display:block}
svg.plot{width:100%;height:auto;margin-top:.6rem;font-family:inherit;font-size:11px;fill:var(--text);font-variant-numeric:tabular-nums}
svg .axis{fill:var(--muted)}
svg .name{font-weight:600}
svg .grid{stroke:var(--grid);fill:none}
svg .frame{stroke:var(--line);fill:none}
svg .halo{paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}
svg .mark{stroke:var(--page);stroke-width:1.5px}
svg .series{fill:none;stroke-width:1.75px;opacity:.75}
${Object.keys(LIGHT)
  .slice(6)
  .map(
    (family) =>
      `.f-${family}{fill:var(--${family})}.series.f-${family}{fill:none;stroke:var(--${family})}.plain.f-${family}{stroke:var(--${family})}`,
  )
  .join('\n')}
.plain{fill-opacity:.25;stroke-width:1px}
.wide{display:none!important}
dl.notes{display:grid;grid-template-columns:minmax(0,1fr);gap:0 1.5rem;margin:.75rem 0 0}
dl.notes dt{font-weight:600}
dl.notes dd{margin:0 0 .7rem;max-width:46rem;color:var(--muted)}
footer{margin-top:2.5rem;padding-top:.9rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
@media (max-width:40rem){
th,td{padding-left:.5rem;padding-right:.5rem}
table{font-size:.8125rem}
tbody th{white-space:normal;min-width:7.25rem;max-width:7.25rem;padding-left:calc(.5rem + 1.2em);text-indent:-1.2em}
.key{margin-right:.35em}
.legend .key{margin-right:.55em}
}
@media (min-width:40rem){
.wide{display:block!important}.narrow{display:none!important}
main{padding-left:2rem;padding-right:2rem}
dl.notes{grid-template-columns:9.5rem minmax(0,1fr)}
svg.plot{max-width:42rem}
}
@media (min-width:66rem){.plots{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{.scroll{overflow:visible}}
`.trim();
