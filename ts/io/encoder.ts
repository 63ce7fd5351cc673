import type { VectorBatch } from './batch.js';

/** Turns batches into the bytes of a format. */
export interface Encoder {
  /** The bytes are used before the next call; they may share memory with the batch. */
  encode(batch: VectorBatch): Iterable<Uint8Array>;
  /**
   * What follows the last batch, and what takes the place of the first bytes.
   *
   * @param rows rows in all
   */
  end(rows: number): { readonly tail: Iterable<Uint8Array>; readonly head?: Uint8Array };
}
