import { defineConfig, type UserConfig } from 'tsdown';

const entries: Record<string, string> = {
  index: 'ts/index.ts',
  codec: 'ts/codec.ts',
  corpus: 'ts/corpus.ts',
  backend: 'ts/backend.ts',
  io: 'ts/io.ts',
  turboquant: 'ts/turboquant.ts',
  scalar: 'ts/scalar.ts',
  lnmp: 'ts/lnmp.ts',
  weights: 'ts/weights.ts',
  gpu: 'ts/gpu.ts',
  pgvector: 'ts/adapters/pgvector.ts',
  langchain: 'ts/langchain.ts',
};

/** The command line and what it loads: without typings, and not to be imported. */
const internal: Record<string, string> = {
  cli: 'ts/cli/index.ts',
  report: 'ts/report.ts',
};

const shared: UserConfig = {
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  outExtensions: () => ({ js: '.js', dts: '.d.ts' }),
  // The loaders of the addons stay files of their own: dist/ and ts/ both lie beside native/.
  deps: { neverBundle: [/\/native\/(?:binding|gpu)\.cjs$/, /^@tinyquant\/(?:native|gpu)-/, /^@langchain\/core\//] },
  hash: false,
  // scripts/facade.mjs empties dist/ before a build; the builds below write into it at the same time.
  clean: false,
  logLevel: 'error',
};

const config: UserConfig[] = defineConfig([
  // All entries in one build: they share their chunks, so that every class exists once.
  {
    ...shared,
    entry: { ...entries, ...internal },
    outDir: 'dist',
    outputOptions: { chunkFileNames: '[name].js' },
    dts: false,
  },
  // Typings one entry at a time: each comes out as one file without imports.
  ...Object.entries(entries).map(
    ([name, file]): UserConfig => ({
      ...shared,
      entry: { [name]: file },
      outDir: 'dist/types',
      dts: { emitDtsOnly: true, oxc: true },
    }),
  ),
]);

export default config;
