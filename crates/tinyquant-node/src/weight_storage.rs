//! Stored tensors, files of them, and zstd frames.

use crate::error::{Failure, guard};
use crate::job::{self, NativeAbort, Request};
use crate::number;
use crate::pool;
use crate::progress::OnProgress;
use crate::weights::{NativeGrid, bytes_job, narrow};
use napi::Env;
use napi::bindgen_prelude::{
    Either3, Float32Array, Float32ArraySlice, Int8Array, Int8ArraySlice, Object, Uint8Array,
    Uint8ArraySlice,
};
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    self, Dtype, Layout, Method, StoreOptions, Tensor, TensorFile, TensorHead, TensorInfo,
    TensorValues,
};

/// How a tensor is stored.
#[napi(object, object_to_js = false)]
pub struct NativeStoreOptions {
    /// What is done to the values.
    #[napi(ts_type = "'lossless' | 'grid' | 'codebook'")]
    pub method: String,
    /// Grid: the largest code; codebook: bits of a code.
    pub param: u32,
    /// Grid: columns that share a scale, 0 for a row; codebook: 1 for one a row.
    pub group: f64,
    /// Whether levels are scaled to keep the length of values.
    pub keep_gain: bool,
    /// Whether codes lie without gaps.
    pub packed: bool,
    /// Level of zstd, 0 for none.
    pub level: i32,
}

impl NativeStoreOptions {
    fn parse(&self) -> Result<StoreOptions, Failure> {
        let group = number::size(self.group, "groupSize", None)?;
        let method = match self.method.as_str() {
            "grid" => Method::Grid {
                qmax: narrow(self.param),
                group,
            },
            "codebook" => Method::Codebook {
                bits: narrow(self.param),
                by_row: group > 0,
                keep_gain: self.keep_gain,
            },
            _ => Method::Lossless,
        };
        Ok(StoreOptions {
            method,
            layout: if self.packed {
                Layout::Packed
            } else {
                Layout::Bytes
            },
            level: self.level,
        })
    }
}

/// Values of a tensor on their way in.
type GivenValues<'a> = Either3<Float32ArraySlice<'a>, Int8ArraySlice<'a>, Uint8ArraySlice<'a>>;

/// A tensor.
#[napi(object, object_from_js = false)]
pub struct NativeTensor {
    /// Kind of the values.
    #[napi(ts_type = "'f32' | 'f16' | 'bf16' | 'i8' | 'u8'")]
    pub dtype: &'static str,
    /// Lengths along the dimensions.
    pub shape: Vec<f64>,
    /// The values.
    #[napi(ts_type = "Float32Array | Int8Array | Uint8Array")]
    pub data: Either3<Float32Array, Int8Array, Uint8Array>,
}

impl From<Tensor> for NativeTensor {
    fn from(tensor: Tensor) -> Self {
        Self {
            dtype: tensor.dtype.name(),
            shape: lengths(&tensor.shape),
            data: match tensor.values {
                TensorValues::Floats(values) => Either3::A(values.into()),
                TensorValues::Signed(values) => Either3::B(values.into()),
                TensorValues::Bytes(values) => Either3::C(values.into()),
            },
        }
    }
}

fn lengths(shape: &[usize]) -> Vec<f64> {
    shape.iter().map(|length| *length as f64).collect()
}

fn tensor(shape: &[f64], data: &GivenValues<'_>) -> Result<Tensor, Failure> {
    let shape = shape
        .iter()
        .map(|length| number::size(*length, "a length of the shape", None));
    let (dtype, values) = match data {
        Either3::A(values) => (Dtype::F32, TensorValues::Floats(values.to_vec())),
        Either3::B(values) => (Dtype::I8, TensorValues::Signed(values.to_vec())),
        Either3::C(values) => (Dtype::U8, TensorValues::Bytes(values.to_vec())),
    };
    Ok(Tensor {
        dtype,
        shape: shape.collect::<Result<_, _>>()?,
        values,
    })
}

/// Stores a tensor and waits.
#[napi(
    ts_args_type = "shape: Array<number>, data: Float32Array | Int8Array | Uint8Array, options: NativeStoreOptions"
)]
pub fn compress_tensor_sync(
    env: Env,
    shape: Vec<f64>,
    data: GivenValues<'_>,
    options: NativeStoreOptions,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let (tensor, options) = (tensor(&shape, &data)?, options.parse()?);
        let control = Control::default();
        Ok(pool::wait(|| Ok(weights::compress_tensor(&tensor, &options, &control)?))?.into())
    })
}

