//! What searches find.

use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::ids::IdColumn;
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::c_char;
use std::ptr;
use tinyquant_corpus::Hit;
use tinyquant_index::Hits;

/// The hits of one query or of several, each query's best first. Immutable.
pub struct TqHits {
    queries: Vec<QueryHits>,
}

struct QueryHits {
    ids: IdColumn,
    scores: Vec<f32>,
}

impl Object for TqHits {
    const KIND: Kind = Kind::Hits;
}

impl TqHits {
    /// Hits in an index.
    pub(crate) fn of_index(queries: Vec<Hits>) -> Self {
        let queries = queries.into_iter().map(|Hits { ids, scores }| QueryHits {
            ids: ids.into(),
            scores,
        });
        Self {
            queries: queries.collect(),
        }
    }

    /// Hits in a corpus.
    pub(crate) fn of_corpus(queries: Vec<Vec<Hit>>) -> Self {
        let queries = queries.into_iter().map(|hits| QueryHits {
            scores: hits.iter().map(|hit| hit.score).collect(),
            ids: IdColumn::of_texts(hits.into_iter().map(|hit| hit.id)),
        });
        Self {
            queries: queries.collect(),
        }
    }

    fn query(&self, query: usize) -> Result<&QueryHits, Failure> {
        let found = self.queries.get(query);
        found.ok_or_else(|| Failure::out_of_range("query", query, self.queries.len()))
    }
}

/// Number of queries that were searched for. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_hits_queries(hits: *const TqHits) -> usize {
    value(0, || Ok(handles::get(hits)?.queries.len()))
}

/// Number of hits of query `query`, from 0. 0 and an error for a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
/// handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
#[unsafe(no_mangle)]
pub extern "C" fn tq_hits_len(hits: *const TqHits, query: usize) -> usize {
    value(0, || Ok(handles::get(hits)?.query(query)?.scores.len()))
}

/// Scores of the hits of query `query`, best first, `tq_hits_len` of them; higher is better. Valid until the hits are
/// freed, not to be freed themselves. `NULL` and an error for a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
/// handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
#[unsafe(no_mangle)]
pub extern "C" fn tq_hits_scores(hits: *const TqHits, query: usize) -> *const f32 {
    value(ptr::null(), || {
        Ok(handles::get(hits)?.query(query)?.scores.as_ptr())
    })
}

/// Ids of the hits of query `query` as numbers, `tq_hits_len` of them. Valid until the hits are freed, not to be freed
/// themselves. `NULL` and an error for ids that are texts or a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
/// handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
#[unsafe(no_mangle)]
pub extern "C" fn tq_hits_numbers(hits: *const TqHits, query: usize) -> *const u64 {
    value(ptr::null(), || {
        handles::get(hits)?.query(query)?.ids.numbers()
    })
}

/// Id of hit `at` of query `query`, both from 0, as UTF-8 with a zero byte behind it. `*len`, unless `len` is `NULL`,
/// becomes its bytes without that. Valid until the hits are freed, not to be freed itself. `NULL` and an error for ids
/// that are numbers or a place beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`,
/// `TQ_ERR_INVALID_HANDLE`).
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_hits_text(
    hits: *const TqHits,
    query: usize,
    at: usize,
    len: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    value(ptr::null(), || {
        let out = caller.out_or_none(len, "len")?;
        let (text, len) = handles::get(hits)?.query(query)?.ids.text(at)?;
        if let Some(out) = out {
            out.set(len);
        }
        Ok(text)
    })
}

/// Frees hits. `NULL` is nothing to free.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_hits_free(hits: *mut TqHits) -> TqStatus {
    answer(|| handles::free(hits))
}
