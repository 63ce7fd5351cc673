import { fileURLToPath } from 'node:url';
import { invalidArg, text } from './validate.js';

/** A path of the file system, as text or as a `file:` URL. */
export type FilePath = string | URL;

/** Checks a path; what lies there is not looked at. */
export function filePath(value: unknown, argument: string): string {
  let path = value;
  if (value instanceof URL) {
    try {
      path = fileURLToPath(value);
    } catch {
      throw invalidArg(argument, 'a path or a file: URL', value.href);
    }
  }
  const name = text(path, argument);
  if (name === '' || name.includes('\0')) throw invalidArg(argument, 'a path without null characters', name);
  return name;
}
