//! Writing corpus files row by row.

use crate::batch::NativeBatch;
use crate::codebook::NativeCodebook;
use crate::config::NativeConfig;
use crate::corpus::policy_of;
use crate::error::{Failure, guard};
use crate::job::{self, NativeAbort, Request};
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object};
use napi_derive::napi;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tinyquant_codec::Control;
use tinyquant_corpus::Coding;
use tinyquant_store::{CorpusWriter, NewRows, Probe};

/// A corpus file being written.
#[napi]
pub struct NativeCorpusWriter {
    inner: Arc<Mutex<Option<CorpusWriter>>>,
    path: String,
    coding: Coding,
    corpus_id: String,
    metadata_json: Option<String>,
}

/// What was brought to the disk.
#[napi(object, object_from_js = false)]
pub struct NativeWritten {
    /// Vectors in the file.
    pub vector_count: f64,
    /// Length of the file.
    pub size_bytes: f64,
}

#[napi]
impl NativeCorpusWriter {
    /// Begins a new file on this thread.
    #[napi(factory)]
    #[allow(
        clippy::too_many_arguments,
        reason = "napi takes arguments, not options"
    )]
    pub fn create(
        env: Env,
        path: String,
        corpus_id: String,
        config: &NativeConfig,
        codebook: &NativeCodebook,
        policy: String,
        metadata_json: Option<String>,
        overwrite: bool,
    ) -> napi::Result<Self> {
        guard(env, || {
            let coding = Coding {
                policy: policy_of(&policy)?,
                config: config.inner.clone(),
                codebook: codebook.inner.clone(),
            };
            let (metadata, probe) = (metadata_json.as_deref(), Probe::default());
            let target = Path::new(&path);
            Ok(Self::new(CorpusWriter::create(
                target, &corpus_id, coding, metadata, overwrite, probe,
            )?))
        })
    }

    /// Opens a file on this thread to add rows to it.
    #[napi(factory)]
    pub fn append(env: Env, path: String) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::new(CorpusWriter::append(
                Path::new(&path),
                Probe::default(),
            )?))
        })
    }

    /// The file that is written in the end.
    #[napi(getter)]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Id of the corpus.
    #[napi(getter)]
    pub fn corpus_id(&self) -> &str {
        &self.corpus_id
    }

    /// The caller's metadata.
    #[napi(getter, ts_return_type = "string | null")]
    pub fn metadata_json(&self) -> Option<&str> {
        self.metadata_json.as_deref()
    }

    /// Configuration of the file.
    #[napi]
    pub fn config(&self) -> NativeConfig {
        NativeConfig {
            inner: self.coding.config.clone(),
        }
    }

    /// Codebook of the file.
    #[napi]
    pub fn codebook(&self, env: Env) -> NativeCodebook {
        NativeCodebook::new(env, self.coding.codebook.clone())
    }

    /// Policy of the file.
    #[napi(getter)]
    pub fn policy(&self) -> &str {
        self.coding.policy.kind()
    }

    /// Encodes and adds rows, all or none. One call at a time. The rows are read in place: nothing may write to them
    /// until the promise settles.
    #[napi(
        ts_args_type = "vectors: Float32Array, ids: Array<string> | null, metadataJson: Array<string | null>, insertedAtMs: number, abort: NativeAbort | null",
        ts_return_type = "Promise<void>"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "napi takes arguments, not options"
    )]
    pub fn push<'env>(
        &self,
        env: &'env Env,
        vectors: Float32Array,
        ids: Option<Vec<String>>,
        metadata_json: Vec<Option<String>>,
        inserted_at_ms: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let inner = Arc::clone(&self.inner);
            let run = move |values: &[f32], control: &Control<'_>| -> Result<(), Failure> {
                let rows = NewRows {
                    values,
                    ids: ids.as_deref(),
                    metadata: &metadata_json,
                    inserted_at,
                };
                let pool = Some(pool::pool()?);
                with_writer(&inner, |writer| {
                    let writer = writer.as_mut().ok_or_else(closed)?;
                    Ok(writer.push(&rows, pool, control)?)
                })
            };
            let vectors = Arc::new(vectors);
            let request = Request {
                abort,
                on_progress: None,
                input: Some(Arc::clone(&vectors)),
            };
            let work = move |control: &Control<'_>| run(&vectors, control);
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Adds records as they are, all or none. One call at a time.
    #[napi(
        ts_args_type = "batch: NativeBatch, ids: Array<string> | null, metadataJson: Array<string | null>, insertedAtMs: number, abort: NativeAbort | null",
        ts_return_type = "Promise<void>"
    )]
    pub fn push_records<'env>(
        &self,
        env: &'env Env,
        batch: &NativeBatch,
        ids: Option<Vec<String>>,
        metadata_json: Vec<Option<String>>,
        inserted_at_ms: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let (inner, batch) = (Arc::clone(&self.inner), Arc::clone(&batch.inner));
            let work = move |_: &Control<'_>| {
                let rows = NewRows {
                    values: &[],
                    ids: ids.as_deref(),
                    metadata: &metadata_json,
                    inserted_at,
                };
                with_writer(&inner, |writer| {
                    let writer = writer.as_mut().ok_or_else(closed)?;
                    Ok(writer.push_records(&batch, &rows)?)
                })
            };
            let request = Request {
                abort,
                on_progress: None,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Brings everything to the disk.
    #[napi(ts_return_type = "Promise<NativeWritten>")]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(&self.inner);
            let request = Request::default();
            let work = move |_: &Control<'_>| {
                with_writer(&inner, |writer| {
                    Ok(writer.take().ok_or_else(closed)?.finish()?)
                })
            };
            job::start(env, request, Box::new(work), |_, written| {
                Ok(NativeWritten {
                    vector_count: written.vectors as f64,
                    size_bytes: written.bytes as f64,
                })
            })
        })
    }

    /// Gives up; what was there stays.
    #[napi]
    pub fn abort(&self) {
        if let Ok(mut writer) = self.inner.try_lock() {
            *writer = None;
        }
    }

    fn new(writer: CorpusWriter) -> Self {
        Self {
            path: writer.path().to_string_lossy().into_owned(),
            coding: writer.coding().clone(),
            corpus_id: writer.id().to_owned(),
            metadata_json: writer.metadata().map(ToOwned::to_owned),
            inner: Arc::new(Mutex::new(Some(writer))),
        }
    }
}

/// The facade never has two calls under way, so nothing waits here.
fn with_writer<T>(
    inner: &Mutex<Option<CorpusWriter>>,
    body: impl FnOnce(&mut Option<CorpusWriter>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    body(&mut inner.lock().unwrap_or_else(PoisonError::into_inner))
}

fn closed() -> Failure {
    Failure::closed("CorpusWriter")
}
