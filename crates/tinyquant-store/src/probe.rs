//! Where a test can stop a writer.

use std::fmt;

/// A step that a writer is about to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A write of so many bytes.
    Write(usize),
    /// Asking the system to bring the file to the disk.
    Sync,
    /// Giving the new file its name.
    Rename,
    /// Bringing the folder to the disk.
    SyncFolder,
}

/// Asked before every step: `None` lets it happen, `Some(n)` stops the writer dead after the first `n` bytes of a
/// write, or before any other step. A writer that was stopped leaves everything as it is, as a killed process
/// does.
#[derive(Default)]
pub struct Probe(Option<Box<Ask>>);

type Ask = dyn FnMut(Step) -> Option<usize> + Send;

impl Probe {
    /// A probe that asks `ask`.
    pub fn new(ask: impl FnMut(Step) -> Option<usize> + Send + 'static) -> Self {
        Self(Some(Box::new(ask)))
    }

    pub(crate) fn ask(&mut self, step: Step) -> Option<usize> {
        self.0.as_mut().and_then(|ask| ask(step))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}
