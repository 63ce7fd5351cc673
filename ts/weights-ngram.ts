import { TinyQuantError } from './errors.js';
import { Handle } from './handle.js';
import { job, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeNgramCache, NativeNgramStats } from './native-weights.js';
import { Serial } from './serial.js';
import { integer, invalidArg, notAHandle, options } from './validate.js';
import { doubles, tokens } from './weights-checks.js';

/** Tokens: integers from 0 to below the vocabulary. */
export type Tokens = Uint32Array | Uint16Array | Uint8Array | readonly number[];

/** Options of {@link NgramCache}. */
export interface NgramCacheOptions {
  /** Tokens of the longest n-gram, 1 to 64: contexts have up to `order - 1`. */
  readonly order: number;
  /** Tokens are below this; at least 2. */
  readonly vocab: number;
  /** Weight of the shorter contexts, in counts; above 0. Default 1. */
  readonly lambda?: number;
}

/** Options of {@link NgramCache.scoreAndUpdateSync}. */
export interface ScoreOptions {
  /** Natural logarithms of a model's probabilities, one for each token, to be mixed with those of the cache. */
  readonly modelLogProbs?: Float64Array | Float32Array | readonly number[];
  /** Share of the cache in the mixture, 0 to 1. Default 0.5 with `modelLogProbs`. */
  readonly alpha?: number;
  /** Tokens before the first one. Default: none. */
  readonly context?: Tokens;
}

/** Options of {@link NgramCache.scoreAndUpdate}. */
export interface ScoreJobOptions extends ScoreOptions {
  /** Takes the call back before its turn; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** A summary of an {@link NgramCache}. */
export interface NgramCacheSummary {
  /** Tokens of the longest n-gram. */
  readonly order: number;
  /** Number of tokens that there are. */
  readonly vocab: number;
  /** Weight of the shorter context. */
  readonly lambda: number;
  /** Tokens that were counted. */
  readonly tokens: number;
  /** Contexts that were seen. */
  readonly contexts: number;
  /** Bytes of memory. */
  readonly nbytes: number;
}

interface Scoring {
  readonly context: Uint32Array;
  readonly model: Float64Array | null;
  readonly alpha: number;
}

const SCORE_NAMES: readonly string[] = ['modelLogProbs', 'alpha', 'context'];

function scoring(given: Record<string, unknown>): Scoring {
  const { modelLogProbs, alpha, context } = given;
  if (alpha !== undefined && modelLogProbs === undefined)
    throw invalidArg('alpha', 'absent without modelLogProbs', alpha);
  if (alpha !== undefined && !(typeof alpha === 'number' && alpha >= 0 && alpha <= 1)) {
    throw invalidArg('alpha', 'a number from 0 to 1', alpha);
  }
  return {
    context: context === undefined ? new Uint32Array(0) : tokens(context, 'context'),
    model: modelLogProbs === undefined ? null : doubles(modelLogProbs, 'modelLogProbs'),
    alpha: alpha ?? 0.5,
  };
}

/**
 * A cache of n-grams: probabilities of tokens from what followed the same context so far, interpolated over the lengths
 * of the context. With `h_k` the last `k` tokens, a probability starts at `1 / vocab`, and for `k = 0 .. order - 1` in turn
 * becomes `(count(h_k, token) + lambda * p) / (count(h_k) + lambda)`, until a context was not seen. Probabilities of all
 * tokens sum to 1 at any time.
 *
 * A token's probability is read before the token is counted: {@link NgramCache.scoreAndUpdate} does both in that order.
 * While a job of the cache is under way, its other calls are refused.
 *
 * @example
 * const cache = new NgramCache({ order: 5, vocab: 256 });
 * const logProbs = await cache.scoreAndUpdate(Buffer.from(text));
 * const bitsPerByte = -logProbs.reduce((sum, p) => sum + p, 0) / Math.LN2 / logProbs.length;
 */
export class NgramCache extends Handle {
  readonly #native: NativeNgramCache;
  /** Jobs that are under way. */
  readonly #jobs = new Serial();
  /** What the cache held before them. */
  #stats: NativeNgramStats;
  readonly #order: number;
  readonly #vocab: number;
  readonly #lambda: number;

  /** @throws {TinyQuantError} ERR_TQ_INVALID_ARG */
  constructor(o: NgramCacheOptions) {
    super();
    const { order, vocab, lambda } = options(o, 'NgramCache options', ['order', 'vocab', 'lambda'], true);
    this.#order = integer(order, 'order', 1, 64);
    this.#vocab = integer(vocab, 'vocab', 2, 2 ** 32 - 1);
    if (lambda !== undefined && !(typeof lambda === 'number' && lambda > 0 && lambda < Number.POSITIVE_INFINITY)) {
      throw invalidArg('lambda', 'a finite number above 0', lambda);
    }
    this.#lambda = lambda ?? 1;
    this.#native = call(() => new native.NativeNgramCache(this.#order, this.#vocab, this.#lambda));
    this.#stats = this.#native.stats();
  }

