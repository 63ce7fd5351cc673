//! Node-API addon of the GPU backend.
//!
//! An addon of its own: it shares no object with the one of the codec, and takes and gives typed arrays. It converts
//! values, runs calls on a thread of its own and maps errors; it computes nothing. Only the TypeScript facade calls it.

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

mod backend;
mod coding;
mod error;
mod info;
mod pool;
mod prepared;

// Jobs are those of the other addon, on the thread of this one.
#[path = "../../tinyquant-node/src/job.rs"]
mod job;
#[allow(dead_code, reason = "the other addon uses more of it")]
#[path = "../../tinyquant-node/src/progress.rs"]
mod progress;
