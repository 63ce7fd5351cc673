import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KvCache, type KvCacheOptions } from '../dist/turboquant.js';
import { normals } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';

const heads = 2;
const headDim = 64;
const tokens = 200;
const size = heads * tokens * headDim;
const keys = normals(size, 3);
const values = normals(size, 5);
const queries = normals(4 * 6 * headDim, 7);
const config: KvCacheOptions = { heads, headDim, keyBits: 4, valueBits: 4 };

/** A value of a wrong type, for calls that must refuse it. */
const odd = <T>(value: unknown): T => value as T;

const filled = (o: Partial<KvCacheOptions> = {}): KvCache => {
  const cache = new KvCache({ ...config, ...o });
  cache.append(keys, values);
  return cache;
};

/** The tokens from `from` to `to` of each head. */
const part = (all: Float32Array, from: number, to: number): Float32Array =>
  Float32Array.from({ length: heads * (to - from) * headDim }, (_, i) => {
    const [head, at] = [Math.floor(i / ((to - from) * headDim)), i % ((to - from) * headDim)];
    return all[(head * tokens + from) * headDim + at] ?? 0;
  });

/** Attention in 64-bit floats. */
function exact(queryHeads: number, sees: (query: number, token: number) => boolean): Float32Array {
  const count = queries.length / queryHeads / headDim;
  const out = new Float32Array(queries.length);
  for (let row = 0; row < queryHeads * count; row++) {
    const head = Math.floor((Math.floor(row / count) * heads) / queryHeads);
    const at = (token: number, j: number): number => (head * tokens + token) * headDim + j;
    const scores = Array.from({ length: tokens }, (_, token) => {
      let sum = 0;
      for (let j = 0; j < headDim; j++) sum += (queries[row * headDim + j] ?? 0) * (keys[at(token, j)] ?? 0);
      return sees(row % count, token) ? sum / Math.sqrt(headDim) : Number.NEGATIVE_INFINITY;
    });
    const most = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let j = 0; j < headDim; j++) {
      let sum = 0;
      for (let token = 0; token < tokens; token++) sum += (weights[token] ?? 0) * (values[at(token, j)] ?? 0);
      out[row * headDim + j] = sum / total;
    }
  }
  return out;
}

function meanCosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  const count = a.length / headDim;
  for (let row = 0; row < count; row++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * headDim; i < (row + 1) * headDim; i++) {
      const [x, y] = [a[i] ?? 0, b[i] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    sum += ab / Math.sqrt(aa * bb) / count;
  }
  return sum;
}

