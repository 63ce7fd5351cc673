//! What the Level-1 records of one batch or file have in common.

use crate::config::check_bit_width;
use crate::{Error, MAX_DIMENSION};
use std::sync::Arc;

pub(crate) const VERSION: u8 = 1;
pub(crate) const HASH_LEN: usize = 64;
pub(crate) const HEADER: usize = 70;

/// The fields that records share: configuration hash, dimension, bit width, and whether they carry a residual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    pub(crate) config_hash: Arc<str>,
    pub(crate) dimension: usize,
    pub(crate) bit_width: u8,
    pub(crate) has_residual: bool,
}

/// What follows a record's header.
pub(crate) struct Body<'a> {
    pub(crate) packed: &'a [u8],
    pub(crate) residual: Option<&'a [u8]>,
    pub(crate) rest: &'a [u8],
}

impl RecordLayout {
    /// A layout of its fields. Records of 8 bits may have up to `4 * MAX_DIMENSION` dimensions, others up to
    /// `MAX_DIMENSION`. The hash is any text of at most 64 bytes that does not end in NUL: files of `TinyQuant`
    /// may hold one that no configuration has.
    ///
    /// # Errors
    /// `UnsupportedBitWidth`, `InvalidDimension`, `DimensionTooLarge`, `InvalidArgument` (the hash); all
    /// `ERR_TQ_INVALID_ARG`.
    pub fn new(
        config_hash: impl Into<Arc<str>>,
        dimension: usize,
        bit_width: u8,
        has_residual: bool,
    ) -> Result<Self, Error> {
        check_bit_width(bit_width)?;
        match dimension {
            0 => return Err(Error::InvalidDimension),
            d if d > max_dimension(bit_width) => {
                return Err(Error::DimensionTooLarge { got: d as u64 });
            }
            _ => {}
        }
        let config_hash = config_hash.into();
        if config_hash.len() > HASH_LEN || config_hash.ends_with('\0') {
            let reason = format!(
                "a config hash has at most {HASH_LEN} bytes and does not end in NUL, got {config_hash:?}"
            );
            return Err(Error::InvalidArgument { reason });
        }
        Ok(Self {
            config_hash,
            dimension,
            bit_width,
            has_residual,
        })
    }

    /// Hash of the configuration that the vectors were compressed under.
    pub fn config_hash(&self) -> &str {
        &self.config_hash
    }

    /// Number of indices of a record.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Bits of an index: 2, 4 or 8.
    pub fn bit_width(&self) -> u8 {
        self.bit_width
    }

    /// Whether a record carries a residual.
    pub fn has_residual(&self) -> bool {
        self.has_residual
    }

    /// Bytes of the packed indices of a record.
    pub fn packed_len(&self) -> usize {
        (self.dimension * usize::from(self.bit_width)).div_ceil(8)
    }

    /// Bytes of the residual of a record; 0 without one.
    pub fn residual_len(&self) -> usize {
        if self.has_residual {
            2 * self.dimension
        } else {
            0
        }
    }

    /// Bytes of a record.
    pub fn record_len(&self) -> usize {
        HEADER
            + self.packed_len()
            + 1
            + if self.has_residual {
                4 + self.residual_len()
            } else {
                0
            }
    }

    /// The bits of the last index byte that no index uses.
    pub(crate) fn padding(&self, packed: &[u8]) -> u8 {
        match self.dimension * usize::from(self.bit_width) % 8 {
            0 => 0,
            used => packed.last().map_or(0, |last| last >> used),
        }
    }

