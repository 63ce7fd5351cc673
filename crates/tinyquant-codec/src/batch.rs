//! Many compressed vectors of one configuration.

use crate::layout::RecordLayout;
use crate::record::parse;
use crate::{CompressedVector, Error};
use std::sync::Arc;

/// Compressed vectors that share hash, dimension, bit width and residual flag, stored without repeating them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedBatch {
    /// None for an empty batch.
    pub(crate) layout: Option<RecordLayout>,
    pub(crate) len: usize,
    pub(crate) packed: Vec<u8>,
    pub(crate) residuals: Vec<u8>,
}

impl CompressedBatch {
    /// A batch of its parts: `packed` holds the packed indices of all vectors with zero padding bits, `residuals`
    /// two bytes a dimension and vector if `has_residual`, nothing otherwise. The hash is any text of at most 64
    /// bytes that does not end in NUL; dimensions as for [`CompressedVector::from_parts`].
    ///
    /// # Errors
    /// `UnsupportedBitWidth`, `InvalidDimension`, `DimensionTooLarge`, `InvalidArgument`; all
    /// `ERR_TQ_INVALID_ARG`.
    pub fn from_parts(
        config_hash: impl Into<Arc<str>>,
        dimension: usize,
        bit_width: u8,
        has_residual: bool,
        packed: Vec<u8>,
        residuals: Vec<u8>,
    ) -> Result<Self, Error> {
        let layout = RecordLayout::new(config_hash, dimension, bit_width, has_residual)?;
        Self::from_layout(layout, packed, residuals)
    }

    /// A batch of records of one layout; the rest is as for [`CompressedBatch::from_parts`].
    ///
    /// # Errors
    /// `InvalidArgument` (`ERR_TQ_INVALID_ARG`) if the parts do not make whole records.
    pub fn from_layout(
        layout: RecordLayout,
        packed: Vec<u8>,
        residuals: Vec<u8>,
    ) -> Result<Self, Error> {
        let (packed_len, residual_len) = (layout.packed_len(), layout.residual_len());
        let len = packed.len() / packed_len;
        if !packed.len().is_multiple_of(packed_len) || residuals.len() != len * residual_len {
            let reason = format!(
                "{} index bytes and {} residual bytes do not make records of {packed_len} and {residual_len} bytes",
                packed.len(),
                residuals.len(),
            );
            return Err(Error::InvalidArgument { reason });
        }
        let mut rows = packed.chunks_exact(packed_len);
        if let Some(row) = rows.position(|packed| layout.padding(packed) != 0) {
            let reason = format!("unused bits of the last index byte of record {row} are not zero");
            return Err(Error::InvalidArgument { reason });
        }
        Ok(Self {
            layout: (len > 0).then_some(layout),
            len,
            packed,
            residuals,
        })
    }

    /// What the records share; none for an empty batch.
    pub fn layout(&self) -> Option<&RecordLayout> {
        self.layout.as_ref()
    }

    /// Hash of the configuration that the vectors were compressed under; none for an empty batch.
    pub fn config_hash(&self) -> Option<&str> {
        self.layout().map(RecordLayout::config_hash)
    }

    /// Number of indices of a vector; none for an empty batch.
    pub fn dimension(&self) -> Option<usize> {
        self.layout().map(RecordLayout::dimension)
    }

    /// Bits of an index; none for an empty batch.
    pub fn bit_width(&self) -> Option<u8> {
        self.layout().map(RecordLayout::bit_width)
    }

    /// Whether the vectors have residuals; not those of an empty batch.
    pub fn has_residual(&self) -> bool {
        self.layout().is_some_and(RecordLayout::has_residual)
    }

    /// The packed indices of all vectors, one after another.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The residuals of all vectors, one after another.
    pub fn residuals(&self) -> &[u8] {
        &self.residuals
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all payloads: packed indices and residuals, without headers.
    pub fn size_bytes(&self) -> usize {
        self.packed.len() + self.residuals.len()
    }

    /// A copy of one vector, or none if `index` is not below [`CompressedBatch::len`].
    pub fn record(&self, index: usize) -> Option<CompressedVector> {
        let layout = self.layout.as_ref().filter(|_| index < self.len)?;
        let (packed, residual) = self.parts(layout, index);
        Some(CompressedVector::from_checked(
            layout.clone(),
            packed,
            residual,
        ))
    }

    fn parts(&self, layout: &RecordLayout, index: usize) -> (&[u8], &[u8]) {
        let (packed, residual) = (layout.packed_len(), layout.residual_len());
        (
            &self.packed[index * packed..][..packed],
            &self.residuals[index * residual..][..residual],
        )
    }

    /// The packed indices of all vectors one after another, and their residuals.
    pub fn into_payloads(self) -> (Vec<u8>, Vec<u8>) {
        (self.packed, self.residuals)
    }

    /// The Level-1 records, one after another.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Some(layout) = &self.layout else {
            return Vec::new();
        };
        let mut out = Vec::with_capacity(self.len * layout.record_len());
        for index in 0..self.len {
            let (packed, residual) = self.parts(layout, index);
            layout.write(packed, residual, &mut out);
        }
        out
    }

    /// Reads Level-1 records that lie one after another and share their header. No bytes give an empty batch.
    ///
    /// # Errors
    /// `Truncated`, `UnknownVersion` or `Malformed`, with the offset of the offending field.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut batch = Self {
            layout: None,
            len: 0,
            packed: Vec::new(),
            residuals: Vec::new(),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = (bytes.len() - rest.len()) as u64;
            let (view, after) = parse(rest, offset)?;
            match &batch.layout {
                Some(layout) if *layout != view.layout => {
                    let reason = format!("record {} has another header than the first", batch.len);
                    return Err(Error::Malformed {
                        kind: "MixedRecords",
                        offset,
                        reason,
                    });
                }
                Some(_) => {}
                None => batch.layout = Some(view.layout),
            }
            batch.len += 1;
            batch.packed.extend_from_slice(view.packed);
            batch.residuals.extend_from_slice(view.residual);
            rest = after;
        }
        Ok(batch)
    }
}
