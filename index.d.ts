// Written by `npm run build` from ts/.
/// <reference lib="esnext.disposable" />
//#region ts/handle.d.ts
/**
* Base of the classes that stand for native memory. It has no state of its own: subclasses keep the native object in a
* private field, so that a look-alike object is told apart by the field and not by its prototype.
*/
declare abstract class Handle {
  constructor();
  /** A summary of plain values, for logs and `JSON.stringify`. */
  abstract toJSON(): object;
}
//#endregion
//#region ts/native-types.d.ts
/** How a codebook is found; {@link TrainOptions.method} tells what each does. */
type TrainMethod = "tinyquant" | "lloyd-max";
//#endregion
//#region ts/hits.d.ts
/** One hit of a search. */
interface SearchResult {
  /** The caller's name for the vector. */
  readonly vectorId: string;
  /** Higher is better; cosine similarity for {@link BruteForceBackend}. */
  readonly score: number;
}
//#endregion
//#region ts/vectors.d.ts
/** One vector: 32-bit floats, or numbers that are rounded to 32-bit floats. */
type Vector = Float32Array | readonly number[];
/** Rows of one dimension: a row-major `Float32Array` of `n * dimension` values, or an array of `n` vectors. */
type VectorRows = Float32Array | readonly Vector[];
//#endregion
//#region ts/source.d.ts
/**
* Vectors by id. A `Map` and an iterable keep their order. So does a plain object, except that JavaScript puts keys
* that look like array indices (`'0'`, `'17'`) first, in ascending order.
*/
type Vectors = Readonly<Record<string, Vector>> | ReadonlyMap<string, Vector> | Iterable<readonly [id: string, vector: Vector, metadata?: Readonly<Record<string, unknown>> | null]>;
//#endregion
//#region ts/backend.d.ts
/** Options of {@link VectorBackend.search}. */
interface SearchOptions {
  /** Stops the search; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
/** What a store of vectors offers, for adapters to databases and services. */
interface VectorBackend {
  /** Adds vectors; an id that is present is overwritten. */
  ingest(vectors: Vectors): Promise<void>;
  /** The best `topK` vectors, best first. */
  search(query: Float32Array, topK: number, o?: SearchOptions): Promise<SearchResult[]>;
  /** Removes vectors, ignoring unknown ids; the number removed. */
  remove(ids: Iterable<string>): Promise<number>;
  /** Number of vectors. */
  count(): Promise<number>;
  /** Removes everything. */
  clear(): Promise<void>;
  /** Releases what the backend holds; it cannot be used afterwards. */
  close(): Promise<void>;
}
/**
* Exact search over uncompressed vectors by cosine similarity, in memory. A score is the dot product divided by the
* root of the product of the squared norms, each summed in 32-bit floats in index order, and 0 where a norm is 0:
* the same bits as TinyQuant computes. Only where those sums overflow or underflow is the score computed without that
* loss, so that very large and very small vectors compare as any others do.
*
* @example
* const backend = new BruteForceBackend();
* backend.ingest(corpus.decompressEntries());
* const [best] = backend.search(query, 10);
*/
declare class BruteForceBackend extends Handle {
  #private;
  /** An empty backend. */
  constructor();
  /** Number of vectors. */
  get count(): number;
  /**
  * Adds vectors, or none if any of them is refused. The first vector fixes the dimension until the backend is empty
  * again; an id that is present is overwritten in place. Metadata of items is ignored.
  *
  * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_INVALID_ARG
  */
  ingest(vectors: Vectors): void;
  /**
  * The `topK` most similar vectors, best first; equal scores by ascending id in UTF-8 byte order.
  *
  * @param query values of the ingested dimension
  * @param topK at least 1; more than {@link BruteForceBackend.count} gives all
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InvalidTopK, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
  */
  search(query: Vector, topK: number): SearchResult[];
  /**
  * Removes vectors; unknown ids are ignored.
  *
  * @returns the number removed
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
  */
  remove(ids: Iterable<string>): number;
  /** Removes everything and releases the dimension. */
  clear(): void;
  /**
  * The same vectors as a {@link VectorBackend}, whose calls are asynchronous. Closing it clears nothing here: it only ends
  * that view.
  */
  asBackend(): VectorBackend;
  /** A summary. */
  toJSON(): {
    count: number;
    dimension: number | null;
  };
}
//#endregion
//#region ts/config.d.ts
/** Bits per coordinate. */
type BitWidth = 2 | 4 | 8;
/** A configuration's fingerprint: 64 lowercase hexadecimal digits. */
type ConfigHash = string;
/** What {@link CodecConfig} is made of. */
interface CodecConfigOptions {
  /** Bits per coordinate: 2, 4 or 8. */
  readonly bitWidth: BitWidth;
  /** Values per vector, 1 to 16384. */
  readonly dimension: number;
  /** Seed of the rotation, 0 to 2^64 - 1; a number must be a safe integer. Default `42n`. */
  readonly seed?: bigint | number;
  /** Whether records keep a half-precision residual of 2 bytes per value. Default `true`. */
  readonly residualEnabled?: boolean;
}
/** TinyQuant's name for {@link CodecConfigOptions}. */
type CodecConfigOpts = CodecConfigOptions;
/** The JSON form of a {@link CodecConfig}. The seed is decimal text, because a JSON number cannot hold 64 bits. */
interface CodecConfigJson {
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Seed of the rotation, in decimal. */
  readonly seed: string;
  /** Values per vector. */
  readonly dimension: number;
  /** Whether records keep a residual. */
  readonly residualEnabled: boolean;
  /** Hash of the other fields. */
  readonly configHash: ConfigHash;
}
/**
* Immutable settings of the codec. Two configurations with equal fields are interchangeable and share one rotation
* matrix; every record carries the hash of the configuration it was made under.
*
* @example
* const config = new CodecConfig({ bitWidth: 4, dimension: 1536 });
* config.configHash; // the same 64 digits as any other TinyQuant implementation computes
*/
declare class CodecConfig extends Handle {
  #private;
  /**
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a bit width other than 2, 4 and 8, a dimension that is not an
  * integer from 1 to 16384, a seed outside 0 to 2^64 - 1, or an unknown option
  */
  constructor(o: CodecConfigOptions);
  /** Bits per coordinate. */
  get bitWidth(): BitWidth;
  /** Values per vector. */
  get dimension(): number;
  /** Seed of the rotation. */
  get seed(): bigint;
  /** Whether records made under this configuration keep a residual. */
  get residualEnabled(): boolean;
  /** Entries of a matching codebook: `2 ** bitWidth`. */
  get numCodebookEntries(): number;
  /**
  * SHA-256 in lowercase hexadecimal of the text
  * `CodecConfig(bit_width=…,seed=…,dimension=…,residual_enabled=True|False)`.
  */
  get configHash(): ConfigHash;
  /** The fields as plain JSON values; {@link CodecConfig.fromJSON} reads them back. */
  toJSON(): CodecConfigJson;
  /**
  * Reads the form {@link CodecConfig.toJSON} writes. The seed may be decimal text, a safe integer or a bigint; a
  * `configHash` that is present must be right.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a bad field or an unknown key, ERR_TQ_CONFIG_MISMATCH where
  * `configHash` is not the hash of the other fields
  */
  static fromJSON(o: CodecConfigOptions | CodecConfigJson | Readonly<Record<string, unknown>>): CodecConfig;
}
//#endregion
//#region ts/codebook.d.ts
/** Options of {@link Codebook.train}. */
interface TrainOptions {
  /**
  * `'tinyquant'` (default): uniform quantiles of the training values, the same entries as every other TinyQuant
  * implementation. `'lloyd-max'`: the entries of least squared error on the rotated values (Max 1960, Lloyd 1982);
  * more accurate at equal size, and readable by every implementation.
  */
  readonly method?: TrainMethod;
}
/**
* The `2 ** bitWidth` ascending values that coordinates are rounded to. It is not part of a record: keep it (see
* {@link Codebook.toBytes}) beside the records made with it.
*
* @example
* const codebook = Codebook.train(vectors, config); // vectors: Float32Array of n * config.dimension
* const same = Codebook.fromBytes(codebook.toBytes());
*/
declare class Codebook extends Handle {
  #private;
  private constructor();
  /**
  * Trains a codebook on sample vectors. Training sorts all values: O(m log m) for m values.
  *
  * @param vectors row-major `n * config.dimension` values, or an array of vectors
  * @param config gives bit width and dimension; with `'lloyd-max'` also the rotation
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InsufficientTrainingData when fewer than `2 ** bitWidth`
  * distinct entries result, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
  */
  static train(vectors: VectorRows, config: CodecConfig, o?: TrainOptions): Codebook;
  /**
  * A codebook of given entries.
  *
  * @param entries `2 ** bitWidth` finite values, strictly ascending
  * @param bitWidth 2, 4 or 8
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind CodebookEntryCount, CodebookNotSorted, CodebookDuplicate or
  * UnsupportedBitWidth; ERR_TQ_NON_FINITE
  */
  static fromEntries(entries: Float32Array | readonly number[], bitWidth: BitWidth): Codebook;
  /**
  * Reads a TQCB file image, as {@link Codebook.toBytes} and TinyQuant's command line write it.
  *
  * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION or ERR_TQ_TRUNCATED; ERR_TQ_INVALID_ARG or
  * ERR_TQ_NON_FINITE where the entries are no valid codebook
  */
  static fromBytes(b: Uint8Array): Codebook;
  /** Bits per coordinate. */
  get bitWidth(): BitWidth;
  /** Number of entries, `2 ** bitWidth`. */
  get numEntries(): number;
  /** A copy of the entries, ascending. */
  entries(): Float32Array;
  /** A TQCB file image: magic, version, bit width, entry count, then the entries as little-endian f32. */
  toBytes(): Uint8Array;
  /** A summary; the entries themselves are in {@link Codebook.entries}. */
  toJSON(): {
    bitWidth: BitWidth;
    numEntries: number;
  };
}
//#endregion
//#region ts/compressed.d.ts
/** The fields of a {@link CompressedVector} that fit in a line. */
interface CompressedVectorSummary {
  /** Hash of the configuration. */
  readonly configHash: ConfigHash;
  /** Number of coordinates. */
  readonly dimension: number;
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Whether there is a residual. */
  readonly hasResidual: boolean;
  /** Bytes of the payload. */
  readonly sizeBytes: number;
}
/**
* One compressed vector: an index into the codebook per coordinate and, where the configuration asks for it, a
* half-precision residual. Immutable.
*
* @example
* const record = codec.compress(vector, config, codebook);
* const same = CompressedVector.fromBytes(record.toBytes());
*/
declare class CompressedVector extends Handle {
  #private;
  private constructor();
  /**
  * Reads one Level-1 record. Anything the format does not allow is refused, trailing bytes and set padding bits
  * included, so that writing the result gives the same bytes again.
  *
  * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION or ERR_TQ_FORMAT with the offset in `details`
  */
  static fromBytes(b: Uint8Array): CompressedVector;
  /** Hash of the configuration the record was made under. */
  get configHash(): ConfigHash;
  /** Number of coordinates stored. */
  get dimension(): number;
  /** Bits per coordinate. */
  get bitWidth(): BitWidth;
  /** Whether the record keeps a residual. */
  get hasResidual(): boolean;
  /**
  * Bytes of the payload: `ceil(dimension * bitWidth / 8)`, plus `2 * dimension` with a residual. The serialised
  * record is 71 bytes longer, 75 with a residual.
  */
  get sizeBytes(): number;
  /** A copy of the codebook indices, one byte per coordinate. */
  indices(): Uint8Array;
  /** A copy of the residual, `2 * dimension` bytes of little-endian binary16, or `null` without one. */
  residual(): Uint8Array | null;
  /** The Level-1 record: version, configuration hash, dimension, bit width, packed indices, residual. */
  toBytes(): Uint8Array;
  /** A summary; the content is in {@link CompressedVector.toBytes}. */
  toJSON(): CompressedVectorSummary;
}
/**
* Compressed vectors of one configuration, held together in native memory. Immutable.
*
* @example
* const batch = await codec.compressBatch(vectors, config, codebook);
* for (const record of batch) store(record.toBytes());
*/
declare class CompressedBatch extends Handle {
  #private;
  private constructor();
  /**
  * Reads Level-1 records that follow one another, as {@link CompressedBatch.toBytes} writes them. All must share
  * configuration hash, dimension, bit width and residual flag; no bytes give an empty batch.
  *
  * @throws {TinyQuantError} ERR_TQ_TRUNCATED, ERR_TQ_VERSION or ERR_TQ_FORMAT with the offset in `details`
  */
  static fromBytes(b: Uint8Array): CompressedBatch;
  /** Number of vectors. */
  get length(): number;
  /** Sum of the records' payload sizes in bytes. */
  get sizeBytes(): number;
  /**
  * The record at a position.
  *
  * @param i an integer from 0 to `length - 1`
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
  */
  at(i: number): CompressedVector;
  /** The records in order. */
  [Symbol.iterator](): IterableIterator<CompressedVector>;
  /** The Level-1 records one after another. */
  toBytes(): Uint8Array;
  /** A summary; the content is in {@link CompressedBatch.toBytes}. */
  toJSON(): {
    length: number;
    sizeBytes: number;
  };
}
//#endregion
//#region ts/job.d.ts
/** What `onProgress` receives. */
interface Progress {
  /** The kind of work. */
  readonly phase: "add" | "build" | "compress" | "decompress" | "fit" | "save" | "search" | "train" | "verify";
  /** Vectors finished so far, bytes where a file is verified; never decreases. */
  readonly done: number;
  /** Vectors or bytes in all. */
  readonly total: number;
  /** Milliseconds since the call. */
  readonly elapsedMs: number;
}
/** Options of every asynchronous job. */
interface JobOptions {
  /** Stops the job; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /**
  * Called at most ten times a second, and a last time with `done === total` before the promise resolves; never
  * after the promise has settled. An exception in it stops the job and is what the promise rejects with; that of the
  * last call comes when the work is done, and undoes nothing.
  */
  readonly onProgress?: (progress: Progress) => void;
}
//#endregion
//#region ts/batch-backend.d.ts
/** A device that compresses and reconstructs batches in place of the CPU; the `GpuBackend` of `tinyquant/gpu` is one. */
interface BatchBackend {
  /** Vectors from which on a batch goes to the device. */
  readonly batchThreshold: number;
  /** Does what `Codec.compressBatch` does. */
  compressBatch(vectors: VectorRows, config: CodecConfig, codebook: Codebook, o?: JobOptions): Promise<CompressedBatch>;
  /** Does what `Codec.decompressBatch` does. */
  decompressBatch(compressed: CompressedBatch | readonly CompressedVector[], config: CodecConfig, codebook: Codebook, o?: JobOptions): Promise<Float32Array>;
}
//#endregion
//#region ts/rotation.d.ts
/**
* The orthogonal matrix that spreads a vector's energy evenly over its coordinates before rounding: Q of the QR
* decomposition of a Gaussian matrix drawn with ChaCha20 from the seed, columns signed so that R has a non-negative
* diagonal. It depends on seed and dimension alone and is built once for both; the codec finds it by itself.
*
* @example
* const matrix = RotationMatrix.fromConfig(config).toArray(); // row-major, dimension * dimension
*/
declare class RotationMatrix extends Handle {
  #private;
  private constructor();
  /**
  * The matrix of a configuration's seed and dimension. The first call for a pair builds it, O(dimension^3), and
  * blocks meanwhile: about a second at dimension 1536.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
  */
  static fromConfig(config: CodecConfig): RotationMatrix;
  /** Seed the matrix is drawn from. */
  get seed(): bigint;
  /** Number of rows and of columns. */
  get dimension(): number;
  /** A row-major copy of `dimension * dimension` values; a rotated vector is this matrix times the vector. */
  toArray(): Float64Array;
  /** A summary; the values themselves are in {@link RotationMatrix.toArray}. */
  toJSON(): {
    seed: string;
    dimension: number;
  };
}
//#endregion
//#region ts/codec.d.ts
/** Options of {@link Codec.compressBatch}. */
interface CompressBatchOptions extends JobOptions {
  /**
  * Reads a `Float32Array` in place instead of copying it first. The array is detached (its length becomes 0) once
  * the arguments have passed their checks, also when the job fails later. It must span the whole of its
  * `ArrayBuffer`. Memory that Node.js cannot move, such as that of arrays which this package returned, is copied and kept. Default `false`: the input is copied before the call returns, and later writes to it change nothing.
  */
  readonly transfer?: boolean;
  /**
  * A device that large batches go to: those of `backend.batchThreshold` vectors and more. Smaller ones stay on the CPU.
  * The `GpuBackend` of `tinyquant/gpu` is one; what it gives equals what the CPU gives, as its description says.
  */
  readonly backend?: BatchBackend;
}
/** Options of {@link Codec.decompressBatch}. */
interface DecompressBatchOptions extends JobOptions {
  /** A device that large batches go to, as for {@link CompressBatchOptions.backend}. */
  readonly backend?: BatchBackend;
}
/**
* Compresses and reconstructs vectors. It keeps no state: one instance serves everything, and two give the same bytes.
* Results do not depend on processor, thread count, or on whether a vector goes alone or in a batch.
*
* Vectors are compressed as they are, never normalised: their scale must be that of the codebook's training data.
*
* @example
* const codec = new Codec();
* const config = new CodecConfig({ bitWidth: 4, dimension: 768 });
* const codebook = codec.buildCodebook(vectors, config);
* const batch = await codec.compressBatch(vectors, config, codebook, { signal: AbortSignal.timeout(10_000) });
* const reconstruction = await codec.decompressBatch(batch, config, codebook);
*/
declare class Codec {
  /**
  * Trains a codebook; the same as {@link Codebook.train}.
  *
  * @param training row-major `n * config.dimension` values, or an array of vectors
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE
  */
  buildCodebook(training: VectorRows, config: CodecConfig, o?: TrainOptions): Codebook;
  /**
  * Compresses one vector of `config.dimension` finite values.
  *
  * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT where a
  * residual exceeds half precision (65504), ERR_TQ_INVALID_ARG
  */
  compress(vector: Vector, config: CodecConfig, codebook: Codebook): CompressedVector;
  /**
  * Reconstructs one vector. A residual is used where the record has one.
  *
  * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH for a record of another configuration, ERR_TQ_CODEBOOK_MISMATCH,
  * ERR_TQ_DIM_MISMATCH, ERR_TQ_INVALID_ARG
  */
  decompress(compressed: CompressedVector, config: CodecConfig, codebook: Codebook): Float32Array;
  /**
  * Compresses many vectors on the thread pool. The event loop stays free, and the input may be changed as soon as
  * the call has returned. All or nothing: one bad row fails the whole batch.
  *
  * @param vectors row-major `n * config.dimension` values, or an array of `n` vectors; zero vectors give an empty batch
  * @returns the records in the order of the rows; the promise rejects, the call itself never throws
  * @throws {TinyQuantError} as {@link Codec.compress}, with the row in `details`
  */
  compressBatch(vectors: VectorRows, config: CodecConfig, codebook: Codebook, o?: CompressBatchOptions): Promise<CompressedBatch>;
  /**
  * Compresses many vectors on the calling thread's time: it blocks until all are done.
  *
  * @param vectors row-major `n * config.dimension` values, or an array of `n` vectors; zero vectors give an empty batch
  * @throws {TinyQuantError} as {@link Codec.compress}, with the row in `details`
  */
  compressBatchSync(vectors: VectorRows, config: CodecConfig, codebook: Codebook): CompressedBatch;
  /**
  * Reconstructs many vectors on the thread pool.
  *
  * @param compressed a batch, or records of one configuration in any order
  * @returns row-major `n * config.dimension` values; the promise rejects, the call itself never throws
  * @throws {TinyQuantError} as {@link Codec.decompress}
  */
  decompressBatch(compressed: CompressedBatch | readonly CompressedVector[], config: CodecConfig, codebook: Codebook, o?: DecompressBatchOptions): Promise<Float32Array>;
  /**
  * Reconstructs many vectors on the calling thread's time: it blocks until all are done.
  *
  * @param compressed a batch, or records of one configuration in any order
  * @returns row-major `n * config.dimension` values
  * @throws {TinyQuantError} as {@link Codec.decompress}
  */
  decompressBatchSync(compressed: CompressedBatch | readonly CompressedVector[], config: CodecConfig, codebook: Codebook): Float32Array;
}
/**
* Compresses one vector; the same as {@link Codec.compress}.
*
* @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_NON_FINITE, ERR_TQ_LIMIT,
* ERR_TQ_INVALID_ARG
*/
declare function compress(vector: Vector, config: CodecConfig, codebook: Codebook): CompressedVector;
/**
* Reconstructs one vector; the same as {@link Codec.decompress}.
*
* @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH, ERR_TQ_CODEBOOK_MISMATCH, ERR_TQ_DIM_MISMATCH, ERR_TQ_INVALID_ARG
*/
declare function decompress(compressed: CompressedVector, config: CodecConfig, codebook: Codebook): Float32Array;
//#endregion
//#region ts/metadata.d.ts
/** Facts about a corpus or an entry: any JSON object. */
type Metadata = Readonly<Record<string, unknown>>;
//#endregion
//#region ts/entry.d.ts
/** The fields of a {@link VectorEntry} as plain JSON values. */
interface VectorEntrySummary {
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
declare class VectorEntry extends Handle {
  #private;
  private constructor();
  /** The caller's name for the vector. */
  get vectorId(): string;
  /**
  * The stored form. Under `CompressionPolicy.PASSTHROUGH` and `FP16` it holds the raw little-endian floats, and its
  * `dimension` counts bytes.
  */
  get compressed(): CompressedVector;
  /** When the vector was inserted, as the caller said or by the clock. */
  get insertedAt(): Date;
  /** A frozen copy of the metadata given at insertion, or `null`. */
  get metadata(): Metadata | null;
  /** Hash of the corpus' configuration. */
  get configHash(): ConfigHash;
  /** Number of values of the vector. */
  get dimension(): number;
  /** Whether the stored form keeps a residual. */
  get hasResidual(): boolean;
  /** A summary; the content is in {@link VectorEntry.compressed}. */
  toJSON(): VectorEntrySummary;
}
//#endregion
//#region ts/policy.d.ts
/** How a corpus stores its vectors. */
type CompressionPolicyKind = "compress" | "passthrough" | "fp16";
/** The element type a policy stores. */
type StorageDtype = "uint8" | "float16" | "float32";
/**
* How a {@link Corpus} stores its vectors. There are three, as constants.
*
* @example
* const corpus = new Corpus({ corpusId: 'docs', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
*/
declare class CompressionPolicy extends Handle {
  #private;
  /** Codebook indices, with a residual where the configuration asks for it. */
  static readonly COMPRESS: CompressionPolicy;
  /** The 32-bit floats as they are. */
  static readonly PASSTHROUGH: CompressionPolicy;
  /** Rounded to half precision, ties to even; values beyond 65504 do not fit. */
  static readonly FP16: CompressionPolicy;
  private constructor();
  /** `'compress'`, `'passthrough'` or `'fp16'`. */
  get kind(): CompressionPolicyKind;
  /** Whether vectors go through the codec. */
  requiresCodec(): boolean;
  /** The element type stored. */
  storageDtype(): StorageDtype;
  /** The kind as a plain object. */
  toJSON(): {
    kind: CompressionPolicyKind;
  };
}
//#endregion
//#region ts/events.d.ts
interface EventBase {
  /** The corpus the event is about. */
  readonly corpusId: string;
  /** When it happened. */
  readonly timestamp: Date;
}
/** A corpus was made. */
interface CorpusCreated extends EventBase {
  /** Tells the event apart. */
  readonly type: "CorpusCreated";
  /** How the corpus stores its vectors. */
  readonly compressionPolicy: CompressionPolicyKind;
}
/** Vectors were inserted: one event per call that inserted any. */
interface VectorsInserted extends EventBase {
  /** Tells the event apart. */
  readonly type: "VectorsInserted";
  /** Their ids, in insertion order. */
  readonly vectorIds: readonly string[];
  /** How many. */
  readonly count: number;
}
/** All vectors were reconstructed with `decompressAll`. */
interface CorpusDecompressed extends EventBase {
  /** Tells the event apart. */
  readonly type: "CorpusDecompressed";
  /** How many. */
  readonly vectorCount: number;
}
/**
* A change broke a rule of the corpus. Part of TinyQuant's interface, so that code written for it compiles; such a
* change is reported as a `TinyQuantError`, and this event is never recorded.
*/
interface CompressionPolicyViolationDetected extends EventBase {
  /** Tells the event apart. */
  readonly type: "CompressionPolicyViolationDetected";
  /** TinyQuant's name of the rule. */
  readonly violationType: string;
  /** What happened, for people. */
  readonly detail: string;
}
/** What {@link Corpus.pendingEvents} reports, told apart by `type`. */
type CorpusEvent = CorpusCreated | VectorsInserted | CorpusDecompressed | CompressionPolicyViolationDetected;
//#endregion
//#region ts/open-options.d.ts
/** Options of {@link Corpus.open} and {@link SearchIndex.open}. */
interface OpenOptions {
  /**
  * Maps the file into memory instead of reading it piece by piece. A mapped file must not be cut short by another
  * program: touching what is gone ends the process. Files that this package replaces or extends are safe. Default
  * `true`.
  */
  readonly mmap?: boolean;
  /** Checks the whole file first, as {@link verifyFile} does. Default `false`. */
  readonly verify?: boolean;
  /** Stops the opening; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
//#endregion
//#region ts/path.d.ts
/** A path of the file system, as text or as a `file:` URL. */
type FilePath = string | URL;
//#endregion
//#region ts/corpus.d.ts
/** What a {@link Corpus} is made of. */
interface CorpusOptions {
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
type CorpusOpts = CorpusOptions;
/** Options of {@link Corpus.insert} and {@link Corpus.insertBatch}. */
interface InsertOptions {
  /** When the vectors were inserted, as a `Date` or epoch milliseconds. Default: now. */
  readonly insertedAt?: Date | number;
}
/** Options of {@link Corpus.save}. */
interface SaveOptions extends JobOptions {
  /**
  * Adds to the file only what changed since the corpus was opened from it or saved to it; a file that is not there
  * yet is written whole. Space that removed vectors took is given back by a save without it. Default `false`.
  */
  readonly append?: boolean;
}
/** Metadata by id, for {@link Corpus.insertBatch}. Ids without a vector are ignored. */
type MetadataById = Readonly<Record<string, Metadata | null>> | ReadonlyMap<string, Metadata | null>;
/** A summary of a {@link Corpus}. */
interface CorpusSummary {
  /** The caller's name for the corpus. */
  readonly corpusId: string;
  /** How vectors are stored. */
  readonly compressionPolicy: CompressionPolicyKind;
  /** Hash of the configuration. */
  readonly configHash: string;
  /** Values per vector. */
  readonly dimension: number;
  /** Number of vectors. */
  readonly vectorCount: number;
}
/**
* Vectors by id under one configuration, codebook and policy, in insertion order. A call that fails changes nothing.
*
* @example
* const corpus = new Corpus({ corpusId: 'docs', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
* corpus.insertBatch(new Map([['a', vectorA], ['b', vectorB]]));
* for (const [id, reconstruction] of corpus.decompressEntries()) console.log(id, reconstruction);
*/
declare class Corpus extends Handle {
  #private;
  /**
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a missing, unknown or wrong option
  */
  constructor(o: CorpusOptions);
  /** The caller's name for the corpus. */
  get corpusId(): string;
  /** The configuration given at construction. */
  get codecConfig(): CodecConfig;
  /** The codebook given at construction. */
  get codebook(): Codebook;
  /** The policy given at construction. */
  get compressionPolicy(): CompressionPolicy;
  /** A frozen copy of the metadata given at construction, or `null`. */
  get metadata(): Metadata | null;
  /** Number of vectors. */
  get vectorCount(): number;
  /** Whether there are no vectors. */
  get isEmpty(): boolean;
  /** The ids in insertion order: a snapshot, the same object until the corpus changes. */
  get vectorIds(): ReadonlySet<string>;
  /**
  * Inserts one vector of `codecConfig.dimension` finite values.
  *
  * @param id any text that is not taken
  * @param vector the values; copied or compressed before the call returns
  * @param metadata facts about the vector, a JSON object; copied
  * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_ID_EXISTS, ERR_TQ_NON_FINITE, ERR_TQ_CODEBOOK_MISMATCH,
  * ERR_TQ_LIMIT for values beyond half precision, ERR_TQ_INVALID_ARG
  */
  insert(id: string, vector: Vector, metadata?: Metadata | null, o?: InsertOptions): VectorEntry;
  /**
  * Inserts many vectors, or none if any of them is refused. Everything is read from the argument first, so that an
  * iterable that throws midway changes nothing either.
  *
  * @param vectors by id; see {@link Vectors} about the order of an object's keys
  * @param metadata by id; an item's own metadata goes first
  * @returns the entries, in insertion order
  * @throws {TinyQuantError} as {@link Corpus.insert}, with the row in `details`
  */
  insertBatch(vectors: Vectors, metadata?: MetadataById | null, o?: InsertOptions): VectorEntry[];
  /**
  * The entry of an id.
  *
  * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
  */
  get(id: string): VectorEntry;
  /**
  * Whether an id is taken.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
  */
  contains(id: string): boolean;
  /**
  * Removes a vector. Inserting its id again puts it at the end.
  *
  * @returns whether there was such a vector
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id that is not a string
  */
  remove(id: string): boolean;
  /**
  * Reconstructs one vector.
  *
  * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND, ERR_TQ_INVALID_ARG for an id that is not a string
  */
  decompress(id: string): Float32Array;
  /**
  * Reconstructs every vector, and records one `CorpusDecompressed` event unless the corpus is empty.
  *
  * @returns an object without prototype, keys in insertion order; JavaScript puts keys that look like array indices
  * first, so use {@link Corpus.decompressEntries} where such ids need their order
  */
  decompressAll(): Record<string, Float32Array>;
  /**
  * Reconstructs vector after vector in insertion order, a chunk of them at a time, so that memory stays bounded.
  * Records no event. Vectors inserted after the iteration began are not visited; removed ones may still be.
  */
  decompressEntries(): IterableIterator<[id: string, vector: Float32Array]>;
  /**
  * The entries in insertion order. Vectors inserted after the iteration began are not visited; removed ones may
  * still be. An entry has a native half, whose memory Node gives back between turns of the event loop: a loop over a
  * very large corpus should await something now and then. {@link Corpus.decompressEntries} needs no such care.
  */
  entries(): IterableIterator<VectorEntry>;
  /**
  * The vectors whose reconstructions have the highest cosine with a query, best first; equal scores by ascending id
  * in UTF-8 byte order. Every vector is reconstructed and scored, chunk by chunk: the same results as a
  * {@link BruteForceBackend} over {@link Corpus.decompressEntries} gives, in memory that does not grow with the corpus.
  *
  * @param query `codecConfig.dimension` values
  * @param topK at least 1; more than {@link Corpus.vectorCount} gives all
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InvalidTopK, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE,
  * ERR_TQ_CLOSED
  */
  search(query: Vector, topK: number, o?: JobOptions): Promise<SearchResult[]>;
  /**
  * {@link Corpus.search} for many queries at once: every vector is reconstructed once for all of them.
  *
  * @param queries row-major `n * codecConfig.dimension` values, or an array of `n` vectors
  * @returns one list for each query
  */
  searchBatch(queries: VectorRows, topK: number, o?: JobOptions): Promise<SearchResult[][]>;
  /**
  * Writes the corpus as it is at the time of the call to a file: configuration, codebook, policy, ids, metadata,
  * times and records. The file is written beside `path` and takes its name when it is complete and on the disk: a
  * crash or a full disk at any moment leaves the old file or the new one. Pending events are not part of it.
  *
  * @throws {TinyQuantError} ERR_TQ_IO with `errno` and `path` in details, also while another writer has the file open;
  * with `append`, ERR_TQ_INVALID_ARG for a file that this corpus was not opened from or saved to, and ERR_TQ_IO with
  * kind Changed if something else has written to it since; ERR_TQ_LIMIT, ERR_TQ_CLOSED
  */
  save(path: FilePath, o?: SaveOptions): Promise<void>;
  /**
  * {@link Corpus.save} on the calling thread's time: it blocks until the file is on the disk.
  *
  * @throws {TinyQuantError} as {@link Corpus.save}, and ERR_TQ_INVALID_ARG while an asynchronous save is under way
  */
  saveSync(path: FilePath, o?: {
    readonly append?: boolean;
  }): void;
  /**
  * Opens a corpus file. The time does not depend on its size: vectors, ids and metadata stay in the file until they
  * are asked for, and vectors that are inserted are kept in memory until the corpus is saved. Others may read and
  * extend the file meanwhile; this corpus keeps the state that it opened.
  *
  * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
  */
  static open(path: FilePath, o?: OpenOptions): Promise<Corpus>;
  /**
  * {@link Corpus.open} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link Corpus.open}
  */
  static openSync(path: FilePath, o?: Omit<OpenOptions, "signal">): Corpus;
  /**
  * Lets go of the memory and of the file; every later call that needs them is ERR_TQ_CLOSED. Entries that were handed
  * out stay valid, and jobs that are under way finish.
  */
  close(): void;
  /** The same as {@link Corpus.close}. */
  [Symbol.dispose](): void;
  /** The events since the last call, oldest first; the list is emptied by the call. */
  pendingEvents(): CorpusEvent[];
  /** A summary; the content is in {@link Corpus.entries}. */
  toJSON(): CorpusSummary;
}
//#endregion
//#region ts/corpus-writer.d.ts
/** What {@link CorpusWriter.create} makes. */
interface CorpusWriterOptions extends CorpusOptions {
  /** Replaces a file that is there already. Default `false`: that is ERR_TQ_IO with `errno` EEXIST. */
  readonly overwrite?: boolean;
}
/** Options of {@link CorpusWriter.write}. */
interface WriteRowsOptions {
  /** An id for each row. Without them the id of a row is its number in the file, in decimal. */
  readonly ids?: readonly string[];
  /** Metadata for each row. */
  readonly metadata?: readonly (Metadata | null)[];
  /** When the rows were inserted. Default: the epoch, so that the clock does not decide what a file holds. */
  readonly insertedAt?: Date | number;
  /** Reads a `Float32Array` in place and detaches it, as for {@link Codec.compressBatch}. Default `false`. */
  readonly transfer?: boolean;
  /** Stops the call; no row is written then, and the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
/** What {@link CorpusWriter.finish} has brought to the disk. */
interface WrittenCorpus {
  /** Vectors in the file. */
  readonly vectorCount: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
}
/** A summary of a {@link CorpusWriter}. */
interface CorpusWriterSummary {
  /** The file that is written. */
  readonly path: string;
  /** The caller's name for the corpus. */
  readonly corpusId: string;
  /** Rows taken so far. */
  readonly rows: number;
}
/**
* Writes a corpus file row by row, in memory that does not grow with their number except for 11 to 16 bytes for each
* id that is not a row number. Nothing is to be seen at `path` until {@link CorpusWriter.finish} resolves; a process
* that dies before leaves what was there.
*
* @example
* const writer = await CorpusWriter.create('docs.tq', { corpusId: 'docs', codecConfig, codebook, compressionPolicy });
* for await (const { vectors, ids } of batches) await writer.write(vectors, { ids });
* await writer.finish();
*/
declare class CorpusWriter extends Handle {
  #private;
  private constructor();
  /**
  * Begins a new file.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG; ERR_TQ_CODEBOOK_MISMATCH; ERR_TQ_IO with `errno` and `path`, also for a
  * file that is there already (EEXIST) or open in another writer (kind Locked)
  */
  static create(path: FilePath, o: CorpusWriterOptions): Promise<CorpusWriter>;
  /**
  * Opens a corpus file to add rows to it. The rows that it holds are not written again.
  *
  * @throws {TinyQuantError} ERR_TQ_IO, also while another writer has the file open; ERR_TQ_FORMAT, ERR_TQ_VERSION,
  * ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
  */
  static append(path: FilePath): Promise<CorpusWriter>;
  /** The file that is written, as an absolute path where it could be resolved. */
  get path(): string;
  /** The name of the corpus. */
  get corpusId(): string;
  /** The configuration of the file. */
  get codecConfig(): CodecConfig;
  /** The codebook of the file. */
  get codebook(): Codebook;
  /** The policy of the file. */
  get compressionPolicy(): CompressionPolicy;
  /** The metadata of the corpus, or `null`. */
  get metadata(): Metadata | null;
  /** Rows that this writer has taken. */
  get rows(): number;
  /**
  * Encodes rows on the thread pool and adds them, all or none. Calls may overlap: they run one after another, in the
  * order they were made. A call that fails for its arguments changes nothing; after ERR_TQ_IO the writer takes no
  * more rows.
  *
  * @param vectors row-major `n * codecConfig.dimension` values, or an array of `n` vectors
  * @throws {TinyQuantError} ERR_TQ_ID_EXISTS with the row; ERR_TQ_NON_FINITE with row and column, counted from the first
  * row of the call; ERR_TQ_DIM_MISMATCH, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG, ERR_TQ_IO, ERR_TQ_CLOSED
  */
  write(vectors: VectorRows, o?: WriteRowsOptions): Promise<void>;
  /**
  * Adds records of the codec as they are, all or none; otherwise as {@link CorpusWriter.write}. The file must have the
  * policy `COMPRESS` and the configuration of the records, and the codebook that they were made with.
  *
  * @throws {TinyQuantError} ERR_TQ_POLICY; ERR_TQ_CONFIG_MISMATCH and the like for records of another configuration;
  * ERR_TQ_ID_EXISTS, ERR_TQ_LIMIT, ERR_TQ_INVALID_ARG, ERR_TQ_IO, ERR_TQ_CLOSED
  */
  writeRecords(batch: CompressedBatch, o?: Omit<WriteRowsOptions, "transfer">): Promise<void>;
  /**
  * Brings everything to the disk under its name. The writer is closed then, whether this succeeds or not.
  *
  * @throws {TinyQuantError} ERR_TQ_IO: the file is as it was before; ERR_TQ_CLOSED
  */
  finish(): Promise<WrittenCorpus>;
  /** Gives up: what was there stays as it was. Does nothing after {@link CorpusWriter.finish}. */
  abort(): Promise<void>;
  /** The same as {@link CorpusWriter.abort}: a writer that leaves its block unfinished leaves nothing behind. */
  [Symbol.asyncDispose](): Promise<void>;
  /** A summary. */
  toJSON(): CorpusWriterSummary;
}
//#endregion
//#region ts/errors.d.ts
/**
* Every code a `TinyQuantError` can carry. The native side keeps the same list; a test compares the two.
*
* | code | raised when |
* | --- | --- |
* | `ERR_TQ_INVALID_ARG` | an argument has the wrong type, range or shape, or an option is unknown |
* | `ERR_TQ_DIM_MISMATCH` | a vector's length is not the configured dimension |
* | `ERR_TQ_NON_FINITE` | a vector holds NaN or an infinity; `details` names row and column |
* | `ERR_TQ_CONFIG_MISMATCH` | a record was written under another configuration |
* | `ERR_TQ_CODEBOOK_MISMATCH` | codebook, record and configuration disagree about the bit width |
* | `ERR_TQ_POLICY` | an operation does not fit the compression policy |
* | `ERR_TQ_ID_EXISTS` | an id is already taken |
* | `ERR_TQ_ID_NOT_FOUND` | no entry has that id |
* | `ERR_TQ_ID_RANGE` | an id lies outside the range of its type |
* | `ERR_TQ_CLOSED` | the object has been closed |
* | `ERR_TQ_FORMAT` | serialised data breaks its format |
* | `ERR_TQ_VERSION` | serialised data has a version this release does not read |
* | `ERR_TQ_CHECKSUM` | a checksum does not match |
* | `ERR_TQ_TRUNCATED` | serialised data ends too early |
* | `ERR_TQ_IO` | the operating system refused a file operation |
* | `ERR_TQ_LIMIT` | a value or size exceeds what the format or the machine can hold |
* | `ERR_TQ_GPU` | a graphics device failed or is missing |
* | `ERR_TQ_BACKEND` | a storage or search backend failed |
* | `ERR_TQ_NATIVE_LOAD` | the native addon cannot be loaded |
* | `ERR_TQ_INTERNAL` | a defect of this package |
*/
declare const ERROR_CODES: readonly ["ERR_TQ_INVALID_ARG", "ERR_TQ_DIM_MISMATCH", "ERR_TQ_NON_FINITE", "ERR_TQ_CONFIG_MISMATCH", "ERR_TQ_CODEBOOK_MISMATCH", "ERR_TQ_POLICY", "ERR_TQ_ID_EXISTS", "ERR_TQ_ID_NOT_FOUND", "ERR_TQ_ID_RANGE", "ERR_TQ_CLOSED", "ERR_TQ_FORMAT", "ERR_TQ_VERSION", "ERR_TQ_CHECKSUM", "ERR_TQ_TRUNCATED", "ERR_TQ_IO", "ERR_TQ_LIMIT", "ERR_TQ_GPU", "ERR_TQ_BACKEND", "ERR_TQ_NATIVE_LOAD", "ERR_TQ_INTERNAL"];
/** One of {@link ERROR_CODES}. */
type ErrorCode = (typeof ERROR_CODES)[number];
/** Facts about a failure, by name. `kind`, where present, is the name TinyQuant's own packages use for it. */
type ErrorDetails = Readonly<Record<string, unknown>>;
/** What {@link TinyQuantError} takes beside code and message. */
interface TinyQuantErrorOptions {
  /** Facts about the failure: `row`, `column`, `offset`, `expected`, `got`, `kind` and the like. */
  readonly details?: ErrorDetails;
  /** The error that led to this one. */
  readonly cause?: unknown;
}
/**
* The only error class this package throws on its own account. An aborted call rejects with `signal.reason` instead,
* and an exception from a callback or an iterable of the caller passes through unchanged.
*
* @example
* try {
*   codec.compress(vector, config, codebook);
* } catch (error) {
*   if (isTinyQuantError(error) && error.code === 'ERR_TQ_NON_FINITE') console.log(error.details);
* }
*/
declare class TinyQuantError extends Error {
  /** Stable identifier of the failure; messages may change between releases, codes do not. */
  readonly code: ErrorCode;
  /** Facts about the failure; absent when there are none beyond the message. */
  readonly details?: ErrorDetails;
  /**
  * An error of this package.
  *
  * @param code one of {@link ERROR_CODES}
  * @param message what was given, what was expected and where
  * @param options details and cause
  */
  constructor(code: ErrorCode, message: string, options?: TinyQuantErrorOptions);
}
/**
* Tells whether a value is an error of this package. Unlike `instanceof` it also recognises errors that come from
* another installed copy or another realm.
*
* @example
* if (isTinyQuantError(error)) console.error(error.code, error.message);
*/
declare function isTinyQuantError(value: unknown): value is TinyQuantError;
//#endregion
//#region ts/index-id.d.ts
/** The caller's name for a vector of a {@link SearchIndex}. */
type IndexId = number | bigint | string;
/** Kinds of {@link IndexId}: whole numbers up to 2^53 - 1, whole numbers up to 2^64 - 1, or any text. */
type IdType = "number" | "bigint" | "string";
/** The {@link IdType} of ids. */
type IdTypeOf<Id extends IndexId> = Id extends number ? "number" : Id extends bigint ? "bigint" : "string";
/** Many ids at once. */
type IdList<Id extends IndexId> = Id extends bigint ? BigUint64Array : Id[];
//#endregion
//#region ts/index-hits.d.ts
/** What a search of a {@link SearchIndex} found for one query, best first. Iterating gives `{ id, score }` objects. */
interface Hits<Id extends IndexId = number> extends Iterable<{
  readonly id: Id;
  readonly score: number;
}> {
  /** How many hits. */
  readonly length: number;
  /** Ids of the vectors: an array, of bigints a `BigUint64Array`. */
  readonly ids: IdList<Id>;
  /** Higher is better: cosine, dot product, or minus the squared distance. */
  readonly scores: Float32Array;
  /** The hits as plain objects; a bigint becomes its decimal text. */
  toJSON(): {
    id: number | string;
    score: number;
  }[];
}
//#endregion
//#region ts/index-stats.d.ts
/** Coordinates of an index that share a bit width. */
interface IndexSegment {
  /** How many coordinates. */
  readonly coordinates: number;
  /** Bits of each; 0 where they are left out. */
  readonly bits: number;
}
/** What {@link SearchIndex.stats} tells. */
interface SearchIndexStats {
  /** Vectors. */
  readonly size: number;
  /** Vectors ever added, removed ones included. */
  readonly rows: number;
  /** Runs of vectors that were added together or merged since. */
  readonly parts: number;
  /** Groups of neighbouring vectors; 1 without any. */
  readonly partitions: number;
  /** Whether the index is fitted to a sample. */
  readonly fitted: boolean;
  /** Runs of coordinates, and the bits that each run gets. */
  readonly segments: readonly IndexSegment[];
  /** Bytes of the codes, factors and row number of one vector, without its id and original. */
  readonly bytesPerVector: number;
}
/** What {@link SearchIndex.memoryUsage} tells, in bytes. */
interface SearchIndexMemory {
  /** Memory of the index itself. */
  readonly heapBytes: number;
  /** Parts of a file that are mapped: the system loads what is read of them, and takes it back when it needs room. */
  readonly mappedBytes: number;
}
//#endregion
//#region ts/search-index.d.ts
/** A summary of a {@link SearchIndex}. */
interface SearchIndexSummary {
  /** Values per vector. */
  readonly dim: number;
  /** Bits per coordinate. */
  readonly bits: IndexBits;
  /** How vectors are compared. */
  readonly metric: Metric;
  /** Kind of the ids. */
  readonly idType: IdType;
  /** What is kept of the vectors beside their codes. */
  readonly originals: Originals;
  /** Decimal text: a JSON number cannot hold 64 bits. */
  readonly seed: string;
  /** Number of vectors. */
  readonly size: number;
  /** Whether the index is fitted to a sample. */
  readonly fitted: boolean;
}
/**
* Search over vectors in 1 to 8 bits a coordinate, in memory or in a mapped file. Vectors have ids: 0, 1, 2, ... in
* order of adding, or the caller's numbers, bigints or texts.
*
* Searches run beside each other and beside everything else; one sees all of an `add` or none of it. Calls that change
* the index or write it (`fit`, `add`, `save`, `sync`) run one after another, in the order they were made. A call that
* fails changes nothing.
*
* @example
* const index = await SearchIndex.build(vectors, { dim: 768, ids: names });
* const hits = await index.search(query, { k: 10 });
* for (const { id, score } of hits) console.log(id, score);
* await index.save('docs.tqi');
*/
declare class SearchIndex<Id extends IndexId = number> extends Handle {
  #private;
  /**
  * An empty index.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a missing, unknown or wrong option
  */
  constructor(o: SearchIndexOptions<Id>);
  /**
  * Builds an index of vectors: fitted to them unless `fit` is `false`, and with partitions where there are many.
  *
  * @param vectors row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, also for ids of another kind or number; ERR_TQ_ID_EXISTS with the row of
  * an id that comes twice; ERR_TQ_ID_RANGE; ERR_TQ_NON_FINITE with row and column; ERR_TQ_DIM_MISMATCH; ERR_TQ_LIMIT;
  * with `like` also ERR_TQ_CONFIG_MISMATCH, ERR_TQ_CLOSED and the errors of {@link SearchIndex.open}
  */
  static build(vectors: VectorRows, o: IndexBuildOptions<number>): Promise<SearchIndex<number>>;
  /** As above, for ids that are bigints. */
  static build(vectors: VectorRows, o: IndexBuildOptions<bigint>): Promise<SearchIndex<bigint>>;
  /** As above, for ids that are texts. */
  static build(vectors: VectorRows, o: IndexBuildOptions<string>): Promise<SearchIndex<string>>;
  /**
  * Builds an index of the vectors of a corpus, as they are reconstructed, under their ids. Vectors that are inserted
  * meanwhile are not in it; removed ones may be.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT, ERR_TQ_CLOSED for a closed corpus
  */
  static fromCorpus(corpus: Corpus, o?: IndexFromCorpusOptions): Promise<SearchIndex<string>>;
  /**
  * Opens an index file. The time does not depend on its size: codes, ids and originals stay in the file until they are
  * needed. Others may read and extend the file meanwhile; this index keeps the state that it opened, and what is added
  * stays in memory until it is saved.
  *
  * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
  */
  static open<Id extends IndexId = number>(path: FilePath, o?: OpenOptions): Promise<SearchIndex<Id>>;
  /**
  * {@link SearchIndex.open} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.open}
  */
  static openSync<Id extends IndexId = number>(path: FilePath, o?: Omit<OpenOptions, "signal">): SearchIndex<Id>;
  /**
  * Reads the form that {@link SearchIndex.toBytes} writes, which is that of a file.
  *
  * @throws {TinyQuantError} ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_INVALID_ARG
  */
  static fromBytes<Id extends IndexId = number>(b: Uint8Array): SearchIndex<Id>;
  /** Values per vector. */
  get dim(): number;
  /** Bits per coordinate, on average where the index is fitted. */
  get bits(): IndexBits;
  /** How two vectors are compared. */
  get metric(): Metric;
  /** Kind of the ids. */
  get idType(): IdTypeOf<Id>;
  /** Number of vectors. */
  get size(): number;
  /** Whether the index is fitted to a sample; otherwise it is one random rotation. */
  get fitted(): boolean;
  /**
  * Fits an empty index to a sample of the vectors to come, before the first add: better recall from the same bytes. A
  * few thousand vectors are enough. Nothing is learnt, and the index stays one random rotation, from fewer vectors
  * than 256 or than `dim`, from vectors that have as much to tell in one direction as in another, of a dimension up to 64 or above
  * 2048, and at 8 bits.
  *
  * @param sample row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG once something was added, ERR_TQ_NON_FINITE with row and column,
  * ERR_TQ_DIM_MISMATCH, ERR_TQ_CLOSED
  */
  fit(sample: VectorRows, o?: JobOptions): Promise<void>;
  /**
  * Adds vectors, all or none.
  *
  * @param vectors row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
  * @throws {TinyQuantError} ERR_TQ_ID_EXISTS with the row of an id that is taken; ERR_TQ_ID_RANGE; ERR_TQ_NON_FINITE with
  * row and column; ERR_TQ_DIM_MISMATCH; ERR_TQ_INVALID_ARG, also for ids of another kind or number; ERR_TQ_LIMIT;
  * ERR_TQ_CLOSED
  */
  add(vectors: VectorRows, o?: IndexAddOptions<Id>): Promise<void>;
  /**
  * {@link SearchIndex.add} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.add}, and ERR_TQ_INVALID_ARG while an asynchronous fit, add or save is
  * under way
  */
  addSync(vectors: VectorRows, o?: {
    readonly ids?: Iterable<Id>;
  }): void;
  /**
  * Removes vectors at once; unknown ids are ignored. Vectors of an add that is under way are not there yet.
  *
  * @returns how many there were
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for ids of another kind, ERR_TQ_ID_RANGE, ERR_TQ_CLOSED
  */
  remove(ids: Iterable<Id>): number;
  /**
  * Whether an id is taken.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for an id of another kind, ERR_TQ_ID_RANGE, ERR_TQ_CLOSED
  */
  has(id: Id): boolean;
  /** The ids in order of adding. */
  ids(): IdList<Id>;
  /**
  * One vector: its original where originals are kept, else what its codes stand for.
  *
  * @throws {TinyQuantError} ERR_TQ_ID_NOT_FOUND; ERR_TQ_INVALID_ARG for an id of another kind; ERR_TQ_ID_RANGE;
  * ERR_TQ_CLOSED
  */
  reconstruct(id: Id): Float32Array;
  /**
  * The best vectors for a query, best first; equal scores in order of adding. There are exactly as many as asked for, or
  * as may be hits.
  *
  * @param query `dim` values; copied before the call returns
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_ID_RANGE for an id of the filter, ERR_TQ_DIM_MISMATCH,
  * ERR_TQ_NON_FINITE, ERR_TQ_LIMIT for a value above 1e15 where the metric is not the cosine, ERR_TQ_CLOSED
  */
  search(query: Vector, o: IndexSearchOptions<Id>): Promise<Hits<Id>>;
  /**
  * {@link SearchIndex.search} on the calling thread.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.search}
  */
  searchSync(query: Vector, o: Omit<IndexSearchOptions<Id>, "signal">): Hits<Id>;
  /**
  * {@link SearchIndex.search} for many queries at once, which takes less time than one after another.
  *
  * @param queries row-major `n * dim` values, or an array of `n` vectors; copied before the call returns
  * @returns the hits of each query
  * @throws {TinyQuantError} as {@link SearchIndex.search}, with the row in `details`
  */
  searchBatch(queries: VectorRows, o: IndexSearchOptions<Id>): Promise<Hits<Id>[]>;
  /**
  * {@link SearchIndex.searchBatch} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.searchBatch}
  */
  searchBatchSync(queries: VectorRows, o: Omit<IndexSearchOptions<Id>, "signal">): Hits<Id>[];
  /**
  * Writes the index to a file, as it is once the calls made before have settled. The file is written beside
  * `path` and takes its name when it is complete and on the disk: a crash or a full disk at any moment leaves the old
  * file or the new one.
  *
  * @throws {TinyQuantError} ERR_TQ_IO with `errno` and `path` in details, also while another writer has the file open;
  * ERR_TQ_LIMIT, ERR_TQ_CLOSED
  */
  save(path: FilePath, o?: JobOptions): Promise<void>;
  /**
  * {@link SearchIndex.save} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.save}, and ERR_TQ_INVALID_ARG while an asynchronous fit, add or save
  * is under way
  */
  saveSync(path: FilePath): void;
  /**
  * Adds to the file that the index was opened from or saved to what has changed since; where nothing has, it is not
  * touched. A file that is not there yet is written whole, as {@link SearchIndex.save} does, and so is any file for an
  * index that comes from none.
  *
  * @throws {TinyQuantError} as {@link SearchIndex.save}; ERR_TQ_INVALID_ARG for another file, ERR_TQ_IO with kind Changed
  * if something else has written to it since
  */
  sync(path: FilePath, o?: JobOptions): Promise<void>;
  /** The bytes that {@link SearchIndex.save} writes; {@link SearchIndex.fromBytes} reads them. */
  toBytes(): Uint8Array;
  /**
  * The index as a {@link VectorBackend}. Its ids are texts: decimal digits stand for numbers and bigints. An id that
  * is ingested again names the new vector; a search in between finds neither. Closing the backend closes the index.
  */
  asBackend(): VectorBackend;
  /** What the index consists of. */
  stats(): SearchIndexStats;
  /** What the index takes, in bytes. */
  memoryUsage(): SearchIndexMemory;
  /** A summary; the content is in {@link SearchIndex.toBytes}. */
  toJSON(): SearchIndexSummary;
  /**
  * Lets go of the memory and of the file; every later call that needs them is ERR_TQ_CLOSED. Calls that are under way
  * finish first.
  */
  close(): void;
  /** The same as {@link SearchIndex.close}. */
  [Symbol.dispose](): void;
}
//#endregion
//#region ts/index-options.d.ts
/** How two vectors are compared. */
type Metric = "cosine" | "dot" | "l2";
/** Bits per coordinate of a {@link SearchIndex}. */
type IndexBits = 1 | 2 | 3 | 4 | 8;
/** Whether the vectors themselves are kept beside their codes. */
type Originals = "none" | "f16" | "f32";
/** What a {@link SearchIndex} is made for; none of it ever changes. */
interface IndexSettings {
  /** Values per vector, 2 to 16384. */
  readonly dim: number;
  /** Bits per coordinate, on average where the index is fitted. Default 4. */
  readonly bits?: IndexBits;
  /**
  * How scores are computed: `'cosine'` of the angle, the `'dot'` product, or minus the squared distance (`'l2'`).
  * Default `'cosine'`.
  */
  readonly metric?: Metric;
  /** Seed of the random rotations, 0 to 2^64 - 1. Default `42n`. */
  readonly seed?: bigint | number;
  /**
  * Keeps the vectors, rounded to half precision (`'f16'`) or as they are (`'f32'`), to order the last candidates of a
  * search by them. In an index that was opened from a file they stay there. Those of vectors that are removed or
  * replaced stay too, until the index is built anew. Default `'none'`.
  */
  readonly originals?: Originals;
}
/** Options of the constructor of {@link SearchIndex}. */
type SearchIndexOptions<Id extends IndexId = number> = IndexSettings & (Id extends number ? {
  /** Kind of the ids. Default `'number'`. */readonly idType?: "number";
} : {
  /** Kind of the ids. */readonly idType: IdTypeOf<Id>;
});
/** Options of {@link SearchIndex.fromCorpus}. */
interface IndexFromCorpusOptions extends Omit<IndexSettings, "dim">, JobOptions {
  /** Fits segments to the vectors: better recall from the same bytes. Default `true`. */
  readonly fit?: boolean;
  /**
  * Takes over what another index or index file is fitted to, in place of a fit of its own: vectors have the codes and
  * scores that they would have there, so that the hits of several such indexes are one list. `bits`, `metric` and
  * `seed` are then those of the other index, and `dim` must be. It need not hold any vectors: save one right after
  * `fit()`.
  */
  readonly like?: SearchIndex<number> | SearchIndex<bigint> | SearchIndex<string> | FilePath;
  /**
  * Groups of neighbouring vectors, of which a search looks at the nearest: a number, 1 for none, or `'auto'` for what
  * goes with the number of vectors. Default `'auto'`.
  */
  readonly partitions?: number | "auto";
}
/** Options of {@link SearchIndex.build}. */
interface IndexBuildOptions<Id extends IndexId = number> extends IndexFromCorpusOptions {
  /** Values per vector, 2 to 16384. */
  readonly dim: number;
  /** An id for each vector. Default: 0, 1, 2, ... */
  readonly ids?: Iterable<Id>;
  /** Kind of the ids. Default: that of `ids`. */
  readonly idType?: IdTypeOf<Id>;
}
/** Options of {@link SearchIndex.add}. */
interface IndexAddOptions<Id extends IndexId = number> extends JobOptions {
  /** An id for each vector. Default: the numbers that follow the largest so far. */
  readonly ids?: Iterable<Id>;
}
/** Options of {@link SearchIndex.search}. */
interface IndexSearchOptions<Id extends IndexId = number> {
  /** Hits wanted, at least 1; more than there are vectors gives all. */
  readonly k: number;
  /**
  * The vectors that may be hits: their ids, of which unknown ones are ignored, or a bitmap in which bit `r % 8` of byte
  * `floor(r / 8)` stands for the row `r`, counted from 0 in order of adding and never reused. Bytes that are missing
  * are 0. Default: all.
  */
  readonly filter?: Iterable<Id> | Uint8Array;
  /** Scales how many candidates each stage of the search keeps: a larger number finds more and takes longer. Default 1. */
  readonly effort?: number;
  /**
  * Compares the query with every vector, in place of candidates alone: with the originals where they are kept and
  * `rescore` is not `false`, else with the codes. Default `false`.
  */
  readonly exact?: boolean;
  /** Orders the last candidates by the original vectors. Default: where they are kept. */
  readonly rescore?: boolean;
  /** Stops the search; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
//#endregion
//#region ts/files.d.ts
/** What the header of a file says. Fields that a format does not have are absent. */
interface FileInfo {
  /**
  * `'corpus'`: written by {@link Corpus.save}; `'index'`: by {@link SearchIndex.save}; `'tqcv'`: TinyQuant's corpus
  * file; `'tqcb'`: a codebook.
  */
  readonly format: "corpus" | "index" | "tqcv" | "tqcb";
  /** Version of the format. */
  readonly version: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
  /** Bits per coordinate; of an index that is fitted, on average. */
  readonly bitWidth: number;
  /** Vectors, without removed ones. */
  readonly vectorCount?: number;
  /** Values per vector. */
  readonly dimension?: number;
  /** Whether records keep a residual. */
  readonly residual?: boolean;
  /** Hash of the configuration. */
  readonly configHash?: ConfigHash;
  /** Seed of the rotation. */
  readonly seed?: bigint;
  /** How vectors are stored. */
  readonly policy?: CompressionPolicyKind;
  /** Name of the corpus. */
  readonly corpusId?: string;
  /** How vectors of an index are compared. */
  readonly metric?: Metric;
  /** Kind of the ids of an index. */
  readonly idType?: IdType;
  /** What an index keeps of the vectors beside their codes. */
  readonly originals?: Originals;
  /** Whether an index is fitted to its vectors. */
  readonly fitted?: boolean;
  /** Partitions of an index; 1 without any. */
  readonly partitions?: number;
  /** Bytes of a stored vector, without its id, metadata and record header. */
  readonly bytesPerVector?: number;
  /** Entries of a codebook. */
  readonly entries?: number;
  /** How often a corpus or index file was written or extended. */
  readonly commits?: number;
}
/**
* What a file holds, from its header alone: the time does not depend on its size.
*
* @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
*/
declare function fileInfo(path: FilePath): Promise<FileInfo>;
/**
* Reads all of a file and checks what can be checked: checksums where the format has them, every length and offset,
* that records agree with the header and that every id leads to its vector.
*
* @throws {TinyQuantError} ERR_TQ_CHECKSUM with the section and its offset, ERR_TQ_FORMAT, ERR_TQ_TRUNCATED,
* ERR_TQ_VERSION, ERR_TQ_IO
*/
declare function verifyFile(path: FilePath, o?: JobOptions): Promise<FileInfo>;
//#endregion
//#region ts/tqcv.d.ts
/** Options of {@link TqcvReader.open}. */
interface TqcvReaderOptions {
  /** Maps the file into memory; see {@link OpenOptions}. Default `true`. */
  readonly mmap?: boolean;
}
/** A summary of a {@link TqcvReader}. */
interface TqcvSummary {
  /** Number of records. */
  readonly length: number;
  /** Values per vector. */
  readonly dimension: number;
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Whether records keep a residual. */
  readonly hasResidual: boolean;
  /** Hash of the configuration. */
  readonly configHash: ConfigHash;
}
/**
* Reads TinyQuant's corpus file (TQCV version 1): records of one configuration, without ids. The configuration itself
* and the codebook are not in the file; keep them beside it.
*
* @example
* using reader = await TqcvReader.open('vectors.tqcv');
* for (const batch of reader.batches()) console.log(await codec.decompressBatch(batch, config, codebook));
*/
declare class TqcvReader extends Handle {
  #private;
  private constructor();
  /**
  * Opens a file. Only the header is read, so the time does not depend on its size.
  *
  * @throws {TinyQuantError} ERR_TQ_IO; ERR_TQ_FORMAT, ERR_TQ_VERSION; ERR_TQ_TRUNCATED, also for a file (TQCX) that
  * was never finished
  */
  static open(path: FilePath, o?: TqcvReaderOptions): Promise<TqcvReader>;
  /**
  * {@link TqcvReader.open} on the calling thread's time.
  *
  * @throws {TinyQuantError} as {@link TqcvReader.open}
  */
  static openSync(path: FilePath, o?: TqcvReaderOptions): TqcvReader;
  /** Number of records. */
  get length(): number;
  /** Values per vector. */
  get dimension(): number;
  /** Bits per coordinate. */
  get bitWidth(): BitWidth;
  /** Whether records keep a residual. */
  get hasResidual(): boolean;
  /** Hash of the configuration that the records were made under. */
  get configHash(): ConfigHash;
  /** A copy of the bytes that the writer put beside the header; their meaning is the writer's. */
  get metadata(): Uint8Array;
  /**
  * Records `from` to `from + count - 1`, checked.
  *
  * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for records that are not there; ERR_TQ_FORMAT for a record that does not
  * agree with the header, with its offset; ERR_TQ_CLOSED
  */
  read(from: number, count: number): CompressedBatch;
  /** All records, `size` at a time (default 4096). */
  batches(size?: number): IterableIterator<CompressedBatch>;
  /** Lets go of the file; later reads are ERR_TQ_CLOSED. */
  close(): void;
  /** The same as {@link TqcvReader.close}. */
  [Symbol.dispose](): void;
  /** A summary. */
  toJSON(): TqcvSummary;
}
/** What {@link TqcvWriter.create} makes. */
interface TqcvWriterOptions {
  /** The configuration of all records. */
  readonly codecConfig: CodecConfig;
  /** Bytes of the caller's own, at most 16 MiB. Default: none. */
  readonly metadata?: Uint8Array;
  /** Replaces a file that is there already. Default `false`. */
  readonly overwrite?: boolean;
}
/** What {@link TqcvWriter.finish} has brought to the disk. */
interface WrittenTqcv {
  /** Records in the file. */
  readonly length: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
}
/**
* Writes TinyQuant's corpus file (TQCV version 1), byte for byte as TinyQuant does. It takes its name when
* {@link TqcvWriter.finish} resolves.
*
* @example
* const writer = await TqcvWriter.create('vectors.tqcv', { codecConfig });
* await writer.write(await codec.compressBatch(vectors, codecConfig, codebook));
* await writer.finish();
*/
declare class TqcvWriter extends Handle {
  #private;
  private constructor();
  /**
  * Begins a file.
  *
  * @throws {TinyQuantError} ERR_TQ_IO, also for a file that is there already (EEXIST) or open in another writer;
  * ERR_TQ_LIMIT for metadata beyond 16 MiB; ERR_TQ_INVALID_ARG
  */
  static create(path: FilePath, o: TqcvWriterOptions): Promise<TqcvWriter>;
  /** Records written so far. */
  get length(): number;
  /**
  * Adds the records of a batch, or none of them.
  *
  * @throws {TinyQuantError} ERR_TQ_CONFIG_MISMATCH and the like for records of another configuration, ERR_TQ_IO,
  * ERR_TQ_INVALID_ARG, ERR_TQ_CLOSED
  */
  write(batch: CompressedBatch): Promise<void>;
  /**
  * Brings everything to the disk under its name. The writer is closed then, whether this succeeds or not.
  *
  * @throws {TinyQuantError} ERR_TQ_IO: the file is as it was before; ERR_TQ_CLOSED
  */
  finish(): Promise<WrittenTqcv>;
  /** Gives up: what was there stays as it was. */
  abort(): Promise<void>;
  /** The same as {@link TqcvWriter.abort}. */
  [Symbol.asyncDispose](): Promise<void>;
  /** A summary. */
  toJSON(): {
    length: number;
  };
}
//#endregion
//#region ts/index.d.ts
/** Version of the package the native addon was built from. */
declare function version(): string;
/**
* The instruction set the native code runs on: `'scalar'`, `'avx2'`, `'avx512'`, `'neon'` and the like. The
* environment variable `TINYQUANT_SIMD` caps it; results are the same bytes on every level.
*/
declare function simdLevel(): string;
//#endregion
export { type BatchBackend, type BitWidth, BruteForceBackend, Codebook, Codec, CodecConfig, type CodecConfigJson, type CodecConfigOptions, type CodecConfigOpts, type CompressBatchOptions, CompressedBatch, CompressedVector, type CompressedVectorSummary, CompressionPolicy, type CompressionPolicyKind, type CompressionPolicyViolationDetected, type ConfigHash, Corpus, type CorpusCreated, type CorpusDecompressed, type CorpusEvent, type CorpusOptions, type CorpusOpts, type CorpusSummary, CorpusWriter, type CorpusWriterOptions, type CorpusWriterSummary, type DecompressBatchOptions, ERROR_CODES, type ErrorCode, type ErrorDetails, type FileInfo, type FilePath, type Hits, type IdList, type IdType, type IdTypeOf, type IndexAddOptions, type IndexBits, type IndexBuildOptions, type IndexFromCorpusOptions, type IndexId, type IndexSearchOptions, type IndexSegment, type IndexSettings, type InsertOptions, type JobOptions, type Metadata, type MetadataById, type Metric, type OpenOptions, type Originals, type Progress, RotationMatrix, type SaveOptions, SearchIndex, type SearchIndexMemory, type SearchIndexOptions, type SearchIndexStats, type SearchIndexSummary, type SearchOptions, type SearchResult, type StorageDtype, TinyQuantError, type TinyQuantErrorOptions, TqcvReader, type TqcvReaderOptions, type TqcvSummary, TqcvWriter, type TqcvWriterOptions, type TrainMethod, type TrainOptions, type Vector, type VectorBackend, VectorEntry, type VectorEntrySummary, type VectorRows, type Vectors, type VectorsInserted, type WriteRowsOptions, type WrittenCorpus, type WrittenTqcv, compress, decompress, fileInfo, isTinyQuantError, simdLevel, verifyFile, version };