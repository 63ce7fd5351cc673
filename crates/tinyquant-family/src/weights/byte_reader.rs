//! Reading the fields of a byte format one after another.

use crate::Error;
use tinyquant_codec::{Error as CodecError, ErrorCode};

/// Bytes and how far they were read.
pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next field.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let rest = self.rest();
        let Some(taken) = rest.get(..len) else {
            return Err(CodecError::Truncated {
                needed: (self.at as u64).saturating_add(len as u64),
                got: self.bytes.len() as u64,
            }
            .into());
        };
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut field = [0; N];
        field.copy_from_slice(self.take(N)?);
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// `count` values of f32, all of them finite.
    pub(crate) fn f32s(&mut self, count: usize) -> Result<Vec<f32>, Error> {
        let start = self.at;
        let bytes = self.take(count.saturating_mul(4))?;
        let values: Vec<f32> = floats(bytes);
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => Err(malformed(
                "NonFinite",
                start + 4 * at,
                format!("the value {} is not finite", values[at]),
            )),
        }
    }

    /// Fails unless the next bytes are `magic`.
    pub(crate) fn magic(&mut self, magic: [u8; 4], what: &str) -> Result<(), Error> {
        let offset = self.at;
        if self.array::<4>()? == magic {
            return Ok(());
        }
        let name = String::from_utf8_lossy(&magic);
        Err(malformed(
            "Magic",
            offset,
            format!("these bytes are no {what}: {name} was expected"),
        ))
    }

    /// Fails unless the next byte is `version`.
    pub(crate) fn version(&mut self, version: u8) -> Result<(), Error> {
        let offset = self.at as u64;
        match self.u8()? {
            got if got == version => Ok(()),
            got => Err(CodecError::UnknownVersion { got, offset }.into()),
        }
    }

    /// Fails unless nothing is left.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.rest().len() {
            0 => Ok(()),
            left => Err(malformed(
                "Trailing",
                self.at,
                format!("{left} bytes too many"),
            )),
        }
    }
}

/// Little-endian f32 values; bytes after the last whole one are left out.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    let fields = bytes.as_chunks::<4>().0;
    fields
        .iter()
        .map(|field| f32::from_le_bytes(*field))
        .collect()
}

/// The error of bytes that do not follow their format.
pub(crate) fn malformed(kind: &'static str, offset: usize, reason: String) -> Error {
    CodecError::Malformed {
        kind,
        offset: offset as u64,
        reason,
    }
    .into()
}

/// The error of a checksum that does not match.
pub(crate) fn checksum(what: &str, stored: u32, computed: u32) -> Error {
    Error::data(
        ErrorCode::Checksum,
        format!("the checksum of {what} is {stored:#010x}, that of its bytes {computed:#010x}"),
    )
}

/// Appends the checksum of all bytes so far.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The bytes before a checksum that [`seal`] appended.
pub(crate) fn unseal<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8], Error> {
    let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
        return Err(CodecError::Truncated {
            needed: 4,
            got: bytes.len() as u64,
        }
        .into());
    };
    let (stored, computed) = (u32::from_le_bytes(*sum), crc32fast::hash(body));
    if stored == computed {
        Ok(body)
    } else {
        Err(checksum(what, stored, computed))
    }
}
