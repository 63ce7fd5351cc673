//! Embeddings as lnmp-embedding has them, and its similarities.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::scalar::compat::Dtype;
use tinyquant_codec::{Detail, ErrorCode};

/// The similarity byte that lnmp-embedding always writes and never reads.
const SIMILARITY: u8 = 1;

/// Values of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    dtype: Dtype,
    dim: u16,
    data: Vec<u8>,
}

impl Embedding {
    /// An embedding of its parts. Binary values take a bit or a byte each.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT` if the data have another length.
    pub fn new(dtype: Dtype, dim: u16, data: Vec<u8>) -> Result<Self, Error> {
        Self::check(dtype, dim, data.len(), 0)?;
        Ok(Self { dtype, dim, data })
    }

    /// An embedding of floats.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` for more than 65535 values.
    pub fn from_values(values: &[f32]) -> Result<Self, Error> {
        let dim = u16::try_from(values.len()).map_err(|_| {
            let message = format!(
                "an LNMP embedding has at most 65535 values, got {}",
                values.len()
            );
            Error::data(ErrorCode::Limit, message)
        })?;
        Ok(Self {
            dtype: Dtype::F32,
            dim,
            data: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        })
    }

    /// Type of the values.
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// How many values there are.
    pub const fn dim(&self) -> u16 {
        self.dim
    }

    /// The values, little-endian.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The values, if they are floats.
    pub fn values(&self) -> Option<Vec<f32>> {
        let floats = self.data.as_chunks::<4>().0.iter();
        (self.dtype == Dtype::F32).then(|| floats.map(|value| f32::from_le_bytes(*value)).collect())
    }

    /// Appends dimension, type, similarity byte and values.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.dim.to_le_bytes());
        out.extend_from_slice(&[self.dtype as u8, SIMILARITY]);
        out.extend_from_slice(&self.data);
    }

    /// Bytes that [`Embedding::write`] appends.
    pub const fn encoded_len(&self) -> usize {
        4 + self.data.len()
    }

    /// Reads what [`Embedding::write`] wrote, to the end of the bytes.
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(Reader::new(bytes))
    }

    pub(crate) fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        let dim = reader.u16()?;
        let at = reader.offset();
        let [dtype, _similarity] = reader.array()?;
        let Some(dtype) = Dtype::from_byte(dtype) else {
            let reason = format!("embedding type {dtype} is none of 1 to 5");
            return Err(Error::malformed("InvalidDtype", at, reason));
        };
        let at = reader.offset();
        let data = reader.take(reader.remaining())?;
        Self::check(dtype, dim, data.len(), at)?;
        Ok(Self {
            dtype,
            dim,
            data: data.to_vec(),
        })
    }

    fn check(dtype: Dtype, dim: u16, len: usize, offset: u64) -> Result<(), Error> {
        let expected = dtype.data_len(dim.into());
        if len == expected || (dtype == Dtype::Binary && len == usize::from(dim)) {
            return Ok(());
        }
        let reason = format!("{dim} values of type {dtype:?} take {expected} bytes, got {len}");
        Err(Error::malformed("DataCorrupted", offset, reason))
    }
}

/// Cosine of the angle as lnmp-embedding computes it: f32 sums in index order, 0 if either vector is zero, not kept within
/// -1 to 1.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH`.
pub fn cosine(a: &[f32], b: &[f32]) -> Result<f32, Error> {
    let product = dot(a, b)?;
    let (a, b) = (dot(a, a)?.sqrt(), dot(b, b)?.sqrt());
    Ok(if a == 0.0 || b == 0.0 {
        0.0
    } else {
        product / (a * b)
    })
}

/// Dot product as lnmp-embedding computes it.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH`.
pub fn dot(a: &[f32], b: &[f32]) -> Result<f32, Error> {
    sum(a, b, |x, y| x * y)
}

/// Euclidean distance as lnmp-embedding computes it.
///
/// # Errors
/// `ERR_TQ_DIM_MISMATCH`.
pub fn euclidean(a: &[f32], b: &[f32]) -> Result<f32, Error> {
    Ok(sum(a, b, |x, y| (x - y) * (x - y))?.sqrt())
}

fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> Result<f32, Error> {
    if a.len() != b.len() {
        return Err(Error::Data {
            code: ErrorCode::DimMismatch,
            details: vec![
                ("kind", Detail::Text("DimensionMismatch".to_owned())),
                ("expected", Detail::Int(a.len() as i64)),
                ("got", Detail::Int(b.len() as i64)),
            ],
            message: format!("embeddings of {} and of {} values", a.len(), b.len()),
        });
    }
    let mut sum = 0.0;
    for (x, y) in a.iter().zip(b) {
        sum += term(*x, *y);
    }
    Ok(sum)
}
