import { expectTypeOf } from 'expect-type';
import {
  type BitWidth,
  type BruteForceBackend,
  Codebook,
  type Codec,
  CodecConfig,
  type CodecConfigJson,
  type CodecConfigOptions,
  type CodecConfigOpts,
  CompressedBatch,
  CompressedVector,
  CompressionPolicy,
  Corpus,
  type CorpusEvent,
  type CorpusOptions,
  type CorpusOpts,
  compress,
  decompress,
  ERROR_CODES,
  type ErrorCode,
  type Hits,
  type IdList,
  isTinyQuantError,
  type Metadata,
  type Progress,
  RotationMatrix,
  SearchIndex,
  type SearchIndexStats,
  type SearchResult,
  TinyQuantError,
  type VectorBackend,
  VectorEntry,
  type Vectors,
} from '../index.js';

declare const config: CodecConfig;
declare const codebook: Codebook;
declare const codec: Codec;
declare const record: CompressedVector;
declare const batch: CompressedBatch;
declare const corpus: Corpus;
declare const backend: BruteForceBackend;
declare const floats: Float32Array;
declare const numbers: number[];

// Configuration
new CodecConfig({ bitWidth: 4, dimension: 768 });
new CodecConfig({ bitWidth: 2, dimension: 768, seed: 1n, residualEnabled: false });
new CodecConfig({ bitWidth: 8, dimension: 768, seed: 1 });
// @ts-expect-error 3 is no bit width
new CodecConfig({ bitWidth: 3, dimension: 768 });
// @ts-expect-error the dimension is required
new CodecConfig({ bitWidth: 4 });
// @ts-expect-error unknown option
new CodecConfig({ bitWidth: 4, dimension: 8, residual: true });
expectTypeOf(config.bitWidth).toEqualTypeOf<BitWidth>();
expectTypeOf(config.seed).toEqualTypeOf<bigint>();
expectTypeOf(config.configHash).toEqualTypeOf<string>();
expectTypeOf(config.toJSON()).toEqualTypeOf<CodecConfigJson>();
expectTypeOf(CodecConfig.fromJSON).returns.toEqualTypeOf<CodecConfig>();
// @ts-expect-error immutable
config.bitWidth = 2;

expectTypeOf<CodecConfigOpts>().toEqualTypeOf<CodecConfigOptions>();
expectTypeOf<CorpusOpts>().toEqualTypeOf<CorpusOptions>();

// Codebook and rotation
expectTypeOf(Codebook.train(floats, config, { method: 'lloyd-max' })).toEqualTypeOf<Codebook>();
expectTypeOf(Codebook.fromEntries(floats, 4)).toEqualTypeOf<Codebook>();
expectTypeOf(Codebook.fromBytes(codebook.toBytes())).toEqualTypeOf<Codebook>();
expectTypeOf(codebook.entries()).toEqualTypeOf<Float32Array>();
expectTypeOf(RotationMatrix.fromConfig(config).toArray()).toEqualTypeOf<Float64Array>();
// @ts-expect-error no public constructor
new Codebook();
// @ts-expect-error a look-alike is no configuration
Codebook.train(floats, { bitWidth: 4, dimension: 8 });

// Codec
expectTypeOf(codec.compress(floats, config, codebook)).toEqualTypeOf<CompressedVector>();
expectTypeOf(codec.compress(numbers, config, codebook)).toEqualTypeOf<CompressedVector>();
expectTypeOf(compress(floats, config, codebook)).toEqualTypeOf<CompressedVector>();
expectTypeOf(decompress(record, config, codebook)).toEqualTypeOf<Float32Array>();
expectTypeOf(codec.decompress(record, config, codebook)).toEqualTypeOf<Float32Array>();
expectTypeOf(codec.buildCodebook(floats, config)).toEqualTypeOf<Codebook>();
expectTypeOf(codec.compressBatch(floats, config, codebook)).toEqualTypeOf<Promise<CompressedBatch>>();
expectTypeOf(codec.compressBatch([floats, numbers], config, codebook)).toEqualTypeOf<Promise<CompressedBatch>>();
expectTypeOf(codec.compressBatchSync(floats, config, codebook)).toEqualTypeOf<CompressedBatch>();
expectTypeOf(codec.decompressBatch(batch, config, codebook)).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(codec.decompressBatch([record], config, codebook)).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(codec.decompressBatchSync(batch, config, codebook)).toEqualTypeOf<Float32Array>();
codec.compressBatch(floats, config, codebook, {
  signal: AbortSignal.timeout(5),
  transfer: true,
  onProgress(progress) {
    expectTypeOf(progress).toEqualTypeOf<Progress>();
    expectTypeOf(progress.phase).toEqualTypeOf<
      'add' | 'build' | 'compress' | 'decompress' | 'fit' | 'save' | 'search' | 'train' | 'verify'
    >();
  },
});
// @ts-expect-error 64-bit floats are not accepted
codec.compress(new Float64Array(8), config, codebook);
// @ts-expect-error a reconstruction has nothing to transfer
codec.decompressBatch(batch, config, codebook, { transfer: true });
// @ts-expect-error the synchronous form takes no options
codec.compressBatchSync(floats, config, codebook, {});

