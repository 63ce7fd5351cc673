import type { Readable, Writable } from 'node:stream';
import { expectTypeOf } from 'expect-type';
import {
  type BadRow,
  readVectors,
  type VectorBatch,
  type VectorFormat,
  type VectorReader,
  type WriteVectorsResult,
  writeVectors,
} from '../dist/io.js';
import type { Metadata, TinyQuantError } from '../index.js';

declare const readable: Readable;
declare const writable: Writable;
declare const reader: VectorReader;

expectTypeOf(readVectors('a.npy')).toEqualTypeOf<VectorReader>();
expectTypeOf(readVectors(readable, { format: 'npy' })).toEqualTypeOf<VectorReader>();
expectTypeOf(readVectors(process.stdin, { format: 'jsonl' })).toExtend<AsyncIterable<VectorBatch>>();
expectTypeOf<VectorBatch['vectors']>().toEqualTypeOf<Float32Array>();
expectTypeOf<VectorBatch['ids']>().toEqualTypeOf<readonly string[] | undefined>();
expectTypeOf<VectorBatch['metadata']>().toEqualTypeOf<readonly (Metadata | null)[] | undefined>();
expectTypeOf<BadRow['error']>().toEqualTypeOf<TinyQuantError>();
expectTypeOf<VectorFormat>().toEqualTypeOf<'npy' | 'fvecs' | 'raw' | 'jsonl' | 'csv' | 'parquet' | 'arrow'>();
expectTypeOf(writeVectors('a.npy', reader)).toEqualTypeOf<Promise<WriteVectorsResult>>();
writeVectors(writable, [{ vectors: new Float32Array(2), rows: 1, dimension: 2 }], { format: 'raw' });
writeVectors(process.stdout, reader, { format: 'csv', signal: AbortSignal.timeout(5) });
// @ts-expect-error unknown format
readVectors('a', { format: 'hdf5' });
// @ts-expect-error unknown option
writeVectors('a.npy', reader, { force: true });
// @ts-expect-error 64-bit floats are no batch
writeVectors('a.npy', [{ vectors: new Float64Array(2), rows: 1, dimension: 2 }]);
