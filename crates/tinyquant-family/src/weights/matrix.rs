//! Checks of matrices.

use crate::Error;
use tinyquant_codec::{Error as CodecError, ErrorCode, check_finite};

/// Fails unless `values` are `rows` rows of `cols` finite values, at least one.
pub(crate) fn check_matrix(values: &[f32], rows: usize, cols: usize) -> Result<(), Error> {
    if rows == 0 || cols == 0 {
        return Err(Error::invalid(format!(
            "a matrix must have at least one row and one column, got {rows} x {cols}"
        )));
    }
    if rows.checked_mul(cols) != Some(values.len()) {
        return Err(Error::data(
            ErrorCode::DimMismatch,
            format!("{} values are not {rows} rows of {cols}", values.len()),
        ));
    }
    Ok(check_finite(values, cols)?)
}

/// Fails unless there is at least one value and all are finite.
pub(crate) fn check_values(values: &[f32]) -> Result<(), Error> {
    if values.is_empty() {
        return Err(Error::invalid("at least one value is needed, got none"));
    }
    Ok(check_finite(values, usize::MAX)?)
}

/// Rows of `width` values that `values` are; at least one.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for no values or a width of 0, `ERR_TQ_DIM_MISMATCH` for rows that are not whole,
/// `ERR_TQ_NON_FINITE`.
pub(crate) fn check_rows(values: &[f32], width: usize) -> Result<usize, Error> {
    if width == 0 {
        return Err(Error::invalid("a row must have at least one value, got 0"));
    }
    if !values.len().is_multiple_of(width) {
        return Err(Error::data(
            ErrorCode::DimMismatch,
            format!("{} values are not whole rows of {width}", values.len()),
        ));
    }
    check_matrix(values, values.len() / width, width)?;
    Ok(values.len() / width)
}

/// Fails unless memory has room for `count` matrices of `n` rows of `n` f64 values at a time.
pub(crate) fn check_room(n: usize, count: usize) -> Result<(), Error> {
    let values = n.checked_mul(n).and_then(|len| len.checked_mul(count));
    let mut room: Vec<f64> = Vec::new();
    let reserved = room.try_reserve_exact(values.unwrap_or(usize::MAX));
    // An allocation that nobody looks at may be left out.
    std::hint::black_box(&room);
    let bytes = values
        .unwrap_or(usize::MAX)
        .saturating_mul(size_of::<f64>()) as u64;
    Ok(reserved.map_err(|_| CodecError::OutOfMemory { bytes })?)
}

/// Sum of squared differences, in f64; the same for every number of threads.
pub(crate) fn squared_error(left: &[f32], right: &[f32]) -> f64 {
    let pairs = left.iter().zip(right);
    pairs
        .map(|(a, b)| {
            let apart = f64::from(*a) - f64::from(*b);
            apart * apart
        })
        .sum()
}
