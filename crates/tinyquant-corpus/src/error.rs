//! What can go wrong in a corpus or a search.

use thiserror::Error as ThisError;
use tinyquant_codec::{Detail, Details, Error as CodecError, ErrorCode};

/// A failed operation on a corpus or a search index. No operation that fails has changed anything.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The id is taken, by an earlier vector or by an earlier row of the same batch.
    #[error("{}duplicate vector_id {id:?}", row_prefix(*row))]
    DuplicateVectorId {
        /// The id.
        id: String,
        /// Row of the batch, if there is more than one.
        row: Option<usize>,
    },
    /// No vector has the id.
    #[error("unknown vector_id {id:?}")]
    UnknownVectorId {
        /// The id.
        id: String,
    },
    /// A vector, or a row of a batch, of the wrong length.
    #[error("{}dimension mismatch: expected {expected}, got {got}", row_prefix(*row))]
    DimensionMismatch {
        /// Components expected.
        expected: usize,
        /// Components given.
        got: usize,
        /// Row of the batch, if there is more than one.
        row: Option<usize>,
    },
    /// A search for nothing.
    #[error("top_k must be > 0")]
    InvalidTopK,
    /// Ids, lengths or metadata that do not belong to the values beside them.
    #[error("{reason}")]
    UnevenRows {
        /// What was given and what was expected.
        reason: String,
    },
    /// Stored rows could not be read.
    #[error("{message}")]
    Stored {
        /// The stable code.
        code: ErrorCode,
        /// Named values.
        details: Details,
        /// What went wrong and where.
        message: String,
    },
    /// The codec failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

fn row_prefix(row: Option<usize>) -> String {
    row.map_or_else(String::new, |row| format!("row {row}: "))
}

impl Error {
    /// The stable code of this error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::DuplicateVectorId { .. } => ErrorCode::IdExists,
            Self::UnknownVectorId { .. } => ErrorCode::IdNotFound,
            Self::DimensionMismatch { .. } => ErrorCode::DimMismatch,
            Self::InvalidTopK | Self::UnevenRows { .. } => ErrorCode::InvalidArg,
            Self::Stored { code, .. } => *code,
            Self::Codec(error) => error.code(),
        }
    }

    /// The fields as named values. `kind` is the name that TinyQuant 1.1.0 gives to the same failure,
    /// where it has one.
    pub fn details(&self) -> Details {
        let kind = |name: &str| ("kind", Detail::Text(name.to_owned()));
        let int = |name, value: usize| (name, Detail::Int(value as i64));
        let id_text = |id: &str| ("id", Detail::Text(id.to_owned()));
        let with_row = |mut details: Details, row: Option<usize>| {
            details.extend(row.map(|row| int("row", row)));
            details
        };
        match self {
            Self::DuplicateVectorId { id, row } => {
                with_row(vec![kind("DuplicateVectorId"), id_text(id)], *row)
            }
            Self::UnknownVectorId { id } => vec![kind("UnknownVectorId"), id_text(id)],
            Self::DimensionMismatch { expected, got, row } => with_row(
                vec![
                    kind("DimensionMismatch"),
                    int("expected", *expected),
                    int("got", *got),
                ],
                *row,
            ),
            Self::InvalidTopK => vec![kind("InvalidTopK"), int("got", 0)],
            Self::UnevenRows { .. } => vec![],
            Self::Stored { details, .. } => details.clone(),
            Self::Codec(error) => error.details(),
        }
    }
}
