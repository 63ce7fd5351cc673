import { describe, expect, it } from 'vitest';
import {
  compressTensor,
  compressTensorSync,
  decodeLevels,
  decompressTensor,
  dequantizeWeights,
  encodeLevels,
  gptq,
  gptqSync,
  inputHessian,
  inputHessianSync,
  NgramCache,
  ProductQuantizer,
  ResidualQuantizer,
  trainCodebook,
  trainCodebookSync,
} from '../dist/weights.js';
import { normals } from './helpers/data.js';
import { failure, reasonOf, rejection } from './helpers/failure.js';

const mse = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, value, i) => sum + (value - (b[i] ?? Number.NaN)) ** 2, 0) / a.length;
};
const nonFinite = Float32Array.of(1, 2, Number.NaN, 4);
const any = (value: unknown): never => value as never;

describe('trainCodebook', () => {
  const values = normals(20_000, 5);

  it('gives levels, codes and the error that belong together', async () => {
    const trained = await trainCodebook(values, { bits: 4 });
    expect(trained.codebook).toHaveLength(16);
    expect([...trained.codebook]).toEqual([...trained.codebook].sort((a, b) => a - b));
    expect(encodeLevels(values, trained.codebook)).toEqual(trained.codes);
    const decoded = decodeLevels(trained.codes, trained.codebook);
    expect(mse(values, decoded)).toBeCloseTo(trained.mse, 9);
    // Max 1960: 0.009497 for 16 levels of a normal variable.
    expect(trained.mse / mse(values, new Float32Array(values.length))).toBeCloseTo(0.0095, 3);
    expect(trained.history).toHaveLength(trained.rounds + 1);
    for (let i = 1; i < trained.history.length; i++) {
      expect(trained.history[i]).toBeLessThanOrEqual(trained.history[i - 1] ?? 0);
    }
    expect(trainCodebookSync(values, { levels: 16 })).toEqual(trained);
  });

  it('starts better than from quantiles', () => {
    const ours = trainCodebookSync(values, { levels: 256, rounds: 10 });
    const theirs = trainCodebookSync(values, { levels: 256, rounds: 10, start: 'quantiles' });
    expect(ours.mse).toBeLessThan(0.5 * theirs.mse);
  });

  it('trains one codebook a row and keeps the gain', () => {
    const rows = trainCodebookSync(values, { bits: 3, rowLength: 5_000 });
    expect(rows.codebook).toHaveLength(4 * 8);
    expect(rows.history).toHaveLength(0);
    const alone = trainCodebookSync(values.subarray(5_000, 10_000), { bits: 3 });
    expect(rows.codebook.subarray(8, 16)).toEqual(alone.codebook);
    const kept = trainCodebookSync(values, { bits: 2, keepGain: true });
    const decoded = decodeLevels(kept.codes, kept.codebook);
    const product = values.reduce((sum, value, i) => sum + value * (decoded[i] ?? 0), 0);
    expect(product / values.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
  });

  it('takes plain numbers, and few distinct values exactly', () => {
    const trained = trainCodebookSync([3, 1, 3, 2, 1], { levels: 8 });
    expect([...trained.codebook]).toEqual([1, 2, 3]);
    expect([...trained.codes]).toEqual([2, 0, 2, 1, 0]);
    expect(trained).toMatchObject({ mse: 0, rounds: 0, levels: 3 });
  });

  it('copies its input, reports progress and can be stopped', async () => {
    const own = values.slice();
    const pending = trainCodebook(own, { bits: 4 });
    own.fill(0);
    expect((await pending).codebook).toEqual(trainCodebookSync(values, { bits: 4 }).codebook);
    const seen: number[] = [];
    await trainCodebook(values, { bits: 2, rowLength: 500, onProgress: ({ done }) => seen.push(done) });
    expect(seen.at(-1)).toBe(40);
    const reason = new Error('stopped');
    expect(await reasonOf(trainCodebook(values, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it('refuses bad input', async () => {
    for (const o of [
      { levels: 1 },
      { levels: 257 },
      { levels: 2.5 },
      { bits: 0 },
      { bits: 9 },
      { bits: 4, levels: 16 },
      { rounds: -1 },
      { tolerance: Number.NaN },
      { start: 'random' },
      { rowLength: 0 },
      { keepGain: 1 },
      { level: 3 },
    ]) {
      failure(() => trainCodebookSync(values, any(o)), 'ERR_TQ_INVALID_ARG');
      await rejection(() => trainCodebook(values, any(o)), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => trainCodebookSync(nonFinite), 'ERR_TQ_NON_FINITE', { column: 2 });
    failure(() => trainCodebookSync(new Float32Array(0)), 'ERR_TQ_INVALID_ARG');
    failure(() => trainCodebookSync(values, { rowLength: 3 }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => trainCodebookSync(any(new Float64Array(4))), 'ERR_TQ_INVALID_ARG');
    failure(() => encodeLevels([1], [2, 1]), 'ERR_TQ_INVALID_ARG');
    failure(() => encodeLevels([1], []), 'ERR_TQ_INVALID_ARG');
    failure(() => decodeLevels(Uint8Array.of(2), [0, 1]), 'ERR_TQ_FORMAT');
    failure(() => decodeLevels(any([0]), [0, 1]), 'ERR_TQ_INVALID_ARG');
  });
});

describe('ResidualQuantizer', () => {
  const values = normals(16_000, 6);

  it('lowers the error with each stage and decodes a prefix', async () => {
    for (const vectorLength of [1, 4]) {
      const quantizer = await ResidualQuantizer.train(values, { bits: [4, 3, 2], vectorLength });
      const codes = await quantizer.encode(values);
      expect(quantizer.encodeSync(values)).toEqual(codes);
      expect(codes).toHaveLength((3 * values.length) / vectorLength);
      const errors = [1, 2, 3].map((stages) => mse(values, quantizer.decode(codes, { stages })));
      quantizer.errors().forEach((error, i) => {
        expect((errors[i] ?? 0) / error).toBeCloseTo(1, 3);
      });
      expect(errors).toEqual([...errors].sort((a, b) => b - a));
      expect(quantizer.decode(codes)).toEqual(quantizer.decode(codes, { stages: 3 }));
      expect(quantizer.centroids(1)).toHaveLength(8 * vectorLength);
    }
  });

  it('is the same from the same seed, and from its bytes', async () => {
    const options = { bits: [5, 5], vectorLength: 8, seed: 7 };
    const quantizer = ResidualQuantizer.trainSync(values, options);
    expect((await ResidualQuantizer.train(values, options)).toBytes()).toEqual(quantizer.toBytes());
    const again = ResidualQuantizer.fromBytes(quantizer.toBytes());
    expect(again.encodeSync(values)).toEqual(quantizer.encodeSync(values));
    expect(again.toJSON()).toEqual({ bits: [5, 5], vectorLength: 8, bitsPerValue: 1.25 });
    expect(again.errors()).toHaveLength(0);
  });

  it('refuses bad input', () => {
    for (const o of [{}, { bits: [] }, { bits: [0] }, { bits: [9] }, { bits: 4 }, { bits: [4], vectorLength: 0 }]) {
      failure(() => ResidualQuantizer.trainSync(values, any(o)), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => ResidualQuantizer.trainSync(values, { bits: [4], vectorLength: 3 }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => ResidualQuantizer.trainSync(nonFinite, { bits: [4] }), 'ERR_TQ_NON_FINITE');
    failure(() => new (any(ResidualQuantizer) as new () => unknown)(), 'ERR_TQ_INVALID_ARG');
    const quantizer = ResidualQuantizer.trainSync(values, { bits: [2, 2], vectorLength: 2 });
    failure(() => quantizer.encodeSync([1, 2, 3]), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizer.decode(Uint8Array.of(1, 2, 3)), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizer.decode(Uint8Array.of(0, 4)), 'ERR_TQ_FORMAT');
    failure(() => quantizer.decode(Uint8Array.of(0, 0), { stages: 3 }), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizer.centroids(2), 'ERR_TQ_INVALID_ARG');
    const image = quantizer.toBytes();
    for (const cut of [0, 3, 11, image.length - 1]) {
      failure(() => ResidualQuantizer.fromBytes(image.subarray(0, cut)), 'ERR_TQ_TRUNCATED');
    }
    failure(() => ResidualQuantizer.fromBytes(Uint8Array.of(...image, 0)), 'ERR_TQ_FORMAT');
    failure(() => ResidualQuantizer.fromBytes(image.map((byte, i) => (i === 40 ? byte ^ 1 : byte))), 'ERR_TQ_CHECKSUM');
    failure(() => ResidualQuantizer.fromBytes(image.map((byte, i) => (i === 4 ? 9 : byte))), 'ERR_TQ_VERSION');
  });
});

describe('ProductQuantizer', () => {
  it('refuses codes that stand for more values than there is memory for', () => {
    const codes = new Uint8Array(20_000_000);
    const wide = ProductQuantizer.fromCodebooks(new Float32Array(2 * 16_384), { dim: 16_384, parts: 1, centroids: 2 });
    failure(() => wide.decode(codes), 'ERR_TQ_LIMIT');
  });

  const vectors = normals(2_000 * 16, 7);

  it('scores by table as its decoded vectors do', async () => {
    const quantizer = await ProductQuantizer.train(vectors, { dim: 16, parts: 4, centroids: 64, rounds: 8 });
    const codes = await quantizer.encode(vectors);
    expect(codes).toHaveLength(2_000 * 4);
    expect(quantizer.encodeSync(vectors)).toEqual(codes);
    const decoded = quantizer.decode(codes);
    const history = quantizer.history();
    expect(mse(vectors, decoded) / (history.at(-1) ?? 0)).toBeCloseTo(1, 5);
    expect([...history]).toEqual([...history].sort((a, b) => b - a));
    const query = normals(16, 8);
    for (const measure of ['dot', 'l2'] as const) {
      const scores = quantizer.score(quantizer.table(query, measure), codes);
      for (const row of [0, 7, 1_999]) {
        const vector = decoded.subarray(row * 16, (row + 1) * 16);
        const expected = query.reduce(
          (sum, value, i) => sum + (measure === 'dot' ? value * (vector[i] ?? 0) : (value - (vector[i] ?? 0)) ** 2),
          0,
        );
        expect(scores[row]).toBeCloseTo(expected, 4);
      }
    }
  });

  it('is the same from the same seed, from its bytes and from its codebooks', () => {
    const options = { dim: 16, parts: 2, centroids: 32, seed: 3n };
    const quantizer = ProductQuantizer.trainSync(vectors, options);
    const codes = quantizer.encodeSync(vectors);
    for (const again of [
      ProductQuantizer.trainSync(vectors, options),
      ProductQuantizer.fromBytes(quantizer.toBytes()),
      ProductQuantizer.fromCodebooks(quantizer.codebooks(), { dim: 16, parts: 2, centroids: 32 }),
    ]) {
      expect(again.encodeSync(vectors)).toEqual(codes);
      expect(again.toJSON()).toEqual({ dim: 16, parts: 2, centroids: 32, bitsPerValue: 10 / 16 });
    }
    expect(ProductQuantizer.trainSync(vectors, { ...options, seed: 4 }).encodeSync(vectors)).not.toEqual(codes);
  });

  it('refuses bad input', () => {
    const good = { dim: 16, parts: 4, centroids: 8 };
    for (const change of [{ parts: 3 }, { parts: 0 }, { centroids: 1 }, { centroids: 257 }, { dim: 0 }, { seed: -1 }]) {
      failure(() => ProductQuantizer.trainSync(vectors, { ...good, ...change }), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => ProductQuantizer.trainSync(vectors.subarray(0, 7 * 16), good), 'ERR_TQ_INVALID_ARG');
    failure(() => ProductQuantizer.trainSync(vectors.subarray(0, 100), good), 'ERR_TQ_DIM_MISMATCH');
    failure(() => ProductQuantizer.trainSync([[Number.NaN]], { dim: 1, parts: 1 }), 'ERR_TQ_NON_FINITE');
    const quantizer = ProductQuantizer.trainSync(vectors, good);
    failure(() => quantizer.encodeSync(vectors.subarray(0, 5)), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizer.decode(new Uint8Array(5)), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizer.decode(Uint8Array.of(0, 0, 0, 8)), 'ERR_TQ_FORMAT');
    failure(() => quantizer.table(new Float32Array(15)), 'ERR_TQ_DIM_MISMATCH');
    failure(() => quantizer.table(new Float32Array(16), any('cosine')), 'ERR_TQ_INVALID_ARG');
    failure(() => quantizer.score(new Float32Array(31), new Uint8Array(4)), 'ERR_TQ_DIM_MISMATCH');
    failure(() => ProductQuantizer.fromCodebooks(new Float32Array(15), good), 'ERR_TQ_DIM_MISMATCH');
    const image = quantizer.toBytes();
    failure(() => ProductQuantizer.fromBytes(image.subarray(0, -1)), 'ERR_TQ_TRUNCATED');
    failure(() => ProductQuantizer.fromBytes(image.map((byte, i) => (i === 99 ? byte ^ 1 : byte))), 'ERR_TQ_CHECKSUM');
    const other = ResidualQuantizer.trainSync(vectors, { bits: [1] });
    failure(() => ProductQuantizer.fromBytes(other.toBytes()), 'ERR_TQ_FORMAT');
  });
});

describe('gptq', () => {
  const [rows, cols] = [24, 48];
  const weights = normals(rows * cols, 9);
  // Each input mixes a few hidden values: the columns go together.
  const hidden = normals(500 * 6, 10);
  const mixing = normals(6 * cols, 11);
  const noise = normals(500 * cols, 12);
  const inputs = Float32Array.from({ length: 500 * cols }, (_, at) => {
    const [row, column] = [Math.floor(at / cols), at % cols];
    let sum = 0.2 * (noise[at] ?? 0);
    for (let k = 0; k < 6; k++) sum += (hidden[row * 6 + k] ?? 0) * (mixing[k * cols + column] ?? 0);
    return sum;
  });
  const outputError = (decoded: Float32Array): number => {
    let total = 0;
    for (let n = 0; n < 500; n++) {
      for (let r = 0; r < rows; r++) {
        let apart = 0;
        for (let c = 0; c < cols; c++) {
          apart += (inputs[n * cols + c] ?? 0) * ((decoded[r * cols + c] ?? 0) - (weights[r * cols + c] ?? 0));
        }
        total += apart * apart;
      }
    }
    return total / 500;
  };

  it('changes the outputs less than rounding', async () => {
    const identity = Float64Array.from({ length: cols * cols }, (_, at) => (at % (cols + 1) === 0 ? 1 : 0));
    const rounded = gptqSync(weights, { rows, cols, hessian: identity });
    const found = await gptq(weights, { rows, cols, inputs });
    expect(found).toMatchObject({ rows, cols, qmax: 7, groupSize: 0, damp: 0.01 });
    expect(Math.max(...found.codes)).toBe(7);
    expect(outputError(dequantizeWeights(found))).toBeLessThan(0.4 * outputError(dequantizeWeights(rounded)));
    expect(gptqSync(weights, { rows, cols, inputs, block: 5 })).toEqual(found);
    const hessian = await inputHessian(inputs, cols);
    expect(inputHessianSync(inputs, cols)).toEqual(hessian);
    expect(gptqSync(weights, { rows, cols, hessian })).toEqual(found);
    const exact = gptqSync(weights, { rows, cols, inputs, damp: 1e-9 });
    expect(exact.error / outputError(dequantizeWeights(exact))).toBeCloseTo(1, 3);
  });

  it('keeps an order, and groups, through storage', async () => {
    const found = await gptq(weights, { rows, cols, inputs, bits: 3, actOrder: true, groupSize: 16 });
    expect(found.scales).toHaveLength(rows * 3);
    expect([...found.order].sort((a, b) => a - b)).toEqual([...Array(cols).keys()]);
    const decoded = dequantizeWeights(found);
    for (const layout of ['bytes', 'packed'] as const) {
      const stored = await compressTensor(found, { layout });
      expect(compressTensorSync(found, { layout })).toEqual(stored);
      expect((await decompressTensor(stored)).data).toEqual(decoded);
    }
  });

  it('refuses bad input', async () => {
    const good = { rows, cols, inputs };
    for (const change of [
      { rows: 0 },
      { inputs: undefined },
      { hessian: new Float64Array(4) },
      { bits: 1 },
      { bits: 9 },
      { bits: 4, qmax: 7 },
      { qmax: 128 },
      { block: 0 },
      { damp: -1 },
      { actOrder: 1 },
      { groupSize: -1 },
      { act_order: true },
    ]) {
      failure(() => gptqSync(weights, any({ ...good, ...change })), 'ERR_TQ_INVALID_ARG');
      await rejection(() => gptq(weights, any({ ...good, ...change })), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => gptqSync(weights, { ...good, cols: 47 }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => gptqSync(weights, { ...good, inputs: inputs.subarray(1) }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => gptqSync(nonFinite, { rows: 2, cols: 2, inputs: [1, 2] }), 'ERR_TQ_NON_FINITE', {
      row: 1,
      column: 0,
    });
    const two = { rows: 1, cols: 2 };
    failure(() => gptqSync([1, 2], { ...two, hessian: [1, 0, 0] }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => gptqSync([1, 2], { ...two, hessian: Float64Array.of(1, 0, 0, Number.NaN) }), 'ERR_TQ_NON_FINITE');
    failure(() => gptqSync([1, 2], { ...two, hessian: Float64Array.of(1, 0.5, 0, 1) }), 'ERR_TQ_INVALID_ARG');
    const error = failure(
      () => gptqSync([1, 2], { ...two, hessian: Float64Array.of(1, 1e6, 1e6, 1) }),
      'ERR_TQ_INVALID_ARG',
    );
    expect(error.message).toMatch(/not positive definite: the pivot of column [01]/);
    expect(gptqSync([1, 2], { ...two, hessian: Float64Array.of(1, 1, 1, 1) }).damp).toBeCloseTo(0.01);
    const found = gptqSync(weights, good);
    failure(() => dequantizeWeights({ ...found, codes: any([]) }), 'ERR_TQ_INVALID_ARG');
    failure(() => dequantizeWeights({ ...found, scales: new Float32Array(1) }), 'ERR_TQ_DIM_MISMATCH');
    failure(() => dequantizeWeights({ ...found, qmax: 1 }), 'ERR_TQ_FORMAT');
    failure(() => dequantizeWeights(any(null)), 'ERR_TQ_INVALID_ARG');
  });
});

describe('NgramCache', () => {
  const text = Buffer.from('the cat sat on the mat, the rat sat on the cat. '.repeat(20));
  const bits = (scores: Float64Array): number => -scores.reduce((sum, p) => sum + p, 0) / Math.LN2 / scores.length;

  it('scores before it counts', async () => {
    const cache = new NgramCache({ order: 5, vocab: 256 });
    expect(cache.logProb([1, 2], 3)).toBeCloseTo(-Math.log(256), 12);
    expect(cache.toJSON()).toMatchObject({ order: 5, vocab: 256, lambda: 1, tokens: 0, contexts: 0 });
    const scores = await cache.scoreAndUpdate(text);
    expect(scores[0]).toBeCloseTo(-Math.log(256), 12);
    const step = new NgramCache({ order: 5, vocab: 256 });
    for (const [at, token] of text.entries()) {
      const context = text.subarray(Math.max(0, at - 4), at);
      expect(step.logProb(context, token)).toBe(scores[at]);
      step.update(context, token);
    }
    expect(step.toJSON()).toEqual(cache.toJSON());
    const again = cache.scoreAndUpdateSync(text, { context: text });
    expect(bits(again)).toBeLessThan(0.5 * bits(scores));
    cache.clear();
    expect(cache.toJSON()).toMatchObject({ tokens: 0, contexts: 0 });
  });

  it('sums to one, at any time', () => {
    const cache = new NgramCache({ order: 3, vocab: 128, lambda: 0.5 });
    for (let at = 0; at < 60; at++) {
      const context = text.subarray(0, at);
      expect(cache.probabilities(context).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9);
      cache.update(context, text[at] ?? 0);
    }
    expect(new NgramCache({ order: 7, vocab: 8192 }).logProb([], 5)).toBeCloseTo(-9.010913347, 9);
  });

  it('mixes in a model', async () => {
    const modelLogProbs = Float64Array.from(text, (_, i) => -1 - (i % 3));
    const own = new NgramCache({ order: 3, vocab: 256 }).scoreAndUpdateSync(text);
    const mixed = await new NgramCache({ order: 3, vocab: 256 }).scoreAndUpdate(text, { modelLogProbs, alpha: 0.25 });
    mixed.forEach((score, i) => {
      const expected = 0.75 * Math.exp(modelLogProbs[i] ?? 0) + 0.25 * Math.exp(own[i] ?? 0);
      expect(Math.exp(score)).toBeCloseTo(expected, 12);
    });
  });

  it('runs its jobs in the order of the calls, and refuses other calls meanwhile', async () => {
    const cache = new NgramCache({ order: 4, vocab: 256 });
    const jobs = Array.from({ length: 64 }, (_, i) => cache.scoreAndUpdate([i % 3]));
    expect(failure(() => cache.update([], 65), 'ERR_TQ_INVALID_ARG').message).toMatch(/under way/);
    expect(failure(() => cache.scoreAndUpdateSync([65]), 'ERR_TQ_INVALID_ARG').message).toMatch(/under way/);
    expect(failure(() => cache.logProb([], 65), 'ERR_TQ_INVALID_ARG').message).toMatch(/under way/);
    expect(failure(() => cache.probabilities([]), 'ERR_TQ_INVALID_ARG').message).toMatch(/under way/);
    expect(failure(() => cache.clear(), 'ERR_TQ_INVALID_ARG').message).toMatch(/under way/);
    expect(cache.toJSON().tokens).toBe(0);
    const scores = await Promise.all(jobs);
    const same = new NgramCache({ order: 4, vocab: 256 });
    expect(scores).toEqual(jobs.map((_, i) => same.scoreAndUpdateSync([i % 3])));
    expect(cache.toJSON()).toEqual(same.toJSON());
  });

  it('takes the 64-bit numbers of an array as they are', () => {
    const score = (modelLogProbs: Float64Array | number[]) =>
      new NgramCache({ order: 2, vocab: 4 }).scoreAndUpdateSync([1], { modelLogProbs, alpha: 0 });
    expect(score([-1.23456789012345])).toEqual(score(Float64Array.of(-1.23456789012345)));
    expect(failure(() => score(any(['-1'])), 'ERR_TQ_INVALID_ARG').message).toMatch(/modelLogProbs\[0\]/);
  });

  it('refuses bad input, and counts nothing then', async () => {
    for (const o of [
      { order: 0, vocab: 4 },
      { order: 65, vocab: 4 },
      { order: 2, vocab: 1 },
      { order: 2, vocab: 4, lambda: 0 },
      { order: 2, vocab: 4, lambda: Number.NaN },
      { order: 2 },
      { order: 2, vocab: 4, alpha: 1 },
    ]) {
      failure(() => new NgramCache(any(o)), 'ERR_TQ_INVALID_ARG');
    }
    const cache = new NgramCache({ order: 2, vocab: 4 });
    failure(() => cache.logProb([4], 0), 'ERR_TQ_INVALID_ARG');
    failure(() => cache.logProb([], 4), 'ERR_TQ_INVALID_ARG');
    failure(() => cache.update([0.5], 1), 'ERR_TQ_INVALID_ARG');
    failure(() => cache.probabilities(any('abc')), 'ERR_TQ_INVALID_ARG');
    for (const o of [{ alpha: 0.5 }, { modelLogProbs: [-1], alpha: 1.5 }, { modelLogProbs: [1] }, { context: [9] }]) {
      failure(() => cache.scoreAndUpdateSync([1], any(o)), 'ERR_TQ_INVALID_ARG');
    }
    failure(() => cache.scoreAndUpdateSync([1, 2], { modelLogProbs: [-1] }), 'ERR_TQ_DIM_MISMATCH');
    await rejection(() => cache.scoreAndUpdate([1, 2, 4]), 'ERR_TQ_INVALID_ARG');
    const reason = new Error('stop');
    expect(await reasonOf(cache.scoreAndUpdate([1], { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(cache.toJSON()).toMatchObject({ tokens: 0, contexts: 0 });
  });
});
