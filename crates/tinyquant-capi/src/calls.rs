//! What surrounds the body of every exported function.

use crate::failure::Failure;
use crate::last_error;
use crate::status::{TQ_OK, TqStatus};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a call that answers with a status; a panic becomes `TQ_ERR_INTERNAL`.
pub(crate) fn answer(body: impl FnOnce() -> Result<(), Failure>) -> TqStatus {
    match run(body) {
        Ok(()) => TQ_OK,
        Err(status) => status,
    }
}

/// Runs the body of a call that answers with a value; `fallback` stands for a failure.
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    run(body).unwrap_or(fallback)
}

/// Runs a body and keeps how it ended as the last error of this thread.
fn run<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, TqStatus> {
    let done = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::from_panic(payload.as_ref())));
    match done {
        Ok(value) => {
            last_error::clear();
            Ok(value)
        }
        Err(failure) => {
            let status = failure.status;
            last_error::set(failure);
            Err(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::last_error::tq_last_error_status;
    use crate::status::{TQ_ERR_INTERNAL, TQ_ERR_LIMIT};

    #[test]
    fn a_panic_becomes_an_error() {
        let divisor = std::hint::black_box(0);
        assert_eq!(
            answer(|| {
                std::hint::black_box(1 / divisor);
                Ok(())
            }),
            TQ_ERR_INTERNAL
        );
        assert_eq!(tq_last_error_status(), TQ_ERR_INTERNAL);
        assert_eq!(answer(|| Ok(())), TQ_OK);
        assert_eq!(tq_last_error_status(), TQ_OK);
    }

    #[test]
    fn a_failure_becomes_the_fallback() {
        assert_eq!(value(7, || Err(Failure::limit("too much"))), 7);
        assert_eq!(tq_last_error_status(), TQ_ERR_LIMIT);
        assert_eq!(value(7, || Ok(8)), 8);
    }
}
