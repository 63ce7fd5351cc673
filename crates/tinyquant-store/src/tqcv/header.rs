//! The header of a TQCV file.

use super::{MAGIC, PREFIX, TQCV_MAX_METADATA, UNFINISHED};
use crate::{Error, Source};
use tinyquant_codec::RecordLayout;

const VERSION: u8 = 1;

/// Bytes before the config hash.
const FIXED: usize = 24;

/// Longest config hash that a record can carry, in bytes.
const MAX_HASH: usize = 64;

/// Records begin at a multiple of this.
const ALIGNMENT: u64 = 8;

/// What a TQCV file says before its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TqcvHeader {
    /// What the records share.
    pub layout: RecordLayout,
    /// The writer's own bytes.
    pub metadata: Vec<u8>,
    /// Number of records.
    pub count: u64,
}

impl TqcvHeader {
    /// Reads the header and checks that the file has the length that it announces. Padding is not looked at.
    pub(super) fn read(source: &Source) -> Result<Self, Error> {
        let fixed = source.read(0, FIXED as u64)?;
        let Some((fixed, _)) = fixed.split_first_chunk::<FIXED>() else {
            return Err(source.truncated(FIXED as u64, source.len()));
        };
        let [m0, m1, m2, m3, version, r0, r1, r2, rest @ ..] = *fixed;
        let [c0, c1, c2, c3, c4, c5, c6, c7, rest @ ..] = rest;
        let [d0, d1, d2, d3, bit_width, flag, h0, h1] = rest;
        match [m0, m1, m2, m3] {
            MAGIC => {}
            UNFINISHED => {
                let path = source.path().map(ToOwned::to_owned);
                return Err(Error::Unfinished { path });
            }
            got => {
                let reason = format!("bad magic bytes: expected TQCV, got {}", got.escape_ascii());
                return Err(source.malformed("BadMagic", 0, reason));
            }
        }
        if version != VERSION {
            return Err(source.unknown_version(version.into()));
        }
        let invalid = |offset, reason: String| source.malformed("InvalidHeader", offset, reason);
        if [r0, r1, r2] != [0; 3] {
            return Err(invalid(5, "reserved bytes are not zero".to_owned()));
        }
        let count = u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let dimension = u32::from_le_bytes([d0, d1, d2, d3]);
        if flag > 1 {
            let reason = format!("invalid residual flag: expected 0x00 or 0x01, got {flag:#04x}");
            return Err(invalid(21, reason));
        }
        let hash_len = usize::from(u16::from_le_bytes([h0, h1]));
        if hash_len > MAX_HASH {
            let reason = format!("a config hash has at most {MAX_HASH} bytes, got {hash_len}");
            return Err(invalid(22, reason));
        }
        let after_hash = source.read(FIXED as u64, (hash_len + 4) as u64)?;
        let Some((hash, metadata_len)) = after_hash.split_last_chunk::<4>() else {
            return Err(source.truncated((FIXED + 4) as u64, source.len()));
        };
        let Ok(hash) = std::str::from_utf8(hash) else {
            let reason = "invalid UTF-8 in config hash";
            return Err(source.malformed("InvalidUtf8", FIXED as u64, reason));
        };
        let layout =
            RecordLayout::new(hash, dimension as usize, bit_width, flag == 1).map_err(|error| {
                use tinyquant_codec::Error as Refused;
                let (kind, offset) = match error {
                    Refused::UnsupportedBitWidth { .. } => ("InvalidBitWidth", 20),
                    Refused::InvalidArgument { .. } => ("InvalidHash", FIXED as u64),
                    _ => ("InvalidHeader", 16),
                };
                source.malformed(kind, offset, error.to_string())
            })?;
        let metadata_at = FIXED + hash_len + 4;
        let metadata_len = u32::from_le_bytes(*metadata_len) as usize;
        if metadata_len > TQCV_MAX_METADATA {
            let reason = format!("metadata of {metadata_len} bytes, at most {TQCV_MAX_METADATA}");
            return Err(invalid((metadata_at - 4) as u64, reason));
        }
        let metadata = source.read(metadata_at as u64, metadata_len as u64)?;
        let header = Self {
            layout,
            metadata: metadata.into_owned(),
            count,
        };
        header.check_len(source)?;
        Ok(header)
    }

    fn check_len(&self, source: &Source) -> Result<(), Error> {
        let records = self.count.checked_mul(self.stride() as u64);
        let needed = records.and_then(|records| records.checked_add(self.body()));
        match needed {
            Some(needed) if needed == source.len() => Ok(()),
            Some(needed) if needed < source.len() => {
                let reason = format!(
                    "{} bytes after the last of {} records",
                    source.len() - needed,
                    self.count
                );
                Err(source.malformed("TrailingBytes", needed, reason))
            }
            _ => Err(source.truncated(needed.unwrap_or(u64::MAX), source.len())),
        }
    }

    /// Where the padding before the records begins.
    pub(super) fn padding(&self) -> u64 {
        (FIXED + self.layout.config_hash().len() + 4 + self.metadata.len()) as u64
    }

    /// Where the first record begins.
    pub(super) fn body(&self) -> u64 {
        self.padding().next_multiple_of(ALIGNMENT)
    }

    /// Bytes from record to record.
    pub(super) fn stride(&self) -> usize {
        PREFIX + self.layout.record_len()
    }

    /// The bytes of a finished file up to its first record.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body() as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&(self.layout.dimension() as u32).to_le_bytes());
        bytes.push(self.layout.bit_width());
        bytes.push(u8::from(self.layout.has_residual()));
        let hash = self.layout.config_hash().as_bytes();
        bytes.extend_from_slice(&(hash.len() as u16).to_le_bytes());
        bytes.extend_from_slice(hash);
        bytes.extend_from_slice(&(self.metadata.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.metadata);
        bytes.resize(self.body() as usize, 0);
        bytes
    }
}
