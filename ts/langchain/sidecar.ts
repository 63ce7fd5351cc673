import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type ErrorCode, isTinyQuantError, type TinyQuantError } from '../errors.js';
import { failure, ioFailure } from '../io/origin.js';
import { openOutput } from '../io/output.js';
import { fromMetadataJson, isTooDeep } from '../metadata.js';
import { describe } from '../validate.js';
import type { StoredDocument } from './documents.js';
import { type BuildSettings, storedSettings } from './store-options.js';

/** Name of the file that makes a folder a store. */
export const SIDECAR = 'documents.jsonl';
/** An index file takes the name that the current one does not have. */
export const INDEX_NAMES = ['index-a.tqi', 'index-b.tqi'] as const;

const FORMAT = 'tinyquant-langchain';
const VERSION = 1;
const CHUNK_BYTES = 1 << 16;
const MAX_LINE_BYTES = 256 << 20;

/** What a sidecar says of the whole store. */
export interface SidecarHead {
  /** Name of the index file in the same folder; `null` before the first document. */
  readonly index: (typeof INDEX_NAMES)[number] | null;
  /** Whether the documents are in the sidecar, or in a store of the caller. */
  readonly documents: 'inline' | 'external';
  /** What the index is built with, where there is none yet. */
  readonly settings: BuildSettings;
}

/** One vector of a sidecar. */
export interface SidecarEntry {
  readonly id: string;
  /** Row of the index, where it is known. */
  readonly row: number | undefined;
  /** Absent where documents lie elsewhere. */
  readonly document: StoredDocument | undefined;
}

/** A sidecar that was read. */
export interface Sidecar extends SidecarHead {
  readonly entries: readonly SidecarEntry[];
}

/**
 * Writes a sidecar: JSON lines of the head, the entries, and a checksum of all that comes before. The file takes its name
 * when it is complete and on the disk.
 */
export async function writeSidecar(path: string, head: SidecarHead, entries: Iterable<SidecarEntry>): Promise<void> {
  const output = await openOutput(path, true);
  const hash = createHash('sha256');
  let pending: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(pending.join(''));
    [pending, length] = [[], 0];
    hash.update(bytes);
    await output.write(bytes);
  };
  const put = async (value: unknown): Promise<void> => {
    const line = `${JSON.stringify(value)}\n`;
    pending.push(line);
    length += line.length;
    if (length >= CHUNK_BYTES) await flush();
  };
  try {
    const { index, documents, settings } = head;
    const seed = settings.seed === undefined ? {} : { seed: settings.seed.toString() };
    await put({ format: FORMAT, version: VERSION, index, documents, settings: { ...settings, ...seed } });
    let count = 0;
    for (const { id, row, document } of entries) {
      const { pageContent, metadata } = document ?? {};
      await put({ id, row, pageContent, metadata });
      count++;
    }
    await flush();
    await output.write(Buffer.from(`${JSON.stringify({ count, sha256: hash.digest('hex') })}\n`));
    await output.commit();
  } catch (error) {
    await output.discard(error);
    throw error;
  }
}

