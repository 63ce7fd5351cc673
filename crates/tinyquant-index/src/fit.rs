//! Fitting segments to a sample.

use crate::encoder::Encoder;
use crate::model::{Model, Rotation, length};
use crate::rotation::{Matrix, Scratch, SignRotation};
use crate::segments::{allocate, expected_error, segments};
use crate::{Error, IndexConfig, Metric};
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use tinyquant_codec::Control;
use tinyquant_kernels::{FactorCode, LANES, ScanKernels, UNIT};

/// Rows that are looked at; more do not change the axes much.
const SAMPLE: usize = 20_000;
/// Rows whose factors are looked at.
const FACTOR_SAMPLE: usize = 4_096;
/// Fewer rows than this, or than there are axes, say too little about them.
const LEAST: usize = 256;
/// Dimension above which the axes take minutes.
const LARGEST: usize = 2048;
/// Rows of a batch of the covariance.
const BATCH: usize = 4096;
/// Length of a component's values over a batch, in whole numbers.
const WHOLE: f64 = 32000.0;
/// Largest factor that a code holds, in terms of the least one, at least. A wider range makes steps so large that recall at
/// 4 bits falls by half a point.
const RANGE: f32 = 3.9;
/// How much of the expected error has to go before segments pay.
const GAIN: f64 = 0.97;

/// The model for vectors like those of a sample of finite values: its mean, its axes, bits by energy. The unfitted one
/// where the sample is too small, the dimension too large or the spectrum too flat for that to pay, and at 8
/// bits, where there are none to be moved.
pub(crate) fn fit(config: &IndexConfig, values: &[f32], control: &Control) -> Result<Model, Error> {
    let dim = config.dim();
    let rows = values.len() / dim;
    let units = dim.div_ceil(UNIT);
    if rows < LEAST.max(dim) || units < 2 || dim > LARGEST || config.bits() == 8 {
        return Ok(Model::unfitted(config));
    }
    let sample = sample(values, dim, SAMPLE, config.metric());
    control.check()?;
    let mean = mean(&sample, dim);
    let (shown, judged) = split(&sample, dim);
    let covariance = covariance(&shown, &mean, dim, control)?;
    control.check()?;
    let axes = axes(covariance, dim);
    control.check()?;
    let by_unit = energies(&axes, &mean, &judged, dim);
    let widths = allocate(&by_unit, config.bits());
    let flat = vec![by_unit.iter().sum::<f64>() / units as f64; units];
    let plain = vec![config.bits(); units];
    if expected_error(&by_unit, &widths) >= GAIN * expected_error(&flat, &plain) {
        return Ok(Model::unfitted(config));
    }
    let segments = segments(&widths);
    let rows = rotate_within(&axes, dim, &segments, config.seed());
    let matrix = Matrix::round(dim, &rows);
    let lead = lead_units(&segments);
    let coded = segments.iter().filter(|(_, width)| *width > 0).count();
    // Any factors will do for a first look at their range.
    let wide = FactorCode {
        base: 0x0080_0000,
        shift: 22,
    };
    let rotation = Rotation::Axes(matrix);
    let assemble = |factors, rotation| {
        Model::assemble(
            config,
            mean.clone(),
            rotation,
            segments.clone(),
            factors,
            lead,
        )
    };
    let first = assemble(vec![wide; coded], rotation.clone());
    let factors = factor_codes(&first, &judged[..judged.len().min(FACTOR_SAMPLE * dim)]);
    Ok(assemble(factors, rotation))
}

/// Units that are scanned first: a third of those with bits, at least two, at most four.
fn lead_units(segments: &[(usize, u8)]) -> usize {
    let coded: usize = segments
        .iter()
        .filter(|(_, width)| *width > 0)
        .map(|(units, _)| units)
        .sum();
    (coded / 3).clamp(2, 4).min(coded)
}

