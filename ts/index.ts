import { call, native } from './native.js';

/** Version of the package the native addon was built from. */
export function version(): string {
  return call(() => native.version());
}

/**
 * The instruction set the native code runs on: `'scalar'`, `'avx2'`, `'avx512'`, `'neon'` and the like. The
 * environment variable `TINYQUANT_SIMD` caps it; results are the same bytes on every level.
 */
export function simdLevel(): string {
  return call(() => native.simdLevel());
}

export {
  BruteForceBackend,
  type SearchOptions,
  type SearchResult,
  type VectorBackend,
} from './backend.js';
export {
  type BatchBackend,
  type BitWidth,
  Codebook,
  Codec,
  CodecConfig,
  type CodecConfigJson,
  type CodecConfigOptions,
  type CodecConfigOpts,
  type CompressBatchOptions,
  CompressedBatch,
  CompressedVector,
  type CompressedVectorSummary,
  type ConfigHash,
  compress,
  type DecompressBatchOptions,
  decompress,
  type JobOptions,
  type Progress,
  RotationMatrix,
  type TrainMethod,
  type TrainOptions,
  type Vector,
  type VectorRows,
} from './codec.js';
export {
  CompressionPolicy,
  type CompressionPolicyKind,
  type CompressionPolicyViolationDetected,
  Corpus,
  type CorpusCreated,
  type CorpusDecompressed,
  type CorpusEvent,
  type CorpusOptions,
  type CorpusOpts,
  type CorpusSummary,
  type InsertOptions,
  type Metadata,
  type MetadataById,
  type OpenOptions,
  type SaveOptions,
  type StorageDtype,
  VectorEntry,
  type VectorEntrySummary,
  type Vectors,
  type VectorsInserted,
} from './corpus.js';
export {
  CorpusWriter,
  type CorpusWriterOptions,
  type CorpusWriterSummary,
  type WriteRowsOptions,
  type WrittenCorpus,
} from './corpus-writer.js';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  isTinyQuantError,
  TinyQuantError,
  type TinyQuantErrorOptions,
} from './errors.js';
export { type FileInfo, fileInfo, verifyFile } from './files.js';
export type { Hits } from './index-hits.js';
export type { IdList, IdType, IdTypeOf, IndexId } from './index-id.js';
export type {
  IndexAddOptions,
  IndexBits,
  IndexBuildOptions,
  IndexFromCorpusOptions,
  IndexSearchOptions,
  IndexSettings,
  Metric,
  Originals,
  SearchIndexOptions,
} from './index-options.js';
export type { IndexSegment, SearchIndexMemory, SearchIndexStats } from './index-stats.js';
export type { FilePath } from './path.js';
export { SearchIndex, type SearchIndexSummary } from './search-index.js';
export {
  TqcvReader,
  type TqcvReaderOptions,
  type TqcvSummary,
  TqcvWriter,
  type TqcvWriterOptions,
  type WrittenTqcv,
} from './tqcv.js';
