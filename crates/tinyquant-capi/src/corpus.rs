//! Corpora: making and changing them.

use crate::calls::{answer, value};
use crate::codebook::TqCodebook;
use crate::config::TqCodecConfig;
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::status::TqStatus;
use crate::threads;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tinyquant_corpus::{CompressionPolicy, Corpus, Rows, Timestamp};
use tinyquant_store::Link;

/// Vectors under ids, in insertion order, stored as one policy says.
pub struct TqCorpus {
    corpus: RwLock<Corpus>,
    /// The file that it was opened from or saved to last. Taken before `corpus` where both are.
    pub(crate) link: Mutex<Option<Link>>,
}

impl Object for TqCorpus {
    const KIND: Kind = Kind::Corpus;
}

impl TqCorpus {
    pub(crate) fn new(mut corpus: Corpus, link: Option<Link>) -> Self {
        corpus.drain_events();
        Self {
            corpus: RwLock::new(corpus),
            link: Mutex::new(link),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Corpus> {
        self.corpus.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Corpus> {
        self.corpus.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Codes of the codec, with or without a residual.
pub const TQ_POLICY_COMPRESS: u32 = 0;
/// The f32 components as they are.
pub const TQ_POLICY_PASSTHROUGH: u32 = 1;
/// The components rounded to f16.
pub const TQ_POLICY_FP16: u32 = 2;

const POLICIES: [CompressionPolicy; 3] = [
    CompressionPolicy::Compress,
    CompressionPolicy::Passthrough,
    CompressionPolicy::Fp16,
];

/// Makes an empty corpus. `id` is its name, `corpus` if that is `NULL`; `policy` one of `TQ_POLICY_`; `metadata` the
/// caller's text, JSON if the other languages are to read it, or `NULL`. `*out` becomes its handle, which
/// `tq_corpus_free` frees. A codebook whose bit width does not fit fails at the first insert that needs it.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_new(
    id: *const c_char,
    config: *const TqCodecConfig,
    codebook: *const TqCodebook,
    policy: u32,
    metadata: *const c_char,
    out: *mut *mut TqCorpus,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let id = caller.text_or_none(id, "id")?.unwrap_or("corpus");
        let metadata = caller.text_or_none(metadata, "metadata")?;
        let (config, codebook) = (handles::get(config)?, handles::get(codebook)?);
        let policy = *POLICIES.get(policy as usize).ok_or_else(|| {
            Failure::invalid_arg(format!(
                "policy must be one of TQ_POLICY_ (0, 1 or 2), got {policy}"
            ))
        })?;
        let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
        let created_at = Timestamp::default();
        let corpus = Corpus::new(id, config, codebook, policy, metadata, created_at);
        out.set(handles::add(TqCorpus::new(corpus, None))?);
        Ok(())
    })
}

/// Inserts one vector of `len` components, which must be the dimension, under an id. `metadata` is the caller's text, JSON
/// if the other languages are to read it, or `NULL`. `inserted_at` is in nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_EXISTS`, `TQ_ERR_NON_FINITE`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_LIMIT` for what does
/// not fit f16, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file. Nothing is
/// inserted then.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_insert(
    corpus: *mut TqCorpus,
    id: *const c_char,
    vector: *const f32,
    len: usize,
    metadata: *const c_char,
    inserted_at: i64,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let id = caller.text(id, "id")?;
        let vector = caller.floats(vector, len, "vector")?;
        let metadata = caller.text_or_none(metadata, "metadata")?;
        let mut corpus = corpus.write();
        corpus.insert(id, vector, metadata, Timestamp::from_nanos(inserted_at))?;
        corpus.drain_events();
        Ok(())
    })
}

/// Inserts `count` vectors under `count` ids, all of them or none, on the threads of the library. `vectors` are rows of
/// `dimension` components, row-major, `len` components in all; `inserted_at` is as for `tq_corpus_insert`.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` unless there are `count` rows; otherwise as `tq_corpus_insert`, for the first row that fails.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_insert_batch(
    corpus: *mut TqCorpus,
    ids: *const *const c_char,
    count: usize,
    vectors: *const f32,
    len: usize,
    inserted_at: i64,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let corpus = handles::get(corpus)?;
        let ids = caller.texts(ids, count, "ids")?;
        let vectors = caller.floats(vectors, len, "vectors")?;
        let mut corpus = corpus.write();
        let dimension = corpus.config().dimension();
        let expected = count.saturating_mul(dimension);
        if len != expected {
            return Err(Failure::length("vectors", len, expected));
        }
        let lengths = vec![dimension as u32; count];
        let rows = Rows::new(&ids, vectors, &lengths)?;
        let pool = Some(threads::pool()?);
        let inserted_at = Timestamp::from_nanos(inserted_at);
        corpus.insert_batch(&rows, &[None::<&str>; 0], inserted_at, pool)?;
        corpus.drain_events();
        Ok(())
    })
}

/// Removes the vector of an id. `*removed`, unless `removed` is `NULL`, says whether there was one.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file. Nothing is removed then.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_remove(
    corpus: *mut TqCorpus,
    id: *const c_char,
    removed: *mut bool,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out_or_none(removed, "removed")?;
        let corpus = handles::get(corpus)?;
        let was_there = corpus.write().remove(caller.text(id, "id")?)?;
        if let Some(out) = out {
            out.set(was_there);
        }
        Ok(())
    })
}

/// Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_corpus_vector_count(corpus: *const TqCorpus) -> usize {
    value(0, || Ok(handles::get(corpus)?.read().len()))
}

/// How vectors are stored, one of `TQ_POLICY_`. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
/// handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_corpus_policy(corpus: *const TqCorpus) -> u32 {
    value(0, || {
        let policy = handles::get(corpus)?.read().policy();
        let number = POLICIES.iter().position(|each| *each == policy);
        Ok(number.unwrap_or_default() as u32)
    })
}

/// The configuration of a corpus. `*out` becomes its handle, which `tq_codec_config_free` frees.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_config(
    corpus: *const TqCorpus,
    out: *mut *mut TqCodecConfig,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let config = handles::get(corpus)?.read().config().clone();
        out.set(TqCodecConfig::add(config)?);
        Ok(())
    })
}

/// The codebook of a corpus. `*out` becomes its handle, which `tq_codebook_free` frees.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_corpus_codebook(
    corpus: *const TqCorpus,
    out: *mut *mut TqCodebook,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = handles::get(corpus)?.read().codebook().clone();
        out.set(handles::add(TqCodebook { inner })?);
        Ok(())
    })
}

/// Frees a corpus, and lets go of its file. `NULL` is nothing to free. What was not saved is lost.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_corpus_free(corpus: *mut TqCorpus) -> TqStatus {
    answer(|| handles::free(corpus))
}