/// Evenly spaced rows, at most so many, as unit vectors for the cosine.
pub(crate) fn sample(values: &[f32], dim: usize, most: usize, metric: Metric) -> Vec<f32> {
    let rows = values.len() / dim;
    let count = rows.min(most);
    let mut sample = Vec::with_capacity(count * dim);
    for i in 0..count {
        let row = (i as u128 * rows as u128 / count as u128) as usize;
        let start = sample.len();
        sample.extend_from_slice(&values[row * dim..(row + 1) * dim]);
        if metric == Metric::Cosine {
            crate::model::normalize(&mut sample[start..]);
        }
    }
    sample
}

fn mean(sample: &[f32], dim: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; dim];
    for row in sample.chunks_exact(dim) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let rows = (sample.len() / dim) as f64;
    sums.iter().map(|sum| (sum / rows) as f32).collect()
}

/// Mean products of components less their means, `dim * dim`. Values are rounded to whole numbers batch by batch, so
/// that the sums are exact and do not depend on the CPU.
fn covariance(
    sample: &[f32],
    mean: &[f32],
    dim: usize,
    control: &Control,
) -> Result<Vec<f64>, Error> {
    let kernels = ScanKernels::active();
    let rows = dim.next_multiple_of(LANES);
    let mut total = vec![0.0_f64; dim * dim];
    for batch in sample.chunks(BATCH * dim) {
        control.check()?;
        let count = batch.len() / dim;
        let columns = count.next_multiple_of(2);
        let mut squares = vec![0.0_f64; dim];
        for row in batch.chunks_exact(dim) {
            for ((square, value), mean) in squares.iter_mut().zip(row).zip(mean) {
                *square += f64::from(value - mean).powi(2);
            }
        }
        let longest = libm::sqrt(squares.iter().copied().fold(0.0, f64::max));
        if longest == 0.0 {
            continue;
        }
        let scale = WHOLE / longest;
        let mut series = vec![0_i16; rows * columns];
        series
            .par_chunks_mut(columns)
            .take(dim)
            .enumerate()
            .for_each(|(component, series)| {
                let values = batch.iter().skip(component).step_by(dim);
                for (to, value) in series.iter_mut().zip(values) {
                    let value = f64::from(value - mean[component]) * scale;
                    *to = value.round_ties_even() as i16;
                }
            });
        let panels = crate::rotation::panels(&series, columns);
        let unit = 1.0 / (scale * scale);
        total
            .par_chunks_mut(dim)
            .zip(series.par_chunks(columns))
            .for_each(|(total, series)| {
                let mut sums = vec![0; rows];
                kernels.dot_panels(series, &panels, columns / 2, &mut sums);
                for (total, sum) in total.iter_mut().zip(sums) {
                    *total += f64::from(sum) * unit;
                }
            });
    }
    let rows = (sample.len() / dim) as f64;
    for value in &mut total {
        *value /= rows;
    }
    Ok(total)
}

/// Principal axes, `dim` rows of `dim`, that of the largest energy first.
fn axes(covariance: Vec<f64>, dim: usize) -> Vec<f64> {
    let eigen = SymmetricEigen::new(DMatrix::from_vec(dim, dim, covariance));
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|a, b| {
        eigen.eigenvalues[*b]
            .total_cmp(&eigen.eigenvalues[*a])
            .then(a.cmp(b))
    });
    let mut axes = Vec::with_capacity(dim * dim);
    for axis in &order {
        axes.extend(eigen.eigenvectors.column(*axis).iter());
    }
    axes
}

/// Three of four rows, to find axes by, and the others, to judge them by: the rows that axes were found by have more
/// energy along the first ones than others have.
fn split(sample: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut shown, mut judged) = (Vec::new(), Vec::new());
    for (row, values) in sample.chunks_exact(dim).enumerate() {
        let to = if row % 4 == 3 {
            &mut judged
        } else {
            &mut shown
        };
        to.extend_from_slice(values);
    }
    (shown, judged)
}

