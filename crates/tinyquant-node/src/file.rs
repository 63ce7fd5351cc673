//! What files are, and whether they are whole.

use crate::error::guard;
use crate::index_config;
use crate::job::{self, NativeAbort, Request};
use crate::progress::{self, OnProgress};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;
use std::path::Path;
use tinyquant_codec::Control;
use tinyquant_store::StoredFile;

/// What the header of a file says.
#[napi(object, object_from_js = false)]
pub struct NativeFileInfo {
    /// Format of the file.
    #[napi(ts_type = "'corpus' | 'index' | 'tqcv' | 'tqcb'")]
    pub format: &'static str,
    /// Version of the format.
    pub version: u32,
    /// Length of the file.
    pub size_bytes: f64,
    /// Bits of a code.
    pub bit_width: u32,
    /// Vectors, without removed ones.
    pub vector_count: Option<f64>,
    /// Components of a vector.
    pub dimension: Option<u32>,
    /// Whether records carry a residual.
    pub residual: Option<bool>,
    /// Hash of the configuration.
    pub config_hash: Option<String>,
    /// Seed of the rotation.
    pub seed: Option<BigInt>,
    /// How vectors are stored.
    #[napi(ts_type = "'compress' | 'passthrough' | 'fp16'")]
    pub policy: Option<&'static str>,
    /// Id of the corpus.
    pub corpus_id: Option<String>,
    /// How vectors are compared.
    #[napi(ts_type = "'cosine' | 'dot' | 'l2'")]
    pub metric: Option<&'static str>,
    /// Kind of the ids.
    #[napi(ts_type = "'number' | 'bigint' | 'string'")]
    pub id_type: Option<&'static str>,
    /// What is kept beside the codes.
    #[napi(ts_type = "'none' | 'f16' | 'f32'")]
    pub originals: Option<&'static str>,
    /// Whether segments are fitted.
    pub fitted: Option<bool>,
    /// Partitions; 1 without any.
    pub partitions: Option<f64>,
    /// Bytes of a vector, without id and metadata.
    pub bytes_per_vector: Option<f64>,
    /// Entries of a codebook.
    pub entries: Option<u32>,
    /// States that the file went through.
    pub commits: Option<f64>,
}

impl From<&StoredFile> for NativeFileInfo {
    fn from(file: &StoredFile) -> Self {
        let empty = Self {
            format: "tqcb",
            version: 1,
            size_bytes: 0.0,
            bit_width: 0,
            vector_count: None,
            dimension: None,
            residual: None,
            config_hash: None,
            seed: None,
            policy: None,
            corpus_id: None,
            metric: None,
            id_type: None,
            originals: None,
            fitted: None,
            partitions: None,
            bytes_per_vector: None,
            entries: None,
            commits: None,
        };
        match file {
            StoredFile::Corpus(file) => {
                let coding = file.coding();
                let config = &coding.config;
                let bytes = coding.packed_len() + coding.residual_len();
                Self {
                    format: "corpus",
                    version: 2,
                    size_bytes: file.size_bytes() as f64,
                    bit_width: config.bit_width().into(),
                    vector_count: Some(file.live() as f64),
                    dimension: Some(config.dimension() as u32),
                    residual: Some(config.residual_enabled()),
                    config_hash: Some(config.config_hash().to_owned()),
                    seed: Some(config.seed().into()),
                    policy: Some(coding.policy.kind()),
                    corpus_id: Some(file.id().to_owned()),
                    bytes_per_vector: Some(bytes as f64),
                    commits: Some(file.commits() as f64),
                    ..empty
                }
            }
            StoredFile::Index(file) => {
                let config = file.config();
                let originals = config.originals();
                let bytes = file.bytes_per_row() + originals.width() * config.dim();
                Self {
                    format: "index",
                    version: 2,
                    size_bytes: file.size_bytes() as f64,
                    bit_width: config.bits().into(),
                    vector_count: Some(file.live() as f64),
                    dimension: Some(config.dim() as u32),
                    seed: Some(config.seed().into()),
                    metric: Some(index_config::metric_name(config.metric())),
                    id_type: Some(index_config::id_kind_name(config.id_kind())),
                    originals: Some(index_config::originals_name(originals)),
                    fitted: Some(file.is_fitted()),
                    partitions: Some(file.partitions() as f64),
                    bytes_per_vector: Some(bytes as f64),
                    commits: Some(file.commits() as f64),
                    ..empty
                }
            }
            StoredFile::Tqcv(file) => {
                let layout = &file.header().layout;
                Self {
                    format: "tqcv",
                    size_bytes: file.size_bytes() as f64,
                    bit_width: layout.bit_width().into(),
                    vector_count: Some(file.len() as f64),
                    dimension: Some(layout.dimension() as u32),
                    residual: Some(layout.has_residual()),
                    config_hash: Some(layout.config_hash().to_string()),
                    bytes_per_vector: Some((layout.packed_len() + layout.residual_len()) as f64),
                    ..empty
                }
            }
            StoredFile::Codebook(codebook, len) => Self {
                size_bytes: *len as f64,
                bit_width: codebook.bit_width().into(),
                entries: Some(codebook.entries().len() as u32),
                ..empty
            },
        }
    }
}

/// What the header of a file says; nothing else is read.
#[napi(ts_return_type = "Promise<NativeFileInfo>")]
pub fn file_info(env: &Env, path: String) -> napi::Result<Object<'_>> {
    guard(*env, || {
        let request = Request::default();
        let work = move |_: &Control<'_>| Ok(StoredFile::open(Path::new(&path), false)?);
        job::start(env, request, Box::new(work), |_, file| {
            Ok(NativeFileInfo::from(&file))
        })
    })
}

/// Reads all of a file and checks it. Progress counts up to `total`.
#[napi(
    ts_args_type = "path: string, total: number, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeFileInfo>"
)]
pub fn verify_file<'env>(
    env: &'env Env,
    path: String,
    total: f64,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let request = Request {
            abort,
            on_progress,
            input: None,
        };
        let work = move |control: &Control<'_>| {
            // Read, not mapped: a file that someone else shortens meanwhile is an error like any other.
            let file = StoredFile::open(Path::new(&path), false)?;
            progress::scaled(control, total as usize, |control| file.verify(control))?;
            Ok(file)
        };
        job::start(env, request, Box::new(work), |_, file| {
            Ok(NativeFileInfo::from(&file))
        })
    })
}
