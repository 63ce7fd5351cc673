//! Strips of rows on the threads of a pool.

use crate::Error;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tinyquant_codec::Control;

/// Does something for each strip and reports its rows, on the current pool if this is one of its threads. `init` makes
/// what a thread needs. Results come in the order of the strips.
pub(crate) fn each<S: Send, T, R: Send>(
    strips: Vec<S>,
    total: usize,
    control: &Control<'_>,
    init: impl Fn() -> T + Sync + Send,
    work: impl Fn(&mut T, S) -> (usize, R) + Sync + Send,
) -> Result<Vec<R>, Error> {
    let done = AtomicUsize::new(0);
    let one = |state: &mut T, strip: S| -> Result<R, Error> {
        control.check()?;
        let (rows, result) = work(state, strip);
        let before = done.fetch_add(rows, Ordering::Relaxed);
        control.report(before + rows, total);
        Ok(result)
    };
    if strips.len() < 2 || rayon::current_thread_index().is_none() {
        let mut state = init();
        let strips = strips.into_iter();
        return strips.map(|strip| one(&mut state, strip)).collect();
    }
    strips.into_par_iter().map_init(init, one).collect()
}
