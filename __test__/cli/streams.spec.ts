import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { normals } from '../helpers/data.js';
import { BIN, cli, folder, npy, type Outcome, ok, terminal } from './cli.js';

const path = folder();
const posix = process.platform !== 'win32';
const DIM = 64;
const vectors = normals(6000 * DIM, 21);

beforeAll(async () => {
  writeFileSync(path('v.npy'), npy(vectors, DIM));
  await ok(['compress', path('v.npy'), '-o', path('v.tq'), '--no-residual']);
});

const WIDE = 1024;

/** An .npy stream that promises more rows than it brings: some batches of 4 MiB come, and then nothing. */
function endless(): Buffer {
  const values = Float32Array.from({ length: 3500 * WIDE }, (_, i) => vectors[(i * 7) % vectors.length] ?? 0);
  const whole = npy(values, WIDE);
  whole.write("'shape': (9500,", whole.indexOf("'shape'"), 'latin1');
  return whole;
}

/** Runs a command on a stream that never ends, and sends a signal when the command has done some of its work. */
function interrupt(args: readonly string[], signal: NodeJS.Signals): Promise<Outcome> {
  return cli(args, {
    stdin: endless(),
    hold: true,
    // The progress bar tells how far it is.
    node: terminal('stderr'),
    env: { TERM: 'xterm' },
    started: (child) => {
      let text = '';
      child.stderr?.on('data', function watch(chunk: Buffer) {
        text += chunk.toString();
        if (!/(compress|convert) [1-9][\d,]* rows/.test(text)) return;
        child.stderr?.off('data', watch);
        child.kill(signal);
      });
    },
  });
}

describe.runIf(posix)('a signal', () => {
  const stream = ['-', '--format', 'npy', '--train-rows', '1000'];
  const cases = [
    ['compress', 'SIGINT', 130, (to: string) => ['compress', ...stream, '-o', to, '--force'], 'x.tq'],
    ['compress', 'SIGTERM', 143, (to: string) => ['compress', ...stream, '-o', to, '--force'], 'x.tq'],
    ['compress to .tqcv', 'SIGINT', 130, (to: string) => ['compress', ...stream, '-o', to, '--force'], 'x.tqcv'],
    ['convert', 'SIGINT', 130, (to: string) => ['convert', '-', '--format', 'npy', '-o', to, '--force'], 'x.fvecs'],
  ] as const;

  it.each(cases)(
    'during %s (%s) removes the partial file and keeps the old one',
    async (name, signal, exit, args, file) => {
      const where = path(`${name} ${signal}`);
      mkdirSync(where);
      const target = `${where}/${file}`;
      writeFileSync(target, 'the old content');
      const { code, stdout, stderr } = await interrupt(args(target), signal);
      expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
      expect(stderr).toMatch(new RegExp(`error:\\S* interrupted by ${signal}\\n$`));
      expect(readdirSync(where)).toEqual([file]);
      expect(readFileSync(target, 'utf8')).toBe('the old content');
    },
  );

  it('while appending leaves the file as it was', async () => {
    const where = path('append');
    mkdirSync(where);
    const target = `${where}/a.tq`;
    writeFileSync(path('wide.npy'), npy(normals(50 * WIDE, 4), WIDE));
    await ok(['compress', path('wide.npy'), '-o', target, '--no-residual']);
    const before = await ok(['decompress', target, '-o', '-', '--format', 'fvecs']);
    const { code } = await interrupt(['ingest', '-', '--format', 'npy', '--to', target, '--append'], 'SIGINT');
    expect(code).toBe(130);
    expect(readdirSync(where)).toEqual(['a.tq']);
    await ok(['verify', target]);
    const { stdout } = await ok(['info', target, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ vectorCount: 50, commits: 1 });
    expect((await ok(['decompress', target, '-o', '-', '--format', 'fvecs'])).bytes).toEqual(before.bytes);
    // What the interrupted run had written does not stand in the way of the next.
    await ok(['ingest', path('wide.npy'), '--to', target, '--append', '--limit', '10']);
    await ok(['verify', target]);
  });

  it('may come twice, to the process and to its group', async () => {
    const where = path('twice');
    mkdirSync(where);
    const { code } = await cli(['convert', '-', '--format', 'npy', '-o', `${where}/x.fvecs`], {
      stdin: endless(),
      hold: true,
      started: async (child) => {
        await sleep(2000);
        child.kill('SIGINT');
        await sleep(5);
        child.kill('SIGINT');
      },
    });
    expect(code).toBe(130);
    expect(readdirSync(where)).toEqual([]);
  });

  it('is reported as JSON in --json mode', async () => {
    const where = path('json');
    mkdirSync(where);
    const { code, stdout, stderr } = await cli(['compress', ...stream, '-o', `${where}/x.tq`, '--json'], {
      stdin: endless(),
      hold: true,
      started: async (child) => {
        await sleep(2000);
        child.kill('SIGINT');
      },
    });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'SIGINT', message: 'interrupted by SIGINT', details: {} } });
    expect(readdirSync(where)).toEqual([]);
  });

  it('ends a command that waits for its input', async () => {
    const { code } = await cli(['search', path('v.tq'), '--query', '-', '--format', 'npy'], {
      hold: true,
      started: async (child) => {
        await sleep(1500);
        child.kill('SIGINT');
      },
    });
    expect(code).toBe(130);
  });
});

