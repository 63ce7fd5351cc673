import { sampleRows } from './measure.js';
import type { Pace } from './pace.js';

/** A code is one byte. */
const CENTROIDS = 256;
const ITERATIONS = 6;
const SEED = 0x70_71;
/** Rows that are coded together: their parts of one subspace fit in the cache. */
const BLOCK = 1024;

/** One subspace: some consecutive dimensions and the centroids of the vectors' parts there. */
interface Subspace {
  readonly from: number;
  readonly width: number;
  /** Row-major, `count * width`; float32 values, held as what the engine computes with. */
  readonly centroids: Float64Array;
}

/** Half the squared length of each centroid: what the nearest one has to weigh against the dot product. */
function halfNorms(centroids: Float64Array, width: number): Float64Array {
  return Float64Array.from({ length: centroids.length / width }, (_, c) => {
    let sum = 0;
    for (let i = c * width; i < (c + 1) * width; i++) sum += (centroids[i] ?? 0) ** 2;
    return sum / 2;
  });
}

/**
 * Nearest centroid of each point, by comparing with all of them. The usual widths have their own loops: the engine
 * runs them about three times as fast.
 *
 * @param codes receives the number of the centroid
 * @param scores receives half the squared distance less half the squared length of the point
 */
function assign(
  points: Float64Array,
  width: number,
  centroids: Float64Array,
  codes: Uint8Array,
  scores: Float64Array,
): void {
  const norms = halfNorms(centroids, width);
  const count = norms.length;
  const last = points.length / width;
  for (let point = 0, at = 0; point < last; point++, at += width) {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    if (width === 8 || width === 4) {
      const a = points[at] as number;
      const b = points[at + 1] as number;
      const c = points[at + 2] as number;
      const d = points[at + 3] as number;
      if (width === 8) {
        const e = points[at + 4] as number;
        const f = points[at + 5] as number;
        const g = points[at + 6] as number;
        const h = points[at + 7] as number;
        for (let k = 0, r = 0; k < count; k++, r += 8) {
          const score =
            (norms[k] as number) -
            (a * (centroids[r] as number) +
              b * (centroids[r + 1] as number) +
              (c * (centroids[r + 2] as number) + d * (centroids[r + 3] as number)) +
              (e * (centroids[r + 4] as number) +
                f * (centroids[r + 5] as number) +
                (g * (centroids[r + 6] as number) + h * (centroids[r + 7] as number))));
          if (score < least) {
            least = score;
            best = k;
          }
        }
      } else {
        for (let k = 0, r = 0; k < count; k++, r += 4) {
          const score =
            (norms[k] as number) -
            (a * (centroids[r] as number) +
              b * (centroids[r + 1] as number) +
              c * (centroids[r + 2] as number) +
              d * (centroids[r + 3] as number));
          if (score < least) {
            least = score;
            best = k;
          }
        }
      }
    } else {
      for (let k = 0, r = 0; k < count; k++, r += width) {
        let score = norms[k] as number;
        for (let i = 0; i < width; i++) score -= (points[at + i] as number) * (centroids[r + i] as number);
        if (score < least) {
          least = score;
          best = k;
        }
      }
    }
    codes[point] = best;
    scores[point] = least;
  }
}

/** Parts of some rows in one subspace, one after another. */
function gather(data: Float32Array, dimension: number, rows: Iterable<number>, count: number, part: Subspace) {
  const points = new Float64Array(count * part.width);
  let at = 0;
  for (const row of rows) {
    const from = row * dimension + part.from;
    points.set(data.subarray(from, from + part.width), at);
    at += part.width;
  }
  return points;
}

/** Moves each centroid to the mean of its points, and one without points to the point that is coded worst. */
function update(points: Float64Array, codes: Uint8Array, scores: Float64Array, { width, centroids }: Subspace): void {
  const count = centroids.length / width;
  const sums = new Float64Array(centroids.length);
  const sizes = new Uint32Array(count);
  for (const [point, code] of codes.entries()) {
    sizes[code] = (sizes[code] ?? 0) + 1;
    for (let i = 0; i < width; i++) {
      sums[code * width + i] = (sums[code * width + i] ?? 0) + (points[point * width + i] ?? 0);
      scores[point] = (scores[point] ?? 0) + (points[point * width + i] ?? 0) ** 2 / 2;
    }
  }
  for (let c = 0; c < count; c++) {
    const size = sizes[c] ?? 0;
    if (size > 0) {
      for (let i = 0; i < width; i++) centroids[c * width + i] = Math.fround((sums[c * width + i] ?? 0) / size);
      continue;
    }
    let worst = 0;
    for (const [point, score] of scores.entries()) if (score > (scores[worst] ?? 0)) worst = point;
    centroids.set(points.subarray(worst * width, (worst + 1) * width), c * width);
    scores[worst] = Number.NEGATIVE_INFINITY;
  }
}

