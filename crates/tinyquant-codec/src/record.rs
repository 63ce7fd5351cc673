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

use crate::Error;
use crate::config::check_bit_width;
use crate::layout::{
    HASH_LEN, HEADER, RecordLayout, VERSION, malformed, max_dimension, trailing, truncated,
};
use std::sync::Arc;
use tinyquant_kernels::{Kernels, padded};

/// A record inside a longer run of bytes, checked.
pub(crate) struct RecordView<'a> {
    pub(crate) layout: RecordLayout,
    pub(crate) packed: &'a [u8],
    pub(crate) residual: &'a [u8],
}

/// Reads the record at the start of `bytes`, which lies at `base` of the whole input, and returns what follows
/// it.
pub(crate) fn parse(bytes: &[u8], base: u64) -> Result<(RecordView<'_>, &[u8]), Error> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(truncated(base, HEADER, bytes.len()));
    };
    if header[0] != VERSION {
        return Err(Error::UnknownVersion {
            got: header[0],
            offset: base,
        });
    }
    let config_hash = match std::str::from_utf8(&header[1..=HASH_LEN]) {
        Ok(text) if is_hash(text) => text,
        Ok(_) => {
            let reason = "config hash is not 64 lower-case hexadecimal digits".to_owned();
            return Err(malformed("InvalidHash", base, 1, reason));
        }
        Err(_) => {
            let reason = "invalid UTF-8 in config hash".to_owned();
            return Err(malformed("InvalidUtf8", base, 1, reason));
        }
    };
    let dimension = u32::from_le_bytes([header[65], header[66], header[67], header[68]]) as usize;
    let bit_width = header[69];
    if check_bit_width(bit_width).is_err() {
        let reason = format!("invalid bit_width {bit_width} in serialized data");
        return Err(malformed("InvalidBitWidth", base, 69, reason));
    }
    if dimension == 0 || dimension > max_dimension(bit_width) {
        let reason = format!("invalid dimension {dimension} in serialized data");
        return Err(malformed("InvalidDimension", base, 65, reason));
    }
    let mut layout = RecordLayout {
        config_hash: config_hash.into(),
        dimension,
        bit_width,
        has_residual: false,
    };
    let body = layout.body(bytes, base)?;
    layout.has_residual = body.residual.is_some();
    let view = RecordView {
        layout,
        packed: body.packed,
        residual: body.residual.unwrap_or_default(),
    };
    Ok((view, body.rest))
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LEN
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A compressed vector: packed codes, an optional f16 residual, and the hash of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedVector {
    pub(crate) layout: RecordLayout,
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
        let layout = RecordLayout::new(config_hash, dimension, bit_width, residual.is_some())?;
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
            return Err(trailing(0, bytes.len(), rest.len()));
        }
        Ok(Self {
            layout: view.layout,
            packed: view.packed.into(),
            residual: view.residual.into(),
        })
    }

    pub(crate) fn from_checked(
        layout: RecordLayout,
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