describe.runIf(posix)('a closed pipe', () => {
  /** Exit code of the command, and what the first bytes of its output were. */
  const piped = (args: string): { code: string; head: string; stderr: string } => {
    const script = `node ${BIN} ${args} 2>${path('stderr')} | head -c 10; echo " \${PIPESTATUS[0]}"`;
    const [head = '', code = ''] = execFileSync('bash', ['-c', script], { encoding: 'utf8' })
      .trim()
      .split(/ (?=\d+$)/);
    return { code, head, stderr: readFileSync(path('stderr'), 'utf8') };
  };

  it.each([
    ['decompress', () => `decompress ${path('v.tq')} -o - --format jsonl`, '{"id":"0",'],
    ['convert', () => `convert ${path('v.npy')} -o - --to csv`, undefined],
    ['search', () => `search ${path('v.tq')} --query ${path('v.npy')} --limit 400 --top-k 100 --json`, '{"results"'],
    ['codec decompress', () => `corpus decompress --corpus-path ${path('v.tq')} --format csv --output -`, undefined],
    ['compress', () => `compress ${path('v.npy')} -o -`, undefined],
  ] as const)('during %s is quiet success', (_, args, head) => {
    const outcome = piped(args());
    expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({ code: '0', stderr: '' });
    if (head !== undefined) expect(outcome.head).toBe(head);
  });

  it('leaves no temporary file behind', () => {
    const temporary = path('temporary');
    mkdirSync(temporary);
    execFileSync('bash', ['-c', `TMPDIR=${temporary} node ${BIN} compress ${path('v.npy')} -o - | head -c 10`]);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe.runIf(existsSync('/dev/full'))('a full device', () => {
  const full = (args: readonly string[]): Promise<{ code: number | null; stderr: string }> =>
    new Promise((resolve, reject) => {
      const fd = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', fd, 'pipe'] });
      let stderr = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      child.once('error', reject);
      child.once('close', (code) => {
        closeSync(fd);
        resolve({ code, stderr });
      });
    });

  it.each([
    [['decompress', path('v.tq'), '-o', '-', '--format', 'csv']],
    [['info']],
    [['doctor', '--json']],
    [['search', path('v.tq'), '--query', path('v.npy'), '--limit', '2']],
    [['--version']],
    [['--help']],
    [['completion', 'bash']],
  ])('as standard output of %j exits 1', async (args) => {
    const { code, stderr } = await full(args);
    expect(code).toBe(1);
    if (!args.includes('--json')) expect(stderr).toMatch(/^error: .*no space left on.*\n$/i);
    const json = await full([...args, '--json']);
    if (!args[0]?.startsWith('--'))
      expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'ERR_TQ_IO', details: { errno: 'ENOSPC' } } });
  });

  it('as output file exits 1', async () => {
    const { code, stderr } = await cli(['convert', path('v.npy'), '-o', '/dev/full', '--to', 'csv']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*\n$/);
  });
});

describe('terminals', () => {
  it('are refused as input', async () => {
    const node = terminal('stdin');
    for (const args of [
      ['compress', '-', '--format', 'npy', '-o', path('t.tq')],
      ['search', path('v.tq'), '--query', '-', '--format', 'npy'],
      ['worker', 'search', '--file', path('v.tq')],
    ]) {
      const { code, stderr } = await cli(args, { node });
      expect(code).toBe(2);
      expect(stderr).toMatch(/^error: .*standard input is a terminal/);
    }
  });

  it('are refused for binary output, not for text', async () => {
    const node = terminal('stdout');
    for (const args of [
      ['compress', path('v.npy'), '-o', '-'],
      ['train', path('v.npy'), '-o', '-'],
      ['decompress', path('v.tq'), '-o', '-', '--format', 'npy'],
      ['convert', path('v.npy'), '-o', '-', '--to', 'fvecs'],
      ['worker', 'search', '--file', path('v.tq')],
    ]) {
      const { code, stdout, stderr } = await cli(args, { node });
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: .*standard output is a terminal/);
    }
    await ok(['convert', path('v.npy'), '-o', '-', '--to', 'csv', '--limit', '1'], { node });
  });
});

describe('standard streams', () => {
  it('need a format', async () => {
    for (const args of [
      ['compress', '-', '-o', path('s.tq')],
      ['convert', path('v.npy'), '-o', '-'],
      ['decompress', path('v.tq'), '-o', '-'],
    ]) {
      const { code, stderr } = await cli(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^error: .*must be named with --(format|to)\n$/);
    }
  });

  it('carry data and nothing else, the result in --json mode on standard error', async () => {
    const { bytes, stderr } = await cli(['compress', '-', '--format', 'npy', '-o', '-', '--no-residual', '--json'], {
      stdin: readFileSync(path('v.npy')),
    });
    expect(bytes).toEqual(readFileSync(path('v.tq')));
    expect(JSON.parse(stderr)).toMatchObject({ input: 'standard input', output: '-', rows: 6000 });
    for (const format of ['npy', 'fvecs', 'jsonl', 'csv', 'arrow', 'parquet']) {
      const { bytes: out } = await ok(['decompress', path('v.tq'), '-o', '-', '--format', format]);
      writeFileSync(path(`s.${format}`), out);
      await ok(['decompress', path('v.tq'), '-o', path(`f.${format}`)]);
      // Arrow on a stream is the stream format, in a file the file format.
      if (format !== 'arrow') expect(out.equals(readFileSync(path(`f.${format}`))), format).toBe(true);
      for (const name of ['s', 'f'])
        await ok(['convert', path(`${name}.${format}`), '-o', path(`${name}-${format}.f32`)]);
      expect(readFileSync(path(`s-${format}.f32`)).equals(readFileSync(path(`f-${format}.f32`))), format).toBe(true);
    }
  });

  it.runIf(posix)('a named pipe is read like a stream', () => {
    execFileSync('bash', [
      '-c',
      `node ${BIN} compress <(cat ${path('v.npy')}) --format npy -o ${path('pipe.tq')} --no-residual --quiet`,
    ]);
    expect(readFileSync(path('pipe.tq'))).toEqual(readFileSync(path('v.tq')));
  });
});
