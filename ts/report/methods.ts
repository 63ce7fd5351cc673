import { Codebook } from '../codebook.js';
import { Codec } from '../codec.js';
import { type BitWidth, CodecConfig } from '../config.js';
import { call, native } from '../native.js';
import type { TrainMethod } from '../native-types.js';
import { takeRows } from './measure.js';
import type { ReportFamily } from './model.js';
import type { Pace } from './pace.js';
import { ProductQuantizer } from './product-quantizer.js';

/** What a method gives for all vectors. */
export interface Outcome {
  readonly payloadBytes: number;
  readonly sharedBytes: number;
  /** Row-major, as many values as were given. */
  readonly decoded: Float32Array;
  /** `null` where the vectors are stored as they are. */
  readonly encodeSeconds: number | null;
  readonly decodeSeconds: number | null;
}

/** What every method works on. */
export interface Task {
  /** Row-major, finite. */
  readonly vectors: Float32Array;
  readonly dimension: number;
  readonly rows: number;
  /** Numbers of the rows that train a TinyQuant codebook. */
  readonly trainRows: Uint32Array;
  /** Numbers of the rows that train a product quantizer. */
  readonly productTrainRows: Uint32Array;
  readonly signal: AbortSignal | undefined;
  readonly pace: Pace;
  /** Is told the share of the method's coding that is done, 0 to 1. */
  readonly onPart: (share: number) => void;
}

/** One row of the table before it is measured. */
export interface Method {
  readonly family: ReportFamily;
  readonly method: string;
  readonly bits: string;
  readonly native: boolean;
  /** Units of work in the progress, against one for measuring the result. */
  readonly units: number;
  run(task: Task): Promise<Outcome>;
}

/** Values that are handled in one go, about a millisecond. */
const BLOCK = 1 << 17;
/** A step is repeated up to this many times until it has run for so many milliseconds in all. */
const MAX_RUNS = 5;
const ENOUGH = 600;

/** Result of the last of some runs and the median of their seconds. */
async function timed<T>(pace: Pace, body: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const times: number[] = [];
  for (;;) {
    await pace.breathe();
    const start = pace.now();
    const result = await body();
    times.push(pace.now() - start);
    if (times.length === MAX_RUNS || times.reduce((sum, time) => sum + time, 0) >= ENOUGH) {
      times.sort((a, b) => a - b);
      return { result, seconds: (times[times.length >> 1] ?? 0) / 1000 };
    }
  }
}

const float32: Method = {
  family: 'float',
  method: 'float32',
  bits: '32',
  native: false,
  units: 0,
  run: async ({ vectors, dimension }) => ({
    payloadBytes: 4 * dimension,
    sharedBytes: 0,
    decoded: vectors,
    encodeSeconds: null,
    decodeSeconds: null,
  }),
};

const float16: Method = {
  family: 'float',
  method: 'float16',
  bits: '16',
  native: true,
  units: 1,
  async run({ vectors, dimension, pace }) {
    const encode = await timed(pace, async () => call(() => native.narrowF16(vectors, dimension)));
    const decode = await timed(pace, async () => call(() => native.widenF16(encode.result)));
    return {
      payloadBytes: encode.result.length / (vectors.length / dimension),
      sharedBytes: 0,
      decoded: decode.result,
      encodeSeconds: encode.seconds,
      decodeSeconds: decode.seconds,
    };
  },
};

/** Least value and step of each vector, as they are stored. */
const RANGE_BYTES = 2 * Float32Array.BYTES_PER_ELEMENT;

