// Programs of a user: each does the main job once and prints what it found as one line of JSON.
import assert from 'node:assert/strict';
import { manifest } from '../platforms.mjs';

/** Entry points, as a user writes them. */
export const ENTRIES = Object.keys(manifest.exports)
  .filter((entry) => entry !== './package.json')
  .map((entry) => entry.replace(/^\./, manifest.name));

const ROW = 37;

/** Body of an async function over the names of the main entry point. */
const JOB = `
  const [dim, rows] = [16, 64];
  const vectors = Float32Array.from({ length: dim * rows }, (_, i) => Math.sin(i * i + 1));
  const query = vectors.subarray(${ROW} * dim, ${ROW + 1} * dim);
  const config = new CodecConfig({ bitWidth: 4, dimension: dim });
  const codec = new Codec();
  const codebook = codec.buildCodebook(vectors, config);
  const back = codec.decompress(codec.compress(query, config, codebook), config, codebook);
  const index = await SearchIndex.build(vectors, { dim });
  const hits = await index.search(query, { k: 3 });
  let code = '';
  try {
    new CodecConfig({ bitWidth: 4, dimension: 0 });
  } catch (error) {
    code = error instanceof TinyQuantError ? error.code : String(error);
  }
  const result = { version: version(), best: Number(hits.ids[0]), found: hits.length, length: back.length, code };
`;

const NAMES = 'Codec, CodecConfig, SearchIndex, TinyQuantError, version';

/** The job as an ES module. */
export const ESM = `
import { ${NAMES} } from 'tinyquant';
${JOB}
console.log(JSON.stringify(result));
`;

/** The job as a CommonJS module. */
export const CJS = `
const { ${NAMES} } = require('tinyquant');
async function main() {
  ${JOB}
  console.log(JSON.stringify(result));
}
main();
`;

/** The job as a function that a web route can call. */
export const FUNCTION = `
import { ${NAMES} } from 'tinyquant';
export async function job() {
  ${JOB}
  return result;
}
`;

/** The job in TypeScript, with the types that a user names. */
export const TYPESCRIPT = `
import { ${NAMES}, type Hits, type SearchResult } from 'tinyquant';
import { readVectors } from 'tinyquant/io';
import { MseCodec } from 'tinyquant/turboquant';
import { quantizeEmbedding } from 'tinyquant/scalar';
import { encodeRecord } from 'tinyquant/lnmp';
import { trainCodebook } from 'tinyquant/weights';
import { Codec as SameCodec } from 'tinyquant/codec';
async function main(): Promise<void> {
  ${JOB}
  const all: Hits<number> = hits;
  const first: SearchResult | undefined = [...all].map(({ id, score }) => ({ vectorId: String(id), score }))[0];
  const entries: unknown[] = [readVectors, MseCodec, quantizeEmbedding, encodeRecord, trainCodebook, first];
  const same: boolean = SameCodec === Codec && entries.every((entry) => entry !== undefined);
  if (!same) throw new Error('an entry point lacks a name, or has a class of its own');
  console.log(JSON.stringify(result));
}
void main();
`;

/** Checks what the job printed on its last line. */
export function expectResult(output) {
  const line = output.trim().split('\n').at(-1);
  assert.deepEqual(JSON.parse(line), {
    version: manifest.version,
    best: ROW,
    found: 3,
    length: 16,
    code: 'ERR_TQ_INVALID_ARG',
  });
}
