//! Quantized rows as bytes.
//!
//! Little endian: `TQTR`, a version (1), flags (bit 0: sketch, bit 1: unbiased, bit 2: sketch of a rotation), bits, a zero
//! byte, dim (u32), four zero bytes, seed (u64), rows (u64); then the norms (f32), with a sketch the norms of the residuals
//! (f32), the codes, with a sketch the signs; last the CRC-32 of all that.

use super::packing::spare_bits;
use super::rows::{Method, QuantizedRows, RowsSpec};
use super::sketch::SketchKind;
use crate::Error;
use tinyquant_codec::{Detail, Error as CodecError, ErrorCode};

const MAGIC: [u8; 4] = *b"TQTR";
const VERSION: u8 = 1;
const HEADER: usize = 32;
const CHECKSUM: usize = 4;

/// No residual is longer: a component and its level are apart by less than the component or the smallest level, and both
/// vectors of these have at most the length 1.
const LONGEST_RESIDUAL: f32 = 2.0;

const HAS_SKETCH: u8 = 1;
const IS_UNBIASED: u8 = 2;
const IS_ROTATION: u8 = 4;

impl QuantizedRows {
    /// The rows as bytes: 36 more than [`QuantizedRows::nbytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let spec = self.spec;
        let flags = match spec.method() {
            Method::Mse { unbiased: false } => 0,
            Method::Mse { unbiased: true } => IS_UNBIASED,
            Method::Prod {
                sketch: SketchKind::Gaussian,
            } => HAS_SKETCH,
            Method::Prod {
                sketch: SketchKind::Rotation,
            } => HAS_SKETCH | IS_ROTATION,
        };
        let mut out = Vec::with_capacity(HEADER + self.nbytes() + CHECKSUM);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, flags, spec.bits(), 0]);
        out.extend_from_slice(&(spec.dim() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&spec.seed().to_le_bytes());
        out.extend_from_slice(&(self.len as u64).to_le_bytes());
        for norm in self.norms.iter().chain(&self.residual_norms) {
            out.extend_from_slice(&norm.to_le_bytes());
        }
        out.extend_from_slice(&self.codes);
        out.extend_from_slice(&self.signs);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the bytes that [`QuantizedRows::to_bytes`] writes. Whatever that would not write is refused.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`, with the offset in bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (spec, len) = header(bytes)?;
        // Sizes are those of rows that are there, so that a forged number allocates nothing.
        let needed = (len as u128) * spec.row_bytes() as u128 + (HEADER + CHECKSUM) as u128;
        if needed > bytes.len() as u128 {
            return Err(CodecError::Truncated {
                needed: u64::try_from(needed).unwrap_or(u64::MAX),
                got: bytes.len() as u64,
            }
            .into());
        }
        let end = needed as usize;
        if bytes.len() > end {
            let rest = bytes.len() - end;
            let reason = format!("{rest} bytes after the end of the rows");
            return Err(malformed("TrailingBytes", end, reason));
        }
        let (body, stored) = bytes.split_at(end - CHECKSUM);
        let stored = stored.first_chunk().copied().map_or(0, u32::from_le_bytes);
        let computed = crc32fast::hash(body);
        if stored != computed {
            return Err(Error::Data {
                code: ErrorCode::Checksum,
                details: vec![("offset", Detail::Int((end - CHECKSUM) as i64))],
                message: format!(
                    "the checksum is {stored:#010x}, that of the bytes is {computed:#010x}"
                ),
            });
        }
        let mut rest = &body[HEADER..];
        let mut take = |bytes: usize| {
            let (part, after) = rest.split_at(bytes);
            rest = after;
            part
        };
        let residuals = if spec.has_sketch() { len } else { 0 };
        let rows = Self {
            spec,
            len,
            norms: floats(take(4 * len)),
            residual_norms: floats(take(4 * residuals)),
            codes: take(len * spec.code_bytes()).to_vec(),
            signs: take(len * spec.sign_bytes()).to_vec(),
        };
        rows.check()?;
        Ok(rows)
    }

    /// Fails on what no encoder writes.
    fn check(&self) -> Result<(), Error> {
        let (spec, dim) = (self.spec, self.spec.dim());
        for (i, norm) in self.norms.iter().chain(&self.residual_norms).enumerate() {
            let is_residual = i >= self.len;
            let is_possible = norm.is_finite()
                && norm.is_sign_positive()
                && (!is_residual || *norm <= LONGEST_RESIDUAL);
            if !is_possible {
                let reason = format!("the norm of row {} is {norm}", i % self.len);
                return Err(malformed("InvalidNorm", HEADER + 4 * i, reason));
            }
        }
        let mut at = HEADER + 4 * (self.norms.len() + self.residual_norms.len());
        let parts = [
            (&self.codes, spec.code_bits(), spec.code_bytes()),
            (&self.signs, 1, spec.sign_bytes()),
        ];
        for (bytes, bits, stride) in parts {
            if stride == 0 {
                continue;
            }
            for (row, packed) in bytes.chunks_exact(stride).enumerate() {
                if spare_bits(packed, dim, bits) != 0 {
                    let reason = format!("unused bits of row {row} are not zero");
                    let offset = at + (row + 1) * stride - 1;
                    return Err(malformed("NonZeroPadding", offset, reason));
                }
            }
            at += bytes.len();
        }
        Ok(())
    }
}

fn header(bytes: &[u8]) -> Result<(RowsSpec, usize), Error> {
    let shared = bytes.len().min(MAGIC.len());
    if bytes[..shared] != MAGIC[..shared] {
        let reason = "not quantized rows: they begin with TQTR".to_owned();
        return Err(malformed("BadMagic", 0, reason));
    }
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(CodecError::Truncated {
            needed: HEADER as u64,
            got: bytes.len() as u64,
        }
        .into());
    };
    let [.., version, flags, bits, zero] = *header.first_chunk::<8>().unwrap_or(&[0; 8]);
    if version != VERSION {
        return Err(CodecError::UnknownVersion {
            got: version,
            offset: 4,
        }
        .into());
    }
    let method = match flags {
        0 => Method::Mse { unbiased: false },
        IS_UNBIASED => Method::Mse { unbiased: true },
        HAS_SKETCH => Method::Prod {
            sketch: SketchKind::Gaussian,
        },
        5 => Method::Prod {
            sketch: SketchKind::Rotation,
        },
        _ => {
            let reason = format!("flags {flags:#04x} that mean nothing");
            return Err(malformed("InvalidFlags", 5, reason));
        }
    };
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    if zero != 0 || word(12) != 0 {
        let offset = if zero == 0 { 12 } else { 7 };
        let reason = "reserved bytes are not zero".to_owned();
        return Err(malformed("NonZeroPadding", offset, reason));
    }
    let dim = word(8) as usize;
    let spec = RowsSpec::new(dim, bits, long(16), method).map_err(|error| {
        // Bits are looked at after the dimension.
        let is_dim = RowsSpec::new(dim, 1, 0, method).is_err();
        let (kind, offset) = if is_dim {
            ("InvalidDimension", 8)
        } else {
            ("InvalidBits", 6)
        };
        malformed(kind, offset, error.to_string())
    })?;
    let len = usize::try_from(long(24)).unwrap_or(usize::MAX);
    Ok((spec, len))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.as_chunks::<4>().0.iter();
    values.map(|value| f32::from_le_bytes(*value)).collect()
}

fn malformed(kind: &'static str, at: usize, reason: String) -> Error {
    CodecError::Malformed {
        kind,
        offset: at as u64,
        reason,
    }
    .into()
}
