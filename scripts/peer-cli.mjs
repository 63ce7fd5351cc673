// node scripts/peer-cli.mjs: builds TinyQuant's own command line from the Rust registry into target/peer-cli, once.
import { existsSync } from 'node:fs';
import { PEER_VERSION, peerBinary, peerRoot } from './external.mjs';
import { main, run, Stop } from './lib.mjs';

await main(() => {
  if (existsSync(peerBinary)) {
    console.log(`tinyquant-cli ${PEER_VERSION} is in ${peerRoot}`);
    return;
  }
  console.log(`Building tinyquant-cli ${PEER_VERSION} (a few minutes)`);
  const args = ['install', '--version', PEER_VERSION, '--root', peerRoot, 'tinyquant-cli'];
  if (!run('cargo', [...args, '--locked'])) throw new Stop(`tinyquant-cli ${PEER_VERSION} did not build: see above`);
});
