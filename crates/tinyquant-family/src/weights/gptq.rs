//! GPTQ (Frantar, Ashkboos, Hoefler and Alistarh, Accurate post-training quantization for generative pre-trained
//! transformers, 2022): columns are rounded one after another, and those that follow make up for the error.

use super::cholesky::{NoFactor, inverse_factor};
use super::grid::{GridCodes, code_of, scale_of};
use super::matrix::{check_matrix, check_room, check_rows};
use crate::Error;
use rayon::prelude::*;
use tinyquant_codec::{Control, ErrorCode};

/// Rows of weights that share one walk through the factor.
const ROWS: usize = 8;
/// Rows of inputs that stay in cache while all sums take them in.
const STRETCH: usize = 64;
/// Times that damping is made ten times as strong.
const TRIES: usize = 3;
/// Largest relative difference of two entries of a symmetric matrix.
const SYMMETRY: f64 = 1e-6;
/// Square matrices in memory at a time: the Hessian, and what its factor takes.
const SQUARES: usize = 5;

/// What errors in the weights cost.
#[derive(Debug, Clone, Copy)]
pub enum Curvature<'a> {
    /// Inputs that the weights are applied to, rows of `cols` values.
    Inputs(&'a [f32]),
    /// The Hessian `2/n * xᵀ x` of `n` inputs, `cols` rows of `cols` values.
    Hessian(&'a [f64]),
}

/// How GPTQ works.
#[derive(Debug, Clone, PartialEq)]
pub struct GptqOptions {
    /// Largest code, 1 to 127; the least is its negative.
    pub qmax: u8,
    /// Columns after which the rest of the matrix is corrected, at least 1. It decides speed alone.
    pub block: usize,
    /// Added to the diagonal of the Hessian, as a share of its mean; 0 or more.
    pub damp: f64,
    /// Takes the columns in the order of the diagonal, largest first.
    pub act_order: bool,
    /// Columns that share a scale; 0 for all of a row.
    pub group: usize,
}

impl Default for GptqOptions {
    fn default() -> Self {
        Self {
            qmax: 7,
            block: 128,
            damp: 0.01,
            act_order: false,
            group: 0,
        }
    }
}

/// Quantized weights and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct GptqResult {
    /// Codes and scales. The order is present where it decides the groups.
    pub codes: GridCodes,
    /// Columns in the order in which they were rounded.
    pub order: Vec<u32>,
    /// Mean squared change of the outputs over the inputs, summed over the rows of the weights; of the damped Hessian.
    pub error: f64,
    /// Damping that made the Hessian positive definite.
    pub damp: f64,
}

/// The Hessian of inputs, rows of `cols` values: `2/n * xᵀ x`, row-major. O(n * cols²).
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for no inputs, `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_LIMIT` for more columns than
/// memory has room for, cancelled.
pub fn hessian(inputs: &[f32], cols: usize, control: &Control) -> Result<Vec<f64>, Error> {
    let count = check_rows(inputs, cols)?;
    check_room(cols, 1)?;
    let mut hessian = vec![0.0; cols * cols];
    let scale = 2.0 / count as f64;
    for inputs in inputs.chunks(STRETCH * cols) {
        control.check()?;
        hessian
            .par_chunks_exact_mut(cols)
            .enumerate()
            .for_each(|(i, sums)| {
                for input in inputs.chunks_exact(cols) {
                    let own = f64::from(input[i]);
                    for (sum, value) in sums[i..].iter_mut().zip(&input[i..]) {
                        *sum += own * f64::from(*value);
                    }
                }
            });
    }
    for i in 0..cols {
        for j in i..cols {
            let value = hessian[i * cols + j] * scale;
            hessian[i * cols + j] = value;
            hessian[j * cols + i] = value;
        }
    }
    Ok(hessian)
}

