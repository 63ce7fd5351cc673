//! Progress of a job, from the pool to a JavaScript callback.

use crate::error::Failure;
use crate::job::{self, JobKey};
use napi::Env;
use napi::bindgen_prelude::{FnArgs, Function, FunctionRef, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tinyquant_codec::Control;

/// Time between two calls of a callback. Eight calls a second and the last one, which does not wait, are
/// fewer than ten.
const INTERVAL: Duration = Duration::from_millis(125);

/// The callback: `(done, total)`.
pub(crate) type OnProgress<'a> = Function<'a, FnArgs<(f64, f64)>, Unknown<'static>>;

/// Wakes the environment's thread: no data, at most one call queued, and the event loop does not wait
/// for it.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true, 1>;

/// Runs `work` under a control whose reports count up to `total`, whatever the work counts.
pub(crate) fn scaled<T>(
    control: &Control<'_>,
    total: usize,
    work: impl FnOnce(&Control<'_>) -> T,
) -> T {
    let report = |done: usize, of: usize| {
        let share = done as f64 / of.max(1) as f64;
        control.report((share * total as f64) as usize, total);
    };
    work(&Control {
        cancelled: control.cancelled,
        progress: Some(&report),
    })
}

/// The pool's side: where the job stands.
pub(crate) struct Progress {
    done: AtomicUsize,
    total: AtomicUsize,
    begun: Instant,
    /// Milliseconds after `begun` before which the thread is not woken again.
    next: AtomicU64,
    wake: Mutex<Option<Wake>>,
}

/// JavaScript's side: the callback and what it was told.
pub(crate) struct Listener {
    callback: FunctionRef<FnArgs<(f64, f64)>, Unknown<'static>>,
    progress: Arc<Progress>,
    cancelled: Arc<AtomicBool>,
    last_call: Cell<Instant>,
    /// Rows done at the last call.
    told: Cell<Option<usize>>,
    /// What the callback threw.
    thrown: RefCell<Option<napi::Error>>,
}

impl Progress {
    /// Nothing done yet. To be called on the environment's thread.
    pub(crate) fn new(env: &Env, key: JobKey) -> Result<Self, Failure> {
        let deliver: Function<'_, (), ()> =
            env.create_function_from_closure("progress", move |context| {
                if let Some(listener) = job::listener(key) {
                    listener.tell_progress(context.env);
                }
                Ok(())
            })?;
        let wake = deliver
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .max_queue_size::<1>();
        let wake = wake.build_callback(|_| Ok(()))?;
        Ok(Self {
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            begun: Instant::now(),
            next: AtomicU64::new(INTERVAL.as_millis() as u64),
            wake: Mutex::new(Some(wake)),
        })
    }

    /// Notes that `done` of `total` rows are done, and wakes the environment's thread now and then. On
    /// any thread.
    pub(crate) fn report(&self, done: usize, total: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.done.fetch_max(done, Ordering::Relaxed);
        let now = self.begun.elapsed().as_millis() as u64;
        let next = self.next.load(Ordering::Relaxed);
        let after = now + INTERVAL.as_millis() as u64;
        let is_first = || {
            self.next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if now >= next && is_first() {
            let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(wake) = wake.as_ref() {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        }
    }

    /// Lets go of the environment. To be called on its thread.
    pub(crate) fn close(&self) {
        self.wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl Listener {
    /// A callback that was told nothing yet.
    pub(crate) fn new(
        callback: &OnProgress<'_>,
        progress: Arc<Progress>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            callback: callback.create_ref()?,
            progress,
            cancelled,
            last_call: Cell::new(Instant::now()),
            told: Cell::new(None),
            thrown: RefCell::new(None),
        })
    }

    /// Tells the callback how far the job is, unless it was told so or was called just now: wake-ups pile
    /// up while the event loop is busy.
    fn tell_progress(&self, env: &Env) {
        let done = self.progress.done.load(Ordering::Relaxed);
        let total = self.progress.total.load(Ordering::Relaxed);
        let is_news = done < total && self.told.get().is_none_or(|told| told < done);
        if is_news && self.last_call.get().elapsed() >= INTERVAL {
            self.tell(env, done, total);
        }
    }

    /// Ends the reports of a job that settles now. If all went well, the callback hears that everything
    /// is done.
    ///
    /// Fails with what the callback threw, now or earlier.
    pub(crate) fn close(&self, env: &Env, succeeded: bool) -> napi::Result<()> {
        self.progress.close();
        if succeeded && self.thrown.borrow().is_none() {
            let total = self.progress.total.load(Ordering::Relaxed);
            self.tell(env, total, total);
        }
        self.thrown.take().map_or(Ok(()), Err)
    }

    /// Calls the callback; what it throws cancels the job.
    fn tell(&self, env: &Env, done: usize, total: usize) {
        self.last_call.set(Instant::now());
        self.told.set(Some(done));
        let called = self
            .callback
            .borrow_back(env)
            .and_then(|callback| callback.call(FnArgs::from((done as f64, total as f64))));
        if let Err(error) = called {
            self.cancelled.store(true, Ordering::Relaxed);
            *self.thrown.borrow_mut() = Some(error);
        }
    }
}
