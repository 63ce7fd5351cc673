//! Products and distances of embeddings, without decoding them first.
//!
//! A code stands for `base + step * code`, so that sums over products of values come from exact integer sums over codes.
//! f16 and floats are summed in f64, a block at a time.

use crate::Error;
use crate::scalar::dequantize::{Parts, decode};
use crate::scalar::{QuantizedView, Reading, Scheme};
use tinyquant_codec::{Detail, Error as CodecError, ErrorCode, check_finite};
use tinyquant_kernels::{CodeSums, EmbeddingKernels, FloatSums};

/// Values that are looked at together; whole bytes of any code.
pub(crate) const BLOCK: usize = 512;

/// One of two embeddings.
#[derive(Debug, Clone, Copy)]
pub enum Side<'a> {
    /// As floats.
    Values(&'a [f32]),
    /// As codes.
    Codes(QuantizedView<'a>),
}

impl Side<'_> {
    fn dim(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Codes(view) => view.dim() as usize,
        }
    }

    /// Floats of a block.
    fn fill(&self, start: usize, out: &mut [f32]) {
        match self {
            Self::Values(values) => out.copy_from_slice(&values[start..start + out.len()]),
            Self::Codes(view) => {
                decode(view.parts().block(start, out.len()), Reading::AsStored, out);
            }
        }
    }

    /// Codes, unless the values are floats.
    fn codes(&self) -> Option<Parts<'_>> {
        match self {
            Self::Codes(view) if view.scheme() != Scheme::Fp16 => Some(view.parts()),
            _ => None,
        }
    }
}

impl Parts<'_> {
    /// The codes of `len` values from one that begins a byte.
    pub(crate) fn block(&self, start: usize, len: usize) -> Self {
        let from = start * self.scheme.bits() / 8;
        Self {
            data: &self.data[from..from + self.scheme.data_len(len)],
            ..*self
        }
    }

    /// What code 0 stands for, and the step to the next.
    fn line(&self) -> (f64, f64) {
        if self.scheme == Scheme::Binary {
            let (low, high) = self.poles();
            return (low.into(), f64::from(high) - f64::from(low));
        }
        (self.header.min_val.into(), self.header.scale.into())
    }

    /// The codes of all values of `out`, from 0 on, one a byte.
    fn unpack(&self, kernels: &EmbeddingKernels, out: &mut [u8]) {
        match self.scheme {
            Scheme::QInt4 => kernels.unpack4(self.data, out),
            Scheme::Binary => kernels.unpack1(self.data, out),
            _ => {
                for (out, code) in out.iter_mut().zip(self.data) {
                    *out = code ^ 0x80;
                }
            }
        }
    }
}

/// Sums over two vectors.
struct Sums {
    dot: f64,
    /// Squared lengths.
    a: f64,
    b: f64,
    /// Squared distance.
    apart: f64,
}

impl From<FloatSums> for Sums {
    fn from(sums: FloatSums) -> Self {
        Self {
            dot: sums.ab,
            a: sums.aa,
            b: sums.bb,
            apart: sums.apart,
        }
    }
}

/// Cosine of the angle, from -1 to 1; 0 if either vector is zero.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH`; `ERR_TQ_INVALID_ARG` for no values; `ERR_TQ_NON_FINITE` for floats that are not finite.
pub fn cosine(a: Side<'_>, b: Side<'_>) -> Result<f64, Error> {
    let sums = sums(a, b)?;
    let lengths = sums.a.sqrt() * sums.b.sqrt();
    if lengths == 0.0 {
        return Ok(0.0);
    }
    Ok((sums.dot / lengths).clamp(-1.0, 1.0))
}

/// Dot product.
///
/// # Errors
/// As [`cosine`].
pub fn dot(a: Side<'_>, b: Side<'_>) -> Result<f64, Error> {
    Ok(sums(a, b)?.dot)
}

