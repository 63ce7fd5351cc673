//! Many records of one configuration.

use crate::codebook::NativeCodebook;
use crate::config::NativeConfig;
use crate::error::{Failure, guard};
use crate::memory::External;
use crate::number;
use crate::record::NativeRecord;
use napi::Env;
use napi::bindgen_prelude::{ObjectFinalize, Uint8Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::CompressedBatch;

/// Records that share configuration hash, dimension, bit width and residual flag.
#[napi(custom_finalize)]
pub struct NativeBatch {
    pub(crate) inner: Arc<CompressedBatch>,
    external: External,
}

/// What the records of a batch consist of, one record after another.
#[napi(object, object_from_js = false)]
pub struct NativeBatchParts {
    /// Packed indices.
    pub packed: Uint8Array,
    /// Residuals; empty without them.
    pub residuals: Uint8Array,
}

#[napi]
impl NativeBatch {
    /// Reads records that fill the bytes, one after another.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::new(env, CompressedBatch::from_bytes(bytes)?))
        })
    }

    /// A batch of what a configuration makes of vectors: packed indices and residuals, one record after another.
    #[napi(factory)]
    pub fn from_parts(
        env: Env,
        config: &NativeConfig,
        packed: &[u8],
        residuals: &[u8],
    ) -> napi::Result<Self> {
        guard(env, || {
            let config = &config.inner;
            let batch = CompressedBatch::from_parts(
                config.shared_hash(),
                config.dimension(),
                config.bit_width(),
                config.residual_enabled(),
                packed.to_vec(),
                residuals.to_vec(),
            )?;
            Ok(Self::new(env, batch))
        })
    }

    /// The packed indices and the residuals of a batch that a configuration and a codebook can decompress.
    #[napi]
    pub fn parts(
        &self,
        env: Env,
        config: &NativeConfig,
        codebook: &NativeCodebook,
    ) -> napi::Result<NativeBatchParts> {
        guard(env, || {
            tinyquant_codec::check_batch(&self.inner, &config.inner, &codebook.inner)?;
            Ok(NativeBatchParts {
                packed: self.inner.packed().to_vec().into(),
                residuals: self.inner.residuals().to_vec().into(),
            })
        })
    }

    /// How many records there are.
    #[napi(getter)]
    pub fn length(&self) -> f64 {
        self.inner.len() as f64
    }

    /// Bytes of all indices and residuals.
    #[napi(getter)]
    pub fn size_bytes(&self) -> f64 {
        self.inner.size_bytes() as f64
    }

    /// A copy of one record.
    #[napi]
    pub fn at(&self, env: Env, index: f64) -> napi::Result<NativeRecord> {
        guard(env, || {
            let index = number::size(index, "index", None)?;
            let record = self.inner.record(index).ok_or_else(|| {
                let message = format!(
                    "index {index} is outside a batch of {} records",
                    self.inner.len()
                );
                Failure::invalid_arg(message, None)
            })?;
            Ok(NativeRecord::new(env, Arc::new(record)))
        })
    }

    /// The serialised records, one after another.
    #[napi]
    pub fn to_bytes(&self, env: Env) -> napi::Result<Uint8Array> {
        guard(env, || Ok(self.inner.to_bytes().into()))
    }

    pub(crate) fn new(env: Env, inner: CompressedBatch) -> Self {
        let external = External::new(env, inner.size_bytes());
        Self {
            inner: Arc::new(inner),
            external,
        }
    }
}

impl ObjectFinalize for NativeBatch {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
