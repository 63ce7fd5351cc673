import { type Codebook, nativeCodebook } from './codebook.js';
import { type CodecConfig, nativeConfig } from './config.js';
import { VectorEntry, type VectorEntrySummary, wrapEntry } from './entry.js';
import {
  type CompressionPolicyViolationDetected,
  type CorpusCreated,
  type CorpusDecompressed,
  type CorpusEvent,
  toCorpusEvent,
  type VectorsInserted,
} from './events.js';
import { Handle } from './handle.js';
import { IdSet } from './id-set.js';
import { fromMetadataJson, type Metadata, metadataLookup, toMetadataJson } from './metadata.js';
import { call, native } from './native.js';
import type { NativeCorpus } from './native-types.js';
import { CompressionPolicy, type CompressionPolicyKind, policyKind, type StorageDtype } from './policy.js';
import { collect, type Vectors } from './source.js';
import { moment, notAHandle, options, text } from './validate.js';
import { toVector, type Vector } from './vectors.js';

/** What a {@link Corpus} is made of. */
export interface CorpusOptions {
  /** The caller's name for the corpus; any text. */
  readonly corpusId: string;
  /** Gives the dimension of all vectors, and how they are compressed. */
  readonly codecConfig: CodecConfig;
  /** Used under `CompressionPolicy.COMPRESS`; its bit width must be the configuration's when vectors are inserted. */
  readonly codebook: Codebook;
  /** How vectors are stored; fixed for the life of the corpus. */
  readonly compressionPolicy: CompressionPolicy;
  /** Facts about the corpus, a JSON object; copied. */
  readonly metadata?: Metadata | null;
}

/** TinyQuant's name for {@link CorpusOptions}. */
export type CorpusOpts = CorpusOptions;

/** Options of {@link Corpus.insert} and {@link Corpus.insertBatch}. */
export interface InsertOptions {
  /** When the vectors were inserted, as a `Date` or epoch milliseconds. Default: now. */
  readonly insertedAt?: Date | number;
}

/** Metadata by id, for {@link Corpus.insertBatch}. Ids without a vector are ignored. */
export type MetadataById = Readonly<Record<string, Metadata | null>> | ReadonlyMap<string, Metadata | null>;

/** A summary of a {@link Corpus}. */
export interface CorpusSummary {
  readonly corpusId: string;
  readonly compressionPolicy: CompressionPolicyKind;
  readonly configHash: string;
  readonly dimension: number;
  readonly vectorCount: number;
}

/** Entries fetched per native call while iterating. */
const ENTRIES_PER_CHUNK = 256;
/** Values reconstructed per native call while iterating: 1 MiB of floats. */
const VALUES_PER_CHUNK = 262_144;

interface CorpusState {
  readonly handle: NativeCorpus;
  readonly corpusId: string;
  readonly dimension: number;
  readonly config: CodecConfig;
  readonly codebook: Codebook;
  readonly policy: CompressionPolicy;
  readonly metadata: Metadata | null;
}

/**
 * Vectors by id under one configuration, codebook and policy, in insertion order. A call that fails changes nothing.
 *
 * @example
 * const corpus = new Corpus({ corpusId: 'docs', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
 * corpus.insertBatch(new Map([['a', vectorA], ['b', vectorB]]));
 * for (const [id, reconstruction] of corpus.decompressEntries()) console.log(id, reconstruction);
 */
export class Corpus extends Handle {
  readonly #state: CorpusState;
  #vectorIds: IdSet | undefined;
  /** Counts changes, so that an iteration notices them. */
  #version = 0;