/// Stores a tensor on the pool. The values are copied before this returns.
#[napi(
    ts_args_type = "shape: Array<number>, data: Float32Array | Int8Array | Uint8Array, options: NativeStoreOptions, abort: NativeAbort | null",
    ts_return_type = "Promise<Uint8Array>"
)]
pub fn compress_tensor<'env>(
    env: &'env Env,
    shape: Vec<f64>,
    data: GivenValues<'_>,
    options: NativeStoreOptions,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (tensor, options) = (tensor(&shape, &data)?, options.parse()?);
        let work =
            move |control: &Control<'_>| Ok(weights::compress_tensor(&tensor, &options, control)?);
        start_bytes(env, abort, work)
    })
}

/// Stores quantized weights and waits.
#[napi]
pub fn compress_grid_sync(
    env: Env,
    grid: NativeGrid<'_>,
    options: NativeStoreOptions,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let (grid, options) = (grid.parse()?, options.parse()?);
        let control = Control::default();
        Ok(pool::wait(|| Ok(weights::compress_grid(&grid, &options, &control)?))?.into())
    })
}

/// Stores quantized weights on the pool. They are copied before this returns.
#[napi(
    ts_args_type = "grid: NativeGrid, options: NativeStoreOptions, abort: NativeAbort | null",
    ts_return_type = "Promise<Uint8Array>"
)]
pub fn compress_grid<'env>(
    env: &'env Env,
    grid: NativeGrid<'_>,
    options: NativeStoreOptions,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let (grid, options) = (grid.parse()?, options.parse()?);
        let work =
            move |control: &Control<'_>| Ok(weights::compress_grid(&grid, &options, control)?);
        start_bytes(env, abort, work)
    })
}

/// Queues a job that makes bytes.
fn start_bytes<'env>(
    env: &'env Env,
    abort: Option<&NativeAbort>,
    work: impl FnOnce(&Control<'_>) -> Result<Vec<u8>, Failure> + Send + 'static,
) -> Result<Object<'env>, Failure> {
    let request = Request {
        abort,
        ..Request::default()
    };
    bytes_job(env, request, work)
}

/// Queues a job that makes a tensor.
fn start_tensor<'env>(
    env: &'env Env,
    abort: Option<&NativeAbort>,
    work: impl FnOnce(&Control<'_>) -> Result<Tensor, Failure> + Send + 'static,
) -> Result<Object<'env>, Failure> {
    let request = Request {
        abort,
        ..Request::default()
    };
    job::start(env, request, Box::new(work), |_, tensor| {
        Ok(NativeTensor::from(tensor))
    })
}

/// Reads a stored tensor and waits.
#[napi]
pub fn decompress_tensor_sync(env: Env, bytes: &[u8], max_size: f64) -> napi::Result<NativeTensor> {
    guard(env, || {
        let max_size = number::size(max_size, "maxSize", None)?;
        Ok(weights::decompress_tensor(bytes, max_size)?.into())
    })
}

/// Reads a stored tensor on the pool. The bytes are copied before this returns.
#[napi(
    ts_args_type = "bytes: Uint8Array, maxSize: number, abort: NativeAbort | null",
    ts_return_type = "Promise<NativeTensor>"
)]
pub fn decompress_tensor<'env>(
    env: &'env Env,
    bytes: &[u8],
    max_size: f64,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let max_size = number::size(max_size, "maxSize", None)?;
        let bytes = bytes.to_vec();
        start_tensor(env, abort, move |_| {
            Ok(weights::decompress_tensor(&bytes, max_size)?)
        })
    })
}

/// What is known of a tensor without its values.
#[napi(object, object_from_js = false)]
pub struct NativeTensorInfo {
    /// Its name; empty where it has none.
    pub name: String,
    /// Kind of the values.
    pub dtype: String,
    /// Lengths along the dimensions.
    pub shape: Vec<f64>,
    /// How the values are stored.
    #[napi(ts_type = "'lossless' | 'grid' | 'codebook'")]
    pub method: &'static str,
    /// Bits of a value before zstd.
    pub bits: u32,
    /// Bytes that it takes.
    pub stored_bytes: f64,
}

impl From<&TensorInfo> for NativeTensorInfo {
    fn from(info: &TensorInfo) -> Self {
        Self {
            name: info.name.clone(),
            dtype: info.dtype.clone(),
            shape: lengths(&info.shape),
            method: info.method,
            bits: info.bits.into(),
            stored_bytes: info.stored_len as f64,
        }
    }
}

/// What the head of a stored tensor says.
#[napi]
pub fn tensor_info(env: Env, bytes: &[u8]) -> napi::Result<NativeTensorInfo> {
    guard(env, || {
        let head = TensorHead::parse(bytes)?;
        Ok(NativeTensorInfo {
            name: String::new(),
            dtype: head.dtype().name().to_owned(),
            shape: lengths(head.shape()),
            method: head.method(),
            bits: head.bits().into(),
            stored_bytes: bytes.len() as f64,
        })
    })
}