/// Quantizes `rows` rows of `cols` weights. O(cols³ + rows * cols²), and O(n * cols²) for inputs.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for an empty matrix, options outside their range, a Hessian that is not symmetric, or not
/// positive definite even with a thousand times the damping; `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`,
/// `ERR_TQ_LIMIT` for more columns than memory has room for, cancelled.
pub fn gptq(
    weights: &[f32],
    rows: usize,
    cols: usize,
    curvature: Curvature<'_>,
    options: &GptqOptions,
    control: &Control,
) -> Result<GptqResult, Error> {
    check_matrix(weights, rows, cols)?;
    check_options(options)?;
    check_room(cols, SQUARES)?;
    let mut curvature = match curvature {
        Curvature::Inputs(inputs) => hessian(inputs, cols, control)?,
        Curvature::Hessian(given) => {
            check_hessian(given, cols)?;
            given.to_vec()
        }
    };
    let is_dead: Vec<bool> = (0..cols).map(|j| curvature[j * cols + j] == 0.0).collect();
    for (j, is_dead) in is_dead.iter().enumerate() {
        if *is_dead {
            curvature[j * cols + j] = 1.0;
        }
    }
    let mut order: Vec<u32> = (0..cols as u32).collect();
    if options.act_order {
        let diagonal = |column: u32| curvature[column as usize * (cols + 1)];
        order.sort_by(|a, b| diagonal(*b).total_cmp(&diagonal(*a)));
        curvature = permuted(&curvature, &order);
    }
    let (factor, damp) = damped_factor(&mut curvature, cols, options.damp, &order, control)?;
    drop(curvature);

    let group = if options.group == 0 {
        cols
    } else {
        options.group.min(cols)
    };
    let plan = Plan {
        cols,
        group,
        block: options.block,
        qmax: options.qmax,
        factor: &factor,
    };
    let groups = cols.div_ceil(group);
    let mut codes = vec![0_i8; rows * cols];
    let mut scales = vec![0.0_f32; rows * groups];
    let done = std::sync::atomic::AtomicUsize::new(0);
    let errors: Vec<f64> = weights
        .par_chunks(ROWS * cols)
        .zip(codes.par_chunks_mut(ROWS * cols))
        .zip(scales.par_chunks_mut(ROWS * groups))
        .map(|((weights, codes), scales)| {
            control.check()?;
            let mut work: Vec<f64> = Vec::with_capacity(weights.len());
            for row in weights.chunks_exact(cols) {
                let live = order.iter().map(|column| *column as usize);
                work.extend(live.map(|j| if is_dead[j] { 0.0 } else { f64::from(row[j]) }));
            }
            let mut found = vec![0; weights.len()];
            let error = plan.quantize(&mut work, scales, &mut found);
            for (codes, found) in codes.chunks_exact_mut(cols).zip(found.chunks_exact(cols)) {
                for (code, column) in found.iter().zip(&order) {
                    codes[*column as usize] = *code;
                }
            }
            let lines = weights.len() / cols;
            let done = done.fetch_add(lines, std::sync::atomic::Ordering::Relaxed) + lines;
            control.report(done, rows);
            Ok(error)
        })
        .collect::<Result<_, Error>>()?;
    Ok(GptqResult {
        codes: GridCodes {
            rows,
            cols,
            qmax: options.qmax,
            group: options.group,
            codes,
            scales,
            order: (options.act_order && groups > 1).then(|| order.clone()),
        },
        order,
        error: errors.iter().sum::<f64>() / 2.0,
        damp,
    })
}

/// What the rows of a matrix have in common.
struct Plan<'a> {
    cols: usize,
    group: usize,
    block: usize,
    qmax: u8,
    /// Upper triangular, its product with its transpose the inverse Hessian.
    factor: &'a [f64],
}

impl Plan<'_> {
    /// Rounds some rows of weights, whose columns are in the order of the factor, and returns the sum of their squared
    /// errors, each divided by its pivot.
    ///
    /// Each weight takes in the errors of the columns before it in their order, whatever the blocks.
    fn quantize(&self, work: &mut [f64], scales: &mut [f32], codes: &mut [i8]) -> f64 {
        let Self { cols, group, .. } = *self;
        let groups = cols.div_ceil(group);
        let lines = work.len() / cols;
        let mut totals = vec![0.0; lines];
        let mut errors = vec![0.0; lines * self.block.min(cols)];
        let mut start = 0;
        while start < cols {
            // A group begins a block, so that its scale sees all corrections.
            let end = (start + self.block)
                .min(cols)
                .min((start / group + 1) * group);
            let width = end - start;
            for (line, work) in work.chunks_exact_mut(cols).enumerate() {
                if start % group == 0 {
                    let until = (start + group).min(cols);
                    scales[line * groups + start / group] =
                        scale_of(work[start..until].iter().copied(), self.qmax);
                }
                let scale = scales[line * groups + start / group];
                for j in start..end {
                    let row = &self.factor[j * cols..][..cols];
                    let code = code_of(work[j], scale, self.qmax);
                    codes[line * cols + j] = code;
                    let error = (work[j] - f64::from(code) * f64::from(scale)) / row[j];
                    errors[line * width + j - start] = error;
                    totals[line] += error * error;
                    correct(&mut work[j + 1..end], error, &row[j + 1..end]);
                }
            }
            for j in start..end {
                let row = &self.factor[j * cols + end..(j + 1) * cols];
                for (line, work) in work.chunks_exact_mut(cols).enumerate() {
                    correct(&mut work[end..], errors[line * width + j - start], row);
                }
            }
            start = end;
        }
        totals.iter().sum()
    }
}

