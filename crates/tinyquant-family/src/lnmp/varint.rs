//! Integers in signed LEB128: seven bits a byte, lowest first, the sign in bit 6 of the last byte.

/// Bytes of the longest integer.
pub const MAX_LEN: usize = 10;

/// Appends an integer in the fewest bytes.
pub fn write(value: i64, out: &mut Vec<u8>) {
    let mut rest = value;
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        let is_signed = byte & 0x40 != 0;
        if (rest == 0 && !is_signed) || (rest == -1 && is_signed) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Bytes that [`write()`] appends.
pub const fn len(value: i64) -> usize {
    // The bits that differ from the sign, and the sign itself.
    let bits = 65 - (value ^ (value >> 63)).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// The integer at the start of the bytes and how many of them it takes; none if they end before it does. An error names
/// what is wrong: more bytes than an i64 needs, or more than this integer needs.
///
/// # Errors
/// The reason, as text.
pub fn read(bytes: &[u8]) -> Result<Option<(i64, usize)>, &'static str> {
    let mut value = 0_i64;
    for (i, byte) in bytes.iter().take(MAX_LEN).enumerate() {
        let (low, shift) = (i64::from(byte & 0x7f), 7 * i as u32);
        if i == MAX_LEN - 1 && !matches!(byte, 0 | 0x7f) {
            return Err("an integer beyond 64 bits");
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            let used = i + 1;
            if byte & 0x40 != 0 && shift + 7 < 64 {
                value |= -1 << (shift + 7);
            }
            if len(value) != used {
                return Err("an integer in more bytes than it needs");
            }
            return Ok(Some((value, used)));
        }
    }
    if bytes.len() < MAX_LEN {
        Ok(None)
    } else {
        Err("an integer beyond 64 bits")
    }
}
