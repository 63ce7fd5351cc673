/** Runs asynchronous calls one after another, in the order they were made. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Starts `body` when the calls before it have settled; a call that failed does not stop those after it. */
  run<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#last.then(body);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
