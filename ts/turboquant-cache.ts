import { TinyQuantError } from './errors.js';
import { Handle } from './handle.js';
import { abortSignal, type Job, job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeKvCache, NativeRowMethod } from './native-types.js';
import { Serial } from './serial.js';
import type { MseBits, ProdBits } from './turboquant-codec.js';
import { boolean, integer, invalidArg, notAHandle, oneOf, options, seed } from './validate.js';
import { bytes, toRows, type VectorRows } from './vectors.js';

/** How a {@link KvCache} quantizes keys. */
export type KeyCodec = 'prod' | 'mse';

/** Options of {@link KvCache}. */
export interface KvCacheOptions {
  /** Heads of keys and values, 1 to 65536. */
  readonly heads: number;
  /** Values of a key and of a value vector, 2 to 16384; 2 to 8192 with `keys: 'prod'`. */
  readonly headDim: number;
  /** Bits per value of a key: 1 to 9, or 1 to 8 with `keys: 'mse'`. */
  readonly keyBits: ProdBits;
  /** Bits per value of a value vector. */
  readonly valueBits: MseBits;
  /**
   * `'prod'` (default): a `ProdCodec`, as in the paper. `'mse'`: an `MseCodec` with unbiased norms, recommended: attention
   * comes out closer (a cosine of 0.99 in place of 0.97 at 4 bits), from 4 bytes less a key.
   */
  readonly keys?: KeyCodec;
  /** Seed of the keys' codec. Default 0. */
  readonly keySeed?: bigint | number;
  /** Seed of the values' codec. Default 1. */
  readonly valueSeed?: bigint | number;
  /** What scores are multiplied with. Default `1 / Math.sqrt(headDim)`. */
  readonly scale?: number;
}

/** Options of {@link KvCache.attend}. */
export interface AttendOptions {
  /** Heads of the queries, a multiple of `heads`: query head `h` reads head `floor(h * heads / queryHeads)`. Default `heads`. */
  readonly queryHeads?: number;
  /** Queries are those of the last tokens, and see none after their own. Default `false`. */
  readonly causal?: boolean;
  /** `l * length` bytes: 0 where query `i` of a head may not see token `t`, at `i * length + t`. Default: all are seen. */
  readonly mask?: Uint8Array;
}

