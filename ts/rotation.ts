import { type CodecConfig, nativeConfig } from './config.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import type { NativeRotation } from './native-types.js';
import { notAHandle } from './validate.js';

let nativeRotation: (value: unknown) => NativeRotation;

/**
 * The orthogonal matrix that spreads a vector's energy evenly over its coordinates before rounding: Q of the QR
 * decomposition of a Gaussian matrix drawn with ChaCha20 from the seed, columns signed so that R has a non-negative
 * diagonal. It depends on seed and dimension alone and is built once for both; the codec finds it by itself.
 *
 * @example
 * const matrix = RotationMatrix.fromConfig(config).toArray(); // row-major, dimension * dimension
 */
export class RotationMatrix extends Handle {
  readonly #native: NativeRotation;

  static {
    nativeRotation = (value) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, 'this', 'RotationMatrix');
      return value.#native;
    };
  }

  private constructor(token: typeof INTERNAL, handle: NativeRotation) {
    super();
    assertInternal(token, 'RotationMatrix', 'RotationMatrix.fromConfig');
    this.#native = handle;
  }

  /**
   * The matrix of a configuration's seed and dimension. The first call for a pair builds it, O(dimension^3), and
   * blocks meanwhile: about a second at dimension 1536.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG
   */
  static fromConfig(config: CodecConfig): RotationMatrix {
    const handle = nativeConfig(config, 'config');
    return new RotationMatrix(
      INTERNAL,
      call(() => native.NativeRotation.fromConfig(handle)),
    );
  }

  /** Seed the matrix is drawn from. */
  get seed(): bigint {
    return nativeRotation(this).seed;
  }

  /** Number of rows and of columns. */
  get dimension(): number {
    return nativeRotation(this).dimension;
  }

  /** A row-major copy of `dimension * dimension` values; a rotated vector is this matrix times the vector. */
  toArray(): Float64Array {
    return call(() => nativeRotation(this).toArray());
  }

  /** A summary; the values themselves are in {@link RotationMatrix.toArray}. */
  toJSON(): { seed: string; dimension: number } {
    const { seed, dimension } = nativeRotation(this);
    return { seed: seed.toString(), dimension };
  }
}