const uint8: Method = {
  family: 'scalar',
  method: 'uint8 scalar',
  bits: '8',
  native: false,
  units: 1,
  async run({ vectors, dimension, rows, pace }) {
    const codes = new Uint8Array(vectors.length);
    const ranges = new Float32Array(2 * rows);
    const decoded = new Float32Array(vectors.length);
    const block = Math.max(1, Math.floor(BLOCK / dimension));
    const encode = await timed(pace, () =>
      pace.ranges(rows, block, (first, last) => {
        for (let row = first; row < last; row++) {
          const [from, to] = [row * dimension, (row + 1) * dimension];
          let min = Number.POSITIVE_INFINITY;
          let max = Number.NEGATIVE_INFINITY;
          for (let i = from; i < to; i++) {
            const value = vectors[i] ?? 0;
            if (value < min) min = value;
            if (value > max) max = value;
          }
          const step = (max - min) / 255;
          ranges[2 * row] = min;
          ranges[2 * row + 1] = max;
          for (let i = from; i < to; i++) codes[i] = step === 0 ? 0 : ((vectors[i] ?? 0) - min) / step + 0.5;
        }
      }),
    );
    const decode = await timed(pace, () =>
      pace.ranges(rows, block, (first, last) => {
        for (let row = first; row < last; row++) {
          const min = ranges[2 * row] ?? 0;
          const step = ((ranges[2 * row + 1] ?? 0) - min) / 255;
          for (let i = row * dimension; i < (row + 1) * dimension; i++) decoded[i] = min + (codes[i] ?? 0) * step;
        }
      }),
    );
    return {
      payloadBytes: dimension + RANGE_BYTES,
      sharedBytes: 0,
      decoded,
      encodeSeconds: encode.seconds,
      decodeSeconds: decode.seconds,
    };
  },
};

/** One byte for every `width` dimensions. */
function product(width: number): Method {
  return {
    family: 'product',
    method: 'product quantizer',
    bits: `8 per ${width} dims`,
    native: false,
    units: 12,
    async run({ vectors, dimension, productTrainRows, pace, onPart }) {
      const quantizer = await ProductQuantizer.train(vectors, dimension, productTrainRows, width, pace, (share) =>
        onPart(share / 2),
      );
      // Slow enough to be timed in one run.
      const start = pace.now();
      const codes = await quantizer.encode(vectors, pace, (share) => onPart(0.5 + share / 2));
      const encodeSeconds = (pace.now() - start) / 1000;
      const decode = await timed(pace, () => quantizer.decode(codes, pace));
      return {
        payloadBytes: quantizer.codeBytes,
        sharedBytes: quantizer.sharedBytes,
        decoded: decode.result,
        encodeSeconds,
        decodeSeconds: decode.seconds,
      };
    },
  };
}

function tinyquant(bitWidth: BitWidth, residualEnabled: boolean, method: TrainMethod): Method {
  const plain = method === 'lloyd-max' ? 'lloyd-max' : 'tinyquant';
  return {
    family: residualEnabled ? 'residual' : plain,
    method: method === 'lloyd-max' ? 'TinyQuant, lloyd-max' : 'TinyQuant',
    bits: residualEnabled ? `${bitWidth} + residual` : `${bitWidth}`,
    native: true,
    units: 1,
    async run({ vectors, dimension, rows, trainRows, signal, pace }) {
      const config = new CodecConfig({ bitWidth, dimension, residualEnabled });
      const codec = new Codec();
      const job = signal === undefined ? {} : { signal };
      const codebook = Codebook.train(takeRows(vectors, dimension, trainRows), config, { method });
      // The rotation is built once a process; the first call pays for it.
      codec.compress(vectors.subarray(0, dimension), config, codebook);
      const encode = await timed(pace, () => codec.compressBatch(vectors, config, codebook, job));
      const decode = await timed(pace, () => codec.decompressBatch(encode.result, config, codebook, job));
      return {
        payloadBytes: encode.result.sizeBytes / rows,
        sharedBytes: codebook.entries().byteLength,
        decoded: decode.result,
        encodeSeconds: encode.seconds,
        decodeSeconds: decode.seconds,
      };
    },
  };
}

const WIDTHS: readonly BitWidth[] = [8, 4, 2];

/** All methods in the order of the table. */
export const METHODS: readonly Method[] = [
  float32,
  float16,
  uint8,
  ...WIDTHS.map((bits) => tinyquant(bits, true, 'tinyquant')),
  ...WIDTHS.map((bits) => tinyquant(bits, false, 'tinyquant')),
  ...WIDTHS.map((bits) => tinyquant(bits, false, 'lloyd-max')),
  product(4),
  product(8),
];
