//! TurboQuant codecs and the rows that they make.

use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::progress::OnProgress;
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Float32Array, Object, ObjectFinalize, Uint8Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_family::turboquant::{
    Codebook, Method, QuantizedRows, RowCodec, RowsSpec, SketchKind,
};

/// Rows that one thread handles sooner than others could be woken for them.
const FEW_ROWS: usize = 64;

/// Rows of codes.
#[napi(custom_finalize)]
pub struct NativeQuantizedRows {
    inner: Arc<QuantizedRows>,
    external: External,
}

#[napi]
impl NativeQuantizedRows {
    /// Reads serialised rows.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::new(env, QuantizedRows::from_bytes(bytes)?))
        })
    }

    /// How many rows there are.
    #[napi(getter)]
    pub fn rows(&self) -> f64 {
        self.inner.len() as f64
    }

    /// Components of a vector.
    #[napi(getter)]
    pub fn dim(&self) -> u32 {
        self.inner.spec().dim() as u32
    }

    /// Bits of a component.
    #[napi(getter)]
    pub fn bits(&self) -> u32 {
        self.inner.spec().bits().into()
    }

    /// Seed of the codec.
    #[napi(getter)]
    pub fn seed(&self) -> BigInt {
        self.inner.spec().seed().into()
    }

    /// How the rows were quantized.
    #[napi(
        getter,
        ts_return_type = "'mse' | 'unbiased' | 'gaussian' | 'rotation'"
    )]
    pub fn method(&self) -> &'static str {
        method_name(self.inner.spec().method())
    }

    /// Bytes of the rows.
    #[napi(getter)]
    pub fn nbytes(&self) -> f64 {
        self.inner.nbytes() as f64
    }

    /// The norm of each row.
    #[napi]
    pub fn norms(&self) -> Float32Array {
        self.inner.norms().to_vec().into()
    }

    /// The packed codes.
    #[napi]
    pub fn codes(&self) -> Uint8Array {
        self.inner.codes().to_vec().into()
    }

    /// The norm of each residual.
    #[napi]
    pub fn residual_norms(&self) -> Float32Array {
        self.inner.residual_norms().to_vec().into()
    }

    /// The packed signs.
    #[napi]
    pub fn signs(&self) -> Uint8Array {
        self.inner.signs().to_vec().into()
    }

    /// The serialised rows.
    #[napi]
    pub fn to_bytes(&self, env: Env) -> napi::Result<Uint8Array> {
        guard(env, || Ok(self.inner.to_bytes().into()))
    }

    fn new(env: Env, inner: QuantizedRows) -> Self {
        let external = External::new(env, inner.nbytes());
        Self {
            inner: Arc::new(inner),
            external,
        }
    }
}

impl ObjectFinalize for NativeQuantizedRows {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}

impl ObjectFinalize for NativeRowCodec {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}

/// A codec.
#[napi(custom_finalize)]
pub struct NativeRowCodec {
    inner: Arc<RowCodec>,
    external: External,
}

