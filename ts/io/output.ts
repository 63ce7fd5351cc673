import { randomBytes } from 'node:crypto';
import { constants, createWriteStream, type Stats } from 'node:fs';
import { access, type FileHandle, link, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { failure, io, ioFailure } from './origin.js';

/** Where bytes can be sent one chunk after another: any `stream.Writable` of bytes. */
export interface ByteWritable {
  /** Takes a chunk; the callback says when it has gone out. */
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean;
  /** Ends the stream; the callback says when everything has gone out. */
  end(callback: (error?: Error | null) => void): unknown;
  /** Gives the stream up. */
  destroy(error?: Error): unknown;
  /** Listens to failure and end. */
  on(event: 'error' | 'close', listener: (error?: Error) => void): unknown;
  /** Takes back what `on` did. */
  removeListener(event: 'error' | 'close', listener: (error?: Error) => void): unknown;
}

/** Where a writer puts its bytes. */
export interface Output {
  /** Bytes written so far. */
  readonly sizeBytes: number;
  /** Resolves when the bytes have gone out. */
  write(bytes: Uint8Array): Promise<void>;
  /** Puts other bytes over the first ones; only where `canRewrite`. */
  rewrite(bytes: Uint8Array): Promise<void>;
  readonly canRewrite: boolean;
  /** Ends a wait with `reason`. */
  cancel(reason: unknown): void;
  /** Makes what was written final. */
  commit(): Promise<void>;
  /** Undoes everything. */
  discard(reason: unknown): Promise<void>;
}

function exists(path: string): Error {
  return failure({ path }, 'ERR_TQ_IO', 'the file exists, and overwrite is not set', {
    errno: 'EEXIST',
    syscall: 'open',
  });
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await io(path, () => stat(path));
  } catch (error) {
    if ((error as { details?: { errno?: unknown } }).details?.errno === 'ENOENT') return undefined;
    throw error;
  }
}

/** A temporary file in the folder of the target, which takes the target's place at the end. */
class FileOutput implements Output {
  readonly canRewrite = true;
  sizeBytes = 0;
  readonly #path: string;
  readonly #target: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #overwrite: boolean;
  #isOpen = true;

  constructor(path: string, target: string, temporary: string, handle: FileHandle, overwrite: boolean) {
    this.#path = path;
    this.#target = target;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#overwrite = overwrite;
  }

  async #writeAt(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await io(this.#path, () =>
        this.#handle.write(bytes, done, bytes.length - done, position + done),
      );
      done += bytesWritten;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writeAt(bytes, this.sizeBytes);
    this.sizeBytes += bytes.length;
  }

  rewrite(bytes: Uint8Array): Promise<void> {
    return this.#writeAt(bytes, 0);
  }

  /** A write to a file is over soon enough. */
  cancel(): void {}

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await io(this.#path, () => this.#handle.close());
  }

  /** Takes the place of the target, but not of a file that has come up in the meantime. */
  async #place(): Promise<void> {
    if (this.#overwrite) return rename(this.#temporary, this.#target);
    try {
      await link(this.#temporary, this.#target);
    } catch (error) {
      // Anything but EEXIST: a file system without hard links.
      const isTaken = (error as NodeJS.ErrnoException).code === 'EEXIST' || (await statOf(this.#target)) !== undefined;
      if (isTaken) throw exists(this.#path);
      return rename(this.#temporary, this.#target);
    }
    await unlink(this.#temporary);
  }

  async commit(): Promise<void> {
    await io(this.#path, () => this.#handle.sync());
    await this.#close();
    await io(this.#path, () => this.#place());
    // Windows opens no folders; there, the rename is in the journal.
    if (process.platform === 'win32') return;
    const folder = await io(this.#path, () => open(dirname(this.#target), constants.O_RDONLY));
    try {
      await io(this.#path, () => folder.sync());
    } finally {
      await folder.close();
    }
  }

  async discard(): Promise<void> {
    await this.#close().catch(() => {});
    await unlink(this.#temporary).catch(() => {});
  }
}

/** A stream of the caller, or of a path that is no regular file. It is ended with the last byte, but not stdout. */
export class StreamOutput implements Output {
  readonly canRewrite = false;
  sizeBytes = 0;
  readonly #stream: ByteWritable;
  readonly #isStandard: boolean;
  readonly #path: string | undefined;
  #failed: { readonly error: unknown } | undefined;
  #reject: ((error: unknown) => void) | undefined;

  /** @param path where the stream is not the caller's, and its errors are those of a file */
  constructor(stream: ByteWritable, path?: string) {
    this.#stream = stream;
    this.#path = path;
    const given: unknown = stream;
    this.#isStandard = given === process.stdout || given === process.stderr;
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
  }

  readonly #onError = (error?: Error): void => this.cancel(error);
  readonly #onClose = (): void => this.cancel(new Error('the stream was closed before the last byte'));

  cancel(reason: unknown): void {
    this.#failed ??= { error: this.#named(reason) };
    this.#reject?.(this.#failed.error);
  }

  #named(error: unknown): unknown {
    return this.#path === undefined ? error : ioFailure(error, this.#path);
  }

  #wait(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed.error);
      this.#reject = reject;
      start((error) => (error == null ? resolve() : reject(this.#named(error))));
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#wait((done) => this.#stream.write(bytes, done));
    this.sizeBytes += bytes.length;
  }

  rewrite(): Promise<void> {
    return Promise.reject(new Error('a stream is not rewritten'));
  }

  async commit(): Promise<void> {
    if (!this.#isStandard) await this.#wait((done) => this.#stream.end(done));
    this.#stream.removeListener('close', this.#onClose);
    // A stream of our own has no other listener, should closing it fail.
    if (this.#path === undefined) this.#stream.removeListener('error', this.#onError);
  }

  discard(reason: unknown): Promise<void> {
    // The listener for errors stays: what is destroyed may report that later.
    if (!this.#isStandard) this.#stream.destroy(reason instanceof Error ? reason : undefined);
    return Promise.resolve();
  }
}

/** Opens a path for writing. What is no regular file, such as a pipe, is written like a stream. */
export async function openOutput(path: string, overwrite: boolean): Promise<Output> {
  const present = await statOf(path);
  if (present?.isDirectory()) {
    throw failure({ path }, 'ERR_TQ_IO', 'this is a folder, expected a file', { errno: 'EISDIR', syscall: 'open' });
  }
  if (present !== undefined && !present.isFile()) return new StreamOutput(createWriteStream(path), path);
  if (present !== undefined && !overwrite) throw exists(path);
  // A link stays, and what it points to is replaced; what may not be written is not replaced either.
  const target = present === undefined ? path : await io(path, () => realpath(path));
  if (present !== undefined) await io(path, () => access(target, constants.W_OK));
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  const handle = await io(path, () => open(temporary, 'wx', present?.mode ?? 0o666));
  // The process' mask has been applied; a file system without modes keeps its own.
  if (present !== undefined) await handle.chmod(present.mode & 0o777).catch(() => {});
  return new FileOutput(path, target, temporary, handle, overwrite);
}
