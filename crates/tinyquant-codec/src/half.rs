//! Rows of IEEE binary16, little endian.

use crate::Error;
use tinyquant_kernels::{F16_OVERFLOW, Kernels, f32_to_f16};

/// Rounds finite values to f16 (nearest, ties to even), two bytes each. `row` is named in the error.
///
/// # Errors
/// [`Error::HalfOverflow`] if a value is beyond the range of f16.
pub fn narrow_f16(values: &[f32], row: usize) -> Result<Vec<u8>, Error> {
    match values.iter().position(|value| value.abs() >= F16_OVERFLOW) {
        Some(column) => Err(Error::HalfOverflow {
            row,
            column,
            value: values[column],
        }),
        None => Ok(values
            .iter()
            .flat_map(|value| f32_to_f16(*value).to_le_bytes())
            .collect()),
    }
}

/// Widens f16 values exactly. A last odd byte is ignored.
pub fn widen_f16(bytes: &[u8]) -> Vec<f32> {
    let halves = bytes.as_chunks::<2>().0.as_flattened();
    let mut values = vec![0.0; halves.len() / 2];
    Kernels::active().widen_f16(halves, &mut values);
    values
}
