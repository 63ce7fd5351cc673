import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TinyQuantError } from '../errors.js';
import { failure, io } from '../io/origin.js';
import { SearchIndex } from '../search-index.js';
import { invalidArg } from '../validate.js';
import type { Content } from './content.js';
import { type DocumentStore, MemoryDocuments } from './documents.js';
import { RowNumbers } from './rows.js';
import {
  currentIndex,
  INDEX_NAMES,
  readSidecar,
  SIDECAR,
  type Sidecar,
  type SidecarEntry,
  writeSidecar,
} from './sidecar.js';

/** How often a folder is read again that is saved to while it is read. */
const ATTEMPTS = 10;

/**
 * Saves a store in a folder. The index goes to a file that the sidecar there does not name; the new sidecar, which names
 * it, then takes the place of the old one in one step.
 */
export async function saveContent(folder: string, { index, documents, build, rows }: Content): Promise<void> {
  await io(folder, () => mkdir(folder, { recursive: true }));
  const sidecar = join(folder, SIDECAR);
  const old = await currentIndex(sidecar);
  const name = old === INDEX_NAMES[0] ? INDEX_NAMES[1] : INDEX_NAMES[0];
  const isInline = documents instanceof MemoryDocuments;
  const entries = function* (): Generator<SidecarEntry> {
    for (const id of index?.ids() ?? []) {
      yield { id, row: rows.of(id), document: isInline ? documents.get(id) : undefined };
    }
  };
  try {
    await index?.save(join(folder, name));
    const head = { index: index === undefined ? null : name, documents: isInline ? 'inline' : 'external' } as const;
    await writeSidecar(sidecar, { ...head, settings: build }, entries());
  } catch (error) {
    // Once the sidecar is in place, the index is what it names, whatever fails afterwards.
    if ((await currentIndex(sidecar)) !== name) await unlink(join(folder, name)).catch(() => {});
    throw error;
  }
  // What cannot be removed now is replaced by the next save but one.
  if (old !== null) await unlink(join(folder, old)).catch(() => {});
  await sweep(folder);
}

/** Removes sidecars that were cut off before they had their name. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (/^\.documents\.jsonl\.[0-9a-f]{12}\.tmp$/.test(name)) await unlink(join(folder, name)).catch(() => {});
  }
}

/** Opens the index that a sidecar names, and checks that they belong together. */
async function open(
  { index: name, entries, settings }: Sidecar,
  folder: string,
  theirs: DocumentStore | undefined,
  o: { mmap: boolean; verify: boolean },
): Promise<Content> {
  const documents = theirs ?? new MemoryDocuments();
  if (documents instanceof MemoryDocuments) {
    for (const { document } of entries) if (document !== undefined) documents.keep(document);
  }
  if (name === null) return { index: undefined, documents, build: settings, rows: new RowNumbers() };
  const path = join(folder, name);
  const index = await SearchIndex.open<string>(path, o);
  try {
    if (index.idType !== 'string') {
      throw failure({ path }, 'ERR_TQ_FORMAT', `the ids are of type ${index.idType}, expected string`);
    }
    const rows = new Map(entries.map(({ id, row }) => [id, row]));
    return { index, documents, build: settings, rows: RowNumbers.read(index, rows, join(folder, SIDECAR)) };
  } catch (error) {
    index.close();
    throw error;
  }
}

/** Differs between two files that had the same path one after the other. */
async function identity(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await io(path, () => stat(path, { bigint: true }));
  return `${ino} ${size} ${mtimeNs}`;
}

/**
 * Loads a store from a folder.
 *
 * @param theirs where documents lie that are not in the folder
 */
export async function loadContent(
  folder: string,
  theirs: DocumentStore | undefined,
  o: { mmap: boolean; verify: boolean },
): Promise<Content> {
  const path = join(folder, SIDECAR);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await identity(path);
    const sidecar = await readSidecar(path);
    if ((sidecar.documents === 'external') !== (theirs !== undefined)) {
      const expected = theirs === undefined ? `given, as they do not lie in ${path}` : `absent, as they lie in ${path}`;
      throw invalidArg('documents', expected, theirs);
    }
    let opened: { content: Content } | { error: unknown };
    try {
      opened = { content: await open(sidecar, folder, theirs, o) };
    } catch (error) {
      opened = { error };
    }
    if ((await identity(path)) === before) {
      if ('error' in opened) throw opened.error;
      return opened.content;
    }
    // The index may be one that another sidecar names.
    if ('content' in opened) opened.content.index?.close();
  }
  throw new TinyQuantError('ERR_TQ_IO', `${path} was replaced ${ATTEMPTS} times while it was read`, {
    details: { kind: 'Changed', path },
  });
}
