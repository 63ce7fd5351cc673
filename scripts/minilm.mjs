// The sentence encoder all-MiniLM-L6-v2 in plain JavaScript: six layers of twelve heads, mean pooling, unit length. Slow,
// and the same on every machine.

const WIDTH = 384;
const HEADS = 12;
const LAYERS = 6;
const EPSILON = 1e-12;
const MAX_TOKENS = 128;

/** Names of the matrices of a layer, with the part of the layer that gives their inputs. */
const MATRICES = [
  ['attention.self.query', 'hidden'],
  ['attention.self.key', 'hidden'],
  ['attention.self.value', 'hidden'],
  ['attention.output.dense', 'mixed'],
  ['intermediate.dense', 'attended'],
  ['output.dense', 'inner'],
];

export const TABLE = 'embeddings.word_embeddings.weight';

/** Names of the weight matrices of all layers. */
export const layerMatrices = Array.from({ length: LAYERS }, (_, layer) =>
  MATRICES.map(([name]) => `encoder.layer.${layer}.${name}.weight`),
).flat();

/** Splits text into the ids of word pieces, as BERT without case does. */
export function tokenizer(vocabulary) {
  const ids = new Map(vocabulary.split('\n').map((piece, id) => [piece.trim(), id]));
  const id = (piece) => ids.get(piece) ?? ids.get('[UNK]');
  const pieces = (word) => {
    const found = [];
    for (let start = 0; start < word.length; ) {
      const prefix = start === 0 ? '' : '##';
      let end = word.length;
      while (end > start && !ids.has(prefix + word.slice(start, end))) end -= 1;
      if (end === start) return [id('[UNK]')];
      found.push(id(prefix + word.slice(start, end)));
      start = end;
    }
    return found;
  };
  return (text) => {
    const plain = text
      .toLowerCase()
      .normalize('NFD')
      .replaceAll(/\p{Mn}/gu, '');
    const words = plain.match(/[\p{P}\p{S}]|[^\s\p{P}\p{S}]+/gu) ?? [];
    return [id('[CLS]'), ...words.flatMap(pieces).slice(0, MAX_TOKENS - 2), id('[SEP]')];
  };
}

/** Rows of inputs times the rows of a matrix, plus a bias. */
function linear(inputs, rows, matrix, bias) {
  const [cols, outputs] = [inputs.length / rows, bias.length];
  const out = new Float32Array(rows * outputs);
  for (let o = 0; o < outputs; o += 4) {
    const [w0, w1, w2, w3] = [o * cols, (o + 1) * cols, (o + 2) * cols, (o + 3) * cols];
    for (let row = 0; row < rows; row += 1) {
      const from = row * cols;
      let [s0, s1, s2, s3] = [bias[o], bias[o + 1], bias[o + 2], bias[o + 3]];
      for (let i = 0; i < cols; i += 1) {
        const value = inputs[from + i];
        s0 += value * matrix[w0 + i];
        s1 += value * matrix[w1 + i];
        s2 += value * matrix[w2 + i];
        s3 += value * matrix[w3 + i];
      }
      out.set([s0, s1, s2, s3], row * outputs + o);
    }
  }
  return out;
}

/** Adds two arrays and brings each row to mean 0 and deviation 1, then to its own scale and shift. */
function normalized(left, right, gain, shift) {
  const out = new Float32Array(left.length);
  for (let from = 0; from < left.length; from += WIDTH) {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < WIDTH; i += 1) {
      const value = left[from + i] + right[from + i];
      out[from + i] = value;
      sum += value;
      squares += value * value;
    }
    const mean = sum / WIDTH;
    const scale = 1 / Math.sqrt(squares / WIDTH - mean * mean + EPSILON);
    for (let i = 0; i < WIDTH; i += 1) out[from + i] = (out[from + i] - mean) * scale * gain[i] + shift[i];
  }
  return out;
}

/** The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

/** Softmax attention of the rows of one text, head by head. */
function attend(query, key, value, start, end, out) {
  const head = WIDTH / HEADS;
  for (let h = 0; h < HEADS; h += 1) {
    for (let row = start; row < end; row += 1) {
      const scores = [];
      for (let other = start; other < end; other += 1) {
        let sum = 0;
        for (let i = h * head; i < (h + 1) * head; i += 1) sum += query[row * WIDTH + i] * key[other * WIDTH + i];
        scores.push(sum / Math.sqrt(head));
      }
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = h * head; i < (h + 1) * head; i += 1) {
        let sum = 0;
        for (let other = start; other < end; other += 1) sum += weights[other - start] * value[other * WIDTH + i];
        out[row * WIDTH + i] = sum / total;
      }
    }
  }
}

/**
 * Embeds texts.
 *
 * @param weights gives the values of a tensor by name
 * @param texts lists of token ids
 * @param watch called with the name of each matrix and its inputs, row by row
 * @returns row-major embeddings of unit length
 */
export function embed(weights, texts, watch = () => {}) {
  const starts = [0];
  for (const ids of texts) starts.push(starts.at(-1) + ids.length);
  const rows = starts.at(-1);
  const [table, positions] = [weights(TABLE), weights('embeddings.position_embeddings.weight')];
  const type = weights('embeddings.token_type_embeddings.weight');
  const [words, places] = [new Float32Array(rows * WIDTH), new Float32Array(rows * WIDTH)];
  texts.forEach((ids, text) => {
    ids.forEach((id, place) => {
      const to = (starts[text] + place) * WIDTH;
      words.set(table.subarray(id * WIDTH, (id + 1) * WIDTH), to);
      for (let i = 0; i < WIDTH; i += 1) places[to + i] = positions[place * WIDTH + i] + type[i];
    });
  });
  const scale = (name) => [weights(`${name}.weight`), weights(`${name}.bias`)];
  let hidden = normalized(words, places, ...scale('embeddings.LayerNorm'));
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const path = `encoder.layer.${layer}`;
    const apply = (name, inputs) => {
      watch(`${path}.${name}.weight`, inputs);
      return linear(inputs, rows, ...scale(`${path}.${name}`));
    };
    const [query, key, value] = ['query', 'key', 'value'].map((name) => apply(`attention.self.${name}`, hidden));
    const mixed = new Float32Array(rows * WIDTH);
    texts.forEach((_, text) => {
      attend(query, key, value, starts[text], starts[text + 1], mixed);
    });
    const output = apply('attention.output.dense', mixed);
    const attended = normalized(output, hidden, ...scale(`${path}.attention.output.LayerNorm`));
    const inner = apply('intermediate.dense', attended).map((x) => 0.5 * x * (1 + erf(x / Math.SQRT2)));
    hidden = normalized(apply('output.dense', inner), attended, ...scale(`${path}.output.LayerNorm`));
  }
  const pooled = new Float32Array(texts.length * WIDTH);
  texts.forEach((_, text) => {
    const to = pooled.subarray(text * WIDTH, (text + 1) * WIDTH);
    for (let row = starts[text]; row < starts[text + 1]; row += 1) {
      for (let i = 0; i < WIDTH; i += 1) to[i] += hidden[row * WIDTH + i];
    }
    const length = Math.hypot(...to);
    for (let i = 0; i < WIDTH; i += 1) to[i] /= length;
  });
  return pooled;
}