/// Mean energy of rows along the axes of each unit; it does not ascend.
fn energies(axes: &[f64], mean: &[f32], rows: &[f32], dim: usize) -> Vec<f64> {
    let kernels = ScanKernels::active();
    let units = dim.div_ceil(UNIT);
    let mut padded = axes.to_vec();
    padded.resize(units * UNIT * dim, 0.0);
    let matrix = Matrix::round(dim, &padded);
    let mut scratch = Scratch::default();
    let mut energies = vec![0.0; units];
    for group in rows.chunks(LANES * dim) {
        let centred = group.chunks_exact(dim).map(|row| {
            let values: Vec<f32> = row.iter().zip(mean).map(|(a, b)| a - b).collect();
            let norm = length(&values);
            (values, norm)
        });
        let centred: Vec<_> = centred.collect();
        for rotated in matrix.many(kernels, &centred, &mut scratch) {
            for (energy, values) in energies.iter_mut().zip(rotated.chunks_exact(UNIT)) {
                *energy += values
                    .iter()
                    .map(|value| f64::from(*value) * f64::from(*value))
                    .sum::<f64>();
            }
        }
    }
    let mut least = f64::INFINITY;
    for energy in &mut energies {
        least = least.min(*energy / (rows.len() / dim) as f64);
        *energy = least;
    }
    energies
}

/// The rows that have bits, after a random rotation within each segment. Axes beyond the dimension are zero vectors
/// that the rotation mixes in.
fn rotate_within(axes: &[f64], dim: usize, segments: &[(usize, u8)], seed: u64) -> Vec<f64> {
    let kernels = ScanKernels::active();
    let mut rows = Vec::new();
    let mut start = 0;
    for (index, (units, width)) in segments.iter().enumerate() {
        let len = units * UNIT;
        if *width > 0 {
            let rotation = SignRotation::new(len, seed.wrapping_add(index as u64 + 1));
            let mut columns = vec![0.0_f32; dim * len];
            for (j, column) in columns.chunks_exact_mut(len).enumerate() {
                for (i, value) in column
                    .iter_mut()
                    .enumerate()
                    .take(dim.saturating_sub(start))
                {
                    *value = axes[(start + i) * dim + j] as f32;
                }
                rotation.one(kernels, column);
            }
            for i in 0..len {
                rows.extend(
                    columns
                        .iter()
                        .skip(i)
                        .step_by(len)
                        .map(|value| f64::from(*value)),
                );
            }
        }
        start += len;
    }
    rows
}

/// The finest codes that hold the factors of a sample and others: a range of at least [`RANGE`].
fn factor_codes(model: &Model, sample: &[f32]) -> Vec<FactorCode> {
    let mut encoder = Encoder::new(model);
    let mut ranges = vec![(f32::INFINITY, 0.0_f32); model.plan().factors().len()];
    for values in sample.chunks(LANES * model.dim()) {
        encoder.rotate(values);
        encoder.code();
        let count = values.len() / model.dim();
        for ((least, most), factors) in ranges.iter_mut().zip(encoder.factors()) {
            for factor in &factors[..count] {
                if *factor > 0.0 {
                    *least = least.min(*factor);
                    *most = most.max(*factor);
                }
            }
        }
    }
    let codes = ranges.into_iter().map(|(least, most)| {
        if most == 0.0 {
            return FactorCode {
                base: 0x3000_0000,
                shift: 20,
            };
        }
        // As much room below as above.
        let room = (RANGE / (most / least)).max(1.6).sqrt();
        let base = (least / room).max(f32::MIN_POSITIVE).to_bits();
        let top = (most * room).min(f32::MAX / 4.0).to_bits();
        let span = top.saturating_sub(base);
        let shift = (0..23).find(|shift| span >> shift < 254).unwrap_or(23);
        let base = base.saturating_sub(1 << shift);
        FactorCode { base, shift }
    });
    codes.collect()
}
