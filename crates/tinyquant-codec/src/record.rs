//! One compressed vector and its Level-1 record.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 64 | config hash, lower-case hexadecimal |
//! | 65 | 4 | dimension, u32 |
//! | 69 | 1 | bit width |
//! | 70 | P = ceil(dimension * bits / 8) | indices, least significant bits first |
//! | 70 + P | 1 | residual flag: 0 or 1 |
//! | 71 + P | 4 | with flag 1: residual length, u32, `2 * dimension` |
//! | 75 + P | | with flag 1: f16 residuals |

use crate::config::check_bit_width;
use crate::{Error, MAX_DIMENSION};
use std::sync::Arc;
use tinyquant_kernels::{Kernels, padded};

const VERSION: u8 = 1;
const HASH_LEN: usize = 64;
const HEADER: usize = 70;

/// What the records of one batch share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) config_hash: Arc<str>,
    pub(crate) dimension: usize,
    pub(crate) bit_width: u8,
    pub(crate) has_residual: bool,
}

impl Layout {
    pub(crate) fn packed_len(&self) -> usize {
        (self.dimension * usize::from(self.bit_width)).div_ceil(8)
    }

    pub(crate) fn residual_len(&self) -> usize {
        if self.has_residual {
            2 * self.dimension
        } else {
            0
        }
    }

    /// The bits of the last index byte that no index uses.
    fn padding(&self, packed: &[u8]) -> u8 {
        match self.dimension * usize::from(self.bit_width) % 8 {
            0 => 0,
            used => packed.last().map_or(0, |last| last >> used),
        }
    }

    pub(crate) fn record_len(&self) -> usize {
        HEADER
            + self.packed_len()
            + 1
            + if self.has_residual {
                4 + self.residual_len()
            } else {
                0
            }
    }

    /// Appends one record.
    pub(crate) fn write(&self, packed: &[u8], residual: &[u8], out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(self.config_hash.as_bytes());
        out.extend_from_slice(&(self.dimension as u32).to_le_bytes());
        out.push(self.bit_width);
        out.extend_from_slice(packed);
        out.push(u8::from(self.has_residual));
        if self.has_residual {
            out.extend_from_slice(&(residual.len() as u32).to_le_bytes());
            out.extend_from_slice(residual);
        }
    }
}

/// A record inside a longer run of bytes, checked.
pub(crate) struct RecordView<'a> {
    pub(crate) layout: Layout,
    pub(crate) packed: &'a [u8],
    pub(crate) residual: &'a [u8],
}

/// Reads the record at the start of `bytes`, which lies at `base` of the whole input, and returns what follows
/// it.
pub(crate) fn parse(bytes: &[u8], base: u64) -> Result<(RecordView<'_>, &[u8]), Error> {
    let truncated = |needed: usize| {
        Err(Error::Truncated {
            needed: base + needed as u64,
            got: base + bytes.len() as u64,
        })
    };
    let malformed = |kind, offset: usize, reason| {
        Err(Error::Malformed {
            kind,
            offset: base + offset as u64,
            reason,
        })
    };
    if bytes.len() < HEADER {
        return truncated(HEADER);
    }
    if bytes[0] != VERSION {
        return Err(Error::UnknownVersion {
            got: bytes[0],
            offset: base,
        });
    }
    let config_hash = match std::str::from_utf8(&bytes[1..=HASH_LEN]) {
        Ok(text) if is_hash(text) => text,
        Ok(_) => {
            return malformed(
                "InvalidHash",
                1,
                "config hash is not 64 lower-case hexadecimal digits".to_owned(),
            );
        }
        Err(_) => return malformed("InvalidUtf8", 1, "invalid UTF-8 in config hash".to_owned()),
    };
    let dimension = u32::from_le_bytes([bytes[65], bytes[66], bytes[67], bytes[68]]) as usize;
    let bit_width = bytes[69];
    if check_bit_width(bit_width).is_err() {
        return malformed(
            "InvalidBitWidth",
            69,
            format!("invalid bit_width {bit_width} in serialized data"),
        );
    }
    if dimension == 0 || dimension > max_dimension(bit_width) {
        return malformed(
            "InvalidDimension",
            65,
            format!("invalid dimension {dimension} in serialized data"),
        );
    }
    let mut layout = Layout {
        config_hash: config_hash.into(),
        dimension,
        bit_width,
        has_residual: false,
    };
    let flag_at = HEADER + layout.packed_len();
    if bytes.len() <= flag_at {
        return truncated(flag_at + 1);
    }
    let packed = &bytes[HEADER..flag_at];
    if layout.padding(packed) != 0 {
        return malformed(
            "NonZeroPadding",
            flag_at - 1,
            "unused bits of the last index byte are not zero".to_owned(),
        );
    }
    let (residual, end) = match bytes[flag_at] {
        0 => (&bytes[..0], flag_at + 1),
        1 => {
            layout.has_residual = true;
            let start = flag_at + 5;
            let Some(stored) = bytes.get(flag_at + 1..start) else {
                return truncated(start);
            };
            let len = u32::from_le_bytes([stored[0], stored[1], stored[2], stored[3]]) as usize;
            if len != layout.residual_len() {
                let reason = format!("residual length {len}, expected {}", layout.residual_len());
                return malformed("LengthMismatch", flag_at + 1, reason);
            }
            let Some(residual) = bytes.get(start..start + len) else {
                return truncated(start + len);
            };
            (residual, start + len)
        }
        flag => {
            let reason = format!("invalid residual flag: expected 0x00 or 0x01, got {flag:#04x}");
            return malformed("InvalidResidualFlag", flag_at, reason);
        }
    };
    Ok((
        RecordView {
            layout,
            packed,
            residual,
        },
        &bytes[end..],
    ))
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LEN
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Records of eight bits also carry uncompressed vectors, a byte an index: up to four bytes a component.
fn max_dimension(bit_width: u8) -> usize {
    if bit_width == 8 {
        4 * MAX_DIMENSION
    } else {
        MAX_DIMENSION
    }
}

/// A compressed vector: packed codes, an optional f16 residual, and the hash of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedVector {
    pub(crate) layout: Layout,
    packed: Box<[u8]>,
    residual: Box<[u8]>,
}

