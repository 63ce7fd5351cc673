import type { ErrorCode } from '../../index.js';

/** A golden case that this package answers differently from TinyQuant 1.1.0, on purpose. */
export interface Deviation {
  readonly code: ErrorCode;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly why: string;
}

type Table = Readonly<Record<string, Deviation>>;

/** Cases of `level1/rejections.json`. */
export const RECORDS: Table = {
  hash_all_nul: { code: 'ERR_TQ_FORMAT', why: 'a configuration hash has 64 hexadecimal digits' },
  hash_short: { code: 'ERR_TQ_FORMAT', why: 'a configuration hash has 64 hexadecimal digits' },
  hash_inner_nul: { code: 'ERR_TQ_FORMAT', why: 'a configuration hash has 64 hexadecimal digits' },
  trailing_bytes: { code: 'ERR_TQ_FORMAT', why: 'trailing bytes are lost when the record is written again' },
  trailing_bytes_plain: { code: 'ERR_TQ_FORMAT', why: 'trailing bytes are lost when the record is written again' },
  dim_0: { code: 'ERR_TQ_FORMAT', why: 'no configuration has dimension 0' },
  dim_max: { code: 'ERR_TQ_FORMAT', why: 'a dimension beyond 16384 is wrong however long the data are' },
  dim_20000: { code: 'ERR_TQ_FORMAT', why: 'a dimension beyond 16384 is wrong however long the data are' },
  residual_len_huge: { code: 'ERR_TQ_FORMAT', why: 'the only right length follows from the dimension' },
  hash_bad_and_version_bad: { code: 'ERR_TQ_VERSION', why: 'the hash of an unknown version cannot be judged' },
  pad_bits_set: { code: 'ERR_TQ_FORMAT', why: 'set padding bits are lost when the record is written again' },
};

/** Rows of `d64/special_n12` with a residual: TinyQuant writes infinities that decode to NaN. */
export const SPECIAL_ROWS: Readonly<Record<number, Deviation>> = {
  0: { code: 'ERR_TQ_NON_FINITE', details: { column: 5, value: 'NaN' }, why: 'a NaN cannot be reconstructed' },
  1: { code: 'ERR_TQ_NON_FINITE', details: { column: 0, value: 'NaN' }, why: 'a NaN cannot be reconstructed' },
  2: { code: 'ERR_TQ_NON_FINITE', details: { value: 'Infinity' }, why: 'an infinity cannot be reconstructed' },
  3: { code: 'ERR_TQ_NON_FINITE', details: { value: '-Infinity' }, why: 'an infinity cannot be reconstructed' },
  4: { code: 'ERR_TQ_LIMIT', why: 'the residual exceeds half precision' },
  6: { code: 'ERR_TQ_LIMIT', why: 'the residual exceeds half precision' },
  7: { code: 'ERR_TQ_LIMIT', why: 'the residual exceeds half precision' },
  8: { code: 'ERR_TQ_LIMIT', why: 'the residual exceeds half precision' },
  9: { code: 'ERR_TQ_LIMIT', why: 'the residual exceeds half precision' },
};

/**
 * TinyQuant's matrix depends on the processor's cache in its last bits; the one here is the same on every machine and
 * within this distance of it. Records come out equal, reconstructed values differ by at most one unit in the last place.
 */
export const ROTATION = { tolerance: 1e-13, ulps: 1 } as const;

/** Cases of `train/small_cases.json`. */
export const TRAINING: Table = {
  with_nan: { code: 'ERR_TQ_NON_FINITE', why: 'a NaN would become the top entry' },
  with_inf: { code: 'ERR_TQ_NON_FINITE', why: 'the message names the value instead of a lack of data' },
};

/** Cases of `train/codebook_constructor.json`. */
export const CODEBOOKS: Table = {
  nan_last: { code: 'ERR_TQ_NON_FINITE', why: 'a NaN entry reconstructs to NaN' },
  nan_first: { code: 'ERR_TQ_NON_FINITE', why: 'the message names the value instead of the order' },
  bw0: {
    code: 'ERR_TQ_INVALID_ARG',
    details: { kind: 'UnsupportedBitWidth' },
    why: 'no configuration has this bit width',
  },
  bw1_ok_upstream: {
    code: 'ERR_TQ_INVALID_ARG',
    details: { kind: 'UnsupportedBitWidth' },
    why: 'no configuration has this bit width',
  },
  bw3_ok_upstream: {
    code: 'ERR_TQ_INVALID_ARG',
    details: { kind: 'UnsupportedBitWidth' },
    why: 'no configuration has this bit width',
  },
  bw16_ok_upstream: {
    code: 'ERR_TQ_INVALID_ARG',
    details: { kind: 'UnsupportedBitWidth' },
    why: 'no configuration has this bit width',
  },
};

/** Cases of `corpus/codec_errors.json`. */
export const CODEC: Table = {
  train_wrong_cols: { code: 'ERR_TQ_DIM_MISMATCH', why: 'values that do not form vectors are a mistake' },
};

/** Cases of `search/edge_cases.json`. */
export const SEARCH: Table = {
  nan_vector: { code: 'ERR_TQ_NON_FINITE', why: 'a NaN has no similarity to anything' },
  nan_query: { code: 'ERR_TQ_NON_FINITE', why: 'a NaN has no similarity to anything' },
};

/**
 * The vector of `search/d64_bruteforce.json` (row 4, of the size 1e-30) whose 32-bit sums underflow: TinyQuant scores
 * it 0, here it has the score of its direction.
 */
export const CORRECTED_VECTOR = 'v004';

/**
 * Scales of `search/edge_cases.json` at which TinyQuant's 32-bit sums overflow or underflow. The corrected scores are
 * those of scale 1 within rounding.
 */
export const CORRECTED_SCALES: readonly string[] = ['1e-11', '1e-12', '1000000000.0', '10000000000.0', '1e+18'];

/**
 * Behaviour that no single case shows, each asserted by name in the specs:
 * a failed ingest leaves nothing behind (TinyQuant keeps the vectors before the bad one);
 * an emptied backend takes vectors of another dimension (TinyQuant keeps the lock until it is cleared);
 * `decompressAll` follows insertion order (TinyQuant sorts by id).
 */
export const BEHAVIOUR = {
  ingestIsAtomic: true,
  dimensionIsReleasedWhenEmpty: true,
  decompressAllFollowsInsertion: true,
} as const;
