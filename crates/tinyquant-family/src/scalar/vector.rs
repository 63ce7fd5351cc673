//! One quantized embedding, and its binary form.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::lnmp::varint;
use crate::scalar::dequantize::Parts;
use crate::scalar::{Header, Mode, Reading, Scheme, quantize_into};
use tinyquant_codec::Error as CodecError;

/// Bytes of the fields before the length of the codes.
const FIXED: usize = 14;

/// The fields before the length of the codes.
fn head(scheme: Scheme, header: Header, dim: u32) -> [u8; FIXED] {
    let mut out = [0; FIXED];
    out[0] = scheme as u8;
    out[1..5].copy_from_slice(&header.scale.to_le_bytes());
    out[5] = header.zero_point as u8;
    out[6..10].copy_from_slice(&header.min_val.to_le_bytes());
    out[10..].copy_from_slice(&dim.to_le_bytes());
    out
}

/// Bytes of the binary form of `dim` values; none for no values.
pub(crate) fn body_len(scheme: Scheme, dim: usize) -> usize {
    let data = scheme.data_len(dim);
    match dim {
        0 => 0,
        _ => FIXED + varint::len(data as i64) + data,
    }
}

/// Quantizes into the binary form, for which `out` has exactly the room.
pub(crate) fn quantize_body(
    values: &[f32],
    scheme: Scheme,
    mode: Mode,
    out: &mut [u8],
) -> Result<(), Error> {
    let Some(start) = out.len().checked_sub(scheme.data_len(values.len())) else {
        return Err(CodecError::InvalidDimension.into());
    };
    let (front, data) = out.split_at_mut(start);
    let header = quantize_into(values, scheme, mode, data)?;
    let mut written = Vec::with_capacity(FIXED + varint::MAX_LEN);
    written.extend_from_slice(&head(scheme, header, values.len() as u32));
    varint::write(data.len() as i64, &mut written);
    front.copy_from_slice(&written);
    Ok(())
}

/// A quantized embedding whose codes lie elsewhere. All that a constructor lets pass fits together: there is at least one
/// value, the codes have the length of the scheme, and no spare bit is set. The numbers of the header may be anything,
/// since lnmp-quant stores a NaN or an infinity where its input has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantizedView<'a> {
    dim: u32,
    parts: (Scheme, Header),
    data: &'a [u8],
}

impl<'a> QuantizedView<'a> {
    /// A view of codes.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for a `dim` of 0, `ERR_TQ_FORMAT` for codes of another length or with spare bits set.
    pub fn new(scheme: Scheme, dim: u32, header: Header, data: &'a [u8]) -> Result<Self, Error> {
        if dim == 0 {
            return Err(CodecError::InvalidDimension.into());
        }
        scheme.check_data(dim, data, 0)?;
        Ok(Self {
            dim,
            parts: (scheme, header),
            data,
        })
    }

    /// Reads the binary form, which fills the bytes: scheme, scale, zero point, least value, dimension, length of the
    /// codes as a varint, codes; the body of an LNMP field of tag 10.
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let view = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(view)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let start = reader.offset();
        let byte = reader.u8()?;
        let Some(scheme) = Scheme::from_byte(byte) else {
            let reason = format!("scheme {byte} is none of 1 to 4");
            return Err(Error::malformed("InvalidScheme", start, reason));
        };
        let scale = f32::from_le_bytes(reader.array()?);
        let [zero_point] = reader.array::<1>()?.map(|byte| byte as i8);
        let min_val = f32::from_le_bytes(reader.array()?);
        let at = reader.offset();
        let dim = u32::from_le_bytes(reader.array()?);
        if dim == 0 {
            let reason = "a quantized vector of dimension 0";
            return Err(Error::malformed("InvalidDimension", at, reason));
        }
        let len = reader.length("codes")?;
        let at = reader.offset();
        let data = reader.take(len)?;
        scheme.check_data(dim, data, at)?;
        let header = Header {
            scale,
            zero_point,
            min_val,
        };
        Ok(Self {
            dim,
            parts: (scheme, header),
            data,
        })
    }

    /// Writes the binary form that [`QuantizedView::from_bytes`] reads.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&head(self.scheme(), self.header(), self.dim));
        varint::write(self.data.len() as i64, out);
        out.extend_from_slice(self.data);
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + varint::MAX_LEN + self.data.len());
        self.write(&mut out);
        out
    }

    /// CRC-32 (zlib's) of the binary form: unlike LNMP's own checksum it covers dimension and least value.
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.to_bytes())
    }

    /// How values are coded.
    pub const fn scheme(&self) -> Scheme {
        self.parts.0
    }

    /// How many values there are, at least 1.
    pub const fn dim(&self) -> u32 {
        self.dim
    }

    /// Scale, zero point and least value.
    pub const fn header(&self) -> Header {
        self.parts.1
    }

    /// The codes.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes of the values as f32 over bytes of the codes.
    pub fn compression_ratio(&self) -> f32 {
        (self.dim as f32 * 4.0) / self.data.len() as f32
    }

    /// A vector with a copy of the codes.
    pub fn to_vector(&self) -> QuantizedVector {
        QuantizedVector::from_checked(self.scheme(), self.dim, self.header(), self.data.to_vec())
    }

    pub(crate) const fn parts(&self) -> Parts<'a> {
        Parts {
            scheme: self.parts.0,
            header: self.parts.1,
            data: self.data,
        }
    }
}

/// A quantized embedding; see [`QuantizedView`] for what holds of its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedVector {
    scheme: Scheme,
    dim: u32,
    header: Header,
    data: Vec<u8>,
}

impl QuantizedVector {
    /// A vector of its parts.
    ///
    /// # Errors
    /// As [`QuantizedView::new`].
    pub fn new(scheme: Scheme, dim: u32, header: Header, data: Vec<u8>) -> Result<Self, Error> {
        QuantizedView::new(scheme, dim, header, &data)?;
        Ok(Self::from_checked(scheme, dim, header, data))
    }

    pub(crate) const fn from_checked(
        scheme: Scheme,
        dim: u32,
        header: Header,
        data: Vec<u8>,
    ) -> Self {
        Self {
            scheme,
            dim,
            header,
            data,
        }
    }

    /// Reads the binary form, as [`QuantizedView::from_bytes`].
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(QuantizedView::from_bytes(bytes)?.to_vector())
    }

    /// The same without its codes.
    pub fn view(&self) -> QuantizedView<'_> {
        QuantizedView {
            dim: self.dim,
            parts: (self.scheme, self.header),
            data: &self.data,
        }
    }

    /// How values are coded.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How many values there are, at least 1.
    pub const fn dim(&self) -> u32 {
        self.dim
    }

    /// Scale, zero point and least value.
    pub const fn header(&self) -> Header {
        self.header
    }

    /// The codes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.view().to_bytes()
    }

    /// The values as the format defines them.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` where there is no memory.
    pub fn dequantize(&self) -> Result<Vec<f32>, Error> {
        self.view().dequantize(Reading::AsStored)
    }
}
