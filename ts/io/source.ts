import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { types } from 'node:util';
import { invalidArg } from '../validate.js';
import { failure, io, type Origin } from './origin.js';
import { Puller } from './puller.js';

/** Bytes that one read of a file takes where the format asks for no certain number. */
const CHUNK_BYTES = 1 << 20;

/** Bytes of a file or a stream, read from front to back. */
export interface Source {
  readonly origin: Origin;
  /** Fills `target`, with fewer bytes only at the end; returns how many. */
  readInto(target: Uint8Array): Promise<number>;
  /** Bytes in whatever number comes easily; `undefined` at the end. */
  chunk(): Promise<Uint8Array | undefined>;
  /** Gives back bytes that were read last. */
  unread(bytes: Uint8Array): void;
  /** Ends every wait, present or later, with `reason`. */
  cancel(reason: unknown): void;
  close(): Promise<void>;
}

/** A regular file, which can be read at any position. */
export class FileSource implements Source {
  readonly origin: Required<Origin>;
  /** Bytes of the file when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;
  #position = 0;
  #cancelled: { readonly reason: unknown } | undefined;

  constructor(handle: FileHandle, path: string, size: number) {
    this.origin = { path };
    this.size = size;
    this.#handle = handle;
  }

  /** Bytes not yet read, by the size the file had when it was opened. */
  get left(): number {
    return this.size - this.#position;
  }

  /** Fills `target` from `position`, with fewer bytes only at the end; returns how many. */
  async readAt(target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    // What a damaged file points at may lie before its start: there is nothing.
    while (position >= 0 && filled < target.length) {
      if (this.#cancelled !== undefined) throw this.#cancelled.reason;
      const { bytesRead } = await io(this.origin.path, () =>
        this.#handle.read(target, filled, target.length - filled, position + filled),
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async readInto(target: Uint8Array): Promise<number> {
    const expected = Math.min(target.length, this.left);
    const filled = await this.readAt(target, this.#position);
    this.#position += filled;
    if (filled >= expected) return filled;
    const text = `the file ends at ${this.#position} and had ${this.size} bytes when it was opened`;
    throw failure(this.origin, 'ERR_TQ_TRUNCATED', text, { expected: this.size, got: this.#position });
  }

  async chunk(): Promise<Uint8Array | undefined> {
    // More than is left: some files, such as those of /proc, have no size, and others grow.
    const target = new Uint8Array(Math.max(4096, Math.min(CHUNK_BYTES, this.left)));
    const filled = await this.readInto(target);
    return filled === 0 ? undefined : target.subarray(0, filled);
  }

  unread(bytes: Uint8Array): void {
    this.#position -= bytes.length;
  }

  cancel(reason: unknown): void {
    this.#cancelled ??= { reason };
  }

  close(): Promise<void> {
    return io(this.origin.path, () => this.#handle.close());
  }
}

/** Bytes that come only in order. */
export class StreamSource implements Source {
  readonly origin: Origin;
  readonly #puller: Puller<Uint8Array>;
  #left: Uint8Array | undefined;

  constructor(stream: AsyncIterable<Uint8Array>, origin: Origin = {}) {
    this.origin = origin;
    this.#puller = new Puller(stream);
  }

  async chunk(): Promise<Uint8Array | undefined> {
    let chunk = this.#left;
    this.#left = undefined;
    while (chunk === undefined || chunk.length === 0) {
      const { path } = this.origin;
      chunk = await (path === undefined ? this.#puller.next() : io(path, () => this.#puller.next()));
      if (chunk === undefined) return undefined;
      if (!types.isUint8Array(chunk)) throw invalidArg('a chunk of the stream', 'a Uint8Array', chunk);
    }
    return chunk;
  }

  async readInto(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const chunk = await this.chunk();
      if (chunk === undefined) break;
      const part = chunk.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) this.#left = chunk.subarray(part.length);
    }
    return filled;
  }

  unread(bytes: Uint8Array): void {
    const left = this.#left;
    this.#left = left === undefined ? bytes : Buffer.concat([bytes, left]);
  }

  cancel(reason: unknown): void {
    this.#puller.cancel(reason);
  }

  close(): Promise<void> {
    return this.#puller.close();
  }
}

/** Opens a path. What is no regular file, such as a pipe, is read as a stream. */
export async function openSource(path: string): Promise<Source> {
  const handle = await io(path, () => open(path, constants.O_RDONLY));
  try {
    const stats = await io(path, () => handle.stat());
    if (stats.isDirectory()) {
      throw failure({ path }, 'ERR_TQ_IO', 'this is a folder, expected a file', { errno: 'EISDIR', syscall: 'read' });
    }
    if (stats.isFile()) return new FileSource(handle, path, stats.size);
    return new StreamSource(handle.createReadStream() as AsyncIterable<Uint8Array>, { path });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The bytes of a source that were read and not yet used. */
export class Window {
  readonly #source: Source;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** What is there. Its memory starts on a multiple of 4 as long as only multiples of 4 are skipped. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start);
  }

  skip(count: number): void {
    this.#start += count;
  }

  /** Reads on, at least as much as is there already, so that a long row is not copied over and over. */
  async more(): Promise<boolean> {
    const parts = [this.bytes];
    let length = this.bytes.length;
    const wanted = 2 * length;
    do {
      const chunk = await this.#source.chunk();
      if (chunk === undefined) break;
      parts.push(chunk);
      length += chunk.length;
    } while (length < wanted);
    if (parts.length === 1) return false;
    // Memory of its own: a chunk of a stream may start anywhere in a pool.
    const joined = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    this.#bytes = joined;
    this.#start = 0;
    return true;
  }
}
