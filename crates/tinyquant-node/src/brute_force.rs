//! Exact search.

use crate::error::guard;
use crate::hits::NativeHits;
use crate::memory::External;
use crate::number;
use napi::Env;
use napi::bindgen_prelude::ObjectFinalize;
use napi_derive::napi;
use tinyquant_corpus::{BruteForce, Rows};

/// Plain vectors under ids, ranked by cosine similarity with a query.
#[napi(custom_finalize)]
#[derive(Default)]
pub struct NativeBruteForce {
    inner: BruteForce,
    external: External,
}

#[napi]
impl NativeBruteForce {
    /// An empty index.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many vectors there are.
    #[napi(getter)]
    pub fn count(&self) -> f64 {
        self.inner.len() as f64
    }

    /// Components of every vector; null while there are no vectors.
    #[napi(getter, ts_return_type = "number | null")]
    pub fn dimension(&self) -> Option<f64> {
        self.inner.dimension().map(|dimension| dimension as f64)
    }

    /// Adds rows or none of them: row `i` is the next `lengths[i]` of the `vectors`.
    #[napi]
    pub fn ingest(
        &mut self,
        env: Env,
        ids: Vec<String>,
        vectors: &[f32],
        lengths: &[u32],
    ) -> napi::Result<()> {
        guard(env, || {
            self.inner.ingest(&Rows::new(&ids, vectors, lengths)?)?;
            self.external.set(env, self.inner.heap_bytes());
            Ok(())
        })
    }

    /// The `topK` vectors most similar to the query.
    #[napi]
    pub fn search(&self, env: Env, query: &[f32], top_k: f64) -> napi::Result<NativeHits> {
        guard(env, || {
            let hits = self
                .inner
                .search(query, number::size(top_k, "topK", Some("InvalidTopK"))?)?;
            Ok(hits.as_slice().into())
        })
    }

    /// Removes vectors and returns how many there were; unknown ids are passed over.
    #[napi]
    pub fn remove(&mut self, env: Env, ids: Vec<String>) -> napi::Result<f64> {
        guard(env, || {
            let removed = self.inner.remove(&ids);
            self.external.set(env, self.inner.heap_bytes());
            Ok(removed as f64)
        })
    }

    /// Removes everything.
    #[napi]
    pub fn clear(&mut self, env: Env) -> napi::Result<()> {
        guard(env, || {
            self.inner.clear();
            self.external.set(env, self.inner.heap_bytes());
            Ok(())
        })
    }
}

impl ObjectFinalize for NativeBruteForce {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
