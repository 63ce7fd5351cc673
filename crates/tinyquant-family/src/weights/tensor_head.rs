//! The head of a stored tensor.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | magic `TQWT` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | kind of the values: 0 f32, 1 f16, 2 bf16, 3 i8, 4 u8 |
//! | 6 | 1 | method: 0 as they are, 1 grid, 2 codebook |
//! | 7 | 1 | bit 0: codes are packed; bit 1: the payload is a zstd frame; bit 2: a grid has an order |
//! | 8 | 1 | grid: largest code; codebook: bits of a code; else 0 |
//! | 9 | 1 | dimensions of the shape, 0 to 8 |
//! | 10 | 2 | codebook: levels of each; else 0 |
//! | 12 | 4 | grid: columns that share a scale, 0 for a row; codebook: 1 for one a row, 0 for one in all |
//! | 16 | 8 | bytes of the payload before zstd |
//! | 24 | 8 | bytes of the payload as stored |
//! | 32 | 4 | CRC-32 of the payload as stored |
//! | 36 | 4 | CRC-32 of the bytes before and of the shape |
//! | 40 | 8 each | lengths along the dimensions |
//!
//! All numbers are little-endian. The payload follows: of method 0 the values; of a grid the scales as f32, the order as
//! u32 and the codes; of a codebook the levels as f32 and the codes.

use super::byte_reader::{ByteReader, checksum, malformed};
use super::pack::packed_len;
use crate::Error;
use tinyquant_codec::ErrorCode;

const MAGIC: [u8; 4] = *b"TQWT";
const VERSION: u8 = 1;
/// Bytes before the shape.
const FIXED: usize = 40;
/// Most dimensions of a shape.
pub(crate) const MAX_RANK: usize = 8;

const PACKED: u8 = 1;
const ZSTD: u8 = 2;
const ORDERED: u8 = 4;

/// Kind of the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
    /// Signed bytes.
    I8,
    /// Bytes.
    U8,
}

impl Dtype {
    const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::I8, Self::U8];

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }

    /// The name: `f32`, `f16`, `bf16`, `i8` or `u8`.
    pub fn name(self) -> &'static str {
        ["f32", "f16", "bf16", "i8", "u8"][self as usize]
    }
}

/// How codes of less than 8 bits lie in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// A byte each: larger before zstd, and smaller after it.
    #[default]
    Bytes,
    /// Without gaps.
    Packed,
}

/// What was done to the values, as the head keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// The values as they are.
    Lossless,
    /// Integers times scales.
    Grid { qmax: u8, group: u32, ordered: bool },
    /// Indices of levels.
    Codebook { bits: u8, levels: u16, by_row: bool },
}

/// What the head of a stored tensor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorHead {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) coding: Coding,
    pub(crate) layout: Layout,
    pub(crate) is_zstd: bool,
    pub(crate) raw_len: usize,
    pub(crate) stored_len: usize,
    pub(crate) payload_sum: u32,
}

