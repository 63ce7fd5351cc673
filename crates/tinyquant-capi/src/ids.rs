//! Lists of ids, and how ids are given.

use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use tinyquant_index::IdList;

/// A text of the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GivenText<'a>(pub(crate) &'a str);

impl AsRef<str> for GivenText<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// Ids in memory that callers read.
pub(crate) enum IdColumn {
    /// Whole numbers.
    Whole(Vec<u64>),
    /// UTF-8 texts, each with a zero byte behind it.
    Text(Vec<Box<[u8]>>),
}

impl IdColumn {
    /// Ids of a corpus.
    pub(crate) fn of_texts(ids: impl Iterator<Item = Arc<str>>) -> Self {
        let ended = |id: Arc<str>| [id.as_bytes(), &[0]].concat().into_boxed_slice();
        Self::Text(ids.map(ended).collect())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(ids) => ids.len(),
            Self::Text(ids) => ids.len(),
        }
    }

    /// Where the whole numbers lie.
    pub(crate) fn numbers(&self) -> Result<*const u64, Failure> {
        match self {
            Self::Whole(ids) => Ok(ids.as_ptr()),
            Self::Text(_) => Err(Failure::invalid_arg("the ids are texts, not numbers")),
        }
    }

    /// Where a text lies, and its bytes without the zero byte.
    pub(crate) fn text(&self, at: usize) -> Result<(*const c_char, usize), Failure> {
        let Self::Text(ids) = self else {
            return Err(Failure::invalid_arg("the ids are numbers, not texts"));
        };
        let id = ids.get(at);
        let id = id.ok_or_else(|| Failure::out_of_range("the place of an id", at, ids.len()))?;
        Ok((id.as_ptr().cast(), id.len() - 1))
    }
}

impl From<IdList> for IdColumn {
    fn from(ids: IdList) -> Self {
        match ids {
            IdList::Whole(ids) => Self::Whole(ids),
            IdList::Text(ids) => Self::of_texts(ids.into_iter()),
        }
    }
}

/// Ids of a corpus or an index, in order of insertion. Immutable.
pub struct TqIds {
    pub(crate) inner: IdColumn,
}

impl Object for TqIds {
    const KIND: Kind = Kind::Ids;
}

/// Number of ids. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_ids_len(ids: *const TqIds) -> usize {
    value(0, || Ok(handles::get(ids)?.inner.len()))
}

/// The ids as numbers, `tq_ids_len` of them. Valid until the list is freed, not to be freed itself. `NULL` and an error for
/// ids that are texts (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
#[unsafe(no_mangle)]
pub extern "C" fn tq_ids_numbers(ids: *const TqIds) -> *const u64 {
    value(ptr::null(), || handles::get(ids)?.inner.numbers())
}

/// Id `at`, from 0, as UTF-8 with a zero byte behind it. `*len`, unless `len` is `NULL`, becomes its bytes without that: an
/// id may have zero bytes of its own. Valid until the list is freed, not to be freed itself. `NULL` and an error for ids
/// that are numbers or a place beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`,
/// `TQ_ERR_INVALID_HANDLE`).
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_ids_text(
    ids: *const TqIds,
    at: usize,
    len: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    value(ptr::null(), || {
        let out = caller.out_or_none(len, "len")?;
        let (text, len) = handles::get(ids)?.inner.text(at)?;
        if let Some(out) = out {
            out.set(len);
        }
        Ok(text)
    })
}

/// Frees a list of ids. `NULL` is nothing to free.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_ids_free(ids: *mut TqIds) -> TqStatus {
    answer(|| handles::free(ids))
}
