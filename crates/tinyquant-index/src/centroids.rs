//! Centres of partitions.

use crate::rotation::{Scratch, panels};
use tinyquant_kernels::{LANES, ScanKernels};

/// Euclidean length of the longest centre, and of a vector beside it, in whole numbers.
const WHOLE: f32 = 32000.0;

/// Centres in rotated coordinates, as whole numbers. A vector belongs to the one with the least Euclidean distance.
#[derive(Debug, Clone)]
pub(crate) struct Centroids {
    /// Components, an even number.
    columns: usize,
    /// Centres; the rows are filled up with zeros to a multiple of [`LANES`].
    len: usize,
    rows: Vec<i16>,
    panels: Vec<i16>,
    /// What a component of 1 stands for.
    step: f32,
    /// Half of each squared length.
    halves: Vec<f32>,
}

impl Centroids {
    /// Rounds centres of `columns` components, an even number.
    pub(crate) fn round(columns: usize, centres: &[f32]) -> Self {
        let lengths = centres.chunks_exact(columns).map(|centre| {
            centre
                .iter()
                .map(|value| f64::from(*value) * f64::from(*value))
                .sum::<f64>()
        });
        let longest = libm::sqrt(lengths.fold(0.0, f64::max)) as f32;
        let step = if longest > 0.0 { longest / WHOLE } else { 1.0 };
        let rows = centres
            .iter()
            .map(|value| (value / step).round_ties_even() as i16)
            .collect();
        Self::from_rows(columns, centres.len() / columns, rows, step)
    }

    /// Centres of a file; `rows` may end with the last one.
    pub(crate) fn from_rows(columns: usize, len: usize, mut rows: Vec<i16>, step: f32) -> Self {
        rows.truncate(len * columns);
        let halves = rows
            .chunks_exact(columns)
            .map(|row| {
                let square: i64 = row.iter().map(|value| i64::from(*value).pow(2)).sum();
                (0.5 * square as f64 * f64::from(step) * f64::from(step)) as f32
            })
            .collect();
        rows.resize(len.next_multiple_of(LANES) * columns, 0);
        let panels = panels(&rows, columns);
        Self {
            columns,
            len,
            rows,
            panels,
            step,
            halves,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Components; the first ones of a rotated vector.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Rows as they are stored, without the filling.
    pub(crate) fn rows(&self) -> &[i16] {
        &self.rows[..self.len * self.columns]
    }

    pub(crate) fn step(&self) -> f32 {
        self.step
    }

    /// A centre.
    pub(crate) fn centre(&self, index: usize) -> impl Iterator<Item = f32> {
        let row = &self.rows[index * self.columns..(index + 1) * self.columns];
        row.iter().map(|value| f32::from(*value) * self.step)
    }

    /// The nearest centre of each vector of a tile; vectors have lengths of at most `norms` and stand for themselves
    /// times `times`.
    pub(crate) fn nearest(
        &self,
        kernels: &ScanKernels,
        tile: &[f32],
        norms: &[f32; LANES],
        times: &[f32; LANES],
        scratch: &mut Assign,
    ) -> [u32; LANES] {
        let scale = norms.map(|norm| if norm > 0.0 { WHOLE / norm } else { 0.0 });
        scratch.panel.resize(self.columns * LANES, 0);
        kernels.tile_to_panel(&tile[..self.columns * LANES], &scale, &mut scratch.panel);
        scratch.sums.resize(self.len * LANES, 0);
        kernels.dot_panels(
            self.rows(),
            &scratch.panel,
            self.columns / 2,
            &mut scratch.sums,
        );
        let factors: [f32; LANES] =
            std::array::from_fn(|lane| norms[lane] * times[lane] * (self.step / WHOLE));
        let (mut best, mut nearest) = ([f32::NEG_INFINITY; LANES], [0_u32; LANES]);
        let sums = scratch.sums.as_chunks::<LANES>().0;
        for ((centre, sums), half) in (0_u32..).zip(sums).zip(&self.halves) {
            for lane in 0..LANES {
                let value = sums[lane] as f32 * factors[lane] - half;
                let is_better = value > best[lane];
                best[lane] = if is_better { value } else { best[lane] };
                nearest[lane] = if is_better { centre } else { nearest[lane] };
            }
        }
        nearest
    }

    /// The nearest centre of one vector, the one that it has in a tile.
    pub(crate) fn nearest_one(
        &self,
        kernels: &ScanKernels,
        values: &[f32],
        norm: f32,
        times: f32,
        scratch: &mut Scratch,
    ) -> u32 {
        let vector = std::iter::once((values, norm));
        let sums = scratch.products(kernels, vector, WHOLE, &self.panels, self.columns);
        let factor = norm * times * (self.step / WHOLE);
        let (mut best, mut nearest) = (f32::NEG_INFINITY, 0);
        for ((centre, sum), half) in (0_u32..).zip(sums).zip(&self.halves) {
            let value = *sum as f32 * factor - half;
            if value > best {
                (best, nearest) = (value, centre);
            }
        }
        nearest
    }

    /// What the centres promise to rotated queries, of the lengths given at most: `<q, c> - offset`, query by query.
    pub(crate) fn promises(
        &self,
        kernels: &ScanKernels,
        queries: &[(&[f32], f32)],
        offsets: Option<&[f32]>,
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        let vectors = queries.iter().copied();
        let sums = scratch.products(kernels, vectors, WHOLE, &self.panels, self.columns);
        out.clear();
        for (query, (_, norm)) in queries.iter().enumerate() {
            let factor = norm * (self.step / WHOLE);
            let panels = sums
                .as_chunks::<LANES>()
                .0
                .iter()
                .skip(query)
                .step_by(queries.len());
            let values = panels
                .flatten()
                .take(self.len)
                .map(|sum| *sum as f32 * factor);
            match offsets {
                None => out.extend(values),
                Some(offsets) => {
                    out.extend(values.zip(offsets).map(|(value, offset)| value - offset));
                }
            }
        }
    }

    /// Half of each squared length.
    pub(crate) fn halves(&self) -> &[f32] {
        &self.halves
    }
}

/// Memory that an assignment uses.
#[derive(Debug, Default)]
pub(crate) struct Assign {
    panel: Vec<i16>,
    sums: Vec<i32>,
}
