//! The codecs: a rotation, levels of its coordinates, and for inner products a sketch of what they leave.

use super::codebook::Codebook;
use super::decoder::{Decoder, Queries};
use super::encoder::Encoder;
use super::levels::Levels;
use super::parallel;
use super::rotation::Rotation;
use super::rows::{Method, QuantizedRows, RowsSpec};
use super::sketch::{Sketch, SketchKind};
use crate::Error;
use crate::memory::zeros;
use std::ops::Deref;
use tinyquant_codec::{Control, Detail, ErrorCode, check_finite, rows_of};

/// Rows that a thread codes at a time: whole tiles.
const STRIP: usize = 256;

/// Rows that a thread scores at a time.
const SCORED: usize = 1024;

/// Vectors to rows of codes and back, and inner products of queries with rows.
///
/// Work is spread over the current rayon pool where this is one of its threads; results do not depend on the number of
/// threads or the CPU.
#[derive(Debug)]
pub struct RowCodec {
    pub(crate) spec: RowsSpec,
    pub(crate) rotation: Rotation,
    /// None where the sketch has the only bit.
    pub(crate) levels: Option<Levels>,
    pub(crate) sketch: Option<Sketch>,
}

impl RowCodec {
    /// A codec that the specification decides.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` if there is no memory for a rotation.
    pub fn new(spec: RowsSpec) -> Result<Self, Error> {
        let (dim, seed) = (spec.dim(), spec.seed());
        let levels = match spec.code_bits() {
            0 => None,
            bits => Some(Levels::new(Codebook::new(dim, bits)?)),
        };
        let sketch = match spec.method() {
            Method::Mse { .. } => None,
            Method::Prod { sketch } => Some(Sketch::new(dim, seed, sketch)?),
        };
        Ok(Self {
            spec,
            rotation: Rotation::new(dim, seed)?,
            levels,
            sketch,
        })
    }

    /// What decides the codec.
    pub fn spec(&self) -> RowsSpec {
        self.spec
    }

    /// Bytes of the rotation and the sketch, with those that are made at first use.
    pub fn nbytes(&self) -> usize {
        self.rotation.nbytes() + self.sketch.as_ref().map_or(0, Sketch::nbytes)
    }

    /// The levels of a coordinate; none for a sketch of one bit.
    pub fn codebook(&self) -> Option<&Codebook> {
        self.levels.as_ref().map(Levels::codebook)
    }

    /// Quantizes `n * dim` values, row after row; no values give no rows.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH` unless the rows are whole, `ERR_TQ_NON_FINITE` with row and column, `ERR_TQ_LIMIT` for a row
    /// whose length is beyond f32 or where memory is refused, `ERR_TQ_ABORTED`.
    pub fn quantize(&self, values: &[f32], control: &Control<'_>) -> Result<QuantizedRows, Error> {
        let len = rows_of(values, self.spec.dim())?;
        let mut rows = QuantizedRows::zeroed(self.spec, len)?;
        let strips = rows.strips(values, STRIP);
        let init = || Encoder::new(self);
        parallel::each(strips, len, control, init, |encoder, mut strip| {
            let count = strip.norms.len();
            encoder.strip(&mut strip);
            (count, ())
        })?;
        // Of values that are not finite no length is: so they need no look of their own.
        match rows.norms.iter().position(|norm| !norm.is_finite()) {
            Some(row) => {
                check_finite(values, self.spec.dim())?;
                Err(length_error(values, self.spec.dim(), row))
            }
            None => Ok(rows),
        }
    }

    /// The vectors that rows stand for, `n * dim` values.
    ///
    /// # Errors
    /// `ERR_TQ_CONFIG_MISMATCH` for rows of another codec, `ERR_TQ_LIMIT`, `ERR_TQ_ABORTED`.
    pub fn dequantize(
        &self,
        rows: &QuantizedRows,
        control: &Control<'_>,
    ) -> Result<Vec<f32>, Error> {
        rows.check_made_by(self.spec)?;
        let dim = self.spec.dim();
        let mut out = zeros(rows.len().saturating_mul(dim))?;
        let strips = out.chunks_mut(STRIP * dim).enumerate().collect();
        let init = || Decoder::new(self);
        parallel::each(strips, rows.len(), control, init, |decoder, (at, out)| {
            decoder.reconstruct(rows, at * STRIP, out);
            (out.len() / dim, ())
        })?;
        Ok(out)
    }

