//! Rows of a matrix in 8 or 6 bits, symmetric around zero, with one scale a row.
//!
//! `scale = max |w| / top` with `top` 127 or 31, `code = round(w / scale)` with halves away from zero; a row of zeros has
//! scale 1. The codes `-top - 1` never occur.

use crate::Error;
use crate::memory::zeros;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::sync::atomic::{AtomicUsize, Ordering};
use tinyquant_codec::{Control, ErrorCode, check_finite};
use tinyquant_kernels::EmbeddingKernels;

/// Values that are coded between two looks at the cancel flag.
const BLOCK: usize = 1 << 16;

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RowBits {
    /// From -31 to 31.
    Six = 6,
    /// From -127 to 127.
    Eight = 8,
}

impl RowBits {
    /// The greatest code.
    pub const fn top(self) -> u8 {
        match self {
            Self::Six => 31,
            Self::Eight => 127,
        }
    }
}

/// How codes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Layout {
    /// One a byte; smaller than packed ones once it is compressed.
    #[default]
    Bytes = 0,
    /// The low bits of each one after another, lowest first, every row from a new byte on: four codes of 6 bits in three
    /// bytes.
    Packed = 1,
}

/// A quantized matrix: `rows * cols` codes and `rows` scales, with at least one row and one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledRows {
    pub(super) cols: usize,
    pub(super) bits: RowBits,
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
}

/// Quantizes a row-major matrix, each row for itself.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for no rows or columns, `ERR_TQ_DIM_MISMATCH` if the values are not `rows * cols`,
/// `ERR_TQ_NON_FINITE` with row and column, `ERR_TQ_LIMIT` where there is no memory, and an abort.
pub fn quantize_rows(
    matrix: &[f32],
    rows: usize,
    cols: usize,
    bits: RowBits,
    pool: Option<&ThreadPool>,
    control: &Control<'_>,
) -> Result<ScaledRows, Error> {
    check_shape(rows, cols)?;
    if rows.checked_mul(cols) != Some(matrix.len()) {
        let message = format!(
            "a matrix of {rows} rows of {cols} has not {} values",
            matrix.len()
        );
        return Err(Error::data(ErrorCode::DimMismatch, message));
    }
    check_finite(matrix, cols)?;
    let (mut codes, mut scales) = (zeros::<i8>(matrix.len())?, zeros::<f32>(rows)?);
    let block = (BLOCK / cols).max(1);
    let jobs: Vec<_> = matrix
        .chunks(block * cols)
        .zip(codes.chunks_mut(block * cols).zip(scales.chunks_mut(block)))
        .collect();
    let done = AtomicUsize::new(0);
    let step = |(matrix, (codes, scales)): (&[f32], (&mut [i8], &mut [f32]))| -> Result<(), Error> {
        control.check()?;
        let kernels = EmbeddingKernels::active();
        for ((row, codes), scale) in matrix
            .chunks_exact(cols)
            .zip(codes.chunks_exact_mut(cols))
            .zip(scales.iter_mut())
        {
            *scale = scale_of(f32::from_bits(kernels.span(row).peak), bits);
            kernels.row_codes(row, *scale, bits.top(), codes);
        }
        let now = done.fetch_add(scales.len(), Ordering::Relaxed) + scales.len();
        control.report(now, rows);
        Ok(())
    };
    match pool {
        Some(pool) => pool.install(|| jobs.into_par_iter().try_for_each(step))?,
        None => jobs.into_iter().try_for_each(step)?,
    }
    Ok(ScaledRows {
        cols,
        bits,
        codes,
        scales,
    })
}

/// The scale of a row by its greatest magnitude. It is never 0: the least number stands in where the quotient underflows.
fn scale_of(peak: f32, bits: RowBits) -> f32 {
    if peak == 0.0 {
        1.0
    } else {
        (peak / f32::from(bits.top())).max(f32::from_bits(1))
    }
}

fn check_shape(rows: usize, cols: usize) -> Result<(), Error> {
    if rows == 0 || cols == 0 {
        return Err(Error::invalid(format!(
            "a matrix has at least one row and one column, got {rows} rows of {cols}"
        )));
    }
    Ok(())
}

impl ScaledRows {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Codes of a row.
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// Bits of a code.
    pub const fn bits(&self) -> RowBits {
        self.bits
    }

    /// The codes, row-major.
    pub fn codes(&self) -> &[i8] {
        &self.codes
    }

    /// The scale of each row.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Bytes of codes and scales in memory.
    pub const fn size_bytes(&self) -> usize {
        self.codes.len() + 4 * self.scales.len()
    }

    /// `code * scale` of every code, row-major.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` where there is no memory.
    pub fn dequantize(&self) -> Result<Vec<f32>, Error> {
        let mut out = zeros(self.codes.len())?;
        self.decode(&mut out);
        Ok(out)
    }

    /// The same into `out`.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` unless `out` has room for exactly `rows * cols` values.
    pub fn dequantize_into(&self, out: &mut [f32]) -> Result<(), Error> {
        if out.len() != self.codes.len() {
            return Err(Error::invalid(format!(
                "the matrix has {} values, got room for {}",
                self.codes.len(),
                out.len()
            )));
        }
        self.decode(out);
        Ok(())
    }

    fn decode(&self, out: &mut [f32]) {
        let kernels = EmbeddingKernels::active();
        let rows = self.codes.chunks_exact(self.cols).zip(&self.scales);
        for ((codes, scale), out) in rows.zip(out.chunks_exact_mut(self.cols)) {
            kernels.row_values(codes, *scale, out);
        }
    }
}
