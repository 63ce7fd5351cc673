//! The threads that batches, builds and searches of many queries share.

use crate::failure::Failure;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::num::NonZero;
use std::sync::OnceLock;
use std::thread::available_parallelism;

const MAX_THREADS: usize = 1024;

static POOL: OnceLock<Result<ThreadPool, String>> = OnceLock::new();

/// The pool; its threads start with the first call that uses them. There are `TINYQUANT_THREADS` of them if that is a
/// number from 1 to 1024, else one for each CPU that the process may use.
pub(crate) fn pool() -> Result<&'static ThreadPool, Failure> {
    let pool = POOL.get_or_init(|| {
        ThreadPoolBuilder::new()
            .num_threads(size())
            .thread_name(|index| format!("tinyquant-{index}"))
            .build()
            .map_err(|error| error.to_string())
    });
    pool.as_ref().map_err(|reason| {
        let size = size();
        Failure::limit(format!(
            "could not start {size} threads (see TINYQUANT_THREADS): {reason}"
        ))
    })
}

fn size() -> usize {
    let wanted = std::env::var("TINYQUANT_THREADS").ok();
    let wanted = wanted.and_then(|text| text.trim().parse().ok());
    let wanted = wanted.filter(|wanted| (1..=MAX_THREADS).contains(wanted));
    let own = || available_parallelism().map_or(1, NonZero::get);
    wanted.unwrap_or_else(|| own().min(MAX_THREADS))
}
