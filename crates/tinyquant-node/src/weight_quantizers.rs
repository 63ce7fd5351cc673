//! Residual and product quantizers.

use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::number;
use crate::pool;
use crate::progress::OnProgress;
use crate::weights::bytes_job;
use napi::Env;
use napi::bindgen_prelude::{BigInt, Float32Array, Float64Array, Object, Uint8Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    Measure, ProductOptions, ProductQuantizer, ResidualOptions, ResidualQuantizer,
};

/// How a residual quantizer is trained.
#[napi(object, object_to_js = false)]
pub struct NativeResidualOptions {
    /// Bits of each stage.
    pub bits: Vec<u32>,
    /// Values that are coded together.
    pub width: f64,
    /// Most rounds a stage.
    pub rounds: f64,
    /// Fall of the error that ends a stage.
    pub tolerance: f64,
    /// Seed of the random choices.
    pub seed: BigInt,
}

impl NativeResidualOptions {
    fn parse(&self) -> Result<ResidualOptions, Failure> {
        Ok(ResidualOptions {
            bits: self
                .bits
                .iter()
                .map(|bits| crate::weights::narrow(*bits))
                .collect(),
            width: number::size(self.width, "vectorLength", None)?,
            rounds: number::size(self.rounds, "rounds", None)?,
            tolerance: self.tolerance,
            seed: number::seed(&self.seed)?,
        })
    }
}

/// Codebooks of stages.
#[napi]
pub struct NativeResidualQuantizer {
    inner: Arc<ResidualQuantizer>,
}

#[napi]
impl NativeResidualQuantizer {
    /// Trains and waits.
    #[napi(factory)]
    pub fn train_sync(
        env: Env,
        values: &[f32],
        options: NativeResidualOptions,
    ) -> napi::Result<Self> {
        guard(env, || {
            let (options, control) = (options.parse()?, Control::default());
            let trained = pool::wait(|| Ok(ResidualQuantizer::train(values, &options, &control)?))?;
            Ok(Self::new(trained))
        })
    }

    /// Reads what `toBytes` wrote.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || Ok(Self::new(ResidualQuantizer::from_bytes(bytes)?)))
    }

    fn new(inner: ResidualQuantizer) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Bits of each stage.
    #[napi(getter)]
    pub fn bits(&self) -> Vec<u32> {
        self.inner
            .bits()
            .iter()
            .map(|bits| u32::from(*bits))
            .collect()
    }

    /// Values that are coded together.
    #[napi(getter)]
    pub fn width(&self) -> f64 {
        self.inner.width() as f64
    }

    /// Mean squared error after each stage of training.
    #[napi]
    pub fn errors(&self) -> Float64Array {
        self.inner.errors().to_vec().into()
    }

    /// Centroids of a stage, or nothing if there is no such stage.
    #[napi]
    pub fn centroids(&self, stage: u32) -> Option<Float32Array> {
        let centroids = self.inner.centroids(stage as usize)?;
        Some(centroids.to_vec().into())
    }

    /// Codes of values, and waits.
    #[napi]
    pub fn encode_sync(&self, env: Env, values: &[f32]) -> napi::Result<Uint8Array> {
        guard(env, || {
            let control = Control::default();
            Ok(pool::wait(|| Ok(self.inner.encode(values, &control)?))?.into())
        })
    }

    /// Codes of values, on the pool. They are copied before this returns.
    #[napi(
        ts_args_type = "values: Float32Array, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Uint8Array>"
    )]
    pub fn encode<'env>(
        &self,
        env: &'env Env,
        values: &[f32],
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (inner, values) = (Arc::clone(&self.inner), InputCopy::new(values)?);
            let work = move |control: &Control<'_>| Ok(inner.encode(&values, control)?);
            let request = Request {
                abort,
                on_progress,
                ..Request::default()
            };
            bytes_job(env, request, work)
        })
    }

    /// Values that codes stand for by the first stages.
    #[napi]
    pub fn decode(&self, env: Env, codes: &[u8], stages: u32) -> napi::Result<Float32Array> {
        guard(env, || {
            Ok(self.inner.decode(codes, stages as usize)?.into())
        })
    }

    /// The quantizer as bytes.
    #[napi]
    pub fn to_bytes(&self) -> Uint8Array {
        self.inner.to_bytes().into()
    }
}

/// Trains a residual quantizer on the pool. The values are copied before this returns.
#[napi(
    ts_args_type = "values: Float32Array, options: NativeResidualOptions, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeResidualQuantizer>"
)]
pub fn train_residual<'env>(
    env: &'env Env,
    values: &[f32],
    options: NativeResidualOptions,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (options, values) = (options.parse()?, InputCopy::new(values)?);
        let work =
            move |control: &Control<'_>| Ok(ResidualQuantizer::train(&values, &options, control)?);
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, trained| {
            Ok(NativeResidualQuantizer::new(trained))
        })
    })
}

/// How a product quantizer is trained.
#[napi(object, object_to_js = false)]
pub struct NativeProductOptions {
    /// Values of a vector.
    pub dim: f64,
    /// Parts of a vector.
    pub parts: f64,
    /// Centroids of a part.
    pub centroids: f64,
    /// Most rounds.
    pub rounds: f64,
    /// Fall of the error that ends training.
    pub tolerance: f64,
    /// Seed of the random choices.
    pub seed: BigInt,
}

