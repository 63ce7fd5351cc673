/** Tests of the package that need the addon and nothing else of the repository's builds. */
export const SPECS = [
  'codec',
  'batch',
  'corpus',
  'storage',
  'search',
  'io',
  'errors',
  'worker',
  'turboquant',
  'lnmp',
  'weights.spec',
];
