//! A walk over bytes that may come from a stranger.

use crate::Error;
use crate::lnmp::varint;
use tinyquant_codec::Error as CodecError;

/// Bytes, and how many of them have been read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of the first byte, for messages.
    base: u64,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self::from_offset(bytes, 0)
    }

    pub(crate) const fn from_offset(bytes: &'a [u8], base: u64) -> Self {
        Self { bytes, at: 0, base }
    }

    /// Where the next byte stands.
    pub(crate) const fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// How many bytes are left.
    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// A reader of the same bytes from the same place.
    pub(crate) const fn fork(&self) -> Self {
        Self {
            bytes: self.bytes,
            at: self.at,
            base: self.base,
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(CodecError::Truncated {
                needed: self.offset().saturating_add(len as u64),
                got: self.base + self.bytes.len() as u64,
            }
            .into()),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<i64, Error> {
        match varint::read(&self.bytes[self.at..]) {
            Ok(Some((value, used))) => {
                self.at += used;
                Ok(value)
            }
            Ok(None) => Err(CodecError::Truncated {
                needed: self.base + self.bytes.len() as u64 + 1,
                got: self.base + self.bytes.len() as u64,
            }
            .into()),
            Err(reason) => Err(Error::malformed("InvalidVarInt", self.offset(), reason)),
        }
    }

    /// A length or a count: an integer that is not negative. Whether as many bytes follow is not looked at.
    pub(crate) fn length(&mut self, what: &str) -> Result<usize, Error> {
        let at = self.offset();
        let value = self.varint()?;
        usize::try_from(value)
            .map_err(|_| Error::malformed("InvalidLength", at, format!("{value} {what}")))
    }

    /// Fails unless everything has been read.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.remaining() == 0 {
            return Ok(());
        }
        let reason = format!("{} bytes too many", self.remaining());
        Err(Error::malformed("TrailingBytes", self.offset(), reason))
    }
}
