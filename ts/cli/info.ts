import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { FileInfo } from '../index.js';
import { inFile } from './codebook-file.js';
import { usage } from './failure.js';
import { example } from './options.js';
import { grouped } from './progress.js';
import { action, session } from './session.js';

/** Names of the facts about a file, in the order they are shown. */
const LABELS: readonly [keyof FileInfo, string][] = [
  ['format', 'format'],
  ['version', 'format version'],
  ['sizeBytes', 'size in bytes'],
  ['vectorCount', 'vectors'],
  ['dimension', 'dimension'],
  ['bitWidth', 'bits per value'],
  ['metric', 'metric'],
  ['residual', 'residual'],
  ['policy', 'policy'],
  ['originals', 'originals'],
  ['fitted', 'fitted'],
  ['partitions', 'partitions'],
  ['idType', 'kind of ids'],
  ['bytesPerVector', 'bytes per vector'],
  ['seed', 'seed'],
  ['configHash', 'config hash'],
  ['corpusId', 'corpus id'],
  ['entries', 'codebook entries'],
  ['commits', 'commits'],
];

const FORMATS: Readonly<Record<FileInfo['format'], string>> = {
  corpus: 'corpus file',
  index: 'search index',
  tqcv: 'TinyQuant corpus file (TQCV)',
  tqcb: 'TinyQuant codebook (TQCB)',
};

function shown(key: keyof FileInfo, value: unknown): string {
  if (key === 'format') return FORMATS[value as FileInfo['format']] ?? String(value);
  if (key === 'sizeBytes' || key === 'vectorCount') return grouped(value as number);
  if (key === 'bytesPerVector') return String(Math.round((value as number) * 10) / 10);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

/** The facts as lines of text. */
export function infoText(info: FileInfo): string {
  const lines = LABELS.filter(([key]) => info[key] !== undefined);
  return table(lines.map(([key, label]) => [label, shown(key, info[key])]));
}

/** Lines of a label and a value. */
export function table(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  return lines.map(([label, value]) => `${`${label}:`.padEnd(width)}${value}`).join('\n');
}

/** Facts about the installed package and the machine. */
export interface Installation {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly libc: string | null;
  readonly simd: string;
  readonly threads: number;
  readonly cpus: number;
}

/** C library of the process, from Node's own report; `null` where there is but one. */
export function libc(): string | null {
  if (process.platform !== 'linux') return null;
  const { header } = report();
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
}

/** Node's report about the process, without the look-ups of host names that can take seconds. */
export function report(): { header: { glibcVersionRuntime?: string }; sharedObjects?: string[] } {
  const settings = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = settings.excludeNetwork;
  settings.excludeNetwork = true;
  try {
    return settings.getReport() as unknown as ReturnType<typeof report>;
  } finally {
    settings.excludeNetwork = before ?? false;
  }
}

/** Threads the pool has or will have. */
export function threads(): number {
  const asked = Number(process.env.TINYQUANT_THREADS);
  return Number.isInteger(asked) && asked > 0 ? asked : availableParallelism();
}

export async function installation(): Promise<Installation> {
  const { simdLevel, version } = await import('../index.js');
  return {
    version: version(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    libc: libc(),
    simd: simdLevel(),
    threads: threads(),
    cpus: availableParallelism(),
  };
}

/** `tinyquant info` */
export function registerInfo(program: Command): void {
  const command = program
    .command('info')
    .summary('what a file holds, or what is installed')
    .description(
      'With a file: its header, in the same time whatever its size. Without: version, platform, instruction set, threads.',
    )
    .argument('[file]', 'index file, corpus file (.tq), TinyQuant file (.tqcv) or codebook (.tqcb)');
  example(command, 'tinyquant info vectors.tq', 'tinyquant info --json');
  command.action(
    action(async (file: string | undefined) => {
      if (file === '-') throw usage('a compressed file is read in place: name a file instead of -');
      if (file !== undefined) {
        const { fileInfo } = await import('../index.js');
        const info = await fileInfo(session.reads(file)).catch((error: unknown) => {
          throw inFile(error, file);
        });
        await session.result({ file, ...info }, infoText(info), true);
        return;
      }
      const facts = await installation();
      const lines: [string, string][] = [
        ['tinyquant', facts.version],
        ['node', facts.node],
        ['platform', facts.platform],
        ...(facts.libc === null ? [] : [['libc', facts.libc] as [string, string]]),
        ['instruction set', facts.simd],
        ['threads', String(facts.threads)],
        ['processors', String(facts.cpus)],
      ];
      await session.result(facts, table(lines), true);
    }),
  );
}
