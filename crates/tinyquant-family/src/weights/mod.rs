//! Quantizers of weights and embedding tables, their storage, and an n-gram cache.
//!
//! Matrices are `&[f32]`, row-major, `rows * cols` values. Results depend on the input alone, not on processor or
//! number of threads.

mod byte_reader;
mod bytes;
mod cells;
mod cholesky;
mod codebook;
mod file;
mod file_writer;
mod gptq;
mod grid;
mod kmeans;
mod levels;
mod matrix;
mod ngram;
mod ngram_table;
mod pack;
mod product;
mod residual;
mod safe_tensors;
mod tensor;
mod tensor_head;

pub use bytes::{MAX_LEVEL, compress_bytes, decompress_bytes};
pub use codebook::{CodebookOptions, Start, TrainedCodebook, train_codebook};
pub use file::{TensorFile, TensorInfo};
pub use file_writer::write_tensors;
pub use gptq::{Curvature, GptqOptions, GptqResult, gptq, hessian};
pub use grid::GridCodes;
pub use levels::Levels;
pub use ngram::{Mixed, NgramCache};
pub use pack::{pack, packed_len, unpack};
pub use product::{Measure, ProductOptions, ProductQuantizer};
pub use residual::{ResidualOptions, ResidualQuantizer};
pub use tensor::{
    Method, StoreOptions, Tensor, TensorValues, compress_grid, compress_tensor, decompress_tensor,
};
pub use tensor_head::{Dtype, Layout, TensorHead};
