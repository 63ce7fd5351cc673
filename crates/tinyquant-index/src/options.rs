//! What calls of an index take and give.

use crate::Id;
#[cfg(doc)]
use crate::Index;
use std::sync::Arc;

/// How rows are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// By number of rows: none up to some thousands, then from three times the square root to one for 128 rows.
    Auto,
    /// So many, at most one for each row; 1 for none.
    Count(usize),
}

/// Options of [`Index::build`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// Whether segments follow the vectors.
    pub fit: bool,
    /// How rows are grouped.
    pub partitions: Partitions,
}

/// Rows that a search may return.
#[derive(Debug, Clone)]
pub enum Filter {
    /// One bit a row, by number in order of adding, lowest first; those beyond the end are not set.
    Rows(Vec<u8>),
    /// Ids; unknown ones are ignored.
    Ids(Vec<Id>),
}

/// Options of [`Index::search`].
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// Hits wanted, at least 1.
    pub k: usize,
    /// How many candidates each stage keeps, relative to the default; finite and above 0.
    pub effort: f32,
    /// Whether every row is scored.
    pub exact: bool,
    /// Whether the last candidates are scored by the vectors; by default where these are kept.
    pub rescore: Option<bool>,
    /// Rows that may be hits; all of them if there is none.
    pub filter: Option<Filter>,
}

/// Ids of hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdList {
    /// Whole numbers.
    Whole(Vec<u64>),
    /// Texts.
    Text(Vec<Arc<str>>),
}

/// Hits of a query, best first: exactly `min(k, allowed rows)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// Ids.
    pub ids: IdList,
    /// Scores; higher is better.
    pub scores: Vec<f32>,
}

/// What an index consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Rows ever added.
    pub rows: u64,
    /// Rows that were not removed.
    pub live: u64,
    /// Runs of rows in scan order.
    pub parts: usize,
    /// Partitions; 1 if there are none.
    pub partitions: usize,
    /// Whether segments follow a sample.
    pub fitted: bool,
    /// Components and bits of each segment.
    pub segments: Vec<(usize, u8)>,
    /// Bytes that a row takes: codes, factors, norm and number.
    pub bytes_per_row: usize,
    /// Memory of its own, in bytes.
    pub heap_bytes: usize,
    /// Bytes of codes that lie in memory of somebody else, such as a mapped file.
    pub mapped_bytes: usize,
}
