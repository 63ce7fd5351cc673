// Workers that share an index file. Handles cannot be sent to a worker: each opens the file by itself.
import { Worker } from 'node:worker_threads';

export class SearchPool {
  #workers;
  #waiting = new Map();
  #sent = 0;

  /** `size` workers over the index file at `path`. */
  constructor(path, size) {
    this.#workers = Array.from({ length: size }, () => {
      const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { path } });
      worker.on('message', ({ number, hits, error }) => this.#settle(number, hits, error));
      worker.on('error', (error) => this.#fail(worker, error));
      worker.unref(); // a pool that nobody waits for does not keep the process alive
      return worker;
    });
  }

  /** The nearest vectors as `{ ids, scores }`. */
  search(query, options) {
    if (this.#workers.length === 0) return Promise.reject(new Error('no worker is left'));
    const number = this.#sent;
    const worker = this.#workers[number % this.#workers.length];
    this.#sent += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { worker, resolve, reject });
      worker.ref();
      worker.postMessage({ number, query, options });
    });
  }

  /** Ends all workers; what they had not answered is rejected. */
  async close() {
    const workers = this.#workers.slice();
    for (const worker of workers) this.#fail(worker, new Error('the pool is closed'));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #settle(number, hits, error) {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return; // rejected when the pool was closed
    const { worker, resolve, reject } = waiting;
    this.#waiting.delete(number);
    if (![...this.#waiting.values()].some((each) => each.worker === worker)) worker.unref();
    if (error === undefined) resolve(hits);
    else reject(Object.assign(new Error(error.message), { code: error.code }));
  }

  #fail(worker, error) {
    this.#workers = this.#workers.filter((each) => each !== worker);
    for (const [number, waiting] of this.#waiting) {
      if (waiting.worker !== worker) continue;
      this.#waiting.delete(number);
      waiting.reject(error);
    }
  }
}
