//! LNMP records, text and binary.
//!
//! What is written equals, byte for byte, what lnmp-codec 0.5.13 and lnmp-embedding 0.5.16 write. What is read is more: the
//! published readers refuse quantized vectors in every form that the published writers give them.
//!
//! Readers bound memory by the length of their input and nesting by [`MAX_DEPTH`]; every error names a byte offset.

mod binary;
mod checksum;
mod container;
mod delta;
mod embedding;
pub(crate) mod reader;
mod record;
mod text;
mod text_reader;
pub mod varint;

pub use binary::{decode, encode, encode_nested};
pub use checksum::semantic_checksum;
pub use container::{Container, ContainerMode};
pub use delta::{Delta, Strategy};
pub use embedding::{Embedding, cosine, dot, euclidean};
pub use record::{Field, Omitted, Record, Value};
pub use text::{TextOptions, encode_text};
pub use text_reader::{Dims, decode_text};

pub use crate::scalar::compat::Dtype;

/// Levels that records may be nested in one another, as in lnmp-codec.
pub const MAX_DEPTH: usize = 32;
