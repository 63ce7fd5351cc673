//! Exact search over the vectors of a corpus.

use crate::blocks::Blocks;
use crate::score::{cosine_any_scale, cosine_in_range, squared_norm};
use crate::top_k::TopK;
use crate::{Corpus, Error, Hit};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::Arc;
use tinyquant_codec::{Control, check_finite};

/// Vectors decoded and scored at a time.
const CHUNK: usize = 2048;

impl Corpus {
    /// For each row of `queries` the `top_k` vectors whose reconstructions have the highest cosine with it, as
    /// [`crate::BruteForce`] ranks them over all reconstructions, bit for bit. Vectors are decoded chunk by chunk:
    /// memory does not depend on their number.
    ///
    /// # Errors
    /// `InvalidTopK` (`ERR_TQ_INVALID_ARG`), ragged queries (`ERR_TQ_DIM_MISMATCH`), `NonFinite`
    /// (`ERR_TQ_NON_FINITE`), what reading and decoding say, `Cancelled`.
    pub fn search(
        &self,
        queries: &[f32],
        top_k: usize,
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<Vec<Hit>>, Error> {
        if top_k == 0 {
            return Err(Error::InvalidTopK);
        }
        let dimension = self.config().dimension();
        tinyquant_codec::rows_of(queries, dimension)?;
        check_finite(queries, dimension)?;
        let mut best: Vec<Vec<Hit>> = vec![Vec::new(); queries.len() / dimension];
        // Decoding reports blocks of its own; only whole chunks count here.
        let inner = Control {
            progress: None,
            ..*control
        };
        let (mut from, until, mut done) = (0, self.next_number(), 0);
        while from < until && !best.is_empty() {
            control.check()?;
            let (page, values) = self.page_values(from, until, CHUNK, pool, &inner)?;
            let (ids, (blocks, norms)) = (page.items, stored(&values, dimension));
            let score = |(query, kept): (&[f32], &mut Vec<Hit>)| {
                let earlier = std::mem::take(kept);
                let mut top = TopK::new(top_k.min(earlier.len() + ids.len()).max(1));
                for hit in &earlier {
                    top.offer(hit.score, &hit.id);
                }
                offer_all(query, &blocks, &norms, &ids, &mut top);
                *kept = top.into_hits();
            };
            match pool {
                Some(pool) if best.len() > 1 => pool.install(|| {
                    queries
                        .par_chunks_exact(dimension)
                        .zip(&mut best)
                        .for_each(score);
                }),
                _ => queries
                    .chunks_exact(dimension)
                    .zip(&mut best)
                    .for_each(score),
            }
            done += ids.len();
            from = page.next;
            control.report(done, self.len());
        }
        Ok(best)
    }

    /// As [`Corpus::search`] for one query, but among the vectors of some numbers alone: each of a vector that was not
    /// removed, in any order.
    ///
    /// # Errors
    /// As [`Corpus::search`], and `InvalidArgument` (`ERR_TQ_INVALID_ARG`) for a number of no vector.
    pub fn search_among(
        &self,
        query: &[f32],
        numbers: &[u64],
        top_k: usize,
        control: &Control,
    ) -> Result<Vec<Hit>, Error> {
        if top_k == 0 {
            return Err(Error::InvalidTopK);
        }
        let dimension = self.config().dimension();
        if query.len() != dimension {
            return Err(Error::DimensionMismatch {
                expected: dimension,
                got: query.len(),
                row: None,
            });
        }
        check_finite(query, dimension)?;
        let inner = Control {
            progress: None,
            ..*control
        };
        let mut ids = Vec::with_capacity(numbers.len());
        let mut pages = Vec::new();
        for numbers in numbers.chunks(CHUNK) {
            control.check()?;
            let (names, values) = self.values_of(numbers, &inner)?;
            pages.push((ids.len(), stored(&values, dimension)));
            ids.extend(names);
        }
        let mut top = TopK::new(top_k.min(ids.len()).max(1));
        for (first, (blocks, norms)) in &pages {
            offer_all(query, blocks, norms, &ids[*first..], &mut top);
        }
        Ok(top.into_hits())
    }
}

/// Vectors as the kernels read them, and their squared lengths.
fn stored(values: &[f32], dimension: usize) -> (Blocks, Vec<f32>) {
    let mut blocks = Blocks::new(dimension);
    let mut norms = Vec::with_capacity(values.len() / dimension);
    for vector in values.chunks_exact(dimension) {
        blocks.push(vector);
        norms.push(squared_norm(vector));
    }
    (blocks, norms)
}

/// Scores vectors, of which the first has the first of the ids.
fn offer_all<'a>(
    query: &[f32],
    blocks: &Blocks,
    norms: &[f32],
    ids: &'a [Arc<str>],
    top: &mut TopK<'a>,
) {
    let query_norm = squared_norm(query);
    blocks.dots(query, |first, dots| {
        for (at, dot) in (first..).zip(dots) {
            let score = cosine_in_range(*dot, query_norm, norms[at])
                .unwrap_or_else(|| cosine_any_scale(query.iter().copied().zip(blocks.column(at))));
            top.offer(score, &ids[at]);
        }
    });
}
