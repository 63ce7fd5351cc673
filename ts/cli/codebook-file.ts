import { isTinyQuantError, TinyQuantError } from '../errors.js';
import type { BitWidth, Codebook, CodecConfig } from '../index.js';
import { badData, messageOf } from './failure.js';
import { readSmall } from './input.js';
import { session } from './session.js';

/** Reads a TQCB file. */
export async function readCodebook(path: string): Promise<Codebook> {
  const { Codebook: Class } = await import('../index.js');
  const bytes = await readSmall(path);
  try {
    return Class.fromBytes(bytes);
  } catch (error) {
    throw inFile(error, path);
  }
}

/** Names the file in an error about its content. What is wrong with content is never the invocation's fault. */
export function inFile(error: unknown, path: string): unknown {
  if (!isTinyQuantError(error)) return error;
  const text = error.message.includes(path) ? error.message : `${path}: ${error.message}`;
  if (error.code === 'ERR_TQ_INVALID_ARG') return badData(text, { ...error.details, path }, error);
  return new TinyQuantError(error.code, text, {
    cause: error,
    details: { ...error.details, path },
  });
}

/** Settings as TinyQuant's command line keeps them beside a codebook. */
export interface Sidecar {
  readonly bitWidth: BitWidth;
  readonly seed: bigint;
  readonly dimension: number;
  readonly residualEnabled: boolean;
}

/** Text of the sidecar: TinyQuant's keys and layout, byte for byte. */
export function sidecarText(config: CodecConfig): string {
  // The seed is written by its digits: as a JSON number it may exceed what a JavaScript number holds.
  return [
    '{',
    `  "bit_width": ${config.bitWidth},`,
    `  "seed": ${config.seed},`,
    `  "dimension": ${config.dimension},`,
    `  "residual_enabled": ${config.residualEnabled},`,
    `  "config_hash": "${config.configHash}"`,
    '}',
  ].join('\n');
}

/** Digits of the seed as they stand in the text. */
function seedIn(text: string): string | undefined {
  return /"seed"\s*:\s*"?(\d{1,20})"?\s*[,}]/.exec(text)?.[1];
}

/**
 * Reads a configuration file: TinyQuant's sidecar, or the JSON form of a `CodecConfig`. A hash that is not that of the
 * other fields is pointed out; TinyQuant does not look at it.
 */
export async function readConfig(path: string): Promise<CodecConfig> {
  const { CodecConfig: Class } = await import('../index.js');
  const text = (await readSmall(path)).toString('utf8');
  let fields: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('it is not an object');
    fields = parsed as Record<string, unknown>;
  } catch (error) {
    throw badData(`${path}: not a configuration in JSON: ${messageOf(error)}`, { path }, error);
  }
  const pick = (snake: string, camel: string): unknown => {
    const value = fields[snake] ?? fields[camel];
    if (value === undefined) throw badData(`${path}: the configuration has no ${snake}`, { path, field: snake });
    return value;
  };
  const bitWidth = pick('bit_width', 'bitWidth');
  const dimension = pick('dimension', 'dimension');
  const residualEnabled = pick('residual_enabled', 'residualEnabled');
  const seed = pick('seed', 'seed');
  let config: CodecConfig;
  try {
    config = Class.fromJSON({ bitWidth, dimension, residualEnabled, seed: seedIn(text) ?? seed });
  } catch (error) {
    throw inFile(error, path);
  }
  const hash = fields.config_hash ?? fields.configHash;
  if (hash !== undefined && hash !== config.configHash) {
    session.warn(`${path}: config_hash is not that of the other fields, which are used: ${config.configHash}`);
  }
  return config;
}
