//! Many compressed vectors of one configuration.

use crate::record::{Layout, parse};
use crate::{CompressedVector, Error};

/// Compressed vectors that share hash, dimension, bit width and residual flag, stored without repeating them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedBatch {
    /// None for an empty batch.
    pub(crate) layout: Option<Layout>,
    pub(crate) len: usize,
    pub(crate) packed: Vec<u8>,
    pub(crate) residuals: Vec<u8>,
}

impl CompressedBatch {
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

    fn parts(&self, layout: &Layout, index: usize) -> (&[u8], &[u8]) {
        let (packed, residual) = (layout.packed_len(), layout.residual_len());
        (
            &self.packed[index * packed..][..packed],
            &self.residuals[index * residual..][..residual],
        )
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
