//! What a corpus holds, and exact search in it.

use crate::buffers;
use crate::calls::answer;
use crate::corpus::TqCorpus;
use crate::handles;
use crate::hits::TqHits;
use crate::ids::{IdColumn, TqIds};
use crate::pointers::Caller;
use crate::record::TqCompressedVector;
use crate::status::TqStatus;
use crate::threads;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use tinyquant_codec::Control;

/// Says in `*contained` whether there is a vector with this id.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_contains(
    corpus: *const TqCorpus,
    id: *const c_char,
    contained: *mut bool,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(contained, "contained")?;
        let corpus = handles::get(corpus)?;
        let is_there = corpus.read().contains(caller.text(id, "id")?)?;
        out.set(is_there);
        Ok(())
    })
}

/// The vector of an id as it is stored. `*out` becomes its handle, which `tq_compressed_vector_free` frees: under
/// `TQ_POLICY_COMPRESS` its record, else a record of 8-bit codes that are the bytes of the f32 or f16 components.
/// `*inserted_at`, unless `inserted_at` is `NULL`, becomes the time that the insert was given. `*metadata`, unless `metadata`
/// is `NULL`, becomes the caller's text, or `NULL` where there is none; the caller owns it, and `tq_text_free` frees it.
///
/// # Errors
/// `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_get(
    corpus: *const TqCorpus,
    id: *const c_char,
    out: *mut *mut TqCompressedVector,
    inserted_at: *mut i64,
    metadata: *mut *mut c_char,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inserted_at = caller.out_or_none(inserted_at, "inserted_at")?;
        let metadata = caller.out_or_none(metadata, "metadata")?;
        let entry = handles::get(corpus)?.read().get(caller.text(id, "id")?)?;
        out.set(TqCompressedVector::add(entry.record().as_ref().clone())?);
        if let Some(inserted_at) = inserted_at {
            inserted_at.set(entry.inserted_at().as_nanos());
        }
        if let Some(metadata) = metadata {
            let text = entry.metadata().map(|text| text.as_bytes().to_vec());
            metadata.set(text.map_or(ptr::null_mut(), buffers::lend_text));
        }
        Ok(())
    })
}

/// Decompresses the vector of an id into the `len` components at `out`, which must be the dimension. Nothing is written on
/// an error.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_CLOSED`,
/// `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_decompress(
    corpus: *const TqCorpus,
    id: *const c_char,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let corpus = corpus.read();
        let out = caller.out_floats(out, len, corpus.config().dimension(), "out")?;
        out.fill(&corpus.decompress(caller.text(id, "id")?)?)
    })
}

/// Decompresses all vectors, in insertion order, into the `len` components at `out`: rows of `dimension` components,
/// row-major. `len` must be the number of vectors times the dimension. Nothing is written on an error.
///
/// # Errors
/// As `tq_corpus_decompress`, without `TQ_ERR_ID_NOT_FOUND`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_decompress_all(
    corpus: *const TqCorpus,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let corpus = corpus.read();
        let expected = corpus.len().saturating_mul(corpus.config().dimension());
        let out = caller.out_floats(out, len, expected, "out")?;
        let (pool, end, control) = (
            Some(threads::pool()?),
            corpus.next_number(),
            Control::default(),
        );
        let (_, values) = corpus.page_values(0, end, corpus.len(), pool, &control)?;
        out.fill(&values)
    })
}

/// The ids in insertion order, texts. `*out` becomes the handle of the list, which `tq_ids_free` frees.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_ids(corpus: *const TqCorpus, out: *mut *mut TqIds) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let corpus = handles::get(corpus)?;
        let corpus = corpus.read();
        let page = corpus.page_ids(0, corpus.next_number(), corpus.len())?;
        let inner = IdColumn::of_texts(page.items.into_iter());
        out.set(handles::add(TqIds { inner })?);
        Ok(())
    })
}

/// Name of the corpus. The caller owns `*id`: `tq_text_free` frees it.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_id(corpus: *const TqCorpus, id: *mut *mut c_char) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(id, "id")?;
        let id = Arc::clone(handles::get(corpus)?.read().id());
        out.set(buffers::lend_text(id.as_bytes().to_vec()));
        Ok(())
    })
}

/// The caller's metadata of the corpus: `*metadata` becomes its text, or `NULL` where there is none. The caller owns it:
/// `tq_text_free` frees it.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_metadata(
    corpus: *const TqCorpus,
    metadata: *mut *mut c_char,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(metadata, "metadata")?;
        let text = handles::get(corpus)?.read().metadata().map(Arc::clone);
        let text = text.map(|text| text.as_bytes().to_vec());
        out.set(text.map_or(ptr::null_mut(), buffers::lend_text));
        Ok(())
    })
}

/// For each query the `top_k` vectors (at least 1) whose reconstructions have the highest cosine with it, exactly: scores
/// from -1 to 1, equal ones in the order of the ids' bytes. `queries` are rows of `dimension` components, row-major, `len`
/// components in all. `*out` becomes the handle of the hits, whose ids are texts; `tq_hits_free` frees it.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_CODEBOOK_MISMATCH`,
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_search(
    corpus: *const TqCorpus,
    queries: *const f32,
    len: usize,
    top_k: usize,
    out: *mut *mut TqHits,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let corpus = handles::get(corpus)?;
        let queries = caller.floats(queries, len, "queries")?;
        let (pool, control) = (Some(threads::pool()?), Control::default());
        let hits = corpus.read().search(queries, top_k, pool, &control)?;
        out.set(handles::add(TqHits::of_corpus(hits))?);
        Ok(())
    })
}
