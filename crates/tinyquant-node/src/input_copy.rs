//! Rows that a job reads while JavaScript may already change the original.

use crate::error::Failure;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use tinyquant_codec::copy_into;

/// Memory of the last copy, for the next one: fresh memory would cost more to map than the copy itself.
static SPARE: Mutex<Vec<f32>> = Mutex::new(Vec::new());

/// Values that are kept room for: 16 MB.
const KEEP: usize = 4 << 20;

/// A copy of a job's input.
pub(crate) struct InputCopy(Vec<f32>);

impl InputCopy {
    pub(crate) fn new(values: &[f32]) -> Result<Self, Failure> {
        let spare = std::mem::take(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self(copy_into(spare, values)?))
    }
}

impl Deref for InputCopy {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl Drop for InputCopy {
    fn drop(&mut self) {
        let copy = std::mem::take(&mut self.0);
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if copy.capacity() <= KEEP && copy.capacity() > spare.capacity() {
            *spare = copy;
        }
    }
}
