//! Quantized vectors of one codec.

use super::packing::packed_len;
use super::sketch::{MAX_GAUSSIAN, SketchKind};
use crate::Error;
use crate::memory::zeros;
use tinyquant_codec::{Detail, ErrorCode, MAX_DIMENSION};

/// How vectors are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Optimal levels of the rotated coordinates.
    Mse {
        /// Whether the norm that is stored makes inner products right on average, in place of reconstructions best.
        unbiased: bool,
    },
    /// Levels with one bit less, and a sketch of what they leave.
    Prod {
        /// Projections of the sketch.
        sketch: SketchKind,
    },
}

/// What codec and rows have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsSpec {
    dim: usize,
    bits: u8,
    seed: u64,
    method: Method,
}

impl RowsSpec {
    /// Vectors of `dim` components (2 to 16384; 8192 with a Gaussian sketch) at `bits` a component: 1 to 8, or 1 to 9 with
    /// a sketch.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`.
    pub fn new(dim: usize, bits: u8, seed: u64, method: Method) -> Result<Self, Error> {
        let (most, limit) = match method {
            Method::Mse { .. } => (8, MAX_DIMENSION),
            Method::Prod {
                sketch: SketchKind::Gaussian,
            } => (9, MAX_GAUSSIAN),
            Method::Prod {
                sketch: SketchKind::Rotation,
            } => (9, MAX_DIMENSION),
        };
        if !(2..=limit).contains(&dim) {
            return Err(Error::invalid(format!(
                "dim must be from 2 to {limit}, got {dim}"
            )));
        }
        if !(1..=most).contains(&bits) {
            return Err(Error::invalid(format!(
                "bits must be from 1 to {most}, got {bits}"
            )));
        }
        Ok(Self {
            dim,
            bits,
            seed,
            method,
        })
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Bits of a component, those of a sketch included.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The seed of the rotation.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How vectors are quantized.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Bytes of a row: packed codes and a norm, and for a sketch a second norm and packed signs.
    pub fn row_bytes(&self) -> usize {
        let sketch = if self.has_sketch() {
            4 + self.sign_bytes()
        } else {
            0
        };
        4 + self.code_bytes() + sketch
    }

    /// Bits of a code.
    pub(crate) fn code_bits(&self) -> u8 {
        self.bits - u8::from(self.has_sketch())
    }

    pub(crate) fn has_sketch(&self) -> bool {
        matches!(self.method, Method::Prod { .. })
    }

    pub(crate) fn code_bytes(&self) -> usize {
        packed_len(self.dim, self.code_bits())
    }

    /// Bytes of the signs of a row; 0 without a sketch.
    pub(crate) fn sign_bytes(&self) -> usize {
        if self.has_sketch() {
            packed_len(self.dim, 1)
        } else {
            0
        }
    }
}

impl std::fmt::Display for RowsSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let method = match self.method {
            Method::Mse { unbiased: false } => "mse",
            Method::Mse { unbiased: true } => "unbiased mse",
            Method::Prod {
                sketch: SketchKind::Gaussian,
            } => "prod",
            Method::Prod {
                sketch: SketchKind::Rotation,
            } => "prod with a rotation sketch",
        };
        let Self {
            dim, bits, seed, ..
        } = self;
        write!(f, "{method}, dim {dim}, {bits} bits, seed {seed}")
    }
}

/// Rows that a codec made. Row `i` has its norm, `ceil(dim * code bits / 8)` bytes of codes, and for a sketch the norm of
/// the residual and `ceil(dim / 8)` bytes of signs.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedRows {
    pub(crate) spec: RowsSpec,
    pub(crate) len: usize,
    pub(crate) norms: Vec<f32>,
    pub(crate) codes: Vec<u8>,
    /// Lengths of the residuals of the vectors brought to length 1.
    pub(crate) residual_norms: Vec<f32>,
    pub(crate) signs: Vec<u8>,
}

/// Some rows and where their codes go.
pub(crate) struct Strip<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) norms: &'a mut [f32],
    pub(crate) codes: &'a mut [u8],
    pub(crate) residual_norms: &'a mut [f32],
    pub(crate) signs: &'a mut [u8],
}

