import { TinyQuantError } from './errors.js';

function refuse(): never {
  throw new TinyQuantError('ERR_TQ_INVALID_ARG', 'vectorIds is a snapshot: use Corpus.insert and Corpus.remove');
}

/**
 * A `Set` that cannot be changed once made. It is handed out more than once, so that a change by one reader would
 * show up at another.
 */
export class IdSet extends Set<string> {
  constructor(ids: readonly string[]) {
    super();
    for (const id of ids) super.add(id);
  }

  override add(_id: string): never {
    return refuse();
  }

  override delete(_id: string): never {
    return refuse();
  }

  override clear(): never {
    return refuse();
  }
}
