import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { normals } from '../helpers/data.js';
import { failure, folder, json, npy, ok } from './cli.js';

const path = folder();
const DIM = 16;

beforeAll(() => {
  writeFileSync(path('v.npy'), npy(normals(400 * DIM, 3), DIM));
  writeFileSync(path('q.npy'), npy(normals(20 * DIM, 4), DIM));
  writeFileSync(path('wide.npy'), npy(normals(40, 5), 20));
});

describe('report', () => {
  it('writes one page and tells what it measured', async () => {
    const result = await json<{ report: Record<string, unknown>; sizeBytes: number }>([
      'report',
      path('v.npy'),
      '-o',
      path('r.html'),
      '--query',
      path('q.npy'),
      '--title',
      'Some vectors',
    ]);
    expect(Object.keys(result)).toEqual(['input', 'output', 'sizeBytes', 'report']);
    expect(result.report).toMatchObject({ title: 'Some vectors', rows: 400, dimension: DIM, queries: 20 });
    const html = readFileSync(path('r.html'), 'utf8');
    expect(result.sizeBytes).toBe(Buffer.byteLength(html));
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).toContain('Some vectors');
    const { stderr } = await ok(['report', path('v.npy'), '-o', path('r2.html'), '--limit', '100', '--max-rows', '60']);
    expect(stderr).toMatch(/r2\.html: \d+ methods measured on \d+ x 16, [\d,]+ bytes\n$/);
    const { stdout } = await ok(['report', '-', '--format', 'npy', '-o', '-', '--limit', '100'], {
      stdin: readFileSync(path('v.npy')),
    });
    expect(stdout).toMatch(/^<!doctype html>/i);
  });

  it('refuses what does not fit', async () => {
    expect(await failure(['report', path('v.npy'), '-o', path('r.html')])).toMatchObject({
      exit: 1,
      details: { errno: 'EEXIST' },
    });
    const wide = await failure(['report', path('v.npy'), '-o', path('n.html'), '--query', path('wide.npy')]);
    expect(wide).toMatchObject({ exit: 3, code: 'ERR_TQ_DIM_MISMATCH' });
    writeFileSync(path('none.npy'), npy(new Float32Array(0), DIM));
    expect(await failure(['report', path('none.npy'), '-o', path('n.html')])).toMatchObject({
      exit: 3,
      code: 'ERR_TQ_FORMAT',
    });
    expect(existsSync(path('n.html'))).toBe(false);
  });
});
