import { CompressionType, compressionRegistry } from 'apache-arrow';
import { ByteBuffer } from 'flatbuffers';
import { decompressZstd } from 'hyparquet-compressors';
import { decompressLz4Frame } from './lz4.js';

/** What is used of the Arrow library, set up for data that may be damaged. */
export {
  DataType,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float32,
  Int64,
  List,
  Message,
  makeData,
  Precision,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';

/** Memory that typed arrays of 64 bits can be laid over. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

/**
 * Bounds the lengths that the library takes from the data, where a few bytes could ask for billions of fields. Every
 * entry of a list takes a byte at least; the sum is bounded too, because lists may share their entries.
 */
function boundLengths(): void {
  const { prototype } = ByteBuffer;
  const lengthAt = prototype.__vector_len;
  const sums = new WeakMap<ByteBuffer, number>();
  prototype.__vector_len = function (offset: number): number {
    const length = lengthAt.call(this, offset);
    const capacity = this.capacity();
    // The library asks for the number of record batches again for each of them.
    const sum = (sums.get(this) ?? 0) + length;
    if (length < 0 || length > capacity || sum > Math.min(1e9, 4096 + capacity ** 2 / 16)) {
      throw new Error(`${length} entries in ${capacity} bytes`);
    }
    sums.set(this, sum);
    return length;
  };
}

boundLengths();
compressionRegistry.set(CompressionType.ZSTD, { decode: (data) => aligned(decompressZstd(data)) });
compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: decompressLz4Frame });