describe('KvCache', () => {
  it('attends as full precision does', () => {
    const all = (): boolean => true;
    const causal = (query: number, token: number): boolean => token <= tokens - 6 + query;
    for (const [kind, least] of [
      ['prod', 0.95],
      ['mse', 0.985],
    ] as const) {
      const cache = filled({ keys: kind });
      expect(meanCosine(cache.attend(queries, { queryHeads: 4 }), exact(4, all))).toBeGreaterThan(least);
      expect(meanCosine(cache.attend(queries), exact(2, all))).toBeGreaterThan(least);
      const seen = cache.attend(queries, { queryHeads: 4, causal: true });
      expect(meanCosine(seen, exact(4, causal))).toBeGreaterThan(least);
      const mask = Uint8Array.from({ length: 6 * tokens }, (_, i) => ((i * 7919) % 11 > 4 ? 1 : 0));
      const masked = cache.attend(queries, { queryHeads: 4, mask });
      const sees = (query: number, token: number): boolean => mask[query * tokens + token] === 1;
      expect(meanCosine(masked, exact(4, sees))).toBeGreaterThan(least);
      expect(cache.attend(queries, { queryHeads: 4, mask: mask.fill(0) }).every((value) => value === 0)).toBe(true);
    }
  });

  it('has the sizes of its parts', () => {
    const rows = heads * tokens;
    expect(filled().nbytes).toBe(rows * (24 + 8 + 8 + 32 + 4));
    expect(filled({ keys: 'mse' }).nbytes).toBe(rows * (32 + 4 + 32 + 4));
    const cache = filled({ scale: 0.5 });
    expect(cache.toJSON()).toEqual({
      ...config,
      keys: 'prod',
      keySeed: '0',
      valueSeed: '1',
      scale: 0.5,
      length: tokens,
      nbytes: cache.nbytes,
    });
    expect(cache.heads * cache.headDim).toBe(128);
    expect(filled().toJSON().scale).toBeCloseTo(0.125, 7);
    expect(inspect(cache)).toContain('KvCache { heads: 2, headDim: 64');
  });

  it('grows and shrinks', async () => {
    for (const kind of ['prod', 'mse'] as const) {
      const whole = filled({ keys: kind });
      const grown = new KvCache({ ...config, keys: kind });
      expect(grown.append(part(keys, 0, 1), part(values, 0, 1))).toBe(1);
      const later = [
        grown.appendAsync(part(keys, 1, 120), part(values, 1, 120)),
        grown.appendAsync(part(keys, 120, tokens), part(values, 120, tokens)),
      ];
      failure(() => grown.append(keys, values), 'ERR_TQ_INVALID_ARG');
      failure(() => grown.truncate(0), 'ERR_TQ_INVALID_ARG');
      expect(await Promise.all(later)).toEqual([120, tokens]);
      expect(grown.attend(queries)).toEqual(whole.attend(queries));
      grown.truncate(120);
      expect(grown.length).toBe(120);
      expect(grown.append(part(keys, 120, tokens), part(values, 120, tokens))).toBe(tokens);
      expect(grown.attend(queries)).toEqual(whole.attend(queries));
      grown.truncate(0);
      expect(grown.toJSON()).toMatchObject({ length: 0, nbytes: 0 });
      expect(grown.append([], [])).toBe(0);
    }
  });

  it('attends to the tokens of the moment of the call', async () => {
    const cache = filled();
    const expected = cache.attend(queries);
    const given = queries.slice();
    const promise = cache.attendAsync(given);
    given.fill(0);
    cache.truncate(3);
    cache.append(keys, values);
    expect(await promise).toEqual(expected);
    expect(cache.length).toBe(tokens + 3);
  });

  it('copies what an append is given', async () => {
    const cache = new KvCache(config);
    const [k, v] = [keys.slice(), values.slice()];
    const promises = [cache.appendAsync(k, v), cache.appendAsync(k, v)];
    k.fill(0);
    v.fill(0);
    await Promise.all(promises);
    const twice = filled();
    twice.append(keys, values);
    expect(cache.attend(queries)).toEqual(twice.attend(queries));
  });

  it('stops when its signal says so, and changes nothing then', async () => {
    const cache = filled();
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    expect(await reasonOf(cache.attendAsync(queries, { signal }))).toBe(reason);
    expect(await reasonOf(cache.appendAsync(keys, values, { signal }))).toBe(reason);
    expect(cache.length).toBe(tokens);
    failure(() => cache.attend(queries, odd({ signal })), 'ERR_TQ_INVALID_ARG');
  });

  it('refuses what does not fit, and is as before then', async () => {
    const cache = filled();
    const before = cache.attend(queries);
    const nan = keys.slice();
    nan[headDim * 5 + 3] = Number.NaN;
    const bad: [unknown, unknown, 'ERR_TQ_DIM_MISMATCH' | 'ERR_TQ_NON_FINITE' | 'ERR_TQ_INVALID_ARG'][] = [
      [keys.subarray(1), values, 'ERR_TQ_DIM_MISMATCH'],
      [keys, values.subarray(headDim), 'ERR_TQ_DIM_MISMATCH'],
      [keys.subarray(headDim), values.subarray(headDim), 'ERR_TQ_DIM_MISMATCH'],
      [nan, values, 'ERR_TQ_NON_FINITE'],
      [keys, nan, 'ERR_TQ_NON_FINITE'],
      [undefined, values, 'ERR_TQ_INVALID_ARG'],
      [keys, new Float64Array(size), 'ERR_TQ_INVALID_ARG'],
    ];
    for (const [k, v, code] of bad) {
      failure(() => cache.append(odd(k), odd(v)), code);
      await rejection(() => cache.appendAsync(odd(k), odd(v)), code);
    }
    const refusals: [unknown, unknown, string][] = [
      [queries.subarray(1), {}, 'ERR_TQ_DIM_MISMATCH'],
      [queries, { queryHeads: 10 }, 'ERR_TQ_DIM_MISMATCH'],
      [queries, { queryHeads: 3 }, 'ERR_TQ_INVALID_ARG'],
      [queries, { queryHeads: 0 }, 'ERR_TQ_INVALID_ARG'],
      [queries, { causal: 1 }, 'ERR_TQ_INVALID_ARG'],
      [queries, { mask: new Uint8Array(5) }, 'ERR_TQ_INVALID_ARG'],
      [queries, { mask: [1] }, 'ERR_TQ_INVALID_ARG'],
      [queries, { heads: 2 }, 'ERR_TQ_INVALID_ARG'],
      [normals(heads * (tokens + 1) * headDim), { causal: true }, 'ERR_TQ_INVALID_ARG'],
      [nan, {}, 'ERR_TQ_NON_FINITE'],
    ];
    for (const [given, o, code] of refusals) {
      failure(() => cache.attend(odd(given), odd(o)), code as 'ERR_TQ_INVALID_ARG');
      await rejection(() => cache.attendAsync(odd(given), odd(o)), code as 'ERR_TQ_INVALID_ARG');
    }
    for (const n of [tokens + 1, -1, 1.5, undefined]) failure(() => cache.truncate(odd(n)), 'ERR_TQ_INVALID_ARG');
    failure(() => new KvCache(config).attend(queries), 'ERR_TQ_INVALID_ARG');
    expect(cache.length).toBe(tokens);
    expect(cache.attend(queries)).toEqual(before);
    expect(cache.attend([])).toHaveLength(0);
  });

  it.each([
    ['nothing', undefined],
    ['no heads', { headDim, keyBits: 4, valueBits: 4 }],
    ['0 heads', { ...config, heads: 0 }],
    ['a head of 1', { ...config, headDim: 1 }],
    ['10 key bits', { ...config, keyBits: 10 }],
    ['9 key bits of levels', { ...config, keyBits: 9, keys: 'mse' }],
    ['9 value bits', { ...config, valueBits: 9 }],
    ['other keys', { ...config, keys: 'qjl' }],
    ['a negative scale', { ...config, scale: -1 }],
    ['a scale that is no number', { ...config, scale: Number.NaN }],
    ['a scale beyond floats', { ...config, scale: 1e39 }],
    ['a scale below floats', { ...config, scale: 1e-60 }],
    ['a negative seed', { ...config, keySeed: -1 }],
    ['another option', { ...config, seed: 1 }],
  ])('refuses options: %s', (_, o) => {
    failure(() => new KvCache(odd(o)), 'ERR_TQ_INVALID_ARG');
  });
});
