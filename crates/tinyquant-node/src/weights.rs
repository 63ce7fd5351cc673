//! Trained codebooks, GPTQ and packed codes.

use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::number;
use crate::pool;
use crate::progress::OnProgress;
use napi::Env;
use napi::bindgen_prelude::{
    Either, Float32Array, Float64Array, Int8Array, Object, Uint8Array, Uint32Array,
};
use napi_derive::napi;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    CodebookOptions, Curvature, GptqOptions, GptqResult, GridCodes, Levels, Start, TrainedCodebook,
};

/// Queues a job that makes bytes.
pub(crate) fn bytes_job<'env>(
    env: &'env Env,
    request: Request<'_>,
    work: impl FnOnce(&Control<'_>) -> Result<Vec<u8>, Failure> + Send + 'static,
) -> Result<Object<'env>, Failure> {
    job::start(env, request, Box::new(work), |_, bytes| {
        Ok(Uint8Array::from(bytes))
    })
}

/// How codebooks are trained.
#[napi(object, object_to_js = false)]
pub struct NativeCodebookOptions {
    /// Levels of a codebook.
    pub levels: f64,
    /// Most rounds.
    pub rounds: f64,
    /// Fall of the error that ends training.
    pub tolerance: f64,
    /// Whether training begins with quantiles.
    pub quantiles: bool,
    /// Values of a row that has a codebook of its own; 0 for one codebook of all.
    pub row: f64,
    /// Whether levels are scaled to keep the length of values.
    pub keep_gain: bool,
}

impl NativeCodebookOptions {
    fn parse(&self) -> Result<CodebookOptions, Failure> {
        let row = number::size(self.row, "rowLength", None)?;
        Ok(CodebookOptions {
            levels: number::size(self.levels, "levels", None)?,
            rounds: number::size(self.rounds, "rounds", None)?,
            tolerance: self.tolerance,
            start: if self.quantiles {
                Start::Quantiles
            } else {
                Start::Partition
            },
            row: (row > 0).then_some(row),
            keep_gain: self.keep_gain,
        })
    }
}

/// Trained codebooks and the codes of the values they were trained on.
#[napi(object, object_from_js = false)]
pub struct NativeTrainedCodebook {
    /// Ascending levels, codebook after codebook.
    pub codebook: Float32Array,
    /// Levels of each.
    pub levels: u32,
    /// A code for each value.
    pub codes: Uint8Array,
    /// Mean squared error.
    pub mse: f64,
    /// Most rounds that a codebook took.
    pub rounds: f64,
    /// Mean squared error at the start and after each round.
    pub history: Float64Array,
}

impl From<TrainedCodebook> for NativeTrainedCodebook {
    fn from(trained: TrainedCodebook) -> Self {
        Self {
            codebook: trained.levels.into(),
            levels: trained.level_count as u32,
            codes: trained.codes.into(),
            mse: trained.mse,
            rounds: trained.rounds as f64,
            history: trained.history.into(),
        }
    }
}

/// Trains codebooks and waits.
#[napi]
pub fn train_codebook_sync(
    env: Env,
    values: &[f32],
    options: NativeCodebookOptions,
) -> napi::Result<NativeTrainedCodebook> {
    guard(env, || {
        let options = options.parse()?;
        let control = Control::default();
        let trained = pool::wait(|| {
            Ok(tinyquant_family::weights::train_codebook(
                values, &options, &control,
            )?)
        })?;
        Ok(trained.into())
    })
}

/// Trains codebooks on the pool. The values are copied before this returns.
#[napi(
    ts_args_type = "values: Float32Array, options: NativeCodebookOptions, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeTrainedCodebook>"
)]
pub fn train_codebook<'env>(
    env: &'env Env,
    values: &[f32],
    options: NativeCodebookOptions,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let options = options.parse()?;
        let values = InputCopy::new(values)?;
        let work = move |control: &Control<'_>| {
            Ok(tinyquant_family::weights::train_codebook(
                &values, &options, control,
            )?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, trained| {
            Ok(NativeTrainedCodebook::from(trained))
        })
    })
}

