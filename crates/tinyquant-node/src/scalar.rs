//! Scalar embeddings, in their binary form, and rows of a matrix.

use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::pool;
use crate::progress::OnProgress;
use napi::Env;
use napi::bindgen_prelude::{
    Float32Array, Int8Array, Object, ObjectFinalize, Uint8Array, Uint32Array,
};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_family::scalar::{
    self, Batch, Header, Layout, Mode, QuantizedVector, QuantizedView, Reading, RowBits,
    ScaledRows, Scheme, Side,
};

/// Names of the schemes in the order of [`Scheme::ALL`].
const SCHEMES: [&str; 4] = ["qint8", "qint4", "binary", "fp16"];

fn scheme_of(name: &str) -> Result<Scheme, Failure> {
    let mut pairs = SCHEMES.iter().zip(Scheme::ALL);
    match pairs.find(|(known, _)| **known == name) {
        Some((_, scheme)) => Ok(scheme),
        None => Err(Failure::invalid_arg(
            format!("scheme must be one of {}, got {name:?}", SCHEMES.join(", ")),
            None,
        )),
    }
}

const fn mode_of(compat: bool) -> Mode {
    if compat { Mode::Compat } else { Mode::Accurate }
}

const fn reading_of(midpoint: bool) -> Reading {
    if midpoint {
        Reading::Midpoint
    } else {
        Reading::AsStored
    }
}

/// Quantizes one embedding.
#[napi]
pub fn quantize_embedding(
    env: Env,
    values: &[f32],
    scheme: String,
    compat: bool,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let vector = scalar::quantize(values, scheme_of(&scheme)?, mode_of(compat))?;
        Ok(vector.to_bytes().into())
    })
}

/// The values of one embedding.
#[napi]
pub fn dequantize_embedding(env: Env, bytes: &[u8], midpoint: bool) -> napi::Result<Float32Array> {
    guard(env, || {
        let view = QuantizedView::from_bytes(bytes)?;
        Ok(view.dequantize(reading_of(midpoint))?.into())
    })
}

/// Fails unless the bytes are one embedding.
#[napi]
pub fn check_quantized(env: Env, bytes: &[u8]) -> napi::Result<()> {
    guard(env, || {
        QuantizedView::from_bytes(bytes)?;
        Ok(())
    })
}

/// One embedding of its parts.
#[napi]
pub fn quantized_of_parts(
    env: Env,
    scheme: String,
    dim: u32,
    scale: f64,
    zero_point: i32,
    min_val: f64,
    data: &[u8],
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let header = Header {
            scale: scale as f32,
            zero_point: zero_point as i8,
            min_val: min_val as f32,
        };
        let vector = QuantizedVector::new(scheme_of(&scheme)?, dim, header, data.to_vec())?;
        Ok(vector.to_bytes().into())
    })
}

/// CRC-32 of one embedding.
#[napi]
pub fn quantized_checksum(env: Env, bytes: &[u8]) -> napi::Result<u32> {
    guard(env, || Ok(QuantizedView::from_bytes(bytes)?.checksum()))
}

/// How well one embedding stands for the original.
#[napi(object, object_from_js = false)]
pub struct NativeQuality {
    /// Least value of the original.
    pub min: f64,
    /// Greatest value of the original.
    pub max: f64,
    /// Sum of the errors over that of the values.
    pub loss_ratio: f64,
    /// Mean of the squared errors.
    pub mean_squared_error: f64,
    /// Cosine of the angle between both.
    pub cosine: f64,
}

/// Compares an embedding with its quantized form.
#[napi]
pub fn quantized_quality(
    env: Env,
    values: &[f32],
    bytes: &[u8],
    midpoint: bool,
) -> napi::Result<NativeQuality> {
    guard(env, || {
        let view = QuantizedView::from_bytes(bytes)?;
        let quality = scalar::quality(values, &view, reading_of(midpoint))?;
        Ok(NativeQuality {
            min: quality.min.into(),
            max: quality.max.into(),
            loss_ratio: quality.loss_ratio,
            mean_squared_error: quality.mean_squared_error,
            cosine: quality.cosine,
        })
    })
}

