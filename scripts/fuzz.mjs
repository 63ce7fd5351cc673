// npm run fuzz [-- SECONDS] [TARGET...]: fuzzes every reader of bytes, or the named ones, from seeds made of the
// fixtures. What breaks a target stays in fuzz/artifacts with the command that shows it again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fuzzMissing, installFuzz } from './external.mjs';
import { main, root, run, Stop } from './lib.mjs';

const SECONDS = 60;
// An input that takes ten seconds or an allocation of 64 MB is a failure: readers bound both by the length of the input.
const LIMITS = ['-timeout=10', '-rss_limit_mb=2048', '-malloc_limit_mb=64'];
const fuzz = join(root, 'fuzz');
const golden = join(root, 'fixtures', 'golden', 'tinyquant');

/** Bytes of the golden files of a folder whose names end so. */
function files(folder, ending) {
  const names = readdirSync(join(golden, folder)).filter((name) => name.endsWith(ending));
  return names.map((name) => readFileSync(join(golden, folder, name)));
}

function level1() {
  const malformed = JSON.parse(readFileSync(join(golden, 'level1', 'rejections.json'), 'utf8'));
  return [...files('level1', '.bin'), ...malformed.map((each) => Buffer.from(each.hex, 'hex'))];
}

/** The golden files, and each cut down to two records. */
function tqcv() {
  return files('tqcv', '.tqcv').flatMap((bytes) => {
    const metadata = 24 + bytes.readUInt16LE(22);
    const body = Math.ceil((metadata + 4 + bytes.readUInt32LE(metadata)) / 8) * 8;
    const short = Buffer.from(bytes.subarray(0, body + 2 * (4 + bytes.readUInt32LE(body))));
    short.writeBigUInt64LE(2n, 8);
    return [bytes, short];
  });
}

