import { expect } from 'vitest';
import { type ErrorCode, isTinyQuantError, TinyQuantError } from '../../index.js';

function check(error: unknown, code: ErrorCode, details: object): TinyQuantError {
  if (!isTinyQuantError(error)) throw error;
  expect(error).toBeInstanceOf(TinyQuantError);
  expect(error).toBeInstanceOf(Error);
  expect({ code: error.code, message: error.message }).toEqual({ code, message: error.message });
  expect(error.message).not.toBe('');
  expect(error.details ?? {}).toMatchObject(details);
  return error;
}

/** Runs something that must throw a `TinyQuantError` of the given code and details. */
export function failure(run: () => unknown, code: ErrorCode, details: object = {}): TinyQuantError {
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    return check(error, code, details);
  }
  throw new Error(`expected ${code}, got a result: ${String(result)}`);
}

/** Starts something that must not throw but reject with a `TinyQuantError` of the given code and details. */
export async function rejection(
  start: () => Promise<unknown>,
  code: ErrorCode,
  details: object = {},
): Promise<TinyQuantError> {
  const promise = start();
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return check(error, code, details);
  }
  throw new Error(`expected ${code}, got a result: ${String(result)}`);
}

/** What a promise rejects with, whatever it is. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
