//! Codebooks.

use crate::buffers;
use crate::calls::{answer, value};
use crate::config::TqCodecConfig;
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::status::TqStatus;
use tinyquant_codec::{Codebook, Control, TrainMethod};

/// The values that codes stand for. Immutable.
pub struct TqCodebook {
    pub(crate) inner: Codebook,
}

impl Object for TqCodebook {
    const KIND: Kind = Kind::Codebook;
}

/// TinyQuant's rule: uniform quantiles, extremes included, of the values as they are.
pub const TQ_TRAIN_TINYQUANT: u32 = 0;
/// Lloyd-Max levels of the rotated values: a lower error for the same bytes.
pub const TQ_TRAIN_LLOYD_MAX: u32 = 1;

/// Trains a codebook of `2^bit_width` entries on `vectors`: rows of `dimension` components, row-major, `len` components in
/// all. `method` is one of `TQ_TRAIN_`. `*out` becomes its handle, which `tq_codebook_free` frees.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_INVALID_ARG` for too few distinct values
/// or an unknown method, `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codebook_train(
    config: *const TqCodecConfig,
    vectors: *const f32,
    len: usize,
    method: u32,
    out: *mut *mut TqCodebook,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let config = handles::get(config)?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let method = match method {
            TQ_TRAIN_TINYQUANT => TrainMethod::TinyQuant,
            TQ_TRAIN_LLOYD_MAX => TrainMethod::LloydMax,
            _ => {
                let message = format!("method must be one of TQ_TRAIN_ (0 or 1), got {method}");
                return Err(Failure::invalid_arg(message));
            }
        };
        let inner = Codebook::train(vectors, &config.inner, method, &Control::default())?;
        out.set(handles::add(TqCodebook { inner })?);
        Ok(())
    })
}

/// Makes a codebook of `len` entries, finite and strictly ascending; there are `2^bit_width` of them. `*out` becomes its
/// handle, which `tq_codebook_free` frees.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_NON_FINITE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codebook_from_entries(
    entries: *const f32,
    len: usize,
    bit_width: u8,
    out: *mut *mut TqCodebook,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let entries = caller.floats(entries, len, "entries")?;
        let inner = Codebook::from_entries(entries, bit_width)?;
        out.set(handles::add(TqCodebook { inner })?);
        Ok(())
    })
}

/// Reads the `len` bytes of a TQCB file. `*out` becomes the codebook's handle, which `tq_codebook_free` frees.
///
/// # Errors
/// `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_NON_FINITE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codebook_from_bytes(
    bytes: *const u8,
    len: usize,
    out: *mut *mut TqCodebook,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = Codebook::from_bytes(caller.bytes(bytes, len, "bytes")?)?;
        out.set(handles::add(TqCodebook { inner })?);
        Ok(())
    })
}

/// The codebook as the bytes of a TQCB file. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codebook_to_bytes(
    codebook: *const TqCodebook,
    bytes: *mut *mut u8,
    len: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        buffers::lend_to(&caller, bytes, len, || {
            Ok(handles::get(codebook)?.inner.to_bytes())
        })
    })
}

/// Copies the entries, ascending, into the `len` components at `out`; there are `2^bit_width` of them.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` for another `len`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codebook_entries(
    codebook: *const TqCodebook,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let codebook = handles::get(codebook)?;
        let entries = codebook.inner.entries();
        caller
            .out_floats(out, len, entries.len(), "out")?
            .fill(entries)
    })
}

/// Bits of a code: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codebook_bit_width(codebook: *const TqCodebook) -> u8 {
    value(0, || Ok(handles::get(codebook)?.inner.bit_width()))
}

/// Frees a codebook. `NULL` is nothing to free. What was made with it stays.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codebook_free(codebook: *mut TqCodebook) -> TqStatus {
    answer(|| handles::free(codebook))
}