impl CompressedVector {
    /// A record of its parts: `packed` holds `ceil(dimension * bit_width / 8)` bytes with zero padding bits,
    /// `residual` two bytes a dimension. The hash is 64 lower-case hexadecimal digits. Records of 8 bits may
    /// have up to `4 * MAX_DIMENSION` dimensions, others up to `MAX_DIMENSION`.
    ///
    /// # Errors
    /// `UnsupportedBitWidth`, `InvalidDimension`, `DimensionTooLarge`, `InvalidArgument`.
    pub fn from_parts(
        config_hash: impl Into<Arc<str>>,
        dimension: usize,
        bit_width: u8,
        packed: Vec<u8>,
        residual: Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        check_bit_width(bit_width)?;
        match dimension {
            0 => return Err(Error::InvalidDimension),
            d if d > max_dimension(bit_width) => {
                return Err(Error::DimensionTooLarge { got: d as u64 });
            }
            _ => {}
        }
        let layout = Layout {
            config_hash: config_hash.into(),
            dimension,
            bit_width,
            has_residual: residual.is_some(),
        };
        let residual = residual.unwrap_or_default();
        let fits = packed.len() == layout.packed_len() && residual.len() == layout.residual_len();
        if !fits || layout.padding(&packed) != 0 || !is_hash(&layout.config_hash) {
            let reason = format!(
                "the parts do not make a record of dimension {dimension} and bit width {bit_width}: hash of {} characters, {} index bytes (expected {}), {} residual bytes (expected {})",
                layout.config_hash.len(),
                packed.len(),
                layout.packed_len(),
                residual.len(),
                layout.residual_len(),
            );
            return Err(Error::InvalidArgument { reason });
        }
        Ok(Self {
            layout,
            packed: packed.into(),
            residual: residual.into(),
        })
    }

    /// Reads exactly one Level-1 record.
    ///
    /// # Errors
    /// `Truncated`, `UnknownVersion` or `Malformed`, with the offset of the offending field.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (view, rest) = parse(bytes, 0)?;
        if !rest.is_empty() {
            let reason = format!("{} bytes after the end of the record", rest.len());
            return Err(Error::Malformed {
                kind: "TrailingBytes",
                offset: (bytes.len() - rest.len()) as u64,
                reason,
            });
        }
        Ok(Self {
            layout: view.layout,
            packed: view.packed.into(),
            residual: view.residual.into(),
        })
    }

    pub(crate) fn from_checked(
        layout: Layout,
        packed: impl Into<Box<[u8]>>,
        residual: impl Into<Box<[u8]>>,
    ) -> Self {
        Self {
            layout,
            packed: packed.into(),
            residual: residual.into(),
        }
    }

    /// The Level-1 record.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.layout.record_len());
        self.layout.write(&self.packed, &self.residual, &mut out);
        out
    }

    /// Hash of the configuration that the vector was compressed under.
    pub fn config_hash(&self) -> &str {
        &self.layout.config_hash
    }

    /// Number of indices. A record of an uncompressed vector has one a byte.
    pub fn dimension(&self) -> usize {
        self.layout.dimension
    }

    /// Bits of an index: 2, 4 or 8.
    pub fn bit_width(&self) -> u8 {
        self.layout.bit_width
    }

    /// Whether there is a residual.
    pub fn has_residual(&self) -> bool {
        self.layout.has_residual
    }

    /// The packed indices, least significant bits first.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The f16 residuals of the rotated coordinates, two bytes each.
    pub fn residual(&self) -> Option<&[u8]> {
        self.has_residual().then_some(&*self.residual)
    }

    /// The indices, one byte each.
    pub fn indices(&self) -> Vec<u8> {
        let len = padded(self.dimension());
        let mut packed = self.packed.to_vec();
        packed.resize(len * usize::from(self.bit_width()) / 8, 0);
        let mut indices = vec![0; len];
        Kernels::active().unpack(self.bit_width(), &packed, &mut indices);
        indices.truncate(self.dimension());
        indices
    }

    /// Bytes of the payload: packed indices and residual, without the record's header.
    pub fn size_bytes(&self) -> usize {
        self.packed.len() + self.residual.len()
    }
}
