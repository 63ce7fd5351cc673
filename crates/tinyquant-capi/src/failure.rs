//! Failures on their way to the caller.

use crate::status::{
    TQ_ERR_CLOSED, TQ_ERR_DIM_MISMATCH, TQ_ERR_INTERNAL, TQ_ERR_INVALID_ARG, TQ_ERR_INVALID_HANDLE,
    TQ_ERR_LIMIT, TqStatus, status_of,
};
use std::any::Any;

/// A status that is not `TQ_OK`, and what went wrong in words.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: TqStatus,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn invalid_arg(message: impl Into<String>) -> Self {
        Self::new(TQ_ERR_INVALID_ARG, message)
    }

    pub(crate) fn invalid_handle(message: impl Into<String>) -> Self {
        Self::new(TQ_ERR_INVALID_HANDLE, message)
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(TQ_ERR_CLOSED, format!("the {what} has been freed"))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(TQ_ERR_LIMIT, message)
    }

    /// So many values where there should be others.
    pub(crate) fn length(what: &str, got: usize, expected: usize) -> Self {
        let message = format!("{what} must have {expected} values, got {got}");
        Self::new(TQ_ERR_DIM_MISMATCH, message)
    }

    /// A place in a list that ends before it.
    pub(crate) fn out_of_range(what: &str, got: usize, len: usize) -> Self {
        Self::invalid_arg(format!("{what} must be below {len}, got {got}"))
    }

    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("a panic without a message");
        Self::new(TQ_ERR_INTERNAL, format!("internal error: {text}"))
    }

    fn new(status: TqStatus, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }
}

impl From<tinyquant_codec::Error> for Failure {
    fn from(error: tinyquant_codec::Error) -> Self {
        Self::new(status_of(error.code()), error.to_string())
    }
}

impl From<tinyquant_corpus::Error> for Failure {
    fn from(error: tinyquant_corpus::Error) -> Self {
        Self::new(status_of(error.code()), error.to_string())
    }
}

impl From<tinyquant_index::Error> for Failure {
    fn from(error: tinyquant_index::Error) -> Self {
        Self::new(status_of(error.code()), error.to_string())
    }
}

impl From<tinyquant_store::Error> for Failure {
    fn from(error: tinyquant_store::Error) -> Self {
        Self::new(status_of(error.code()), error.to_string())
    }
}
