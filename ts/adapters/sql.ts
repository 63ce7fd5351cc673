import { assertInternal, INTERNAL } from '../handle.js';
import { toMetadataJson } from '../metadata.js';
import { invalidArg } from '../validate.js';

/** Bytes of a name that PostgreSQL keeps; it cuts off the rest without a word. */
const MAX_NAME_BYTES = 63;

/** An identifier in double quotes, so that nothing in it is read as SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Checks the name of a table, a column or a schema, which may hold any characters but NUL. */
export function identifier(value: unknown, argument: string): string {
  const expected = `a name of 1 to ${MAX_NAME_BYTES} bytes without NUL`;
  if (typeof value !== 'string' || value === '' || value.includes('\0') || /\p{Surrogate}/u.test(value))
    throw invalidArg(argument, expected, value);
  if (Buffer.byteLength(value) > MAX_NAME_BYTES) throw invalidArg(argument, expected, value);
  return value;
}

/** Adds the values of a fragment to a list and gives its text with their places in it. Set by the class below. */
let render: (given: SqlFragment, values: unknown[]) => string;

/** Set by the class below. */
let fragment: (texts: readonly string[], values: readonly unknown[]) => SqlFragment;

/** A condition in SQL whose values are parameters. Made by {@link sql} alone. */
export class SqlFragment {
  readonly #texts: readonly string[];
  readonly #values: readonly unknown[];

  static {
    fragment = (texts, values) => new SqlFragment(INTERNAL, texts, values);
    render = (given, values) => {
      let text = given.#texts[0] ?? '';
      for (const [i, value] of given.#values.entries()) {
        if (value instanceof SqlFragment) text += `(${render(value, values)}\n)`;
        else text += `$${values.push(value)}`;
        text += given.#texts[i + 1] ?? '';
      }
      return text;
    };
  }

  private constructor(token: typeof INTERNAL, texts: readonly string[], values: readonly unknown[]) {
    assertInternal(token, 'SqlFragment', 'sql`...`');
    this.#texts = texts;
    this.#values = values;
  }
}

/**
 * A condition for {@link PgvectorSearchOptions.filter}. What stands in `${}` is sent beside the statement as a
 * parameter, or is another condition; the text itself is the program's.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG where it is called as a function, or for a value that is `undefined`
 *
 * @example
 * const recent = sql`(metadata->>'year')::int >= ${year}`;
 * const hits = await backend.search(query, 10, { filter: sql`${recent} and id <> all(${seen})` });
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): SqlFragment {
  // Data from outside, such as parsed JSON, cannot look like this.
  const isTemplate = Array.isArray(strings) && Object.isFrozen(strings) && Array.isArray(strings.raw);
  if (!isTemplate) throw invalidArg('sql', 'a template: sql`...`', strings);
  for (const [i, value] of values.entries()) {
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol')
      throw invalidArg(`value ${i} of sql`, 'a value that PostgreSQL can take', value);
  }
  return fragment(strings, values);
}

/** Refuses what JSON would leave out: a filter without it lets more rows pass, which is never what was meant. */
function refuseUndefined(value: object, path: string): void {
  for (const [key, item] of Object.entries(value)) {
    const inner = `${path}.${key}`;
    if (item === undefined) throw invalidArg(inner, 'a JSON value', item, { path: inner });
    if (typeof item === 'object' && item !== null) refuseUndefined(item, inner);
  }
}

/**
 * The condition of a filter, after its checks.
 *
 * @param value a fragment, or an object that the metadata must contain
 * @param metadata quoted name of the column
 * @param values parameters so far; those of the filter are added
 */
export function condition(value: unknown, metadata: string, values: unknown[]): string {
  if (value === undefined) return 'true';
  if (value instanceof SqlFragment) return `(${render(value, values)}\n)`;
  if (typeof value !== 'object' || value === null)
    throw invalidArg('filter', 'sql`...` or an object that the metadata must contain', value);
  const json = toMetadataJson(value, 'filter');
  refuseUndefined(value, 'filter');
  if (json === '{}') return 'true';
  return `${metadata} @> $${values.push(json)}::jsonb`;
}
