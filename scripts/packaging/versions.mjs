// Versions of what the cases install beside the package.
export const VERSIONS = {
  Bun: '1.4.5',
  Deno: '2.9.6',
  '@yarnpkg/cli-dist': '4.18.1',
  esbuild: '0.28.2',
  next: '16.4.6',
  pnpm: '12.21.0',
  react: '19.3.1',
  'react-dom': '19.3.1',
  typescript: '7.0.2',
  vite: '8.3.8',
  webpack: '5.112.2',
  'webpack-cli': '6.0.1',
  yarn: '1.22.22',
};

/** Names with their versions, as a package manager takes them. */
export const pinned = (...names) => names.map((name) => `${name}@${VERSIONS[name]}`);
