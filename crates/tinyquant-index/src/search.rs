//! Finding the best rows for queries.
//!
//! A search has up to three stages. The lead of the codes of the most promising partitions is scanned in blocks, and
//! the best rows are kept; these are scored by all their codes; the best of them, where the vectors are kept, by the
//! vectors. Which rows survive a stage depends on their scores and numbers alone, not on the order of the work.

use crate::Error;
use crate::model::{Query, length};
use crate::rotation::Scratch;
use crate::scanner::{STRIP, Scanner};
use crate::shortlist::{Candidate, Shortlist, keep, key, sort};
use crate::state::State;
use crate::want::Want;
use rayon::prelude::*;
use std::ops::Range;
use tinyquant_codec::Control;

/// Queries that are made ready together.
const TOGETHER: usize = 24;
/// Partitions that are looked at in order, the most promising first.
const IN_ORDER: usize = 8;
/// Rows from which on a query is worth a second thread.
const PARALLEL: usize = 1 << 15;
/// Rows, or words of allowed rows, that a thread looks at before it takes the next ones.
const PIECE: usize = 4 * STRIP;

/// A query on its way.
struct Task<'a> {
    values: &'a [f32],
    query: Query,
    found: Shortlist,
    /// Partitions to look at, the most promising first.
    lists: Vec<u32>,
}

/// Rows to look at.
#[derive(Debug, Clone)]
enum Piece {
    /// Of a part.
    Rows(usize, Range<usize>),
    /// Of the bits of those that are allowed.
    Words(Range<usize>),
}

/// Searches a state.
pub(crate) struct Searcher<'a> {
    state: &'a State,
    want: Want<'a>,
    scanner: Scanner<'a>,
    scratch: Scratch,
    promises: Vec<f32>,
}

