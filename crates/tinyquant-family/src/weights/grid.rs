//! Weights as integers times a scale: one scale a row, or a group of a row's columns.

use super::matrix::check_matrix;
use crate::Error;
use tinyquant_codec::{ErrorCode, check_finite};

/// Signed codes of a matrix and their scales.
#[derive(Debug, Clone, PartialEq)]
pub struct GridCodes {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub cols: usize,
    /// Largest code, 1 to 127; the least is its negative.
    pub qmax: u8,
    /// Columns that share a scale; 0 for all of a row.
    pub group: usize,
    /// Row-major codes.
    pub codes: Vec<i8>,
    /// Scales of the groups of the first row, then of the second one.
    pub scales: Vec<f32>,
    /// Where groups are not runs of neighbouring columns: the columns in the order in which they are cut into groups.
    pub order: Option<Vec<u32>>,
}

impl GridCodes {
    /// Rounds each value to the nearest multiple of its group's scale: the largest magnitude divided by `qmax`, or 1 for
    /// zeros alone. Halves go away from zero.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for an empty matrix or `qmax` outside 1 to 127, `ERR_TQ_DIM_MISMATCH`,
    /// `ERR_TQ_NON_FINITE`.
    pub fn round(
        values: &[f32],
        rows: usize,
        cols: usize,
        qmax: u8,
        group: usize,
    ) -> Result<Self, Error> {
        check_matrix(values, rows, cols)?;
        check_qmax(qmax)?;
        let width = if group == 0 { cols } else { group.min(cols) };
        let mut scales = Vec::with_capacity(rows * cols.div_ceil(width));
        let mut codes = Vec::with_capacity(values.len());
        for row in values.chunks_exact(cols) {
            for group in row.chunks(width) {
                let scale = scale_of(group.iter().map(|value| f64::from(*value)), qmax);
                codes.extend(
                    group
                        .iter()
                        .map(|value| code_of((*value).into(), scale, qmax)),
                );
                scales.push(scale);
            }
        }
        Ok(Self {
            rows,
            cols,
            qmax,
            group,
            codes,
            scales,
            order: None,
        })
    }

    /// Groups of a row.
    pub fn groups(&self) -> usize {
        match self.group {
            0 => 1,
            group => self.cols.div_ceil(group),
        }
    }

    /// For each column the group that it belongs to.
    fn group_of_column(&self) -> Vec<usize> {
        let width = if self.group == 0 {
            self.cols
        } else {
            self.group
        };
        let mut groups: Vec<usize> = (0..self.cols).map(|column| column / width).collect();
        if let Some(order) = &self.order {
            for (position, column) in order.iter().enumerate() {
                groups[*column as usize] = position / width;
            }
        }
        groups
    }

    /// Fails unless the parts fit each other.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`, `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_FORMAT` for a code beyond `qmax`.
    pub fn check(&self) -> Result<(), Error> {
        let Self { rows, cols, .. } = *self;
        check_qmax(self.qmax)?;
        let mismatch = |what: &str, got: usize, expected: usize| {
            let message = format!("{got} {what}, expected {expected} for {rows} rows of {cols}");
            Err(Error::data(ErrorCode::DimMismatch, message))
        };
        if rows == 0 || cols == 0 || rows.checked_mul(cols) != Some(self.codes.len()) {
            return mismatch("codes", self.codes.len(), rows.saturating_mul(cols));
        }
        if self.scales.len() != rows * self.groups() {
            return mismatch("scales", self.scales.len(), rows * self.groups());
        }
        check_finite(&self.scales, self.groups())?;
        let is_bad = |code: &i8| code.unsigned_abs() > self.qmax;
        if let Some(at) = self.codes.iter().position(is_bad) {
            let (code, qmax) = (self.codes[at], self.qmax);
            return Err(Error::data(
                ErrorCode::Format,
                format!(
                    "code {code} at row {}, column {} is beyond {qmax}",
                    at / cols,
                    at % cols
                ),
            ));
        }
        let Some(order) = &self.order else {
            return Ok(());
        };
        if order.len() != cols {
            return mismatch("columns in the order", order.len(), cols);
        }
        let mut seen = vec![false; cols];
        for column in order {
            match seen.get_mut(*column as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    return Err(Error::data(
                        ErrorCode::Format,
                        format!(
                            "the order of {cols} columns has {column} twice, or it is none of them"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The matrix that the codes stand for.
    ///
    /// # Errors
    /// As [`GridCodes::check`].
    pub fn decode(&self) -> Result<Vec<f32>, Error> {
        self.check()?;
        let groups = self.group_of_column();
        let rows = self.codes.chunks_exact(self.cols);
        let mut values = Vec::with_capacity(self.codes.len());
        for (codes, scales) in rows.zip(self.scales.chunks_exact(self.groups())) {
            let columns = codes.iter().zip(&groups);
            values.extend(columns.map(|(code, group)| f32::from(*code) * scales[*group]));
        }
        Ok(values)
    }
}

/// Scale of values: their largest magnitude divided by `qmax`, 1 if that is 0.
pub(crate) fn scale_of(values: impl Iterator<Item = f64>, qmax: u8) -> f32 {
    let most = values.fold(0.0_f64, |most, value| most.max(value.abs()));
    let most = most.min(f32::MAX.into()) as f32;
    let mut scale = most / f32::from(qmax);
    if (scale * f32::from(qmax)).is_infinite() {
        // It was rounded up.
        scale = scale.next_down();
    }
    // A quotient that rounds to 0 would divide by it.
    if scale > 0.0 { scale } else { 1.0 }
}

/// The nearest code, halves away from zero.
pub(crate) fn code_of(value: f64, scale: f32, qmax: u8) -> i8 {
    let most = f64::from(qmax);
    (value / f64::from(scale)).round().clamp(-most, most) as i8
}

fn check_qmax(qmax: u8) -> Result<(), Error> {
    if (1..=127).contains(&qmax) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "qmax must be from 1 to 127, got {qmax}"
    )))
}
