//! How a corpus stores its vectors.

use std::fmt;

/// How the vectors of a corpus are stored. Fixed when the corpus is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompressionPolicy {
    /// Codes of the codec, with or without a residual.
    Compress,
    /// The f32 components as they are, 4 bytes each.
    Passthrough,
    /// The components rounded to f16, 2 bytes each.
    Fp16,
}

/// Type of the stored values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageDtype {
    /// Packed codes.
    Uint8,
    /// IEEE binary16.
    Float16,
    /// IEEE binary32.
    Float32,
}

impl CompressionPolicy {
    /// Lower-case name of the policy.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Compress => "compress",
            Self::Passthrough => "passthrough",
            Self::Fp16 => "fp16",
        }
    }

    /// The policy with this name.
    pub fn from_kind(kind: &str) -> Option<Self> {
        [Self::Compress, Self::Passthrough, Self::Fp16]
            .into_iter()
            .find(|policy| policy.kind() == kind)
    }

    /// Whether vectors pass through the codec, and so need a codebook that fits the configuration.
    pub const fn requires_codec(self) -> bool {
        matches!(self, Self::Compress)
    }

    /// Type of the stored values.
    pub const fn storage_dtype(self) -> StorageDtype {
        match self {
            Self::Compress => StorageDtype::Uint8,
            Self::Passthrough => StorageDtype::Float32,
            Self::Fp16 => StorageDtype::Float16,
        }
    }
}

impl fmt::Display for CompressionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl StorageDtype {
    /// Lower-case name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
        }
    }
}

impl fmt::Display for StorageDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