/**
 * A product quantizer (Jégou, Douze and Schmid 2011): the dimensions are cut into consecutive subspaces, k-means finds
 * at most 256 centroids in each, and a vector is stored as one byte a subspace. Training starts from a fixed random
 * choice of points, so that the same vectors always give the same codes.
 */
export class ProductQuantizer {
  readonly #dimension: number;
  readonly #parts: readonly Subspace[];

  private constructor(dimension: number, parts: readonly Subspace[]) {
    this.#dimension = dimension;
    this.#parts = parts;
  }

  /**
   * @param data row-major vectors of `dimension` values
   * @param rows numbers of the vectors to train on, at least one
   * @param width dimensions of a subspace; the last one has the rest
   * @param onPart is told the share of the work that is done, 0 to 1
   */
  static async train(
    data: Float32Array,
    dimension: number,
    rows: Uint32Array,
    width: number,
    pace: Pace,
    onPart: (share: number) => void,
  ): Promise<ProductQuantizer> {
    const count = Math.min(CENTROIDS, rows.length);
    const codes = new Uint8Array(rows.length);
    const scores = new Float64Array(rows.length);
    const parts: Subspace[] = [];
    for (let from = 0; from < dimension; from += width) {
      const own = Math.min(width, dimension - from);
      const part = { from, width: own, centroids: new Float64Array(count * own) };
      const points = gather(data, dimension, rows, rows.length, part);
      for (const [c, point] of sampleRows(rows.length, count, SEED + from).entries())
        part.centroids.set(points.subarray(point * own, (point + 1) * own), c * own);
      for (let round = 0; round < ITERATIONS; round++) {
        assign(points, own, part.centroids, codes, scores);
        update(points, codes, scores, part);
        await pace.breathe();
      }
      parts.push(part);
      onPart(Math.min(1, (from + width) / dimension));
    }
    return new ProductQuantizer(dimension, parts);
  }

  /** Bytes of a code. */
  get codeBytes(): number {
    return this.#parts.length;
  }

  /** Bytes of all centroids as float32. */
  get sharedBytes(): number {
    return this.#parts.reduce((sum, { centroids }) => sum + Float32Array.BYTES_PER_ELEMENT * centroids.length, 0);
  }

  /** Codes of row-major vectors, `codeBytes` each. */
  async encode(data: Float32Array, pace: Pace, onPart: (share: number) => void): Promise<Uint8Array> {
    const rows = data.length / this.#dimension;
    const codes = new Uint8Array(rows * this.codeBytes);
    const scores = new Float64Array(BLOCK);
    for (let from = 0; from < rows; from += BLOCK) {
      const block = Array.from({ length: Math.min(BLOCK, rows - from) }, (_, i) => from + i);
      const column = new Uint8Array(block.length);
      for (const [p, part] of this.#parts.entries()) {
        const points = gather(data, this.#dimension, block, block.length, part);
        assign(points, part.width, part.centroids, column, scores);
        for (const [i, row] of block.entries()) codes[row * this.codeBytes + p] = column[i] ?? 0;
        await pace.breathe();
      }
      onPart(Math.min(1, (from + BLOCK) / rows));
    }
    return codes;
  }

  /** Row-major vectors of the codes. */
  async decode(codes: Uint8Array, pace: Pace): Promise<Float32Array> {
    const rows = codes.length / this.codeBytes;
    const data = new Float32Array(rows * this.#dimension);
    await pace.ranges(rows, BLOCK, (first, last) => {
      for (let row = first; row < last; row++) {
        for (const [p, { from, width, centroids }] of this.#parts.entries()) {
          const source = (codes[row * this.codeBytes + p] ?? 0) * width;
          const target = row * this.#dimension + from;
          for (let i = 0; i < width; i++) data[target + i] = centroids[source + i] ?? 0;
        }
      }
    });
    return data;
  }
}
