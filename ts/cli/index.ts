#!/usr/bin/env node
import { run } from './program.js';
import { session } from './session.js';

session.listen();
void run(process.argv.slice(2)).then(async (code) => {
  process.exitCode = code;
  await session.close();
  // What was interrupted may have left an operation behind that cannot be called back, such as opening a pipe.
  if (session.signal.aborted) session.quit(code);
});
