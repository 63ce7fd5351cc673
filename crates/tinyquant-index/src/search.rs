//! Finding the best rows for queries.
//!
//! A search has up to three stages. The lead of the codes of the most promising partitions is scanned in blocks, and
//! the best rows are kept; these are scored by all their codes; the best of them, where the vectors are kept, by the
//! vectors. Which rows survive a stage depends on their scores and numbers alone, not on the order of the work.

use crate::Error;
use crate::model::{Query, length};
use crate::names::is_set;
use crate::rotation::Scratch;
use crate::shortlist::{Candidate, Shortlist, keep, sort};
use crate::state::State;
use std::ops::Range;
use tinyquant_codec::Control;
use tinyquant_kernels::{CodeQuery, CodedBlocks, LANES, ScanKernels};

/// Partitions that are looked at, for an effort of 1.
const PROBES: f32 = 320.0;
/// Rows that are scored by all their codes for an effort of 1: so many times the hits wanted and a few more.
const SURVIVORS: f32 = 6.0;
const FEW_MORE: usize = 50;
/// Candidates that are scored by their vectors: so many times the hits wanted, and a few more.
const RESCORED: usize = 3;
const RESCORED_MORE: usize = 20;
/// Rows of a strip of a part without partitions.
const STRIP: usize = 1024;

/// Queries that are made ready together.
const TOGETHER: usize = 24;
/// Partitions that are looked at in order, the most promising first.
const IN_ORDER: usize = 8;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a> {
    pub(crate) k: usize,
    pub(crate) effort: f32,
    pub(crate) exact: bool,
    pub(crate) rescore: bool,
    /// Rows that may be hits, one bit each; all of them if there is none.
    pub(crate) allowed: Option<&'a [u64]>,
    /// How many rows these are, removed ones not counted.
    pub(crate) count: usize,
}

impl Want<'_> {
    fn accepts(&self, state: &State, number: u32) -> bool {
        !is_set(&state.dead, number) && self.allowed.is_none_or(|allowed| is_set(allowed, number))
    }

    /// Candidates that are scored by their vectors.
    fn pool(&self) -> usize {
        let wanted = if self.rescore {
            let more = (self.k * (RESCORED - 1) + RESCORED_MORE) as f32 * self.effort.sqrt();
            self.k.saturating_add(more as usize)
        } else {
            self.k
        };
        wanted.min(self.count)
    }

    /// Candidates that are scored by all their codes.
    fn survivors(&self) -> usize {
        let wanted = ((self.k + FEW_MORE) as f32 * SURVIVORS * self.effort).min(1e9) as usize;
        wanted.max(self.pool()).min(self.count).max(1)
    }

    fn probes(&self, state: &State) -> usize {
        let lists = state.model.partitions();
        // Rows that are allowed lie further apart.
        let share = (self.count as f32 / state.live.max(1) as f32).clamp(1e-6, 1.0);
        let probes = (PROBES * self.effort / share.sqrt()).ceil() as usize;
        probes.clamp(1, lists)
    }
}

/// A query on its way.
struct Task<'a> {
    values: &'a [f32],
    query: Query,
    found: Shortlist,
    /// Partitions to look at, the most promising first.
    lists: Vec<u32>,
}

/// Searches a state.
pub(crate) struct Searcher<'a> {
    state: &'a State,
    kernels: &'static ScanKernels,
    want: Want<'a>,
    scratch: Scratch,
    promises: Vec<f32>,
    scores: Vec<f32>,
    masks: Vec<u16>,
}

impl<'a> Searcher<'a> {
    pub(crate) fn new(state: &'a State, want: Want<'a>) -> Self {
        Self {
            state,
            kernels: ScanKernels::active(),
            want,
            scratch: Scratch::default(),
            promises: Vec::new(),
            scores: Vec::new(),
            masks: Vec::new(),
        }
    }

