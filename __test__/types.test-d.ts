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
  isTinyQuantError,
  type Metadata,
  type Progress,
  RotationMatrix,
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
    expectTypeOf(progress.phase).toEqualTypeOf<'compress' | 'decompress' | 'save' | 'search' | 'verify'>();
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

// Errors
expectTypeOf(new TinyQuantError('ERR_TQ_IO', 'text').code).toEqualTypeOf<ErrorCode>();
expectTypeOf(ERROR_CODES[0]).toEqualTypeOf<'ERR_TQ_INVALID_ARG'>();
// @ts-expect-error unknown code
new TinyQuantError('ERR_OTHER', 'text');
declare const caught: unknown;
if (isTinyQuantError(caught)) expectTypeOf(caught).toEqualTypeOf<TinyQuantError>();
// @ts-expect-error no public constructor
new VectorEntry();
