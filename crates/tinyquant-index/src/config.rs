//! What an index is made for.

use crate::Error;
use tinyquant_codec::{Error as CodecError, MAX_DIMENSION};

/// How two vectors are compared. Scores are higher for better pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `<q, x> / (|q| |x|)`; 0 where either is the zero vector.
    Cosine,
    /// `<q, x>`.
    Dot,
    /// `-|q - x|^2`.
    L2,
}

/// The kind of the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// Whole numbers below 2^53.
    Number,
    /// Whole numbers below 2^64.
    Bigint,
    /// Texts.
    Text,
}

/// Whether the vectors themselves are kept beside their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Originals {
    /// They are not.
    None,
    /// Rounded to f16.
    F16,
    /// As they came.
    F32,
}

impl Originals {
    /// Bytes of a value.
    pub const fn width(self) -> usize {
        match self {
            Self::None => 0,
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// Dimension, bits, metric, seed and kinds of an index; they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexConfig {
    dim: usize,
    bits: u8,
    metric: Metric,
    seed: u64,
    id_kind: IdKind,
    originals: Originals,
}

impl IndexConfig {
    /// A configuration for vectors of `dim` components (2 to 16384) at `bits` (1, 2, 3, 4 or 8) bits a component.
    ///
    /// # Errors
    /// `InvalidDimension`, `DimensionTooLarge`, `InvalidArgument` (all `ERR_TQ_INVALID_ARG`).
    pub fn new(
        dim: usize,
        bits: u8,
        metric: Metric,
        seed: u64,
        id_kind: IdKind,
        originals: Originals,
    ) -> Result<Self, Error> {
        if dim > MAX_DIMENSION {
            return Err(CodecError::DimensionTooLarge { got: dim as u64 }.into());
        }
        if dim < 2 {
            return Err(Error::invalid(format!(
                "dim must be from 2 to {MAX_DIMENSION}, got {dim}"
            )));
        }
        if !matches!(bits, 1..=4 | 8) {
            return Err(Error::invalid(format!(
                "bits must be one of 1, 2, 3, 4, 8, got {bits}"
            )));
        }
        Ok(Self {
            dim,
            bits,
            metric,
            seed,
            id_kind,
            originals,
        })
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Bits a component, on average where the index is fitted.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Seed of the rotations.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Kind of the ids.
    pub fn id_kind(&self) -> IdKind {
        self.id_kind
    }

    /// What is kept beside the codes.
    pub fn originals(&self) -> Originals {
        self.originals
    }
}
