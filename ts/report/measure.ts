/** Two different rows by number. */
export type Pair = readonly [number, number];

/** Uniform numbers from 0 to below 1, the same for a seed in every run (xorshift32). */
export function uniform(seed: number): () => number {
  // A state of 0 would stay 0; nearby seeds are spread over all bits first.
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * A random sample of the numbers below `total`, without repetition and ascending; all of them where `count` is no less.
 */
export function sampleRows(total: number, count: number, seed: number): Uint32Array {
  const all = Uint32Array.from({ length: total }, (_, i) => i);
  if (count >= total) return all;
  const next = uniform(seed);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(next() * (total - i));
    const kept = all[other] ?? 0;
    all[other] = all[i] ?? 0;
    all[i] = kept;
  }
  return all.slice(0, count).sort();
}

/** Every pair of rows where there are no more than `count`, else a random sample in which a pair may come twice. */
export function samplePairs(rows: number, count: number, seed: number): Pair[] {
  if ((rows * (rows - 1)) / 2 <= count) {
    const all: Pair[] = [];
    for (let left = 0; left < rows; left++) for (let right = left + 1; right < rows; right++) all.push([left, right]);
    return all;
  }
  const next = uniform(seed);
  return Array.from({ length: count }, () => {
    const left = Math.floor(next() * rows);
    const right = Math.floor(next() * (rows - 1));
    return [left, right < left ? right : right + 1];
  });
}

/** The rows of the given numbers, one after another. */
export function takeRows(data: Float32Array, dimension: number, rows: Uint32Array): Float32Array {
  const taken = new Float32Array(rows.length * dimension);
  for (const [i, row] of rows.entries())
    taken.set(data.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  return taken;
}

/** Cosine of each pair of rows; 0 where a row is all zeros. */
export function cosines(data: Float32Array, dimension: number, pairs: readonly Pair[]): number[] {
  return pairs.map(([left, right]) => {
    let dot = 0;
    let a = 0;
    let b = 0;
    const [from, to] = [left * dimension, right * dimension];
    for (let i = 0; i < dimension; i++) {
      const x = data[from + i] ?? 0;
      const y = data[to + i] ?? 0;
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    return a === 0 || b === 0 ? 0 : dot / Math.sqrt(a * b);
  });
}

/** Whether all values are equal, so that nothing can correlate with them. */
function constant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}

/** Pearson's correlation of two equally long lists, or `null` where one of them does not vary. */
export function pearson(xs: readonly number[], ys: readonly number[]): number | null {
  if (constant(xs) || constant(ys)) return null;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [i, value] of xs.entries()) {
    const x = value - meanX;
    const y = (ys[i] ?? 0) - meanY;
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  return xy / Math.sqrt(xx * yy);
}

/** Sum of the squared differences of two equally long arrays. */
export function squaredError(original: Float32Array, decoded: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < original.length; i++) {
    const difference = (original[i] ?? 0) - (decoded[i] ?? 0);
    sum += difference * difference;
  }
  return sum;
}

/**
 * Mean share of the true first `k` ids that the found first `k` contain, 0 to 1. Where fewer than `k` exist, all of
 * them count; `null` where there is no query or nothing to find.
 */
export function recall<T>(
  truth: readonly (readonly T[])[],
  found: readonly (readonly T[])[],
  k: number,
): number | null {
  let sum = 0;
  for (const [query, ids] of truth.entries()) {
    const top = new Set(ids.slice(0, k));
    if (top.size === 0) return null;
    sum += (found[query] ?? []).slice(0, k).filter((id) => top.has(id)).length / top.size;
  }
  return truth.length === 0 ? null : sum / truth.length;
}
