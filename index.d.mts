// Written by `npm run build` from ts/.
export * from './index.js';
