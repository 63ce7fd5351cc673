import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    // A child process per file: an addon in a worker thread is torn down with the thread.
    pool: 'forks',
    include: ['__test__/**/*.spec.ts'],
    testTimeout: 60_000,
    server: {
      deps: {
        // The built package loads through Node itself, as it does for a user.
        external: [/\/index\.m?js$/, /\/dist\//, /\/native\//],
      },
    },
  },
});

export default config;
