//! lnmp-quant 0.5.16 as it is: its arithmetic for any values, and its checks, with vectors whose parts need not fit
//! each other.
//!
//! Sources: the published crates lnmp-quant and lnmp-embedding 0.5.16. Errors carry the name of their variant as `kind`.

use crate::Error;
use crate::scalar::dequantize::{Parts, decode};
use crate::scalar::quantize::unused_header;
use crate::scalar::{Header, Reading, Scheme};
use tinyquant_codec::{Detail, ErrorCode};
use tinyquant_kernels::{EmbeddingKernels, f32_to_f16};

/// Below this a range counts as none, and a step is not inverted.
const TINY: f32 = 1e-10;

/// A quantized vector whose parts nobody has checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RawVector {
    /// How values are coded.
    pub scheme: Scheme,
    /// How many values it claims to have.
    pub dim: u32,
    /// Scale, zero point and least value.
    pub header: Header,
    /// Codes.
    pub data: Vec<u8>,
}

/// Type of the values of an embedding that is given as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dtype {
    /// Little-endian f32.
    F32 = 1,
    /// Little-endian f16.
    F16 = 2,
    /// Bytes with a sign.
    I8 = 3,
    /// Bytes without a sign.
    U8 = 4,
    /// Bits.
    Binary = 5,
}

impl Dtype {
    /// Every type, in the order of the bytes that stand for them.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::I8, Self::U8, Self::Binary];

    /// The type that a byte of the LNMP format stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| *dtype as u8 == byte)
    }

    /// Bytes of `dim` values; binary ones are packed.
    pub const fn data_len(self, dim: usize) -> usize {
        match self {
            Self::F32 => dim.saturating_mul(4),
            Self::F16 => dim.saturating_mul(2),
            Self::I8 | Self::U8 => dim,
            Self::Binary => dim.div_ceil(8),
        }
    }
}

/// Quantizes an embedding given as bytes. `dim` is what the embedding claims and is copied, whatever the number of bytes.
///
/// # Errors
/// `EncodingFailed` for a type other than f32 or bytes that are no whole values, `InvalidDimension` for a `dim` of 0 or no
/// values; both `ERR_TQ_INVALID_ARG`.
pub fn quantize(dtype: Dtype, dim: u16, data: &[u8], scheme: Scheme) -> Result<RawVector, Error> {
    if dtype != Dtype::F32 {
        let message = format!("only F32 embeddings can be quantized, got {dtype:?}");
        return Err(failure(ErrorCode::InvalidArg, "EncodingFailed", message));
    }
    let (values, rest) = data.as_chunks::<4>();
    if !rest.is_empty() {
        let message = format!("{} bytes are no whole number of f32 values", data.len());
        return Err(failure(ErrorCode::InvalidArg, "EncodingFailed", message));
    }
    if dim == 0 || values.is_empty() {
        let message = format!(
            "dim {dim} and {} values: there must be at least one",
            values.len()
        );
        return Err(failure(ErrorCode::InvalidArg, "InvalidDimension", message));
    }
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    let mut data = crate::memory::zeros::<u8>(scheme.data_len(values.len()))?;
    let header = codes(EmbeddingKernels::active(), &values, scheme, &mut data);
    Ok(RawVector {
        scheme,
        dim: dim.into(),
        header,
        data,
    })
}

/// Dequantizes as lnmp-quant does: codes of 4 bits and of one bit may be too few, which gives fewer values, or too many.
/// Memory is bounded by the codes.
///
/// # Errors
/// `InvalidDimension` (`ERR_TQ_INVALID_ARG`) for a `dim` of 0; `DataCorrupted` (`ERR_TQ_FORMAT`) where the codes of 8 bits
/// or f16 have another length.
pub fn dequantize(vector: &RawVector) -> Result<Vec<f32>, Error> {
    let RawVector {
        scheme,
        dim,
        header,
        ref data,
    } = *vector;
    if dim == 0 {
        let message = "dim is 0: there must be at least one value".to_owned();
        return Err(failure(ErrorCode::InvalidArg, "InvalidDimension", message));
    }
    let dim = dim as usize;
    let len = match scheme {
        Scheme::QInt8 | Scheme::Fp16 => {
            let expected = scheme.data_len(dim);
            if data.len() != expected {
                let message = format!("{dim} values take {expected} bytes, got {}", data.len());
                return Err(failure(ErrorCode::Format, "DataCorrupted", message));
            }
            dim
        }
        Scheme::QInt4 => dim.min(2 * data.len()),
        Scheme::Binary => dim.min(8 * data.len()),
    };
    let mut out = crate::memory::zeros::<f32>(len)?;
    let parts = Parts {
        scheme,
        header: Header {
            zero_point: 0,
            ..header
        },
        data: &data[..scheme.data_len(len)],
    };
    decode(parts, Reading::AsStored, &mut out);
    Ok(out)
}

