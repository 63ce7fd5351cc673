//! Rows of a corpus that lie elsewhere, in a file for example.

use crate::{Error, VectorEntry};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

/// The stored bytes of a vector: packed bytes and residual.
pub type Payload<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Rows that a corpus was opened with. They are read when they are asked for, and never change.
pub trait StoredRows: Debug + Send + Sync {
    /// Rows, removed ones counted.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row with this id for which `is_live` holds; at most one does.
    ///
    /// # Errors
    /// What reading says.
    fn find(&self, id: &str, is_live: &dyn Fn(usize) -> bool) -> Result<Option<usize>, Error>;

    /// The id of a row.
    ///
    /// # Errors
    /// What reading says.
    fn id(&self, row: usize) -> Result<Arc<str>, Error>;

    /// The packed bytes and the residual of a row.
    ///
    /// # Errors
    /// What reading says.
    fn payload(&self, row: usize) -> Result<Payload<'_>, Error>;

    /// All of a row.
    ///
    /// # Errors
    /// What reading says.
    fn entry(&self, row: usize) -> Result<VectorEntry, Error>;

    /// Bytes kept on the heap.
    fn heap_bytes(&self) -> usize;
}

/// Stored rows without those that were removed.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) rows: Arc<dyn StoredRows>,
    /// One bit a row, set where the row was removed; empty while none was.
    removed: Vec<u64>,
    live: usize,
}

impl Base {
    pub(crate) fn new(rows: Arc<dyn StoredRows>) -> Self {
        let live = rows.len();
        Self {
            rows,
            removed: Vec::new(),
            live,
        }
    }

    /// Rows that were not removed.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn is_live(&self, row: usize) -> bool {
        let word = self.removed.get(row / 64).copied().unwrap_or(0);
        row < self.rows.len() && word >> (row % 64) & 1 == 0
    }

    pub(crate) fn find(&self, id: &str) -> Result<Option<usize>, Error> {
        self.rows.find(id, &|row| self.is_live(row))
    }

    pub(crate) fn remove(&mut self, row: usize) {
        if !self.is_live(row) {
            return;
        }
        if self.removed.is_empty() {
            self.removed = vec![0; self.rows.len().div_ceil(64)];
        }
        if let Some(word) = self.removed.get_mut(row / 64) {
            *word |= 1 << (row % 64);
            self.live -= 1;
        }
    }

    /// Rows from `from` on that were not removed.
    pub(crate) fn rows_from(&self, from: usize) -> impl Iterator<Item = usize> {
        (from..self.rows.len()).filter(|&row| self.is_live(row))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes() + 8 * self.removed.len()
    }
}
