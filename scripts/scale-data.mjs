// A Parquet data set of the embeddings in fixtures/demo or another .npy file, with the files that one process makes of it.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { root, Stop } from './lib.mjs';

export const cli = join(root, 'dist', 'cli.js');

/** Runs the command line and returns what it prints with --json. */
export function tinyquant(...words) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...words, '--json'], { maxBuffer: 1 << 28 });
  if (status !== 0) throw new Stop(`tinyquant ${words.join(' ')} failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** Number of the shard of an id, as examples/tinyquant_worker.py has it. */
export const shardOf = (id, shards) => crc32(id) % shards;

export const shardName = (shard, extension) => `part-${String(shard).padStart(5, '0')}${extension}`;

/** Reads rows of an .npy file. */
async function read(path, limit) {
  const { readVectors } = await import('../dist/io.js');
  const parts = [];
  let [rows, dimension] = [0, 0];
  for await (const batch of readVectors(path, limit === undefined ? {} : { limit })) {
    parts.push(batch.vectors);
    rows += batch.rows;
    dimension = batch.dimension;
  }
  const vectors = new Float32Array(rows * dimension);
  let at = 0;
  for (const part of parts) {
    vectors.set(part, at);
    at += part.length;
  }
  return { vectors, rows, dimension };
}

/** Writes chosen rows under their ids. */
async function write(path, { vectors, dimension }, chosen, name) {
  const { writeVectors } = await import('../dist/io.js');
  const values = new Float32Array(chosen.length * dimension);
  for (const [i, row] of chosen.entries()) {
    values.set(vectors.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  }
  const batch = { vectors: values, rows: chosen.length, dimension, ids: chosen.map(name) };
  await writeVectors(path, [batch], { overwrite: true });
}

/**
 * Makes a folder with: `data/`, the data set in several files; `all.parquet`, the same in one; `queries.parquet`;
 * `fit.tqi`, `codebook.tqcb` and `config.json`, made of the first rows.
 *
 * @returns the folder, and `part(shard, shards)`, which writes the rows of one shard into a file
 */
export async function makeData(folder, { vectors: file, queries: queryFile, files, count, limit }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'data'), { recursive: true });
  const rows = await read(file, limit);
  const name = (row) => `doc-${String(row).padStart(7, '0')}`;
  const all = Array.from({ length: rows.rows }, (_row, row) => row);
  const size = Math.ceil(rows.rows / files);
  for (let i = 0; i < files; i++) {
    await write(join(folder, 'data', `${i}.parquet`), rows, all.slice(i * size, (i + 1) * size), name);
  }
  await write(join(folder, 'all.parquet'), rows, all, name);
  const queries = await read(queryFile, count);
  const numbers = Array.from({ length: queries.rows }, (_row, row) => row);
  await write(join(folder, 'queries.parquet'), queries, numbers, (row) => `query-${String(row).padStart(5, '0')}`);
  const [coding, fit] = [join(folder, 'codebook.tqcb'), join(folder, 'fit.tqi')];
  tinyquant('train', file, '-o', coding, '--config-out', join(folder, 'config.json'), '--no-residual');
  const { seconds: fitSeconds } = tinyquant('index', file, '-o', fit, '--fit-only');
  const part = async (shard, shards) => {
    const path = join(folder, `rows-${shard}-of-${shards}.parquet`);
    const chosen = all.filter((row) => shardOf(name(row), shards) === shard);
    await write(path, rows, chosen, name);
    return path;
  };
  return { folder, rows: rows.rows, dimension: rows.dimension, queries: queries.rows, fitSeconds, part };
}

/** Names and bytes of the files of a folder. */
export function contents(folder) {
  return new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}
