//! C ABI of the codec, of corpora and of search indexes, with their files.
//!
//! `include/tinyquant.h` is made of this crate's exported functions; its first comment gives the rules on handles,
//! memory, threads and errors. Handles are numbers that look like pointers and are looked up in a table, so that a
//! closed handle, one of another kind and one that never was are told apart from an open one without touching memory.
//! The memory that the library gives away is looked up likewise when it comes back.
//!
//! Pointers of the caller are read and written in one module, `pointers`, which checks for null and alignment; that they
//! point to as much memory as their lengths say is the caller's promise.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    unsafe_code,
    reason = "exported symbols and pointers of the caller are what a C ABI is made of"
)]

pub mod batch;
pub mod buffers;
mod calls;
pub mod codebook;
pub mod codec;
pub mod config;
pub mod corpus;
pub mod corpus_file;
pub mod corpus_read;
mod failure;
mod handles;
pub mod hits;
pub mod ids;
pub mod index;
pub mod index_file;
pub mod index_options;
pub mod index_search;
pub mod info;
pub mod last_error;
mod pointers;
pub mod record;
pub mod status;
mod threads;