function tqcb() {
  return [2, 4, 8].map((bits) => {
    const header = Buffer.from([...Buffer.from('TQCB'), 1, bits, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32LE(2 ** bits, 8);
    return Buffer.concat([header, readFileSync(join(golden, 'train', `codebook_d64_bw${bits}.f32.bin`))]);
  });
}

function npyHeader() {
  const first = readFileSync(join(root, 'fixtures', 'demo', 'vectors.f16.npy')).subarray(0, 128);
  const second = Buffer.concat([first.subarray(0, 10), Buffer.alloc(2), first.subarray(10)]);
  second[6] = 2;
  return [
    first,
    second,
    Buffer.from(first.toString('latin1').replace('<f2', '>f8').replace('False', 'True '), 'latin1'),
  ];
}

/** Files of a Rust example, without the zeros after each superblock; each with its checksums and without. */
function framed(kind) {
  const folder = join(root, 'target', 'fuzz-seeds', kind);
  mkdirSync(folder, { recursive: true });
  const example = ['run', '--profile', 'ci', '-p', 'tinyquant-store', '--example', 'fuzz_seeds', '--', folder, kind];
  if (!run('cargo', example)) throw new Stop(`The seeds of ${kind} files were not written`);
  return readdirSync(folder).flatMap((name) => {
    const bytes = readFileSync(join(folder, name));
    const parts = [bytes.subarray(0, 68), bytes.subarray(4096, 4096 + 68), bytes.subarray(2 * 4096)];
    return [0, 1].map((mode) => Buffer.concat([Buffer.of(mode), ...parts]));
  });
}

/** Stored tensors and files of them of a Rust example, each as either, as it is and with its checksums made good. */
function tensor() {
  const folder = join(root, 'target', 'fuzz-seeds', 'tensor');
  mkdirSync(folder, { recursive: true });
  const example = ['run', '--profile', 'ci', '-p', 'tinyquant-family', '--example', 'weight_seeds', '--', folder];
  if (!run('cargo', example)) throw new Stop('The seeds of stored tensors were not written');
  return readdirSync(folder).flatMap((name) =>
    [0, 1, 2, 3].map((mode) => Buffer.concat([Buffer.of(mode), readFileSync(join(folder, name))])),
  );
}

const lnmp = join(root, 'fixtures', 'golden', 'lnmp-quant');

/** What lnmp-quant 0.5.16 gave: for each short input and scheme one entry of the manifest, or what `take` makes of it. */
function lnmpResults(take) {
  const manifest = JSON.parse(readFileSync(join(lnmp, 'manifest.json'), 'utf8'));
  const short = manifest.cases.filter(({ dim }) => dim < 20);
  return short.flatMap(({ schemes }) => Object.values(schemes).map((scheme) => take(scheme)));
}

function lnmpSlice({ file, offset, bytes }) {
  return readFileSync(join(lnmp, file)).subarray(offset, offset + bytes);
}

/** Records, containers and changes of the manifest as bytes. */
function lnmpRecords() {
  const { records, delta } = JSON.parse(readFileSync(join(lnmp, 'manifest.json'), 'utf8'));
  const hex = [...records.map((each) => each.hex ?? each.frame_hex), ...delta.map((each) => each.encoded_hex ?? '')];
  return hex.map((each) => Buffer.from(each, 'hex'));
}

function lnmpText() {
  const { records } = JSON.parse(readFileSync(join(lnmp, 'manifest.json'), 'utf8'));
  const written = records.flatMap(({ text, text_hints, text_hints_checksums }) => [
    text,
    text_hints,
    text_hints_checksums,
  ]);
  const others = [
    'F1={F2=[{F3:b=1};{}];F4:fa=[1,2.5]}',
    'F5=QVD[QInt4,1,0,-0.5,f0,1]#00000000',
    'F6:s="a\\n\\"";# x\nF7=[a,"b"]',
  ];
  const lines = lnmpResults(({ text_f512_hint_checksum: line }) => line);
  return [...written, ...others, ...lines].filter((line) => line !== undefined).map((line) => Buffer.from(line));
}

/** Two rows of zeros for each kind of codec, whose checksum the target makes good. */
function quantizedRows() {
  const [dim, rows] = [13, 2];
  const kinds = [0, 1, 2, 5].flatMap((flags) => [1, 3, 8].map((bits) => [flags, bits]));
  return kinds.map(([flags, bits]) => {
    const sketch = flags % 2;
    const row = 4 + Math.ceil((dim * (bits - sketch)) / 8) + sketch * (4 + Math.ceil(dim / 8));
    const bytes = Buffer.alloc(1 + 32 + rows * row + 4);
    bytes.set([1, ...Buffer.from('TQTR'), 1, flags, bits, 0, dim]);
    bytes[1 + 24] = rows;
    return bytes;
  });
}

const SEEDS = {
  level1,
  tqcv,
  tqcb,
  npy_header: npyHeader,
  corpus_file: () => framed('corpus'),
  index_file: () => framed('index'),
  lnmp_binary: () => [...lnmpRecords(), ...lnmpResults(({ frame_f512: frame }) => lnmpSlice(frame))],
  lnmp_text: lnmpText,
  // A frame of one field begins with six bytes that are not the value's.
  quantized_value: () => lnmpResults(({ frame_f512: frame }) => lnmpSlice(frame).subarray(6)),
  tensor,
  quantized_rows: quantizedRows,
};

function seed(target) {
  const folder = join(fuzz, 'corpus', target);
  mkdirSync(folder, { recursive: true });
  for (const [i, bytes] of SEEDS[target]().entries()) writeFileSync(join(folder, `seed-${i}`), bytes);
}

/** Lines of libFuzzer that report each new input. */
const NOISE = /^#\d+\s+(NEW|REDUCE|RELOAD)|^\s+NEW_FUNC|^###### |# Uses: \d+$/;

/** Runs a target and returns whether it held. */
async function hold(target, seconds) {
  seed(target);
  const limits = [`-max_total_time=${seconds}`, ...LIMITS, '-print_final_stats=1'];
  const args = ['+nightly', 'fuzz', 'run', '--fuzz-dir', fuzz, target, '--', ...limits];
  const child = spawn('cargo', args, { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] });
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stderr })) {
    if (!NOISE.test(line)) console.log(line);
  }
  const [status] = await closed;
  return status === 0;
}

await main(async () => {
  const [first, ...rest] = process.argv.slice(2);
  const isTime = /^[1-9]\d*$/.test(first ?? '');
  const seconds = isTime ? Number(first) : SECONDS;
  const named = isTime || first === undefined ? rest : [first, ...rest];
  if (named.some((target) => SEEDS[target] === undefined)) {
    throw new Stop(`usage: npm run fuzz -- [SECONDS] [${Object.keys(SEEDS).join('|')}]...`);
  }
  const missing = fuzzMissing();
  if (missing !== null) throw new Stop(`${missing.reason}; install with: ${missing.install}`);
  installFuzz();

  if (!run('cargo', ['+nightly', 'fuzz', 'build', '--fuzz-dir', fuzz]))
    throw new Stop('The fuzz targets did not build');
  const broken = [];
  for (const target of named.length > 0 ? named : Object.keys(SEEDS)) {
    console.log(`\n--- ${target}, ${seconds} s`);
    if (!(await hold(target, seconds))) broken.push(target);
  }
  if (broken.length > 0) throw new Stop(`${broken.join(', ')}: see above and fuzz/artifacts`);
});