/// Codes of values under ascending levels.
#[napi]
pub fn encode_levels(env: Env, values: &[f32], levels: &[f32]) -> napi::Result<Uint8Array> {
    guard(env, || {
        let levels = Levels::new(levels)?;
        Ok(pool::wait(|| Ok(levels.encode(values)?))?.into())
    })
}

/// Levels that codes stand for.
#[napi]
pub fn decode_levels(env: Env, codes: &[u8], levels: &[f32]) -> napi::Result<Float32Array> {
    guard(env, || Ok(Levels::new(levels)?.decode(codes)?.into()))
}

/// Packs codes; signed ones come as the array that they are.
#[napi(ts_args_type = "codes: Uint8Array | Int8Array, bits: number")]
pub fn pack_codes(
    env: Env,
    codes: Either<Uint8Array, Int8Array>,
    bits: u32,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let packed = match &codes {
            Either::A(codes) => tinyquant_family::weights::pack(codes, narrow(bits), false)?,
            Either::B(codes) => {
                let codes: Vec<u8> = codes.iter().map(|code| code.cast_unsigned()).collect();
                tinyquant_family::weights::pack(&codes, narrow(bits), true)?
            }
        };
        Ok(packed.into())
    })
}

/// The codes that were packed, as bytes.
#[napi]
pub fn unpack_codes(
    env: Env,
    bytes: &[u8],
    bits: u32,
    count: f64,
    signed: bool,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let count = number::size(count, "count", None)?;
        Ok(tinyquant_family::weights::unpack(bytes, narrow(bits), count, signed)?.into())
    })
}

/// A number of bits; one that no byte has stays out of range.
pub(crate) fn narrow(bits: u32) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX)
}

/// How GPTQ works.
#[napi(object, object_to_js = false)]
pub struct NativeGptqOptions {
    /// Rows of the weights.
    pub rows: f64,
    /// Columns of the weights.
    pub cols: f64,
    /// Largest code.
    pub qmax: u32,
    /// Columns after which the rest is corrected.
    pub block: f64,
    /// Share of the mean diagonal that is added to the diagonal.
    pub damp: f64,
    /// Whether columns go from the largest diagonal.
    pub act_order: bool,
    /// Columns that share a scale; 0 for a row.
    pub group: f64,
}

/// Quantized weights and what they cost.
#[napi(object, object_from_js = false)]
pub struct NativeGptqResult {
    /// Row-major codes.
    pub codes: Int8Array,
    /// Scales of the groups of the first row, then of the second one.
    pub scales: Float32Array,
    /// Columns in the order in which they were rounded.
    pub order: Uint32Array,
    /// Mean squared change of the outputs, summed over the rows.
    pub error: f64,
    /// Damping that was used.
    pub damp: f64,
}

/// Rows, columns and options of a call.
type Shape = (usize, usize, GptqOptions);

impl NativeGptqOptions {
    fn parse(&self) -> Result<Shape, Failure> {
        let options = GptqOptions {
            qmax: narrow(self.qmax),
            block: number::size(self.block, "block", None)?,
            damp: self.damp,
            act_order: self.act_order,
            group: number::size(self.group, "groupSize", None)?,
        };
        let rows = number::size(self.rows, "rows", None)?;
        let cols = number::size(self.cols, "cols", None)?;
        Ok((rows, cols, options))
    }
}

impl From<GptqResult> for NativeGptqResult {
    fn from(result: GptqResult) -> Self {
        Self {
            codes: result.codes.codes.into(),
            scales: result.codes.scales.into(),
            order: result.order.into(),
            error: result.error,
            damp: result.damp,
        }
    }
}

/// Inputs as they are, or their Hessian.
type GivenCurvature<'a> = Either<&'a [f32], &'a [f64]>;

/// Quantizes weights and waits.
#[napi(
    ts_args_type = "weights: Float32Array, curvature: Float32Array | Float64Array, options: NativeGptqOptions"
)]
pub fn gptq_sync(
    env: Env,
    weights: &[f32],
    curvature: GivenCurvature<'_>,
    options: NativeGptqOptions,
) -> napi::Result<NativeGptqResult> {
    guard(env, || {
        let (rows, cols, options) = options.parse()?;
        let curvature = match curvature {
            Either::A(inputs) => Curvature::Inputs(inputs),
            Either::B(hessian) => Curvature::Hessian(hessian),
        };
        let control = Control::default();
        let result = pool::wait(|| {
            Ok(tinyquant_family::weights::gptq(
                weights, rows, cols, curvature, &options, &control,
            )?)
        })?;
        Ok(result.into())
    })
}

