// npm run bench:pg [-- --record FILE]: ingest, size, recall and time of tinyquant/pgvector on a PostgreSQL server that is
// started for it, beside SearchIndex.
import { join } from 'node:path';
import { main, root, run, Stop } from './lib.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  await setup({ profile: 'release' });
  const bench = join(root, 'benches', 'node', 'pgvector.bench.mjs');
  if (!run(process.execPath, [bench, ...process.argv.slice(2)])) throw new Stop('The bench failed');
});
