import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, toFloats } from './golden.js';

export interface RealSet {
  readonly vectors: Float32Array;
  /** Digests of all records per configuration. */
  readonly digests: readonly RealDigest[];
}

export interface RealDigest {
  readonly bit_width: 2 | 4 | 8;
  readonly residual: boolean;
  readonly rotation: 'kc1024' | 'kc512';
  readonly record_len: number;
  readonly to_bytes_sha256: string;
  /** The first 32 reconstructions. */
  readonly reconstructed: Float32Array;
}

/** Values of a little-endian f32 .npy file of version 1. */
function readNpy(path: string): Float32Array {
  const bytes = new Uint8Array(readFileSync(path));
  const headerLength = new DataView(bytes.buffer).getUint16(8, true);
  return toFloats(bytes.subarray(10 + headerLength));
}

/** The path under `folder` whose last parts end in `suffix`, at most one folder down. */
function find(folder: string, suffix: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const names = readdirSync(folder, { withFileTypes: true });
  const file = names.find((entry) => entry.isFile() && entry.name.endsWith(suffix));
  if (file !== undefined) return join(folder, file.name);
  for (const entry of names.filter((candidate) => candidate.isDirectory())) {
    const nested = readdirSync(join(folder, entry.name)).find((name) => name.endsWith(suffix));
    if (nested !== undefined) return join(folder, entry.name, nested);
  }
  return undefined;
}

/** The 335 real embeddings of 1536 values with their digests, or the reason why they are not there. */
export function realSet(): RealSet | string {
  const folder = process.env.TINYQUANT_DATA ?? join(ROOT, '..', 'shared', 'data');
  const vectors = find(folder, '335x1536.npy');
  if (vectors === undefined) return `no *335x1536.npy in ${folder}: set TINYQUANT_DATA`;
  const reference = join(folder, '..', 'reference', 'tinyquant');
  const digests = find(reference, 'all335_digests.json');
  if (digests === undefined) return 'no all335_digests.json beside the data folder';
  const cases = JSON.parse(readFileSync(digests, 'utf8')) as RealDigest[];
  return {
    vectors: readNpy(vectors),
    digests: cases.map((digest) => {
      const name = `bw${digest.bit_width}_${digest.residual ? 'res' : 'nores'}_decompressed_first32.f32.bin`;
      return { ...digest, reconstructed: toFloats(new Uint8Array(readFileSync(join(dirname(digests), name)))) };
    }),
  };
}