#[napi]
impl NativeRowCodec {
    /// A codec of a method, of vectors of `dim` components.
    #[napi(
        constructor,
        ts_args_type = "method: 'mse' | 'unbiased' | 'gaussian' | 'rotation', dim: number, bits: number, seed: bigint"
    )]
    pub fn new(env: Env, method: String, dim: f64, bits: f64, seed: BigInt) -> napi::Result<Self> {
        guard(env, || {
            let dim = number::size(dim, "dim", None)?;
            let seed = number::seed(&seed)?;
            let spec = RowsSpec::new(dim, bits_of(bits, "bits")?, seed, method_of(&method)?)?;
            let inner = Arc::new(RowCodec::new(spec)?);
            let external = External::new(env, inner.nbytes());
            Ok(Self { inner, external })
        })
    }

    /// The levels of a coordinate of deviation 1, ascending; none where the sketch has the only bit.
    #[napi]
    pub fn centroids(&self) -> Float32Array {
        let levels = self.inner.codebook();
        let levels = levels.map_or(&[][..], Codebook::centroids);
        let levels: Vec<f32> = levels.iter().map(|level| *level as f32).collect();
        levels.into()
    }

    /// Mean squared error of the levels, or 1 where there are none.
    #[napi]
    pub fn distortion(&self) -> f64 {
        let codebook = self.inner.codebook();
        codebook.map_or(1.0, Codebook::distortion)
    }

    /// Quantizes rows and waits for them.
    #[napi]
    pub fn quantize_sync(&self, env: Env, vectors: &[f32]) -> napi::Result<NativeQuantizedRows> {
        guard(env, || {
            let rows = vectors.len() / self.inner.spec().dim();
            let work = || Ok(self.inner.quantize(vectors, &Control::default())?);
            Ok(NativeQuantizedRows::new(env, wait(rows, work)?))
        })
    }

    /// Quantizes rows on the pool. They are copied before this returns.
    #[napi(
        ts_args_type = "vectors: Float32Array, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<NativeQuantizedRows>"
    )]
    pub fn quantize<'env>(
        &self,
        env: &'env Env,
        vectors: &[f32],
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let codec = Arc::clone(&self.inner);
            let vectors = InputCopy::new(vectors)?;
            let work = move |control: &Control<'_>| Ok(codec.quantize(&vectors, control)?);
            let request = request(abort, on_progress);
            job::start(env, request, Box::new(work), |env, rows| {
                Ok(NativeQuantizedRows::new(env, rows))
            })
        })
    }

    /// Reconstructs vectors and waits for them.
    #[napi]
    pub fn dequantize_sync(
        &self,
        env: Env,
        rows: &NativeQuantizedRows,
    ) -> napi::Result<Float32Array> {
        guard(env, || {
            let work = || Ok(self.inner.dequantize(&rows.inner, &Control::default())?);
            Ok(wait(rows.inner.len(), work)?.into())
        })
    }

    /// Reconstructs vectors on the pool.
    #[napi(
        ts_args_type = "rows: NativeQuantizedRows, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Float32Array>"
    )]
    pub fn dequantize<'env>(
        &self,
        env: &'env Env,
        rows: &NativeQuantizedRows,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (codec, rows) = (Arc::clone(&self.inner), Arc::clone(&rows.inner));
            let work = move |control: &Control<'_>| Ok(codec.dequantize(&rows, control)?);
            let request = request(abort, on_progress);
            job::start(env, request, Box::new(work), |_, values| {
                Ok(Float32Array::from(values))
            })
        })
    }

    /// Scores rows and waits for it: those of the first query first.
    #[napi]
    pub fn score_sync(
        &self,
        env: Env,
        queries: &[f32],
        rows: &NativeQuantizedRows,
    ) -> napi::Result<Float32Array> {
        guard(env, || {
            let work = || {
                Ok(self
                    .inner
                    .score(queries, &rows.inner, &Control::default())?)
            };
            Ok(wait(rows.inner.len(), work)?.into())
        })
    }

    /// Scores rows on the pool. The queries are copied before this returns.
    #[napi(
        ts_args_type = "queries: Float32Array, rows: NativeQuantizedRows, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Float32Array>"
    )]
    pub fn score<'env>(
        &self,
        env: &'env Env,
        queries: &[f32],
        rows: &NativeQuantizedRows,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (codec, rows) = (Arc::clone(&self.inner), Arc::clone(&rows.inner));
            let queries = InputCopy::new(queries)?;
            let work = move |control: &Control<'_>| Ok(codec.score(&queries, &rows, control)?);
            let request = request(abort, on_progress);
            job::start(env, request, Box::new(work), |_, scores| {
                Ok(Float32Array::from(scores))
            })
        })
    }
}

/// JavaScript's name of a method.
fn method_name(method: Method) -> &'static str {
    match method {
        Method::Mse { unbiased: false } => "mse",
        Method::Mse { unbiased: true } => "unbiased",
        Method::Prod {
            sketch: SketchKind::Gaussian,
        } => "gaussian",
        Method::Prod {
            sketch: SketchKind::Rotation,
        } => "rotation",
    }
}

/// The method of a name.
pub(crate) fn method_of(name: &str) -> Result<Method, Failure> {
    let sketches =
        [SketchKind::Gaussian, SketchKind::Rotation].map(|sketch| Method::Prod { sketch });
    let levels = [false, true].map(|unbiased| Method::Mse { unbiased });
    let mut all = levels.into_iter().chain(sketches);
    all.find(|method| method_name(*method) == name)
        .ok_or_else(|| Failure::invalid_arg(format!("unknown method {name:?}"), None))
}

/// A number of bits; what is none is left to the codec to refuse.
pub(crate) fn bits_of(bits: f64, name: &str) -> Result<u8, Failure> {
    Ok(u8::try_from(number::integer(bits, name, None)?).unwrap_or(u8::MAX))
}

/// Runs work over rows that its caller waits for.
pub(crate) fn wait<T: Send>(
    rows: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    if rows <= FEW_ROWS {
        work()
    } else {
        pool::wait(work)
    }
}

fn request<'a>(abort: Option<&'a NativeAbort>, on_progress: Option<OnProgress<'a>>) -> Request<'a> {
    Request {
        abort,
        on_progress,
        input: None,
    }
}