/// Cosine (`cosine`), dot product (`dot`) or Euclidean distance (`l2`) of two embeddings, each given as values or as bytes.
#[napi]
pub fn compare_embeddings(
    env: Env,
    a_values: Option<&[f32]>,
    a_bytes: Option<&[u8]>,
    b_values: Option<&[f32]>,
    b_bytes: Option<&[u8]>,
    measure: String,
) -> napi::Result<f64> {
    guard(env, || {
        let a = side(a_values, a_bytes)?;
        let b = side(b_values, b_bytes)?;
        Ok(match measure.as_str() {
            "cosine" => scalar::cosine(a, b)?,
            "dot" => scalar::dot(a, b)?,
            _ => scalar::euclidean(a, b)?,
        })
    })
}

fn side<'a>(values: Option<&'a [f32]>, bytes: Option<&'a [u8]>) -> Result<Side<'a>, Failure> {
    Ok(match bytes {
        Some(bytes) => Side::Codes(QuantizedView::from_bytes(bytes)?),
        None => Side::Values(values.unwrap_or_default()),
    })
}

/// Quantized embeddings one after another.
#[napi(object, object_from_js = false)]
pub struct NativeEmbeddingBatch {
    /// The binary forms.
    pub bodies: Uint8Array,
    /// Bytes of each; 0 for one that could not be quantized.
    pub lengths: Uint32Array,
    /// How long it took.
    pub millis: f64,
}

impl From<Batch> for NativeEmbeddingBatch {
    fn from(batch: Batch) -> Self {
        let millis = batch.stats().total_time.as_secs_f64() * 1000.0;
        let (bodies, ends) = batch.into_bodies();
        let mut start = 0;
        let length = |end| {
            let length = end - start;
            start = end;
            length as u32
        };
        let lengths: Vec<u32> = ends.into_iter().map(length).collect();
        Self {
            bodies: bodies.into(),
            lengths: lengths.into(),
            millis,
        }
    }
}

fn wide(lengths: &[u32]) -> Vec<usize> {
    lengths.iter().map(|length| *length as usize).collect()
}

/// Quantizes embeddings that lie one after another and waits for them.
#[napi]
pub fn quantize_embeddings_sync(
    env: Env,
    values: &[f32],
    lengths: &[u32],
    scheme: String,
    compat: bool,
) -> napi::Result<NativeEmbeddingBatch> {
    guard(env, || {
        let (scheme, mode) = (scheme_of(&scheme)?, mode_of(compat));
        let (pool, control) = (pool::idle_pool()?, Control::default());
        let lengths = wide(lengths);
        Ok(scalar::quantize_batch(values, &lengths, scheme, mode, pool, &control)?.into())
    })
}

/// Quantizes embeddings that lie one after another on the pool. They are copied before this returns.
#[napi(
    ts_args_type = "values: Float32Array, lengths: Uint32Array, scheme: string, compat: boolean, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeEmbeddingBatch>"
)]
pub fn quantize_embeddings<'env>(
    env: &'env Env,
    values: &[f32],
    lengths: &[u32],
    scheme: String,
    compat: bool,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (scheme, mode) = (scheme_of(&scheme)?, mode_of(compat));
        let (values, lengths) = (InputCopy::new(values)?, wide(lengths));
        let run = move |control: &Control<'_>| -> Result<Batch, Failure> {
            let pool = Some(pool::pool()?);
            Ok(scalar::quantize_batch(
                &values, &lengths, scheme, mode, pool, control,
            )?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(run), |_, batch| {
            Ok(NativeEmbeddingBatch::from(batch))
        })
    })
}

/// A matrix with one scale a row.
#[napi(custom_finalize)]
pub struct NativeScaledRows {
    inner: Arc<ScaledRows>,
    external: External,
}

fn bits_of(bits: u32) -> Result<RowBits, Failure> {
    match bits {
        6 => Ok(RowBits::Six),
        8 => Ok(RowBits::Eight),
        _ => Err(Failure::invalid_arg(
            format!("bits must be 6 or 8, got {bits}"),
            None,
        )),
    }
}

