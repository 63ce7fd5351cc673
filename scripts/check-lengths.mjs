// Checks that source files stay short enough to be read in one go.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { main, root, Stop } from './lib.mjs';

const LIMIT = 600;
const FOLDERS = { crates: ['.rs', '.c'], ts: ['.ts'], __test__: ['.ts'], benches: ['.rs', '.mjs'], scripts: ['.mjs'] };

await main(() => {
  const long = [];
  let count = 0;
  for (const [folder, extensions] of Object.entries(FOLDERS)) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      if (!extensions.includes(extname(name))) continue;
      const lines = readFileSync(join(root, folder, name), 'utf8').split('\n').length - 1;
      count += 1;
      if (lines > LIMIT) long.push(`${join(folder, name)} has ${lines} lines, more than ${LIMIT}`);
    }
  }
  if (long.length > 0) throw new Stop(long.join('\n'));
  console.log(`${count} files of at most ${LIMIT} lines`);
});