/** Options of the asynchronous calls of {@link KvCache}. */
export interface SignalOptions {
  /** Stops the call; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** A summary of a {@link KvCache}. */
export interface KvCacheSummary {
  /** Heads of keys and values. */
  readonly heads: number;
  /** Values of a head. */
  readonly headDim: number;
  /** Bits of a number of a key. */
  readonly keyBits: ProdBits;
  /** Bits of a number of a value. */
  readonly valueBits: MseBits;
  /** Codec of the keys. */
  readonly keys: KeyCodec;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly keySeed: string;
  /** As `keySeed`, for the values. */
  readonly valueSeed: string;
  /** Factor of the scores. */
  readonly scale: number;
  /** Tokens held. */
  readonly length: number;
  /** Bytes of all keys and values. */
  readonly nbytes: number;
}

const NAMES = ['heads', 'headDim', 'keyBits', 'valueBits', 'keys', 'keySeed', 'valueSeed', 'scale'];
const ATTEND_NAMES = ['queryHeads', 'causal', 'mask'];
const MAX_HEADS = 65_536;

interface CacheState {
  readonly handle: NativeKvCache;
  readonly heads: number;
  readonly headDim: number;
  readonly keyBits: number;
  readonly valueBits: number;
  readonly keys: KeyCodec;
  readonly keySeed: bigint;
  readonly valueSeed: bigint;
  /** Appends that are under way. */
  readonly writers: Serial;
}

function stateOf(o: unknown): CacheState {
  const given = options(o, 'KvCache options', NAMES, true);
  const keys = given.keys === undefined ? 'prod' : oneOf(given.keys, 'keys', ['prod', 'mse']);
  const { scale } = given;
  if (scale !== undefined && !(typeof scale === 'number' && Math.fround(scale) > 0 && scale < 3.4e38))
    throw invalidArg('scale', 'a number above 0', scale);
  const config = {
    heads: integer(given.heads, 'heads', 1, MAX_HEADS),
    headDim: integer(given.headDim, 'headDim', 2, keys === 'prod' ? 8192 : 16_384),
    keyBits: integer(given.keyBits, 'keyBits', 1, keys === 'prod' ? 9 : 8),
    valueBits: integer(given.valueBits, 'valueBits', 1, 8),
    keySeed: given.keySeed === undefined ? 0n : seed(given.keySeed, 'keySeed'),
    valueSeed: given.valueSeed === undefined ? 1n : seed(given.valueSeed, 'valueSeed'),
  };
  const method: NativeRowMethod = keys === 'prod' ? 'gaussian' : 'unbiased';
  const usual = scale === undefined ? {} : { scale };
  const handle = call(() => new native.NativeKvCache({ ...config, ...usual, keys: method }));
  return { ...config, handle, keys, writers: new Serial() };
}

/** Checks {@link AttendOptions} and a signal. */
function attendPlan(o: unknown, heads: number, isAsync: boolean) {
  const given = options(o, 'attend options', isAsync ? [...ATTEND_NAMES, 'signal'] : ATTEND_NAMES);
  const { queryHeads, causal, mask } = given;
  return {
    queryHeads: queryHeads === undefined ? heads : integer(queryHeads, 'queryHeads', 1, Number.MAX_SAFE_INTEGER),
    causal: causal === undefined ? false : boolean(causal, 'causal'),
    mask: mask === undefined ? null : bytes(mask, 'mask'),
    control: job({ signal: abortSignal(given.signal) }),
  };
}

/**
 * Keys and values of attention in a few bits a value: 4-bit keys and values take a quarter of what half floats do. Each token
 * is quantized alone, so that appending costs the same however long the cache is. Attention is
 * `softmax(scale q k^T) v` with the scores and values of the codecs (Zandieh et al., arXiv 2504.19874, section 4).
 *
 * @example
 * const cache = new KvCache({ heads: 8, headDim: 128, keyBits: 4, valueBits: 4, keys: 'mse' });
 * cache.append(keys, values); // Float32Array of heads * tokens * headDim each
 * const out = cache.attend(queries, { queryHeads: 32, causal: true });
 */
export class KvCache extends Handle {
  readonly #state: CacheState;

  /** @throws {TinyQuantError} ERR_TQ_INVALID_ARG */
  constructor(o: KvCacheOptions) {
    super();
    this.#state = stateOf(o);
  }

  static #self(value: unknown): CacheState {
    if (typeof value !== 'object' || value === null || !(#state in value)) throw notAHandle(value, 'this', 'KvCache');
    return value.#state;
  }

  /** Changes are refused while an asynchronous append is under way: it would not be clear which comes first. */
  static #idle(value: unknown): CacheState {
    const state = KvCache.#self(value);
    if (state.writers.isBusy)
      throw new TinyQuantError('ERR_TQ_INVALID_ARG', 'an append to this cache is under way: await it first');
    return state;
  }

  /** Heads of keys and values. */
  get heads(): number {
    return KvCache.#self(this).heads;
  }

  /** Values of a key and of a value vector. */
  get headDim(): number {
    return KvCache.#self(this).headDim;
  }

  /** Tokens of each head. */
  get length(): number {
    const { handle } = KvCache.#self(this);
    return call(() => handle.length());
  }

  /** Bytes of all keys and values. */
  get nbytes(): number {
    const { handle } = KvCache.#self(this);
    return call(() => handle.nbytes());
  }

