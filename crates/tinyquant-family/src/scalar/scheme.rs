//! The four schemes, and what may be asked for instead of one.

use crate::Error;

/// How the values `x` of an embedding are stored. The forms are those of lnmp-quant 0.5.16; with [`super::Mode::Compat`]
/// the arithmetic is its as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// 256 steps from the least value to the greatest: `scale = (max - min) / 255`, `code = round((x - min) / scale) - 128`,
    /// back `(code + 128) * scale + min`.
    QInt8 = 1,
    /// Sixteen steps, two values a byte, the first in the high half: `scale = (max - min) / 15`,
    /// `code = round((x - min) / scale)`, back `code * scale + min`.
    QInt4 = 2,
    /// One bit a value, lowest first: whether it is at least the mean `m`; back `m + a` and `m - a` with `a` the mean of
    /// `|x - m|`, or 1 and -1 where the header says so.
    Binary = 3,
    /// IEEE binary16, to the nearest, ties to even.
    Fp16 = 4,
}

impl Scheme {
    /// Every scheme, in the order of the bytes that stand for them.
    pub const ALL: [Self; 4] = [Self::QInt8, Self::QInt4, Self::Binary, Self::Fp16];

    /// The scheme that a byte of the LNMP format stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| *scheme as u8 == byte)
    }

    /// The name in LNMP text and checksums.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QInt8 => "QInt8",
            Self::QInt4 => "QInt4",
            Self::Binary => "Binary",
            Self::Fp16 => "FP16Passthrough",
        }
    }

    /// The scheme with this name in LNMP text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// Bits of a value.
    pub const fn bits(self) -> usize {
        match self {
            Self::QInt8 => 8,
            Self::QInt4 => 4,
            Self::Binary => 1,
            Self::Fp16 => 16,
        }
    }

    /// Bytes of the codes of `dim` values.
    pub const fn data_len(self, dim: usize) -> usize {
        match self {
            Self::QInt8 => dim,
            Self::QInt4 => dim.div_ceil(2),
            Self::Binary => dim.div_ceil(8),
            Self::Fp16 => dim.saturating_mul(2),
        }
    }

    /// Most values that `len` bytes of codes hold, or none if no number of values takes so many bytes.
    pub fn dim_of(self, len: usize) -> Option<usize> {
        match self {
            Self::QInt8 => Some(len),
            Self::QInt4 => len.checked_mul(2),
            Self::Binary => len.checked_mul(8),
            Self::Fp16 => len.is_multiple_of(2).then_some(len / 2),
        }
    }

    /// Fails unless codes have the length of `dim` values and no spare bit is set.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT`; offsets are those in the codes plus `offset`.
    pub(crate) fn check_data(self, dim: u32, data: &[u8], offset: u64) -> Result<(), Error> {
        let expected = self.data_len(dim as usize);
        if data.len() != expected {
            let reason = format!(
                "{} codes of {dim} values take {expected} bytes, got {}",
                self.name(),
                data.len()
            );
            return Err(Error::malformed("DataCorrupted", offset, reason));
        }
        let spare = match self {
            Self::QInt4 if !dim.is_multiple_of(2) => 0x0f,
            Self::Binary if !dim.is_multiple_of(8) => 0xff_u8 << (dim % 8),
            _ => 0,
        };
        match data.last() {
            Some(last) if last & spare != 0 => Err(Error::malformed(
                "DataCorrupted",
                offset + expected as u64 - 1,
                "spare bits of the last code byte are not zero",
            )),
            _ => Ok(()),
        }
    }
}

/// How much accuracy is wanted; the data are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accuracy {
    /// [`Scheme::Fp16`].
    Maximum,
    /// [`Scheme::QInt8`].
    High,
    /// [`Scheme::QInt4`].
    Balanced,
    /// [`Scheme::Binary`].
    Compact,
}

impl Accuracy {
    /// The scheme for it.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Maximum => Scheme::Fp16,
            Self::High => Scheme::QInt8,
            Self::Balanced => Scheme::QInt4,
            Self::Compact => Scheme::Binary,
        }
    }
}

/// How much compression is wanted; the data are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// [`Scheme::Fp16`].
    Conservative,
    /// [`Scheme::QInt8`].
    Moderate,
    /// [`Scheme::QInt4`].
    Aggressive,
    /// [`Scheme::Binary`].
    Maximum,
}

impl Compression {
    /// The scheme for it.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Conservative => Scheme::Fp16,
            Self::Moderate => Scheme::QInt8,
            Self::Aggressive => Scheme::QInt4,
            Self::Maximum => Scheme::Binary,
        }
    }
}
