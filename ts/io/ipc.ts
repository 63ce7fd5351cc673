import { isTinyQuantError, type TinyQuantError } from '../errors.js';
import { failure } from './origin.js';
import { FileSource, type Source } from './source.js';

/** First and last bytes of the file format. */
const MAGIC = 'ARROW1';

/** What a message begins with, and with a length of 0 the end of a stream. */
const CONTINUED = -1;

/** Bounds what is taken for the length of an old message. */
const MAX_LEGACY_BYTES = 16 << 20;

/** The part of a `FileHandle` that the library uses. */
interface Handle {
  readonly fd: number;
  stat(): Promise<{ size: number }>;
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<object>;
  close(): Promise<void>;
}

/** What the library reads from: it would lose the cause of a failure, and would not miss a part that is cut off. */
export class Input {
  readonly #source: Source;
  /** Last bytes that were read, no more than the longest mark of an end. */
  #last: Buffer = Buffer.alloc(0);
  /** What reading failed with. */
  #failed: { readonly error: unknown } | undefined;
  #ended = false;
  #hasMarks = true;

  constructor(source: Source) {
    this.#source = source;
  }

  async #step<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      this.#failed ??= { error };
      throw error;
    }
  }

  async #chunk(): Promise<Uint8Array | undefined> {
    const chunk = await this.#step(() => this.#source.chunk());
    if (chunk === undefined) this.#ended = true;
    else this.#last = Buffer.concat([this.#last, chunk.subarray(-8)]).subarray(-8);
    return chunk;
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#chunk(); chunk !== undefined; chunk = await this.#chunk()) yield chunk;
  }

  #handle(source: FileSource): Handle {
    const read = async (buffer: Uint8Array, offset: number, length: number, position: number): Promise<object> => {
      const bytesRead = await this.#step(() => source.readAt(buffer.subarray(offset, offset + length), position));
      // The library would ask again and again.
      if (bytesRead < length) throw this.cut(`the file ends at ${position + bytesRead}`);
      return { bytesRead, buffer };
    };
    return { fd: 0, stat: async () => ({ size: source.size }), read, close: async () => {} };
  }

  /** The error for data that ends too early. */
  cut(text: string): TinyQuantError {
    return failure(this.#source.origin, 'ERR_TQ_TRUNCATED', text);
  }

  /** The error for what the library threw: what reading failed with, or that the data is damaged. */
  damaged(cause: unknown): unknown {
    if (this.#failed !== undefined) return this.#failed.error;
    if (isTinyQuantError(cause)) return cause;
    const text = `not Arrow IPC or damaged: ${(cause as Error).message}`;
    return failure(this.#source.origin, this.#ended ? 'ERR_TQ_TRUNCATED' : 'ERR_TQ_FORMAT', text, {}, { cause });
  }

  /** The file format by its footer where the source is a file, otherwise the messages in their order. */
  async open(): Promise<AsyncIterable<Uint8Array> | Handle> {
    const source = this.#source;
    const head = Buffer.alloc(8);
    const got = await source.readInto(head);
    if (head.toString('latin1', 0, MAGIC.length) !== MAGIC) {
      source.unread(head.subarray(0, got));
      // A message begins with this mark and its length; until 2019, with the length alone.
      const first = head.readInt32LE(0);
      this.#hasMarks = first === CONTINUED;
      if (got === 8 && !this.#hasMarks && !(first > 0 && first < MAX_LEGACY_BYTES)) {
        throw failure(source.origin, 'ERR_TQ_FORMAT', 'not Arrow IPC');
      }
      return this.#chunks();
    }
    // In order, too: most writers put the schema in front of the record batches.
    if (!(source instanceof FileSource)) return this.#chunks();
    const tail = Buffer.alloc(MAGIC.length);
    await source.readAt(tail, Math.max(0, source.size - tail.length));
    if (source.size < 3 * head.length || tail.toString('latin1') !== MAGIC)
      throw this.cut('Arrow file without its end');
    return this.#handle(source);
  }

  /** Whether a stream has the mark of its end: a cut between two messages is seen by nothing else. */
  async hasEnd(): Promise<boolean> {
    while (!this.#ended) await this.#chunk();
    const last = this.#last;
    if (last.toString('latin1').endsWith(MAGIC)) return true;
    if (this.#hasMarks) return last.length === 8 && last.readInt32LE(0) === CONTINUED && last.readInt32LE(4) === 0;
    return last.length >= 4 && last.readInt32LE(last.length - 4) === 0;
  }
}
