//! What can go wrong in the codec, with a stable code for each case.

use thiserror::Error;

/// Stable error codes, shared by every crate and by the `code` property of JavaScript errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// An argument is of the wrong kind or outside its range.
    InvalidArg,
    /// A vector has another number of components than the configuration.
    DimMismatch,
    /// A NaN or an infinity where a finite number is needed.
    NonFinite,
    /// A record was made under another configuration.
    ConfigMismatch,
    /// A codebook has another bit width than the configuration.
    CodebookMismatch,
    /// The compression policy does not allow the operation.
    Policy,
    /// The id is already taken.
    IdExists,
    /// No vector has the id.
    IdNotFound,
    /// The id is outside the range of its kind.
    IdRange,
    /// The handle was closed.
    Closed,
    /// Bytes that do not follow their format.
    Format,
    /// A format version that this release does not read.
    Version,
    /// Stored and computed checksums differ.
    Checksum,
    /// Bytes end before their content does.
    Truncated,
    /// The operating system refused a read or a write.
    Io,
    /// A value or a size beyond what the format or the machine can hold.
    Limit,
    /// The GPU failed.
    Gpu,
    /// A search backend failed.
    Backend,
    /// The native addon could not be loaded.
    NativeLoad,
    /// A defect of this library.
    Internal,
    /// The caller cancelled the operation.
    Aborted,
}

impl ErrorCode {
    /// Every code that users can see. [`ErrorCode::Aborted`] is not among them: an aborted call
    /// rejects with the caller's own reason.
    pub const ALL: &'static [Self] = &[
        Self::InvalidArg,
        Self::DimMismatch,
        Self::NonFinite,
        Self::ConfigMismatch,
        Self::CodebookMismatch,
        Self::Policy,
        Self::IdExists,
        Self::IdNotFound,
        Self::IdRange,
        Self::Closed,
        Self::Format,
        Self::Version,
        Self::Checksum,
        Self::Truncated,
        Self::Io,
        Self::Limit,
        Self::Gpu,
        Self::Backend,
        Self::NativeLoad,
        Self::Internal,
    ];

    /// The code as text, for example `ERR_TQ_DIM_MISMATCH`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArg => "ERR_TQ_INVALID_ARG",
            Self::DimMismatch => "ERR_TQ_DIM_MISMATCH",
            Self::NonFinite => "ERR_TQ_NON_FINITE",
            Self::ConfigMismatch => "ERR_TQ_CONFIG_MISMATCH",
            Self::CodebookMismatch => "ERR_TQ_CODEBOOK_MISMATCH",
            Self::Policy => "ERR_TQ_POLICY",
            Self::IdExists => "ERR_TQ_ID_EXISTS",
            Self::IdNotFound => "ERR_TQ_ID_NOT_FOUND",
            Self::IdRange => "ERR_TQ_ID_RANGE",
            Self::Closed => "ERR_TQ_CLOSED",
            Self::Format => "ERR_TQ_FORMAT",
            Self::Version => "ERR_TQ_VERSION",
            Self::Checksum => "ERR_TQ_CHECKSUM",
            Self::Truncated => "ERR_TQ_TRUNCATED",
            Self::Io => "ERR_TQ_IO",
            Self::Limit => "ERR_TQ_LIMIT",
            Self::Gpu => "ERR_TQ_GPU",
            Self::Backend => "ERR_TQ_BACKEND",
            Self::NativeLoad => "ERR_TQ_NATIVE_LOAD",
            Self::Internal => "ERR_TQ_INTERNAL",
            Self::Aborted => "ERR_TQ_ABORTED",
        }
    }
}

/// One value of an error's structured details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A count, an index or an offset.
    Int(i64),
    /// A name or a text.
    Text(String),
}

