//! Search in indexes.

use crate::calls::answer;
use crate::failure::Failure;
use crate::handles;
use crate::hits::TqHits;
use crate::index::TqIndex;
use crate::index_options::TqSearchOptions;
use crate::pointers::Caller;
use crate::status::TqStatus;
use crate::threads;
use std::ffi::c_char;
use tinyquant_codec::Control;
use tinyquant_index::IdRef;

/// The hits of one query of `len` components, which must be `dim`: exactly the smaller of `k` and the number of rows
/// allowed. Runs on the calling thread. `*out` becomes the handle of the hits, which `tq_hits_free` frees; the query's
/// number is 0.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_LIMIT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`;
/// those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_search(
    index: *const TqIndex,
    query: *const f32,
    len: usize,
    options: *const TqSearchOptions,
    out: *mut *mut TqHits,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let index = handles::get(index)?;
        let dim = index.inner.config().dim();
        if len != dim {
            return Err(Failure::length("query", len, dim));
        }
        let query = caller.floats(query, len, "query")?;
        let options = caller.read(options, "options")?.options(&caller)?;
        let hits = index.inner.search(query, &options, &Control::default())?;
        out.set(handles::add(TqHits::of_index(hits))?);
        Ok(())
    })
}

/// The hits of several queries: rows of `dim` components, row-major, `len` components in all, on the threads of the
/// library. `*out` becomes the handle of the hits, which `tq_hits_free` frees; queries are numbered from 0.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` unless the rows are whole; otherwise as `tq_index_search`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_search_batch(
    index: *const TqIndex,
    queries: *const f32,
    len: usize,
    options: *const TqSearchOptions,
    out: *mut *mut TqHits,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let index = handles::get(index)?;
        let queries = caller.floats(queries, len, "queries")?;
        let options = caller.read(options, "options")?.options(&caller)?;
        let search = || index.inner.search(queries, &options, &Control::default());
        let hits = threads::pool()?.install(search)?;
        out.set(handles::add(TqHits::of_index(hits))?);
        Ok(())
    })
}

/// Says in `*contained` whether there is a vector with the number `id`.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_contains(
    index: *const TqIndex,
    id: u64,
    contained: *mut bool,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(contained, "contained")?;
        out.set(handles::get(index)?.inner.has(IdRef::Whole(id))?);
        Ok(())
    })
}

/// `tq_index_contains` with an id that is a text.
///
/// # Errors
/// As `tq_index_contains`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_contains_text(
    index: *const TqIndex,
    id: *const c_char,
    contained: *mut bool,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(contained, "contained")?;
        let index = handles::get(index)?;
        out.set(index.inner.has(IdRef::Text(caller.text(id, "id")?))?);
        Ok(())
    })
}

/// The vector of the number `id`, into the `len` components at `out`, which must be `dim`: itself where the vectors are
/// kept, else what its codes stand for, which for the cosine is a unit vector. Nothing is written on an error.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of
/// reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_reconstruct(
    index: *const TqIndex,
    id: u64,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let out = caller.out_floats(out, len, index.inner.config().dim(), "out")?;
        out.fill(&index.inner.reconstruct(IdRef::Whole(id))?)
    })
}

/// `tq_index_reconstruct` with an id that is a text.
///
/// # Errors
/// As `tq_index_reconstruct`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_reconstruct_text(
    index: *const TqIndex,
    id: *const c_char,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let out = caller.out_floats(out, len, index.inner.config().dim(), "out")?;
        let id = IdRef::Text(caller.text(id, "id")?);
        out.fill(&index.inner.reconstruct(id)?)
    })
}
