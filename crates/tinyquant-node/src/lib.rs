//! Node-API addon over the codec, the corpora, the brute-force search and the search indexes.
//!
//! It converts values, schedules work on a pool of its own and maps errors; it computes nothing and
//! chooses nothing. Only the TypeScript facade of this package calls it. Loading it registers functions
//! and starts nothing.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    allow(dead_code, reason = "napi registers nothing in test builds")
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "napi hands over converted arguments by value"
)]
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "JavaScript values borrow their environment"
)]

mod batch;
mod brute_force;
mod codebook;
mod codec;
mod config;
mod corpus;
mod corpus_view;
mod corpus_writer;
mod entry;
mod error;
mod file;
mod hits;
mod index_config;
mod index_hits;
mod index_stats;
mod index_view;
mod info;
mod input_copy;
mod job;
mod kv_cache;
mod lnmp;
mod memory;
mod ngram;
mod number;
mod pool;
mod progress;
mod record;
mod rotation;
mod scalar;
mod search_ids;
mod search_index;
mod tqcv;
mod turboquant;
mod values;
mod weight_quantizers;
mod weight_storage;
mod weights;
