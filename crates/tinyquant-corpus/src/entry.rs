//! One vector of a corpus.

use crate::Timestamp;
use std::sync::Arc;
use tinyquant_codec::CompressedVector;

/// A vector of a corpus: its id, its record, and what the caller said about it. An immutable snapshot,
/// cheap to clone; it stays valid when the corpus drops the vector.
#[derive(Debug, Clone)]
pub struct VectorEntry {
    pub(crate) id: Arc<str>,
    pub(crate) record: Arc<CompressedVector>,
    pub(crate) dimension: usize,
    pub(crate) inserted_at: Timestamp,
    pub(crate) metadata: Option<Arc<str>>,
}

impl VectorEntry {
    /// An entry of its parts. `dimension` is that of the vector, which under the policies that bypass the codec
    /// differs from the record's.
    pub fn new(
        id: Arc<str>,
        record: Arc<CompressedVector>,
        dimension: usize,
        inserted_at: Timestamp,
        metadata: Option<Arc<str>>,
    ) -> Self {
        Self {
            id,
            record,
            dimension,
            inserted_at,
            metadata,
        }
    }

    /// The caller's name for the vector.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The stored form. Under the policies that bypass the codec it holds plain bytes: its bit width is 8
    /// and its dimension counts bytes (`4 * dimension` or `2 * dimension`).
    pub fn record(&self) -> &Arc<CompressedVector> {
        &self.record
    }

    /// Components of the vector that was inserted.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// When the vector was inserted, as the caller said.
    pub fn inserted_at(&self) -> Timestamp {
        self.inserted_at
    }

    /// The caller's metadata: text that is kept and returned, never read.
    pub fn metadata(&self) -> Option<&Arc<str>> {
        self.metadata.as_ref()
    }

    /// Bytes this entry keeps on the heap, roughly.
    pub(crate) fn heap_bytes(&self) -> usize {
        let text = self.id.len() + self.metadata.as_ref().map_or(0, |text| text.len());
        text + self.record.size_bytes() + PER_ENTRY
    }
}

/// Bytes around a stored vector: the slot, the index entry, the reference counts and the allocations'
/// own bookkeeping.
const PER_ENTRY: usize = 256;
