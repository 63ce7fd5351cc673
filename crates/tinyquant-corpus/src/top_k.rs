//! The best `k` of many scores.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A search result.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Id of the vector.
    pub id: Arc<str>,
    /// Its score; higher is better.
    pub score: f32,
}

/// Keeps the `k` best candidates seen: higher scores first, and among equal scores the id that comes
/// first in the order of its UTF-8 bytes. Scores must not be NaN.
///
/// Complexity: O(log k) for a candidate that gets in, O(1) for one that does not; memory for `k`.
pub(crate) struct TopK<'a> {
    limit: usize,
    /// The worst candidate is on top.
    heap: BinaryHeap<Candidate<'a>>,
}

/// Ordered by badness: a greater candidate ranks lower.
struct Candidate<'a> {
    score: f32,
    id: &'a Arc<str>,
}

impl<'a> TopK<'a> {
    /// Room for `limit` candidates, at least 1.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::with_capacity(limit),
        }
    }

    /// Offers a candidate.
    pub(crate) fn offer(&mut self, score: f32, id: &'a Arc<str>) {
        let candidate = Candidate { score, id };
        if self.heap.len() < self.limit {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// The candidates kept, best first.
    pub(crate) fn into_hits(self) -> Vec<Hit> {
        let ordered = self.heap.into_sorted_vec();
        ordered
            .into_iter()
            .map(|best| Hit {
                id: Arc::clone(best.id),
                score: best.score,
            })
            .collect()
    }
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // -0 and 0 are equal scores, so `total_cmp` would not do; no score is a NaN.
        let by_score = other
            .score
            .partial_cmp(&self.score)
            .unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.id.cmp(other.id))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}
