import { resolve } from 'node:path';
import { version } from '../package.json';
import { cutShort } from './elf.js';

/** An addon of another release than the facade, whose functions may differ. */
export class VersionMismatch extends Error {
  constructor(readonly found: string) {
    super(`the addon is of tinyquant ${found}, this package of ${version}`);
  }
}

/** An addon of something else. */
export class ForeignAddon extends Error {}

/** A file that the system's loader must not see. */
export class CutShort extends Error {}

/**
 * Fails where a file on Linux is not all there: nothing could catch what comes of loading it.
 *
 * @throws {CutShort}
 */
export function expectWhole(path: string): void {
  const problem = process.platform === 'linux' ? cutShort(path) : null;
  if (problem !== null) throw new CutShort(problem);
}

/** What the addon in a file exports. */
export function openFile(path: string): unknown {
  expectWhole(path);
  const target = { exports: {} };
  process.dlopen(target, path);
  return target.exports;
}

/**
 * What was loaded, as the addon of this release with the entry point `entry`.
 *
 * @param owner the module whose addon that is
 * @throws {ForeignAddon}
 * @throws {VersionMismatch}
 */
export function expectAddon<T extends { version(): string }>(loaded: unknown, entry: keyof T, owner: string): T {
  const addon = loaded as Partial<T>;
  if (typeof addon[entry] !== 'function' || typeof addon.version !== 'function') {
    throw new ForeignAddon(`the file is an addon, but not that of ${owner}`);
  }
  const found = addon.version();
  if (found !== version) throw new VersionMismatch(found);
  return addon as T;
}

/**
 * What the first of the ways gives that leads to the addon. None is tried after an addon of another version or a file
 * that is cut short: those are what is installed.
 *
 * @param failure makes the error from what each way that was tried threw
 */
export function firstOf<T>(ways: readonly (() => T)[], failure: (errors: readonly unknown[]) => Error): T {
  const errors: unknown[] = [];
  for (const way of ways) {
    try {
      return way();
    } catch (error) {
      errors.push(error);
      if (error instanceof VersionMismatch || error instanceof CutShort) break;
    }
  }
  throw failure(errors);
}

/** The absolute path that an environment variable names, if it names any. */
export function pathIn(variable: string): string | undefined {
  const path = process.env[variable];
  return path === undefined || path === '' ? undefined : resolve(path);
}
