/** TurboQuant: vectors in 1 to 9 bits a value without training, and a cache of keys and values. */
export type { JobOptions, Progress } from './job.js';
export {
  type AttendOptions,
  type KeyCodec,
  KvCache,
  type KvCacheOptions,
  type KvCacheSummary,
  type SignalOptions,
} from './turboquant-cache.js';
export {
  type MseBits,
  MseCodec,
  type MseCodecOptions,
  type MseCodecSummary,
  type ProdBits,
  ProdCodec,
  type ProdCodecOptions,
  type ProdCodecSummary,
} from './turboquant-codec.js';
export { QuantizedRows, type QuantizedRowsSummary, type RowKind, type SketchKind } from './turboquant-rows.js';
export type { Vector, VectorRows } from './vectors.js';
