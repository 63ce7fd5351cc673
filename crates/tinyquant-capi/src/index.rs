//! Search indexes: making and changing them.

use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::ids::TqIds;
use crate::index_options::TqIndexOptions;
use crate::pointers::Caller;
use crate::status::TqStatus;
use crate::threads;
use std::ffi::c_char;
use std::sync::{Arc, Mutex};
use tinyquant_codec::Control;
use tinyquant_index::{IdRef, Ids, Index};
use tinyquant_store::IndexLink;

/// Quantized vectors under ids, and search over them. Searches and changes may run at the same time: a search sees all
/// of an add or none of it.
pub struct TqIndex {
    pub(crate) inner: Index,
    /// The file that it was opened from or saved to last.
    pub(crate) link: Mutex<Option<IndexLink>>,
}

impl Object for TqIndex {
    const KIND: Kind = Kind::Index;
}

impl TqIndex {
    pub(crate) fn new(inner: Index, link: Option<IndexLink>) -> Self {
        let link = Mutex::new(link);
        Self { inner, link }
    }
}

/// Makes an empty index. `*out` becomes its handle, which `tq_index_free` frees.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_new(
    options: *const TqIndexOptions,
    out: *mut *mut TqIndex,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let index = Index::new(caller.read(options, "options")?.config()?)?;
        out.set(handles::add(TqIndex::new(index, None))?);
        Ok(())
    })
}

/// Makes an index of rows of `dim` components, row-major, `len` components in all, on the threads of the library. `ids` are
/// `ids_len` numbers, one a row, or `NULL` for 0, 1, 2, ... `*out` becomes its handle, which `tq_index_free` frees.
///
/// # Errors
/// As `tq_index_add`; `TQ_ERR_INVALID_ARG` for options.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_build(
    options: *const TqIndexOptions,
    vectors: *const f32,
    len: usize,
    ids: *const u64,
    ids_len: usize,
    out: *mut *mut TqIndex,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let options = caller.read(options, "options")?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let index = build(&options, vectors, numbers(&caller, ids, ids_len)?)?;
        out.set(handles::add(index)?);
        Ok(())
    })
}

/// `tq_index_build` with `ids_len` ids that are texts, one a row; `id_kind` is `TQ_ID_TEXT`.
///
/// # Errors
/// As `tq_index_build`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_build_texts(
    options: *const TqIndexOptions,
    vectors: *const f32,
    len: usize,
    ids: *const *const c_char,
    ids_len: usize,
    out: *mut *mut TqIndex,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let options = caller.read(options, "options")?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let index = build(&options, vectors, texts(&caller, ids, ids_len)?)?;
        out.set(handles::add(index)?);
        Ok(())
    })
}

fn build(options: &TqIndexOptions, vectors: &[f32], ids: Ids) -> Result<TqIndex, Failure> {
    let (config, how) = (options.config()?, options.build_options());
    let built = || Index::build(config, &how, vectors, ids, &Control::default());
    let index = threads::pool()?.install(built)?;
    Ok(TqIndex::new(index, None))
}

/// Fits the rotation and the bits of an empty index to a sample: rows of `dim` components, row-major, `len` components in
/// all, at least one row.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` if vectors were ever added or the sample is empty; otherwise those of `tq_index_add` about vectors.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_fit(
    index: *mut TqIndex,
    sample: *const f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let sample = caller.floats(sample, len, "sample")?;
        let fit = || index.inner.fit(sample, &Control::default());
        Ok(threads::pool()?.install(fit)?)
    })
}

/// Adds rows of `dim` components, row-major, `len` components in all, or none of them. `ids` are `ids_len` numbers, one a
/// row, or `NULL` for the numbers that follow the largest so far.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_ID_EXISTS`, `TQ_ERR_ID_RANGE`,
/// `TQ_ERR_LIMIT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_add(
    index: *mut TqIndex,
    vectors: *const f32,
    len: usize,
    ids: *const u64,
    ids_len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let ids = numbers(&caller, ids, ids_len)?;
        let add = || index.inner.add(vectors, ids, &Control::default());
        Ok(threads::pool()?.install(add)?)
    })
}

/// `tq_index_add` with `ids_len` ids that are texts, one a row.
///
/// # Errors
/// As `tq_index_add`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_add_texts(
    index: *mut TqIndex,
    vectors: *const f32,
    len: usize,
    ids: *const *const c_char,
    ids_len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let index = handles::get(index)?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let ids = texts(&caller, ids, ids_len)?;
        let add = || index.inner.add(vectors, ids, &Control::default());
        Ok(threads::pool()?.install(add)?)
    })
}

/// Removes the vectors of `ids_len` numbers; unknown ones are passed over. `*removed`, unless `removed` is `NULL`, becomes how
/// many there were.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_remove(
    index: *mut TqIndex,
    ids: *const u64,
    ids_len: usize,
    removed: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out_or_none(removed, "removed")?;
        let index = handles::get(index)?;
        let ids = caller.numbers(ids, ids_len, "ids")?;
        let ids: Vec<_> = ids.iter().map(|id| IdRef::Whole(*id)).collect();
        let count = index.inner.remove(&ids)?;
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// `tq_index_remove` with ids that are texts.
///
/// # Errors
/// As `tq_index_remove`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_remove_texts(
    index: *mut TqIndex,
    ids: *const *const c_char,
    ids_len: usize,
    removed: *mut usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out_or_none(removed, "removed")?;
        let index = handles::get(index)?;
        let ids = caller.texts(ids, ids_len, "ids")?;
        let ids: Vec<_> = ids.iter().map(|id| IdRef::Text(id.0)).collect();
        let count = index.inner.remove(&ids)?;
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// The ids in order of adding, numbers or texts. `*out` becomes the handle of the list, which `tq_ids_free` frees.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_ids(index: *const TqIndex, out: *mut *mut TqIds) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = handles::get(index)?.inner.ids()?.into();
        out.set(handles::add(TqIds { inner })?);
        Ok(())
    })
}

/// Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_index_len(index: *const TqIndex) -> usize {
    value(0, || Ok(handles::get(index)?.inner.len()))
}

/// Components of a vector. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_index_dim(index: *const TqIndex) -> usize {
    value(0, || Ok(handles::get(index)?.inner.config().dim()))
}

/// Whether rotation and bits follow a sample. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
/// handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_index_is_fitted(index: *const TqIndex) -> bool {
    value(false, || Ok(handles::get(index)?.inner.is_fitted()))
}

/// Frees an index, and lets go of its file. `NULL` is nothing to free. What was not saved is lost.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_index_free(index: *mut TqIndex) -> TqStatus {
    answer(|| handles::free(index))
}

fn numbers(caller: &Caller, ids: *const u64, len: usize) -> Result<Ids, Failure> {
    if ids.is_null() && len == 0 {
        return Ok(Ids::Next);
    }
    Ok(Ids::Whole(caller.numbers(ids, len, "ids")?.to_vec()))
}

fn texts(caller: &Caller, ids: *const *const c_char, len: usize) -> Result<Ids, Failure> {
    let ids = caller.texts(ids, len, "ids")?;
    Ok(Ids::Text(ids.iter().map(|id| Arc::from(id.0)).collect()))
}