  /**
   * Adds tokens, all or none.
   *
   * @param keys `heads * tokens * headDim` values: the tokens of the first head, then of the second one; or as many vectors
   * @param values the same of the value vectors
   * @returns the new length
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE with the row `head * tokens + token`, ERR_TQ_LIMIT;
   * ERR_TQ_INVALID_ARG, also while an {@link KvCache.appendAsync} is under way
   */
  append(keys: VectorRows, values: VectorRows): number {
    const { handle, headDim } = KvCache.#idle(this);
    const { data: k } = toRows(keys, headDim, 'keys');
    const { data: v } = toRows(values, headDim, 'values');
    return call(() => handle.appendSync(k, v));
  }

  /**
   * {@link KvCache.append} on the thread pool. Appends take effect in the order of the calls; the input may be changed as soon
   * as the call has returned.
   *
   * @throws {TinyQuantError} as {@link KvCache.append}; the promise rejects, the call itself never throws
   */
  async appendAsync(keys: VectorRows, values: VectorRows, o?: SignalOptions): Promise<number> {
    const { handle, headDim, writers } = KvCache.#self(this);
    const control: Job = job({ signal: options(o, 'append options', ['signal']).signal });
    const k = toRows(keys, headDim, 'keys');
    const v = toRows(values, headDim, 'values').data.slice();
    const copy = k.data.slice();
    return writers.run(async () => {
      const length = await runJob(control, 'add', k.count, (abort) => handle.append(copy, v, abort));
      handle.reportMemory();
      return length;
    });
  }

  /**
   * Drops the tokens from `n` on, as after a rejected draft.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG if there are fewer, or while an {@link KvCache.appendAsync} is under way
   */
  truncate(n: number): void {
    const { handle } = KvCache.#idle(this);
    const length = integer(n, 'n', 0, Number.MAX_SAFE_INTEGER);
    call(() => handle.truncate(length));
  }

  /**
   * Attention over the tokens in the cache: softmax of the scaled scores, and the values that it weighs. Keys are scored from
   * their codes; the values are summed before they are rotated back.
   *
   * @param queries `queryHeads * l * headDim` values: the queries of the first head, then of the second one; or as many
   * vectors
   * @returns as many values; zeros for a query that may see no token
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an empty cache, `queryHeads` that are no multiple of `heads`, a mask of another
   * length, or more causal queries than tokens; ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT
   */
  attend(queries: VectorRows, o?: AttendOptions): Float32Array {
    const { handle, heads, headDim } = KvCache.#self(this);
    const { queryHeads, causal, mask } = attendPlan(o, heads, false);
    const { data } = toRows(queries, headDim, 'queries');
    return call(() => handle.attendSync(data, queryHeads, causal, mask));
  }

  /**
   * {@link KvCache.attend} on the thread pool, over the tokens that there are when it is called: what is appended or truncated
   * meanwhile changes nothing, but copies the cache once. Queries and mask may be changed as soon as the call has returned.
   *
   * @throws {TinyQuantError} as {@link KvCache.attend}; the promise rejects, the call itself never throws
   */
  async attendAsync(queries: VectorRows, o?: AttendOptions & SignalOptions): Promise<Float32Array> {
    const { handle, heads, headDim } = KvCache.#self(this);
    const { queryHeads, causal, mask, control } = attendPlan(o, heads, true);
    const { data, count } = toRows(queries, headDim, 'queries');
    return runJob(control, 'search', count, (abort) => handle.attend(data, queryHeads, causal, mask, abort));
  }

  /** A summary. */
  toJSON(): KvCacheSummary {
    const { handle, heads, headDim, keyBits, valueBits, keys, keySeed, valueSeed } = KvCache.#self(this);
    return {
      heads,
      headDim,
      keyBits: keyBits as ProdBits,
      valueBits: valueBits as MseBits,
      keys,
      keySeed: keySeed.toString(),
      valueSeed: valueSeed.toString(),
      ...call(() => ({ scale: handle.scale(), length: handle.length(), nbytes: handle.nbytes() })),
    };
  }
}
