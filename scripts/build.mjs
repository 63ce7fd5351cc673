// npm run build [-- ci]: addon into native/, facade into dist/ and the committed typings.
import { main } from './lib.mjs';
import { setup } from './setup.mjs';

await main(() => setup({ profile: process.argv[2] ?? 'release' }));
