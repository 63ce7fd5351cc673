//! Exact search over the vectors of a corpus.

use crate::blocks::Blocks;
use crate::score::{cosine_any_scale, cosine_in_range, squared_norm};
use crate::top_k::TopK;
use crate::{Corpus, Error, Hit};
use rayon::ThreadPool;
use rayon::prelude::*;
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
            let (ids, mut blocks) = (page.items, Blocks::new(dimension));
            let mut norms = Vec::with_capacity(ids.len());
            for vector in values.chunks_exact(dimension) {
                blocks.push(vector);
                norms.push(squared_norm(vector));
            }
            let score = |(query, kept): (&[f32], &mut Vec<Hit>)| {
                let earlier = std::mem::take(kept);
                let mut top = TopK::new(top_k.min(earlier.len() + ids.len()).max(1));
                for hit in &earlier {
                    top.offer(hit.score, &hit.id);
                }
                let query_norm = squared_norm(query);
                blocks.dots(query, |first, dots| {
                    for (at, dot) in (first..).zip(dots) {
                        let score =
                            cosine_in_range(*dot, query_norm, norms[at]).unwrap_or_else(|| {
                                cosine_any_scale(query.iter().copied().zip(blocks.column(at)))
                            });
                        top.offer(score, &ids[at]);
                    }
                });
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
}
