import type { Codebook, CodecConfig, FileInfo, TqcvReader } from '../index.js';
import type { VectorBatch } from '../io.js';
import { readCodebook, readConfig } from './codebook-file.js';
import { badData, usage } from './failure.js';
import { session } from './session.js';

/** Options that say how a .tqcv file was made. */
export interface CodingOptions {
  readonly codebook?: string;
  readonly configJson?: string;
}

/** Values reconstructed at a time: 4 MiB of floats. */
const VALUES_PER_BATCH = 1_048_576;

/** Vectors out of a file, as they are reconstructed. */
export interface Stored {
  readonly format: 'corpus' | 'tqcv';
  readonly dimension: number;
  readonly length: number;
  /**
   * In the order of the file.
   *
   * @param withMetadata whether batches carry metadata, which takes longer
   */
  batches(withMetadata?: boolean): AsyncIterable<VectorBatch>;
  close(): void;
}

/** Kind of a compressed file, from its header. */
export async function kindOf(path: string): Promise<FileInfo['format']> {
  if (path === '-') throw usage('a compressed file is read in place: name a file instead of -');
  const { fileInfo } = await import('../index.js');
  return (await fileInfo(session.reads(path))).format;
}

/** The configuration of a .tqcv file, whose header has its hash and not its seed. */
async function configOf(reader: TqcvReader, path: string, o: CodingOptions): Promise<CodecConfig> {
  const { CodecConfig: Class } = await import('../index.js');
  if (o.configJson !== undefined) return readConfig(o.configJson);
  const guess = new Class({
    bitWidth: reader.bitWidth,
    dimension: reader.dimension,
    residualEnabled: reader.hasResidual,
  });
  if (guess.configHash === reader.configHash) return guess;
  throw usage(`${path}: the seed is not 42: give the configuration with --config-json`, { path });
}

/** A .tqcv file with what is needed to reconstruct its vectors. */
export interface OpenTqcv {
  readonly reader: TqcvReader;
  readonly config: CodecConfig;
  readonly codebook: Codebook;
}

/**
 * Opens a .tqcv file.
 *
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG without codebook or configuration; ERR_TQ_CONFIG_MISMATCH for others' ones
 */
export async function openTqcv(path: string, o: CodingOptions): Promise<OpenTqcv> {
  const { TinyQuantError, TqcvReader: Reader } = await import('../index.js');
  if (o.codebook === undefined)
    throw usage(`${path}: a .tqcv file has no codebook in it: give one with --codebook`, { path });
  const codebook = await readCodebook(o.codebook);
  // Pages of a mapped file would count as memory of the process.
  const reader = await Reader.open(session.reads(path), { mmap: false });
  try {
    const config = await configOf(reader, path, o);
    if (config.configHash !== reader.configHash) {
      throw new TinyQuantError(
        'ERR_TQ_CONFIG_MISMATCH',
        `${path}: compressed config_hash "${reader.configHash}" does not match config hash "${config.configHash}"`,
        { details: { kind: 'ConfigMismatch', path, expected: config.configHash, got: reader.configHash } },
      );
    }
    if (codebook.bitWidth !== config.bitWidth) {
      throw new TinyQuantError(
        'ERR_TQ_CODEBOOK_MISMATCH',
        `${o.codebook}: codebook bit_width ${codebook.bitWidth} != config bit_width ${config.bitWidth}`,
        { details: { path: o.codebook, expected: config.bitWidth, got: codebook.bitWidth } },
      );
    }
    return { reader, config, codebook };
  } catch (error) {
    reader.close();
    throw error;
  }
}

async function* tqcvBatches({ reader, config, codebook }: OpenTqcv): AsyncGenerator<VectorBatch, void, void> {
  const { Codec } = await import('../index.js');
  const codec = new Codec();
  const { dimension } = config;
  const size = Math.max(1, Math.floor(VALUES_PER_BATCH / dimension));
  for (const batch of reader.batches(size)) {
    const vectors = await codec.decompressBatch(batch, config, codebook, { signal: session.signal });
    yield { vectors, rows: batch.length, dimension };
  }
}

/** Opens a corpus file or a .tqcv file for reading its vectors. */
export async function openStored(path: string, o: CodingOptions): Promise<Stored> {
  const kind = await kindOf(path);
  if (kind === 'tqcb') throw badData(`${path}: is a codebook, not a file of vectors`, { path });
  if (kind === 'tqcv') {
    const opened = await openTqcv(path, o);
    const { reader } = opened;
    return {
      format: 'tqcv',
      dimension: reader.dimension,
      length: reader.length,
      batches: () => tqcvBatches(opened),
      close: () => reader.close(),
    };
  }
  if (kind === 'index') {
    throw badData(`${path}: is a search index, for search, recall, info and verify alone`, { path });
  }
  const { Corpus } = await import('../index.js');
  const corpus = await Corpus.open(path, { mmap: false, signal: session.signal });
  const { dimension } = corpus.codecConfig;
  return {
    format: 'corpus',
    dimension,
    length: corpus.vectorCount,
    batches: async function* (withMetadata = false) {
      const size = Math.max(1, Math.floor(VALUES_PER_BATCH / dimension));
      const entries = withMetadata ? corpus.entries() : undefined;
      let vectors = new Float32Array(size * dimension);
      let ids: string[] = [];
      let metadata: VectorBatch['metadata'] & unknown[] = [];
      const batch = (): VectorBatch => {
        const known = metadata.some((item) => item !== null);
        const rows = ids.length;
        return { vectors: vectors.subarray(0, rows * dimension), rows, dimension, ids, ...(known ? { metadata } : {}) };
      };
      for (const [id, vector] of corpus.decompressEntries()) {
        const entry = entries?.next();
        vectors.set(vector, ids.length * dimension);
        ids.push(id);
        metadata.push(entry === undefined || entry.done === true ? null : entry.value.metadata);
        if (ids.length === size) {
          yield batch();
          vectors = new Float32Array(size * dimension);
          ids = [];
          metadata = [];
        }
      }
      if (ids.length > 0) yield batch();
    },
    close: () => corpus.close(),
  };
}
