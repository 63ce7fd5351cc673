import { join, sep } from 'node:path';

/**
 * Path of a file of the app as the operating system knows it. What lies in `app.asar` exists for Electron's own file
 * functions only and can be neither mapped nor opened by an addon: such files are unpacked beside it.
 */
export function onDisk(appPath: string, ...parts: string[]): string {
  const path = join(appPath, ...parts);
  return path.replace(`${sep}app.asar${sep}`, `${sep}app.asar.unpacked${sep}`);
}
