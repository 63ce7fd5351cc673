//! Devices.

use crate::coding::NativeCoding;
use crate::error::{Failure, guard};
use crate::job::{self, NativeAbort, Request};
use crate::pool;
use crate::progress::OnProgress;
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object, Uint8Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::{CompressedBatch, Control, ErrorCode, copy_into};
use tinyquant_gpu::{Backend, Options, Preference};

/// A device that compresses, decompresses and searches.
#[napi]
pub struct NativeGpu {
    /// Shared with the jobs that are under way. None once closed.
    inner: Option<Arc<Backend>>,
}

/// What the drivers say about an adapter.
#[napi(object, object_from_js = false)]
pub struct NativeAdapterInfo {
    /// Name of the adapter.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub device_type: &'static str,
    /// Name of the driver.
    pub driver: String,
    /// Version of the driver.
    pub driver_info: String,
    /// Number of the vendor.
    pub vendor_id: u32,
    /// Number of the device.
    pub device_id: u32,
}

/// What bounds the work of a device.
#[napi(object, object_from_js = false)]
#[allow(
    clippy::struct_field_names,
    reason = "named as the interfaces of GPUs name them"
)]
pub struct NativeGpuLimits {
    /// Bytes of one buffer.
    pub max_buffer_size: f64,
    /// Bytes of one binding.
    pub max_binding_size: f64,
    /// Workgroups of a dispatch along one dimension.
    pub max_workgroups: f64,
    /// Bytes of all buffers.
    pub max_memory: f64,
}

/// What records of one configuration consist of, one record after another.
#[napi(object, object_from_js = false)]
pub struct NativeParts {
    /// Packed indices.
    pub packed: Uint8Array,
    /// Residuals; empty without them.
    pub residuals: Uint8Array,
}

/// Opens an adapter.
#[napi(
    ts_args_type = "preference: string, maxMemory: number",
    ts_return_type = "Promise<NativeGpu>"
)]
pub fn open_gpu(env: &Env, preference: String, max_memory: f64) -> napi::Result<Object<'_>> {
    guard(*env, || {
        let known = Preference::from_name(&preference).ok_or_else(|| {
            let message = format!("unknown preference {preference:?}");
            Failure::new(ErrorCode::InvalidArg, message)
        })?;
        let work = move |_: &Control<'_>| {
            let mut options = Options::new(known);
            options.max_memory = max_memory as u64;
            Ok(Arc::new(Backend::new(&options)?))
        };
        job::start(env, Request::default(), Box::new(work), |_, backend| {
            let inner = Some(backend);
            Ok(NativeGpu { inner })
        })
    })
}

#[napi]
impl NativeGpu {
    /// What the drivers say about the adapter.
    #[napi]
    pub fn info(&self, env: Env) -> napi::Result<NativeAdapterInfo> {
        guard(env, || {
            let info = self.open()?.info().clone();
            Ok(NativeAdapterInfo {
                name: info.name,
                backend: info.backend,
                device_type: info.device_type,
                driver: info.driver,
                driver_info: info.driver_info,
                vendor_id: info.vendor,
                device_id: info.device,
            })
        })
    }

    /// What bounds the work.
    #[napi]
    pub fn limits(&self, env: Env) -> napi::Result<NativeGpuLimits> {
        guard(env, || {
            let limits = self.open()?.limits();
            Ok(NativeGpuLimits {
                max_buffer_size: limits.max_buffer_size as f64,
                max_binding_size: limits.max_binding_size as f64,
                max_workgroups: limits.max_workgroups.into(),
                max_memory: limits.max_memory as f64,
            })
        })
    }

    /// Bytes that buffers take now.
    #[napi]
    pub fn memory_used(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(self.open()?.memory_used() as f64))
    }

    /// Compiles all shaders.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn load_pipelines<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let backend = Arc::clone(self.open()?);
            let work = move |_: &Control<'_>| Ok(backend.load_pipelines()?);
            job::start(env, Request::default(), Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Compresses rows, which are copied before this returns.
    #[napi(
        ts_args_type = "vectors: Float32Array, coding: NativeCoding, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<NativeParts>"
    )]
    pub fn compress_batch<'env>(
        &self,
        env: &'env Env,
        vectors: &[f32],
        coding: NativeCoding,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let backend = Arc::clone(self.open()?);
            let (config, codebook) = coding.parse()?;
            let vectors = copy_into(Vec::new(), vectors)?;
            let work = move |control: &Control<'_>| {
                let batch = backend.compress_batch(&vectors, &config, &codebook, control)?;
                Ok(batch.into_payloads())
            };
            let request = Request {
                abort,
                on_progress,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, (packed, residuals)| {
                Ok(NativeParts {
                    packed: packed.into(),
                    residuals: residuals.into(),
                })
            })
        })
    }

    /// Decompresses records, which are copied before this returns.
    #[napi(
        ts_args_type = "packed: Uint8Array, residuals: Uint8Array, coding: NativeCoding, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Float32Array>"
    )]
    pub fn decompress_batch<'env>(
        &self,
        env: &'env Env,
        packed: &[u8],
        residuals: &[u8],
        coding: NativeCoding,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let backend = Arc::clone(self.open()?);
            let (config, codebook) = coding.parse()?;
            let batch = CompressedBatch::from_parts(
                config.shared_hash(),
                config.dimension(),
                config.bit_width(),
                !residuals.is_empty(),
                packed.to_vec(),
                residuals.to_vec(),
            )?;
            let work = move |control: &Control<'_>| {
                Ok(backend.decompress_batch(&batch, &config, &codebook, control)?)
            };
            let request = Request {
                abort,
                on_progress,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, values| {
                Ok(Float32Array::from(values))
            })
        })
    }

    /// Lets go of the device once the calls that were made before are done.
    #[napi]
    pub fn close(&mut self, env: Env) -> napi::Result<()> {
        guard(env, || match self.inner.take() {
            Some(backend) => pool::submit(Box::new(move || backend.destroy())),
            None => Ok(()),
        })
    }

    pub(crate) fn open(&self) -> Result<&Arc<Backend>, Failure> {
        self.inner
            .as_ref()
            .ok_or_else(|| Failure::closed("GpuBackend"))
    }
}
