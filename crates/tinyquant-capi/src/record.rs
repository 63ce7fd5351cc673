//! Single compressed vectors.

use crate::buffers;
use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::{CString, c_char};
use std::ptr;
use tinyquant_codec::CompressedVector;

/// One compressed vector: codes, an optional residual, the hash of its configuration. Immutable.
pub struct TqCompressedVector {
    pub(crate) inner: CompressedVector,
    hash: CString,
}

impl Object for TqCompressedVector {
    const KIND: Kind = Kind::Record;
}

impl TqCompressedVector {
    /// The handle of a record.
    pub(crate) fn add(inner: CompressedVector) -> Result<*mut Self, Failure> {
        let hash = CString::new(inner.config_hash()).unwrap_or_default();
        handles::add(Self { inner, hash })
    }
}

/// Components of the vector, or bytes of an uncompressed one (see `tq_corpus_get`). 0 and an error (`TQ_ERR_CLOSED`,
/// `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_dimension(record: *const TqCompressedVector) -> u32 {
    value(0, || Ok(handles::get(record)?.inner.dimension() as u32))
}

/// Bits of a code: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_bit_width(record: *const TqCompressedVector) -> u8 {
    value(0, || Ok(handles::get(record)?.inner.bit_width()))
}

/// Whether there is a residual. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_has_residual(record: *const TqCompressedVector) -> bool {
    value(false, || Ok(handles::get(record)?.inner.has_residual()))
}

/// Bytes of codes and residual, without the header of the Level-1 record. 0 and an error (`TQ_ERR_CLOSED`,
/// `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_size_bytes(record: *const TqCompressedVector) -> usize {
    value(0, || Ok(handles::get(record)?.inner.size_bytes()))
}

/// Hash of the configuration that the vector was compressed under, 64 characters. Valid until the record is freed, not to
/// be freed itself. `NULL` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_config_hash(
    record: *const TqCompressedVector,
) -> *const c_char {
    value(ptr::null(), || Ok(handles::get(record)?.hash.as_ptr()))
}

/// The Level-1 record. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_compressed_vector_to_bytes(
    record: *const TqCompressedVector,
    bytes: *mut *mut u8,
    len: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        buffers::lend_to(&caller, bytes, len, || {
            Ok(handles::get(record)?.inner.to_bytes())
        })
    })
}

/// Reads exactly one Level-1 record of `len` bytes. `*out` becomes its handle, which `tq_compressed_vector_free` frees.
///
/// # Errors
/// `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_compressed_vector_from_bytes(
    bytes: *const u8,
    len: usize,
    out: *mut *mut TqCompressedVector,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = CompressedVector::from_bytes(caller.bytes(bytes, len, "bytes")?)?;
        out.set(TqCompressedVector::add(inner)?);
        Ok(())
    })
}

/// Frees a record. `NULL` is nothing to free.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_vector_free(record: *mut TqCompressedVector) -> TqStatus {
    answer(|| handles::free(record))
}
