import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import { boolean, integer, invalidArg, notAHandle, options } from './validate.js';
import { bytes, toVector, type Vector } from './vectors.js';

/** Options of {@link EmbeddingDelta.between}. */
export interface DeltaOptions {
  /** Number of the embedding that is changed, 0 to 65535. Default 0. */
  readonly baseId?: number;
  /**
   * Keeps lnmp-embedding's rule: changes of up to 1.1920929e-7 are dropped, and those to NaN. Default `false`: every
   * change is kept, and values must be finite.
   */
  readonly compat?: boolean;
}

/** One change of an {@link EmbeddingDelta}. */
export interface DeltaChange {
  /** Which value. */
  readonly index: number;
  /** What is added to it. */
  readonly delta: number;
}

/** The fields of an {@link EmbeddingDelta} as plain JSON values. */
export interface EmbeddingDeltaJson {
  /** Id of the embedding that is changed. */
  readonly baseId: number;
  /** What is added to which values. */
  readonly changes: readonly DeltaChange[];
}

/** When changes are sent: never, always, or below a percentage of the values. */
export type DeltaStrategy = 'full' | 'delta' | number;

/** The binary form of changes; refuses anything else. Set by the class below. */
export let deltaBytes: (value: unknown, argument: string) => Uint8Array;
/** Whether a value is an instance made by this package. Set by the class below. */
export let isDelta: (value: unknown) => value is EmbeddingDelta;
/** Wraps a binary form that the native side made. Set by the class below. */
export let wrapDelta: (form: Uint8Array) => EmbeddingDelta;

const HEADER = 4;
const CHANGE = 6;

/**
 * What turns one embedding into another of the same length: `next[i] - old[i]` in 32-bit floats for every value that
 * changed, with its index, as the crate lnmp-embedding 0.5.16 stores it. Immutable.
 *
 * @example
 * const delta = EmbeddingDelta.between(before, after, { baseId: 7 });
 * const same = EmbeddingDelta.fromBytes(delta.toBytes()).apply(before);
 */
export class EmbeddingDelta extends Handle {
  readonly #bytes: Uint8Array;

  static {
    deltaBytes = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#bytes in value))
        throw notAHandle(value, argument, 'EmbeddingDelta');
      return value.#bytes;
    };
    isDelta = (value): value is EmbeddingDelta => typeof value === 'object' && value !== null && #bytes in value;
    wrapDelta = (form) => new EmbeddingDelta(INTERNAL, form);
  }

  private constructor(token: typeof INTERNAL, form: Uint8Array) {
    super();
    assertInternal(token, 'EmbeddingDelta', 'EmbeddingDelta.between or EmbeddingDelta.fromBytes');
    this.#bytes = form;
  }

  /**
   * The changes from `old` to `next`. Adding them may miss `next` by a rounding.
   *
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT beyond 65535 values, ERR_TQ_INVALID_ARG
   */
  static between(old: Vector, next: Vector, o?: DeltaOptions): EmbeddingDelta {
    const given = options(o, 'delta options', ['baseId', 'compat']);
    const baseId = given.baseId === undefined ? 0 : integer(given.baseId, 'baseId', 0, 0xffff);
    const compat = given.compat === undefined ? false : boolean(given.compat, 'compat');
    const [before, after] = [toVector(old, 'old').data, toVector(next, 'next').data];
    return new EmbeddingDelta(
      INTERNAL,
      call(() => native.lnmpDelta(before, after, baseId, compat)),
    );
  }

  /**
   * Reads the binary form: base, number of changes, then index and difference of each.
   *
   * @throws {TinyQuantError} ERR_TQ_TRUNCATED or ERR_TQ_FORMAT with the offset in `details`
   */
  static fromBytes(b: Uint8Array): EmbeddingDelta {
    const form = new Uint8Array(bytes(b, 'bytes'));
    call(() => native.readLnmpDelta(form));
    return new EmbeddingDelta(INTERNAL, form);
  }

  /** Number of the embedding that is changed. */
  get baseId(): number {
    const form = deltaBytes(this, 'this');
    return (form[0] ?? 0) | ((form[1] ?? 0) << 8);
  }

  /** Number of changes. */
  get length(): number {
    return (deltaBytes(this, 'this').length - HEADER) / CHANGE;
  }

  /** The changes, by rising index as {@link EmbeddingDelta.between} finds them. */
  changes(): DeltaChange[] {
    const form = deltaBytes(this, 'this');
    const { indices, differences } = call(() => native.readLnmpDelta(form));
    return Array.from(indices, (index, i) => ({ index, delta: differences[i] ?? 0 }));
  }

  /**
   * The changed embedding.
   *
   * @throws {TinyQuantError} ERR_TQ_FORMAT for a change of a value that `base` does not have
   */
  apply(base: Vector): Float32Array {
    const form = deltaBytes(this, 'this');
    const { data } = toVector(base, 'base');
    return call(() => native.applyLnmpDelta(form, data));
  }

  /**
   * Whether to send the changes rather than the whole of an embedding of `dim` values.
   *
   * @param strategy `'full'`, `'delta'`, or the percentage of values that must not be reached. Default 30, as in
   * lnmp-embedding; up to 66 the changes are the shorter form.
   */
  shouldUse(dim: number, strategy: DeltaStrategy = 30): boolean {
    const { length } = this;
    const values = integer(dim, 'dim', 1, 0xffff);
    if (strategy === 'full' || strategy === 'delta') return strategy === 'delta';
    if (typeof strategy !== 'number') throw invalidArg('strategy', "'full', 'delta' or a percentage", strategy);
    const percent = integer(strategy, 'strategy', 0, 100);
    return Math.fround(length / values) < Math.fround(percent / 100);
  }

  /** The binary form, which {@link EmbeddingDelta.fromBytes} reads. */
  toBytes(): Uint8Array {
    return deltaBytes(this, 'this').slice();
  }

  /** The parts as plain JSON values. */
  toJSON(): EmbeddingDeltaJson {
    return { baseId: this.baseId, changes: this.changes() };
  }
}
