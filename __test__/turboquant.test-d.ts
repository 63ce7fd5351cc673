import { expectTypeOf } from 'expect-type';
import {
  KvCache,
  type KvCacheSummary,
  MseCodec,
  type MseCodecSummary,
  ProdCodec,
  type ProdCodecSummary,
  QuantizedRows,
  type QuantizedRowsSummary,
  type SketchKind,
} from '../dist/turboquant.js';

declare const floats: Float32Array;
declare const rows: QuantizedRows;
declare const mse: MseCodec;
declare const prod: ProdCodec;
declare const cache: KvCache;

// Codecs
new MseCodec({ dim: 768, bits: 4 });
new MseCodec({ dim: 768, bits: 8, seed: 1n, unbiased: true });
new ProdCodec({ dim: 768, bits: 9, seed: 1, sketch: 'rotation' });
// @ts-expect-error 9 bits need a sketch
new MseCodec({ dim: 768, bits: 9 });
// @ts-expect-error the dimension is required
new ProdCodec({ bits: 4 });
// @ts-expect-error unknown option
new ProdCodec({ dim: 768, bits: 4, unbiased: true });
expectTypeOf(mse.quantize(floats)).toEqualTypeOf<QuantizedRows>();
expectTypeOf(mse.quantize([floats, [1, 2]])).toEqualTypeOf<QuantizedRows>();
expectTypeOf(mse.quantizeAsync(floats, { signal: AbortSignal.timeout(5) })).toEqualTypeOf<Promise<QuantizedRows>>();
expectTypeOf(prod.dequantize(rows)).toEqualTypeOf<Float32Array>();
expectTypeOf(prod.dequantizeAsync(rows)).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(prod.score(floats, rows)).toEqualTypeOf<Float32Array>();
expectTypeOf(prod.scoreAsync([floats], rows)).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(mse.toJSON()).toEqualTypeOf<MseCodecSummary>();
expectTypeOf(prod.toJSON()).toEqualTypeOf<ProdCodecSummary>();
expectTypeOf(prod.sketch).toEqualTypeOf<SketchKind>();
expectTypeOf(mse.seed).toEqualTypeOf<bigint>();
// @ts-expect-error immutable
mse.dim = 2;
// @ts-expect-error 64-bit floats are no vectors
mse.quantize(new Float64Array(768));

// Rows
expectTypeOf(QuantizedRows.fromBytes(rows.toBytes())).toEqualTypeOf<QuantizedRows>();
expectTypeOf(rows.toJSON()).toEqualTypeOf<QuantizedRowsSummary>();
// @ts-expect-error no public constructor
new QuantizedRows();

// Cache
new KvCache({ heads: 8, headDim: 128, keyBits: 4, valueBits: 4, keys: 'mse' });
// @ts-expect-error values have no sketch
new KvCache({ heads: 8, headDim: 128, keyBits: 4, valueBits: 9 });
expectTypeOf(cache.append(floats, floats)).toEqualTypeOf<number>();
expectTypeOf(cache.appendAsync(floats, floats)).toEqualTypeOf<Promise<number>>();
expectTypeOf(cache.attend(floats, { queryHeads: 32, causal: true })).toEqualTypeOf<Float32Array>();
expectTypeOf(cache.attendAsync(floats, { mask: new Uint8Array(5) })).toEqualTypeOf<Promise<Float32Array>>();
expectTypeOf(cache.toJSON()).toEqualTypeOf<KvCacheSummary>();
// @ts-expect-error the synchronous form cannot be stopped
cache.attend(floats, { signal: AbortSignal.timeout(5) });
