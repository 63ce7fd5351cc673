//! The best of many candidates.

/// A row that may be a hit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Score and number, so that better candidates have smaller keys.
    key: u64,
    /// Part and row in it.
    pub(crate) part: u32,
    pub(crate) row: u32,
}

impl Candidate {
    /// Higher scores come first, and among equal ones the row that was added first. A score that is no number comes last.
    pub(crate) fn new(score: f32, number: u32, part: u32, row: u32) -> Self {
        Self {
            key: key(score, number),
            part,
            row,
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.key as u32
    }

    pub(crate) fn score(&self) -> f32 {
        let bits = !(self.key >> 32) as u32;
        f32::from_bits(if bits >> 31 == 1 {
            bits ^ 0x8000_0000
        } else {
            !bits
        })
    }

    pub(crate) fn set_score(&mut self, score: f32) {
        self.key = key(score, self.number());
    }
}

/// Score and number in one, smaller for better ones: a score that is no number comes last.
pub(crate) fn key(score: f32, number: u32) -> u64 {
    if score.is_nan() {
        return u64::from(u32::MAX) << 32 | u64::from(number);
    }
    // There is one zero.
    let bits = (score + 0.0).to_bits();
    let ascending = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 0x8000_0000
    };
    u64::from(!ascending) << 32 | u64::from(number)
}

/// Drops all but the `most` best.
pub(crate) fn keep(candidates: &mut Vec<Candidate>, most: usize) {
    if candidates.len() > most && most > 0 {
        candidates.select_nth_unstable_by_key(most - 1, |candidate| candidate.key);
        candidates.truncate(most);
    }
}

/// Puts the best first.
pub(crate) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_unstable_by_key(|candidate| candidate.key);
}

/// The `most` best of the candidates offered. Which they are does not depend on the order of the offers.
#[derive(Debug)]
pub(crate) struct Shortlist {
    most: usize,
    candidates: Vec<Candidate>,
    threshold: f32,
}

impl Shortlist {
    /// Room for `most` candidates, at least 1.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            candidates: Vec::with_capacity((2 * most).min(4096)),
            threshold: f32::NEG_INFINITY,
        }
    }

    /// An empty one for another thread, with the threshold of this one.
    pub(crate) fn fork(&self) -> Self {
        Self {
            threshold: self.threshold,
            ..Self::new(self.most)
        }
    }

    /// Candidates below this score have no chance.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn offer(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        if self.candidates.len() >= 2 * self.most {
            self.cut();
        }
    }

    /// Drops all but the best.
    fn cut(&mut self) {
        keep(&mut self.candidates, self.most);
        if let Some(worst) = self.candidates.get(self.most - 1) {
            // After the cut the worst one is the last; a score that is no number excludes nothing.
            let score = worst.score();
            self.threshold = if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                score
            };
        }
    }

    /// The candidates kept, in no order.
    pub(crate) fn into_candidates(mut self) -> Vec<Candidate> {
        keep(&mut self.candidates, self.most);
        self.candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_survive_their_keys_and_sort() {
        let scores = [
            f32::INFINITY,
            3.5,
            1e-40,
            0.0,
            -1e-40,
            -2.0,
            f32::NEG_INFINITY,
        ];
        let mut candidates: Vec<_> = scores
            .iter()
            .rev()
            .map(|score| Candidate::new(*score, 7, 0, 0))
            .collect();
        candidates.push(Candidate::new(f32::NAN, 0, 0, 0));
        candidates.push(Candidate::new(-0.0, 3, 0, 0));
        sort(&mut candidates);
        let sorted: Vec<_> = candidates.iter().map(|c| (c.score(), c.number())).collect();
        assert_eq!(sorted[3], (0.0, 3));
        assert!(sorted[8].0.is_nan());
        for (score, (sorted, _)) in scores.iter().zip(sorted.iter().take(3)) {
            assert_eq!(score.to_bits(), sorted.to_bits());
        }
    }

    #[test]
    fn the_best_do_not_depend_on_the_order() {
        let all: Vec<_> = (0..500_u32)
            .map(|i| Candidate::new((i * 7919 % 101) as f32, i, 0, i))
            .collect();
        let best = |order: Vec<Candidate>| {
            let mut list = Shortlist::new(17);
            for candidate in order {
                if candidate.score() >= list.threshold() {
                    list.offer(candidate);
                }
            }
            let mut best = list.into_candidates();
            sort(&mut best);
            best.iter().map(Candidate::number).collect::<Vec<_>>()
        };
        let reversed = all.iter().rev().copied().collect();
        assert_eq!(best(all.clone()), best(reversed));
    }
}
