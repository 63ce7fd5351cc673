import type { TinyQuantError } from '../errors.js';
import { failure, type Origin } from './origin.js';

const DEFAULT_COLUMNS: readonly string[] = ['vector', 'embedding'];

const list = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.map((name) => `'${name}'`).join(', ');

/** The error for a column that was asked for and is not there, or for a choice that the caller has to make. */
function wrongColumn(origin: Origin, argument: string, text: string, candidates: readonly string[]): TinyQuantError {
  return failure(origin, 'ERR_TQ_INVALID_ARG', `${text} (candidates: ${list(candidates)})`, { argument, candidates });
}

/**
 * Chooses the column of vectors.
 *
 * @param candidates columns of lists of floats
 */
export function vectorColumn(origin: Origin, given: string | undefined, candidates: readonly string[]): string {
  if (given !== undefined) {
    if (candidates.includes(given)) return given;
    throw wrongColumn(origin, 'column', `'${given}' is no column of lists of floats`, candidates);
  }
  if (candidates.length === 0) throw failure(origin, 'ERR_TQ_FORMAT', 'no column of lists of floats', { candidates });
  const [only] = candidates.length === 1 ? candidates : DEFAULT_COLUMNS.filter((name) => candidates.includes(name));
  if (only !== undefined) return only;
  throw wrongColumn(origin, 'column', 'more than one column of lists of floats, name the one to read', candidates);
}

/**
 * Chooses the column of ids, if any.
 *
 * @param candidates columns of text or integers
 */
export function nameColumn(
  origin: Origin,
  given: string | undefined,
  candidates: readonly string[],
): string | undefined {
  if (candidates.includes(given ?? 'id')) return given ?? 'id';
  if (given === undefined) return undefined;
  throw wrongColumn(origin, 'idColumn', `'${given}' is no column of text or integers`, candidates);
}
