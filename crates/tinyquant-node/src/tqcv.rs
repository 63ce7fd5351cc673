//! TinyQuant's corpus files.

use crate::batch::NativeBatch;
use crate::config::NativeConfig;
use crate::error::{Failure, guard};
use crate::job::{self, Request};
use crate::number;
use napi::Env;
use napi::bindgen_prelude::{Object, Uint8Array};
use napi_derive::napi;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tinyquant_codec::{Control, RecordLayout};
use tinyquant_store::{Probe, TqcvReader, TqcvWriter};

/// What a call does with a writer that is not closed.
type Body<T> = Box<dyn FnOnce(&mut Option<TqcvWriter>) -> Result<T, Failure> + Send>;

/// A file open for reading.
#[napi]
pub struct NativeTqcvReader {
    inner: Option<TqcvReader>,
}

#[napi]
impl NativeTqcvReader {
    /// Opens a file on this thread.
    #[napi(factory)]
    pub fn open_sync(env: Env, path: String, mmap: bool) -> napi::Result<Self> {
        guard(env, || {
            let inner = Some(TqcvReader::open(Path::new(&path), mmap)?);
            Ok(Self { inner })
        })
    }

    /// How many records there are.
    #[napi]
    pub fn length(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(self.open()?.len() as f64))
    }

    /// Components of a vector.
    #[napi]
    pub fn dimension(&self, env: Env) -> napi::Result<u32> {
        guard(env, || Ok(self.open()?.header().layout.dimension() as u32))
    }

    /// Bits of a code.
    #[napi]
    pub fn bit_width(&self, env: Env) -> napi::Result<u32> {
        guard(env, || Ok(self.open()?.header().layout.bit_width().into()))
    }

    /// Whether records carry a residual.
    #[napi]
    pub fn has_residual(&self, env: Env) -> napi::Result<bool> {
        guard(env, || Ok(self.open()?.header().layout.has_residual()))
    }

    /// Hash of the configuration.
    #[napi]
    pub fn config_hash(&self, env: Env) -> napi::Result<String> {
        guard(env, || {
            Ok(self.open()?.header().layout.config_hash().to_string())
        })
    }

    /// The writer's own bytes.
    #[napi]
    pub fn metadata(&self, env: Env) -> napi::Result<Uint8Array> {
        guard(env, || Ok(self.open()?.header().metadata.clone().into()))
    }

    /// Some of the records.
    #[napi]
    pub fn read(&self, env: Env, from: f64, count: f64) -> napi::Result<NativeBatch> {
        guard(env, || {
            let from = number::integer(from, "from", None)?;
            let count = number::integer(count, "count", None)?;
            Ok(NativeBatch::new(env, self.open()?.read(from, count)?))
        })
    }

    /// Lets go of the file.
    #[napi]
    pub fn close(&mut self) {
        self.inner = None;
    }

    fn open(&self) -> Result<&TqcvReader, Failure> {
        self.inner
            .as_ref()
            .ok_or_else(|| Failure::closed("TqcvReader"))
    }
}

/// A file being written.
#[napi]
pub struct NativeTqcvWriter {
    inner: Arc<Mutex<Option<TqcvWriter>>>,
}

#[napi]
impl NativeTqcvWriter {
    /// Begins a file on this thread.
    #[napi(factory)]
    pub fn create(
        env: Env,
        path: String,
        config: &NativeConfig,
        metadata: &[u8],
        overwrite: bool,
    ) -> napi::Result<Self> {
        guard(env, || {
            let config = &config.inner;
            let layout = RecordLayout::new(
                config.shared_hash(),
                config.dimension(),
                config.bit_width(),
                config.residual_enabled(),
            )?;
            let path = Path::new(&path);
            let writer = TqcvWriter::create(path, overwrite, layout, metadata, Probe::default())?;
            let inner = Arc::new(Mutex::new(Some(writer)));
            Ok(Self { inner })
        })
    }

    /// Adds records. One call at a time.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn append<'env>(&self, env: &'env Env, batch: &NativeBatch) -> napi::Result<Object<'env>> {
        let batch = Arc::clone(&batch.inner);
        self.start(
            env,
            Box::new(move |writer| {
                Ok(writer
                    .as_mut()
                    .map_or(Ok(()), |writer| writer.append(&batch))?)
            }),
            |_, ()| Ok(()),
        )
    }

    /// Brings the file to the disk under its name, and returns its length.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.start(
            env,
            Box::new(|writer| Ok(writer.take().map_or(Ok(0), TqcvWriter::finish)?)),
            |_, bytes| Ok(bytes as f64),
        )
    }

    /// Gives up; nothing is left.
    #[napi]
    pub fn abort(&self) {
        if let Ok(mut writer) = self.inner.try_lock() {
            *writer = None;
        }
    }

    fn start<'env, T: Send + 'static, J: napi::bindgen_prelude::ToNapiValue + 'static>(
        &self,
        env: &'env Env,
        body: Body<T>,
        finish: job::Finish<T, J>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(&self.inner);
            let request = Request::default();
            let work = move |_: &Control<'_>| {
                // The facade never has two calls under way, so nothing waits here.
                let mut writer = inner.lock().unwrap_or_else(PoisonError::into_inner);
                if writer.is_none() {
                    return Err(Failure::closed("TqcvWriter"));
                }
                body(&mut writer)
            };
            job::start(env, request, Box::new(work), finish)
        })
    }
}
