import { describe, expect, it } from 'vitest';
import { Codebook, Codec, CodecConfig, CompressedBatch } from '../index.js';
import * as deviations from './helpers/deviations.js';
import { sha256 } from './helpers/golden.js';
import { realSet } from './helpers/real-data.js';

const codec = new Codec();

/** The largest distance between two arrays of floats, counted in representable values. */
function worstUlp(got: Float32Array, golden: Float32Array): number {
  const order = (value: number): number => {
    const [bits = 0] = new Int32Array(Float32Array.of(value).buffer);
    return bits < 0 ? -(bits & 0x7fffffff) : bits;
  };
  return golden.reduce((most, value, i) => Math.max(most, Math.abs(order(value) - order(got[i] ?? Number.NaN))), 0);
}

const real = realSet();
if (typeof real === 'string') console.info(`SKIPPED: real embeddings: ${real}`);
describe.skipIf(typeof real === 'string')(
  `335 real embeddings of 1536 values${typeof real === 'string' ? ` (SKIPPED: ${real})` : ''}`,
  () => {
    const { vectors, digests } = typeof real === 'string' ? { vectors: new Float32Array(), digests: [] } : real;

    it.each(digests.filter(({ rotation }) => rotation === 'kc1024'))(
      '$bit_width bits, residual $residual',
      async (golden) => {
        const config = new CodecConfig({
          bitWidth: golden.bit_width,
          dimension: 1536,
          residualEnabled: golden.residual,
        });
        const codebook = Codebook.train(vectors, config);
        const batch = await codec.compressBatch(vectors, config, codebook);
        expect(batch.length).toBe(335);
        expect(batch.at(334).toBytes()).toHaveLength(golden.record_len);
        expect(sha256(batch.toBytes())).toBe(golden.to_bytes_sha256);
        const back = await codec.decompressBatch(batch, config, codebook);
        expect(sha256(codec.decompressBatchSync(CompressedBatch.fromBytes(batch.toBytes()), config, codebook))).toBe(
          sha256(back),
        );
        const values = golden.reconstructed;
        expect(values).toHaveLength(32 * 1536);
        expect(worstUlp(back.subarray(0, values.length), values)).toBeLessThanOrEqual(deviations.ROTATION.ulps);
      },
    );
  },
);