  /**
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a missing, unknown or wrong option
   */
  constructor(o: CorpusOptions) {
    super();
    const given = options(
      o,
      'Corpus options',
      ['corpusId', 'codecConfig', 'codebook', 'compressionPolicy', 'metadata'],
      true,
    );
    const corpusId = text(given.corpusId, 'corpusId');
    const config = nativeConfig(given.codecConfig, 'codecConfig');
    const codebook = nativeCodebook(given.codebook, 'codebook');
    const kind = policyKind(given.compressionPolicy, 'compressionPolicy');
    const metadataJson = toMetadataJson(given.metadata, 'metadata');
    this.#state = {
      handle: call(() => new native.NativeCorpus(corpusId, config, codebook, kind, metadataJson, Date.now())),
      corpusId,
      dimension: config.dimension,
      config: given.codecConfig as CodecConfig,
      codebook: given.codebook as Codebook,
      policy: given.compressionPolicy as CompressionPolicy,
      metadata: fromMetadataJson(metadataJson),
    };
  }

  static #self(value: unknown): CorpusState {
    if (typeof value !== 'object' || value === null || !(#state in value)) throw notAHandle(value, 'this', 'Corpus');
    return value.#state;
  }

  /** The caller's name for the corpus. */
  get corpusId(): string {
    return Corpus.#self(this).corpusId;
  }

  /** The configuration given at construction. */
  get codecConfig(): CodecConfig {
    return Corpus.#self(this).config;
  }

  /** The codebook given at construction. */
  get codebook(): Codebook {
    return Corpus.#self(this).codebook;
  }

  /** The policy given at construction. */
  get compressionPolicy(): CompressionPolicy {
    return Corpus.#self(this).policy;
  }

  /** A frozen copy of the metadata given at construction, or `null`. */
  get metadata(): Metadata | null {
    return Corpus.#self(this).metadata;
  }

  /** Number of vectors. */
  get vectorCount(): number {
    return Corpus.#self(this).handle.vectorCount;
  }

  /** Whether there are no vectors. */
  get isEmpty(): boolean {
    return Corpus.#self(this).handle.vectorCount === 0;
  }

  /** The ids in insertion order: a snapshot, the same object until the corpus changes. */
  get vectorIds(): ReadonlySet<string> {
    const { handle } = Corpus.#self(this);
    this.#vectorIds ??= new IdSet(call(() => handle.ids()));
    return this.#vectorIds;
  }

  #changed(): void {
    this.#vectorIds = undefined;
    this.#version++;
  }

  /**
   * Inserts one vector of `codecConfig.dimension` finite values.
   *
   * @param id any text that is not taken
   * @param vector the values; copied or compressed before the call returns
   * @param metadata facts about the vector, a JSON object; copied
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_ID_EXISTS, ERR_TQ_NON_FINITE, ERR_TQ_CODEBOOK_MISMATCH,
   * ERR_TQ_LIMIT for values beyond half precision, ERR_TQ_INVALID_ARG
   */
  insert(id: string, vector: Vector, metadata?: Metadata | null, o?: InsertOptions): VectorEntry {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    const { data } = toVector(vector, 'vector');
    const metadataJson = toMetadataJson(metadata, 'metadata');
    const insertedAt = moment(options(o, 'insert options', ['insertedAt']).insertedAt, 'insertedAt');
    const entry = call(() => handle.insert(name, data, metadataJson, insertedAt));
    this.#changed();
    return wrapEntry(entry);
  }

  /**
   * Inserts many vectors, or none if any of them is refused. Everything is read from the argument first, so that an
   * iterable that throws midway changes nothing either.
   *
   * @param vectors by id; see {@link Vectors} about the order of an object's keys
   * @param metadata by id; an item's own metadata goes first
   * @returns the entries, in insertion order
   * @throws {TinyQuantError} as {@link Corpus.insert}, with the row in `details`
   */
  insertBatch(vectors: Vectors, metadata?: MetadataById | null, o?: InsertOptions): VectorEntry[] {
    const { handle } = Corpus.#self(this);
    const insertedAt = moment(options(o, 'insertBatch options', ['insertedAt']).insertedAt, 'insertedAt');
    const batch = collect(vectors, metadataLookup(metadata, 'metadata'));
    const entries = call(() =>
      handle.insertBatch(batch.ids, batch.vectors, batch.lengths, batch.metadataJson, insertedAt),
    );
    if (entries.length > 0) this.#changed();
    return entries.map(wrapEntry);
  }

  /**
   * The entry of an id.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
   */
  get(id: string): VectorEntry {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return wrapEntry(call(() => handle.get(name)));
  }

  /**
   * Whether an id is taken.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
   */
  contains(id: string): boolean {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return call(() => handle.contains(name));
  }

  /**
   * Removes a vector. Inserting its id again puts it at the end.
   *
   * @returns whether there was such a vector
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
   */
  remove(id: string): boolean {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    const removed = call(() => handle.remove(name));
    if (removed) this.#changed();
    return removed;
  }

  /**
   * Reconstructs one vector.
   *
   * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
   */
  decompress(id: string): Float32Array {
    const { handle } = Corpus.#self(this);
    const name = text(id, 'id');
    return call(() => handle.decompress(name));
  }

  /**
   * Reconstructs every vector, and records one `CorpusDecompressed` event unless the corpus is empty.
   *
   * @returns an object without prototype, keys in insertion order; JavaScript puts keys that look like array indices
   * first, so use {@link Corpus.decompressEntries} where such ids need their order
   */
  decompressAll(): Record<string, Float32Array> {
    const { handle, dimension } = Corpus.#self(this);
    const all = Object.create(null) as Record<string, Float32Array>;
    const ids = call(() => handle.ids());
    const values = call(() => handle.decompressAll(Date.now()));
    // Copies: views of one shared buffer would keep all of it alive and be detached together by a transfer.
    ids.forEach((id, row) => {
      all[id] = values.slice(row * dimension, (row + 1) * dimension);
    });
    return all;
  }

  /**
   * Reconstructs vector after vector in insertion order, a chunk of them at a time, so that memory stays bounded.
   * Records no event. Vectors inserted after the iteration began are not visited; removed ones may still be.
   */
  *decompressEntries(): IterableIterator<[id: string, vector: Float32Array]> {
    const { handle, dimension } = Corpus.#self(this);
    const size = Math.max(1, Math.floor(VALUES_PER_CHUNK / dimension));
    const ids = call(() => handle.ids());
    const version = this.#version;
    for (let from = 0; from < ids.length; from += size) {
      let chunk = ids.slice(from, from + size);
      if (this.#version !== version) chunk = chunk.filter((id) => handle.contains(id));
      const values = call(() => handle.decompressMany(chunk));
      for (const [row, id] of chunk.entries()) yield [id, values.slice(row * dimension, (row + 1) * dimension)];
    }
  }

  /**
   * The entries in insertion order. Vectors inserted after the iteration began are not visited; removed ones may
   * still be.
   */
  *entries(): IterableIterator<VectorEntry> {
    const { handle } = Corpus.#self(this);
    const ids = call(() => handle.ids());
    const version = this.#version;
    for (let from = 0; from < ids.length; from += ENTRIES_PER_CHUNK) {
      const chunk =
        this.#version === version
          ? call(() => handle.entries(from, ENTRIES_PER_CHUNK))
          : ids
              .slice(from, from + ENTRIES_PER_CHUNK)
              .filter((id) => handle.contains(id))
              .map((id) => call(() => handle.get(id)));
      for (const entry of chunk) yield wrapEntry(entry);
    }
  }

  /** The events since the last call, oldest first; the list is emptied by the call. */
  pendingEvents(): CorpusEvent[] {
    const { handle } = Corpus.#self(this);
    return call(() => handle.pendingEvents()).map(toCorpusEvent);
  }

  /** A summary; the content is in {@link Corpus.entries}. */
  toJSON(): CorpusSummary {
    const { handle, corpusId, config, dimension, policy } = Corpus.#self(this);
    const { vectorCount } = handle;
    return { corpusId, compressionPolicy: policy.kind, configHash: config.configHash, dimension, vectorCount };
  }
}

export type {
  CompressionPolicyKind,
  CompressionPolicyViolationDetected,
  CorpusCreated,
  CorpusDecompressed,
  CorpusEvent,
  Metadata,
  StorageDtype,
  VectorEntrySummary,
  Vectors,
  VectorsInserted,
};
export { CompressionPolicy, VectorEntry };
