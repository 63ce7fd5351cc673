import { type CompressedVector, wrapRecord } from './compressed.js';
import type { ConfigHash } from './config.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { fromMetadataJson, type Metadata } from './metadata.js';
import { call } from './native.js';
import type { NativeEntry } from './native-types.js';
import { notAHandle } from './validate.js';

/** Wraps an entry the native side made. Set by the class below. */
export let wrapEntry: (handle: NativeEntry) => VectorEntry;

/** The fields of a {@link VectorEntry} as plain JSON values. */
export interface VectorEntrySummary {
  /** The caller's name for the vector. */
  readonly vectorId: string;
  /** Number of values. */
  readonly dimension: number;
  /** Hash of the corpus' configuration. */
  readonly configHash: ConfigHash;
  /** Whether the stored form keeps a residual. */
  readonly hasResidual: boolean;
  /** Time of insertion, as ISO 8601. */
  readonly insertedAt: string;
  /** The metadata given at insertion, or `null`. */
  readonly metadata: Metadata | null;
}

/**
 * A vector of a {@link Corpus} as it was when it was read: later changes of the corpus do not show in it.
 *
 * @example
 * const entry = corpus.insert('doc-1', vector, { title: 'First' });
 * entry.compressed.sizeBytes;
 */
export class VectorEntry extends Handle {
  readonly #native: NativeEntry;
  #compressed: CompressedVector | undefined;
  #metadata: Metadata | null | undefined;

  static {
    wrapEntry = (handle) => new VectorEntry(INTERNAL, handle);
  }

  private constructor(token: typeof INTERNAL, handle: NativeEntry) {
    super();
    assertInternal(token, 'VectorEntry', 'Corpus.insert or Corpus.get');
    this.#native = handle;
  }

  static #self(value: unknown): NativeEntry {
    if (typeof value !== 'object' || value === null || !(#native in value))
      throw notAHandle(value, 'this', 'VectorEntry');
    return value.#native;
  }

  /** The caller's name for the vector. */
  get vectorId(): string {
    return VectorEntry.#self(this).vectorId;
  }

  /**
   * The stored form. Under `CompressionPolicy.PASSTHROUGH` and `FP16` it holds the raw little-endian floats, and its
   * `dimension` counts bytes.
   */
  get compressed(): CompressedVector {
    const handle = VectorEntry.#self(this);
    this.#compressed ??= wrapRecord(call(() => handle.compressed()));
    return this.#compressed;
  }

  /** When the vector was inserted, as the caller said or by the clock. */
  get insertedAt(): Date {
    return new Date(VectorEntry.#self(this).insertedAtMs);
  }

  /** A frozen copy of the metadata given at insertion, or `null`. */
  get metadata(): Metadata | null {
    const handle = VectorEntry.#self(this);
    if (this.#metadata === undefined) this.#metadata = fromMetadataJson(handle.metadataJson);
    return this.#metadata;
  }

  /** Hash of the corpus' configuration. */
  get configHash(): ConfigHash {
    return VectorEntry.#self(this).configHash;
  }

  /** Number of values of the vector. */
  get dimension(): number {
    return VectorEntry.#self(this).dimension;
  }

  /** Whether the stored form keeps a residual. */
  get hasResidual(): boolean {
    return VectorEntry.#self(this).hasResidual;
  }

  /** A summary; the content is in {@link VectorEntry.compressed}. */
  toJSON(): VectorEntrySummary {
    const { vectorId, dimension, configHash, hasResidual, insertedAtMs } = VectorEntry.#self(this);
    const insertedAt = new Date(insertedAtMs).toISOString();
    return { vectorId, dimension, configHash, hasResidual, insertedAt, metadata: this.metadata };
  }
}