/// Quantizes weights on the pool. All arrays are copied before this returns.
#[napi(
    ts_args_type = "weights: Float32Array, curvature: Float32Array | Float64Array, options: NativeGptqOptions, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeGptqResult>"
)]
pub fn gptq<'env>(
    env: &'env Env,
    weights: &[f32],
    curvature: GivenCurvature<'_>,
    options: NativeGptqOptions,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (rows, cols, options) = options.parse()?;
        let weights = InputCopy::new(weights)?;
        let curvature = match curvature {
            Either::A(inputs) => Either::A(inputs.to_vec()),
            Either::B(hessian) => Either::B(hessian.to_vec()),
        };
        let work = move |control: &Control<'_>| {
            let curvature = match &curvature {
                Either::A(inputs) => Curvature::Inputs(inputs),
                Either::B(hessian) => Curvature::Hessian(hessian),
            };
            Ok(tinyquant_family::weights::gptq(
                &weights, rows, cols, curvature, &options, control,
            )?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, result| {
            Ok(NativeGptqResult::from(result))
        })
    })
}

/// The Hessian of inputs, and waits.
#[napi]
pub fn hessian_sync(env: Env, inputs: &[f32], cols: f64) -> napi::Result<Float64Array> {
    guard(env, || {
        let cols = number::size(cols, "cols", None)?;
        let control = Control::default();
        let hessian =
            pool::wait(|| Ok(tinyquant_family::weights::hessian(inputs, cols, &control)?))?;
        Ok(hessian.into())
    })
}

/// The Hessian of inputs, on the pool. They are copied before this returns.
#[napi(
    ts_args_type = "inputs: Float32Array, cols: number, abort: NativeAbort | null",
    ts_return_type = "Promise<Float64Array>"
)]
pub fn hessian<'env>(
    env: &'env Env,
    inputs: &[f32],
    cols: f64,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let cols = number::size(cols, "cols", None)?;
        let inputs = InputCopy::new(inputs)?;
        let work = move |control: &Control<'_>| {
            Ok(tinyquant_family::weights::hessian(&inputs, cols, control)?)
        };
        let request = Request {
            abort,
            on_progress: None,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, hessian| {
            Ok(Float64Array::from(hessian))
        })
    })
}

/// Codes of weights, their scales and how they are laid out.
#[napi(object, object_to_js = false)]
pub struct NativeGrid<'env> {
    /// Rows of the matrix.
    pub rows: f64,
    /// Columns of the matrix.
    pub cols: f64,
    /// Largest code.
    pub qmax: u32,
    /// Columns that share a scale; 0 for a row.
    pub group: f64,
    /// Row-major codes.
    pub codes: napi::bindgen_prelude::Int8ArraySlice<'env>,
    /// Scales of the groups of the first row, then of the second one.
    pub scales: napi::bindgen_prelude::Float32ArraySlice<'env>,
    /// Columns in the order in which they are cut into groups.
    pub order: Option<napi::bindgen_prelude::Uint32ArraySlice<'env>>,
}

impl NativeGrid<'_> {
    pub(crate) fn parse(&self) -> Result<GridCodes, Failure> {
        Ok(GridCodes {
            rows: number::size(self.rows, "rows", None)?,
            cols: number::size(self.cols, "cols", None)?,
            qmax: narrow(self.qmax),
            group: number::size(self.group, "groupSize", None)?,
            codes: self.codes.to_vec(),
            scales: self.scales.to_vec(),
            order: self.order.as_ref().map(|order| order.to_vec()),
        })
    }
}

/// The matrix that codes and scales stand for.
#[napi]
pub fn decode_grid(env: Env, grid: NativeGrid<'_>) -> napi::Result<Float32Array> {
    guard(env, || Ok(grid.parse()?.decode()?.into()))
}