fn correct(weights: &mut [f64], error: f64, factors: &[f64]) {
    for (weight, factor) in weights.iter_mut().zip(factors) {
        *weight -= error * factor;
    }
}

fn permuted(matrix: &[f64], order: &[u32]) -> Vec<f64> {
    let n = order.len();
    let rows = order.iter().map(|row| &matrix[*row as usize * n..][..n]);
    rows.flat_map(|row| order.iter().map(|column| row[*column as usize]))
        .collect()
}

/// The factor of the inverse of a matrix with damping on its diagonal, and the damping that it took.
fn damped_factor(
    matrix: &mut [f64],
    n: usize,
    damp: f64,
    order: &[u32],
    control: &Control,
) -> Result<(Vec<f64>, f64), Error> {
    let diagonal: Vec<f64> = (0..n).map(|i| matrix[i * (n + 1)]).collect();
    let mean = diagonal.iter().sum::<f64>() / n as f64;
    let (mut used, mut left) = (damp, TRIES);
    loop {
        for (i, value) in diagonal.iter().enumerate() {
            matrix[i * (n + 1)] = value + used * mean;
        }
        let reason = match inverse_factor(matrix, n, control) {
            Ok(factor) if factor.iter().all(|value| value.is_finite()) => {
                return Ok((factor, used));
            }
            Ok(_) => "its inverse is not finite".to_owned(),
            Err(NoFactor::Stopped(error)) => return Err(error),
            Err(NoFactor::Pivot { column, value }) => {
                format!("the pivot of column {} is {value:e}", order[column])
            }
        };
        if left == 0 || used == 0.0 {
            return Err(Error::invalid(format!(
                "the Hessian is not positive definite: {reason} with damping {used}; give more damping or more inputs"
            )));
        }
        used *= 10.0;
        left -= 1;
    }
}

fn check_options(options: &GptqOptions) -> Result<(), Error> {
    let GptqOptions {
        qmax, block, damp, ..
    } = *options;
    if !(1..=127).contains(&qmax) {
        return Err(Error::invalid(format!(
            "qmax must be from 1 to 127, got {qmax}"
        )));
    }
    if block == 0 {
        return Err(Error::invalid("block must be at least 1, got 0"));
    }
    if !(damp >= 0.0 && damp.is_finite()) {
        return Err(Error::invalid(format!(
            "damp must be a finite number of at least 0, got {damp}"
        )));
    }
    Ok(())
}

fn check_hessian(hessian: &[f64], cols: usize) -> Result<(), Error> {
    if cols.checked_mul(cols) != Some(hessian.len()) {
        let got = hessian.len();
        return Err(Error::data(
            ErrorCode::DimMismatch,
            format!("the Hessian has {got} values, expected {cols} rows of {cols}"),
        ));
    }
    if let Some(at) = hessian.iter().position(|value| !value.is_finite()) {
        return Err(Error::data(
            ErrorCode::NonFinite,
            format!(
                "the Hessian must be finite: found {} at row {}, column {}",
                hessian[at],
                at / cols,
                at % cols
            ),
        ));
    }
    for i in 0..cols {
        for j in 0..i {
            let (low, high) = (hessian[i * cols + j], hessian[j * cols + i]);
            let scale = (hessian[i * (cols + 1)] * hessian[j * (cols + 1)])
                .abs()
                .sqrt();
            if (low - high).abs() > SYMMETRY * low.abs().max(high.abs()).max(scale) {
                return Err(Error::invalid(format!(
                    "the Hessian must be symmetric: {low:e} at row {i}, column {j} and {high:e} at row {j}, column {i}"
                )));
            }
        }
    }
    Ok(())
}
