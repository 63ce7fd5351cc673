//! Corpora of compressed vectors, and exact search over plain ones.
//!
//! [`Corpus`] keeps records under ids in insertion order, compressed as its [`CompressionPolicy`] says, and
//! notes what happened as [`CorpusEvent`]s. [`BruteForce`] ranks plain vectors by cosine similarity.
//!
//! Nothing here reads a clock, a file or the environment: times come from the caller. A call that fails
//! leaves its object as it was.

mod blocks;
mod brute_force;
mod coding;
mod corpus;
mod entry;
mod error;
mod event;
mod policy;
mod rows;
mod scan;
mod score;
mod stored;
mod time;
mod top_k;
mod vector;

pub use crate::brute_force::BruteForce;
pub use crate::coding::{Coding, EncodedRows};
pub use crate::corpus::{Corpus, Page};
pub use crate::entry::VectorEntry;
pub use crate::error::Error;
pub use crate::event::CorpusEvent;
pub use crate::policy::{CompressionPolicy, StorageDtype};
pub use crate::rows::Rows;
pub use crate::stored::{Payload, StoredRows};
pub use crate::time::Timestamp;
pub use crate::top_k::Hit;
