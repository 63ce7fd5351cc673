//! Compression and decompression, waiting and on the pool.

use crate::batch::NativeBatch;
use crate::codebook::NativeCodebook;
use crate::config::NativeConfig;
use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request, Work};
use crate::pool;
use crate::progress::OnProgress;
use crate::record::NativeRecord;
use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Float32Array, Object};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::{CompressedBatch, CompressedVector, Control};

/// Compresses one vector on this thread.
#[napi]
pub fn compress(
    env: Env,
    vector: &[f32],
    config: &NativeConfig,
    codebook: &NativeCodebook,
) -> napi::Result<NativeRecord> {
    guard(env, || {
        let record = tinyquant_codec::compress(vector, &config.inner, &codebook.inner)?;
        Ok(NativeRecord::new(env, Arc::new(record)))
    })
}

/// Decompresses one record on this thread.
#[napi]
pub fn decompress(
    env: Env,
    record: &NativeRecord,
    config: &NativeConfig,
    codebook: &NativeCodebook,
) -> napi::Result<Float32Array> {
    guard(env, || {
        Ok(tinyquant_codec::decompress(&record.inner, &config.inner, &codebook.inner)?.into())
    })
}

/// Compresses rows and waits for them.
#[napi]
pub fn compress_batch_sync(
    env: Env,
    vectors: &[f32],
    config: &NativeConfig,
    codebook: &NativeCodebook,
) -> napi::Result<NativeBatch> {
    guard(env, || {
        let (config, codebook) = (&config.inner, &codebook.inner);
        let pool = pool::idle_pool()?;
        let batch =
            tinyquant_codec::compress_batch(vectors, config, codebook, pool, &Control::default())?;
        Ok(NativeBatch::new(env, batch))
    })
}

/// Decompresses a batch and waits for it.
#[napi]
pub fn decompress_batch_sync(
    env: Env,
    batch: &NativeBatch,
    config: &NativeConfig,
    codebook: &NativeCodebook,
) -> napi::Result<Float32Array> {
    guard(env, || {
        let (config, codebook) = (&config.inner, &codebook.inner);
        let pool = pool::idle_pool()?;
        let control = Control::default();
        Ok(
            tinyquant_codec::decompress_batch(&batch.inner, config, codebook, pool, &control)?
                .into(),
        )
    })
}

/// Decompresses records and waits for them.
#[napi(
    ts_args_type = "records: Array<NativeRecord>, config: NativeConfig, codebook: NativeCodebook"
)]
pub fn decompress_records_sync(
    env: Env,
    records: Vec<ClassInstance<'_, NativeRecord>>,
    config: &NativeConfig,
    codebook: &NativeCodebook,
) -> napi::Result<Float32Array> {
    guard(env, || {
        let (config, codebook) = (&config.inner, &codebook.inner);
        let records: Vec<_> = records.iter().map(|record| record.inner.as_ref()).collect();
        let pool = pool::idle_pool()?;
        let control = Control::default();
        Ok(tinyquant_codec::decompress_records(&records, config, codebook, pool, &control)?.into())
    })
}

/// Compresses rows on the pool. They are copied before this returns, unless `owned` promises that nothing
/// writes to them until the promise settles.
#[napi(
    ts_args_type = "vectors: Float32Array, owned: boolean, config: NativeConfig, codebook: NativeCodebook, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeBatch>"
)]
pub fn compress_batch<'env>(
    env: &'env Env,
    vectors: Float32Array,
    owned: bool,
    config: &NativeConfig,
    codebook: &NativeCodebook,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
        let run =
            move |vectors: &[f32], control: &Control<'_>| -> Result<CompressedBatch, Failure> {
                let pool = Some(pool::pool()?);
                Ok(tinyquant_codec::compress_batch(
                    vectors, &config, &codebook, pool, control,
                )?)
            };
        let (input, work): (_, Work<_>) = if owned {
            let vectors = Arc::new(vectors);
            let input = Some(Arc::clone(&vectors));
            (input, Box::new(move |control| run(&vectors, control)))
        } else {
            let vectors = InputCopy::new(&vectors)?;
            (None, Box::new(move |control| run(&vectors, control)))
        };
        let request = Request {
            abort,
            on_progress,
            input,
        };
        job::start(env, request, work, |env, batch| {
            Ok(NativeBatch::new(env, batch))
        })
    })
}

/// Decompresses a batch on the pool.
#[napi(
    ts_args_type = "batch: NativeBatch, config: NativeConfig, codebook: NativeCodebook, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<Float32Array>"
)]
pub fn decompress_batch<'env>(
    env: &'env Env,
    batch: &NativeBatch,
    config: &NativeConfig,
    codebook: &NativeCodebook,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
        let batch = Arc::clone(&batch.inner);
        let run = move |control: &Control<'_>| -> Result<Vec<f32>, Failure> {
            let pool = Some(pool::pool()?);
            Ok(tinyquant_codec::decompress_batch(
                &batch, &config, &codebook, pool, control,
            )?)
        };
        start_decompression(env, abort, on_progress, Box::new(run))
    })
}

/// Decompresses records on the pool.
#[napi(
    ts_args_type = "records: Array<NativeRecord>, config: NativeConfig, codebook: NativeCodebook, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<Float32Array>"
)]
pub fn decompress_records<'env>(
    env: &'env Env,
    records: Vec<ClassInstance<'_, NativeRecord>>,
    config: &NativeConfig,
    codebook: &NativeCodebook,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
        let records: Vec<Arc<CompressedVector>> = records
            .iter()
            .map(|record| Arc::clone(&record.inner))
            .collect();
        let run = move |control: &Control<'_>| -> Result<Vec<f32>, Failure> {
            let pool = Some(pool::pool()?);
            let records: Vec<_> = records.iter().map(AsRef::as_ref).collect();
            Ok(tinyquant_codec::decompress_records(
                &records, &config, &codebook, pool, control,
            )?)
        };
        start_decompression(env, abort, on_progress, Box::new(run))
    })
}

/// Queues a job whose input the addon owns and whose result is rows of values.
fn start_decompression<'env>(
    env: &'env Env,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
    work: Work<Vec<f32>>,
) -> Result<Object<'env>, Failure> {
    let request = Request {
        abort,
        on_progress,
        input: None,
    };
    job::start(env, request, work, |_, values| {
        Ok(Float32Array::from(values))
    })
}
