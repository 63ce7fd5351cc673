//! What can go wrong in a search index.

use crate::Id;
use thiserror::Error as ThisError;
use tinyquant_codec::{Detail, Details, Error as CodecError, ErrorCode};

/// A failed operation on an index. No operation that fails has changed anything.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The id is taken, by an earlier vector or by an earlier row of the same call.
    #[error("row {row}: id {id} is taken")]
    IdExists {
        /// The id.
        id: Id,
        /// Row of the call.
        row: usize,
    },
    /// No vector has the id.
    #[error("no vector has the id {id}")]
    IdNotFound {
        /// The id.
        id: Id,
    },
    /// A component so large that the square of the length would overflow.
    #[error("row {row}, column {column}: magnitudes above 1e15 are only taken for the cosine")]
    TooLarge {
        /// Row of the call.
        row: usize,
        /// Component.
        column: usize,
    },
    /// Stored rows or ids could not be read.
    #[error("{message}")]
    Stored {
        /// The stable code.
        code: ErrorCode,
        /// Named values.
        details: Details,
        /// What went wrong and where.
        message: String,
    },
    /// An argument, a value or a size that is refused; the codec's errors have all of these.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Error {
    /// An argument outside its range.
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        CodecError::InvalidArgument { reason }.into()
    }

    /// Bytes of a stored index that no index has.
    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::Stored {
            code: ErrorCode::Format,
            details: vec![],
            message: message.into(),
        }
    }

    /// The stable code of this error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::IdExists { .. } => ErrorCode::IdExists,
            Self::IdNotFound { .. } => ErrorCode::IdNotFound,
            Self::TooLarge { .. } => ErrorCode::Limit,
            Self::Stored { code, .. } => *code,
            Self::Codec(error) => error.code(),
        }
    }

    /// The fields as named values.
    pub fn details(&self) -> Details {
        match self {
            Self::IdExists { id, row } => vec![
                ("id", Detail::Text(id.to_string())),
                ("row", Detail::Int(*row as i64)),
            ],
            Self::IdNotFound { id } => vec![("id", Detail::Text(id.to_string()))],
            Self::TooLarge { row, column } => vec![
                ("row", Detail::Int(*row as i64)),
                ("column", Detail::Int(*column as i64)),
            ],
            Self::Stored { details, .. } => details.clone(),
            Self::Codec(error) => error.details(),
        }
    }
}
