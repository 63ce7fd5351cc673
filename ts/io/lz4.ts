const MAGIC = 0x184d2204;

/** Output of decompression, which grows as it comes. */
class Output {
  bytes: Uint8Array = new Uint8Array(1 << 16);
  length = 0;

  ensure(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.length + count, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(part: Uint8Array): void {
    this.ensure(part.length);
    this.bytes.set(part, this.length);
    this.length += part.length;
  }

  /** Repeats `count` bytes from `distance` back; they may overlap what is written. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.length) throw new Error(`LZ4 match ${distance} bytes back of ${this.length}`);
    this.ensure(count);
    const { bytes, length: end } = this;
    if (distance >= count) bytes.copyWithin(end, end - distance, end - distance + count);
    else for (let i = end; i < end + count; i++) bytes[i] = bytes[i - distance] as number;
    this.length += count;
  }
}

/** Appends one block: sequences of literals and matches, which may reach back into earlier blocks. */
function appendBlock(block: Uint8Array, output: Output): void {
  let at = 0;
  const next = (): number => {
    const byte = block[at++];
    if (byte === undefined) throw new Error('LZ4 block ends too early');
    return byte;
  };
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble === 15) for (let byte = 255; byte === 255; length += byte) byte = next();
    return length;
  };
  while (at < block.length) {
    const token = next();
    const literals = lengthFrom(token >> 4);
    if (at + literals > block.length) throw new Error('LZ4 literals end too early');
    output.append(block.subarray(at, at + literals));
    at += literals;
    // The last sequence of a block has literals alone.
    if (at === block.length) return;
    const distance = next() | (next() << 8);
    output.repeat(distance, lengthFrom(token & 15) + 4);
  }
}

/**
 * Decompresses an LZ4 frame, the form that Arrow IPC holds. Its checksums are not compared. The decoder of
 * hyparquet-compressors takes single blocks of a known length; those of a frame refer to the blocks before them.
 *
 * @throws {Error} for damaged data
 */
export function decompressLz4Frame(data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('no LZ4 frame');
  const flags = view.getUint8(4);
  const hasBlockChecksums = (flags & 0x10) !== 0;
  // Magic, flags, block size, then the content size and the dictionary id where there are any, then a checksum.
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  const output = new Output();
  for (;;) {
    const word = view.getUint32(at, true);
    const length = word & 0x7fff_ffff;
    at += 4;
    if (length === 0) return output.bytes.subarray(0, output.length);
    if (at + length > data.length) throw new Error('LZ4 frame ends too early');
    const block = data.subarray(at, at + length);
    if (word >>> 31 === 1) output.append(block);
    else appendBlock(block, output);
    at += length + (hasBlockChecksums ? 4 : 0);
  }
}
