//! The threads that work for all environments of the process.

use crate::error::Failure;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::available_parallelism;

const MAX_THREADS: usize = 1024;

static SIZE: OnceLock<usize> = OnceLock::new();
static POOL: OnceLock<Result<ThreadPool, String>> = OnceLock::new();
static JOBS: Mutex<Jobs> = Mutex::new(Jobs {
    waiting: VecDeque::new(),
    turns: 0,
});

/// A job; it must not unwind.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

struct Jobs {
    waiting: VecDeque<Job>,
    /// Tasks in the pool that take jobs from `waiting`; never more than threads.
    turns: usize,
}

/// Threads of the pool: `TINYQUANT_THREADS` if it is a number from 1 to 1024, else one for each CPU that
/// the process may use. Read once.
pub(crate) fn size() -> usize {
    *SIZE.get_or_init(|| {
        let wanted = std::env::var("TINYQUANT_THREADS")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let wanted = wanted.filter(|wanted| (1..=MAX_THREADS).contains(wanted));
        wanted.unwrap_or_else(|| {
            available_parallelism()
                .map_or(1, NonZero::get)
                .min(MAX_THREADS)
        })
    })
}

/// The pool; its threads start with the first call.
pub(crate) fn pool() -> Result<&'static ThreadPool, Failure> {
    let pool = POOL.get_or_init(|| {
        let builder = ThreadPoolBuilder::new().num_threads(size());
        builder
            .thread_name(|index| format!("tinyquant-{index}"))
            .build()
            .map_err(|error| error.to_string())
    });
    pool.as_ref().map_err(|reason| {
        Failure::limit(format!(
            "could not start {} threads (see TINYQUANT_THREADS): {reason}",
            size()
        ))
    })
}

/// The pool for work that its caller waits for, or `None` if jobs keep it busy: the caller's thread would
/// wait for them too, and so does the work alone.
pub(crate) fn idle_pool() -> Result<Option<&'static ThreadPool>, Failure> {
    let pool = pool()?;
    Ok((jobs().turns == 0).then_some(pool))
}

/// Runs work that its caller waits for: on the pool, or while jobs keep that busy on this thread alone.
pub(crate) fn wait<T: Send>(
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    match idle_pool()? {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Queues a job. Jobs start in the order they came.
///
/// Jobs wait in a queue of their own, and no more of them are in the pool than it has threads. A thread
/// that waits for part of one job may pick up another from the pool, on top of its stack; the stack would
/// grow without bound if all of them were there.
pub(crate) fn submit(job: Job) -> Result<(), Failure> {
    let pool = pool()?;
    let mut jobs = jobs();
    jobs.waiting.push_back(job);
    if jobs.turns < size() {
        jobs.turns += 1;
        drop(jobs);
        pool.spawn(|| take_turn(pool));
    }
    Ok(())
}

/// Runs one job, then queues again: a thread that picked this up while it waits for its own job gets back
/// to that one in between.
fn take_turn(pool: &'static ThreadPool) {
    let mut waiting = jobs();
    let Some(job) = waiting.waiting.pop_front() else {
        waiting.turns -= 1;
        return;
    };
    drop(waiting);
    job();
    pool.spawn(move || take_turn(pool));
}

fn jobs() -> MutexGuard<'static, Jobs> {
    JOBS.lock().unwrap_or_else(PoisonError::into_inner)
}