impl<'a> Searcher<'a> {
    pub(crate) fn new(state: &'a State, want: Want<'a>) -> Self {
        Self {
            state,
            want,
            scanner: Scanner::new(state, want),
            scratch: Scratch::default(),
            promises: Vec::new(),
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
        if self.want.exact || self.want.is_selective(self.state) {
            return queries
                .iter()
                .map(|query| self.exhaustive(query, control))
                .collect();
        }
        let mut tasks = self.tasks(queries);
        match tasks.as_mut_slice() {
            [task] => self.alone(task, control)?,
            tasks => self.together(tasks, control)?,
        }
        Ok(tasks.into_iter().map(|task| self.finish(task)).collect())
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
        let kernels = self.scanner.kernels;
        let mut tasks = Vec::with_capacity(queries.len());
        for group in queries.chunks(TOGETHER) {
            let ready = model.queries(kernels, group, &mut self.scratch);
            model.promises(kernels, &ready, &mut self.scratch, &mut self.promises);
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
    fn alone(&mut self, task: &mut Task, control: &Control) -> Result<(), Error> {
        let code = &task.query.code;
        self.scanner.tail(&mut [(code, &mut task.found)]);
        let rows = self.state.stored() * task.lists.len() / self.state.model.partitions();
        if self.want.threads > 1 && rows >= PARALLEL {
            let pieces: Vec<_> = task
                .lists
                .iter()
                .flat_map(|list| self.scanner.ranges(*list))
                .flat_map(|(part, range)| pieces(part, range))
                .collect();
            // The first ones make a threshold.
            let (first, rest) = pieces.split_at(IN_ORDER.min(pieces.len()));
            let look = |scanner: &mut Scanner, found: &mut Shortlist, pieces: &[Piece]| {
                for (at, piece) in pieces.iter().enumerate() {
                    control.check()?;
                    if let Piece::Rows(part, range) = piece {
                        let next = match pieces.get(at + 1) {
                            Some(Piece::Rows(other, next)) if other == part => next.clone(),
                            _ => 0..0,
                        };
                        scanner.range(*part, range.clone(), next, &mut [(code, found)]);
                    }
                }
                Ok(())
            };
            look(&mut self.scanner, &mut task.found, first)?;
            self.share(rest, &mut task.found, &look)?;
        } else {
            for (at, list) in task.lists.iter().enumerate() {
                let next = task.lists.get(at + 1).copied();
                self.scanner
                    .list(*list, next, &mut [(code, &mut task.found)]);
            }
        }
        self.go_on(task);
        Ok(())
    }

    /// Looks at pieces on several threads.
    fn share(
        &self,
        pieces: &[Piece],
        found: &mut Shortlist,
        look: &(impl Fn(&mut Scanner, &mut Shortlist, &[Piece]) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        let size = pieces.len().div_ceil(4 * self.want.threads).max(1);
        let shared: Result<Vec<_>, Error> = pieces
            .par_chunks(size)
            .map(|pieces| {
                let (mut scanner, mut found) = (self.scanner.clone(), found.fork());
                look(&mut scanner, &mut found, pieces)?;
                Ok(found.into_candidates())
            })
            .collect();
        for candidate in shared?.into_iter().flatten() {
            found.offer(candidate);
        }
        Ok(())
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
                let next = task.lists.get(first + 1).copied();
                self.scanner.list(
                    task.lists[first],
                    next,
                    &mut [(&task.query.code, &mut task.found)],
                );
                first += 1;
            }
            for list in &task.lists[first..] {
                visits[*list as usize].push(index as u32);
            }
        }
        for (list, visitors) in (0_u32..).zip(&visits) {
            if visitors.is_empty() {
                continue;
            }
            control.check()?;
            let mut next = 0;
            let mut rest = &mut *tasks;
            let mut hunts = Vec::with_capacity(visitors.len());
            for visitor in visitors {
                let (_, after) = std::mem::take(&mut rest).split_at_mut(*visitor as usize - next);
                if let Some((task, after)) = after.split_first_mut() {
                    hunts.push((&task.query.code, &mut task.found));
                    rest = after;
                }
                next = *visitor as usize + 1;
            }
            self.scanner.list(list, Some(list + 1), &mut hunts);
        }
        let mut hunts: Vec<_> = tasks
            .iter_mut()
            .map(|task| (&task.query.code, &mut task.found))
            .collect();
        self.scanner.tail(&mut hunts);
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
        for (list, _) in (0_u32..).zip(is_done).filter(|(_, is_done)| !is_done) {
            self.scanner
                .list(list, None, &mut [(&task.query.code, &mut task.found)]);
        }
    }

    /// The later stages for what a scan has found.
    fn finish(&mut self, task: Task) -> Vec<Candidate> {
        let mut candidates = task.found.into_candidates();
        if !self.state.model.plan().is_all_lead() {
            self.scanner.score(&task.query.code, &mut candidates);
            keep(&mut candidates, self.want.pool());
        }
        self.last(task.values, candidates)
    }

    /// Scores the last candidates by their vectors where that is wanted, and puts the hits in order.
    fn last(&self, values: &[f32], mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        if self.want.rescore {
            // In the order in which they lie in the file.
            candidates.sort_unstable_by_key(Candidate::number);
            self.rescore(values, length(values), &mut candidates);
        }
        keep(&mut candidates, self.want.k);
        sort(&mut candidates);
        candidates
    }

    /// Scores candidates by their vectors.
    fn rescore(&self, values: &[f32], norm: f32, candidates: &mut [Candidate]) {
        let (originals, metric) = (&self.state.originals, self.state.model.metric());
        for candidate in candidates {
            let number = candidate.number();
            let score = originals.score(self.scanner.kernels, metric, values, norm, number);
            if let Some(score) = score {
                candidate.set_score(score);
            }
        }
    }

    /// The hits among some rows, which were not removed: by all their codes, and the best of these by the vectors where
    /// that is wanted.
    pub(crate) fn among(
        &mut self,
        values: &[f32],
        rows: &[Candidate],
        control: &Control,
    ) -> Result<Vec<Candidate>, Error> {
        let (kernels, model) = (self.scanner.kernels, &self.state.model);
        let query = model.queries(kernels, &[values], &mut self.scratch).pop();
        let mut best = Vec::new();
        for rows in rows.chunks(PIECE) {
            control.check()?;
            let mut rows = rows.to_vec();
            if let Some(query) = &query {
                self.scanner.score(&query.code, &mut rows);
            }
            best.append(&mut rows);
            keep(&mut best, self.want.pool());
        }
        Ok(self.last(values, best))
    }

    /// Every row that is allowed, by its codes; by the vectors if these are kept and the search is exact.
    fn exhaustive(&mut self, values: &[f32], control: &Control) -> Result<Vec<Candidate>, Error> {
        let (state, want) = (self.state, self.want);
        let by_vectors = want.exact && want.rescore;
        let kernels = self.scanner.kernels;
        let query = state
            .model
            .queries(kernels, &[values], &mut self.scratch)
            .pop();
        let norm = length(values);
        let mut found = Shortlist::new(if by_vectors { want.k } else { want.pool() }.max(1));
        let look = |scanner: &mut Scanner, found: &mut Shortlist, pieces: &[Piece]| {
            for piece in pieces {
                control.check()?;
                let mut candidates: Vec<_> = match piece {
                    Piece::Rows(part, range) => scanner.candidates(*part, range.clone()).collect(),
                    Piece::Words(words) => scanner.allowed(words.clone()).collect(),
                };
                match &query {
                    Some(query) if !by_vectors => scanner.score(&query.code, &mut candidates),
                    _ => self.rescore(values, norm, &mut candidates),
                }
                for candidate in candidates {
                    found.offer(candidate);
                }
            }
            Ok(())
        };
        let few = want.allowed.filter(|_| want.count * 8 < state.stored());
        let pieces: Vec<_> = match few {
            Some(allowed) => (0..allowed.len())
                .step_by(PIECE)
                .map(|first| Piece::Words(first..allowed.len().min(first + PIECE)))
                .collect(),
            None => self
                .scanner
                .parts()
                .flat_map(|(part, rows)| pieces(part, 0..rows))
                .collect(),
        };
        if want.threads > 1 && want.count >= PARALLEL {
            self.share(&pieces, &mut found, &look)?;
        } else {
            look(&mut self.scanner.clone(), &mut found, &pieces)?;
        }
        let mut candidates = found.into_candidates();
        if by_vectors {
            sort(&mut candidates);
            return Ok(candidates);
        }
        Ok(self.last(values, candidates))
    }
}

/// Rows of a part in pieces.
fn pieces(part: usize, range: Range<usize>) -> impl Iterator<Item = Piece> {
    let end = range.end;
    range
        .step_by(PIECE)
        .map(move |first| Piece::Rows(part, first..end.min(first + PIECE)))
}

/// The partitions that promise most; only the first few are in order, for they set the threshold.
fn most_promising(promises: &[f32], count: usize) -> Vec<u32> {
    let mut keys: Vec<_> = (0_u32..)
        .zip(promises)
        .map(|(list, promise)| key(*promise, list))
        .collect();
    if count < keys.len() {
        keys.select_nth_unstable(count - 1);
        keys.truncate(count);
    }
    if keys.len() > IN_ORDER {
        let (first, ..) = keys.select_nth_unstable(IN_ORDER);
        first.sort_unstable();
    } else {
        keys.sort_unstable();
    }
    keys.into_iter().map(|key| key as u32).collect()
}
