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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounds_to_infinity_is_refused_by_its_place() {
        let most = F16_OVERFLOW.next_down();
        let bytes = narrow_f16(&[0.0, 1.0, most, -most], 3).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0x3c, 0xff, 0x7b, 0xff, 0xfb]);
        assert_eq!(widen_f16(&bytes), [0.0, 1.0, 65504.0, -65504.0]);
        for value in [F16_OVERFLOW, -F16_OVERFLOW] {
            let expected = Error::HalfOverflow {
                row: 3,
                column: 1,
                value,
            };
            assert_eq!(narrow_f16(&[0.0, value], 3), Err(expected));
        }
    }

    #[test]
    fn a_last_odd_byte_is_ignored() {
        assert_eq!(widen_f16(&[0, 0x3c, 7]), [1.0]);
        assert!(widen_f16(&[7]).is_empty());
    }
}
