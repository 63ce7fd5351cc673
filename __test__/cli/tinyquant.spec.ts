import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBytes, readFloats, readJson } from '../helpers/golden.js';
import { cli, folder, npy, ok } from './cli.js';

interface Run {
  readonly args: string[];
  readonly note: string;
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

const path = folder();
const cwd = path('');
const runs = readJson<Run[]>('cli/runs.json');

/** Exit codes that are not TinyQuant's, by command line: it answers 70 to whatever fails after parsing. */
const USAGE = 'wrong usage';
const DATA = 'bad data or file';
const READ = 'read here';
const DEVIATIONS: Readonly<Record<string, { readonly exit: number; readonly why: string }>> = Object.fromEntries(
  (
    [
      [DATA, 'corpus search --corpus bw4_res.tqcv --query q2.npy'],
      [
        USAGE,
        'corpus search --corpus bw4_res.tqcv --query q.f32 --config-json cfg4.json --codebook cb4.tqcb --top-k 0',
      ],
      [DATA, 'corpus search --corpus bw4_res.tqcv --query x3.f32'],
      [DATA, 'corpus search --corpus bw4_res.tqcv --query q.f32 --config-json cfg4n.json'],
      [USAGE, 'corpus search --corpus bw4_res.tqcv --query q.f32'],
      [DATA, 'corpus search --corpus bw4_res.tqcv --query none.f32'],
      [DATA, 'verify none'],
      [DATA, 'verify x.npy'],
      [DATA, 'verify q.f32'],
      [DATA, 'verify unsorted.tqcb'],
      [DATA, 'verify short.tqcb'],
      [DATA, 'verify n.tqcb'],
      [DATA, 'verify v.tqcb'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input train.f32 --rows 499'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input none.f32'],
      [USAGE, 'codec train --output t.tqcb --seed 1 --input train.f32 --rows 500 --cols 64 --bit-width 3'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input x.npy --format npy --rows 10'],
      [READ, 'codec train --output t.tqcb --seed 1 --input x64.npy'],
      [READ, 'codec train --output t.tqcb --seed 1 --input xf.npy'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input const.f32'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input a.csv'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input b.csv'],
      [DATA, 'codec train --output t.tqcb --seed 1 --input d.jsonl'],
      [READ, 'codec train --output t.tqcb --seed 1 --input e.jsonl'],
      [USAGE, 'codec compress --output o.tqcv --input x.f32 --config-json cfg4.json --codebook cb4.tqcb'],
      [
        USAGE,
        'codec compress --output o.tqcv --input x.f32 --rows 200 --cols 64 --config-json cfg4.json --codebook cb4.tqcb --threads 0',
      ],
      [USAGE, 'codec compress --output o.tqcv --input x.f32 --rows 400 --cols 32'],
      [DATA, 'codec compress --output o.tqcv --input x.f32 --rows 200 --cols 64 --config-json cfg2.json'],
      [DATA, 'codec compress --output o.tqcv --input x.f32 --rows 200 --cols 64 --config-json c.jsonl'],
      [DATA, 'codec compress --output o.tqcv --input x.f32 --rows 200 --cols 64 --config-json none.json'],
      [USAGE, 'corpus ingest --input x.f32 --rows 200 --cols 64 --corpus-path i.tqcv --policy compress'],
      [USAGE, 'corpus ingest --input x.f32 --rows 200 --cols 64 --corpus-path i.tqcv --policy fp16'],
      [USAGE, 'corpus ingest --input x.f32 --rows 200 --cols 64 --corpus-path i.tqcv --policy passthrough'],
      [USAGE, 'corpus decompress --corpus-path i.tqcv --output id.f32'],
      [DATA, 'codec decompress --input cb4.tqcb'],
      [DATA, 'codec decompress --input bw2_res.tqcv --output id.f32 --config-json cfg4.json'],
    ] as const
  ).map(([why, line]) => [line, { exit: { [USAGE]: 2, [DATA]: 3, [READ]: 0 }[why], why }]),
);

/** Files TinyQuant accepts and this package refuses, or the other way round, where TinyQuant's exit code is 0 or 2. */
const STRICTER: Readonly<Record<string, { readonly exit: number; readonly why: string }>> = {
  'verify hostile.tqcb': { exit: 3, why: 'no configuration has three bits' },
  'verify rsv.tqcb': { exit: 3, why: 'reserved bytes are lost when the codebook is written again' },
  'verify trail.tqcb': { exit: 3, why: 'trailing bytes are lost when the codebook is written again' },
};

/** The longest entry of the table that a command line begins with. */
function expectation(run: Run): number {
  const line = run.args.join(' ');
  const stricter = STRICTER[line];
  if (stricter !== undefined) return stricter.exit;
  if (run.exit !== 70) return run.exit;
  const found = Object.keys(DEVIATIONS)
    .filter((prefix) => line === prefix || line.startsWith(`${prefix} `))
    .sort((a, b) => b.length - a.length)[0];
  if (found === undefined) throw new Error(`no exit code for: ${line}`);
  return DEVIATIONS[found]?.exit ?? -1;
}

const vectors = readFloats('d64/vectors_n200.f32.bin');
const training = readFloats('train/train_n500_d64.f32.bin');
const query = readFloats('search/queries_n10.f32.bin').slice(0, 64);
const chosen = Float32Array.from([2, 4, 5].flatMap((row) => [...vectors.subarray(row * 64, (row + 1) * 64)]));

function bytes(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** An .npy file with another element type or order than the usual. */
function otherNpy(description: string, fortran: boolean, data: Uint8Array): Buffer {
  const text = `{'descr': '${description}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (200, 64), }`;
  const header = Buffer.from(`\u0093NUMPY\u0001\u0000\u0000\u0000${text.padEnd(117)}\n`, 'latin1');
  header.writeUInt16LE(118, 8);
  return Buffer.concat([header, data]);
}

function tqcb(bits: number, entries: readonly number[], change: (file: Buffer) => Buffer = (file) => file): Buffer {
  const header = Buffer.from([0x54, 0x51, 0x43, 0x42, 1, bits, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(entries.length, 8);
  return change(Buffer.concat([header, bytes(Float32Array.from(entries))]));
}

beforeAll(() => {
  const transposed = Float32Array.from(
    { length: vectors.length },
    (_, i) => vectors[(i % 200) * 64 + Math.floor(i / 200)] ?? 0,
  );
  const files: Record<string, string | Uint8Array> = {
    'train.f32': bytes(training),
    'x.f32': bytes(vectors),
    'x3.f32': bytes(chosen),
    'q.f32': bytes(query),
    'const.f32': bytes(new Float32Array(640).fill(0.5)),
    'x.npy': npy(vectors, 64),
    'q.npy': npy(query, 64),
    'q2.npy': npy(vectors.slice(0, 128), 64),
    'x64.npy': otherNpy('<f8', false, bytes(Float64Array.from(vectors))),
    'xf.npy': otherNpy('<f4', true, bytes(transposed)),
    'a.csv': '1,2\n3,x\n',
    'b.csv': '1,2\n3\n',
    'c.jsonl': '{"id":"a","vector":[1,2]}\n{"id":"b","vector":[3,4]}\n',
    'd.jsonl': '{"id":"a","vector":[1,2]}\n{"id":"b","vector":[3]}\n',
    'e.jsonl': '{"vector":[1,2]}\n{"vector":[3,4]}\n',
    'c8.json': readBytes('cli/config_bw8.json'),
    'cfg4n.json': '{"bit_width":4,"seed":42,"dimension":64,"residual_enabled":false,"config_hash":""}',
    'hostile.tqcb': tqcb(3, [0, 1, 2, 3, 4, 5, 6, 7]),
    'rsv.tqcb': tqcb(2, [0, 1, 2, 3], (file) =>
      Buffer.concat([file.subarray(0, 6), Buffer.from([9, 9]), file.subarray(8)]),
    ),
    'unsorted.tqcb': tqcb(2, [0, 2, 1, 3]),
    'short.tqcb': tqcb(2, [0, 1, 2, 3], (file) => file.subarray(0, file.length - 3)),
    'n.tqcb': tqcb(2, [0, 1, 2, 3, 4]),
    'v.tqcb': tqcb(2, [0, 1, 2, 3], (file) => Buffer.concat([file.subarray(0, 4), Buffer.from([2]), file.subarray(5)])),
    'trail.tqcb': tqcb(2, [0, 1, 2, 3], (file) => Buffer.concat([file, Buffer.from([1])])),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
});

const read = (name: string): Buffer => readFileSync(path(name));

describe('recorded invocations of TinyQuant', () => {
  it('every deviation is of a recorded invocation', () => {
    const lines = runs.map((run) => run.args.join(' '));
    for (const prefix of [...Object.keys(DEVIATIONS), ...Object.keys(STRICTER)]) {
      expect(
        lines.some((line) => line === prefix || line.startsWith(`${prefix} `)),
        prefix,
      ).toBe(true);
    }
  });

  it.each(runs.map((run, i) => [i, run.args.join(' '), run] as const))('%i: tinyquant %s', async (_, line, run) => {
    // The sidecar some runs were given was written for them.
    const residual = /residual_enabled=(True|False)/.exec(run.note)?.[1];
    if (residual !== undefined) {
      const bits = /cb(\d)\.tqcb/.exec(line)?.[1] ?? '';
      const text = readBytes(`cli/config_bw${bits}.json`).toString();
      expect(text).not.toBe('');
      const sidecar = JSON.parse(Buffer.from(readBytes(`cli/config_bw${bits}.json`)).toString()) as object;
      writeFileSync(
        path('c.json'),
        JSON.stringify({ ...sidecar, residual_enabled: residual === 'True', config_hash: undefined }),
      );
    }
    const { code, stdout, stderr } = await cli(['--log', 'error', '--no-progress', ...run.args], { cwd });
    expect({ code, stderr: code === 0 ? stderr : '' }).toEqual({ code: expectation(run), stderr: '' });
    if (run.args.length === 0 || line === 'codec') expect(`${stdout}${stderr}`).toContain('Usage: tinyquant');
    else if (code === 0 && line !== '--version') expect(stdout).toBe(run.stdout);
    else if (code !== 0) {
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^error: [^\n]+\n$/);
    }

    const output = /--output (\S+)/.exec(line)?.[1] ?? '';
    if (code === 0 && /^cb\d\.tqcb$/.test(output)) {
      const bits = output[2];
      expect(read(output)).toEqual(Buffer.from(readBytes(`cli/codebook_bw${bits}.tqcb`)));
      expect(read(`cfg${bits}.json`)).toEqual(Buffer.from(readBytes(`cli/config_bw${bits}.json`)));
    }
    if (['bw2_nores.tqcv', 'bw4_nores.tqcv', 'bw4_res.tqcv'].includes(output)) {
      expect(read(output)).toEqual(Buffer.from(readBytes(`tqcv/d64_${output}`)));
    }
    const rows = /^o\.(f32|npy|csv|jsonl)$/.exec(output)?.[1];
    if (rows !== undefined) compareRows(rows, read(output));
  });
});

/** Compares reconstructed rows with what TinyQuant wrote. */
function compareRows(format: string, file: Buffer): void {
  const golden = Buffer.from(readBytes(`cli/decompressed_rows_2_4_5_bw8_res.${format}`));
  if (format === 'csv') {
    // TinyQuant stops after nine decimals; the digits here are those that read back as the same floats.
    const numbers = (text: string): number[][] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(',').map(Number));
    const [ours, theirs] = [numbers(file.toString()), numbers(golden.toString())];
    const exact = new Float32Array(Uint8Array.from(readBytes('cli/decompressed_rows_2_4_5_bw8_res.f32')).buffer);
    expect(ours.flat().map(Math.fround)).toEqual([...exact]);
    expect(theirs.map((row) => row.length)).toEqual([64, 64, 64]);
    expect(file.toString().endsWith('\n')).toBe(golden.toString().endsWith('\n'));
    for (const [row, values] of ours.entries()) {
      for (const [column, value] of values.entries())
        expect(Math.fround(value).toFixed(9)).toBe((theirs[row]?.[column] ?? Number.NaN).toFixed(9));
    }
  } else expect(file).toEqual(golden);
}

describe('TinyQuant formats', () => {
  it('read back as the same floats from every format they were written in', async () => {
    for (const format of ['f32', 'npy', 'csv', 'jsonl']) {
      const args = ['--config-json', 'cfg8.json', '--codebook', 'cb8.tqcb', '--format', format];
      await ok(['codec', 'decompress', '--input', 'x3.tqcv', '--output', `again.${format}`, ...args], { cwd });
      await ok(
        [
          'codec',
          'compress',
          '--input',
          `again.${format}`,
          '--rows',
          '3',
          '--cols',
          '64',
          '--output',
          `${format}.tqcv`,
          ...args,
        ],
        { cwd },
      );
      expect(read(`${format}.tqcv`), format).toEqual(read('f32.tqcv'));
    }
  });

  it('a corpus file of any policy takes the place of a TQCV file', async () => {
    for (const policy of ['fp16', 'passthrough']) {
      const file = `${policy}.tq`;
      await ok(
        [
          'corpus',
          'ingest',
          '--input',
          'x.f32',
          '--rows',
          '200',
          '--cols',
          '64',
          '--corpus-path',
          file,
          '--policy',
          policy,
        ],
        { cwd },
      );
      await ok(['corpus', 'decompress', '--corpus-path', file, '--output', 'back.f32'], { cwd });
      expect(read('back.f32')).toHaveLength(200 * 64 * 4);
      if (policy === 'passthrough') expect(read('back.f32')).toEqual(read('x.f32'));
      const { stdout } = await ok(
        ['corpus', 'search', '--corpus', file, '--query', 'q.f32', '--top-k', '2', '--format', 'csv'],
        { cwd },
      );
      expect(stdout).toMatch(/^rank,id,score\n1,57,0\.\d{9}\n2,\d+,0\.\d{9}\n$/);
    }
  });

  it('a sidecar whose hash is wrong is used with a warning', async () => {
    const config = JSON.parse(read('cfg4.json').toString()) as object;
    writeFileSync(path('wrong.json'), JSON.stringify({ ...config, config_hash: '00' }));
    const args = [
      'codec',
      'compress',
      '--input',
      'x.f32',
      '--rows',
      '200',
      '--cols',
      '64',
      '--codebook',
      'cb4.tqcb',
      '--output',
      'w.tqcv',
    ];
    const { code, stderr } = await cli([...args, '--config-json', 'wrong.json'], { cwd });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: wrong\.json: config_hash is not that of the other fields/);
    expect(read('w.tqcv')).toEqual(Buffer.from(readBytes('tqcv/d64_bw4_res.tqcv')));
  });

  it('a seed beyond 2^53 survives the sidecar', async () => {
    const args = ['codec', 'train', '--input', 'train.f32', '--rows', '500', '--cols', '64', '--bit-width', '2'];
    await ok([...args, '--seed', '18446744073709551615', '--output', 's.tqcb', '--config-out', 's.json'], { cwd });
    expect(read('s.json').toString()).toContain('"seed": 18446744073709551615,');
    const compress = [
      'codec',
      'compress',
      '--input',
      'x.f32',
      '--rows',
      '200',
      '--cols',
      '64',
      '--config-json',
      's.json',
      '--codebook',
      's.tqcb',
    ];
    const { code, stderr } = await cli([...compress, '--output', 's.tqcv', '--log', 'warn'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
