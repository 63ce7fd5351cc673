//! TurboQuant codecs of vectors, and a key-value cache (Zandieh et al., arXiv 2504.19874).
//!
//! A vector is scaled to length 1 and rotated by a map that a seed decides. Its coordinates then have one known
//! distribution, whatever the vector was, and one codebook serves all: there is nothing to train. [`MseCodec`] keeps the
//! indices of the levels and the length, [`ProdCodec`] adds a sketch of what the levels leave. Rows carry no scales or zero
//! points, but they do carry one float each, two with a sketch.
//!
//! The same input gives the same bytes and scores on every CPU and for every number of threads.

mod attention;
mod codebook;
mod codec;
mod decoder;
mod encoder;
mod format;
mod kv_cache;
mod levels;
mod packing;
mod parallel;
mod random;
mod rotation;
mod rows;
mod sketch;
mod tile;

pub use attention::Attend;
pub use codebook::Codebook;
pub use codec::{MseCodec, ProdCodec, RowCodec};
pub use kv_cache::{KvCache, KvCacheConfig, KvTokens};
pub use rows::{Method, QuantizedRows, RowsSpec};
pub use sketch::SketchKind;
