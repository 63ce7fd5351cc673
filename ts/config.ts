import { TinyQuantError } from './errors.js';
import { Handle } from './handle.js';
import { call, native } from './native.js';
import type { NativeConfig } from './native-types.js';
import { bitWidth, boolean, notAHandle, options, seed, text, u32 } from './validate.js';

/** Bits per coordinate. */
export type BitWidth = 2 | 4 | 8;

/** A configuration's fingerprint: 64 lowercase hexadecimal digits. */
export type ConfigHash = string;

/** What {@link CodecConfig} is made of. */
export interface CodecConfigOptions {
  /** Bits per coordinate: 2, 4 or 8. */
  readonly bitWidth: BitWidth;
  /** Values per vector, 1 to 16384. */
  readonly dimension: number;
  /** Seed of the rotation, 0 to 2^64 - 1; a number must be a safe integer. Default `42n`. */
  readonly seed?: bigint | number;
  /** Whether records keep a half-precision residual of 2 bytes per value. Default `true`. */
  readonly residualEnabled?: boolean;
}

/** TinyQuant's name for {@link CodecConfigOptions}. */
export type CodecConfigOpts = CodecConfigOptions;

/** The JSON form of a {@link CodecConfig}. The seed is decimal text, because a JSON number cannot hold 64 bits. */
export interface CodecConfigJson {
  /** Bits per coordinate. */
  readonly bitWidth: BitWidth;
  /** Seed of the rotation, in decimal. */
  readonly seed: string;
  /** Values per vector. */
  readonly dimension: number;
  /** Whether records keep a residual. */
  readonly residualEnabled: boolean;
  /** Hash of the other fields. */
  readonly configHash: ConfigHash;
}

const OPTION_NAMES = ['bitWidth', 'dimension', 'seed', 'residualEnabled'] as const;
const DEFAULT_SEED = 42n;

/** The native half of a configuration; refuses anything else. Set by the class below. */
export let nativeConfig: (value: unknown, argument: string) => NativeConfig;

/** The configuration that the native side holds. */
export function wrapConfig({ bitWidth, dimension, seed, residualEnabled }: NativeConfig): CodecConfig {
  return new CodecConfig({ bitWidth: bitWidth as BitWidth, dimension, seed, residualEnabled });
}

/**
 * Immutable settings of the codec. Two configurations with equal fields are interchangeable and share one rotation
 * matrix; every record carries the hash of the configuration it was made under.
 *
 * @example
 * const config = new CodecConfig({ bitWidth: 4, dimension: 1536 });
 * config.configHash; // the same 64 digits as any other TinyQuant implementation computes
 */
export class CodecConfig extends Handle {
  readonly #native: NativeConfig;
  readonly #seed: bigint;
  readonly #dimension: number;

  static {
    nativeConfig = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#native in value))
        throw notAHandle(value, argument, 'CodecConfig');
      return value.#native;
    };
  }

  /**
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a bit width other than 2, 4 and 8, a dimension that is not an
   * integer from 1 to 16384, a seed outside 0 to 2^64 - 1, or an unknown option
   */
  constructor(o: CodecConfigOptions) {
    super();
    const given = options(o, 'CodecConfig options', OPTION_NAMES, true);
    const width = bitWidth(given.bitWidth, 'bitWidth');
    const dimension = u32(given.dimension, 'dimension', 'an integer from 1 to 16384', { kind: 'InvalidDimension' });
    const seedValue = given.seed === undefined ? DEFAULT_SEED : seed(given.seed, 'seed');
    const residual = given.residualEnabled === undefined ? true : boolean(given.residualEnabled, 'residualEnabled');
    this.#native = call(() => new native.NativeConfig(width, seedValue, dimension, residual));
    this.#seed = seedValue;
    this.#dimension = dimension;
  }

  /** Bits per coordinate. */
  get bitWidth(): BitWidth {
    return nativeConfig(this, 'this').bitWidth as BitWidth;
  }

  /** Values per vector. */
  get dimension(): number {
    nativeConfig(this, 'this');
    return this.#dimension;
  }

  /** Seed of the rotation. */
  get seed(): bigint {
    nativeConfig(this, 'this');
    return this.#seed;
  }

  /** Whether records made under this configuration keep a residual. */
  get residualEnabled(): boolean {
    return nativeConfig(this, 'this').residualEnabled;
  }

  /** Entries of a matching codebook: `2 ** bitWidth`. */
  get numCodebookEntries(): number {
    return nativeConfig(this, 'this').numCodebookEntries;
  }

  /**
   * SHA-256 in lowercase hexadecimal of the text
   * `CodecConfig(bit_width=…,seed=…,dimension=…,residual_enabled=True|False)`.
   */
  get configHash(): ConfigHash {
    return nativeConfig(this, 'this').configHash;
  }

  /** The fields as plain JSON values; {@link CodecConfig.fromJSON} reads them back. */
  toJSON(): CodecConfigJson {
    const { bitWidth, seed, dimension, residualEnabled, configHash } = nativeConfig(this, 'this');
    return { bitWidth: bitWidth as BitWidth, seed: seed.toString(), dimension, residualEnabled, configHash };
  }

  /**
   * Reads the form {@link CodecConfig.toJSON} writes. The seed may be decimal text, a safe integer or a bigint; a
   * `configHash` that is present must be right.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG for a bad field or an unknown key, ERR_TQ_CONFIG_MISMATCH where
   * `configHash` is not the hash of the other fields
   */
  static fromJSON(o: CodecConfigOptions | CodecConfigJson | Readonly<Record<string, unknown>>): CodecConfig {
    const given = options(o, 'CodecConfig JSON', [...OPTION_NAMES, 'configHash'], true);
    const { configHash, ...fields } = given;
    if (fields.seed !== undefined) fields.seed = seed(fields.seed, 'seed', true);
    const config = new CodecConfig(fields as unknown as CodecConfigOptions);
    if (configHash !== undefined && text(configHash, 'configHash') !== config.configHash) {
      throw new TinyQuantError(
        'ERR_TQ_CONFIG_MISMATCH',
        `configHash ${JSON.stringify(configHash)} is not the hash of the other fields, ${config.configHash}`,
        { details: { kind: 'ConfigMismatch', expected: config.configHash, got: configHash } },
      );
    }
    return config;
  }
}
