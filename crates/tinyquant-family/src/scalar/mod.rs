//! Embeddings in 8, 4 or 1 bits or half precision a value, with one scale for all, as lnmp-quant has them.
//!
//! [`Mode::Compat`] gives the codes and headers of lnmp-quant 0.5.16 bit for bit, its faults included.
//! [`Mode::Accurate`], the default, rounds to the nearest step, refuses what is not finite, keeps tiny ranges apart, and
//! stores the mean and the mean deviation with the bits of [`Scheme::Binary`]; what it writes has the same form.
//!
//! [`quantize_rows`] is the other kind of scale: one for each row of a matrix, symmetric around zero.

mod batch;
pub mod compat;
mod dequantize;
mod quality;
mod quantize;
mod row_bytes;
mod rows;
mod scheme;
mod similarity;
mod vector;

pub use batch::{Batch, BatchStats, quantize_batch};
pub use dequantize::Reading;
pub use quality::{Quality, quality};
pub use quantize::{Header, Mode, quantize, quantize_into};
pub use rows::{Layout, RowBits, ScaledRows, quantize_rows};
pub use scheme::{Accuracy, Compression, Scheme};
pub use similarity::{Side, cosine, dot, euclidean};
pub use vector::{QuantizedVector, QuantizedView};
