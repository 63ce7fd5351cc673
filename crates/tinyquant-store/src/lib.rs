//! Files of compressed vectors.
//!
//! Every reader takes a [`Source`], checks each size against its length before it allocates, and answers
//! hostile bytes with an error. Every writer goes through an [`Output`]: a crash at any moment leaves the old
//! content or the new one.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::allow_attributes_without_reason
)]

mod container;
mod corpus_file;
mod corpus_writer;
mod error;
mod head;
mod id_check;
mod id_table;
mod index_file;
mod index_head;
mod index_ids;
mod index_save;
mod index_sections;
mod index_verify;
mod index_writer;
mod mmap;
mod npy;
mod output;
mod probe;
mod reading;
mod save;
mod segment;
mod sink;
mod source;
mod stored_file;
mod tqcv;
mod verify;

pub use corpus_file::CorpusFile;
pub use corpus_writer::{CorpusWriter, NewRows, Written};
pub use error::Error;
pub use index_file::IndexFile;
pub use index_save::{IndexLink, index_to_bytes, save_index, sync_index};
pub use npy::{NpyHeader, NpyType};
pub use output::Output;
pub use probe::{Probe, Step};
pub use save::{Link, append, not_linked, save};
pub use source::Source;
pub use stored_file::StoredFile;
pub use tqcv::{TQCV_MAX_METADATA, TqcvHeader, TqcvReader, TqcvWriter};
