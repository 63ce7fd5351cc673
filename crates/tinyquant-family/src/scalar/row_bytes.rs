//! Rows of a matrix as bytes: magic, version, bits, layout, a zero byte, rows and columns as u32, the scales, then the codes;
//! everything is little-endian.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::memory::zeros;
use crate::scalar::{Layout, RowBits, ScaledRows};
use tinyquant_codec::{Error as CodecError, ErrorCode};

const MAGIC: [u8; 4] = *b"TQRW";
const VERSION: u8 = 1;
/// Where the scales begin.
const HEADER: u64 = 16;

impl ScaledRows {
    /// The codes as they are written.
    pub fn coded(&self, layout: Layout) -> Vec<u8> {
        match (layout, self.bits) {
            (Layout::Packed, RowBits::Six) => {
                self.codes.chunks_exact(self.cols).flat_map(pack6).collect()
            }
            _ => self.codes.iter().map(|code| *code as u8).collect(),
        }
    }

    /// The binary form.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` where a number of rows or columns does not fit.
    pub fn to_bytes(&self, layout: Layout) -> Result<Vec<u8>, Error> {
        let narrow = |count: usize| {
            u32::try_from(count).map_err(|_| {
                let message = format!("{count} rows or columns do not fit 32 bits");
                Error::data(ErrorCode::Limit, message)
            })
        };
        let (rows, cols) = (narrow(self.rows())?, narrow(self.cols)?);
        let codes = self.coded(layout);
        let mut out = Vec::with_capacity(HEADER as usize + 4 * self.scales.len() + codes.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.bits as u8, layout as u8, 0]);
        out.extend_from_slice(&rows.to_le_bytes());
        out.extend_from_slice(&cols.to_le_bytes());
        out.extend(self.scales.iter().flat_map(|scale| scale.to_le_bytes()));
        out.extend_from_slice(&codes);
        Ok(out)
    }

    /// Reads what [`ScaledRows::to_bytes`] wrote.
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED`, `ERR_TQ_VERSION` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let (bits, layout) = read_head(&mut reader)?;
        let [rows, cols] =
            [reader.array()?, reader.array()?].map(|len| u32::from_le_bytes(len) as usize);
        if rows == 0 || cols == 0 {
            return Err(Error::malformed(
                "InvalidHeader",
                8,
                "no rows or no columns",
            ));
        }
        let scales = reader.take(rows.saturating_mul(4))?;
        let scales: Vec<f32> = scales
            .as_chunks::<4>()
            .0
            .iter()
            .map(|scale| f32::from_le_bytes(*scale))
            .collect();
        if let Some(row) = scales
            .iter()
            .position(|scale| !(scale.is_finite() && *scale > 0.0))
        {
            let reason = format!(
                "the scale of row {row} is {}, not a positive number",
                scales[row]
            );
            return Err(Error::malformed(
                "InvalidScale",
                HEADER + 4 * row as u64,
                reason,
            ));
        }
        let at = reader.offset();
        let packed = layout == Layout::Packed && bits == RowBits::Six;
        let width = if packed { (6 * cols).div_ceil(8) } else { cols };
        let coded = reader.take(rows.saturating_mul(width))?;
        reader.finish()?;
        let mut codes = zeros::<i8>(rows * cols)?;
        for (row, (coded, codes)) in coded
            .chunks_exact(width)
            .zip(codes.chunks_exact_mut(cols))
            .enumerate()
        {
            let at = at + (row * width) as u64;
            if packed {
                unpack6(coded, codes);
                let used = 6 * cols % 8;
                if used != 0 && coded[width - 1] >> used != 0 {
                    let reason = "spare bits of the last byte of a row are not zero";
                    return Err(Error::malformed(
                        "InvalidCodes",
                        at + width as u64 - 1,
                        reason,
                    ));
                }
            } else {
                for (code, byte) in codes.iter_mut().zip(coded) {
                    *code = *byte as i8;
                }
            }
            if let Some(column) = codes
                .iter()
                .position(|code| code.unsigned_abs() > bits.top())
            {
                let reason = format!("code {} is beyond {}", codes[column], bits.top());
                let column = if packed { 6 * column / 8 } else { column };
                return Err(Error::malformed("InvalidCodes", at + column as u64, reason));
            }
        }
        Ok(Self {
            cols,
            bits,
            codes,
            scales,
        })
    }
}

/// Packs the codes of a row in groups of four.
fn pack6(codes: &[i8]) -> Vec<u8> {
    let mut out = Vec::with_capacity((6 * codes.len()).div_ceil(8));
    for group in codes.chunks(4) {
        let word = group.iter().enumerate().fold(0_u32, |word, (i, code)| {
            word | u32::from(*code as u8 & 63) << (6 * i)
        });
        let [first, second, third, _] = word.to_le_bytes();
        out.extend_from_slice(&[first, second, third][..(6 * group.len()).div_ceil(8)]);
    }
    out
}

fn unpack6(bytes: &[u8], codes: &mut [i8]) {
    for (group, bytes) in codes.chunks_mut(4).zip(bytes.chunks(3)) {
        let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let word = u32::from_le_bytes([byte(0), byte(1), byte(2), 0]);
        for (i, code) in group.iter_mut().enumerate() {
            // The upper two bits take the sign from the sixth.
            *code = ((word >> (6 * i)) as i8) << 2 >> 2;
        }
    }
}

/// Reads what comes before the counts.
fn read_head(reader: &mut Reader<'_>) -> Result<(RowBits, Layout), Error> {
    if reader.array::<4>()? != MAGIC {
        return Err(Error::malformed("BadMagic", 0, "not a matrix: bad magic"));
    }
    let version = reader.u8()?;
    if version != VERSION {
        return Err(CodecError::UnknownVersion {
            got: version,
            offset: 4,
        }
        .into());
    }
    let [bits, layout, zero] = reader.array()?;
    let bits = match bits {
        6 => RowBits::Six,
        8 => RowBits::Eight,
        _ => {
            let reason = format!("codes have 6 or 8 bits, got {bits}");
            return Err(Error::malformed("InvalidHeader", 5, reason));
        }
    };
    let layout = match layout {
        0 => Layout::Bytes,
        1 => Layout::Packed,
        _ => {
            let reason = format!("layout {layout} is none of 0 and 1");
            return Err(Error::malformed("InvalidHeader", 6, reason));
        }
    };
    if zero != 0 {
        return Err(Error::malformed(
            "InvalidHeader",
            7,
            "a reserved byte is not zero",
        ));
    }
    Ok((bits, layout))
}
