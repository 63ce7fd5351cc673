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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_value_is_named_by_row_and_column() {
        let columns = 10;
        for position in [0, 9, 10, 1023, 1024, 1025, 2100] {
            for (bad, value) in [
                (f32::NAN, "NaN"),
                (f32::INFINITY, "Infinity"),
                (f32::NEG_INFINITY, "-Infinity"),
            ] {
                let mut values = vec![f32::MAX; 2500];
                values[position] = bad;
                values[2400] = f32::NAN;
                let expected = Error::NonFinite {
                    row: position / columns,
                    column: position % columns,
                    value,
                };
                assert_eq!(check_finite(&values, columns), Err(expected));
            }
        }
        assert_eq!(check_finite(&[f32::MIN, -0.0, 1e-45], 3), Ok(()));
        assert_eq!(check_finite(&[], 0), Ok(()));
    }

    #[test]
    fn rows_are_whole() {
        assert_eq!(rows_of(&[0.0; 12], 4), Ok(3));
        assert_eq!(rows_of(&[], 4), Ok(0));
        assert_eq!(rows_of(&[0.0; 4], 0), Err(Error::InvalidDimension));
        let ragged = Error::RaggedRows {
            got: 13,
            dimension: 4,
        };
        assert_eq!(rows_of(&[0.0; 13], 4), Err(ragged));
    }
}