/// Euclidean distance; 0 for equal codes.
///
/// # Errors
/// As [`cosine`].
pub fn euclidean(a: Side<'_>, b: Side<'_>) -> Result<f64, Error> {
    let squared = sums(a, b)?.apart;
    // Rounding may take a sum of squares below zero; a NaN stays one.
    Ok(if squared < 0.0 { 0.0 } else { squared.sqrt() })
}

/// Fails unless two vectors have the same number of values.
pub(crate) fn check_dims(expected: usize, got: usize) -> Result<(), Error> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Data {
        code: ErrorCode::DimMismatch,
        details: vec![
            ("kind", Detail::Text("DimensionMismatch".to_owned())),
            ("expected", Detail::Int(expected as i64)),
            ("got", Detail::Int(got as i64)),
        ],
        message: format!("vectors of {expected} and of {got} values cannot be compared"),
    })
}

fn sums(a: Side<'_>, b: Side<'_>) -> Result<Sums, Error> {
    check_dims(a.dim(), b.dim())?;
    if a.dim() == 0 {
        return Err(CodecError::InvalidDimension.into());
    }
    for side in [a, b] {
        if let Side::Values(values) = side {
            check_finite(values, values.len())?;
        }
    }
    Ok(match (a.codes(), b.codes()) {
        (Some(x), Some(y)) => of_codes(x, y, a.dim()),
        _ => of_floats(a, b),
    })
}

fn of_codes(a: Parts<'_>, b: Parts<'_>, dim: usize) -> Sums {
    let kernels = EmbeddingKernels::active();
    let mut sums = CodeSums::default();
    if a.scheme == Scheme::Binary && b.scheme == Scheme::Binary {
        sums = kernels.bit_sums(a.data, b.data);
    } else {
        let (mut left, mut right) = ([0; BLOCK], [0; BLOCK]);
        for start in (0..dim).step_by(BLOCK) {
            let len = BLOCK.min(dim - start);
            let (left, right) = (&mut left[..len], &mut right[..len]);
            a.block(start, len).unpack(kernels, left);
            b.block(start, len).unpack(kernels, right);
            let block = kernels.code_sums(left, right);
            sums.ab += block.ab;
            sums.a += block.a;
            sums.b += block.b;
            sums.aa += block.aa;
            sums.bb += block.bb;
        }
    }
    let ((base_a, step_a), (base_b, step_b)) = (a.line(), b.line());
    let [ab, sum_a, sum_b, aa, bb] =
        [sums.ab, sums.a, sums.b, sums.aa, sums.bb].map(|sum| sum as f64);
    let n = dim as f64;
    let gap = base_a - base_b;
    Sums {
        dot: n * base_a * base_b
            + base_a * step_b * sum_b
            + base_b * step_a * sum_a
            + step_a * step_b * ab,
        a: n * base_a * base_a + 2.0 * base_a * step_a * sum_a + step_a * step_a * aa,
        b: n * base_b * base_b + 2.0 * base_b * step_b * sum_b + step_b * step_b * bb,
        apart: n * gap * gap
            + 2.0 * gap * (step_a * sum_a - step_b * sum_b)
            + (step_a * step_a * aa + step_b * step_b * bb - 2.0 * (step_a * step_b * ab)),
    }
}

fn of_floats(a: Side<'_>, b: Side<'_>) -> Sums {
    let kernels = EmbeddingKernels::active();
    if let (Side::Values(a), Side::Values(b)) = (a, b) {
        return kernels.float_sums(a, b).into();
    }
    let mut sums = FloatSums::default();
    let (mut left, mut right) = ([0.0; BLOCK], [0.0; BLOCK]);
    for start in (0..a.dim()).step_by(BLOCK) {
        let len = BLOCK.min(a.dim() - start);
        let (left, right) = (&mut left[..len], &mut right[..len]);
        a.fill(start, left);
        b.fill(start, right);
        let block = kernels.float_sums(left, right);
        sums.ab += block.ab;
        sums.aa += block.aa;
        sums.bb += block.bb;
        sums.apart += block.apart;
    }
    sums.into()
}