impl TensorHead {
    /// Kind of the values.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Lengths along the dimensions; none for a single value.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How the values were stored: `lossless`, `grid` or `codebook`.
    pub fn method(&self) -> &'static str {
        match self.coding {
            Coding::Lossless => "lossless",
            Coding::Grid { .. } => "grid",
            Coding::Codebook { .. } => "codebook",
        }
    }

    /// Bits of a value before zstd: of its code, or of the value itself.
    pub fn bits(&self) -> u8 {
        match self.coding {
            Coding::Lossless => self.dtype.size() as u8 * 8,
            Coding::Grid { qmax, .. } => bits_of(qmax),
            Coding::Codebook { bits, .. } => bits,
        }
    }

    /// How codes lie in the payload.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Values of the tensor.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Rows and columns: the last length, and the product of those before it.
    pub fn matrix(&self) -> (usize, usize) {
        match self.shape.split_last() {
            None => (1, 1),
            Some((cols, before)) => (before.iter().product(), *cols),
        }
    }

    /// Bytes of the head.
    pub(crate) fn len(&self) -> usize {
        FIXED + 8 * self.shape.len()
    }

    /// Bytes of the head and the payload.
    pub(crate) fn total_len(&self) -> usize {
        self.len() + self.stored_len
    }

    /// Bytes of the codes in the payload.
    pub(crate) fn codes_len(&self) -> Result<usize, Error> {
        match self.layout {
            Layout::Bytes => Ok(self.count()),
            Layout::Packed => packed_len(self.count(), self.bits()),
        }
    }

    /// Bytes that the payload must have before zstd.
    pub(crate) fn expected_len(&self) -> Result<usize, Error> {
        let (rows, cols) = self.matrix();
        let beside = match self.coding {
            Coding::Lossless => return times(self.count(), self.dtype.size()),
            Coding::Grid { group, ordered, .. } => {
                let groups = if group == 0 {
                    1
                } else {
                    cols.div_ceil(group as usize)
                };
                let order = if ordered { times(cols, 4)? } else { 0 };
                add(times(times(rows, groups)?, 4)?, order)?
            }
            Coding::Codebook { levels, by_row, .. } => {
                times(times(if by_row { rows } else { 1 }, levels.into())?, 4)?
            }
        };
        add(beside, self.codes_len()?)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (method, param, levels, group, ordered) = match self.coding {
            Coding::Lossless => (0, 0, 0, 0, false),
            Coding::Grid {
                qmax,
                group,
                ordered,
            } => (1, qmax, 0, group, ordered),
            Coding::Codebook {
                bits,
                levels,
                by_row,
            } => (2, bits, levels, u32::from(by_row), false),
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.layout == Layout::Packed, PACKED)
            | flag(self.is_zstd, ZSTD)
            | flag(ordered, ORDERED);
        let mut bytes = MAGIC.to_vec();
        bytes.extend([
            VERSION,
            self.dtype as u8,
            method,
            flags,
            param,
            self.shape.len() as u8,
        ]);
        bytes.extend(levels.to_le_bytes());
        bytes.extend(group.to_le_bytes());
        bytes.extend((self.raw_len as u64).to_le_bytes());
        bytes.extend((self.stored_len as u64).to_le_bytes());
        bytes.extend(self.payload_sum.to_le_bytes());
        let shape = self
            .shape
            .iter()
            .flat_map(|length| (*length as u64).to_le_bytes());
        let shape: Vec<u8> = shape.collect();
        let mut sum = crc32fast::Hasher::new();
        sum.update(&bytes);
        sum.update(&shape);
        bytes.extend(sum.finalize().to_le_bytes());
        bytes.extend(shape);
        bytes
    }

    /// Reads a head at the start of bytes. What follows it is not looked at.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`, `ERR_TQ_LIMIT` for sizes that memory
    /// cannot have.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = ByteReader::new(bytes);
        reader.magic(MAGIC, "stored tensor")?;
        reader.version(VERSION)?;
        let (dtype, method, flags, param) =
            (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        let rank = usize::from(reader.u8()?);
        let (levels, group) = (reader.u16()?, reader.u32()?);
        let (raw_len, stored_len) = (reader.u64()?, reader.u64()?);
        let (payload_sum, head_sum) = (reader.u32()?, reader.u32()?);
        if rank > MAX_RANK {
            let reason = format!("a shape of {rank} dimensions, more than {MAX_RANK}");
            return Err(malformed("Rank", 9, reason));
        }
        let shape = reader.take(8 * rank)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(&bytes[..FIXED - 4]);
        sum.update(shape);
        let computed = sum.finalize();
        if computed != head_sum {
            return Err(checksum("the head of the tensor", head_sum, computed));
        }
        let Some(dtype) = Dtype::ALL.get(usize::from(dtype)).copied() else {
            return Err(malformed(
                "Dtype",
                5,
                format!("unknown kind of values {dtype}"),
            ));
        };
        if flags & !(PACKED | ZSTD | ORDERED) != 0 {
            return Err(malformed("Flags", 7, format!("unknown flags {flags:#04x}")));
        }
        let ordered = flags & ORDERED != 0;
        let coding = match (method, levels, group) {
            (0, 0, 0) if param == 0 && !ordered && flags & PACKED == 0 => Coding::Lossless,
            (1, 0, _) if (1..=127).contains(&param) => Coding::Grid {
                qmax: param,
                group,
                ordered,
            },
            (2, 1.., 0..=1) if (1..=8).contains(&param) && levels <= 1 << param && !ordered => {
                Coding::Codebook {
                    bits: param,
                    levels,
                    by_row: group == 1,
                }
            }
            _ => {
                let reason = format!(
                    "method {method} with flags {flags:#04x}, parameter {param}, {levels} levels and group {group}"
                );
                return Err(malformed("Method", 6, reason));
            }
        };
        if coding != Coding::Lossless && matches!(dtype, Dtype::I8 | Dtype::U8) {
            return Err(malformed(
                "Method",
                6,
                format!("{} with a codebook or a grid", dtype.name()),
            ));
        }
        let head = Self {
            dtype,
            shape: shape_of(shape)?,
            coding,
            layout: if flags & PACKED == 0 {
                Layout::Bytes
            } else {
                Layout::Packed
            },
            is_zstd: flags & ZSTD != 0,
            raw_len: size(raw_len)?,
            stored_len: size(stored_len)?,
            payload_sum,
        };
        let expected = head.expected_len()?;
        if head.raw_len != expected || (!head.is_zstd && head.stored_len != expected) {
            let reason = format!(
                "a payload of {raw_len} bytes, stored in {stored_len}, where the shape asks for {expected}"
            );
            return Err(malformed("Length", 16, reason));
        }
        add(head.len(), head.stored_len)?;
        Ok(head)
    }
}

/// Bits of a code from `-qmax` to `qmax`.
pub(crate) fn bits_of(qmax: u8) -> u8 {
    9 - qmax.leading_zeros() as u8
}

/// Lengths along dimensions whose product memory can have.
fn shape_of(bytes: &[u8]) -> Result<Vec<usize>, Error> {
    let fields = bytes.as_chunks::<8>().0;
    let lengths = fields.iter().map(|field| size(u64::from_le_bytes(*field)));
    let shape = lengths.collect::<Result<Vec<usize>, Error>>()?;
    check_shape(&shape)?;
    Ok(shape)
}

/// The number of values of a shape.
pub(crate) fn check_shape(shape: &[usize]) -> Result<usize, Error> {
    // Zero lengths must not hide an overflow of the others.
    let nonzero = shape.iter().filter(|length| **length > 0);
    nonzero.copied().try_fold(1, times)?;
    Ok(shape.iter().product())
}

fn size(value: u64) -> Result<usize, Error> {
    usize::try_from(value).map_err(|_| too_large())
}

fn times(a: usize, b: usize) -> Result<usize, Error> {
    a.checked_mul(b).ok_or_else(too_large)
}

fn add(a: usize, b: usize) -> Result<usize, Error> {
    a.checked_add(b).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::data(ErrorCode::Limit, "the tensor is larger than memory can be")
}
