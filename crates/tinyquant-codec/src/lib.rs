//! The vector codec of TinyQuant, byte-compatible with release 1.1.0.
//!
//! A vector is rotated by an orthogonal matrix that depends on a seed, each rotated coordinate is replaced
//! by the index of a codebook entry, and optionally what the entry leaves is kept as f16. Decoding goes the
//! other way. The same input gives the same bytes on every CPU and for every number of threads.
//!
//! Vectors are `&[f32]`; batches are row-major, `rows * dimension` values.

mod batch;
mod block_encoder;
mod codebook;
mod codec;
mod config;
mod control;
mod error;
mod first_pass;
mod gaussian;
mod half;
mod householder;
mod layout;
mod lloyd_max;
mod memory;
mod record;
mod rotation;
mod rotation_cache;
mod rotator;
mod row_coder;
mod validate;

pub use batch::CompressedBatch;
pub use codebook::{Codebook, TrainMethod};
pub use codec::{
    check_batch, compress, compress_batch, decompress, decompress_batch, decompress_payloads,
    decompress_records, rotate,
};
pub use config::CodecConfig;
pub use control::Control;
pub use error::{Detail, Details, Error, ErrorCode};
pub use half::{narrow_f16, widen_f16};
pub use layout::RecordLayout;
pub use memory::copy_into;
pub use record::CompressedVector;
pub use rotation::Rotation;
pub use rotation_cache::{CacheInfo, cache_info};
pub use validate::{check_finite, rows_of};

/// Largest dimension of a vector.
pub const MAX_DIMENSION: usize = 16384;
