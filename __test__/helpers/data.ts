import { Codebook, CodecConfig, type CodecConfigOptions } from '../../index.js';

/** Standard normal values from a fixed seed (xorshift32 and Box-Muller): the same on every run. */
export function normals(count: number, seed = 1): Float32Array {
  let state = seed | 1;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

export interface Setup {
  readonly config: CodecConfig;
  readonly codebook: Codebook;
  /** Row-major vectors of `config.dimension` values. */
  readonly vectors: Float32Array;
}

/** A configuration, a codebook trained for it and vectors to go with them. */
export function setup(rows: number, options: Partial<CodecConfigOptions> = {}): Setup {
  const config = new CodecConfig({ bitWidth: 4, dimension: 64, ...options });
  const vectors = normals(rows * config.dimension);
  const sample = normals(Math.max(1, Math.ceil(4096 / config.dimension)) * config.dimension, 77);
  return { config, codebook: Codebook.train(sample, config), vectors };
}
