import { assertInternal, Handle, INTERNAL } from './handle.js';
import { notAHandle } from './validate.js';

/** How a corpus stores its vectors. */
export type CompressionPolicyKind = 'compress' | 'passthrough' | 'fp16';

/** The element type a policy stores. */
export type StorageDtype = 'uint8' | 'float16' | 'float32';

/** Kind of a policy; refuses anything else. Set by the class below. */
export let policyKind: (value: unknown, argument: string) => CompressionPolicyKind;

const DTYPES: Readonly<Record<CompressionPolicyKind, StorageDtype>> = {
  compress: 'uint8',
  passthrough: 'float32',
  fp16: 'float16',
};

/**
 * How a {@link Corpus} stores its vectors. There are three, as constants.
 *
 * @example
 * const corpus = new Corpus({ corpusId: 'docs', codecConfig, codebook, compressionPolicy: CompressionPolicy.COMPRESS });
 */
export class CompressionPolicy extends Handle {
  readonly #kind: CompressionPolicyKind;

  static {
    policyKind = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#kind in value)) {
        throw notAHandle(value, argument, 'CompressionPolicy');
      }
      return value.#kind;
    };
  }

  /** Codebook indices, with a residual where the configuration asks for it. */
  static readonly COMPRESS: CompressionPolicy = new CompressionPolicy(INTERNAL, 'compress');
  /** The 32-bit floats as they are. */
  static readonly PASSTHROUGH: CompressionPolicy = new CompressionPolicy(INTERNAL, 'passthrough');
  /** Rounded to half precision, ties to even; values beyond 65504 do not fit. */
  static readonly FP16: CompressionPolicy = new CompressionPolicy(INTERNAL, 'fp16');

  private constructor(token: typeof INTERNAL, kind: CompressionPolicyKind) {
    super();
    assertInternal(token, 'CompressionPolicy', 'CompressionPolicy.COMPRESS, PASSTHROUGH or FP16');
    this.#kind = kind;
    Object.freeze(this);
  }

  /** `'compress'`, `'passthrough'` or `'fp16'`. */
  get kind(): CompressionPolicyKind {
    return policyKind(this, 'this');
  }

  /** Whether vectors go through the codec. */
  requiresCodec(): boolean {
    return policyKind(this, 'this') === 'compress';
  }

  /** The element type stored. */
  storageDtype(): StorageDtype {
    return DTYPES[policyKind(this, 'this')];
  }

  /** The kind as a plain object. */
  toJSON(): { kind: CompressionPolicyKind } {
    return { kind: policyKind(this, 'this') };
  }
}

/** The policy of a kind. */
export function policyOf(kind: CompressionPolicyKind): CompressionPolicy {
  const { COMPRESS, PASSTHROUGH, FP16 } = CompressionPolicy;
  return { compress: COMPRESS, passthrough: PASSTHROUGH, fp16: FP16 }[kind];
}
