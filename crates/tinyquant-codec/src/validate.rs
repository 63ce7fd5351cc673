//! Checks that come before any work.

use crate::Error;

/// Values looked at before a chunk is searched for the first bad one.
const CHUNK: usize = 1024;

/// Fails on the first NaN or infinity of rows of `columns` values.
///
/// # Errors
/// [`Error::NonFinite`] with the row and the column.
pub fn check_finite(values: &[f32], columns: usize) -> Result<(), Error> {
    let exponent = f32::INFINITY.to_bits();
    for (chunk_index, chunk) in values.chunks(CHUNK).enumerate() {
        // No early exit inside a chunk, so that the loop vectorises.
        let bad = chunk.iter().fold(false, |bad, value| {
            bad | (value.to_bits() & exponent == exponent)
        });
        if bad {
            let within = chunk
                .iter()
                .position(|value| !value.is_finite())
                .unwrap_or(0);
            let position = chunk_index * CHUNK + within;
            let (row, column) = (position / columns.max(1), position % columns.max(1));
            return Err(Error::NonFinite {
                row,
                column,
                value: name(values[position]),
            });
        }
    }
    Ok(())
}

fn name(value: f32) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Number of rows of `dimension` in `values`.
///
/// # Errors
/// [`Error::RaggedRows`] if they are not whole, [`Error::InvalidDimension`] if `dimension` is 0.
pub fn rows_of(values: &[f32], dimension: usize) -> Result<usize, Error> {
    if dimension == 0 {
        return Err(Error::InvalidDimension);
    }
    if values.len().is_multiple_of(dimension) {
        Ok(values.len() / dimension)
    } else {
        Err(Error::RaggedRows {
            got: values.len(),
            dimension,
        })
    }
}
