//! Index files.

use crate::buffers;
use crate::calls::answer;
use crate::handles;
use crate::index::TqIndex;
use crate::pointers::Caller;
use crate::status::TqStatus;
use crate::threads;
use std::ffi::c_char;
use std::path::Path;
use std::sync::PoisonError;
use tinyquant_codec::Control;
use tinyquant_store::{IndexFile, Probe, Source, index_to_bytes, save_index, sync_index};

/// Opens the index file at `path`, UTF-8. With `is_mapped` (0 no, any other value yes) it is mapped into memory and not
/// copied; a program that truncates it meanwhile ends this one. With `verify` all of it is checked first. `*out` becomes the
/// index's handle, which `tq_index_free` frees. Changes stay in memory until the index is saved.
///
/// # Errors
/// `TQ_ERR_IO`, `TQ_ERR_FORMAT`, `TQ_ERR_VERSION`, `TQ_ERR_TRUNCATED`, `TQ_ERR_CHECKSUM`, `TQ_ERR_LIMIT`,
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_open(
    path: *const c_char,
    is_mapped: u8,
    verify: u8,
    out: *mut *mut TqIndex,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let path = Path::new(caller.text(path, "path")?);
        let opened = threads::pool()?.install(|| {
            let file = IndexFile::open(path, is_mapped != 0)?;
            if verify != 0 {
                file.verify(&Control::default())?;
            }
            file.into_index()
        });
        let (index, link) = opened?;
        out.set(handles::add(TqIndex::new(index, link))?);
        Ok(())
    })
}

/// Writes all of an index to a file at `path`, UTF-8, which replaces the one that is there: at any moment there is the old
/// one or the new one. The same state gives the same bytes.
///
/// # Errors
/// `TQ_ERR_IO`, also while another writer has the file; `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`,
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_save(index: *const TqIndex, path: *const c_char) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let path = Path::new(caller.text(path, "path")?);
        let mut link = index.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (control, probe) = (Control::default(), Probe::default());
        *link = Some(save_index(&index.inner, path, &control, probe)?);
        Ok(())
    })
}

/// Adds to the file at `path`, UTF-8, what changed since the index was opened from there or saved to it last. An index
/// that has no file yet is saved to it.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` for another file, `TQ_ERR_IO` if it changed meanwhile; otherwise as `tq_index_save`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_sync(index: *const TqIndex, path: *const c_char) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let path = Path::new(caller.text(path, "path")?);
        let mut link = index.link.lock().unwrap_or_else(PoisonError::into_inner);
        let (control, probe) = (Control::default(), Probe::default());
        let saved = match &*link {
            Some(link) => sync_index(&index.inner, link, path, &control, probe)?,
            None => save_index(&index.inner, path, &control, probe)?,
        };
        *link = Some(saved);
        Ok(())
    })
}

/// The bytes that `tq_index_save` writes. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
///
/// # Errors
/// `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_to_bytes(
    index: *const TqIndex,
    bytes: *mut *mut u8,
    len: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        buffers::lend_to(&caller, bytes, len, || {
            Ok(index_to_bytes(&handles::get(index)?.inner)?)
        })
    })
}

/// An index from the `len` bytes of a file, which are copied. `*out` becomes its handle, which `tq_index_free` frees.
///
/// # Errors
/// As `tq_index_open`, without `TQ_ERR_IO`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_from_bytes(
    bytes: *const u8,
    len: usize,
    out: *mut *mut TqIndex,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let bytes = caller.bytes(bytes, len, "bytes")?;
        let (index, link) =
            IndexFile::from_source(Source::from_bytes(bytes.to_vec()))?.into_index()?;
        out.set(handles::add(TqIndex::new(index, link))?);
        Ok(())
    })
}
