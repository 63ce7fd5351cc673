//! Codes in bytes: code `i` of a vector has bits `i * bits` to `i * bits + bits - 1`, lowest first; each vector starts on
//! a byte, and the bits that it leaves over are zero.

use super::tile::Simd;
use tinyquant_kernels::LANES;

/// Bytes of `count` codes.
pub(crate) fn packed_len(count: usize, bits: u8) -> usize {
    (count * usize::from(bits)).div_ceil(8)
}

/// Packs the codes of a tile, `LANES` rows of them side by side, to the rows of `out`, of `packed_len` bytes each: as many
/// as there are.
pub(crate) fn pack_tile(codes: &[u8], bits: u8, out: &mut [u8]) {
    match bits {
        1 => pack_groups::<1>(codes, out),
        2 => pack_groups::<2>(codes, out),
        3 => pack_groups::<3>(codes, out),
        4 => pack_groups::<4>(codes, out),
        5 => pack_groups::<5>(codes, out),
        6 => pack_groups::<6>(codes, out),
        7 => pack_groups::<7>(codes, out),
        _ => pack_groups::<8>(codes, out),
    }
}

/// The inverse of [`pack_tile`]; vectors that are missing get the code 0.
pub(crate) fn unpack_tile(packed: &[u8], bits: u8, codes: &mut [u8]) {
    match bits {
        1 => unpack_groups::<1>(packed, codes),
        2 => unpack_groups::<2>(packed, codes),
        3 => unpack_groups::<3>(packed, codes),
        4 => unpack_groups::<4>(packed, codes),
        5 => unpack_groups::<5>(packed, codes),
        6 => unpack_groups::<6>(packed, codes),
        7 => unpack_groups::<7>(packed, codes),
        _ => unpack_groups::<8>(packed, codes),
    }
}

/// The codes of rows of `count` codes, each row brought to a multiple of [`LANES`] codes. What is beyond `count` keeps its
/// value.
pub(crate) fn unpack_rows(simd: Simd, packed: &[u8], bits: u8, count: usize, codes: &mut [u8]) {
    let stride = count.next_multiple_of(LANES);
    if stride == count && matches!(bits, 2 | 4 | 8) {
        return simd.codec.unpack(bits, packed, codes);
    }
    let rows = packed.chunks_exact(packed_len(count, bits));
    for (packed, codes) in rows.zip(codes.chunks_exact_mut(stride)) {
        let codes = &mut codes[..count];
        match bits {
            1 => unpack_row::<1>(packed, codes),
            2 => unpack_row::<2>(packed, codes),
            3 => unpack_row::<3>(packed, codes),
            4 => unpack_row::<4>(packed, codes),
            5 => unpack_row::<5>(packed, codes),
            6 => unpack_row::<6>(packed, codes),
            7 => unpack_row::<7>(packed, codes),
            _ => unpack_row::<8>(packed, codes),
        }
    }
}

fn unpack_row<const BITS: usize>(packed: &[u8], codes: &mut [u8]) {
    let (groups, rest) = codes.as_chunks_mut::<8>();
    let (whole, last) = packed.split_at(groups.len() * BITS);
    for (codes, bytes) in groups.iter_mut().zip(whole.as_chunks::<BITS>().0) {
        let bytes = bytes.iter().rev();
        let word = bytes.fold(0, |word, byte| word << 8 | u64::from(*byte));
        *codes = spread::<BITS>(word).to_le_bytes();
    }
    let codes = spread::<BITS>(word_at(last)).to_le_bytes();
    rest.copy_from_slice(&codes[..rest.len()]);
}

/// The eight codes that a word begins with become a byte each: halves of the bits move apart, then their halves, then
/// theirs.
fn spread<const BITS: usize>(codes: u64) -> u64 {
    let mut word = codes;
    for (count, place, every) in [
        (4, 32, 1),
        (2, 16, 0x0000_0001_0000_0001),
        (1, 8, 0x0001_0001_0001_0001),
    ] {
        let stay = (u64::MAX >> (64 - count * BITS)) * every;
        word = word & stay | word << (place - count * BITS) & stay << place;
    }
    word
}

/// The bits of the last byte of a vector that no code uses.
pub(crate) fn spare_bits(packed: &[u8], count: usize, bits: u8) -> u8 {
    match count * usize::from(bits) % 8 {
        0 => 0,
        used => packed.last().map_or(0, |last| last >> used),
    }
}

/// Codes that take whole words of 64 bits at every width.
const RUN: usize = 64;

/// Vectors whose bytes are in a word side by side.
const HALF: usize = 8;

/// A run of codes becomes `8 * BITS` bytes of each vector. Bytes are made for eight vectors side by side; then eight words
/// of them are turned into eight bytes of each vector.
fn pack_groups<const BITS: usize>(codes: &[u8], out: &mut [u8]) {
    let rows = codes.as_chunks::<LANES>().0;
    let stride = (rows.len() * BITS).div_ceil(8);
    for (run, rows) in rows.chunks(RUN).enumerate() {
        for half in 0..LANES / HALF {
            let mut bytes = [0; RUN];
            for (group, bytes) in rows.chunks(8).zip(bytes.as_chunks_mut::<BITS>().0) {
                let mut eight = [0; 8];
                for (codes, row) in eight.iter_mut().zip(group) {
                    *codes = u64::from_le_bytes(row.as_chunks::<HALF>().0[half]);
                }
                *bytes = joined(eight);
            }
            for (word, bytes) in bytes.as_chunks::<8>().0[..BITS].iter().enumerate() {
                let at = 8 * (run * BITS + word);
                let vectors = out.chunks_exact_mut(stride).skip(HALF * half);
                for (vector, word) in vectors.zip(turned(*bytes)) {
                    let to = vector.get_mut(at..).unwrap_or_default();
                    match to.first_chunk_mut::<8>() {
                        Some(to) => *to = word.to_le_bytes(),
                        None => to.copy_from_slice(&word.to_le_bytes()[..to.len()]),
                    }
                }
            }
        }
    }
}