    /// Inner products of `m * dim` values of queries with the vectors that rows stand for: `m * n` values, those of the first
    /// query first. Queries are rotated once, rows never back.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_CONFIG_MISMATCH`, `ERR_TQ_LIMIT`, `ERR_TQ_ABORTED`.
    pub fn score(
        &self,
        queries: &[f32],
        rows: &QuantizedRows,
        control: &Control<'_>,
    ) -> Result<Vec<f32>, Error> {
        rows.check_made_by(self.spec)?;
        let count = check_rows(queries, self.spec.dim())?;
        let len = rows.len();
        let mut out = zeros(count.saturating_mul(len))?;
        if out.is_empty() {
            return Ok(out);
        }
        let queries = Queries::new(self, queries);
        let mut parts: Vec<Vec<&mut [f32]>> = (0..len.div_ceil(SCORED)).map(|_| vec![]).collect();
        for row in out.chunks_mut(len) {
            for (part, scores) in parts.iter_mut().zip(row.chunks_mut(SCORED)) {
                part.push(scores);
            }
        }
        let strips = parts.into_iter().enumerate().collect();
        let init = || Decoder::new(self);
        parallel::each(strips, len, control, init, |decoder, (at, mut scores)| {
            decoder.score(&queries, rows, at * SCORED, &mut scores);
            (scores.first().map_or(0, |scores| scores.len()), ())
        })?;
        Ok(out)
    }
}

/// Fails for rows that are not whole or not finite; returns how many there are.
pub(crate) fn check_rows(values: &[f32], dim: usize) -> Result<usize, Error> {
    let len = rows_of(values, dim)?;
    check_finite(values, dim)?;
    Ok(len)
}

/// The error for a row whose length is beyond f32.
fn length_error(values: &[f32], dim: usize, row: usize) -> Error {
    let values = values[row * dim..(row + 1) * dim].iter();
    let squares = values.map(|value| f64::from(*value).powi(2));
    Error::Data {
        code: ErrorCode::Limit,
        details: vec![("row", Detail::Int(row as i64))],
        message: format!(
            "row {row}: its length {:e} is beyond the range of f32, {:e}",
            squares.sum::<f64>().sqrt(),
            f32::MAX
        ),
    }
}

/// TurboQuant for least squared error (arXiv 2504.19874, algorithm 1): the coordinates of the rotated unit vector become
/// indices of optimal levels, and the norm is kept: `bits * dim + 32` bits a vector. With the rotation `R` and the levels `c`
/// divided by `sqrt(dim)`, a reconstruction is `|x| R^T c[index]` and a score `|x| <R q, c[index]>`.
///
/// Inner products with reconstructions shrink by the distortion of the codebook on average, 12 % at 2 bits and 0.9 % at 4.
/// With `unbiased` the norm that is kept is `|x| / <u, û>` instead, for the unit vector `u` and its levels `û`: inner
/// products are then right on average and vary by `D / (1 - D) / dim`, where those of [`ProdCodec`] vary by
/// `(pi/2) D' / dim` with the distortion `D'` of one bit less. Reconstructions are worse by the factor `1 / (1 - D)`.
#[derive(Debug)]
pub struct MseCodec(RowCodec);

impl MseCodec {
    /// A codec of vectors of `dim` components (2 to 16384) at 1 to 8 bits.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`, `ERR_TQ_LIMIT`.
    pub fn new(dim: usize, bits: u8, seed: u64, unbiased: bool) -> Result<Self, Error> {
        let spec = RowsSpec::new(dim, bits, seed, Method::Mse { unbiased })?;
        Ok(Self(RowCodec::new(spec)?))
    }
}

impl Deref for MseCodec {
    type Target = RowCodec;

    fn deref(&self) -> &RowCodec {
        &self.0
    }
}

/// TurboQuant for inner products (arXiv 2504.19874, algorithm 2): levels of `bits - 1` bits, and the signs of `dim` random
/// projections of what they leave, with its length: `bits * dim + 64` bits a vector. Inner products are right on average
/// for any two vectors: with the levels `û`, the residual `r = R x / |x| - û` and the projections `S`, a score is
/// `|x| (<R q, û> + sqrt(pi/2) / dim |r| <S R q, sign(S r)>)`.
#[derive(Debug)]
pub struct ProdCodec(RowCodec);

impl ProdCodec {
    /// A codec of vectors of `dim` components (2 to 16384, 8192 with a Gaussian sketch) at 1 to 9 bits. A Gaussian sketch has
    /// a matrix of `2 * dim^2` bytes, which the first use makes.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`, `ERR_TQ_LIMIT`.
    pub fn new(dim: usize, bits: u8, seed: u64, sketch: SketchKind) -> Result<Self, Error> {
        let spec = RowsSpec::new(dim, bits, seed, Method::Prod { sketch })?;
        Ok(Self(RowCodec::new(spec)?))
    }
}

impl Deref for ProdCodec {
    type Target = RowCodec;

    fn deref(&self) -> &RowCodec {
        &self.0
    }
}
