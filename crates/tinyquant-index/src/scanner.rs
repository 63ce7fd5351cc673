//! Scans of the rows of a state.

use crate::names::is_set;
use crate::shortlist::{Candidate, Shortlist};
use crate::state::State;
use crate::want::Want;
use std::ops::Range;
use tinyquant_kernels::{CodeQuery, CodedBlocks, CodedRows, LANES, ScanKernels};

/// Rows that are scanned before the next ones are.
pub(crate) const STRIP: usize = 1024;
/// Queries that the kernels scan for together.
const GROUP: usize = 4;

/// A query and what was found for it.
pub(crate) type Hunt<'q> = (&'q CodeQuery, &'q mut Shortlist);

/// A query and the least score that it wants.
fn wanted<'q>(hunt: &Hunt<'q>) -> (&'q CodeQuery, f32) {
    (hunt.0, hunt.1.threshold())
}

/// The columns of a part, or of the tail.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    rows: CodedRows<'a>,
    /// Numbers of the rows, as they lie in files.
    stored: &'a [[u8; 4]],
    /// The same of the tail.
    newest: &'a [u32],
    starts: &'a [[u8; 4]],
}

impl View<'_> {
    fn number(&self, row: usize) -> u32 {
        match self.stored.get(row) {
            Some(bytes) => u32::from_le_bytes(*bytes),
            None => self.newest.get(row).copied().unwrap_or(u32::MAX),
        }
    }

    /// Rows of a partition.
    fn range(&self, list: usize) -> Range<usize> {
        let start = |at: usize| self.starts.get(at).map_or(0, |at| u32::from_le_bytes(*at));
        start(list) as usize..start(list + 1) as usize
    }
}

/// Scans the rows of a state, on one thread.
pub(crate) struct Scanner<'a> {
    pub(crate) state: &'a State,
    pub(crate) want: Want<'a>,
    pub(crate) kernels: &'static ScanKernels,
    views: Vec<View<'a>>,
    scores: Vec<f32>,
    masks: Vec<u16>,
}

