//! Codebooks.

use crate::config::{NativeConfig, bit_width_of};
use crate::error::{Failure, guard};
use crate::memory::External;
use napi::Env;
use napi::bindgen_prelude::{Float32Array, ObjectFinalize, Uint8Array};
use napi_derive::napi;
use tinyquant_codec::{Codebook, Control, TrainMethod};

/// The values that codes stand for.
#[napi(custom_finalize)]
pub struct NativeCodebook {
    pub(crate) inner: Codebook,
    external: External,
}

#[napi]
impl NativeCodebook {
    /// A codebook for this configuration from whole rows of vectors. `method` is `tinyquant` or
    /// `lloyd-max`.
    #[napi(
        factory,
        ts_args_type = "vectors: Float32Array, config: NativeConfig, method: 'tinyquant' | 'lloyd-max'"
    )]
    pub fn train(
        env: Env,
        vectors: &[f32],
        config: &NativeConfig,
        method: String,
    ) -> napi::Result<Self> {
        guard(env, || {
            let method = match method.as_str() {
                "tinyquant" => TrainMethod::TinyQuant,
                "lloyd-max" => TrainMethod::LloydMax,
                other => {
                    let message =
                        format!("method must be 'tinyquant' or 'lloyd-max', got {other:?}");
                    return Err(Failure::invalid_arg(message, None));
                }
            };
            Ok(Self::new(
                env,
                Codebook::train(vectors, &config.inner, method, &Control::default())?,
            ))
        })
    }

    /// A codebook of these entries.
    #[napi(factory)]
    pub fn from_entries(env: Env, entries: &[f32], bit_width: f64) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::new(
                env,
                Codebook::from_entries(entries, bit_width_of(bit_width)?)?,
            ))
        })
    }

    /// Reads a codebook file.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || Ok(Self::new(env, Codebook::from_bytes(bytes)?)))
    }

    /// Bits of a code.
    #[napi(getter)]
    pub fn bit_width(&self) -> u32 {
        self.inner.bit_width().into()
    }

    /// How many entries there are.
    #[napi(getter)]
    pub fn num_entries(&self) -> u32 {
        self.inner.entries().len() as u32
    }

    /// A copy of the entries, ascending.
    #[napi]
    pub fn entries(&self) -> Float32Array {
        self.inner.entries().to_vec().into()
    }

    /// The codebook as a file.
    #[napi]
    pub fn to_bytes(&self) -> Uint8Array {
        self.inner.to_bytes().into()
    }

    pub(crate) fn new(env: Env, inner: Codebook) -> Self {
        let external = External::new(env, size_of_val(inner.entries()));
        Self { inner, external }
    }
}

impl ObjectFinalize for NativeCodebook {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
