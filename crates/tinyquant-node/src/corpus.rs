//! Corpora.

use crate::codebook::NativeCodebook;
use crate::config::NativeConfig;
use crate::entry::{NativeEntry, NativeEvent};
use crate::error::{Failure, guard};
use crate::memory::External;
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, ObjectFinalize};
use napi_derive::napi;
use tinyquant_corpus::{CompressionPolicy, Corpus, Rows};

/// Vectors under ids, in insertion order. Times are milliseconds since the epoch.
#[napi(custom_finalize)]
pub struct NativeCorpus {
    inner: Corpus,
    external: External,
}

#[napi]
impl NativeCorpus {
    /// An empty corpus. `policy` is `compress`, `passthrough` or `fp16`.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        corpus_id: String,
        config: &NativeConfig,
        codebook: &NativeCodebook,
        policy: String,
        metadata_json: Option<String>,
        created_at_ms: f64,
    ) -> napi::Result<Self> {
        guard(env, || {
            let policy = CompressionPolicy::from_kind(&policy).ok_or_else(|| {
                let message =
                    format!("policy must be 'compress', 'passthrough' or 'fp16', got {policy:?}");
                Failure::invalid_arg(message, None)
            })?;
            let created_at = number::timestamp(created_at_ms, "createdAt")?;
            let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
            let metadata = metadata_json.as_deref();
            let inner = Corpus::new(&corpus_id, config, codebook, policy, metadata, created_at);
            let external = External::new(env, inner.heap_bytes());
            Ok(Self { inner, external })
        })
    }

    /// How many vectors there are.
    #[napi(getter)]
    pub fn vector_count(&self) -> f64 {
        self.inner.len() as f64
    }

    /// The caller's metadata.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn metadata_json(&self) -> Option<&str> {
        self.inner.metadata().map(AsRef::as_ref)
    }

    /// Inserts rows or none of them: row `i` is the next `lengths[i]` of the `vectors`.
    #[napi]
    pub fn insert_batch(
        &mut self,
        env: Env,
        ids: Vec<String>,
        vectors: &[f32],
        lengths: &[u32],
        metadata_json: Vec<Option<String>>,
        inserted_at_ms: f64,
    ) -> napi::Result<Vec<NativeEntry>> {
        guard(env, || {
            let rows = Rows::new(&ids, vectors, lengths)?;
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let entries =
                self.inner
                    .insert_batch(&rows, &metadata_json, inserted_at, pool::idle_pool()?)?;
            self.external.set(env, self.inner.heap_bytes());
            Ok(entries.into_iter().map(NativeEntry::from).collect())
        })
    }

    /// Inserts one vector.
    #[napi]
    pub fn insert(
        &mut self,
        env: Env,
        id: String,
        vector: &[f32],
        metadata_json: Option<String>,
        inserted_at_ms: f64,
    ) -> napi::Result<NativeEntry> {
        guard(env, || {
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let entry = self
                .inner
                .insert(&id, vector, metadata_json.as_deref(), inserted_at)?;
            self.external.set(env, self.inner.heap_bytes());
            Ok(entry.into())
        })
    }

    /// The vector with this id.
    #[napi]
    pub fn get(&self, env: Env, id: String) -> napi::Result<NativeEntry> {
        guard(env, || Ok(self.inner.get(&id)?.clone().into()))
    }

    /// Whether there is a vector with this id.
    #[napi]
    pub fn contains(&self, id: String) -> bool {
        self.inner.contains(&id)
    }

    /// Removes a vector; false if there is none with this id.
    #[napi]
    pub fn remove(&mut self, env: Env, id: String) -> napi::Result<bool> {
        guard(env, || {
            let removed = self.inner.remove(&id).is_some();
            self.external.set(env, self.inner.heap_bytes());
            Ok(removed)
        })
    }

    /// All ids in insertion order.
    #[napi]
    pub fn ids(&self, env: Env) -> napi::Result<Vec<String>> {
        guard(env, || {
            Ok(self
                .inner
                .entries()
                .map(|entry| entry.id().to_string())
                .collect())
        })
    }

    /// At most `count` vectors in insertion order, without the first `from`.
    #[napi]
    pub fn entries(&mut self, env: Env, from: f64, count: f64) -> napi::Result<Vec<NativeEntry>> {
        guard(env, || {
            let (from, count) = (
                number::size(from, "from", None)?,
                number::size(count, "count", None)?,
            );
            Ok(self
                .inner
                .page(from, count)
                .cloned()
                .map(NativeEntry::from)
                .collect())
        })
    }

    /// The components of one vector.
    #[napi]
    pub fn decompress(&self, env: Env, id: String) -> napi::Result<Float32Array> {
        guard(env, || Ok(self.inner.decompress(&id)?.into()))
    }

    /// The components of several vectors, one vector after another.
    #[napi]
    pub fn decompress_many(&self, env: Env, ids: Vec<String>) -> napi::Result<Float32Array> {
        guard(env, || {
            Ok(self.inner.decompress_many(&ids, pool::idle_pool()?)?.into())
        })
    }

    /// The components of all vectors, one vector after another, in insertion order.
    #[napi]
    pub fn decompress_all(&mut self, env: Env, now_ms: f64) -> napi::Result<Float32Array> {
        guard(env, || {
            let now = number::timestamp(now_ms, "now")?;
            Ok(self.inner.decompress_all(now, pool::idle_pool()?)?.into())
        })
    }

    /// Takes the events since the last call.
    #[napi]
    pub fn pending_events(&mut self, env: Env) -> napi::Result<Vec<NativeEvent>> {
        guard(env, || {
            Ok(self
                .inner
                .drain_events()
                .iter()
                .map(NativeEvent::from)
                .collect())
        })
    }
}

impl ObjectFinalize for NativeCorpus {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
