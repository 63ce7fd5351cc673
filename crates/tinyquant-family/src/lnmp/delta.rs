//! Changes from one embedding to the next, as lnmp-embedding has them.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::scalar::Mode;
use tinyquant_codec::{Error as CodecError, ErrorCode, check_finite};

/// Differences of some values of an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Names the embedding that is changed.
    pub base_id: u16,
    /// Index of a value and what is added to it.
    pub changes: Vec<(u16, f32)>,
}

/// When changes are sent rather than the whole embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Never.
    AlwaysFull,
    /// Always.
    AlwaysDelta,
    /// Where fewer than so many in a hundred values changed. lnmp-embedding's default is 30; changes are the shorter form
    /// up to 66.
    Adaptive(u8),
}

impl Default for Strategy {
    fn default() -> Self {
        Self::Adaptive(30)
    }
}

impl Strategy {
    /// Whether to send the changes to an embedding of `dim` values.
    pub fn uses_delta(self, delta: &Delta, dim: usize) -> bool {
        match self {
            Self::AlwaysFull => false,
            Self::AlwaysDelta => true,
            Self::Adaptive(percent) => {
                delta.changes.len() as f32 / (dim as f32) < f32::from(percent) / 100.0
            }
        }
    }
}

impl Delta {
    /// What turns `old` into `new`. Adding the differences may miss `new` by a rounding.
    ///
    /// [`Mode::Compat`] keeps lnmp-embedding's rule, which drops differences of up to 1.1920929e-7 and those that are a NaN;
    /// [`Mode::Accurate`] keeps every difference and refuses values that are not finite.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH`; `ERR_TQ_LIMIT` for more than 65535 values or a difference beyond f32; `ERR_TQ_NON_FINITE`.
    pub fn between(old: &[f32], new: &[f32], base_id: u16, mode: Mode) -> Result<Self, Error> {
        if old.len() != new.len() {
            let (expected, got) = (old.len(), new.len());
            let message = format!("the new embedding has {got} values, the old one {expected}");
            return Err(Error::data(ErrorCode::DimMismatch, message));
        }
        if new.len() > usize::from(u16::MAX) {
            let message = format!(
                "an LNMP embedding has at most 65535 values, got {}",
                new.len()
            );
            return Err(Error::data(ErrorCode::Limit, message));
        }
        if mode == Mode::Accurate {
            check_finite(old, old.len())?;
            check_finite(new, new.len())?;
        }
        let mut changes = Vec::new();
        for (index, (old, new)) in (0_u16..).zip(old.iter().zip(new)) {
            let difference = new - old;
            let is_kept = match mode {
                Mode::Compat => (old - new).abs() > f32::EPSILON,
                Mode::Accurate => difference != 0.0,
            };
            if is_kept && mode == Mode::Accurate && difference.is_infinite() {
                let message =
                    format!("value {index} changes from {old} to {new}, by more than f32 holds");
                return Err(Error::data(ErrorCode::Limit, message));
            }
            if is_kept {
                changes.push((index, difference));
            }
        }
        Ok(Self { base_id, changes })
    }

    /// The changed embedding.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT` for a change of a value that `base` does not have.
    pub fn apply(&self, base: &[f32]) -> Result<Vec<f32>, Error> {
        let mut values = base.to_vec();
        for (i, (index, difference)) in self.changes.iter().enumerate() {
            let Some(value) = values.get_mut(usize::from(*index)) else {
                let reason = format!(
                    "change {i} is of value {index}, the embedding has {}",
                    base.len()
                );
                return Err(Error::malformed("InvalidIndex", 4 + 6 * i as u64, reason));
            };
            *value += difference;
        }
        Ok(values)
    }

    /// Share of the values of an embedding that change.
    pub fn change_ratio(&self, dim: usize) -> f32 {
        self.changes.len() as f32 / dim as f32
    }

    /// Bytes of the binary form.
    pub const fn encoded_len(&self) -> usize {
        4 + 6 * self.changes.len()
    }

    /// Base, number of changes, then index and difference of each.
    ///
    /// # Errors
    /// `ERR_TQ_LIMIT` for more than 65535 changes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let count = u16::try_from(self.changes.len()).map_err(|_| {
            let message = format!("at most 65535 changes fit, got {}", self.changes.len());
            Error::data(ErrorCode::Limit, message)
        })?;
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&self.base_id.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        for (index, difference) in &self.changes {
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(&difference.to_le_bytes());
        }
        Ok(out)
    }

    /// Reads what [`Delta::to_bytes`] wrote, to the end of the bytes.
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let delta = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(delta)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (base_id, count) = (reader.u16()?, reader.u16()?);
        let needed = 6 * usize::from(count);
        if reader.remaining() < needed {
            return Err(CodecError::Truncated {
                needed: reader.offset() + needed as u64,
                got: reader.offset() + reader.remaining() as u64,
            }
            .into());
        }
        let mut changes = Vec::with_capacity(count.into());
        for _ in 0..count {
            changes.push((reader.u16()?, f32::from_le_bytes(reader.array()?)));
        }
        Ok(Self { base_id, changes })
    }
}
