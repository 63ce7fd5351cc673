//! From floats to codes.

use crate::Error;
use crate::scalar::compat;
use crate::scalar::{QuantizedVector, Scheme};
use tinyquant_codec::{Error as CodecError, ErrorCode, check_finite};
use tinyquant_kernels::{EmbeddingKernels, F16_OVERFLOW, Span};

/// Zero point of binary codes whose header holds the mean and the mean deviation. lnmp-quant writes 0 and never reads it.
pub(crate) const CENTRED: i8 = 1;

/// How codes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The nearest code; values that are not finite are refused.
    #[default]
    Accurate,
    /// The code that lnmp-quant 0.5.16 gives, for any values.
    Compat,
}

/// What is stored beside the codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// The step; of binary codes the mean distance from the mean, or 1.
    pub scale: f32,
    /// 1 for binary codes that come back as mean plus or minus `scale`, else 0.
    pub zero_point: i8,
    /// The least value; of binary codes the mean; of f16 0.
    pub min_val: f32,
}

impl Header {
    const UNUSED: Self = Self {
        scale: 1.0,
        zero_point: 0,
        min_val: 0.0,
    };
}

/// Quantizes one embedding.
///
/// # Errors
/// As [`quantize_into`], and `ERR_TQ_LIMIT` where there is no memory.
pub fn quantize(values: &[f32], scheme: Scheme, mode: Mode) -> Result<QuantizedVector, Error> {
    let dim = check_dim(values)?;
    let mut data = crate::memory::zeros::<u8>(scheme.data_len(values.len()))?;
    let header = quantize_into(values, scheme, mode, &mut data)?;
    Ok(QuantizedVector::from_checked(scheme, dim, header, data))
}

/// Quantizes one embedding into `out`, which has [`Scheme::data_len`] bytes.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for no values or another length of `out`; `ERR_TQ_LIMIT` for more than 2^32 - 1 values. With
/// [`Mode::Accurate`] also `ERR_TQ_NON_FINITE` with the column, and `ERR_TQ_LIMIT` where the difference of the extremes
/// overflows f32 or a value f16.
pub fn quantize_into(
    values: &[f32],
    scheme: Scheme,
    mode: Mode,
    out: &mut [u8],
) -> Result<Header, Error> {
    check_dim(values)?;
    if out.len() != scheme.data_len(values.len()) {
        let (expected, got) = (scheme.data_len(values.len()), out.len());
        return Err(Error::invalid(format!(
            "{} codes of {} values take {expected} bytes, got room for {got}",
            scheme.name(),
            values.len()
        )));
    }
    let kernels = EmbeddingKernels::active();
    if mode == Mode::Compat {
        return Ok(compat::codes(kernels, values, scheme, out));
    }
    if scheme == Scheme::Binary {
        return binary(kernels, values, out);
    }
    let span = kernels.span(values);
    if span.peak >= f32::INFINITY.to_bits() {
        check_finite(values, values.len())?;
    }
    match scheme {
        Scheme::Fp16 => fp16(kernels, values, span, out),
        Scheme::QInt8 => {
            let grid = Grid::new(span, 255.0)?;
            match grid.inverse {
                Some(inverse) => kernels.codes8(values, grid.min, inverse, out),
                None => {
                    for (out, value) in out.iter_mut().zip(values) {
                        *out = grid.code(*value) ^ 0x80;
                    }
                }
            }
            Ok(grid.header())
        }
        _ => {
            let grid = Grid::new(span, 15.0)?;
            match grid.inverse {
                Some(inverse) => kernels.codes4(values, grid.min, inverse, out),
                None => {
                    for (out, pair) in out.iter_mut().zip(values.chunks(2)) {
                        let low = pair.get(1).map_or(0, |value| grid.code(*value));
                        *out = grid.code(pair[0]) << 4 | low;
                    }
                }
            }
            Ok(grid.header())
        }
    }
}

fn check_dim(values: &[f32]) -> Result<u32, Error> {
    if values.is_empty() {
        return Err(CodecError::InvalidDimension.into());
    }
    u32::try_from(values.len()).map_err(|_| {
        let message = format!(
            "an embedding has at most 2^32 - 1 values, got {}",
            values.len()
        );
        Error::data(ErrorCode::Limit, message)
    })
}

/// Equal steps from the least value to the greatest.
struct Grid {
    min: f32,
    scale: f32,
    /// None where the inverse of the step overflows.
    inverse: Option<f32>,
    top: f32,
}

impl Grid {
    fn new(span: Span, top: f32) -> Result<Self, Error> {
        // The sum turns -0 into 0: which of two zeros comes first must not show.
        let min = span.min + 0.0;
        let range = span.max - min;
        if range == f32::INFINITY {
            let message = format!(
                "the values span {} to {}, which is more than f32 holds",
                span.min, span.max
            );
            return Err(Error::data(ErrorCode::Limit, message));
        }
        let scale = if range == 0.0 {
            1.0
        } else {
            (range / top).max(f32::from_bits(1))
        };
        let inverse = Some(1.0 / scale).filter(|inverse| inverse.is_finite());
        Ok(Self {
            min,
            scale,
            inverse,
            top,
        })
    }

    /// The code of one value, by a division.
    fn code(&self, value: f32) -> u8 {
        let steps = ((value - self.min) / self.scale).min(self.top);
        steps.round() as u8
    }

    const fn header(&self) -> Header {
        Header {
            scale: self.scale,
            zero_point: 0,
            min_val: self.min,
        }
    }
}

fn fp16(
    kernels: &EmbeddingKernels,
    values: &[f32],
    span: Span,
    out: &mut [u8],
) -> Result<Header, Error> {
    if span.peak >= F16_OVERFLOW.to_bits() {
        let beyond = |value: &&f32| value.abs() >= F16_OVERFLOW;
        if let Some((column, value)) = values.iter().enumerate().find(|(_, value)| beyond(value)) {
            let value = *value;
            return Err(CodecError::HalfOverflow {
                row: 0,
                column,
                value,
            }
            .into());
        }
    }
    kernels.narrow_f16(values, out);
    Ok(Header::UNUSED)
}

/// The mean `m` splits the values; of all `m + a` and `m - a`, `a` the mean of `|x - m|` has the least squared error.
fn binary(kernels: &EmbeddingKernels, values: &[f32], out: &mut [u8]) -> Result<Header, Error> {
    let count = values.len() as f32;
    let mut mean = kernels.sum(values) / count;
    let mut deviation = kernels.deviation(values, mean) / count;
    if !(mean.is_finite() && deviation.is_finite()) {
        check_finite(values, values.len())?;
        (mean, deviation) = wide_moments(values);
    }
    kernels.codes1(values, mean, out);
    Ok(Header {
        // What a bit stands for must not overflow.
        scale: deviation.min(f32::MAX - mean.abs()),
        zero_point: CENTRED,
        min_val: mean,
    })
}

/// Mean and mean deviation of values whose sums overflow f32.
fn wide_moments(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let apart = |value: &f32| (f64::from(*value) - mean).abs();
    let deviation = values.iter().map(apart).sum::<f64>() / count;
    (mean as f32, deviation as f32)
}

/// Header of values of which nothing has to be stored but themselves.
pub(crate) const fn unused_header() -> Header {
    Header::UNUSED
}