impl QuantizedRows {
    /// No rows.
    pub(crate) fn empty(spec: RowsSpec) -> Self {
        Self {
            spec,
            len: 0,
            norms: vec![],
            codes: vec![],
            residual_norms: vec![],
            signs: vec![],
        }
    }

    /// So many rows of zeros.
    pub(crate) fn zeroed(spec: RowsSpec, len: usize) -> Result<Self, Error> {
        let residuals = if spec.has_sketch() { len } else { 0 };
        Ok(Self {
            spec,
            len,
            norms: zeros(len)?,
            codes: zeros(len.saturating_mul(spec.code_bytes()))?,
            residual_norms: zeros(residuals)?,
            signs: zeros(len.saturating_mul(spec.sign_bytes()))?,
        })
    }

    /// What the rows have in common.
    pub fn spec(&self) -> RowsSpec {
        self.spec
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the rows.
    pub fn nbytes(&self) -> usize {
        self.len * self.spec.row_bytes()
    }

    /// The norm of each row as it is stored: the length of the vector, or what makes its inner products unbiased.
    pub fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// Packed codes, row after row; code `i` of a row has bits `i * b` to `i * b + b - 1`, lowest first.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// Lengths of the residuals of the vectors brought to length 1; empty without a sketch.
    pub fn residual_norms(&self) -> &[f32] {
        &self.residual_norms
    }

    /// Packed signs, row after row, 1 for a projection that is not negative; empty without a sketch.
    pub fn signs(&self) -> &[u8] {
        &self.signs
    }

    /// Packed codes and signs of rows from `first` on.
    pub(crate) fn packed(&self, first: usize, count: usize) -> (&[u8], &[u8]) {
        let part = |bytes: usize| first * bytes..(first + count) * bytes;
        (
            &self.codes[part(self.spec.code_bytes())],
            &self.signs[part(self.spec.sign_bytes())],
        )
    }

    /// Cuts zeroed rows into strips of `strip` rows.
    pub(crate) fn strips<'a>(&'a mut self, values: &'a [f32], strip: usize) -> Vec<Strip<'a>> {
        let (code_bytes, sign_bytes) = (self.spec.code_bytes(), self.spec.sign_bytes());
        let mut norms = self.norms.as_mut_slice();
        let mut codes = self.codes.as_mut_slice();
        let mut residual_norms = self.residual_norms.as_mut_slice();
        let mut signs = self.signs.as_mut_slice();
        let has_sketch = self.spec.has_sketch();
        let cut = values.chunks(strip * self.spec.dim);
        cut.map(|values| {
            let count = values.len() / self.spec.dim;
            let residuals = if has_sketch { count } else { 0 };
            Strip {
                values,
                norms: norms.split_off_mut(..count).unwrap_or_default(),
                codes: codes
                    .split_off_mut(..count * code_bytes)
                    .unwrap_or_default(),
                residual_norms: residual_norms
                    .split_off_mut(..residuals)
                    .unwrap_or_default(),
                signs: signs
                    .split_off_mut(..count * sign_bytes)
                    .unwrap_or_default(),
            }
        })
        .collect()
    }

    /// Appends rows of the same kind, from `first` on.
    pub(crate) fn append(&mut self, other: &Self, first: usize, count: usize) {
        let (codes, signs) = other.packed(first, count);
        self.codes.extend_from_slice(codes);
        self.signs.extend_from_slice(signs);
        self.norms
            .extend_from_slice(&other.norms[first..first + count]);
        if self.spec.has_sketch() {
            self.residual_norms
                .extend_from_slice(&other.residual_norms[first..first + count]);
        }
        self.len += count;
    }

    /// Drops the rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.norms.truncate(len);
        self.residual_norms.truncate(len);
        self.codes.truncate(len * self.spec.code_bytes());
        self.signs.truncate(len * self.spec.sign_bytes());
    }

    /// Fails unless the rows were made by a codec like the one given.
    pub(crate) fn check_made_by(&self, codec: RowsSpec) -> Result<(), Error> {
        if self.spec == codec {
            return Ok(());
        }
        Err(Error::Data {
            code: ErrorCode::ConfigMismatch,
            details: vec![
                ("expected", Detail::Text(codec.to_string())),
                ("got", Detail::Text(self.spec.to_string())),
            ],
            message: format!(
                "the rows were quantized by another codec ({}), expected {codec}",
                self.spec
            ),
        })
    }
}
