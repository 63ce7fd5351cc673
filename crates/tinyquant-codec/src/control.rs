//! How a caller watches and stops a long operation.

use crate::Error;
use std::sync::atomic::{AtomicBool, Ordering};

/// A cancel flag and a progress callback, both optional. The default has neither.
#[derive(Clone, Copy, Default)]
pub struct Control<'a> {
    /// Polled once per block of work; when it is set, the operation stops with [`Error::Cancelled`].
    pub cancelled: Option<&'a AtomicBool>,
    /// Called with (rows done, rows in all) after each block, from any thread: calls of two threads may arrive in
    /// either order.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl Control<'_> {
    /// Fails once the caller has cancelled.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<(), Error> {
        match self.cancelled {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    /// Tells the caller how far the work is.
    pub fn report(&self, done: usize, total: usize) {
        if let Some(progress) = self.progress {
            progress(done, total);
        }
    }
}
