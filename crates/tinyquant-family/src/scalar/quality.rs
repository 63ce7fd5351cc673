//! How well a quantized embedding stands for the original.

use crate::Error;
use crate::scalar::dequantize::decode;
use crate::scalar::similarity::{BLOCK, check_dims};
use crate::scalar::{QuantizedView, Reading};
use tinyquant_codec::check_finite;

/// Sums of magnitudes below this count as none, as in lnmp-quant.
const TINY: f64 = 1e-10;

/// Figures over the values of one vector, summed in f64 in index order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The least value of the original.
    pub min: f32,
    /// The greatest value of the original.
    pub max: f32,
    /// Sum of the magnitudes of the errors over that of the values; 0 where the latter is below 1e-10.
    pub loss_ratio: f64,
    /// Mean of the squared errors.
    pub mean_squared_error: f64,
    /// Cosine of the angle between original and reconstruction; 0 where either is zero.
    pub cosine: f64,
}

/// Compares an embedding with what its quantized form decodes to.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH` for another number of values, `ERR_TQ_NON_FINITE` with the column.
pub fn quality(
    values: &[f32],
    quantized: &QuantizedView<'_>,
    reading: Reading,
) -> Result<Quality, Error> {
    check_dims(quantized.dim() as usize, values.len())?;
    check_finite(values, values.len())?;
    let mut decoded = [0.0; BLOCK];
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    let [mut errors, mut squares, mut magnitudes] = [0.0_f64; 3];
    let [mut dot, mut norm, mut other] = [0.0_f64; 3];
    for (block, values) in values.chunks(BLOCK).enumerate() {
        let decoded = &mut decoded[..values.len()];
        decode(
            quantized.parts().block(block * BLOCK, values.len()),
            reading,
            decoded,
        );
        for (value, decoded) in values.iter().zip(decoded) {
            (min, max) = (min.min(*value), max.max(*value));
            let (x, y) = (f64::from(*value), f64::from(*decoded));
            errors += (x - y).abs();
            squares += (x - y) * (x - y);
            magnitudes += x.abs();
            dot += x * y;
            norm += x * x;
            other += y * y;
        }
    }
    let lengths = norm.sqrt() * other.sqrt();
    Ok(Quality {
        min,
        max,
        loss_ratio: if magnitudes < TINY {
            0.0
        } else {
            errors / magnitudes
        },
        mean_squared_error: squares / values.len() as f64,
        cosine: if lengths == 0.0 {
            0.0
        } else {
            (dot / lengths).clamp(-1.0, 1.0)
        },
    })
}
