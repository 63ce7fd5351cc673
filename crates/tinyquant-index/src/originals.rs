//! The vectors beside their codes.

use crate::column::Buffer;
use crate::{Column, Metric, Originals};
use std::sync::Arc;
use tinyquant_kernels::{ScanKernels, f32_to_f16};

/// Bytes from which a run grows no more.
const RUN: usize = 1 << 20;

/// A squared length below which squares of components may have vanished.
const SMALL: f32 = 1e-30;

/// Vectors by row number, in runs.
#[derive(Debug, Clone)]
pub(crate) struct Vectors {
    kind: Originals,
    dim: usize,
    /// First row of each run, and its vectors.
    runs: Vec<(u64, Column)>,
    /// The run that grows.
    open: Arc<Buffer>,
    open_first: u64,
}

/// Rows that are about to be appended.
#[derive(Debug)]
pub(crate) enum NewVectors<'a> {
    /// A run of their own.
    Run(Column),
    /// Rows for the run that grows.
    Few(&'a [f32]),
}

impl Vectors {
    pub(crate) fn new(kind: Originals, dim: usize) -> Self {
        Self {
            kind,
            dim,
            runs: Vec::new(),
            open: Arc::default(),
            open_first: 0,
        }
    }

    fn row_bytes(&self) -> usize {
        self.dim * self.kind.width()
    }

    /// Vectors of a file.
    pub(crate) fn from_runs(kind: Originals, dim: usize, columns: Vec<Column>) -> Self {
        let mut vectors = Self::new(kind, dim);
        for column in columns {
            let rows = column.len() / vectors.row_bytes().max(1);
            vectors.runs.push((vectors.open_first, column));
            vectors.open_first += rows as u64;
        }
        vectors
    }

    /// Makes the run that grows one that does not.
    pub(crate) fn seal(&mut self) {
        if self.open.len() == 0 {
            return;
        }
        let rows = self.open.len() / self.row_bytes();
        let open = Arc::unwrap_or_clone(std::mem::take(&mut self.open));
        self.runs.push((self.open_first, open.into()));
        self.open_first += rows as u64;
    }

    /// All runs.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.runs.iter().map(|(_, column)| column)
    }

    /// Makes rows ready to be appended; many become a run of their own.
    pub(crate) fn prepare<'a>(&self, values: &'a [f32]) -> NewVectors<'a> {
        let bytes = values.len() * self.kind.width();
        if bytes < RUN {
            return NewVectors::Few(values);
        }
        let mut run = Buffer::zeroed(bytes);
        self.write(values, run.as_mut());
        NewVectors::Run(run.into())
    }

    /// Appends rows.
    pub(crate) fn push(&mut self, vectors: NewVectors<'_>) {
        match vectors {
            NewVectors::Run(column) => {
                self.seal();
                let rows = column.len() / self.row_bytes();
                self.runs.push((self.open_first, column));
                self.open_first += rows as u64;
            }
            NewVectors::Few(values) => {
                let mut open = std::mem::take(&mut self.open);
                let buffer = Arc::make_mut(&mut open);
                let start = buffer.len();
                buffer.resize(start + values.len() * self.kind.width());
                self.write(values, &mut buffer.as_mut()[start..]);
                self.open = open;
                if self.open.len() >= RUN {
                    self.seal();
                }
            }
        }
    }

    fn write(&self, values: &[f32], to: &mut [u8]) {
        match self.kind {
            Originals::None => {}
            Originals::F16 => {
                for (to, value) in to.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    *to = f32_to_f16(*value).to_le_bytes();
                }
            }
            Originals::F32 => {
                for (to, value) in to.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                    *to = value.to_le_bytes();
                }
            }
        }
    }

    /// The bytes of a row.
    fn row(&self, row: u32) -> Option<&[u8]> {
        let (row, len) = (u64::from(row), self.row_bytes());
        if row >= self.open_first {
            let at = (row - self.open_first) as usize * len;
            return (*self.open).as_ref().get(at..at + len);
        }
        let run = self
            .runs
            .partition_point(|(first, _)| *first <= row)
            .checked_sub(1)?;
        let (first, column) = &self.runs[run];
        let at = (row - first) as usize * len;
        column.get(at..at + len)
    }

    /// The score of a query against a row; `norm` is the length of the query.
    pub(crate) fn score(
        &self,
        kernels: &ScanKernels,
        metric: Metric,
        query: &[f32],
        norm: f32,
        row: u32,
    ) -> Option<f32> {
        let bytes = self.row(row)?;
        let [product, square, apart] = match self.kind {
            Originals::None => return None,
            Originals::F16 => kernels.pair_sums_f16(query, bytes),
            Originals::F32 => kernels.pair_sums_f32(query, bytes),
        };
        let sums = [product, square, apart, norm];
        let is_short = square < SMALL || metric == Metric::Cosine && norm * norm < SMALL;
        if is_short || sums.iter().any(|sum| !sum.is_finite()) {
            return Some(wide_score(metric, query, &self.get(row)?));
        }
        Some(match metric {
            Metric::Cosine => {
                let lengths = norm * square.sqrt();
                if lengths > 0.0 {
                    product / lengths
                } else {
                    0.0
                }
            }
            Metric::Dot => product,
            Metric::L2 => -apart,
        })
    }

    /// The vector of a row.
    pub(crate) fn get(&self, row: u32) -> Option<Vec<f32>> {
        let bytes = self.row(row)?;
        match self.kind {
            Originals::None => None,
            Originals::F16 => Some(tinyquant_codec::widen_f16(bytes)),
            Originals::F32 => {
                let values = bytes.as_chunks::<4>().0.iter();
                Some(values.map(|value| f32::from_le_bytes(*value)).collect())
            }
        }
    }

    /// Rows.
    pub(crate) fn rows(&self) -> u64 {
        self.open_first + (self.open.len() / self.row_bytes().max(1)) as u64
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.open.len()
    }
}

/// A score whose terms leave the range of f32.
fn wide_score(metric: Metric, query: &[f32], values: &[f32]) -> f32 {
    let sum = |term: fn(f64, f64) -> f64| {
        let pairs = query.iter().zip(values);
        pairs
            .map(|(q, x)| term(f64::from(*q), f64::from(*x)))
            .sum::<f64>()
    };
    let product = sum(|q, x| q * x);
    let score = match metric {
        Metric::Dot => product,
        Metric::L2 => -sum(|q, x| (q - x) * (q - x)),
        Metric::Cosine => {
            let lengths = libm::sqrt(sum(|q, _| q * q)) * libm::sqrt(sum(|_, x| x * x));
            if lengths > 0.0 {
                product / lengths
            } else {
                0.0
            }
        }
    };
    score as f32
}
