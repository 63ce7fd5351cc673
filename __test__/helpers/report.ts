import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readVectors } from 'tinyquant/io';
import type { Report, ReportFamily, ReportRow } from '../../ts/report.js';
import { ROOT } from './golden.js';

type Built = typeof import('../../ts/report.js');

/** The built module; it has no typings of its own. */
export const reports: Built = createRequire(__filename)('../../dist/report.js') as Built;

/** Row-major vectors. */
export interface Matrix {
  readonly rows: number;
  readonly dimension: number;
  readonly data: Float32Array;
}

/** The embeddings of the demo. */
export async function embeddings(): Promise<{ base: Matrix; queries: Matrix }> {
  const read = async (name: string): Promise<Matrix> => {
    const batches = [];
    for await (const batch of readVectors(join(ROOT, 'fixtures', 'demo', `${name}.f16.npy`))) batches.push(batch);
    const data = Float32Array.from(batches.flatMap(({ vectors }) => [...vectors]));
    const dimension = batches[0]?.dimension ?? 0;
    return { data, dimension, rows: data.length / dimension };
  };
  return { base: await read('vectors'), queries: await read('queries') };
}

/** The row of a family whose bits begin with a text. */
export function find(report: Report, family: ReportFamily, bits: string): ReportRow {
  const row = report.results.find((each) => each.family === family && each.bits.startsWith(bits));
  if (row === undefined) throw new Error(`no row ${family}, ${bits}`);
  return row;
}

/** A figure that must be there. */
export function has(value: number | null): number {
  if (value === null) throw new Error('a figure is missing');
  return value;
}
