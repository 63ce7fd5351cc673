//! Buffers on the device, within a bound.

use crate::Error;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that the buffers of a backend take and may take.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        let used = AtomicU64::new(0);
        Arc::new(Self { limit, used })
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that can still be taken.
    pub(crate) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    /// Takes bytes until the result is dropped.
    ///
    /// # Errors
    /// [`Error::MemoryBound`].
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Result<Share, Error> {
        let add = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        {
            Ok(_) => Ok(Share {
                budget: Arc::clone(self),
                bytes,
            }),
            Err(used) => Err(Error::MemoryBound {
                needed: bytes,
                used,
                limit: self.limit,
            }),
        }
    }
}

/// Part of a budget that is in use.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A buffer; its memory comes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    _share: Share,
}

impl Buffer {
    pub(crate) fn new(raw: wgpu::Buffer, share: Share) -> Self {
        Self { raw, _share: share }
    }
}

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.raw.destroy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_and_never_exceed_the_limit() {
        let budget = Budget::new(100);
        let first = budget.take(60).unwrap();
        assert_eq!(budget.free(), 40);
        assert_eq!(
            budget.take(41).unwrap_err(),
            Error::MemoryBound {
                needed: 41,
                used: 60,
                limit: 100
            }
        );
        assert!(budget.take(u64::MAX).is_err());
        let second = budget.take(40).unwrap();
        drop(first);
        assert_eq!(budget.used(), 40);
        drop(second);
        assert_eq!(budget.free(), 100);
    }
}