    /// The hits of each query, best first.
    pub(crate) fn search(
        &mut self,
        queries: &[&[f32]],
        control: &Control,
    ) -> Result<Vec<Vec<Candidate>>, Error> {
        if self.want.count == 0 {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        if self.want.exact || self.is_selective() {
            return queries
                .iter()
                .map(|query| {
                    control.check()?;
                    self.exhaustive(query, control)
                })
                .collect();
        }
        let mut tasks = self.tasks(queries);
        match tasks.as_mut_slice() {
            [task] => self.alone(task),
            tasks => self.together(tasks, control)?,
        }
        Ok(tasks.into_iter().map(|task| self.finish(task)).collect())
    }

    /// Whether so few rows are allowed that scoring them is less work than a scan.
    fn is_selective(&self) -> bool {
        let (state, want) = (self.state, self.want);
        let share = want.probes(state) as f64 / state.model.partitions() as f64;
        let scanned = state.live as f64 * share;
        want.allowed.is_some()
            && (want.count <= want.survivors() || (want.count as f64) < scanned / 16.0)
    }

    /// Makes queries ready, [`TOGETHER`] at a time.
    fn tasks<'q>(&mut self, queries: &[&'q [f32]]) -> Vec<Task<'q>> {
        let model = &self.state.model;
        let most = if model.plan().is_all_lead() {
            self.want.pool()
        } else {
            self.want.survivors()
        };
        let probes = self.want.probes(self.state);
        let mut tasks = Vec::with_capacity(queries.len());
        for group in queries.chunks(TOGETHER) {
            let ready: Vec<_> = group
                .iter()
                .map(|values| model.query(self.kernels, values, &mut self.scratch))
                .collect();
            model.promises(self.kernels, &ready, &mut self.scratch, &mut self.promises);
            let mut promises = self.promises.chunks_exact(model.partitions().max(1));
            for (values, query) in group.iter().zip(ready) {
                let lists = match promises.next() {
                    Some(promises) => most_promising(promises, probes),
                    None => vec![0],
                };
                tasks.push(Task {
                    values,
                    query,
                    found: Shortlist::new(most.max(1)),
                    lists,
                });
            }
        }
        tasks
    }

    /// One query: its partitions one after another.
    fn alone(&mut self, task: &mut Task) {
        self.scan_tail(&mut [(&task.query.code, &mut task.found)]);
        for list in &task.lists {
            self.scan_list(*list as usize, &mut [(&task.query.code, &mut task.found)]);
        }
        self.go_on(task);
    }

    /// Many queries: each partition for all queries that look at it.
    fn together(&mut self, tasks: &mut [Task], control: &Control) -> Result<(), Error> {
        let lists = self.state.model.partitions();
        let mut visits: Vec<Vec<u32>> = vec![Vec::new(); lists];
        for (index, task) in tasks.iter_mut().enumerate() {
            let mut first = 0;
            // The best partitions first, until there is a threshold.
            while lists > 1
                && task.found.threshold() == f32::NEG_INFINITY
                && first < task.lists.len()
            {
                self.scan_list(
                    task.lists[first] as usize,
                    &mut [(&task.query.code, &mut task.found)],
                );
                first += 1;
            }
            for list in &task.lists[first..] {
                visits[*list as usize].push(index as u32);
            }
        }
        for (list, visitors) in visits.iter().enumerate() {
            if visitors.is_empty() {
                continue;
            }
            control.check()?;
            let mut next = 0;
            let mut pairs = Vec::with_capacity(visitors.len());
            let mut rest = &mut *tasks;
            for visitor in visitors {
                let (_, after) = std::mem::take(&mut rest).split_at_mut(*visitor as usize - next);
                if let Some((task, after)) = after.split_first_mut() {
                    pairs.push((&task.query.code, &mut task.found));
                    rest = after;
                }
                next = *visitor as usize + 1;
            }
            self.scan_list(list, &mut pairs);
        }
        let mut pairs: Vec<_> = tasks
            .iter_mut()
            .map(|task| (&task.query.code, &mut task.found))
            .collect();
        self.scan_tail(&mut pairs);
        for task in tasks {
            self.go_on(task);
        }
        Ok(())
    }

    /// Looks at more partitions until there are as many hits as there can be.
    fn go_on(&mut self, task: &mut Task) {
        let lists = self.state.model.partitions();
        if task.found.len() >= self.want.pool() || task.lists.len() == lists {
            return;
        }
        let mut is_done = vec![false; lists];
        for list in &task.lists {
            is_done[*list as usize] = true;
        }
        for list in (0..lists).filter(|list| !is_done[*list]) {
            self.scan_list(list, &mut [(&task.query.code, &mut task.found)]);
        }
    }

    fn scan_list(&mut self, list: usize, queries: &mut [(&CodeQuery, &mut Shortlist)]) {
        for part in 0..self.state.parts.len() {
            let range = self.state.parts[part].range(list);
            self.scan_range(part, range, queries);
        }
    }

    fn scan_tail(&mut self, queries: &mut [(&CodeQuery, &mut Shortlist)]) {
        let part = self.state.parts.len();
        self.scan_range(part, 0..self.state.tail.rows.len, queries);
    }

    /// Scans the lead of some rows of a part.
    fn scan_range(
        &mut self,
        part: usize,
        range: Range<usize>,
        queries: &mut [(&CodeQuery, &mut Shortlist)],
    ) {
        let (state, want) = (self.state, self.want);
        let plan = state.model.plan();
        let rows = state.coded(part);
        let (lead, factor) = (plan.lead_bytes(), plan.factor_bytes());
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / LANES) * LANES + STRIP);
            let (first, last) = (start / LANES, end.div_ceil(LANES));
            let count = last - first;
            self.scores.resize(queries.len() * count * LANES, 0.0);
            self.masks.resize(queries.len() * count, 0);
            let mut at = 0;
            while at < queries.len() {
                // The kernels take four queries at a time.
                let group = if queries.len() - at >= 4 { 4 } else { 1 };
                let group = &mut queries[at..at + group];
                let codes: Vec<_> = group
                    .iter()
                    .map(|(query, found)| (*query, found.threshold()))
                    .collect();
                let blocks = CodedBlocks {
                    lead: &rows.lead[first * lead..last * lead],
                    factors: &rows.factors[first * factor..last * factor],
                };
                let scores = &mut self.scores[..group.len() * count * LANES];
                let masks = &mut self.masks[..group.len() * count];
                self.kernels.scan(plan, blocks, &codes, scores, masks);
                for (q, (_, found)) in group.iter_mut().enumerate() {
                    for block in 0..count {
                        let mut mask = self.masks[q * count + block];
                        if block == 0 {
                            mask &= u16::MAX << (start % LANES);
                        }
                        if block + 1 == count && !end.is_multiple_of(LANES) {
                            mask &= (1 << (end % LANES)) - 1;
                        }
                        while mask != 0 {
                            let lane = mask.trailing_zeros() as usize;
                            mask &= mask - 1;
                            let score = self.scores[(q * count + block) * LANES + lane];
                            let row = (first + block) * LANES + lane;
                            if score < found.threshold() {
                                continue;
                            }
                            let number = state.number(part, row);
                            if want.accepts(state, number) {
                                found.offer(Candidate::new(score, number, part as u32, row as u32));
                            }
                        }
                    }
                }
                at += group.len();
            }
            start = end;
        }
    }

    /// The later stages for what a scan has found.
    fn finish(&mut self, task: Task) -> Vec<Candidate> {
        let mut candidates = task.found.into_candidates();
        if !self.state.model.plan().is_all_lead() {
            candidates = self.scored(&task.query.code, candidates);
            keep(&mut candidates, self.want.pool());
        }
        self.last(task.values, candidates)
    }

    /// Scores the last candidates by their vectors where that is wanted, and puts the hits in order.
    fn last(&self, values: &[f32], mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        if self.want.rescore {
            // In the order in which they lie in the file.
            candidates.sort_unstable_by_key(Candidate::number);
            let norm = length(values);
            for candidate in &mut candidates {
                self.rescore(values, norm, candidate);
            }
        }
        keep(&mut candidates, self.want.k);
        sort(&mut candidates);
        candidates
    }

    fn rescore(&self, values: &[f32], norm: f32, candidate: &mut Candidate) {
        let (originals, metric) = (&self.state.originals, self.state.model.metric());
        let score = originals.score(self.kernels, metric, values, norm, candidate.number());
        if let Some(score) = score {
            candidate.set_score(score);
        }
    }

    /// Every row that is allowed, by its codes; by the vectors if these are kept and the search is exact.
    fn exhaustive(&mut self, values: &[f32], control: &Control) -> Result<Vec<Candidate>, Error> {
        let (state, want) = (self.state, self.want);
        let by_vectors = want.exact && want.rescore;
        let query = state.model.query(self.kernels, values, &mut self.scratch);
        let norm = length(values);
        let mut found = Shortlist::new(if by_vectors { want.k } else { want.pool() }.max(1));
        let mut batch = Vec::with_capacity(STRIP);
        let mut flush = |batch: &mut Vec<Candidate>, this: &mut Self| {
            if by_vectors {
                for candidate in batch.iter_mut() {
                    this.rescore(values, norm, candidate);
                }
            } else {
                *batch = this.scored(&query.code, std::mem::take(batch));
            }
            batch.drain(..).for_each(|candidate| found.offer(candidate));
        };
        let few = want.allowed.filter(|_| want.count * 8 < state.stored());
        if let Some(allowed) = few {
            for (word, bits) in allowed.iter().enumerate() {
                let mut bits = *bits;
                while bits != 0 {
                    let number = (word * 64) as u32 + bits.trailing_zeros();
                    bits &= bits - 1;
                    if !is_set(&state.dead, number)
                        && let Some((part, row)) = state.place(number)
                    {
                        batch.push(Candidate::new(0.0, number, part, row));
                    }
                    if batch.len() >= STRIP {
                        control.check()?;
                        flush(&mut batch, self);
                    }
                }
            }
            flush(&mut batch, self);
        } else {
            for part in 0..=state.parts.len() {
                let rows = state.coded(part).rows;
                for from in (0..rows).step_by(STRIP) {
                    control.check()?;
                    for row in from..rows.min(from + STRIP) {
                        let number = state.number(part, row);
                        if want.accepts(state, number) {
                            batch.push(Candidate::new(0.0, number, part as u32, row as u32));
                        }
                    }
                    flush(&mut batch, self);
                }
            }
        }
        let candidates = found.into_candidates();
        if by_vectors {
            let mut hits = candidates;
            sort(&mut hits);
            return Ok(hits);
        }
        Ok(self.last(values, candidates))
    }

    /// Candidates with the scores of all their codes.
    fn scored(&mut self, query: &CodeQuery, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.sort_unstable_by_key(|candidate| (candidate.part, candidate.row));
        let plan = self.state.model.plan();
        for same in candidates.chunk_by_mut(|a, b| a.part == b.part) {
            let rows: Vec<_> = same.iter().map(|candidate| candidate.row).collect();
            self.scores.resize(rows.len(), 0.0);
            let coded = self.state.coded(same[0].part as usize);
            self.kernels
                .score_rows(plan, query, coded, &rows, &mut self.scores);
            for (candidate, score) in same.iter_mut().zip(&self.scores) {
                candidate.set_score(*score);
            }
        }
        candidates
    }
}

/// The partitions that promise most; only the first few are in order, for they set the threshold.
fn most_promising(promises: &[f32], count: usize) -> Vec<u32> {
    let candidates = (0_u32..).zip(promises);
    let mut lists: Vec<_> = candidates
        .map(|(list, promise)| Candidate::new(*promise, list, 0, 0))
        .collect();
    keep(&mut lists, count);
    if lists.len() > IN_ORDER {
        let (first, ..) = lists.select_nth_unstable_by_key(IN_ORDER, Candidate::key);
        sort(first);
    } else {
        sort(&mut lists);
    }
    lists.iter().map(Candidate::number).collect()
}
