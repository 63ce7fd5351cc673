//! How far a search goes.

use crate::names::is_set;
use crate::state::State;

/// Partitions that are looked at, for an effort of 1.
const PROBES: f32 = 320.0;
/// Rows that are scored by all their codes for an effort of 1: so many times the hits wanted and a few more.
const SURVIVORS: f32 = 6.0;
const FEW_MORE: usize = 50;
/// Candidates that are scored by their vectors: so many times the hits wanted, and a few more.
const RESCORED: usize = 3;
const RESCORED_MORE: usize = 20;

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
    /// Threads that a query may use.
    pub(crate) threads: usize,
}

impl Want<'_> {
    pub(crate) fn accepts(&self, state: &State, number: u32) -> bool {
        !is_set(&state.dead, number) && self.allowed.is_none_or(|allowed| is_set(allowed, number))
    }

    /// Candidates that are scored by their vectors.
    pub(crate) fn pool(&self) -> usize {
        let wanted = if self.rescore {
            let more = (self.k * (RESCORED - 1) + RESCORED_MORE) as f32 * self.effort.sqrt();
            self.k.saturating_add(more as usize)
        } else {
            self.k
        };
        wanted.min(self.count)
    }

    /// Candidates that are scored by all their codes.
    pub(crate) fn survivors(&self) -> usize {
        let wanted = ((self.k + FEW_MORE) as f32 * SURVIVORS * self.effort).min(1e9) as usize;
        wanted.max(self.pool()).min(self.count).max(1)
    }

    /// Partitions that are looked at.
    pub(crate) fn probes(&self, state: &State) -> usize {
        let lists = state.model.partitions();
        // Rows that are allowed lie further apart.
        let share = (self.count as f32 / state.live.max(1) as f32).clamp(1e-6, 1.0);
        let probes = (PROBES * self.effort / share.sqrt()).ceil() as usize;
        probes.clamp(1, lists)
    }

    /// Whether so few rows are allowed that scoring them is less work than a scan.
    pub(crate) fn is_selective(&self, state: &State) -> bool {
        let share = self.probes(state) as f64 / state.model.partitions() as f64;
        let scanned = state.live as f64 * share;
        self.allowed.is_some()
            && (self.count <= self.survivors() || (self.count as f64) < scanned / 16.0)
    }
}
