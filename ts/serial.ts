/** Runs asynchronous calls one after another, in the order they were made. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #unsettled = 0;

  /** Whether a call has not settled yet. */
  get isBusy(): boolean {
    return this.#unsettled > 0;
  }

  /** Starts `body` when the calls before it have settled; a call that failed does not stop those after it. */
  run<T>(body: () => Promise<T>): Promise<T> {
    this.#unsettled++;
    const result = this.#last.then(body).finally(() => {
      this.#unsettled--;
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}
