/** Readers and writers of vectors: what `tinyquant/io` exports. */
export type { BadRow, VectorBatch } from './io/batch.js';
export { VECTOR_FORMATS, type VectorFormat } from './io/format.js';
export type { ByteWritable } from './io/output.js';
export { type ReadVectorsOptions, readVectors, type VectorReader } from './io/reader.js';
export { type WriteVectorsOptions, type WriteVectorsResult, writeVectors } from './io/writer.js';
