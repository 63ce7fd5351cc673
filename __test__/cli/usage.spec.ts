import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { normals } from '../helpers/data.js';
import { ROOT } from '../helpers/golden.js';
import { BIN, cli, failure, folder, json, npy, ok, terminal } from './cli.js';

const path = folder();
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

const COMMANDS = [
  ['train'],
  ['compress'],
  ['decompress'],
  ['info'],
  ['verify'],
  ['search'],
  ['recall'],
  ['convert'],
  ['ingest'],
  ['report'],
  ['bench'],
  ['worker'],
  ['worker', 'compress'],
  ['worker', 'decompress'],
  ['worker', 'search'],
  ['completion'],
  ['doctor'],
  ['codec'],
  ['codec', 'train'],
  ['codec', 'compress'],
  ['codec', 'decompress'],
  ['corpus'],
  ['corpus', 'ingest'],
  ['corpus', 'decompress'],
  ['corpus', 'search'],
];

describe('the program', () => {
  it('is a file that can be run', () => {
    const text = readFileSync(BIN, 'utf8');
    expect(text.startsWith('#!/usr/bin/env node\n')).toBe(true);
    if (process.platform !== 'win32') expect(statSync(BIN).mode & 0o111).toBe(0o111);
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: Record<string, string> };
    expect(manifest.bin).toEqual({ tinyquant: 'dist/cli.js' });
  });

  it('works where nothing else is installed', async () => {
    for (const name of ['dist', 'native'])
      cpSync(join(BIN, '..', '..', name), path(join('alone', name)), { recursive: true, dereference: true });
    writeFileSync(path('alone.npy'), npy(Float32Array.of(1, 2, 3, 4, 5, 6), 3));
    const bin = path(join('alone', 'dist', 'cli.js'));
    for (const [from, to] of [
      ['npy', 'parquet'],
      ['parquet', 'arrow'],
      ['arrow', 'jsonl'],
    ]) {
      await ok(['convert', path(`alone.${from}`), '-o', path(`alone.${to}`)], { bin, cwd: path('alone') });
    }
    expect(readFileSync(path('alone.jsonl'), 'utf8')).toBe('{"vector":[1,2,3]}\n{"vector":[4,5,6]}\n');
    expect((await ok(['info'], { bin, cwd: path('alone') })).stdout).toContain(version);
  });

  it('does not load the addon for help, version and completions', async () => {
    const env = { TINYQUANT_NATIVE_PATH: path('absent.node') };
    for (const args of [['--help'], ['--version'], ['completion', 'bash'], ['compress', '--help']]) {
      await ok(args, { env });
    }
    const { code, stderr } = await cli(['bench'], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: The native addon of tinyquant could not be loaded .*tinyquant doctor\)\n$/);
  });

  it('prints its version', async () => {
    for (const flag of ['--version', '-V']) expect((await ok([flag])).stdout).toBe(`tinyquant ${version}\n`);
  });

  it('shows help on standard output and exits 2 without a command', async () => {
    const { code, stdout, stderr } = await cli([]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    for (const [name = ''] of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect((await cli(['--log', 'error', '--no-progress'])).code).toBe(2);
  });

  it.each(COMMANDS.map((words) => [words.join(' ')]))('%s --help exits 0 and has an example', async (words) => {
    const { stdout, stderr } = await ok([...words.split(' '), '--help']);
    expect(stdout).toMatch(new RegExp(`^Usage: tinyquant ${words}`));
    expect(stdout).toMatch(new RegExp(`^Examples?:\\n {2}\\$ .*tinyquant ${words}`, 'm'));
    expect(stdout).toContain('--json');
    expect(stderr).toBe('');
  });
});