fn unpack_groups<const BITS: usize>(packed: &[u8], codes: &mut [u8]) {
    let rows = codes.as_chunks_mut::<LANES>().0;
    let stride = (rows.len() * BITS).div_ceil(8);
    for (run, rows) in rows.chunks_mut(RUN).enumerate() {
        for half in 0..LANES / HALF {
            let mut bytes = [0; RUN];
            for (word, bytes) in bytes.as_chunks_mut::<8>().0[..BITS].iter_mut().enumerate() {
                let at = 8 * (run * BITS + word);
                let mut words = [0; 8];
                let vectors = packed.chunks_exact(stride).skip(HALF * half);
                for (word, vector) in words.iter_mut().zip(vectors) {
                    *word = word_at(vector.get(at..).unwrap_or_default());
                }
                *bytes = turned(words);
            }
            for (group, bytes) in rows.chunks_mut(8).zip(bytes.as_chunks::<BITS>().0) {
                for (row, codes) in group.iter_mut().zip(parted(bytes)) {
                    row.as_chunks_mut::<HALF>().0[half] = codes.to_le_bytes();
                }
            }
        }
    }
}

/// The bytes that eight codes make, for eight vectors side by side.
#[inline]
fn joined<const BITS: usize>(codes: [u64; 8]) -> [u64; BITS] {
    let mut bytes = [0; BITS];
    for (i, codes) in codes.into_iter().enumerate() {
        let (byte, shift) = (i * BITS / 8, i * BITS % 8);
        bytes[byte] |= (codes & lowest(8 - shift)) << shift;
        if shift + BITS > 8 {
            bytes[byte + 1] |= codes >> (8 - shift) & lowest(shift + BITS - 8);
        }
    }
    bytes
}

/// The inverse of [`joined`].
#[inline]
fn parted<const BITS: usize>(bytes: &[u64; BITS]) -> [u64; 8] {
    std::array::from_fn(|i| {
        let (byte, shift) = (i * BITS / 8, i * BITS % 8);
        let codes = bytes[byte] >> shift & lowest(BITS.min(8 - shift));
        if shift + BITS > 8 {
            codes | (bytes[byte + 1] & lowest(shift + BITS - 8)) << (8 - shift)
        } else {
            codes
        }
    })
}

/// The lowest `bits` (1 to 8) of each byte.
const fn lowest(bits: usize) -> u64 {
    0x0101_0101_0101_0101 * (0xff >> (8 - bits))
}

/// Byte `j` of word `i` becomes byte `i` of word `j`: blocks of four bytes change places, then those of two, then bytes.
#[inline]
fn turned(mut words: [u64; 8]) -> [u64; 8] {
    for (apart, mask) in [
        (4, 0x0000_0000_ffff_ffff),
        (2, 0x0000_ffff_0000_ffff),
        (1, 0x00ff_00ff_00ff_00ff),
    ] {
        for i in (0..8).filter(|i| i & apart == 0) {
            let (a, b) = (words[i], words[i + apart]);
            let swapped = (a >> (8 * apart) ^ b) & mask;
            words[i] = a ^ swapped << (8 * apart);
            words[i + apart] = b ^ swapped;
        }
    }
    words
}

/// The eight bytes that these begin with; those that are missing are 0.
fn word_at(bytes: &[u8]) -> u64 {
    if let Some(word) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*word);
    }
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lie_lowest_bits_first_and_come_back() {
        for bits in 1..=8 {
            for count in [2, 3, 7, 8, 9, 64, 131] {
                for rows in [1, 5, LANES] {
                    let code =
                        |lane: usize, i: usize| ((i * 37 + lane * 11 + i * i) % (1 << bits)) as u8;
                    let mut codes = vec![0; count * LANES];
                    for (i, row) in codes.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                        for (lane, value) in row.iter_mut().enumerate().take(rows) {
                            *value = code(lane, i);
                        }
                    }
                    let stride = packed_len(count, bits);
                    let mut packed = vec![0; rows * stride];
                    pack_tile(&codes, bits, &mut packed);
                    for (lane, bytes) in packed.chunks_exact(stride).enumerate() {
                        for i in 0..count {
                            for k in 0..usize::from(bits) {
                                let at = i * usize::from(bits) + k;
                                let bit = bytes[at / 8] >> (at % 8) & 1;
                                assert_eq!(bit, code(lane, i) >> k & 1, "{bits} {count} {i} {k}");
                            }
                        }
                        assert_eq!(spare_bits(bytes, count, bits), 0);
                    }
                    let padded = count.next_multiple_of(LANES);
                    let mut by_row = vec![99; rows * padded];
                    unpack_rows(Simd::active(), &packed, bits, count, &mut by_row);
                    for (lane, codes) in by_row.chunks_exact(padded).enumerate() {
                        assert!((0..count).all(|i| codes[i] == code(lane, i)));
                        assert!(codes[count..].iter().all(|code| *code == 99));
                    }
                    let mut back = vec![99; count * LANES];
                    unpack_tile(&packed, bits, &mut back);
                    assert_eq!(back, codes);
                }
            }
        }
    }
}
