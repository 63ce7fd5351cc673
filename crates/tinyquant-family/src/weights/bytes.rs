//! Bytes in a zstd frame (RFC 8878) that names its content size.

use super::byte_reader::malformed;
use crate::Error;
use tinyquant_codec::{Error as CodecError, ErrorCode};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// Highest compression level.
pub const MAX_LEVEL: i32 = 22;

/// A block of a frame holds at most 128 KiB and takes at least four bytes.
const MOST_OF_A_BYTE: u64 = (128 << 10) / 4;

/// A zstd frame of bytes.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for a level outside 1 to 22, `ERR_TQ_LIMIT` where memory is short.
pub fn compress_bytes(bytes: &[u8], level: i32) -> Result<Vec<u8>, Error> {
    if !(1..=MAX_LEVEL).contains(&level) {
        return Err(Error::invalid(format!(
            "level must be from 1 to {MAX_LEVEL}, got {level}"
        )));
    }
    let mut out = reserve(zstd_safe::compress_bound(bytes.len()))?;
    let mut compressor = Compressor::new(level).map_err(|error| refused(&error))?;
    compressor
        .compress_to_buffer(bytes, &mut out)
        .map_err(|error| refused(&error))?;
    out.shrink_to_fit();
    Ok(out)
}

/// The bytes of a zstd frame; no more than `max_size`. Memory is bounded by what the frame could hold, whatever it
/// claims.
///
/// # Errors
/// `ERR_TQ_FORMAT` for what is no frame, a frame without a content size or a damaged one, `ERR_TQ_TRUNCATED`,
/// `ERR_TQ_LIMIT` for more than `max_size` bytes.
pub fn decompress_bytes(frame: &[u8], max_size: usize) -> Result<Vec<u8>, Error> {
    let size = match zstd_safe::get_frame_content_size(frame) {
        Ok(Some(size)) => size,
        Ok(None) => {
            let reason = "the zstd frame does not name its content size".to_owned();
            return Err(malformed("ContentSize", 0, reason));
        }
        Err(_) => return Err(no_frame(frame)),
    };
    if size > max_size as u64 {
        return Err(Error::data(
            ErrorCode::Limit,
            format!("the zstd frame holds {size} bytes, more than the {max_size} allowed"),
        ));
    }
    let Ok(stored) = zstd_safe::find_frame_compressed_size(frame) else {
        // The header is whole, so that a block is cut off or names a type that there is not.
        return Err(broken(frame));
    };
    if stored < frame.len() {
        let left = frame.len() - stored;
        return Err(malformed(
            "Trailing",
            stored,
            format!("{left} bytes after the zstd frame"),
        ));
    }
    if size > (frame.len() as u64).saturating_mul(MOST_OF_A_BYTE) {
        let reason = format!(
            "{} bytes cannot hold the {size} that the zstd frame claims",
            frame.len()
        );
        return Err(malformed("ContentSize", 0, reason));
    }
    let mut out = reserve(size as usize)?;
    let mut decompressor = Decompressor::new().map_err(|error| refused(&error))?;
    decompressor
        .decompress_to_buffer(frame, &mut out)
        .map_err(|error| malformed("Zstd", 0, format!("the zstd frame is damaged: {error}")))?;
    if out.len() as u64 != size {
        let reason = format!("the zstd frame holds {} bytes and claims {size}", out.len());
        return Err(malformed("ContentSize", 0, reason));
    }
    Ok(out)
}

fn reserve(len: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    out.try_reserve_exact(len)
        .map_err(|_| CodecError::OutOfMemory { bytes: len as u64 })?;
    Ok(out)
}

fn refused(error: &std::io::Error) -> Error {
    Error::data(ErrorCode::Limit, format!("zstd: {error}"))
}

/// Why bytes have no frame header: too few of them, or others.
fn no_frame(frame: &[u8]) -> Error {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    /// Bytes of the longest frame header.
    const LONGEST: usize = 18;
    let common = frame.len().min(MAGIC.len());
    if frame[..common] == MAGIC[..common] && frame.len() < LONGEST {
        return CodecError::Truncated {
            needed: frame.len() as u64 + 1,
            got: frame.len() as u64,
        }
        .into();
    }
    malformed("Magic", 0, "these bytes are no zstd frame".to_owned())
}

/// What is wrong with the blocks of a frame whose header is whole: they end early, or one is of no known type.
fn broken(frame: &[u8]) -> Error {
    let Some(mut at) = header_len(frame) else {
        return no_frame(frame);
    };
    while let Some(head) = frame.get(at..at + 3) {
        let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let (is_last, kind, size) = (head & 1 == 1, head >> 1 & 3, (head >> 3) as usize);
        if kind == 3 {
            return malformed(
                "Block",
                at,
                "a block of the zstd frame has no known type".to_owned(),
            );
        }
        at += 3 + if kind == 1 { 1 } else { size };
        if at > frame.len() || is_last {
            break;
        }
    }
    CodecError::Truncated {
        needed: (at as u64).max(frame.len() as u64 + 1),
        got: frame.len() as u64,
    }
    .into()
}

/// Bytes of the header of a frame: magic, descriptor, window, dictionary id and content size.
fn header_len(frame: &[u8]) -> Option<usize> {
    let descriptor = *frame.get(4)?;
    let is_single = descriptor >> 5 & 1;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = [usize::from(is_single), 2, 4, 8][usize::from(descriptor >> 6)];
    Some(5 + usize::from(1 - is_single) + dictionary + content)
}