describe('wrong usage', () => {
  it.each([
    [['compres'], /^error: unknown command 'compres' \(Did you mean compress\?\)\n$/],
    [
      ['compress', 'x.npy', '-o', 'y.tq', '--no-residul'],
      /^error: unknown option '--no-residul' \(Did you mean --no-residual\?\)\n$/,
    ],
    [['compress', 'x.npy'], /^error: required option '-o, --output <file>' not specified\n$/],
    [['compress', '-o', 'y.tq'], /^error: missing required argument 'input'\n$/],
    [['verify', 'a.tq', 'b.tq'], /^error: too many arguments.*\n$/],
    [['compress', 'x.npy', '-o', 'y.tq', '--bits', '3'], /^error: .*'3' is invalid\. Expected 2, 4 or 8\.\n$/],
    [['compress', 'x.npy', '-o', 'y.tq', '--seed', '-1'], /^error: .*2\^64 - 1\.\n$/],
    [['compress', 'x.npy', '-o', 'y.tq', '--seed', '18446744073709551616'], /^error: .*2\^64 - 1\.\n$/],
    [
      ['compress', 'x.npy', '-o', 'y.tq', '--policy', 'zip'],
      /^error: .*Allowed choices are compress, passthrough, fp16\.\n$/,
    ],
    [['search', 'x.tq', '--query', 'q.npy', '--top-k', '0'], /^error: .*at least 1|^error: .*from 1 to .*\n$/],
    [['bench', '--threads', '0'], /^error: .*from 1 to 1024\.\n$/],
    [['info', '-'], /^error: a compressed file is read in place: name a file instead of -\n$/],
    [['verify', '-'], /^error: a compressed file is read in place: name a file instead of -\n$/],
    [['decompress', '-', '-o', 'x.npy'], /^error: a compressed file is read in place: name a file instead of -\n$/],
    [['worker', 'compress'], /^error: required option '--codebook <file>' not specified\n$/],
    [['completion', 'tcsh'], /^error: .*Allowed choices are bash, zsh, fish, powershell\.\n$/],
  ])('%j exits 2', async (args, message) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('is reported as JSON in --json mode', async () => {
    const error = await failure(['compres']);
    expect(error).toEqual({
      exit: 2,
      code: 'ERR_TQ_INVALID_ARG',
      message: "unknown command 'compres' (Did you mean compress?)",
      details: {},
    });
  });

  it('colours the word error where a terminal or the user asks for it', async () => {
    const red = '\u001b[31;1merror:\u001b[0m';
    expect((await cli(['compres'])).stderr).toMatch(/^error:/);
    expect((await cli(['compres'], { env: { FORCE_COLOR: '1' } })).stderr.startsWith(red)).toBe(true);
    expect((await cli(['compres'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stderr).toMatch(/^error:/);
    const node = terminal('stderr');
    expect((await cli(['compres'], { node, env: { TERM: 'xterm' } })).stderr.startsWith(red)).toBe(true);
    expect((await cli(['compres'], { node, env: { TERM: 'xterm', NO_COLOR: '1' } })).stderr).toMatch(/^error:/);
    expect((await cli(['compres'], { node, env: { TERM: 'dumb' } })).stderr).toMatch(/^error:/);
  });

  it('shows a stack only when asked to', async () => {
    const args = ['info', path('absent.tq')];
    expect((await cli(args)).stderr.split('\n')).toHaveLength(2);
    const { code, stderr } = await cli([...args, '--log', 'debug']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/\n {4}at /);
    expect((await cli(args, { env: { TINYQUANT_LOG: 'debug' } })).stderr).toMatch(/\n {4}at /);
  });
});

describe('completions', () => {
  it('are the same by command and by option', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { stdout } = await ok(['completion', shell]);
      expect((await ok(['--generate-completion', shell])).stdout).toBe(stdout);
      for (const word of ['compress', 'lloyd-max', 'passthrough']) expect(stdout).toContain(word);
      const result = await json(['completion', shell]);
      expect(Object.keys(result)).toEqual(['shell', 'script']);
      expect(result.shell).toBe(shell);
    }
    expect((await cli(['--generate-completion', 'tcsh'])).code).toBe(2);
  });

  /** What a shell would offer after some words. */
  const offers = (words: readonly string[]): string[] => {
    const script = `source ${path('completion.bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tinyquant; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: path('') })
      .trim()
      .split('\n');
  };

  it.runIf(process.platform !== 'win32')('complete commands, options and choices in bash', async () => {
    writeFileSync(path('completion.bash'), (await ok(['completion', 'bash'])).stdout);
    expect(offers(['tinyquant', 'comp'])).toEqual(['compress', 'completion']);
    expect(offers(['tinyquant', 'worker', 'sea'])).toEqual(['search']);
    expect(offers(['tinyquant', 'compress', '--no-res'])).toEqual(['--no-residual']);
    expect(offers(['tinyquant', 'compress', 'x.npy', '--policy', ''])).toEqual(['compress', 'passthrough', 'fp16']);
    expect(offers(['tinyquant', 'completion', 'z'])).toEqual(['zsh']);
    expect(offers(['tinyquant', 'verify', 'compl'])).toEqual(['completion.bash']);
    expect(offers(['tinyquant', '--j'])).toEqual(['--json']);
  });
});

describe('the manual page', () => {
  it('names every command and exit code', async () => {
    const { stdout } = await ok(['--generate-man']);
    expect(stdout).toMatch(/^\.TH TINYQUANT 1 /);
    for (const words of COMMANDS) expect(stdout).toContain(`.SS "tinyquant ${words.join(' ')}"`);
    for (const code of [0, 1, 2, 3, 130]) expect(stdout).toContain(`.B ${code}\n`);
  });
});

describe('info without a file', () => {
  it('tells what is installed', async () => {
    const info = await json(['info']);
    expect(Object.keys(info)).toEqual(['version', 'node', 'platform', 'libc', 'simd', 'threads', 'cpus']);
    expect(info).toMatchObject({ version, node: process.versions.node });
    const { stdout } = await ok(['info', '--threads', '3']);
    expect(stdout).toMatch(/^threads: +3$/m);
    expect(stdout).toMatch(new RegExp(`^tinyquant: +${version.replaceAll('.', '\\.')}$`, 'm'));
    expect((await json(['info'], { env: { TINYQUANT_SIMD: 'scalar' } })).simd).toBe('scalar');
  });
});

describe('doctor', () => {
  it('finds everything in order', async () => {
    const { ok: fine, checks } = await json<{ ok: boolean; checks: Record<string, unknown>[] }>(['doctor']);
    expect(fine).toBe(true);
    for (const check of checks) expect(Object.keys(check)).toEqual(['name', 'ok', 'optional', 'detail']);
    expect(checks.map((check) => check.name)).toEqual(
      expect.arrayContaining([
        'platform',
        'node',
        'addon',
        'codec',
        'simd',
        'threads',
        'temporary folder',
        'platform package',
      ]),
    );
    const { stdout } = await ok(['doctor']);
    expect(stdout).toMatch(/^addon: +ok +\S+\.node \(/m);
  });

  it('exits 1 where the addon does not load, and says why', async () => {
    const absent = path('absent.node');
    const { code, stdout } = await cli(['doctor', '--json'], { env: { TINYQUANT_NATIVE_PATH: absent } });
    expect(code).toBe(1);
    const { ok: fine, checks } = JSON.parse(stdout) as {
      ok: boolean;
      checks: { name: string; ok: boolean; detail: string }[];
    };
    expect(fine).toBe(false);
    const addon = checks.find((check) => check.name === 'addon');
    expect(addon?.ok).toBe(false);
    expect(addon?.detail).toContain(absent);
  });

  it('exits 1 where nothing can be written to the temporary folder', async () => {
    const { code, stdout } = await cli(['doctor'], {
      env: { TMPDIR: path('nowhere'), TEMP: path('nowhere'), TMP: path('nowhere') },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^temporary folder: +FAULT/m);
  });
});

describe('bench', () => {
  it('times the codec on random vectors', async () => {
    const result = await json<Record<string, Record<string, number>>>([
      'bench',
      '--rows',
      '300',
      '--dimension',
      '32',
      '--runs',
      '1',
      '--queries',
      '5',
    ]);
    expect(Object.keys(result)).toEqual([
      'version',
      'simd',
      'threads',
      'rows',
      'dimension',
      'bitWidth',
      'residual',
      'bytesPerVector',
      'runs',
      'compress',
      'decompress',
      'search',
    ]);
    expect(result).toMatchObject({ rows: 300, dimension: 32, bitWidth: 4, residual: true, runs: 1 });
    expect(Object.keys(result.compress ?? {})).toEqual(['seconds', 'vectorsPerSecond']);
    expect(Object.keys(result.decompress ?? {})).toEqual(['seconds', 'vectorsPerSecond']);
    expect(Object.keys(result.search ?? {})).toEqual(['seconds', 'queries', 'queriesPerSecond', 'vectorsPerSecond']);
    for (const part of ['compress', 'decompress', 'search']) expect(result[part]?.vectorsPerSecond).toBeGreaterThan(0);
    const given = normals(60 * 8);
    given[5 * 8] = Number.NaN;
    writeFileSync(path('given.npy'), npy(given, 8));
    const bench = ['bench', path('given.npy'), '--runs', '1', '--bits', '2'];
    expect(await json([...bench, '--skip-bad'])).toMatchObject({ rows: 59, dimension: 8 });
    expect(await json([...bench, '--rows', '4'])).toMatchObject({ rows: 4 });
    expect((await cli(bench)).code).toBe(3);
    const { stdout } = await ok([
      'bench',
      '--rows',
      '100',
      '--dimension',
      '16',
      '--runs',
      '1',
      '--no-residual',
      '--bits',
      '2',
    ]);
    expect(stdout).toMatch(/^data: +100 x 16, 2 bits, 75 bytes a record\n/);
    expect(stdout).toMatch(/^compress: +[\d,]+ vectors\/s$/m);
  });
});