impl Clone for Scanner<'_> {
    /// Another one for another thread.
    fn clone(&self) -> Self {
        Self::of(self.state, self.want, self.views.clone())
    }
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(state: &'a State, want: Want<'a>) -> Self {
        let parts = state.parts.iter().map(|part| View {
            rows: part.coded(state.model.plan()),
            stored: part.numbers().as_chunks().0,
            newest: &[],
            starts: part.starts().as_chunks().0,
        });
        let tail = View {
            rows: state.tail.rows.coded(),
            stored: &[],
            newest: &state.tail.numbers,
            starts: &[],
        };
        let views = parts.chain([tail]).collect();
        Self::of(state, want, views)
    }

    fn of(state: &'a State, want: Want<'a>, views: Vec<View<'a>>) -> Self {
        Self {
            state,
            want,
            kernels: ScanKernels::active(),
            views,
            scores: vec![0.0; GROUP * STRIP],
            masks: vec![0; GROUP * STRIP / LANES],
        }
    }

    /// Parts, the tail as the last one, and the rows of each.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.views.iter().map(|view| view.rows.rows).enumerate()
    }

    /// Where the rows of a partition are, without those of the tail.
    pub(crate) fn ranges(&self, list: u32) -> impl Iterator<Item = (usize, Range<usize>)> {
        let parts = self.views.iter().enumerate();
        parts.map(move |(part, view)| (part, view.range(list as usize)))
    }

    /// Scans the rows of a partition; those of the `next` one are asked for meanwhile.
    pub(crate) fn list(&mut self, list: u32, next: Option<u32>, hunts: &mut [Hunt]) {
        for part in 0..self.views.len() - 1 {
            let range = self.views[part].range(list as usize);
            let next = next.map_or(0..0, |next| self.views[part].range(next as usize));
            self.range(part, range, next, hunts);
        }
    }

    /// Scans the newest rows.
    pub(crate) fn tail(&mut self, hunts: &mut [Hunt]) {
        let part = self.views.len() - 1;
        let rows = self.views[part].rows.rows;
        self.range(part, 0..rows, 0..0, hunts);
    }

    /// Scans the lead of some rows of a part.
    pub(crate) fn range(
        &mut self,
        part: usize,
        range: Range<usize>,
        next: Range<usize>,
        hunts: &mut [Hunt],
    ) {
        let (state, view) = (self.state, self.views[part]);
        let plan = state.model.plan();
        let (lead, factor) = (plan.lead_bytes(), plan.factor_bytes());
        let next = next.start / LANES * lead..next.end.div_ceil(LANES) * lead;
        let mut next = view.rows.lead.get(next).unwrap_or_default();
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / LANES) * LANES + STRIP);
            let (first, last) = (start / LANES, end.div_ceil(LANES));
            let count = last - first;
            let blocks = CodedBlocks {
                lead: &view.rows.lead[first * lead..last * lead],
                factors: &view.rows.factors[first * factor..last * factor],
                next: std::mem::take(&mut next),
            };
            let mut rest = &mut *hunts;
            while !rest.is_empty() {
                let size = if rest.len() < GROUP { 1 } else { GROUP };
                let (group, others) = rest.split_at_mut(size);
                rest = others;
                let scores = &mut self.scores[..size * count * LANES];
                let masks = &mut self.masks[..size * count];
                match &*group {
                    [a, b, c, d] => {
                        let four = [wanted(a), wanted(b), wanted(c), wanted(d)];
                        self.kernels.scan(plan, blocks, &four, scores, masks);
                    }
                    others => others.iter().for_each(|one| {
                        self.kernels
                            .scan(plan, blocks, &[wanted(one)], scores, masks);
                    }),
                }
                let found = masks
                    .chunks_exact_mut(count)
                    .zip(scores.chunks_exact(count * LANES));
                for ((masks, scores), (_, found)) in found.zip(group) {
                    // Rows of other partitions share the first block and the last one.
                    masks[0] &= u16::MAX << (start % LANES);
                    if !end.is_multiple_of(LANES) {
                        masks[count - 1] &= (1 << (end % LANES)) - 1;
                    }
                    for (block, mask) in masks.iter().enumerate() {
                        let mut mask = *mask;
                        while mask != 0 {
                            let at = block * LANES + mask.trailing_zeros() as usize;
                            mask &= mask - 1;
                            let (score, row) = (scores[at], first * LANES + at);
                            if score < found.threshold() {
                                continue;
                            }
                            let number = view.number(row);
                            if self.want.accepts(state, number) {
                                found.offer(Candidate::new(score, number, part as u32, row as u32));
                            }
                        }
                    }
                }
            }
            start = end;
        }
    }

    /// The rows of a range of a part that may be hits, with a score of 0.
    pub(crate) fn candidates(
        &self,
        part: usize,
        range: Range<usize>,
    ) -> impl Iterator<Item = Candidate> {
        let view = self.views[part];
        range.filter_map(move |row| {
            let number = view.number(row);
            let candidate = || Candidate::new(0.0, number, part as u32, row as u32);
            self.want.accepts(self.state, number).then(candidate)
        })
    }

    /// The rows of some words of the bits of those that are allowed, with a score of 0.
    pub(crate) fn allowed(&self, words: Range<usize>) -> impl Iterator<Item = Candidate> {
        let bits = self.want.allowed.unwrap_or_default();
        words.flat_map(move |word| {
            let mut bits = bits.get(word).copied().unwrap_or(0);
            std::iter::from_fn(move || {
                while bits != 0 {
                    let number = (word * 64) as u32 + bits.trailing_zeros();
                    bits &= bits - 1;
                    if !is_set(&self.state.dead, number)
                        && let Some((part, row)) = self.state.place(number)
                    {
                        return Some(Candidate::new(0.0, number, part, row));
                    }
                }
                None
            })
        })
    }

    /// Gives candidates the scores of all their codes.
    pub(crate) fn score(&mut self, query: &CodeQuery, candidates: &mut [Candidate]) {
        candidates.sort_unstable_by_key(|candidate| (candidate.part, candidate.row));
        let plan = self.state.model.plan();
        let mut rows = [0; STRIP];
        for same in candidates.chunk_by_mut(|a, b| a.part == b.part) {
            for same in same.chunks_mut(STRIP) {
                let (rows, scores) = (&mut rows[..same.len()], &mut self.scores[..same.len()]);
                for (row, candidate) in rows.iter_mut().zip(&*same) {
                    *row = candidate.row;
                }
                let coded = self.views[same[0].part as usize].rows;
                self.kernels.score_rows(plan, query, coded, rows, scores);
                for (candidate, score) in same.iter_mut().zip(scores) {
                    candidate.set_score(*score);
                }
            }
        }
    }
}
