import type { Compressors } from 'hyparquet';
import { decompressZstd, compressors as known } from 'hyparquet-compressors';

/** The parts of the Parquet library that read one page; in one module, so that they are loaded together. */
export { parquetHeader } from 'hyparquet/src/column.js';
export { convert, DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
export { decompressPage } from 'hyparquet/src/datapage.js';
export { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js';
export { byteStreamSplit, readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
export { parquetMetadata, parquetSchema } from 'hyparquet/src/metadata.js';
export { readPlain } from 'hyparquet/src/plain.js';
export { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js';

/** Decompression by codec, into as many bytes as the page header gives. */
export const compressors: Compressors = {
  ...known,
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
};
