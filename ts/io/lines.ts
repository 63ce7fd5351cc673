import { isUtf8 } from 'node:buffer';
import type { RowCollector, VectorBatch } from './batch.js';
import { failure } from './origin.js';
import { type Source, Window } from './source.js';

/** Longest line that is read: beyond it, the file is probably no text. */
const MAX_LINE_BYTES = 256 << 20;

/**
 * Reads text of one row a line. Blank lines are no rows; a byte order mark is skipped.
 *
 * @param row adds one line to the rows, or rejects it; `line` counts from 1
 */
export async function* readLines(
  source: Source,
  into: RowCollector,
  row: (text: string, line: number) => void,
): AsyncGenerator<VectorBatch> {
  const window = new Window(source);
  let line = 0;
  const refuseLong = (length: number, number: number): void => {
    if (length <= MAX_LINE_BYTES) return;
    const text = `line ${number} is longer than ${MAX_LINE_BYTES} bytes`;
    throw failure(source.origin, 'ERR_TQ_LIMIT', text, { row: into.row, line: number });
  };
  const take = (bytes: Buffer): VectorBatch | undefined => {
    line++;
    refuseLong(bytes.length, line);
    if (!isUtf8(bytes)) {
      into.reject('not UTF-8', { line });
      return undefined;
    }
    // This takes a byte order mark, too.
    const text = bytes.toString('utf8').trim();
    if (text !== '') row(text, line);
    return into.full ? into.take() : undefined;
  };
  do {
    const view = window.bytes;
    const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    let at = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
      const batch = take(bytes.subarray(at, end));
      at = end + 1;
      if (batch !== undefined) yield batch;
      if (into.done) return;
    }
    window.skip(at);
    refuseLong(bytes.length - at, line + 1);
  } while (await window.more());
  const rest = window.bytes;
  const batch = take(Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength)) ?? into.take();
  if (batch !== undefined) yield batch;
}