// Compressed data
expectTypeOf(record.residual()).toEqualTypeOf<Uint8Array | null>();
expectTypeOf(record.indices()).toEqualTypeOf<Uint8Array>();
expectTypeOf(CompressedVector.fromBytes(record.toBytes())).toEqualTypeOf<CompressedVector>();
expectTypeOf(CompressedBatch.fromBytes(Buffer.alloc(0))).toEqualTypeOf<CompressedBatch>();
expectTypeOf(batch.at(0)).toEqualTypeOf<CompressedVector>();
expectTypeOf([...batch]).toEqualTypeOf<CompressedVector[]>();

// Corpus
expectTypeOf(CompressionPolicy.COMPRESS).toEqualTypeOf<CompressionPolicy>();
expectTypeOf(CompressionPolicy.FP16.kind).toEqualTypeOf<'compress' | 'passthrough' | 'fp16'>();
expectTypeOf(CompressionPolicy.FP16.storageDtype()).toEqualTypeOf<'uint8' | 'float16' | 'float32'>();
new Corpus({
  corpusId: 'c',
  codecConfig: config,
  codebook,
  compressionPolicy: CompressionPolicy.FP16,
  metadata: { a: 1 },
});
// @ts-expect-error the policy is no text
new Corpus({ corpusId: 'c', codecConfig: config, codebook, compressionPolicy: 'fp16' });
expectTypeOf(corpus.insert('a', floats, { a: 1 }, { insertedAt: new Date() })).toEqualTypeOf<VectorEntry>();
expectTypeOf(corpus.insertBatch({ a: floats, b: numbers })).toEqualTypeOf<VectorEntry[]>();
expectTypeOf(new Map([['a', floats]])).toExtend<Vectors>();
expectTypeOf<[string, Float32Array, Record<string, unknown>][]>().toExtend<Vectors>();
expectTypeOf(corpus.decompressEntries()).toExtend<Vectors>();
expectTypeOf(corpus.vectorIds).toEqualTypeOf<ReadonlySet<string>>();
expectTypeOf(corpus.decompressAll()).toEqualTypeOf<Record<string, Float32Array>>();
expectTypeOf(corpus.get('a').insertedAt).toEqualTypeOf<Date>();
expectTypeOf(corpus.get('a').metadata).toEqualTypeOf<Metadata | null>();
expectTypeOf(corpus.entries()).toExtend<Iterable<VectorEntry>>();
for (const event of corpus.pendingEvents()) {
  expectTypeOf(event).toEqualTypeOf<CorpusEvent>();
  if (event.type === 'VectorsInserted') expectTypeOf(event.vectorIds).toEqualTypeOf<readonly string[]>();
  if (event.type === 'CorpusDecompressed') expectTypeOf(event.vectorCount).toEqualTypeOf<number>();
  if (event.type === 'CompressionPolicyViolationDetected') expectTypeOf(event.detail).toEqualTypeOf<string>();
  if (event.type === 'CorpusCreated') expectTypeOf(event.timestamp).toEqualTypeOf<Date>();
}

// Backend
expectTypeOf(backend.search(floats, 5)).toEqualTypeOf<SearchResult[]>();
expectTypeOf(backend.ingest).parameter(0).toEqualTypeOf<Vectors>();
expectTypeOf(backend.remove(new Set(['a']))).toEqualTypeOf<number>();
expectTypeOf<VectorBackend['search']>().returns.toEqualTypeOf<Promise<SearchResult[]>>();

// Search index
declare const index: SearchIndex;
expectTypeOf(new SearchIndex({ dim: 8 })).toEqualTypeOf<SearchIndex<number>>();
expectTypeOf(new SearchIndex<string>({ dim: 8, idType: 'string' })).toEqualTypeOf<SearchIndex<string>>();
new SearchIndex<bigint>({ dim: 8, idType: 'bigint', bits: 1, metric: 'l2', seed: 7, originals: 'f32' });
// @ts-expect-error ids of texts have to be asked for
new SearchIndex<string>({ dim: 8 });
// @ts-expect-error another kind of ids
new SearchIndex<string>({ dim: 8, idType: 'number' });
// @ts-expect-error 5 bits
new SearchIndex({ dim: 8, bits: 5 });
// @ts-expect-error the dimension is required
new SearchIndex({ bits: 4 });
// @ts-expect-error unknown option
new SearchIndex({ dim: 8, dimension: 8 });
expectTypeOf(SearchIndex.build(floats, { dim: 8 })).toEqualTypeOf<Promise<SearchIndex<number>>>();
expectTypeOf(SearchIndex.build([floats, numbers], { dim: 8, ids: [1, 2] })).toEqualTypeOf<
  Promise<SearchIndex<number>>
