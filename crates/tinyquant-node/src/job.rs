//! Work on the pool that settles a promise.
//!
//! A job has two sides. The pool's side is an `Arc<Job>`: the work, and the deferred that settles the
//! promise. JavaScript's side is an [`Attached`] in a table of the environment's thread: everything that
//! only that thread may touch or drop. When an environment ends, its cleanup hook detaches its jobs, so
//! that no thread of the pool touches the environment or the memory of its typed arrays afterwards.

use crate::error::{Failure, catch};
use crate::pool;
use crate::progress::{Listener, OnProgress, Progress};
use napi::bindgen_prelude::{Float32Array, Object, ToNapiValue};
use napi::{Env, JsDeferred};
use napi_derive::napi;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::Control;

/// What a job does on the pool.
pub(crate) type Work<T> = Box<dyn FnOnce(&Control<'_>) -> Result<T, Failure> + Send>;

/// Turns what the work made into a JavaScript value, on the environment's thread.
pub(crate) type Finish<T, J> = fn(Env, T) -> Result<J, Failure>;

type Resolver<J> = Box<dyn FnOnce(Env) -> napi::Result<J>>;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Jobs of the environments that run on this thread.
    static ATTACHED: RefCell<HashMap<JobKey, Attached>> = RefCell::default();
    /// Environments on this thread that have a cleanup hook.
    static HOOKED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Names a job in the table of its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    env: usize,
    id: u64,
}

/// JavaScript's side of a job.
struct Attached {
    job: Arc<dyn Detach>,
    /// Keeps the array that the work reads in place; its last reference is dropped on this thread.
    _input: Option<Arc<Float32Array>>,
    listener: Option<Rc<Listener>>,
}

/// The pool's side of a job that makes a `T` and resolves to a `J`.
struct Job<T, J: ToNapiValue + 'static> {
    key: JobKey,
    cancelled: Arc<AtomicBool>,
    /// Whether the work reads memory of the JavaScript engine.
    reads_js_memory: bool,
    /// Locked while the work runs; empty once it has begun.
    work: Mutex<Option<Work<T>>>,
    deferred: Mutex<Option<JsDeferred<J, Resolver<J>>>>,
    finish: Finish<T, J>,
    progress: Option<Arc<Progress>>,
}

/// How the environment's thread ends a job early.
trait Detach {
    /// Settles the promise at once if the work has not begun.
    fn withdraw(self: Arc<Self>);
    /// Cuts the job off from an environment that ends.
    fn detach(&self);
}

/// Options of a job.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) abort: Option<&'a NativeAbort>,
    pub(crate) on_progress: Option<OnProgress<'a>>,
    /// The array that the work reads in place, if it does.
    pub(crate) input: Option<Arc<Float32Array>>,
}

/// Cancels jobs: a flag that they poll once per block of rows.
#[napi]
#[derive(Default)]
pub struct NativeAbort {
    flag: Arc<AtomicBool>,
    jobs: RefCell<Vec<JobKey>>,
}

#[napi]
impl NativeAbort {
    /// A flag that is not set.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the jobs that were given this flag, and those that will be. They reject with
    /// `ERR_TQ_ABORTED`: the ones that wait for a thread now, the running ones at their next block.
    #[napi]
    pub fn abort(&self) {
        self.flag.store(true, Ordering::Relaxed);
        for key in self.jobs.take() {
            let job = ATTACHED
                .with_borrow(|jobs| jobs.get(&key).map(|attached| Arc::clone(&attached.job)));
            if let Some(job) = job {
                job.withdraw();
            }
        }
    }
}

