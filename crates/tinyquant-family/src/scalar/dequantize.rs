//! From codes to floats.

use crate::Error;
use crate::scalar::quantize::CENTRED;
use crate::scalar::{Header, QuantizedView, Scheme};
use tinyquant_kernels::{EmbeddingKernels, Kernels};

/// Which value of its step a code of 8 bits stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// The one that the format defines: that of rounded codes.
    #[default]
    AsStored,
    /// Half a step above it: the middle of what a code stands for that was cut off below the point, as lnmp-quant and
    /// [`crate::scalar::Mode::Compat`] do. It takes away the bias of half a step. Other schemes read as stored.
    Midpoint,
}

/// Codes and their header.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) header: Header,
    /// As many bytes as the values take.
    pub(crate) data: &'a [u8],
}

impl Parts<'_> {
    /// What a bit of 0 and one of 1 stand for.
    pub(crate) fn poles(&self) -> (f32, f32) {
        let Header {
            scale,
            zero_point,
            min_val,
        } = self.header;
        if zero_point == CENTRED {
            (min_val - scale, min_val + scale)
        } else {
            (-1.0, 1.0)
        }
    }
}

/// Decodes; the codes have the length of `out.len()` values.
pub(crate) fn decode(parts: Parts<'_>, reading: Reading, out: &mut [f32]) {
    let Header { scale, min_val, .. } = parts.header;
    let kernels = EmbeddingKernels::active();
    match parts.scheme {
        Scheme::QInt8 => {
            let shift = if reading == Reading::Midpoint {
                0.5
            } else {
                0.0
            };
            kernels.values8(parts.data, shift, scale, min_val, out);
        }
        Scheme::QInt4 => kernels.values4(parts.data, scale, min_val, out),
        Scheme::Binary => {
            let (low, high) = parts.poles();
            kernels.values1(parts.data, low, high, out);
        }
        Scheme::Fp16 => Kernels::active().widen_f16(parts.data, out),
    }
}

impl QuantizedView<'_> {
    /// The values.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` where there is no memory.
    pub fn dequantize(&self, reading: Reading) -> Result<Vec<f32>, Error> {
        let mut out = crate::memory::zeros(self.dim() as usize)?;
        decode(self.parts(), reading, &mut out);
        Ok(out)
    }

    /// The values into `out`.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` unless `out` has room for exactly [`QuantizedView::dim`] values.
    pub fn dequantize_into(&self, reading: Reading, out: &mut [f32]) -> Result<(), Error> {
        if out.len() != self.dim() as usize {
            return Err(Error::invalid(format!(
                "the vector has {} values, got room for {}",
                self.dim(),
                out.len()
            )));
        }
        decode(self.parts(), reading, out);
        Ok(())
    }
}