/// The details of an error: names as JavaScript users see them, in a fixed order.
pub type Details = Vec<(&'static str, Detail)>;

/// A failed codec operation. No operation that fails has changed anything.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bit width is none of 2, 4 and 8.
    #[error("bit_width must be one of [2, 4, 8], got {got}")]
    UnsupportedBitWidth {
        /// The width given.
        got: u32,
    },
    /// The dimension is zero.
    #[error("dimension must be > 0, got 0")]
    InvalidDimension,
    /// The dimension is above [`crate::MAX_DIMENSION`].
    #[error("dimension must be <= 16384, got {got}")]
    DimensionTooLarge {
        /// The dimension given.
        got: u64,
    },
    /// Training data with fewer distinct values than the codebook has entries.
    #[error("insufficient training data for {expected} distinct entries, got {got}")]
    InsufficientTrainingData {
        /// Entries of a codebook of this bit width.
        expected: usize,
        /// Distinct entries that the data gave.
        got: usize,
    },
    /// A codebook with the wrong number of entries.
    #[error("codebook must have {expected} entries for bit_width={bit_width}, got {got}")]
    CodebookEntryCount {
        /// `2^bit_width`.
        expected: usize,
        /// Entries given.
        got: usize,
        /// The bit width.
        bit_width: u8,
    },
    /// Codebook entries that do not ascend.
    #[error("codebook entries must be sorted ascending: entry {index} is below the one before it")]
    CodebookNotSorted {
        /// Index of the entry that is out of order.
        index: usize,
    },
    /// Codebook entries that repeat.
    #[error(
        "codebook must contain {expected} distinct values: entry {index} repeats the one before it"
    )]
    CodebookDuplicate {
        /// `2^bit_width`.
        expected: usize,
        /// Index of the entry that repeats its predecessor.
        index: usize,
    },
    /// A vector, or a row of a batch, of the wrong length.
    #[error("{}vector length {got} does not match config dimension {expected}", row_prefix(*row))]
    DimensionMismatch {
        /// The dimension of the configuration.
        expected: usize,
        /// Components given.
        got: usize,
        /// Row of the batch, if there is more than one.
        row: Option<usize>,
    },
    /// A buffer that is no whole number of rows.
    #[error("{got} values are not a whole number of rows of {dimension}")]
    RaggedRows {
        /// Values given.
        got: usize,
        /// The dimension of the configuration.
        dimension: usize,
    },
    /// A NaN or an infinity.
    #[error("vectors must be finite: found {value} at row {row}, column {column}")]
    NonFinite {
        /// Row of the batch; 0 for a single vector.
        row: usize,
        /// Column within the row.
        column: usize,
        /// `NaN`, `Infinity` or `-Infinity`.
        value: &'static str,
    },
    /// A residual beyond the range of f16: the codebook does not fit the scale of the data.
    #[error(
        "row {row}: the residual {value} at rotated coordinate {column} is beyond f16 (65504); train the codebook on data of this scale or disable the residual"
    )]
    ResidualOverflow {
        /// Row of the batch; 0 for a single vector.
        row: usize,
        /// Coordinate after the rotation.
        column: usize,
        /// The residual.
        value: f32,
    },
    /// A value beyond the range of f16.
    #[error("row {row}: the value {value} at column {column} is beyond f16 (65504)")]
    HalfOverflow {
        /// Row of the batch; 0 for a single vector.
        row: usize,
        /// Column within the row.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A row whose rotated coordinates are beyond the range of f32.
    #[error("row {row}: rotated coordinate {column} is beyond the range of f32")]
    RotationOverflow {
        /// Row of the batch.
        row: usize,
        /// Coordinate after the rotation.
        column: usize,
    },
    /// Memory that the system does not give.
    #[error("not enough memory: {bytes} bytes were refused")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// A record that decodes to a NaN or an infinity.
    #[error("record {row} decodes to a value that is not finite at column {column}")]
    DecodedNonFinite {
        /// Row of the batch; 0 for a single record.
        row: usize,
        /// Column within the row.
        column: usize,
    },
    /// A record or codebook of another bit width than the configuration.
    #[error("{what} bit_width {got} does not match config bit_width {expected}")]
    CodebookIncompatible {
        /// `codebook` or `record`.
        what: &'static str,
        /// The bit width of the configuration.
        expected: u8,
        /// The bit width given.
        got: u8,
    },
    /// A record that was made under another configuration.
    #[error("{}compressed config_hash {got:?} does not match config hash {expected:?}", row_prefix(*row))]
    ConfigMismatch {
        /// Hash of the configuration given.
        expected: String,
        /// Hash that the record carries.
        got: String,
        /// Row of the batch, if there is more than one.
        row: Option<usize>,
    },
    /// Bytes that end too early.
    #[error("data too short: needed {needed} bytes, got {got}")]
    Truncated {
        /// Bytes needed up to and including the part that is missing.
        needed: u64,
        /// Bytes present.
        got: u64,
    },
    /// A format version that is not read.
    #[error("unknown format version {got:#04x} at offset {offset}")]
    UnknownVersion {
        /// The version found.
        got: u8,
        /// Where it stands.
        offset: u64,
    },
    /// Bytes that do not follow their format.
    #[error("{reason} at offset {offset}")]
    Malformed {
        /// Short name of the rule that is broken.
        kind: &'static str,
        /// Where the offending field stands.
        offset: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// An argument that no other variant describes.
    #[error("{reason}")]
    InvalidArgument {
        /// What was given and what was expected.
        reason: String,
    },
    /// The caller cancelled the operation.
    #[error("the operation was aborted")]
    Cancelled,
}

fn row_prefix(row: Option<usize>) -> String {
    row.map_or_else(String::new, |row| format!("row {row}: "))
}

impl Error {
    /// The stable code of this error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedBitWidth { .. }
            | Self::InvalidDimension
            | Self::DimensionTooLarge { .. }
            | Self::InsufficientTrainingData { .. }
            | Self::CodebookEntryCount { .. }
            | Self::CodebookNotSorted { .. }
            | Self::CodebookDuplicate { .. }
            | Self::InvalidArgument { .. } => ErrorCode::InvalidArg,
            Self::DimensionMismatch { .. } | Self::RaggedRows { .. } => ErrorCode::DimMismatch,
            Self::NonFinite { .. } | Self::DecodedNonFinite { .. } => ErrorCode::NonFinite,
            Self::ResidualOverflow { .. }
            | Self::HalfOverflow { .. }
            | Self::RotationOverflow { .. }
            | Self::OutOfMemory { .. } => ErrorCode::Limit,
            Self::CodebookIncompatible { .. } => ErrorCode::CodebookMismatch,
            Self::ConfigMismatch { .. } => ErrorCode::ConfigMismatch,
            Self::Truncated { .. } => ErrorCode::Truncated,
            Self::UnknownVersion { .. } => ErrorCode::Version,
            Self::Malformed { .. } => ErrorCode::Format,
            Self::Cancelled => ErrorCode::Aborted,
        }
    }

    /// The fields as named values. `kind` is the name that TinyQuant 1.1.0 gives to the same failure,
    /// where it has one.
    pub fn details(&self) -> Details {
        let kind = |name: &str| ("kind", Detail::Text(name.to_owned()));
        let int = |name, value: usize| (name, Detail::Int(value as i64));
        let with_row = |mut details: Details, row: Option<usize>| {
            details.extend(row.map(|row| int("row", row)));
            details
        };
        match self {
            Self::UnsupportedBitWidth { got } => {
                vec![kind("UnsupportedBitWidth"), int("got", *got as usize)]
            }
            Self::InvalidDimension => vec![kind("InvalidDimension"), int("got", 0)],
            Self::DimensionTooLarge { got } => {
                vec![kind("DimensionTooLarge"), ("got", Detail::Int(*got as i64))]
            }
            Self::InsufficientTrainingData { expected, got } => {
                vec![
                    kind("InsufficientTrainingData"),
                    int("expected", *expected),
                    int("got", *got),
                ]
            }
            Self::CodebookEntryCount { expected, got, .. } => {
                vec![
                    kind("CodebookEntryCount"),
                    int("expected", *expected),
                    int("got", *got),
                ]
            }
            Self::CodebookNotSorted { index } => {
                vec![kind("CodebookNotSorted"), int("index", *index)]
            }
            Self::CodebookDuplicate { expected, index } => {
                vec![
                    kind("CodebookDuplicate"),
                    int("expected", *expected),
                    int("index", *index),
                ]
            }
            Self::DimensionMismatch { expected, got, row } => with_row(
                vec![
                    kind("DimensionMismatch"),
                    int("expected", *expected),
                    int("got", *got),
                ],
                *row,
            ),
            Self::RaggedRows { got, dimension } => {
                vec![
                    kind("LengthMismatch"),
                    int("expected", *dimension),
                    int("got", *got),
                ]
            }
            Self::NonFinite { row, column, value } => vec![
                int("row", *row),
                int("column", *column),
                ("value", Detail::Text((*value).to_owned())),
            ],
            Self::ResidualOverflow { row, column, .. }
            | Self::HalfOverflow { row, column, .. }
            | Self::RotationOverflow { row, column }
            | Self::DecodedNonFinite { row, column } => {
                vec![int("row", *row), int("column", *column)]
            }
            Self::CodebookIncompatible { expected, got, .. } => vec![
                kind("CodebookIncompatible"),
                int("expected", usize::from(*expected)),
                int("got", usize::from(*got)),
            ],
            Self::ConfigMismatch { expected, got, row } => with_row(
                vec![
                    kind("ConfigMismatch"),
                    ("expected", Detail::Text(expected.clone())),
                    ("got", Detail::Text(got.clone())),
                ],
                *row,
            ),
            Self::Truncated { needed, got } => vec![
                kind("Truncated"),
                ("needed", Detail::Int(*needed as i64)),
                ("got", Detail::Int(*got as i64)),
            ],
            Self::UnknownVersion { got, offset } => vec![
                kind("UnknownVersion"),
                int("got", usize::from(*got)),
                ("offset", Detail::Int(*offset as i64)),
            ],
            Self::Malformed {
                kind: name, offset, ..
            } => {
                vec![kind(name), ("offset", Detail::Int(*offset as i64))]
            }
            Self::OutOfMemory { bytes } => vec![("bytes", Detail::Int(*bytes as i64))],
            Self::InvalidArgument { .. } | Self::Cancelled => vec![],
        }
    }
}
