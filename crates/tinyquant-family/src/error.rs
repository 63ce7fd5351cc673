//! What can go wrong in a quantizer of the family.

use thiserror::Error as ThisError;
use tinyquant_codec::{Details, Error as CodecError, ErrorCode};

/// A failed operation. No operation that fails has changed anything.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Data that no encoder wrote, or that do not belong together.
    #[error("{message}")]
    Data {
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

    /// Data that are refused for a reason with a code of its own.
    pub(crate) fn data(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Data {
            code,
            details: vec![],
            message: message.into(),
        }
    }

    /// Bytes or text that do not follow their format; `kind` is the short name of the rule that is broken.
    pub(crate) fn malformed(kind: &'static str, offset: u64, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        CodecError::Malformed {
            kind,
            offset,
            reason,
        }
        .into()
    }

    /// The stable code of this error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Data { code, .. } => *code,
            Self::Codec(error) => error.code(),
        }
    }

    /// The fields as named values.
    pub fn details(&self) -> Details {
        match self {
            Self::Data { details, .. } => details.clone(),
            Self::Codec(error) => error.details(),
        }
    }
}
