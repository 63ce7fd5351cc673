import { TinyQuantError } from './errors.js';

/** Proof that a constructor call comes from this package; users go through the static factories. */
export const INTERNAL: unique symbol = Symbol('tinyquant.internal');

/**
 * An object of `prototype` that the structured clone algorithm refuses. A clone of an ordinary object would silently
 * arrive without its native half; iterators are among the objects that every engine declines to clone, and one
 * carries no visible state.
 */
function uncloneable(prototype: object): object {
  return Object.setPrototypeOf([].values(), prototype) as object;
}

/** The summary of a handle in one line. */
function line(handle: Handle): string {
  const { name } = handle.constructor;
  let summary: object;
  try {
    summary = handle.toJSON();
  } catch {
    // The prototype itself and look-alike objects have no native half to describe.
    return `[${name}]`;
  }
  const fields = Object.entries(summary).map(
    ([key, value]) => `${key}: ${typeof value === 'string' ? `'${value}'` : JSON.stringify(value)}`,
  );
  return `${name} { ${fields.join(', ')} }`;
}

/**
 * Base of the classes that stand for native memory. It has no state of its own: subclasses keep the native object in a
 * private field, so that a look-alike object is told apart by the field and not by its prototype.
 */
export abstract class Handle {
  constructor() {
    // biome-ignore lint/correctness/noConstructorReturn: the returned object receives the private fields of the subclass
    return uncloneable(new.target.prototype) as this;
  }

  /** A summary of plain values, for logs and `JSON.stringify`. */
  abstract toJSON(): object;

  static {
    // Outside the declared members: Node's `util.inspect` is the only reader.
    Object.defineProperty(Handle.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value(this: Handle): string {
        return line(this);
      },
      writable: true,
      configurable: true,
    });
  }
}

/** Refuses a constructor call that does not come from this package. */
export function assertInternal(token: unknown, name: string, instead: string): void {
  if (token !== INTERNAL) {
    throw new TinyQuantError('ERR_TQ_INVALID_ARG', `${name} cannot be constructed directly: use ${instead}`, {
      details: { argument: name, expected: instead },
    });
  }
}