    /// Fails unless records of the other layout may lie beside those of this one.
    ///
    /// # Errors
    /// `ConfigMismatch` (`ERR_TQ_CONFIG_MISMATCH`), `CodebookIncompatible` (`ERR_TQ_CODEBOOK_MISMATCH`),
    /// `DimensionMismatch` (`ERR_TQ_DIM_MISMATCH`), and `InvalidArgument` (`ERR_TQ_INVALID_ARG`) where only one
    /// of them has residuals.
    pub fn check_fits(&self, other: &Self) -> Result<(), Error> {
        if self.config_hash != other.config_hash {
            return Err(Error::ConfigMismatch {
                expected: self.config_hash.to_string(),
                got: other.config_hash.to_string(),
                row: None,
            });
        }
        if self.bit_width != other.bit_width {
            return Err(Error::CodebookIncompatible {
                what: "record",
                expected: self.bit_width,
                got: other.bit_width,
            });
        }
        if self.dimension != other.dimension {
            return Err(Error::DimensionMismatch {
                expected: self.dimension,
                got: other.dimension,
                row: None,
            });
        }
        if self.has_residual != other.has_residual {
            let reason = if self.has_residual {
                "records without a residual do not fit those with one"
            } else {
                "records with a residual do not fit those without one"
            };
            return Err(Error::InvalidArgument {
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    /// Appends a record of [`RecordLayout::record_len`] bytes. A shorter hash is padded with NULs.
    pub fn write(&self, packed: &[u8], residual: &[u8], out: &mut Vec<u8>) {
        out.push(VERSION);
        let end = out.len() + HASH_LEN;
        out.extend_from_slice(self.config_hash.as_bytes());
        out.resize(end, 0);
        out.extend_from_slice(&(self.dimension as u32).to_le_bytes());
        out.push(self.bit_width);
        out.extend_from_slice(packed);
        out.push(u8::from(self.has_residual));
        if self.has_residual {
            out.extend_from_slice(&(residual.len() as u32).to_le_bytes());
            out.extend_from_slice(residual);
        }
    }

    /// The packed indices and the residual (empty without one) of the record that `bytes` hold, which lies at
    /// `base` of the whole input and must have this layout.
    ///
    /// # Errors
    /// `Truncated` (`ERR_TQ_TRUNCATED`) and `Malformed` (`ERR_TQ_FORMAT`), with the offset of the offending field.
    pub fn read<'a>(&self, bytes: &'a [u8], base: u64) -> Result<(&'a [u8], &'a [u8]), Error> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(truncated(base, HEADER, bytes.len()));
        };
        if header[0] != VERSION {
            let reason = format!("unknown format version {:#04x} of a record", header[0]);
            return Err(malformed("UnknownVersion", base, 0, reason));
        }
        let mixed = |at, got: &dyn std::fmt::Display, expected: &dyn std::fmt::Display, what| {
            let reason = format!("a record has the {what} {got}, its file {expected}");
            Err(malformed("MixedRecords", base, at, reason))
        };
        let (hash, padding) = header[1..=HASH_LEN].split_at(self.config_hash.len());
        if hash != self.config_hash.as_bytes() || padding.iter().any(|byte| *byte != 0) {
            let got = String::from_utf8_lossy(&header[1..=HASH_LEN]);
            let got = got.trim_end_matches('\0');
            return mixed(1, &got.escape_debug(), &self.config_hash, "config hash");
        }
        let dimension = u32::from_le_bytes([header[65], header[66], header[67], header[68]]);
        if dimension as usize != self.dimension {
            return mixed(65, &dimension, &self.dimension, "dimension");
        }
        if header[69] != self.bit_width {
            return mixed(69, &header[69], &self.bit_width, "bit width");
        }
        let body = self.body(bytes, base)?;
        if body.residual.is_some() != self.has_residual {
            let at = HEADER + self.packed_len();
            let (got, expected) = (u8::from(!self.has_residual), u8::from(self.has_residual));
            return mixed(at, &got, &expected, "residual flag");
        }
        if !body.rest.is_empty() {
            return Err(trailing(base, bytes.len(), body.rest.len()));
        }
        Ok((body.packed, body.residual.unwrap_or_default()))
    }

    /// Reads what follows the header of the record at the start of `bytes`. Whether there is a residual is read,
    /// whatever this layout says.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8], base: u64) -> Result<Body<'a>, Error> {
        let flag_at = HEADER + self.packed_len();
        if bytes.len() <= flag_at {
            return Err(truncated(base, flag_at + 1, bytes.len()));
        }
        let packed = &bytes[HEADER..flag_at];
        if self.padding(packed) != 0 {
            let reason = "unused bits of the last index byte are not zero".to_owned();
            return Err(malformed("NonZeroPadding", base, flag_at - 1, reason));
        }
        let (residual, end) = match bytes[flag_at] {
            0 => (None, flag_at + 1),
            1 => {
                let start = flag_at + 5;
                let Some(stored) = bytes.get(flag_at + 1..start) else {
                    return Err(truncated(base, start, bytes.len()));
                };
                let len = u32::from_le_bytes([stored[0], stored[1], stored[2], stored[3]]) as usize;
                if len != 2 * self.dimension {
                    let reason = format!("residual length {len}, expected {}", 2 * self.dimension);
                    return Err(malformed("LengthMismatch", base, flag_at + 1, reason));
                }
                let Some(residual) = bytes.get(start..start + len) else {
                    return Err(truncated(base, start + len, bytes.len()));
                };
                (Some(residual), start + len)
            }
            flag => {
                let reason =
                    format!("invalid residual flag: expected 0x00 or 0x01, got {flag:#04x}");
                return Err(malformed("InvalidResidualFlag", base, flag_at, reason));
            }
        };
        Ok(Body {
            packed,
            residual,
            rest: &bytes[end..],
        })
    }
}

/// Records of eight bits also carry uncompressed vectors, a byte an index: up to four bytes a component.
pub(crate) fn max_dimension(bit_width: u8) -> usize {
    if bit_width == 8 {
        4 * MAX_DIMENSION
    } else {
        MAX_DIMENSION
    }
}

pub(crate) fn truncated(base: u64, needed: usize, got: usize) -> Error {
    Error::Truncated {
        needed: base + needed as u64,
        got: base + got as u64,
    }
}

pub(crate) fn malformed(kind: &'static str, base: u64, at: usize, reason: String) -> Error {
    Error::Malformed {
        kind,
        offset: base + at as u64,
        reason,
    }
}

/// The error of `rest` bytes that follow a record within `len`.
pub(crate) fn trailing(base: u64, len: usize, rest: usize) -> Error {
    let reason = format!("{rest} bytes after the end of the record");
    malformed("TrailingBytes", base, len - rest, reason)
}
