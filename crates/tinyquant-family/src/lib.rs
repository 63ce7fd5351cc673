//! Quantizers beside the TinyQuant codec: TurboQuant codecs and the key-value cache, scalar embeddings, LNMP records,
//! quantized weights.

mod error;
pub mod lnmp;
mod memory;
pub mod scalar;
pub mod turboquant;
pub mod weights;

pub use error::Error;
