//! Failures on their way to JavaScript.

use napi::bindgen_prelude::{JsObjectValue, Object};
use napi::{Env, JsValue, Status};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tinyquant_codec::{Detail, Details, ErrorCode};

/// A failure in the terms that JavaScript sees: a stable code, named details and a message.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ErrorCode,
    details: Details,
    message: String,
}

impl Failure {
    /// An argument that no other error describes. `kind` is TinyQuant's name for the failure, if any.
    pub(crate) fn invalid_arg(message: String, kind: Option<&str>) -> Self {
        let details = kind
            .map(|kind| ("kind", Detail::Text(kind.to_owned())))
            .into_iter()
            .collect();
        Self {
            code: ErrorCode::InvalidArg,
            details,
            message,
        }
    }

    /// The object was closed.
    pub(crate) fn closed(what: &str) -> Self {
        Self {
            code: ErrorCode::Closed,
            details: vec![],
            message: format!("the {what} has been closed"),
        }
    }

    /// The operating system gave too little of something.
    pub(crate) fn limit(message: String) -> Self {
        Self {
            code: ErrorCode::Limit,
            details: vec![],
            message,
        }
    }

    /// The caller cancelled the operation.
    pub(crate) fn aborted() -> Self {
        tinyquant_codec::Error::Cancelled.into()
    }

    /// A defect of this library.
    pub(crate) fn internal(message: String) -> Self {
        Self {
            code: ErrorCode::Internal,
            details: vec![],
            message,
        }
    }

    fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self::internal(format!(
            "internal error: {}",
            text.unwrap_or("a panic without a message")
        ))
    }

    /// A JavaScript `Error` with `message`, `code` and `details`.
    fn to_object<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let mut error =
            env.create_error(napi::Error::new(Status::GenericFailure, &self.message))?;
        let mut details = Object::new(env)?;
        for (name, value) in &self.details {
            match value {
                Detail::Int(value) => details.set_named_property(name, *value)?,
                Detail::Text(value) => details.set_named_property(name, value.as_str())?,
            }
        }
        error.set_named_property("code", self.code.as_str())?;
        error.set_named_property("details", details)?;
        Ok(error)
    }

    /// Throws the failure; the error returned tells napi that it is thrown already.
    pub(crate) fn throw(&self, env: &Env) -> napi::Error {
        match self.to_object(env).and_then(|error| env.throw(error)) {
            Ok(()) => napi::Error::new(Status::PendingException, &self.message),
            Err(error) => error,
        }
    }

    /// The failure as a value to reject a promise with.
    pub(crate) fn rejection(&self, env: &Env) -> napi::Error {
        match self.to_object(env) {
            Ok(error) => napi::Error::from_unknown_without_coercion(error.to_unknown()),
            Err(error) => error,
        }
    }
}

macro_rules! failure_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self {
                    code: error.code(),
                    details: error.details(),
                    message: error.to_string(),
                }
            }
        }
    )*};
}

failure_from!(
    tinyquant_codec::Error,
    tinyquant_corpus::Error,
    tinyquant_index::Error,
    tinyquant_family::Error,
    tinyquant_store::Error
);

impl From<napi::Error> for Failure {
    fn from(error: napi::Error) -> Self {
        Self::internal(format!("Node-API: {} ({})", error.reason, error.status))
    }
}

/// Runs `body`; a panic becomes a failure.
pub(crate) fn catch<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::from_panic(payload.as_ref())))
}

/// Runs the body of a function that JavaScript calls; a failure or a panic is thrown.
pub(crate) fn guard<T>(env: Env, body: impl FnOnce() -> Result<T, Failure>) -> napi::Result<T> {
    catch(body).map_err(|failure| failure.throw(&env))
}