/// Dequantizes with the function of one scheme.
///
/// # Errors
/// `InvalidScheme` (`ERR_TQ_INVALID_ARG`) for a vector of another scheme; else as [`dequantize`].
pub fn dequantize_as(vector: &RawVector, scheme: Scheme) -> Result<Vec<f32>, Error> {
    if vector.scheme != scheme {
        let message = format!("expected {}, got {}", scheme.name(), vector.scheme.name());
        return Err(failure(ErrorCode::InvalidArg, "InvalidScheme", message));
    }
    dequantize(vector)
}

fn failure(code: ErrorCode, kind: &str, message: String) -> Error {
    Error::Data {
        code,
        details: vec![("kind", Detail::Text(kind.to_owned()))],
        message,
    }
}

/// Codes and header of at least one value; `out` has the length of the scheme.
pub(crate) fn codes(
    kernels: &EmbeddingKernels,
    values: &[f32],
    scheme: Scheme,
    out: &mut [u8],
) -> Header {
    match scheme {
        Scheme::QInt8 | Scheme::QInt4 => {
            let (min, max) = extremes(kernels, values);
            let range = max - min;
            let scale = match (range.abs() < TINY, scheme) {
                (true, _) => 1.0,
                (false, Scheme::QInt8) => range / 255.0,
                (false, _) => range / 15.0,
            };
            let inverse = if scale.abs() > TINY { 1.0 / scale } else { 1.0 };
            if scheme == Scheme::QInt8 {
                kernels.codes8_below(values, min, inverse, out);
            } else {
                kernels.codes4(values, min, inverse, out);
            }
            Header {
                scale,
                zero_point: 0,
                min_val: min,
            }
        }
        Scheme::Binary => {
            // One sum in index order: another order moves values across the mean. Of negative zeros it is one.
            let mut sum = -0.0;
            for value in values {
                sum += value;
            }
            let mean = sum / values.len() as f32;
            kernels.codes1(values, mean, out);
            Header {
                scale: 1.0,
                zero_point: 0,
                min_val: mean,
            }
        }
        Scheme::Fp16 => {
            if kernels.span(values).peak > f32::INFINITY.to_bits() {
                for (out, value) in out.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    *out = half(*value).to_le_bytes();
                }
            } else {
                kernels.narrow_f16(values, out);
            }
            unused_header()
        }
    }
}

/// The extremes by comparisons from left to right that take a NaN for equal.
fn extremes(kernels: &EmbeddingKernels, values: &[f32]) -> (f32, f32) {
    let span = kernels.span(values);
    if span.peak <= f32::INFINITY.to_bits() {
        let first_zero = || values.iter().copied().find(|value| *value == 0.0);
        let min = if span.min == 0.0 { first_zero() } else { None };
        return (min.unwrap_or(span.min), span.max);
    }
    let (mut min, mut max) = (values[0], values[0]);
    for value in &values[1..] {
        if min > *value {
            min = *value;
        }
        // The negation is meant: an unordered pair takes the new value.
        #[allow(
            clippy::neg_cmp_op_on_partial_ord,
            reason = "a NaN must take this branch"
        )]
        if !(max > *value) {
            max = *value;
        }
    }
    (min, max)
}

/// To f16 with the upper bits of a NaN kept and its quiet bit set.
fn half(value: f32) -> u16 {
    if value.is_nan() {
        let bits = value.to_bits();
        return (bits >> 16 & 0x8000) as u16 | 0x7e00 | (bits >> 13 & 0x03ff) as u16;
    }
    f32_to_f16(value)
}