/// A zstd frame of bytes, and waits.
#[napi]
pub fn zstd_compress_sync(env: Env, bytes: &[u8], level: i32) -> napi::Result<Uint8Array> {
    guard(env, || Ok(weights::compress_bytes(bytes, level)?.into()))
}

/// A zstd frame of bytes, on the pool. They are copied before this returns.
#[napi(
    ts_args_type = "bytes: Uint8Array, level: number, abort: NativeAbort | null",
    ts_return_type = "Promise<Uint8Array>"
)]
pub fn zstd_compress<'env>(
    env: &'env Env,
    bytes: &[u8],
    level: i32,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let bytes = bytes.to_vec();
        start_bytes(env, abort, move |_| {
            Ok(weights::compress_bytes(&bytes, level)?)
        })
    })
}

/// The bytes of a zstd frame, and waits.
#[napi]
pub fn zstd_decompress_sync(env: Env, bytes: &[u8], max_size: f64) -> napi::Result<Uint8Array> {
    guard(env, || {
        let max_size = number::size(max_size, "maxSize", None)?;
        Ok(weights::decompress_bytes(bytes, max_size)?.into())
    })
}

/// The bytes of a zstd frame, on the pool. They are copied before this returns.
#[napi(
    ts_args_type = "bytes: Uint8Array, maxSize: number, abort: NativeAbort | null",
    ts_return_type = "Promise<Uint8Array>"
)]
pub fn zstd_decompress<'env>(
    env: &'env Env,
    bytes: &[u8],
    max_size: f64,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let max_size = number::size(max_size, "maxSize", None)?;
        let bytes = bytes.to_vec();
        start_bytes(env, abort, move |_| {
            Ok(weights::decompress_bytes(&bytes, max_size)?)
        })
    })
}

/// Writes stored tensors to a file on the pool, and returns its length. They are copied before this returns.
#[napi(
    ts_args_type = "path: string, names: Array<string>, tensors: Array<Uint8Array>, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<number>"
)]
pub fn write_tensors<'env>(
    env: &'env Env,
    path: String,
    names: Vec<String>,
    tensors: Vec<Uint8ArraySlice<'_>>,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let tensors: Vec<(String, Vec<u8>)> = names
            .into_iter()
            .zip(tensors.iter().map(|bytes| bytes.to_vec()))
            .collect();
        let work = move |control: &Control<'_>| {
            Ok(weights::write_tensors(Path::new(&path), &tensors, control)?)
        };
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, len| Ok(len as f64))
    })
}

/// A file of tensors, open for reading.
#[napi]
pub struct NativeTensorFile {
    inner: Option<Arc<TensorFile>>,
}

#[napi]
impl NativeTensorFile {
    /// Opens a file on this thread.
    #[napi(factory)]
    pub fn open_sync(env: Env, path: String) -> napi::Result<Self> {
        guard(env, || Ok(Self::new(TensorFile::open(Path::new(&path))?)))
    }

    fn new(inner: TensorFile) -> Self {
        Self {
            inner: Some(Arc::new(inner)),
        }
    }

    /// What the file says of its tensors.
    #[napi]
    pub fn tensors(&self, env: Env) -> napi::Result<Vec<NativeTensorInfo>> {
        guard(env, || Ok(self.open()?.tensors().map(Into::into).collect()))
    }

    /// Reads a tensor on this thread.
    #[napi]
    pub fn read_sync(&self, env: Env, name: String, max_size: f64) -> napi::Result<NativeTensor> {
        guard(env, || {
            let max_size = number::size(max_size, "maxSize", None)?;
            Ok(self.open()?.read(&name, max_size)?.into())
        })
    }

    /// Reads a tensor on the pool.
    #[napi(
        ts_args_type = "name: string, maxSize: number, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeTensor>"
    )]
    pub fn read<'env>(
        &self,
        env: &'env Env,
        name: String,
        max_size: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let file = Arc::clone(self.open()?);
            let max_size = number::size(max_size, "maxSize", None)?;
            start_tensor(env, abort, move |_| Ok(file.read(&name, max_size)?))
        })
    }

    /// Lets go of the file.
    #[napi]
    pub fn close(&mut self) {
        self.inner = None;
    }

    fn open(&self) -> Result<&Arc<TensorFile>, Failure> {
        self.inner
            .as_ref()
            .ok_or_else(|| Failure::closed("TensorFile"))
    }
}

/// Opens a file on the pool.
#[napi(
    ts_args_type = "path: string, abort: NativeAbort | null",
    ts_return_type = "Promise<NativeTensorFile>"
)]
pub fn open_tensors<'env>(
    env: &'env Env,
    path: String,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let work = move |_: &Control<'_>| Ok(TensorFile::open(Path::new(&path))?);
        let request = Request {
            abort,
            on_progress: None,
            input: None,
        };
        job::start(env, request, Box::new(work), |_, file| {
            Ok(NativeTensorFile::new(file))
        })
    })
}