/** The lines of a file without their ends; what follows the last end is not a line. */
async function* lines(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let length = 0;
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let at = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, at)) {
        yield Buffer.concat([...rest, chunk.subarray(at, end)]);
        [rest, length, at] = [[], 0, end + 1];
      }
      rest.push(chunk.subarray(at));
      length += chunk.length - at;
      if (length > MAX_LINE_BYTES)
        throw failure({ path }, 'ERR_TQ_LIMIT', `a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
  } catch (error) {
    throw ioFailure(error, path);
  }
  if (length > 0) throw failure({ path }, 'ERR_TQ_TRUNCATED', 'the last line has no end');
}

type Fields = Record<string, unknown>;

/** Reads one sidecar. */
class Reader {
  readonly #path: string;
  readonly #hash = createHash('sha256');
  readonly #entries = new Map<string, SidecarEntry>();
  #head: SidecarHead | undefined;
  #line = 0;
  #isComplete = false;

  constructor(path: string) {
    this.#path = path;
  }

  #fail(code: ErrorCode, message: string, details: object = {}, cause?: unknown): TinyQuantError {
    const where = `line ${this.#line}: ${message}`;
    return failure(
      { path: this.#path },
      code,
      where,
      { line: this.#line, ...details },
      cause === undefined ? {} : { cause },
    );
  }

  #parse(bytes: Buffer): Fields {
    let value: unknown;
    try {
      if (!isUtf8(bytes)) throw new Error('not UTF-8');
      value = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw this.#fail('ERR_TQ_FORMAT', 'not JSON', {}, cause);
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
    throw this.#fail('ERR_TQ_FORMAT', `expected an object, got ${describe(value)}`);
  }

  #readHead({ format, version, index, documents, settings }: Fields): SidecarHead {
    if (format !== FORMAT) throw this.#fail('ERR_TQ_FORMAT', `the format is ${describe(format)}, expected "${FORMAT}"`);
    if (version !== VERSION) {
      const details = { expected: VERSION, got: version };
      throw this.#fail('ERR_TQ_VERSION', `version ${describe(version)}, this release reads ${VERSION}`, details);
    }
    const name = INDEX_NAMES.find((each) => each === index);
    if (name === undefined && index !== null)
      throw this.#fail('ERR_TQ_FORMAT', `no index has the name ${describe(index)}`);
    if (documents !== 'inline' && documents !== 'external') {
      throw this.#fail('ERR_TQ_FORMAT', `documents are ${describe(documents)}, expected "inline" or "external"`);
    }
    try {
      return { index: name ?? null, documents, settings: storedSettings(settings) };
    } catch (cause) {
      throw this.#fail('ERR_TQ_FORMAT', isTinyQuantError(cause) ? cause.message : 'wrong settings', {}, cause);
    }
  }

  #readEntry({ id, row, pageContent, metadata }: Fields, isInline: boolean): SidecarEntry {
    if (typeof id !== 'string') throw this.#fail('ERR_TQ_FORMAT', `the id is ${describe(id)}, expected a string`);
    if (this.#entries.has(id)) throw this.#fail('ERR_TQ_FORMAT', `the id ${describe(id)} comes twice`, { id });
    if (row !== undefined && !(Number.isSafeInteger(row) && (row as number) >= 0)) {
      throw this.#fail('ERR_TQ_FORMAT', `the row is ${describe(row)}, expected a whole number`, { id });
    }
    const entry = { id, row: row as number | undefined };
    if (!isInline) return { ...entry, document: undefined };
    if (typeof pageContent !== 'string') {
      throw this.#fail('ERR_TQ_FORMAT', `pageContent is ${describe(pageContent)}, expected a string`, { id });
    }
    if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata) || isTooDeep(metadata)) {
      throw this.#fail('ERR_TQ_FORMAT', `metadata is ${describe(metadata)}, expected an object of JSON values`, { id });
    }
    return { ...entry, document: { id, pageContent, metadata: fromMetadataJson(JSON.stringify(metadata)) ?? {} } };
  }

  #readEnd({ count, sha256 }: Fields): void {
    const computed = this.#hash.digest('hex');
    if (sha256 !== computed) {
      throw this.#fail('ERR_TQ_CHECKSUM', 'the checksum does not match', { expected: sha256, got: computed });
    }
    if (count !== this.#entries.size) {
      throw this.#fail('ERR_TQ_FORMAT', `${this.#entries.size} documents, expected ${describe(count)}`);
    }
    this.#isComplete = true;
  }

  async read(): Promise<Sidecar> {
    for await (const bytes of lines(this.#path)) {
      this.#line++;
      if (this.#isComplete) throw this.#fail('ERR_TQ_FORMAT', 'data after the end');
      const fields = this.#parse(bytes);
      if (this.#head !== undefined && 'sha256' in fields) {
        this.#readEnd(fields);
        continue;
      }
      this.#hash.update(bytes).update('\n');
      if (this.#head === undefined) {
        this.#head = this.#readHead(fields);
      } else {
        const entry = this.#readEntry(fields, this.#head.documents === 'inline');
        this.#entries.set(entry.id, entry);
      }
    }
    if (this.#head === undefined || !this.#isComplete) {
      throw failure({ path: this.#path }, 'ERR_TQ_TRUNCATED', 'the file ends before its checksum');
    }
    if (this.#head.index === null && this.#entries.size > 0) {
      throw failure({ path: this.#path }, 'ERR_TQ_FORMAT', `${this.#entries.size} documents without an index`);
    }
    return { ...this.#head, entries: [...this.#entries.values()] };
  }
}

/**
 * Reads and checks a sidecar.
 *
 * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM, ERR_TQ_LIMIT
 */
export function readSidecar(path: string): Promise<Sidecar> {
  return new Reader(path).read();
}

/** The name of the index that a sidecar names; none where there is no sidecar that can be read. */
export async function currentIndex(path: string): Promise<SidecarHead['index']> {
  try {
    for await (const line of lines(path)) {
      const { index } = JSON.parse(line.toString('utf8')) as { index?: unknown };
      return INDEX_NAMES.find((name) => name === index) ?? null;
    }
  } catch {
    // What is damaged is replaced.
  }
  return null;
}