const fn layout_of(packed: bool) -> Layout {
    if packed {
        Layout::Packed
    } else {
        Layout::Bytes
    }
}

#[napi]
impl NativeScaledRows {
    /// Quantizes a matrix and waits for it.
    #[napi(factory)]
    pub fn quantize_sync(
        env: Env,
        matrix: &[f32],
        rows: u32,
        cols: u32,
        bits: u32,
    ) -> napi::Result<Self> {
        guard(env, || {
            let (rows, cols, bits) = (rows as usize, cols as usize, bits_of(bits)?);
            let (pool, control) = (pool::idle_pool()?, Control::default());
            let inner = scalar::quantize_rows(matrix, rows, cols, bits, pool, &control)?;
            Ok(Self::wrap(env, inner))
        })
    }

    /// Reads the binary form.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || Ok(Self::wrap(env, ScaledRows::from_bytes(bytes)?)))
    }

    /// How many rows there are.
    #[napi(getter)]
    pub fn rows(&self) -> u32 {
        self.inner.rows() as u32
    }

    /// Values of a row.
    #[napi(getter)]
    pub fn cols(&self) -> u32 {
        self.inner.cols() as u32
    }

    /// Bits of a code.
    #[napi(getter)]
    pub fn bits(&self) -> u32 {
        self.inner.bits() as u32
    }

    /// Bytes of codes and scales in memory.
    #[napi(getter)]
    pub fn size_bytes(&self) -> f64 {
        self.inner.size_bytes() as f64
    }

    /// A copy of the codes.
    #[napi]
    pub fn codes(&self) -> Int8Array {
        self.inner.codes().to_vec().into()
    }

    /// A copy of the scales.
    #[napi]
    pub fn scales(&self) -> Float32Array {
        self.inner.scales().to_vec().into()
    }

    /// The values, on this thread.
    #[napi]
    pub fn dequantize_sync(&self, env: Env) -> napi::Result<Float32Array> {
        guard(env, || Ok(self.inner.dequantize()?.into()))
    }

    /// The values, on the pool.
    #[napi(
        ts_args_type = "abort: NativeAbort | null",
        ts_return_type = "Promise<Float32Array>"
    )]
    pub fn dequantize<'env>(
        &self,
        env: &'env Env,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(&self.inner);
            let run =
                move |_: &Control<'_>| -> Result<Vec<f32>, Failure> { Ok(inner.dequantize()?) };
            let request = Request {
                abort,
                ..Request::default()
            };
            job::start(env, request, Box::new(run), |_, values| {
                Ok(Float32Array::from(values))
            })
        })
    }

    /// The binary form, with codes of 6 bits packed or one a byte.
    #[napi]
    pub fn to_bytes(&self, env: Env, packed: bool) -> napi::Result<Uint8Array> {
        guard(env, || Ok(self.inner.to_bytes(layout_of(packed))?.into()))
    }

    fn wrap(env: Env, inner: ScaledRows) -> Self {
        let external = External::new(env, inner.size_bytes());
        Self {
            inner: Arc::new(inner),
            external,
        }
    }
}

impl ObjectFinalize for NativeScaledRows {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}

/// Quantizes a matrix on the pool. It is copied before this returns.
#[napi(
    ts_args_type = "matrix: Float32Array, rows: number, cols: number, bits: number, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeScaledRows>"
)]
pub fn quantize_scaled_rows<'env>(
    env: &'env Env,
    matrix: &[f32],
    rows: u32,
    cols: u32,
    bits: u32,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (rows, cols, bits) = (rows as usize, cols as usize, bits_of(bits)?);
        let matrix = InputCopy::new(matrix)?;
        let run = move |control: &Control<'_>| -> Result<ScaledRows, Failure> {
            let pool = Some(pool::pool()?);
            Ok(scalar::quantize_rows(
                &matrix, rows, cols, bits, pool, control,
            )?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(run), |env, rows| {
            Ok(NativeScaledRows::wrap(env, rows))
        })
    })
}
