// npm run test:ray: examples/ray on a real cluster of two processes on this machine.
import { main } from './lib.mjs';
import { checkEngine } from './scale-check.mjs';

await main(() => checkEngine('ray'));
