//! How the last call of each thread ended.

use crate::buffers;
use crate::calls::value;
use crate::failure::Failure;
use crate::pointers::Caller;
use crate::status::{TQ_ERR_INTERNAL, TQ_ERR_INVALID_ARG, TQ_OK, TqStatus};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::ptr;

/// An error that outlives the next call: to keep it or to hand it to another thread.
#[repr(C)]
pub struct TqError {
    /// The status.
    pub kind: TqStatus,
    /// What went wrong, UTF-8; `NULL` with `TQ_OK`. Freed by `tq_error_free` or `tq_error_free_message`.
    pub message: *mut c_char,
}

struct LastError {
    status: TqStatus,
    message: CString,
}

thread_local! {
    /// None after a success.
    static LAST: RefCell<Option<LastError>> = const { RefCell::new(None) };
}

/// Notes a success. A thread that is ending keeps nothing.
pub(crate) fn clear() {
    let _ = LAST.try_with(|last| last.borrow_mut().take());
}

/// Notes a failure.
pub(crate) fn set(failure: Failure) {
    let Failure { status, message } = failure;
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    let _ = LAST.try_with(|last| last.replace(Some(LastError { status, message })));
}

/// Status of the last call on this thread: `TQ_OK` unless it failed. It tells a getter's 0 that is a value from one that
/// stands for an error.
#[unsafe(no_mangle)]
pub extern "C" fn tq_last_error_status() -> TqStatus {
    let status = LAST.try_with(|last| last.borrow().as_ref().map_or(TQ_OK, |last| last.status));
    status.unwrap_or(TQ_ERR_INTERNAL)
}

/// What went wrong in the last call on this thread, UTF-8: what was given, what was expected, where. The empty text
/// unless it failed. Valid until the next call on this thread that is not one of `tq_last_error_*`; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn tq_last_error_message() -> *const c_char {
    let message = LAST.try_with(|last| {
        let last = last.borrow();
        last.as_ref()
            .map_or(c"".as_ptr(), |last| last.message.as_ptr())
    });
    message.unwrap_or(c"".as_ptr())
}

/// Copies status and message of the last call on this thread into `out`, which then owns the message:
/// `tq_error_free(out)` frees it. Answers with that status, or `TQ_ERR_INVALID_ARG` if `out` is `NULL`; the last error
/// stays as it is.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_last_error(out: *mut TqError) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    let Ok(out) = caller.out(out, "out") else {
        return TQ_ERR_INVALID_ARG;
    };
    let copied = LAST.try_with(|last| {
        let last = last.borrow();
        last.as_ref()
            .map(|last| (last.status, last.message.as_bytes().to_vec()))
    });
    let (kind, message) = match copied {
        Ok(Some((kind, message))) => (kind, buffers::lend_text(message)),
        Ok(None) | Err(_) => (TQ_OK, ptr::null_mut()),
    };
    out.set(TqError { kind, message });
    kind
}

/// Frees the message of an error and sets the error to `TQ_OK` without one. `NULL` is nothing to free. The status of
/// the last call on this thread becomes that of this call: `TQ_ERR_INVALID_ARG` for a message that is not of
/// `tq_last_error` or was freed before; the error stays as it is then.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_error_free(error: *mut TqError) {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    value((), || {
        if error.is_null() {
            return Ok(());
        }
        let message = caller.read(error.cast_const(), "error")?.message;
        buffers::take_text(message)?;
        let cleared = TqError {
            kind: TQ_OK,
            message: ptr::null_mut(),
        };
        caller.out(error, "error")?.set(cleared);
        Ok(())
    });
}

/// Frees the message of an error alone; otherwise as `tq_error_free`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_error_free_message(message: *mut c_char) {
    value((), || buffers::take_text(message));
}
