//! Many compressed vectors of one configuration.

use crate::buffers;
use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::record::TqCompressedVector;
use crate::status::TqStatus;
use tinyquant_codec::CompressedBatch;

/// Compressed vectors that share their configuration. Immutable.
pub struct TqCompressedBatch {
    pub(crate) inner: CompressedBatch,
}

impl Object for TqCompressedBatch {
    const KIND: Kind = Kind::Batch;
}

/// Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_batch_len(batch: *const TqCompressedBatch) -> usize {
    value(0, || Ok(handles::get(batch)?.inner.len()))
}

/// Bytes of all codes and residuals, without headers. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
/// handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_batch_size_bytes(batch: *const TqCompressedBatch) -> usize {
    value(0, || Ok(handles::get(batch)?.inner.size_bytes()))
}

/// A copy of vector `index`, from 0. `*out` becomes its handle, which `tq_compressed_vector_free` frees.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` for an index beyond the last, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_compressed_batch_at(
    batch: *const TqCompressedBatch,
    index: usize,
    out: *mut *mut TqCompressedVector,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let batch = handles::get(batch)?;
        let record = batch.inner.record(index);
        let record =
            record.ok_or_else(|| Failure::out_of_range("index", index, batch.inner.len()))?;
        out.set(TqCompressedVector::add(record)?);
        Ok(())
    })
}

/// The Level-1 records, one after another. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_compressed_batch_to_bytes(
    batch: *const TqCompressedBatch,
    bytes: *mut *mut u8,
    len: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        buffers::lend_to(&caller, bytes, len, || {
            Ok(handles::get(batch)?.inner.to_bytes())
        })
    })
}

/// Reads Level-1 records of one configuration that lie one after another in `len` bytes; 0 bytes are an empty batch.
/// `*out` becomes its handle, which `tq_compressed_batch_free` frees.
///
/// # Errors
/// `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_compressed_batch_from_bytes(
    bytes: *const u8,
    len: usize,
    out: *mut *mut TqCompressedBatch,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = CompressedBatch::from_bytes(caller.bytes(bytes, len, "bytes")?)?;
        out.set(handles::add(TqCompressedBatch { inner })?);
        Ok(())
    })
}

/// Frees a batch. `NULL` is nothing to free. Vectors that were copied out of it stay.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_compressed_batch_free(batch: *mut TqCompressedBatch) -> TqStatus {
    answer(|| handles::free(batch))
}
