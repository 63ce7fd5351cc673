import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './helpers/golden.js';

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const RELEASE = ['--access', 'public', '--tag', version.includes('-') ? 'next' : 'latest'];

/** Stands for npm: says how it was called, and answers a look-up with the variable LOOK_UP. */
const NPM = `
const [command, ...args] = process.argv.slice(2);
if (command === 'publish') console.log(JSON.stringify(args));
else if (process.env.LOOK_UP === 'published') console.log('"1"');
else { console.error(process.env.LOOK_UP); process.exitCode = 1; }`;

let folder: string;
let tarball: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinyquant-publish-'));
  tarball = join(folder, `tinyquant-${version}.tgz`);
  writeFileSync(tarball, '');
  writeFileSync(join(folder, 'npm.js'), NPM);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the script and gives its status, what it said and the calls of `npm publish`. */
function publish(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { GITHUB_ACTIONS: _, GITHUB_REF_NAME: __, ...outside } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'scripts', 'publish.mjs'), ...args, folder],
    { encoding: 'utf8', env: { ...outside, npm_execpath: join(folder, 'npm.js'), LOOK_UP: 'E404', ...env } },
  );
  const lines = stdout.split('\n').filter((line) => line.startsWith('['));
  return { status, text: `${stdout}${stderr}`, calls: lines.map((line) => JSON.parse(line) as string[]) };
}

describe('publishing', () => {
  it('by hand states no provenance, which npm refuses there', () => {
    expect(publish(['main']).calls).toEqual([[tarball, ...RELEASE]]);
  });

  it('in GitHub Actions states it', () => {
    const env = { GITHUB_ACTIONS: 'true', GITHUB_REF_NAME: `v${version}` };
    expect(publish(['main'], env).calls).toEqual([[tarball, ...RELEASE, '--provenance']]);
  });

  it('in a dry run goes through where the version is out, on every branch', () => {
    const env = { GITHUB_ACTIONS: 'true', GITHUB_REF_NAME: 'main', LOOK_UP: 'published' };
    expect(publish(['main', '--dry-run'], env).calls).toEqual([[tarball, ...RELEASE, '--dry-run', '--force']]);
  });

  it('leaves alone what is out', () => {
    const { status, text, calls } = publish(['main'], { LOOK_UP: 'published' });
    expect({ status, calls }).toEqual({ status: 0, calls: [] });
    expect(text).toContain(`tinyquant@${version} is published already`);
  });

  it.each([
    ['a registry that fails', ['main'], { LOOK_UP: 'E500' }, 'npm view tinyquant failed'],
    ['another tag', ['main'], { GITHUB_REF_NAME: 'v0.0.1' }, 'the tag is v0.0.1'],
    ['packages that were not packed', ['platforms'], {}, 'not packed: @tinyquant/'],
    ['nothing to try', ['platforms', '--dry-run'], {}, 'nothing is packed'],
    ['a name of nothing', ['everything'], {}, 'usage: npm run publish:release'],
  ])('stops at %s', (_, args, env, message) => {
    const { status, text, calls } = publish(args, env);
    expect({ status, calls }).toEqual({ status: 1, calls: [] });
    expect(text).toContain(message);
  });
});