>();
expectTypeOf(SearchIndex.build(floats, { dim: 8, ids: new Uint32Array(1) })).toEqualTypeOf<
  Promise<SearchIndex<number>>
>();
expectTypeOf(SearchIndex.build(floats, { dim: 8, ids: ['a'] })).toEqualTypeOf<Promise<SearchIndex<string>>>();
expectTypeOf(SearchIndex.build(floats, { dim: 8, ids: [1n] })).toEqualTypeOf<Promise<SearchIndex<bigint>>>();
expectTypeOf(SearchIndex.build(floats, { dim: 8, ids: new BigUint64Array(1) })).toEqualTypeOf<
  Promise<SearchIndex<bigint>>
>();
expectTypeOf(SearchIndex.build(floats, { dim: 8, idType: 'bigint' })).toEqualTypeOf<Promise<SearchIndex<bigint>>>();
SearchIndex.build(floats, {
  dim: 8,
  fit: false,
  partitions: 'auto',
  originals: 'f16',
  signal: AbortSignal.timeout(5),
  onProgress: ({ phase }) => console.log(phase),
});
// @ts-expect-error 64-bit floats are not accepted
SearchIndex.build(new Float64Array(8), { dim: 8 });
// @ts-expect-error ids of two kinds
SearchIndex.build(floats, { dim: 8, ids: [1, 'a'] });
expectTypeOf(SearchIndex.open('file')).toEqualTypeOf<Promise<SearchIndex<number>>>();
expectTypeOf(SearchIndex.openSync<string>('file', { mmap: false })).toEqualTypeOf<SearchIndex<string>>();
expectTypeOf(SearchIndex.fromBytes<bigint>(new Uint8Array())).toEqualTypeOf<SearchIndex<bigint>>();
expectTypeOf(SearchIndex.fromCorpus(corpus, { bits: 2 })).toEqualTypeOf<Promise<SearchIndex<string>>>();
expectTypeOf(index.search(floats, { k: 5 })).toEqualTypeOf<Promise<Hits<number>>>();
expectTypeOf(index.searchSync(numbers, { k: 5, filter: new Set([1]), exact: true })).toEqualTypeOf<Hits>();
expectTypeOf(index.searchBatch([floats], { k: 5, filter: new Uint8Array(4) })).toEqualTypeOf<Promise<Hits[]>>();
expectTypeOf(index.searchBatchSync(floats, { k: 5, effort: 2, rescore: false })).toEqualTypeOf<Hits[]>();
expectTypeOf<Hits>().toExtend<Iterable<{ id: number; score: number }>>();
expectTypeOf<Hits['ids']>().toEqualTypeOf<number[]>();
expectTypeOf<Hits<string>['ids']>().toEqualTypeOf<string[]>();
expectTypeOf<Hits<bigint>['ids']>().toEqualTypeOf<BigUint64Array>();
expectTypeOf<IdList<bigint>>().toEqualTypeOf<BigUint64Array>();
expectTypeOf<Hits['scores']>().toEqualTypeOf<Float32Array>();
expectTypeOf(index.remove(new Set([1]))).toEqualTypeOf<number>();
expectTypeOf(index.reconstruct(1)).toEqualTypeOf<Float32Array>();
expectTypeOf(index.idType).toEqualTypeOf<'number'>();
expectTypeOf(index.stats()).toEqualTypeOf<SearchIndexStats>();
expectTypeOf(index.asBackend()).toEqualTypeOf<VectorBackend>();
expectTypeOf(index.add(floats, { ids: [5], signal: AbortSignal.timeout(5) })).toEqualTypeOf<Promise<void>>();
// @ts-expect-error k is required
index.search(floats, {});
// @ts-expect-error the synchronous form cannot be stopped
index.searchSync(floats, { k: 5, signal: AbortSignal.timeout(5) });
// @ts-expect-error ids of another kind
index.has('a');
// @ts-expect-error a filter of another kind
index.searchSync(floats, { k: 5, filter: ['a'] });

// Errors
expectTypeOf(new TinyQuantError('ERR_TQ_IO', 'text').code).toEqualTypeOf<ErrorCode>();
expectTypeOf(ERROR_CODES[0]).toEqualTypeOf<'ERR_TQ_INVALID_ARG'>();
// @ts-expect-error unknown code
new TinyQuantError('ERR_OTHER', 'text');
declare const caught: unknown;
if (isTinyQuantError(caught)) expectTypeOf(caught).toEqualTypeOf<TinyQuantError>();
// @ts-expect-error no public constructor
new VectorEntry();
