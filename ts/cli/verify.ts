import type { Command } from 'commander';
import { inFile } from './codebook-file.js';
import { usage } from './failure.js';
import { example } from './options.js';
import { grouped } from './progress.js';
import { action, session } from './session.js';

/** `tinyquant verify` */
export function registerVerify(program: Command): void {
  const command = program
    .command('verify')
    .summary('read all of a file and check it')
    .description(
      'Reads all of an index file, corpus file (.tq), TinyQuant file (.tqcv) or codebook (.tqcb): structure and, where\n' +
        'there are any, checksums. Exit code 3 and the first fault where something is wrong.',
    )
    .argument('<file>', 'file to check');
  example(command, 'tinyquant verify vectors.tq');
  command.action(
    action(async (file: string) => {
      if (file === '-') throw usage('a compressed file is read in place: name a file instead of -');
      const { verifyFile } = await import('../index.js');
      session.reads(file);
      const startedAt = performance.now();
      const bar = await session.progress('verify', 100, '%');
      const info = await verifyFile(file, {
        signal: session.signal,
        onProgress: ({ done, total }) => bar.update(total === 0 ? 0 : (100 * done) / total),
      })
        .catch((error: unknown) => {
          throw inFile(error, file);
        })
        .finally(() => bar.stop());
      const seconds = (performance.now() - startedAt) / 1000;
      const count = info.vectorCount ?? info.entries ?? 0;
      const what = info.vectorCount === undefined ? 'codebook entries' : 'vectors';
      await session.result(
        { file, ok: true, ...info, seconds },
        `${file}: ok, ${grouped(count)} ${what}, ${grouped(info.sizeBytes)} bytes read in ${seconds.toFixed(2)} s`,
        false,
      );
    }),
  );
}
