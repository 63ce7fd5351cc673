// Vectors of the soak: rows around centres, the same in every process.

/** Values in a row. */
export const DIM = 128;

/** `rows` rows of {@link DIM} values. Equal arguments give equal rows. */
export function rowsOf(rows, seed = 1) {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const centres = Float32Array.from({ length: 64 * DIM }, next);
  const rowsData = new Float32Array(rows * DIM);
  for (let i = 0; i < rowsData.length; i++) {
    const row = Math.floor(i / DIM);
    rowsData[i] = centres[(row % 64) * DIM + (i % DIM)] + 0.7 * next();
  }
  return rowsData;
}

/** One row of what {@link rowsOf} gives. */
export const rowAt = (rows, i) => rows.subarray(i * DIM, (i + 1) * DIM);
