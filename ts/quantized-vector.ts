import { TinyQuantError } from './errors.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { call, native } from './native.js';
import { boolean, integer, invalidArg, notAHandle, oneOf, options, u32 } from './validate.js';
import { bytes } from './vectors.js';

/**
 * How the values `x` of an embedding are stored, in the forms of the crate lnmp-quant 0.5.16:
 *
 * - `qint8`: `code = round((x - min) / scale) - 128` with `scale = (max - min) / 255`, back `(code + 128) * scale + min`;
 * - `qint4`: `code = round((x - min) / scale)` with `scale = (max - min) / 15`, back `code * scale + min`, two codes a byte;
 * - `binary`: a bit for `x >= m`, `m` the mean; back `m + a` and `m - a` with `a` the mean of `|x - m|`;
 * - `fp16`: IEEE binary16, rounded to the nearest.
 */
export type QuantScheme = 'qint8' | 'qint4' | 'binary' | 'fp16';

/** The schemes in the order of the bytes 1 to 4 that stand for them. */
export const QUANT_SCHEMES: readonly QuantScheme[] = ['qint8', 'qint4', 'binary', 'fp16'];

/** Names of the schemes in LNMP text and JSON, in the same order. */
const LNMP_NAMES = ['QInt8', 'QInt4', 'Binary', 'FP16Passthrough'] as const;

/** Options of {@link QuantizedVector.dequantize}. */
export interface DequantizeOptions {
  /**
   * Reads 8-bit codes half a step higher: the middle of what a code stands for that was cut off instead of rounded, as
   * lnmp-quant and `compat` do. Other schemes read as ever. Default `false`.
   */
  readonly midpoint?: boolean;
}

/** The parts of a {@link QuantizedVector}. */
export interface QuantizedVectorParts {
  /** How the values are coded. */
  readonly scheme: QuantScheme;
  /** Number of values, from 1 to 2^32 - 1. */
  readonly dim: number;
  /** The step; of binary codes the mean distance from the mean, or 1. */
  readonly scale: number;
  /** 1 for binary codes that come back as `minVal` plus or minus `scale`, else 0. */
  readonly zeroPoint: number;
  /** The least value; of binary codes the mean. */
  readonly minVal: number;
  /** The codes. */
  readonly data: Uint8Array;
}

/** The JSON form of a {@link QuantizedVector}. */
export interface QuantizedVectorJson extends Omit<QuantizedVectorParts, 'data'> {
  /** The codes. */
  readonly data: readonly number[];
}

/** The JSON form that lnmp-quant writes. */
export interface LnmpVectorJson {
  /** Number of values. */
  readonly dim: number;
  /** LNMP's name of the scheme. */
  readonly scheme: string;
  /** The step. */
  readonly scale: number;
  /** As `zeroPoint` of {@link QuantizedVectorParts}. */
  readonly zero_point: number;
  /** As `minVal` of {@link QuantizedVectorParts}. */
  readonly min_val: number;
  /** The codes. */
  readonly data: readonly number[];
}

/** The binary form of a vector; refuses anything else. Set by the class below. */
export let quantizedBytes: (value: unknown, argument: string) => Uint8Array;
/** Whether a value is a vector of this package. Set by the class below. */
export let isQuantized: (value: unknown) => value is QuantizedVector;
/** Wraps a binary form that the native side made and nobody else can reach. Set by the class below. */
export let wrapQuantized: (form: Uint8Array) => QuantizedVector;

/** Options of reading, checked. */
export function midpointOf(o: unknown): boolean {
  const { midpoint } = options(o, 'dequantize options', ['midpoint']);
  return midpoint === undefined ? false : boolean(midpoint, 'midpoint');
}

function dataLength(scheme: QuantScheme, dim: number): number {
  if (scheme === 'qint8') return dim;
  if (scheme === 'fp16') return 2 * dim;
  return Math.ceil(dim / (scheme === 'qint4' ? 2 : 8));
}

