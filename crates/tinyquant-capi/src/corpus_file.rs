//! Corpus files.

use crate::calls::answer;
use crate::corpus::TqCorpus;
use crate::handles;
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::c_char;
use std::path::Path;
use std::sync::PoisonError;
use tinyquant_codec::Control;
use tinyquant_store::{CorpusFile, Link, Probe, append, not_linked, save};

/// Opens the corpus file at `path`, UTF-8. With `is_mapped` (0 no, any other value yes) it is mapped into memory; a
/// program that truncates it meanwhile ends this one. Without, its rows are read when they are asked for. With `verify`
/// all of it is checked first. `*out` becomes the corpus's handle, which `tq_corpus_free` frees. Changes stay in memory
/// until the corpus is saved.
///
/// # Errors
/// `TQ_ERR_IO`, `TQ_ERR_FORMAT`, `TQ_ERR_VERSION`, `TQ_ERR_TRUNCATED`, `TQ_ERR_CHECKSUM`, `TQ_ERR_INVALID_ARG`. They are also
/// what later calls say of rows that cannot be read.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_open(
    path: *const c_char,
    is_mapped: u8,
    verify: u8,
    out: *mut *mut TqCorpus,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let path = Path::new(caller.text(path, "path")?);
        let file = CorpusFile::open(path, is_mapped != 0)?;
        if verify != 0 {
            file.verify(&Control::default())?;
        }
        let link = Link::opened(path, &file)?;
        let corpus = TqCorpus::new(file.into_corpus(), Some(link));
        out.set(handles::add(corpus)?);
        Ok(())
    })
}

/// Writes all of a corpus to a file at `path`, UTF-8, which replaces the one that is there: at any moment there is the old
/// one or the new one.
///
/// # Errors
/// `TQ_ERR_IO`, also while another writer has the file; `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`,
/// `TQ_ERR_INVALID_ARG`; those of reading the file that the corpus was opened from.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_save(corpus: *const TqCorpus, path: *const c_char) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let path = Path::new(caller.text(path, "path")?);
        let mut link = corpus.link.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = save(&corpus.read(), path, &Control::default(), Probe::default())?;
        *link = Some(saved);
        Ok(())
    })
}

/// Adds to the file at `path`, UTF-8, what changed since the corpus was opened from there or saved to it last.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG` for another file, `TQ_ERR_IO` if it changed meanwhile; otherwise as `tq_corpus_save`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_append(
    corpus: *const TqCorpus,
    path: *const c_char,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let path = Path::new(caller.text(path, "path")?);
        let mut link = corpus.link.lock().unwrap_or_else(PoisonError::into_inner);
        let known = link.as_ref().ok_or_else(|| not_linked(path))?;
        let (control, probe) = (Control::default(), Probe::default());
        *link = Some(append(&corpus.read(), known, path, &control, probe)?);
        Ok(())
    })
}
