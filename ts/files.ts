import type { ConfigHash } from './config.js';
import type { IdType } from './index-id.js';
import type { Metric, Originals } from './index-options.js';
import { JOB_OPTION_NAMES, type JobOptions, job, runJob } from './job.js';
import { native } from './native.js';
import type { NativeFileInfo } from './native-types.js';
import { type FilePath, filePath } from './path.js';
import type { CompressionPolicyKind } from './policy.js';
import { options } from './validate.js';

/** What the header of a file says. Fields that a format does not have are absent. */
export interface FileInfo {
  /**
   * `'corpus'`: written by {@link Corpus.save}; `'index'`: by {@link SearchIndex.save}; `'tqcv'`: TinyQuant's corpus
   * file; `'tqcb'`: a codebook.
   */
  readonly format: 'corpus' | 'index' | 'tqcv' | 'tqcb';
  /** Version of the format. */
  readonly version: number;
  /** Length of the file in bytes. */
  readonly sizeBytes: number;
  /** Bits per coordinate; of an index that is fitted, on average. */
  readonly bitWidth: number;
  /** Vectors, without removed ones. */
  readonly vectorCount?: number;
  /** Values per vector. */
  readonly dimension?: number;
  /** Whether records keep a residual. */
  readonly residual?: boolean;
  /** Hash of the configuration. */
  readonly configHash?: ConfigHash;
  /** Seed of the rotation. */
  readonly seed?: bigint;
  /** How vectors are stored. */
  readonly policy?: CompressionPolicyKind;
  /** Name of the corpus. */
  readonly corpusId?: string;
  /** How vectors of an index are compared. */
  readonly metric?: Metric;
  /** Kind of the ids of an index. */
  readonly idType?: IdType;
  /** What an index keeps of the vectors beside their codes. */
  readonly originals?: Originals;
  /** Whether an index is fitted to its vectors. */
  readonly fitted?: boolean;
  /** Partitions of an index; 1 without any. */
  readonly partitions?: number;
  /** Bytes of a stored vector, without its id, metadata and record header. */
  readonly bytesPerVector?: number;
  /** Entries of a codebook. */
  readonly entries?: number;
  /** How often a corpus or index file was written or extended. */
  readonly commits?: number;
}

function toInfo(info: NativeFileInfo): FileInfo {
  const given = Object.entries(info).filter(([, value]) => value !== undefined && value !== null);
  return Object.freeze(Object.fromEntries(given)) as unknown as FileInfo;
}

/**
 * What a file holds, from its header alone: the time does not depend on its size.
 *
 * @throws {TinyQuantError} ERR_TQ_IO, ERR_TQ_FORMAT, ERR_TQ_VERSION, ERR_TQ_TRUNCATED, ERR_TQ_CHECKSUM
 */
export async function fileInfo(path: FilePath): Promise<FileInfo> {
  const target = filePath(path, 'path');
  return toInfo(await runJob(job({}), 'verify', 0, () => native.fileInfo(target)));
}

/**
 * Reads all of a file and checks what can be checked: checksums where the format has them, every length and offset,
 * that records agree with the header and that every id leads to its vector.
 *
 * @throws {TinyQuantError} ERR_TQ_CHECKSUM with the section and its offset, ERR_TQ_FORMAT, ERR_TQ_TRUNCATED,
 * ERR_TQ_VERSION, ERR_TQ_IO
 */
export async function verifyFile(path: FilePath, o?: JobOptions): Promise<FileInfo> {
  const target = filePath(path, 'path');
  const control = job(options(o, 'verify options', JOB_OPTION_NAMES));
  const { sizeBytes } = await fileInfo(target);
  return toInfo(
    await runJob(control, 'verify', sizeBytes, (abort, onProgress) =>
      native.verifyFile(target, sizeBytes, abort, onProgress),
    ),
  );
}