impl NativeProductOptions {
    fn parse(&self) -> Result<(usize, ProductOptions), Failure> {
        let options = ProductOptions {
            parts: number::size(self.parts, "parts", None)?,
            centroids: number::size(self.centroids, "centroids", None)?,
            rounds: number::size(self.rounds, "rounds", None)?,
            tolerance: self.tolerance,
            seed: number::seed(&self.seed)?,
        };
        Ok((number::size(self.dim, "dim", None)?, options))
    }
}

/// Codebooks of parts.
#[napi]
pub struct NativeProductQuantizer {
    inner: Arc<ProductQuantizer>,
}

#[napi]
impl NativeProductQuantizer {
    /// Trains and waits.
    #[napi(factory)]
    pub fn train_sync(
        env: Env,
        vectors: &[f32],
        options: NativeProductOptions,
    ) -> napi::Result<Self> {
        guard(env, || {
            let ((dim, options), control) = (options.parse()?, Control::default());
            let trained =
                pool::wait(|| Ok(ProductQuantizer::train(vectors, dim, &options, &control)?))?;
            Ok(Self::new(trained))
        })
    }

    /// A quantizer of given codebooks.
    #[napi(factory)]
    pub fn from_codebooks(
        env: Env,
        codebooks: &[f32],
        dim: f64,
        parts: f64,
        centroids: f64,
    ) -> napi::Result<Self> {
        guard(env, || {
            let size = |value, name| number::size(value, name, None);
            let (dim, parts) = (size(dim, "dim")?, size(parts, "parts")?);
            let count = size(centroids, "centroids")?;
            let inner = ProductQuantizer::from_codebooks(codebooks.to_vec(), dim, parts, count)?;
            Ok(Self::new(inner))
        })
    }

    /// Reads what `toBytes` wrote.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || Ok(Self::new(ProductQuantizer::from_bytes(bytes)?)))
    }

    fn new(inner: ProductQuantizer) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Values of a vector.
    #[napi(getter)]
    pub fn dim(&self) -> f64 {
        self.inner.dim() as f64
    }

    /// Parts of a vector.
    #[napi(getter)]
    pub fn parts(&self) -> f64 {
        self.inner.parts() as f64
    }

    /// Centroids of a part.
    #[napi(getter)]
    pub fn centroids(&self) -> f64 {
        self.inner.centroids() as f64
    }

    /// All centroids.
    #[napi]
    pub fn codebooks(&self) -> Float32Array {
        self.inner.codebooks().to_vec().into()
    }

    /// Mean squared error at the start and after each round.
    #[napi]
    pub fn history(&self) -> Float64Array {
        self.inner.history().to_vec().into()
    }

    /// Codes of vectors, and waits.
    #[napi]
    pub fn encode_sync(&self, env: Env, vectors: &[f32]) -> napi::Result<Uint8Array> {
        guard(env, || {
            let control = Control::default();
            Ok(pool::wait(|| Ok(self.inner.encode(vectors, &control)?))?.into())
        })
    }

    /// Codes of vectors, on the pool. They are copied before this returns.
    #[napi(
        ts_args_type = "vectors: Float32Array, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Uint8Array>"
    )]
    pub fn encode<'env>(
        &self,
        env: &'env Env,
        vectors: &[f32],
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (inner, vectors) = (Arc::clone(&self.inner), InputCopy::new(vectors)?);
            let work = move |control: &Control<'_>| Ok(inner.encode(&vectors, control)?);
            let request = Request {
                abort,
                on_progress,
                ..Request::default()
            };
            bytes_job(env, request, work)
        })
    }

    /// Vectors that codes stand for.
    #[napi]
    pub fn decode(&self, env: Env, codes: &[u8]) -> napi::Result<Float32Array> {
        guard(env, || Ok(self.inner.decode(codes)?.into()))
    }

    /// A table of products, or of squared distances.
    #[napi]
    pub fn table(&self, env: Env, query: &[f32], distances: bool) -> napi::Result<Float32Array> {
        guard(env, || {
            let measure = if distances {
                Measure::SquaredDistance
            } else {
                Measure::Dot
            };
            Ok(self.inner.table(query, measure)?.into())
        })
    }

    /// Sums of table entries, one a row of codes.
    #[napi]
    pub fn score(&self, env: Env, table: &[f32], codes: &[u8]) -> napi::Result<Float32Array> {
        guard(env, || {
            Ok(pool::wait(|| Ok(self.inner.score(table, codes)?))?.into())
        })
    }

    /// The quantizer as bytes.
    #[napi]
    pub fn to_bytes(&self) -> Uint8Array {
        self.inner.to_bytes().into()
    }
}

/// Trains a product quantizer on the pool. The vectors are copied before this returns.
#[napi(
    ts_args_type = "vectors: Float32Array, options: NativeProductOptions, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeProductQuantizer>"
)]
pub fn train_product<'env>(
    env: &'env Env,
    vectors: &[f32],
    options: NativeProductOptions,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let ((dim, options), vectors) = (options.parse()?, InputCopy::new(vectors)?);
        let work = move |control: &Control<'_>| {
            Ok(ProductQuantizer::train(&vectors, dim, &options, control)?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, trained| {
            Ok(NativeProductQuantizer::new(trained))
        })
    })
}
