// What a shared library says about itself: machine, libraries it needs, newest versions of their symbols.

const MACHINES = {
  elf: { 62: 'x64', 183: 'arm64' },
  pe: { 34404: 'x64', 43620: 'arm64' },
  macho: { 16777223: 'x64', 16777228: 'arm64' },
};

/** Tags of the dynamic section. */
const TAG = { needed: 1, strings: 5, versions: 0x6ffffffe, versionCount: 0x6fffffff };

/** Reads a 64-bit little-endian ELF library from its program headers, which stripping leaves. */
function readElf(bytes) {
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error('an ELF file, but not a 64-bit little-endian one');
  const at64 = (at) => Number(bytes.readBigUInt64LE(at));
  const headers = Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => {
    const at = at64(32) + i * bytes.readUInt16LE(54);
    return { type: bytes.readUInt32LE(at), offset: at64(at + 8), address: at64(at + 16), size: at64(at + 32) };
  });
  const offsetOf = (address) => {
    const held = headers.find(
      (each) => each.type === 1 && address >= each.address && address < each.address + each.size,
    );
    if (held === undefined) throw new Error(`no segment of the file holds the address ${address}`);
    return address - held.address + held.offset;
  };
  const dynamic = headers.find((each) => each.type === 2);
  if (dynamic === undefined) throw new Error('an ELF file without a dynamic section');
  const entries = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size && at64(at) !== 0; at += 16) {
    entries.push([at64(at), at64(at + 8)]);
  }
  const value = (tag) => entries.find(([own]) => own === tag)?.[1];
  const strings = offsetOf(value(TAG.strings));
  const text = (offset) => bytes.toString('latin1', strings + offset, bytes.indexOf(0, strings + offset));
  const versions = [];
  let library = value(TAG.versions) === undefined ? 0 : offsetOf(value(TAG.versions));
  for (let left = value(TAG.versionCount) ?? 0; left > 0; left -= 1) {
    let symbol = library + bytes.readUInt32LE(library + 8);
    for (let i = bytes.readUInt16LE(library + 2); i > 0; i -= 1) {
      versions.push(text(bytes.readUInt32LE(symbol + 8)));
      symbol += bytes.readUInt32LE(symbol + 12);
    }
    library += bytes.readUInt32LE(library + 12);
  }
  const needed = entries.filter(([tag]) => tag === TAG.needed).map(([, offset]) => text(offset));
  return { format: 'elf', cpu: MACHINES.elf[bytes.readUInt16LE(18)] ?? 'unknown', needed, versions };
}

/** Reads format and machine of a library, and what it needs of the C library or the runtime of Visual C++. */
export function readBinary(bytes) {
  const magic = bytes.length < 64 ? 0 : bytes.readUInt32BE(0);
  if (magic === 0x7f454c46) return readElf(bytes);
  if (magic === 0xcffaedfe) {
    return { format: 'macho', cpu: MACHINES.macho[bytes.readUInt32LE(4)] ?? 'unknown', needed: [], versions: [] };
  }
  if (magic >>> 16 === 0x4d5a) {
    const cpu = MACHINES.pe[bytes.readUInt16LE(bytes.readUInt32LE(60) + 4)] ?? 'unknown';
    // Names of libraries stand in the file as text.
    const needed = bytes.toString('latin1').match(/vcruntime140[\w.]*/gi) ?? [];
    return { format: 'pe', cpu, needed: [...new Set(needed)], versions: [] };
  }
  throw new Error('neither an ELF, a Mach-O nor a PE file');
}

/** Newest glibc that the symbols need, as `[major, minor]`, or null where none is from glibc. */
export function newestGlibc(versions) {
  const numbers = versions.flatMap((version) => {
    const match = /^GLIBC_(\d+)\.(\d+)/.exec(version);
    return match === null ? [] : [[Number(match[1]), Number(match[2])]];
  });
  return numbers.sort((left, right) => right[0] - left[0] || right[1] - left[1])[0] ?? null;
}

/** The oldest glibc that an addon for it must load on. */
export const GLIBC_FLOOR = [2, 17];

const FORMAT = { linux: 'elf', darwin: 'macho', win32: 'pe' };

/**
 * Checks an addon against what its platform promises.
 *
 * @param platform one of `ADDONS`
 * @returns its size and what it needs, and the problems found
 */
export function inspect(bytes, platform) {
  const found = readBinary(bytes);
  const problems = [];
  const expect = (isGood, text) => {
    if (!isGood) problems.push(text);
  };
  expect(bytes.length < platform.budget, `${bytes.length} bytes, not below the budget of ${platform.budget}`);
  expect(found.format === FORMAT[platform.os], `a ${found.format} file, not ${FORMAT[platform.os]}`);
  expect(found.cpu === platform.cpu, `for ${found.cpu}, not ${platform.cpu}`);
  const glibc = newestGlibc(found.versions);
  const isNewer = glibc !== null && (glibc[0] - GLIBC_FLOOR[0] || glibc[1] - GLIBC_FLOOR[1]) > 0;
  if (platform.libc === 'gnu') {
    expect(glibc !== null, 'no symbol of glibc');
    expect(!isNewer, `needs glibc ${glibc?.join('.')}, newer than ${GLIBC_FLOOR.join('.')}`);
  }
  if (platform.libc === 'musl') {
    expect(glibc === null, `needs symbols of glibc ${glibc?.join('.')}`);
    const foreign = found.needed.filter((name) => /ld-linux|libc\.so\.6/.test(name));
    expect(foreign.length === 0, `needs ${foreign.join(', ')}`);
  }
  if (platform.os === 'win32') {
    expect(found.needed.length === 0, `needs ${found.needed.join(', ')}, which is not on every Windows`);
  }
  return { ...found, glibc: glibc?.join('.') ?? null, size: bytes.length, problems };
}
