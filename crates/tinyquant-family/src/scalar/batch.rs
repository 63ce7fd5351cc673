//! Many embeddings of any lengths.

use crate::Error;
use crate::memory::zeros;
use crate::scalar::vector::{body_len, quantize_body};
use crate::scalar::{Mode, QuantizedView, Scheme};
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tinyquant_codec::{Control, Error as CodecError, ErrorCode};

/// Vectors of a block: between blocks a cancelled batch stops.
const BLOCK: usize = 256;

/// How a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchStats {
    /// Vectors given.
    pub total: usize,
    /// Vectors quantized.
    pub succeeded: usize,
    /// Vectors that could not be quantized.
    pub failed: usize,
    /// How long it took by a clock that only goes forward.
    pub total_time: Duration,
}

/// Quantized vectors in the order they were given, and what went wrong with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    bodies: Vec<u8>,
    /// Where the body of each vector ends; that of a failed one is empty.
    ends: Vec<usize>,
    /// Index and failure of each vector that has no body, ascending.
    failures: Vec<(usize, Error)>,
    stats: BatchStats,
}

impl Batch {
    /// How many vectors were given.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The binary form of a vector, empty for one that failed; none if `index` is not below [`Batch::len`].
    pub fn body(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bodies.get(start..end)
    }

    /// The vector at an index, or why there is none.
    ///
    /// # Errors
    /// As [`crate::scalar::quantize_into`]; `ERR_TQ_INVALID_ARG` for an index that is not below [`Batch::len`].
    pub fn get(&self, index: usize) -> Result<QuantizedView<'_>, Error> {
        match self.body(index) {
            None => Err(Error::invalid(format!(
                "the batch has {} vectors, there is none at {index}",
                self.len()
            ))),
            Some([]) => {
                let found = self.failures.binary_search_by_key(&index, |(at, _)| *at);
                Err(found.map_or(CodecError::InvalidDimension.into(), |found| {
                    self.failures[found].1.clone()
                }))
            }
            Some(body) => QuantizedView::from_bytes(body),
        }
    }

    /// What went wrong, with the index of the vector.
    pub fn failures(&self) -> &[(usize, Error)] {
        &self.failures
    }

    /// The counts and the time.
    pub const fn stats(&self) -> BatchStats {
        self.stats
    }

    /// All bodies one after another, and where each ends.
    pub fn into_bodies(self) -> (Vec<u8>, Vec<usize>) {
        (self.bodies, self.ends)
    }
}

/// A block of vectors, and where their bodies and failures go.
struct Job<'a> {
    values: &'a [f32],
    lengths: &'a [usize],
    sizes: &'a [usize],
    outcomes: &'a mut [Option<Error>],
    out: &'a mut [u8],
}

/// Quantizes vectors that lie one after another in `values`; `lengths` says how many values each has. One vector's failure
/// does not stop the others.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH` if the lengths do not add up to the values, `ERR_TQ_LIMIT` where there is no memory, and an abort.
pub fn quantize_batch(
    values: &[f32],
    lengths: &[usize],
    scheme: Scheme,
    mode: Mode,
    pool: Option<&ThreadPool>,
    control: &Control<'_>,
) -> Result<Batch, Error> {
    let started = Instant::now();
    let sum = lengths
        .iter()
        .try_fold(0_usize, |sum, len| sum.checked_add(*len));
    if sum != Some(values.len()) {
        let message = format!(
            "the lengths of {} vectors do not add up to {} values",
            lengths.len(),
            values.len()
        );
        return Err(Error::data(ErrorCode::DimMismatch, message));
    }
    let sizes: Vec<usize> = lengths.iter().map(|len| body_len(scheme, *len)).collect();
    let mut bodies = zeros::<u8>(sizes.iter().sum())?;
    let mut outcomes = zeros::<Option<Error>>(lengths.len())?;

    let mut jobs = Vec::with_capacity(lengths.len().div_ceil(BLOCK));
    let (mut values, mut room) = (values, bodies.as_mut_slice());
    for ((lengths, sizes), outcomes) in lengths
        .chunks(BLOCK)
        .zip(sizes.chunks(BLOCK))
        .zip(outcomes.chunks_mut(BLOCK))
    {
        let (these, after) = values.split_at(lengths.iter().sum());
        let (out, rest) = room.split_at_mut(sizes.iter().sum());
        (values, room) = (after, rest);
        jobs.push(Job {
            values: these,
            lengths,
            sizes,
            outcomes,
            out,
        });
    }
    let (done, total) = (AtomicUsize::new(0), lengths.len());
    let step = |job: Job<'_>| -> Result<(), Error> {
        control.check()?;
        let (mut values, mut out) = (job.values, job.out);
        for ((len, size), outcome) in job.lengths.iter().zip(job.sizes).zip(job.outcomes) {
            let (vector, after) = values.split_at(*len);
            let (body, rest) = out.split_at_mut(*size);
            (values, out) = (after, rest);
            *outcome = quantize_body(vector, scheme, mode, body).err();
        }
        let now = done.fetch_add(job.lengths.len(), Ordering::Relaxed) + job.lengths.len();
        control.report(now, total);
        Ok(())
    };
    match pool {
        Some(pool) => pool.install(|| jobs.into_par_iter().try_for_each(step))?,
        None => jobs.into_iter().try_for_each(step)?,
    }
    Ok(finish(bodies, &sizes, outcomes, started))
}

/// Moves the bodies together where some have none.
fn finish(
    mut bodies: Vec<u8>,
    sizes: &[usize],
    outcomes: Vec<Option<Error>>,
    started: Instant,
) -> Batch {
    let mut failures = Vec::new();
    let mut ends = Vec::with_capacity(sizes.len());
    let (mut from, mut to) = (0, 0);
    for (index, (size, outcome)) in sizes.iter().zip(outcomes).enumerate() {
        if let Some(error) = outcome {
            failures.push((index, error));
        } else {
            if from != to {
                bodies.copy_within(from..from + size, to);
            }
            to += size;
        }
        from += size;
        ends.push(to);
    }
    bodies.truncate(to);
    let (total, failed) = (sizes.len(), failures.len());
    Batch {
        bodies,
        ends,
        failures,
        stats: BatchStats {
            total,
            succeeded: total - failed,
            failed,
            total_time: started.elapsed(),
        },
    }
}
