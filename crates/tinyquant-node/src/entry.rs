//! Entries and events of corpora, as JavaScript sees them.

use crate::record::NativeRecord;
use napi::Env;
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_corpus::{CorpusEvent, Timestamp, VectorEntry};

/// A vector of a corpus, as it was when it was asked for.
#[napi]
pub struct NativeEntry {
    inner: VectorEntry,
}

#[napi]
impl NativeEntry {
    /// The caller's name for the vector.
    #[napi(getter)]
    pub fn vector_id(&self) -> &str {
        self.inner.id()
    }

    /// Components of the vector that was inserted.
    #[napi(getter)]
    pub fn dimension(&self) -> u32 {
        self.inner.dimension() as u32
    }

    /// When it was inserted, in milliseconds since the epoch.
    #[napi(getter)]
    pub fn inserted_at_ms(&self) -> f64 {
        self.inner.inserted_at().as_millis()
    }

    /// The caller's metadata.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn metadata_json(&self) -> Option<&str> {
        self.inner.metadata().map(AsRef::as_ref)
    }

    /// Hash of the configuration that made the record.
    #[napi(getter)]
    pub fn config_hash(&self) -> &str {
        self.inner.record().config_hash()
    }

    /// Whether the record has a residual.
    #[napi(getter)]
    pub fn has_residual(&self) -> bool {
        self.inner.record().has_residual()
    }

    /// The stored form.
    #[napi]
    pub fn compressed(&self, env: Env) -> NativeRecord {
        NativeRecord::new(env, Arc::clone(self.inner.record()))
    }
}

impl From<VectorEntry> for NativeEntry {
    fn from(inner: VectorEntry) -> Self {
        Self { inner }
    }
}

/// Something that happened to a corpus.
#[napi(object, object_from_js = false)]
pub struct NativeEvent {
    /// Name of the event.
    #[napi(
        js_name = "type",
        ts_type = "'CorpusCreated' | 'VectorsInserted' | 'CorpusDecompressed'"
    )]
    pub kind: &'static str,
    /// Id of the corpus.
    pub corpus_id: String,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: f64,
    /// Policy of a corpus that was created.
    pub policy: Option<String>,
    /// Ids of the vectors that were inserted.
    pub vector_ids: Option<Vec<String>>,
    /// How many vectors were inserted or decompressed.
    pub count: Option<f64>,
}

impl From<&CorpusEvent> for NativeEvent {
    fn from(event: &CorpusEvent) -> Self {
        let base = |corpus_id: &str, timestamp: Timestamp| Self {
            kind: event.name(),
            corpus_id: corpus_id.to_owned(),
            timestamp_ms: timestamp.as_millis(),
            policy: None,
            vector_ids: None,
            count: None,
        };
        match event {
            CorpusEvent::Created {
                corpus_id,
                policy,
                timestamp,
                ..
            } => Self {
                policy: Some(policy.kind().to_owned()),
                ..base(corpus_id, *timestamp)
            },
            CorpusEvent::VectorsInserted {
                corpus_id,
                vector_ids,
                timestamp,
            } => Self {
                vector_ids: Some(vector_ids.iter().map(ToString::to_string).collect()),
                count: Some(vector_ids.len() as f64),
                ..base(corpus_id, *timestamp)
            },
            CorpusEvent::Decompressed {
                corpus_id,
                vector_count,
                timestamp,
            } => Self {
                count: Some(*vector_count as f64),
                ..base(corpus_id, *timestamp)
            },
        }
    }
}
