//! Codes of 1 to 8 bits without gaps: code `i` occupies bits `i * bits` and on, the lowest first, across bytes.

use super::byte_reader::malformed;
use crate::Error;
use tinyquant_codec::{Error as CodecError, ErrorCode};

/// Codes that begin and end on a byte, whatever their width.
const GROUP: usize = 8;

/// Bytes that `count` codes of `bits` bits fill; the last one's spare bits are 0.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for bits outside 1 to 8, `ERR_TQ_LIMIT` for more than memory can have.
pub fn packed_len(count: usize, bits: u8) -> Result<usize, Error> {
    check_bits(bits)?;
    match count.checked_mul(bits.into()) {
        Some(total) => Ok(total.div_ceil(8)),
        None => Err(Error::data(
            ErrorCode::Limit,
            format!("{count} codes of {bits} bits are too many"),
        )),
    }
}

/// Packs codes, of which the lowest `bits` bits are kept: of signed ones the two's complement.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for bits outside 1 to 8 or a code that does not fit them.
pub fn pack(codes: &[u8], bits: u8, signed: bool) -> Result<Vec<u8>, Error> {
    let len = packed_len(codes.len(), bits)?;
    // A signed code fits if adding half the range brings it into the unsigned one.
    let half = if signed { 1 << (bits - 1) } else { 0_u8 };
    let mask = u8::MAX >> (8 - bits);
    let is_bad = |code: &u8| code.wrapping_add(half) & !mask != 0;
    if codes.iter().fold(false, |bad, code| bad | is_bad(code)) {
        let at = codes.iter().position(is_bad).unwrap_or(0);
        let (got, range) = if signed {
            let half = i32::from(half);
            (
                (codes[at] as i8).into(),
                format!("{} to {}", -half, half - 1),
            )
        } else {
            (i32::from(codes[at]), format!("0 to {mask}"))
        };
        return Err(Error::invalid(format!(
            "code {got} at position {at} does not fit {bits} bits: expected {range}"
        )));
    }
    let mut bytes = vec![0; len];
    let groups = codes.chunks(GROUP).zip(bytes.chunks_mut(bits.into()));
    for (codes, bytes) in groups {
        let mut word = 0_u64;
        for (i, code) in codes.iter().enumerate() {
            word |= u64::from(code & mask) << (i * usize::from(bits));
        }
        bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
    }
    Ok(bytes)
}

/// The codes that [`pack`] packed. Signed ones are those of `i8`, as bytes.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for bits outside 1 to 8, `ERR_TQ_TRUNCATED` for too few bytes, `ERR_TQ_FORMAT` for too many or
/// for spare bits that are not 0.
pub fn unpack(bytes: &[u8], bits: u8, count: usize, signed: bool) -> Result<Vec<u8>, Error> {
    let len = packed_len(count, bits)?;
    if bytes.len() < len {
        return Err(CodecError::Truncated {
            needed: len as u64,
            got: bytes.len() as u64,
        }
        .into());
    }
    if bytes.len() > len {
        let reason = format!(
            "{count} codes of {bits} bits take {len} bytes, got {}",
            bytes.len()
        );
        return Err(malformed("Length", len, reason));
    }
    let spare = len * 8 - count * usize::from(bits);
    if let Some(last) = bytes
        .last()
        .filter(|last| spare > 0 && **last >> (8 - spare) != 0)
    {
        let reason = format!("the last {spare} bits of {last:#04x} are not 0");
        return Err(malformed("SpareBits", len - 1, reason));
    }
    let mask = u8::MAX >> (8 - bits);
    let top = if signed { 1 << (bits - 1) } else { 0_u8 };
    let mut codes = vec![0; count];
    let groups = codes.chunks_mut(GROUP).zip(bytes.chunks(bits.into()));
    for (codes, bytes) in groups {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let word = u64::from_le_bytes(word);
        for (i, code) in codes.iter_mut().enumerate() {
            let low = (word >> (i * usize::from(bits))) as u8 & mask;
            // Flipping the top bit and taking its value away extends the sign.
            *code = (low ^ top).wrapping_sub(top);
        }
    }
    Ok(codes)
}

fn check_bits(bits: u8) -> Result<(), Error> {
    if (1..=8).contains(&bits) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "bits must be from 1 to 8, got {bits}"
    )))
}
