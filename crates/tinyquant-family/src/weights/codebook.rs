//! Scalar codebooks trained on one tensor, or one for each of its rows (Max, Quantizing for minimum distortion, 1960;
//! Lloyd 1982).

use super::cells::{Descent, Sample};
use super::levels::Levels;
use super::matrix::check_rows;
use crate::Error;
use rayon::prelude::*;
use tinyquant_codec::Control;

/// Where training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The best partition into cells that dynamic programming finds, or quantiles where those lead to less error.
    #[default]
    Partition,
    /// Levels in equal steps of the cube root of the density.
    Density,
    /// Equal numbers of values a cell: needs hundreds of rounds to come near.
    Quantiles,
}

/// How codebooks are trained.
#[derive(Debug, Clone, PartialEq)]
pub struct CodebookOptions {
    /// Levels of a codebook, 2 to 256.
    pub levels: usize,
    /// Most rounds of Lloyd's iteration.
    pub rounds: usize,
    /// Fall of the error, as a share of it, that ends training; 0 or more.
    pub tolerance: f64,
    /// Where training begins.
    pub start: Start,
    /// Values of a row that has a codebook of its own; none for one codebook of all.
    pub row: Option<usize>,
    /// Scales the levels so that values keep their length on average: the best levels are shorter, by the share of the
    /// error. Codes stay those of the unscaled levels.
    pub keep_gain: bool,
}

impl Default for CodebookOptions {
    fn default() -> Self {
        Self {
            levels: 256,
            rounds: 100,
            tolerance: 1e-6,
            start: Start::Partition,
            row: None,
            keep_gain: false,
        }
    }
}

/// Trained codebooks and the codes of the values they were trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedCodebook {
    /// Ascending levels of a codebook. Fewer than asked for if one codebook of all values has all their distinct values;
    /// a codebook of one row is filled up with its last level.
    pub levels: Vec<f32>,
    /// Levels of each codebook.
    pub level_count: usize,
    /// A code for each value.
    pub codes: Vec<u8>,
    /// Mean squared error of the values.
    pub mse: f64,
    /// Most rounds that a codebook took.
    pub rounds: usize,
    /// Mean squared error at the start and after each round; of one codebook of all values alone.
    pub history: Vec<f64>,
}

/// Trains a codebook on values, or one on each of their rows.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for no values, levels outside 2 to 256 or a tolerance that is negative or not finite,
/// `ERR_TQ_DIM_MISMATCH` for rows that are not whole, `ERR_TQ_NON_FINITE`, cancelled.
pub fn train_codebook(
    values: &[f32],
    options: &CodebookOptions,
    control: &Control,
) -> Result<TrainedCodebook, Error> {
    if !(2..=256).contains(&options.levels) {
        let got = options.levels;
        return Err(Error::invalid(format!(
            "levels must be from 2 to 256, got {got}"
        )));
    }
    if !(options.tolerance >= 0.0 && options.tolerance.is_finite()) {
        let got = options.tolerance;
        return Err(Error::invalid(format!(
            "tolerance must be a finite number of at least 0, got {got}"
        )));
    }
    let row = options.row.unwrap_or(values.len().max(1));
    let rows = check_rows(values, row)?;
    if options.row.is_some() {
        return train_rows(values, row, options, control);
    }
    control.report(0, rows);
    let trained = train_one(values, options, control, true)?;
    control.report(rows, rows);
    Ok(TrainedCodebook {
        level_count: trained.levels.len(),
        levels: trained.levels,
        codes: trained.codes,
        mse: trained.error / values.len() as f64,
        rounds: trained.history.len().saturating_sub(1),
        history: trained.history,
    })
}

/// A codebook and what it makes of its values.
struct One {
    levels: Vec<f32>,
    codes: Vec<u8>,
    /// Sum of squared errors.
    error: f64,
    history: Vec<f64>,
}

/// Trains on checked values.
fn train_one(
    values: &[f32],
    options: &CodebookOptions,
    control: &Control,
    is_parallel: bool,
) -> Result<One, Error> {
    let mut sorted = values.to_vec();
    if is_parallel {
        sorted.par_sort_unstable_by(f32::total_cmp);
    } else {
        sorted.sort_unstable_by(f32::total_cmp);
    }
    control.check()?;
    let sample = Sample::new(&sorted);
    if let Some(levels) = sample.distinct(options.levels) {
        return measured(values, levels, vec![0.0], options);
    }
    let count = options.levels;
    let go = |cells| {
        let Descent { levels, history } =
            sample.descend(cells, options.rounds, options.tolerance, control)?;
        let levels = levels.into_iter().map(|level| level as f32).collect();
        measured(values, levels, history, options)
    };
    if options.start == Start::Density {
        return go(sample.density_cells(count));
    }
    let quantiles = go(sample.with_count(sample.quantile_cells(count), count))?;
    if options.start == Start::Quantiles {
        return Ok(quantiles);
    }
    let best = go(sample.best_cells(count, control)?)?;
    // Of values in a few far clusters the narrow cells may be too wide.
    Ok(if best.error <= quantiles.error {
        best
    } else {
        quantiles
    })
}

/// What levels make of values.
fn measured(
    values: &[f32],
    mut levels: Vec<f32>,
    history: Vec<f64>,
    options: &CodebookOptions,
) -> Result<One, Error> {
    let mut table = Levels::new(&levels)?;
    let codes = table.encode(values)?;
    if options.keep_gain {
        let gain = gain(values, &table.decode(&codes)?);
        for level in &mut levels {
            *level = (f64::from(*level) * gain) as f32;
        }
        table = Levels::new(&levels)?;
    }
    Ok(One {
        error: table.error(values, &codes),
        levels,
        codes,
        history,
    })
}

/// The factor that makes the product of values and their levels the squared length of the values.
fn gain(values: &[f32], decoded: &[f32]) -> f64 {
    let (mut own, mut mixed) = (0.0, 0.0);
    for (value, level) in values.iter().zip(decoded) {
        own += f64::from(*value) * f64::from(*value);
        mixed += f64::from(*value) * f64::from(*level);
    }
    if mixed > 0.0 { own / mixed } else { 1.0 }
}

fn train_rows(
    values: &[f32],
    row: usize,
    options: &CodebookOptions,
    control: &Control,
) -> Result<TrainedCodebook, Error> {
    let count = options.levels;
    let total = values.len() / row;
    let done = std::sync::atomic::AtomicUsize::new(0);
    let rows: Vec<One> = values
        .par_chunks_exact(row)
        .map(|values| {
            let trained = train_one(values, options, control, false)?;
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            control.report(done, total);
            Ok(trained)
        })
        .collect::<Result<_, Error>>()?;
    let mut trained = TrainedCodebook {
        levels: Vec::with_capacity(rows.len() * count),
        level_count: count,
        codes: Vec::with_capacity(values.len()),
        mse: 0.0,
        rounds: 0,
        history: Vec::new(),
    };
    for one in rows {
        let last = one.levels.last().copied().unwrap_or_default();
        let missing = count - one.levels.len();
        trained.levels.extend(one.levels);
        trained.levels.extend(std::iter::repeat_n(last, missing));
        trained.codes.extend(one.codes);
        trained.mse += one.error;
        trained.rounds = trained.rounds.max(one.history.len().saturating_sub(1));
    }
    trained.mse /= values.len() as f64;
    Ok(trained)
}
