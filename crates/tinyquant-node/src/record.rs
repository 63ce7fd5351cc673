//! Single records.

use crate::error::guard;
use crate::memory::External;
use napi::Env;
use napi::bindgen_prelude::{ObjectFinalize, Uint8Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::CompressedVector;

/// One compressed vector.
#[napi(custom_finalize)]
pub struct NativeRecord {
    pub(crate) inner: Arc<CompressedVector>,
    external: External,
}

#[napi]
impl NativeRecord {
    /// Reads one record that fills the bytes.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::new(
                env,
                Arc::new(CompressedVector::from_bytes(bytes)?),
            ))
        })
    }

    /// Hash of the configuration that made the record.
    #[napi(getter)]
    pub fn config_hash(&self) -> &str {
        self.inner.config_hash()
    }

    /// How many indices there are.
    #[napi(getter)]
    pub fn dimension(&self) -> u32 {
        self.inner.dimension() as u32
    }

    /// Bits of an index.
    #[napi(getter)]
    pub fn bit_width(&self) -> u32 {
        self.inner.bit_width().into()
    }

    /// Whether there is a residual.
    #[napi(getter)]
    pub fn has_residual(&self) -> bool {
        self.inner.has_residual()
    }

    /// Bytes of the indices and the residual.
    #[napi(getter)]
    pub fn size_bytes(&self) -> f64 {
        self.inner.size_bytes() as f64
    }

    /// The indices, one a byte.
    #[napi]
    pub fn indices(&self) -> Uint8Array {
        self.inner.indices().into()
    }

    /// The residual: little-endian f16, if there is one.
    #[napi]
    pub fn residual(&self) -> Option<Uint8Array> {
        self.inner.residual().map(|bytes| bytes.to_vec().into())
    }

    /// The serialised record.
    #[napi]
    pub fn to_bytes(&self) -> Uint8Array {
        self.inner.to_bytes().into()
    }

    pub(crate) fn new(env: Env, inner: Arc<CompressedVector>) -> Self {
        let external = External::new(env, inner.size_bytes());
        Self { inner, external }
    }
}

impl ObjectFinalize for NativeRecord {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
