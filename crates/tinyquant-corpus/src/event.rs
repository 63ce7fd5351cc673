//! What happened to a corpus.

use crate::{CompressionPolicy, Timestamp};
use std::sync::Arc;
use tinyquant_codec::CodecConfig;

/// Something that happened to a corpus. Events wait in the corpus until they are drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorpusEvent {
    /// The corpus was made.
    Created {
        /// Id of the corpus.
        corpus_id: Arc<str>,
        /// Its codec configuration.
        config: CodecConfig,
        /// Its compression policy.
        policy: CompressionPolicy,
        /// When, as the caller said.
        timestamp: Timestamp,
    },
    /// One call inserted vectors.
    VectorsInserted {
        /// Id of the corpus.
        corpus_id: Arc<str>,
        /// Ids of the vectors, in the order given. Never empty.
        vector_ids: Vec<Arc<str>>,
        /// When, as the caller said.
        timestamp: Timestamp,
    },
    /// The whole corpus was decompressed.
    Decompressed {
        /// Id of the corpus.
        corpus_id: Arc<str>,
        /// Vectors decompressed. Never 0.
        vector_count: usize,
        /// When, as the caller said.
        timestamp: Timestamp,
    },
}

impl CorpusEvent {
    /// Name of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "CorpusCreated",
            Self::VectorsInserted { .. } => "VectorsInserted",
            Self::Decompressed { .. } => "CorpusDecompressed",
        }
    }

    /// Bytes the event keeps, roughly; the ids of vectors that were removed since are kept by it alone.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::VectorsInserted { vector_ids, .. } => {
                    vector_ids.len() * size_of::<Arc<str>>()
                }
                Self::Created { .. } | Self::Decompressed { .. } => 0,
            }
    }
}
