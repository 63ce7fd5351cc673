import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTinyQuantError, TinyQuantError } from '../errors.js';
import { withPath } from './failure.js';
import { refuseTerminalOutput, session } from './session.js';

/**
 * Refuses an output that exists, before any work is done for it. What is no regular file, such as a pipe, is written to.
 *
 * @throws {TinyQuantError} ERR_TQ_IO with errno EEXIST or EISDIR
 */
export async function claim(path: string, force: boolean): Promise<void> {
  session.writes(path);
  const info = await withPath(path, () => stat(path)).catch((error: unknown) => {
    if (isTinyQuantError(error) && error.details?.errno === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined || !(info.isFile() || info.isDirectory())) return;
  const errno = info.isDirectory() ? 'EISDIR' : 'EEXIST';
  if (errno === 'EEXIST' && force) return;
  const text = errno === 'EISDIR' ? 'is a folder, not a file' : 'the file exists; --force replaces it';
  throw new TinyQuantError('ERR_TQ_IO', `${path}: ${text}`, { details: { errno, path } });
}

/**
 * Writes a file that has been claimed: all of it, or nothing.
 *
 * @returns how many bytes were written
 */
export async function writeWhole(
  path: string,
  force: boolean,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const { openOutput } = await import('../io/output.js');
  const output = await openOutput(session.writes(path), force);
  // Nobody may read from a pipe.
  const stop = (): void => output.cancel(session.signal.reason);
  session.signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of chunks) {
      session.signal.throwIfAborted();
      await output.write(chunk);
    }
    session.signal.throwIfAborted();
    await output.commit();
  } catch (error) {
    await output.discard(error);
    throw error;
  } finally {
    session.signal.removeEventListener('abort', stop);
  }
  return output.sizeBytes;
}

/** Sends bytes to standard output, as fast as they are taken. */
export async function pipeOut(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
  session.takeStdout();
  let size = 0;
  for await (const chunk of chunks) {
    await session.write(chunk);
    size += chunk.length;
  }
  return size;
}

/**
 * Makes a file that can only be written in place, then sends it to standard output.
 *
 * @param extension of the temporary file
 * @param make writes the file
 */
export async function pipeFile<T>(extension: string, make: (path: string) => Promise<T>): Promise<T> {
  refuseTerminalOutput('the output');
  const folder = await mkdtemp(join(tmpdir(), 'tinyquant-'));
  try {
    const path = session.writes(join(folder, `output${extension}`));
    const result = await make(path);
    await pipeOut(createReadStream(path, { signal: session.signal }) as AsyncIterable<Uint8Array>);
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
