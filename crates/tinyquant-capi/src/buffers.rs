//! Memory that the library gives away, and gets back.

use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles;
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was given away, by where it lies.
static LENT: Mutex<BTreeMap<usize, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Gives bytes away and returns where they lie; never null.
fn lend(mut bytes: Vec<u8>) -> *mut u8 {
    if bytes.capacity() == 0 {
        // Without memory of its own it would lie where every other empty one does.
        bytes.reserve(1);
    }
    let place = bytes.as_mut_ptr();
    lent().insert(place.addr(), bytes);
    place
}

/// Gives bytes away through the two pointers of a call, which are checked before the bytes are made.
pub(crate) fn lend_to(
    caller: &Caller,
    bytes: *mut *mut u8,
    len: *mut usize,
    make: impl FnOnce() -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let (bytes, len) = (caller.out(bytes, "bytes")?, caller.out(len, "len")?);
    let made = make()?;
    len.set(made.len());
    bytes.set(lend(made));
    Ok(())
}

/// Gives a text away, with a zero byte behind it.
pub(crate) fn lend_text(mut text: Vec<u8>) -> *mut c_char {
    text.push(0);
    lend(text).cast()
}

/// Takes a text back. Null is no text.
pub(crate) fn take_text(text: *mut c_char) -> Result<(), Failure> {
    take(text.cast(), None)
}

fn take(place: *mut u8, len: Option<usize>) -> Result<(), Failure> {
    if place.is_null() {
        return Ok(());
    }
    let mut lent = lent();
    let Some(bytes) = lent.get(&place.addr()) else {
        let message = "the memory is not of this library, or has been freed";
        return Err(Failure::invalid_arg(message));
    };
    if let Some(len) = len
        && len != bytes.len()
    {
        let message = format!(
            "the memory has {} bytes, got a length of {len}",
            bytes.len()
        );
        return Err(Failure::invalid_arg(message));
    }
    lent.remove(&place.addr());
    Ok(())
}

fn lent() -> MutexGuard<'static, BTreeMap<usize, Vec<u8>>> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees `len` bytes that a call of this library gave, such as `tq_compressed_vector_to_bytes`. `NULL` is nothing to
/// free.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` for memory that is not of this library or was freed before, and for another length than was
/// given; nothing is freed then.
#[unsafe(no_mangle)]
pub extern "C" fn tq_bytes_free(bytes: *mut u8, len: usize) -> TqStatus {
    answer(|| take(bytes, Some(len)))
}

/// Frees a text that a call of this library gave to its caller, such as `tq_corpus_get`. `NULL` is nothing to free.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` for memory that is not of this library or was freed before.
#[unsafe(no_mangle)]
pub extern "C" fn tq_text_free(text: *mut c_char) -> TqStatus {
    answer(|| take_text(text))
}

/// Handles and pieces of memory that the library gave to its callers and that were not freed: 0 where nothing leaks.
#[unsafe(no_mangle)]
pub extern "C" fn tq_live_objects() -> usize {
    value(usize::MAX, || Ok(handles::count() + lent().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{TQ_ERR_INVALID_ARG, TQ_OK};
    use std::ptr;

    #[test]
    fn memory_is_freed_once_with_its_length() {
        let place = lend(vec![1, 2, 3]);
        assert_eq!(tq_bytes_free(place, 2), TQ_ERR_INVALID_ARG);
        assert_eq!(tq_bytes_free(place, 3), TQ_OK);
        assert_eq!(tq_bytes_free(place, 3), TQ_ERR_INVALID_ARG);
        assert_eq!(tq_bytes_free(ptr::null_mut(), 9), TQ_OK);
        let mut own = 7_u8;
        assert_eq!(tq_bytes_free(&raw mut own, 1), TQ_ERR_INVALID_ARG);
    }

    #[test]
    fn empty_memory_has_a_place_of_its_own() {
        let (first, second) = (lend(Vec::new()), lend(Vec::new()));
        assert_ne!(first, second);
        assert_eq!(tq_bytes_free(first, 0), TQ_OK);
        assert_eq!(tq_bytes_free(second, 0), TQ_OK);
    }
}