/// Queues work on the pool and returns the promise of what `finish` makes of its result.
pub(crate) fn start<'env, T: Send + 'static, J: ToNapiValue + 'static>(
    env: &'env Env,
    request: Request<'_>,
    work: Work<T>,
    finish: Finish<T, J>,
) -> Result<Object<'env>, Failure> {
    hook(env)?;
    let key = JobKey {
        env: env.raw().addr(),
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
    };
    let cancelled = request
        .abort
        .map(|abort| Arc::clone(&abort.flag))
        .unwrap_or_default();
    let (progress, listener) = match request.on_progress {
        None => (None, None),
        Some(callback) => {
            let progress = Arc::new(Progress::new(env, key)?);
            let listener = Listener::new(&callback, Arc::clone(&progress), Arc::clone(&cancelled))?;
            (Some(progress), Some(Rc::new(listener)))
        }
    };
    let (deferred, promise) = env.create_deferred::<J, Resolver<J>>()?;
    let job = Arc::new(Job {
        key,
        cancelled,
        reads_js_memory: request.input.is_some(),
        work: Mutex::new(Some(work)),
        deferred: Mutex::new(Some(deferred)),
        finish,
        progress,
    });
    let attached = Attached {
        job: Arc::clone(&job) as Arc<dyn Detach>,
        _input: request.input,
        listener,
    };
    ATTACHED.with_borrow_mut(|jobs| jobs.insert(key, attached));
    if let Some(abort) = request.abort {
        abort.jobs.borrow_mut().push(key);
    }
    let run = Arc::clone(&job);
    if let Err(failure) = pool::submit(Box::new(move || run.run())) {
        lock(&job.work).take();
        job.settle(Err(failure));
    }
    Ok(promise)
}

/// The progress listener of a job that has not settled.
pub(crate) fn listener(key: JobKey) -> Option<Rc<Listener>> {
    ATTACHED.with_borrow(|jobs| {
        jobs.get(&key)
            .and_then(|attached| attached.listener.clone())
    })
}

impl<T: Send + 'static, J: ToNapiValue + 'static> Job<T, J> {
    /// On a thread of the pool.
    fn run(&self) {
        let mut slot = lock(&self.work);
        let Some(work) = slot.take() else { return };
        let report = self
            .progress
            .as_ref()
            .map(|progress| |done, total| progress.report(done, total));
        let control = Control {
            cancelled: Some(&self.cancelled),
            progress: report
                .as_ref()
                .map(|report| report as &(dyn Fn(usize, usize) + Sync)),
        };
        let outcome = catch(|| {
            control.check()?;
            work(&control)
        });
        drop(slot);
        self.settle(outcome);
    }

    /// Settles the promise, unless the environment has ended. On any thread.
    fn settle(&self, outcome: Result<T, Failure>) {
        let (key, finish) = (self.key, self.finish);
        let mut deferred = lock(&self.deferred);
        if let Some(deferred) = deferred.take() {
            deferred.resolve(Box::new(move |env| {
                let settled = catch(|| Ok(conclude(env, key, outcome, finish)));
                settled.unwrap_or_else(|failure| Err(failure.rejection(&env)))
            }));
        }
    }
}

impl<T: Send + 'static, J: ToNapiValue + 'static> Detach for Job<T, J> {
    fn withdraw(self: Arc<Self>) {
        let withdrawn = self
            .work
            .try_lock()
            .is_ok_and(|mut slot| slot.take().is_some());
        if withdrawn {
            self.settle(Err(Failure::aborted()));
        }
    }

    fn detach(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        lock(&self.deferred).take();
        if let Some(progress) = &self.progress {
            progress.close();
        }
        if self.reads_js_memory {
            // Waits for the block that is being read; the flag ends the work after it.
            lock(&self.work).take();
        } else if let Ok(mut slot) = self.work.try_lock() {
            slot.take();
        }
    }
}

/// Settles on the environment's thread: the last progress call, then the value or the error.
fn conclude<T, J>(
    env: Env,
    key: JobKey,
    outcome: Result<T, Failure>,
    finish: Finish<T, J>,
) -> napi::Result<J> {
    let attached = ATTACHED.with_borrow_mut(|jobs| jobs.remove(&key));
    let listener = attached.and_then(|attached| attached.listener);
    if let Some(listener) = &listener {
        listener.close(&env, outcome.is_ok())?;
    }
    outcome
        .and_then(|value| finish(env, value))
        .map_err(|failure| failure.rejection(&env))
}

/// Makes sure that the end of the environment detaches its jobs.
fn hook(env: &Env) -> Result<(), Failure> {
    let key = env.raw().addr();
    if HOOKED.with_borrow(|hooked| hooked.contains(&key)) {
        return Ok(());
    }
    env.add_env_cleanup_hook(key, |key| {
        HOOKED.with_borrow_mut(|hooked| hooked.retain(|other| *other != key));
        let ended: Vec<_> = ATTACHED.with_borrow_mut(|jobs| {
            jobs.extract_if(|job, _| job.env == key)
                .map(|(_, job)| job)
                .collect()
        });
        for attached in ended {
            attached.job.detach();
        }
    })?;
    HOOKED.with_borrow_mut(|hooked| hooked.push(key));
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
