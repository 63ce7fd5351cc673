/** Quantizers of weights and embedding tables, their storage, and an n-gram cache. */
export type { JobOptions, Progress } from './job.js';
export type { FilePath } from './path.js';
export type { Vector, VectorRows } from './vectors.js';
export {
  decodeLevels,
  encodeLevels,
  type TrainCodebookJobOptions,
  type TrainCodebookOptions,
  type TrainedCodebook,
  trainCodebook,
  trainCodebookSync,
} from './weights-codebook.js';
export {
  TensorFile,
  type TensorFileSummary,
  type TensorSource,
  type TensorSources,
  type WriteTensorsOptions,
  type WrittenTensors,
  writeTensors,
} from './weights-file.js';
export {
  dequantizeWeights,
  type GptqJobOptions,
  type GptqOptions,
  type GptqResult,
  gptq,
  gptqSync,
  inputHessian,
  inputHessianSync,
  type QuantizedWeights,
} from './weights-gptq.js';
export {
  NgramCache,
  type NgramCacheOptions,
  type NgramCacheSummary,
  type ScoreJobOptions,
  type ScoreOptions,
  type Tokens,
} from './weights-ngram.js';
export {
  type CompressBytesJobOptions,
  type CompressBytesOptions,
  compressBytes,
  compressBytesSync,
  type DecompressBytesJobOptions,
  type DecompressBytesOptions,
  decompressBytes,
  decompressBytesSync,
  pack,
  type UnpackOptions,
  unpack,
} from './weights-pack.js';
export {
  type ProductJobOptions,
  type ProductMeasure,
  type ProductOptions,
  ProductQuantizer,
  type ProductQuantizerSummary,
} from './weights-product.js';
export {
  type ResidualJobOptions,
  type ResidualOptions,
  ResidualQuantizer,
  type ResidualQuantizerSummary,
} from './weights-residual.js';
export {
  type CompressTensorOptions,
  compressTensor,
  compressTensorSync,
  type DecompressTensorJobOptions,
  type DecompressTensorOptions,
  decompressTensor,
  decompressTensorSync,
  type StoredTensor,
  type StoreTensorOptions,
  type TensorData,
  type TensorDtype,
  type TensorInfo,
  type TensorMethod,
  tensorInfo,
} from './weights-tensor.js';
