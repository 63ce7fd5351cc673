// npm run test:pg: the tests of tinyquant/pgvector, on a PostgreSQL server that is started for them. TINYQUANT_TEST_PG
// or DATABASE_URL names another one.
import { main, root, Stop, tool } from './lib.mjs';
import { withServer } from './postgres.mjs';
import { setup } from './setup.mjs';

const SPECS = ['__test__/pgvector', '__test__/backend-conformance'];

await main(async () => {
  await setup();
  const test = (env) => tool('vitest', ['run', ...SPECS], { cwd: root, env });
  const given = process.env.TINYQUANT_TEST_PG ?? process.env.DATABASE_URL;
  const passed =
    given === undefined
      ? await withServer((url) => test({ TINYQUANT_TEST_PG: url, TINYQUANT_TEST_PG_OWN: '1' }))
      : test({});
  if (!passed) throw new Stop('Tests of tinyquant/pgvector failed');
});
