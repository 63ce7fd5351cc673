// Quality measures of decoded vectors against the originals.

/** Fixed pairs of distinct rows, the same in every run. */
export function pairs(rows, count) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * rows);
  };
  return Array.from({ length: count }, () => {
    const left = next();
    const right = next();
    return [left, right === left ? (left + 1) % rows : right];
  });
}

/** Cosine of each pair of rows. */
export function cosines(data, dimension, rowPairs) {
  return rowPairs.map(([left, right]) => {
    let [dot, a, b] = [0, 0, 0];
    for (let i = 0; i < dimension; i += 1) {
      const x = data[left * dimension + i];
      const y = data[right * dimension + i];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    return dot / Math.sqrt(a * b);
  });
}

/** Pearson's correlation of two equally long lists. */
export function pearson(xs, ys) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < xs.length; i += 1) {
    const [x, y] = [xs[i] - meanX, ys[i] - meanY];
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  return xy / Math.sqrt(xx * yy);
}

/** Mean squared difference of a coordinate. */
export function meanSquaredError(original, decoded) {
  let sum = 0;
  for (let i = 0; i < original.length; i += 1) sum += (original[i] - decoded[i]) ** 2;
  return sum / original.length;
}

/** Mean share of the true first `k` ids that the found first `k` contain. */
export function recall(truth, found, k) {
  const share = truth.map((ids, query) => {
    const top = new Set(ids.slice(0, k));
    return found[query].slice(0, k).filter((id) => top.has(id)).length / k;
  });
  return share.reduce((sum, value) => sum + value, 0) / share.length;
}