/** A number of the header; an infinity stands for itself only. */
function header(value: unknown, argument: string): number {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Number.isFinite(Math.fround(value))))
    throw invalidArg(argument, 'a number that 32-bit floats hold', value);
  return value;
}

function codes(value: unknown): Uint8Array {
  if (!Array.isArray(value)) return new Uint8Array(bytes(value, 'data'));
  return Uint8Array.from(value as readonly unknown[], (item, i) => integer(item, `data[${i}]`, 0, 255));
}

/**
 * A quantized embedding: codes, and a scale for all of them. Immutable.
 *
 * @example
 * const quantized = quantizeEmbedding(vector, 'qint8');
 * store(quantized.toBytes());
 * const values = QuantizedVector.fromBytes(load()).dequantize();
 */
export class QuantizedVector extends Handle {
  readonly #bytes: Uint8Array;

  static {
    quantizedBytes = (value, argument) => {
      if (typeof value !== 'object' || value === null || !(#bytes in value))
        throw notAHandle(value, argument, 'QuantizedVector');
      return value.#bytes;
    };
    isQuantized = (value): value is QuantizedVector => typeof value === 'object' && value !== null && #bytes in value;
    wrapQuantized = (form) => new QuantizedVector(INTERNAL, form);
    // Logs get the summary, not every code.
    Object.defineProperty(QuantizedVector.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value(this: unknown): string {
        if (!isQuantized(this)) return '[QuantizedVector]';
        const { scheme, dim, scale, zeroPoint, minVal } = this;
        return `QuantizedVector { scheme: '${scheme}', dim: ${dim}, scale: ${scale}, zeroPoint: ${zeroPoint}, minVal: ${minVal} }`;
      },
      writable: true,
      configurable: true,
    });
  }

  private constructor(token: typeof INTERNAL, form: Uint8Array) {
    super();
    assertInternal(
      token,
      'QuantizedVector',
      'quantizeEmbedding, QuantizedVector.fromBytes or QuantizedVector.fromParts',
    );
    this.#bytes = form;
  }

  static #view(value: unknown): DataView {
    const form = quantizedBytes(value, 'this');
    return new DataView(form.buffer, form.byteOffset, form.byteLength);
  }

  /**
   * Reads the binary form: scheme, scale, zero point, least value, dimension, length of the codes, codes. It is the body
   * of an LNMP field of tag 10.
   *
   * @throws {TinyQuantError} ERR_TQ_TRUNCATED or ERR_TQ_FORMAT with the offset in `details`, ERR_TQ_INVALID_ARG
   */
  static fromBytes(b: Uint8Array): QuantizedVector {
    const form = new Uint8Array(bytes(b, 'bytes'));
    call(() => native.checkQuantized(form));
    return new QuantizedVector(INTERNAL, form);
  }

  /**
   * A vector of its parts.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_FORMAT for codes that do not fit scheme and dimension
   */
  static fromParts(parts: QuantizedVectorParts | QuantizedVectorJson): QuantizedVector {
    const given = options(parts, 'parts', ['scheme', 'dim', 'scale', 'zeroPoint', 'minVal', 'data'], true);
    const scheme = oneOf(given.scheme, 'scheme', QUANT_SCHEMES);
    const dim = u32(given.dim, 'dim', 'an integer from 1 to 2^32 - 1');
    const [scale, minVal] = [header(given.scale, 'scale'), header(given.minVal, 'minVal')];
    const zeroPoint = given.zeroPoint === undefined ? 0 : integer(given.zeroPoint, 'zeroPoint', -128, 127);
    const data = codes(given.data);
    return new QuantizedVector(
      INTERNAL,
      call(() => native.quantizedOfParts(scheme, dim, scale, zeroPoint, minVal, data)),
    );
  }

