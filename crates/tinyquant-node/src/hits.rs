//! Search results.

use napi::bindgen_prelude::Float32Array;
use napi_derive::napi;
use tinyquant_corpus::Hit;

/// Hits of one query, best first.
#[napi(object, object_from_js = false)]
pub struct NativeHits {
    /// Ids of the vectors.
    pub ids: Vec<String>,
    /// The score of each.
    pub scores: Float32Array,
}

impl From<&[Hit]> for NativeHits {
    fn from(hits: &[Hit]) -> Self {
        let scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        Self {
            ids: hits.iter().map(|hit| hit.id.to_string()).collect(),
            scores: scores.into(),
        }
    }
}
