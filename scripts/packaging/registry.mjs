// A registry of packed tarballs on this machine, which serves these packages and nothing else.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename } from 'node:path';

const hash = (algorithm, bytes, encoding) => createHash(algorithm).update(bytes).digest(encoding);

/** What a registry says about a package of one version. */
function document({ tarball, manifest }, origin) {
  const bytes = readFileSync(tarball);
  const dist = {
    tarball: `${origin}/-/${basename(tarball)}`,
    integrity: `sha512-${hash('sha512', bytes, 'base64')}`,
    shasum: hash('sha1', bytes, 'hex'),
  };
  const { name, version } = manifest;
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    time: { [version]: '2020-01-01T00:00:00.000Z' },
  };
}

/**
 * Starts the registry on a free port.
 *
 * @param packages `{ tarball, manifest }` of each
 * @returns its `url`, the names that were asked for but are not served, and `close`
 */
export async function startRegistry(packages) {
  const unknown = new Set();
  const byName = new Map(packages.map((each) => [each.manifest.name, each]));
  const byFile = new Map(packages.map((each) => [basename(each.tarball), each]));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1);
    const origin = `http://127.0.0.1:${server.address().port}`;
    const file = byFile.get(path.replace(/^-\//, ''));
    // A package's document, or that of one version.
    const [, name, version] = /^((?:@[^/]+\/)?[^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
    const named = byName.get(name);
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(readFileSync(file.tarball));
    } else if (named !== undefined) {
      const whole = document(named, origin);
      const answer = version === undefined ? whole : whole.versions[whole['dist-tags'][version] ?? version];
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? null));
    } else {
      if (!path.startsWith('-/')) unknown.add(path);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    unknown: () => [...unknown],
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