  static #self(value: unknown): NgramCache {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'NgramCache');
    return value;
  }

  /** Other calls would wait for the job on the calling thread, and it would not be clear which comes first. */
  static #idle(value: unknown): NgramCache {
    const cache = NgramCache.#self(value);
    if (cache.#jobs.isBusy)
      throw new TinyQuantError('ERR_TQ_INVALID_ARG', 'a scoreAndUpdate of this cache is under way: await it first');
    return cache;
  }

  /** Tokens of the longest n-gram. */
  get order(): number {
    return NgramCache.#self(this).#order;
  }

  /** Tokens are below this. */
  get vocab(): number {
    return NgramCache.#self(this).#vocab;
  }

  /** Weight of the shorter contexts, in counts. */
  get lambda(): number {
    return NgramCache.#self(this).#lambda;
  }

  /**
   * Natural logarithm of the probability that `next` follows a context, of which the last `order - 1` tokens count.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a token of `vocab` or more, or while a job is under way
   */
  logProb(context: Tokens, next: number): number {
    const cache = NgramCache.#idle(this);
    const before = tokens(context, 'context');
    const token = integer(next, 'next', 0, cache.#vocab - 1);
    return call(() => cache.#native.logProb(before, token));
  }

  /**
   * Probabilities of all tokens after a context; they sum to 1.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a token of `vocab` or more, or while a job is under way
   */
  probabilities(context: Tokens): Float64Array {
    const cache = NgramCache.#idle(this);
    const before = tokens(context, 'context');
    return call(() => cache.#native.probabilities(before));
  }

  /**
   * Counts that `next` followed a context.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a token of `vocab` or more, or while a job is under way; ERR_TQ_LIMIT for
   * more than 2^32 contexts
   */
  update(context: Tokens, next: number): void {
    const cache = NgramCache.#idle(this);
    const before = tokens(context, 'context');
    const token = integer(next, 'next', 0, cache.#vocab - 1);
    call(() => cache.#native.update(before, token));
  }

  /**
   * Scores tokens one after another, and counts each after its score was taken, on the thread pool. Jobs run in the order
   * of the calls, and all arrays are copied before the call returns. A call that fails, or is aborted before its turn, counts
   * nothing; one that has begun runs to its end.
   *
   * @returns natural logarithms: of the cache's probabilities, or of `(1 - alpha) * model + alpha * cache`
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH for another number of model logarithms than tokens,
   * ERR_TQ_LIMIT; the promise rejects, the call itself never throws
   */
  async scoreAndUpdate(list: Tokens, o?: ScoreJobOptions): Promise<Float64Array> {
    const given = options(o, 'scoreAndUpdate options', [...SCORE_NAMES, 'signal']);
    const control = job({ signal: given.signal });
    const cache = NgramCache.#self(this);
    const { context, model, alpha } = scoring(given);
    const data = Uint32Array.from(tokens(list, 'tokens'));
    const [before, logProbs] = [Uint32Array.from(context), model === null ? null : Float64Array.from(model)];
    return cache.#jobs.run(async () => {
      const scores = await runJob(control, 'add', data.length, (abort) =>
        cache.#native.score(before, data, logProbs, alpha, abort),
      );
      cache.#stats = cache.#native.stats();
      return scores;
    });
  }

  /**
   * The same as {@link NgramCache.scoreAndUpdate} on the calling thread's time.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, also while a job is under way; ERR_TQ_DIM_MISMATCH, ERR_TQ_LIMIT
   */
  scoreAndUpdateSync(list: Tokens, o?: ScoreOptions): Float64Array {
    const cache = NgramCache.#idle(this);
    const { context, model, alpha } = scoring(options(o, 'scoreAndUpdate options', SCORE_NAMES));
    const data = tokens(list, 'tokens');
    const scores = call(() => cache.#native.scoreSync(context, data, model, alpha));
    cache.#native.stats(); // the garbage collector is told of the memory
    return scores;
  }

  /**
   * Forgets everything that was counted.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG while a job is under way
   */
  clear(): void {
    const cache = NgramCache.#idle(this);
    cache.#native.clear();
    cache.#native.stats();
  }

  /** A summary; while a job is under way, of what was counted before. */
  toJSON(): NgramCacheSummary {
    const cache = NgramCache.#self(this);
    if (!cache.#jobs.isBusy) cache.#stats = cache.#native.stats();
    const { tokens: counted, contexts, bytes: nbytes } = cache.#stats;
    return { order: cache.#order, vocab: cache.#vocab, lambda: cache.#lambda, tokens: counted, contexts, nbytes };
  }
}
