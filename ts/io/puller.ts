import { invalidArg } from '../validate.js';

/** Takes items from an iterable of the caller one at a time; a wait for the next one can be ended from outside. */
export class Puller<T> {
  readonly #iterable: AsyncIterable<T> | Iterable<T>;
  #iterator: AsyncIterator<T> | Iterator<T> | undefined;
  #waiting: ((reason: unknown) => void) | undefined;
  #cancelled: { readonly reason: unknown } | undefined;
  #ended = false;

  constructor(iterable: AsyncIterable<T> | Iterable<T>) {
    this.#iterable = iterable;
  }

  /**
   * The next item; `undefined` after the last.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an `undefined` among the items
   */
  async next(): Promise<T | undefined> {
    if (this.#cancelled !== undefined) throw this.#cancelled.reason;
    if (this.#ended) return undefined;
    const iterable = this.#iterable;
    this.#iterator ??=
      Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
    const iterator = this.#iterator;
    // Not Promise.race: it would hang one reaction per item on a promise that lives as long as the stream.
    const result = await new Promise<IteratorResult<T>>((resolve, reject) => {
      this.#waiting = reject;
      Promise.resolve(iterator.next()).then(resolve, (error: unknown) => {
        this.#ended = true;
        reject(error);
      });
    });
    this.#waiting = undefined;
    if (result.done === true) {
      this.#ended = true;
      return undefined;
    }
    if (result.value === undefined) throw invalidArg('an item of the source', 'anything but undefined', undefined);
    return result.value;
  }

  /** Ends the present wait and every later one with `reason`. */
  cancel(reason: unknown): void {
    this.#cancelled ??= { reason };
    this.#waiting?.(reason);
  }

  /** Tells the iterable that no more is wanted. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#iterator !== undefined && this.#waiting === undefined) {
      await this.#iterator.return?.();
      return;
    }
    // An item is under way, and a generator would answer only after it, which may be never; or none was asked for.
    const { destroy } = this.#iterable as { destroy?: unknown };
    if (typeof destroy === 'function') destroy.call(this.#iterable);
    Promise.resolve(this.#iterator?.return?.()).catch(() => {});
  }
}
