import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CodecConfig, ERROR_CODES, isTinyQuantError, TinyQuantError } from '../index.js';
import { binding } from './helpers/binding.js';
import { runNode } from './helpers/child.js';
import { failure } from './helpers/failure.js';
import { ROOT } from './helpers/golden.js';

describe('TinyQuantError', () => {
  it('carries code, details and cause', () => {
    const cause = new Error('below');
    const error = new TinyQuantError('ERR_TQ_IO', 'text', { details: { offset: 5 }, cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'TinyQuantError',
      code: 'ERR_TQ_IO',
      message: 'text',
      details: { offset: 5 },
      cause,
    });
    expect(String(error)).toBe('TinyQuantError: text');
    const bare = new TinyQuantError('ERR_TQ_IO', 'text');
    expect(Object.hasOwn(bare, 'details')).toBe(false);
    expect(Object.hasOwn(bare, 'cause')).toBe(false);
  });

  it('is recognised across copies of the package', () => {
    const copy = Object.assign(new Error('x'), { name: 'TinyQuantError', code: 'ERR_TQ_FORMAT' });
    expect(isTinyQuantError(new TinyQuantError('ERR_TQ_IO', ''))).toBe(true);
    expect(isTinyQuantError(copy)).toBe(true);
    for (const other of [
      null,
      undefined,
      'ERR_TQ_IO',
      new Error('x'),
      { code: 'ERR_TQ_IO' },
      Object.assign(new Error(), { code: 'ENOENT' }),
    ]) {
      expect(isTinyQuantError(other)).toBe(false);
    }
  });

  it('keeps the native error as its cause', () => {
    const error = failure(() => new CodecConfig({ bitWidth: 4, dimension: 16_385 }), 'ERR_TQ_INVALID_ARG');
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.message).toBe((error.cause as Error).message);
    expect(error.message).toContain('16385');
    expect(error.stack).toContain('errors.spec');
  });

  it('says what was given and what was expected', () => {
    const error = failure(() => new CodecConfig({ bitWidth: 4, dimension: 1.5 }), 'ERR_TQ_INVALID_ARG');
    expect(error.message).toMatch(/^dimension must be an integer .*, got 1\.5$/);
    expect(error.details).toMatchObject({ argument: 'dimension', got: '1.5' });
  });
});

describe('ERROR_CODES', () => {
  it('equals the list of the native side', () => {
    expect([...binding.errorCodes()].sort()).toEqual([...ERROR_CODES].sort());
    expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
    expect(Object.isFrozen(ERROR_CODES)).toBe(true);
  });
});

describe('an addon that does not load', () => {
  const report = `
    try { require('./index.js'); console.log('{}'); }
    catch (e) { console.log(JSON.stringify({ name: e.name, code: e.code, message: e.message, details: e.details, hasCause: e.cause !== undefined })); }
  `;
  interface Report {
    name: string;
    code: string;
    message: string;
    details: { platform: string; arch: string; causes: string[]; expectedPackage: string };
    hasCause: boolean;
  }

  it('is explained by facts', async () => {
    const path = join(ROOT, 'package.json');
    const { stdout } = await runNode(report, { env: { TINYQUANT_NATIVE_PATH: path } });
    const error = JSON.parse(stdout) as Report;
    expect(error).toMatchObject({ name: 'TinyQuantError', code: 'ERR_TQ_NATIVE_LOAD', hasCause: true });
    expect(error.details).toMatchObject({ platform: process.platform, arch: process.arch, path });
    expect(error.details.expectedPackage).toMatch(/^@tinyquant\/native-/);
    expect(error.details.causes.length).toBeGreaterThan(0);
    for (const text of [process.platform, process.arch, path, 'TINYQUANT_NATIVE_PATH', ...error.details.causes]) {
      expect(error.message).toContain(text);
    }
  });

  it('leaves out what explains nothing', async () => {
    const { stdout } = await runNode(
      `const Module = require('node:module');
       const resolve = Module._resolveFilename;
       Module._resolveFilename = (name, ...rest) => {
         if (/native-|\\.node$|wasi/.test(name)) throw new Error("Cannot find module '" + name + "'");
         return resolve(name, ...rest);
       };
       ${report}`,
    );
    const error = JSON.parse(stdout) as Report;
    expect(error.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(error.message).not.toMatch(/npm has a bug|wasi/);
    expect(error.message).toContain('npm install --include=optional');
    expect(error.details.causes[0]).toMatch(/^Cannot find module '\.\/tinyquant\..*\.node'$/);
    expect(error.details.causes).toContain(`Cannot find module '${error.details.expectedPackage}'`);
  });

  it('names the flag that forbids addons', async () => {
    const { stdout } = await runNode(report, { args: ['--no-addons'] });
    const error = JSON.parse(stdout) as Report;
    expect(error.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(error.message).toContain('--no-addons');
  });

  it('names the permission that is missing', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
    const { stdout } = await runNode(report, { args: [flag, '--allow-fs-read=*'] });
    const error = JSON.parse(stdout) as Report;
    expect(error.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(error.message).toContain('--allow-addons');
    expect(error.message).not.toContain('npm install');
  });

  it('is another package’s', async () => {
    const { stdout } = await runNode(
      `process.dlopen = (target) => { target.exports = { other: 1 }; };
       process.env.TINYQUANT_NATIVE_PATH = '/other.node';
       ${report}`,
    );
    const error = JSON.parse(stdout) as Report;
    expect(error.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(error.details.causes).toEqual(['the file is an addon, but not that of tinyquant']);
  });

  it('names a platform without binaries', async () => {
    const { stdout } = await runNode(
      `Object.defineProperty(process, 'platform', { value: 'sunos' });
       const Module = require('node:module');
       const load = Module._load;
       Module._load = (name, ...rest) => { if (name.endsWith('binding.cjs')) throw new Error('no binding'); return load(name, ...rest); };
       ${report}`,
    );
    const error = JSON.parse(stdout) as Report;
    expect(error.code).toBe('ERR_TQ_NATIVE_LOAD');
    expect(error.message).toContain('sunos');
    expect(error.message).toContain('No binary is published for this platform');
    expect(error.message).toContain('no binding');
    expect(error.details.expectedPackage).toBeNull();
  });

  it('is loaded from the path in the environment', async () => {
    const { stdout, stderr, code } = await runNode(
      `const { readdirSync } = require('node:fs');
       const { join } = require('node:path');
       const file = readdirSync('native').find((name) => /^tinyquant[.].*node$/.test(name));
       process.env.TINYQUANT_NATIVE_PATH = join('native', file);
       const { CodecConfig } = require('./index.js');
       console.log(new CodecConfig({ bitWidth: 4, dimension: 8 }).configHash.length);`,
    );
    expect({ stdout, stderr, code }).toEqual({ stdout: '64\n', stderr: '', code: 0 });
  });
});
