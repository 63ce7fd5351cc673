//! The codec and searches over codes on a GPU, through wgpu.
//!
//! What the device computes equals the CPU or comes with a bound: rotations are products of whole numbers, which every
//! device computes alike, and coordinates that lie too near to a boundary between two codes are computed again
//! in f64 on the CPU. A search gives the rows that may be among the best, with all ties; the caller scores these.
//!
//! A failure of the device is an [`Error`] with the driver's words; nothing here ends the process.

mod backend;
mod compress;
mod decompress;
mod error;
#[cfg(test)]
mod float;
mod matrix;
mod memory;
mod pipelines;
mod preference;
mod prepared;
mod search;
mod stages;

pub use backend::{AdapterInfo, Backend, DEFAULT_MEMORY, Limits, Options};
pub use error::Error;
pub use preference::Preference;
pub use prepared::{Prepared, UnitPlan};
pub use search::{Queries, Shortlist};
pub use tinyquant_kernels::FactorCode;

/// Rows from which on a batch is worth the way to the device.
pub const GPU_BATCH_THRESHOLD: usize = 512;