  /**
   * Reads the form that {@link QuantizedVector.toJSON} writes, or the one of lnmp-quant.
   *
   * @throws {TinyQuantError} as {@link QuantizedVector.fromParts}
   */
  static fromJSON(o: QuantizedVectorJson | LnmpVectorJson): QuantizedVector {
    if (typeof o !== 'object' || o === null || !('zero_point' in o || 'min_val' in o)) {
      return QuantizedVector.fromParts(o as QuantizedVectorJson);
    }
    const given = options(o, 'LNMP vector', ['dim', 'scheme', 'scale', 'zero_point', 'min_val', 'data'], true);
    const place = LNMP_NAMES.indexOf(oneOf(given.scheme, 'scheme', LNMP_NAMES));
    const { dim, scale, zero_point: zeroPoint, min_val: minVal, data } = given;
    const parts = { scheme: QUANT_SCHEMES[place], dim, scale, zeroPoint, minVal, data };
    return QuantizedVector.fromParts(parts as unknown as QuantizedVectorJson);
  }

  /** How values are coded. */
  get scheme(): QuantScheme {
    return QUANT_SCHEMES[QuantizedVector.#view(this).getUint8(0) - 1] as QuantScheme;
  }

  /** Number of values. */
  get dim(): number {
    return QuantizedVector.#view(this).getUint32(10, true);
  }

  /** The step; of binary codes the mean distance from the mean, or 1. */
  get scale(): number {
    return QuantizedVector.#view(this).getFloat32(1, true);
  }

  /** 1 for binary codes that come back as `minVal` plus or minus `scale`, else 0. */
  get zeroPoint(): number {
    return QuantizedVector.#view(this).getInt8(5);
  }

  /** The least value; of binary codes the mean; of half precision 0. */
  get minVal(): number {
    return QuantizedVector.#view(this).getFloat32(6, true);
  }

  /** A copy of the codes. */
  get data(): Uint8Array {
    const form = quantizedBytes(this, 'this');
    return form.slice(form.length - this.sizeBytes);
  }

  /** Bytes of the codes. */
  get sizeBytes(): number {
    return dataLength(this.scheme, this.dim);
  }

  /** Bytes of the values as 32-bit floats over bytes of the codes. */
  get compressionRatio(): number {
    return (4 * this.dim) / this.sizeBytes;
  }

  /**
   * The values. Of a vector that lnmp-quant or `compat` made of values that are not finite they may be NaN.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT
   */
  dequantize(o?: DequantizeOptions): Float32Array {
    const form = quantizedBytes(this, 'this');
    const midpoint = midpointOf(o);
    return call(() => native.dequantizeEmbedding(form, midpoint));
  }

  /** CRC-32 of the binary form: it covers all parts, LNMP's own checksum neither `dim` nor `minVal`. */
  checksum(): number {
    const form = quantizedBytes(this, 'this');
    return call(() => native.quantizedChecksum(form));
  }

  /** The binary form, which {@link QuantizedVector.fromBytes} reads. */
  toBytes(): Uint8Array {
    return quantizedBytes(this, 'this').slice();
  }

  /** The parts as plain JSON values; a number that is not finite becomes `null` in JSON text and cannot be read back. */
  toJSON(): QuantizedVectorJson {
    const { scheme, dim, scale, zeroPoint, minVal, data } = this;
    return { scheme, dim, scale, zeroPoint, minVal, data: Array.from(data) };
  }

  /** The JSON form that lnmp-quant writes and reads. */
  toLnmpJSON(): LnmpVectorJson {
    const { scheme, dim, scale, zeroPoint, minVal, data } = this;
    const name = LNMP_NAMES[QUANT_SCHEMES.indexOf(scheme)];
    if (name === undefined) throw new TinyQuantError('ERR_TQ_INTERNAL', `no LNMP name of ${scheme}`);
    return { dim, scheme: name, scale, zero_point: zeroPoint, min_val: minVal, data: Array.from(data) };
  }
}
