//! Compressing and decompressing.

use crate::batch::TqCompressedBatch;
use crate::calls::answer;
use crate::codebook::TqCodebook;
use crate::config::TqCodecConfig;
use crate::handles;
use crate::pointers::Caller;
use crate::record::TqCompressedVector;
use crate::status::TqStatus;
use crate::threads;
use tinyquant_codec::{Control, compress, compress_batch, decompress, decompress_batch};

/// Compresses one vector of `len` components, which must be the dimension. `*out` becomes the record's handle, which
/// `tq_compressed_vector_free` frees.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_LIMIT` for a residual beyond f16,
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codec_compress(
    config: *const TqCodecConfig,
    codebook: *const TqCodebook,
    vector: *const f32,
    len: usize,
    out: *mut *mut TqCompressedVector,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let (config, codebook) = (handles::get(config)?, handles::get(codebook)?);
        let vector = caller.floats(vector, len, "vector")?;
        let record = compress(vector, &config.inner, &codebook.inner)?;
        out.set(TqCompressedVector::add(record)?);
        Ok(())
    })
}

/// Decompresses a record into the `len` components at `out`, which must be the dimension. Nothing is written on an error.
///
/// # Errors
/// `TQ_ERR_CONFIG_MISMATCH`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_NON_FINITE` for a record that
/// decodes to such values, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codec_decompress(
    config: *const TqCodecConfig,
    codebook: *const TqCodebook,
    record: *const TqCompressedVector,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let (config, codebook) = (handles::get(config)?, handles::get(codebook)?);
        let record = handles::get(record)?;
        let out = caller.out_floats(out, len, config.inner.dimension(), "out")?;
        out.fill(&decompress(&record.inner, &config.inner, &codebook.inner)?)
    })
}

/// Compresses rows of `dimension` components, row-major, `len` components in all, on the threads of the library. `*out`
/// becomes the batch's handle, which `tq_compressed_batch_free` frees. The bytes do not depend on the number of threads.
///
/// # Errors
/// `TQ_ERR_DIM_MISMATCH` unless the rows are whole; otherwise as `tq_codec_compress`, for the first row that fails.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codec_compress_batch(
    config: *const TqCodecConfig,
    codebook: *const TqCodebook,
    vectors: *const f32,
    len: usize,
    out: *mut *mut TqCompressedBatch,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let (config, codebook) = (handles::get(config)?, handles::get(codebook)?);
        let vectors = caller.floats(vectors, len, "vectors")?;
        let (pool, control) = (Some(threads::pool()?), Control::default());
        let inner = compress_batch(vectors, &config.inner, &codebook.inner, pool, &control)?;
        out.set(handles::add(TqCompressedBatch { inner })?);
        Ok(())
    })
}

/// Decompresses a batch into the `len` components at `out`: rows of `dimension` components, row-major. `len` must be the
/// number of vectors times the dimension. Nothing is written on an error.
///
/// # Errors
/// As `tq_codec_decompress`, for the first row that fails; `TQ_ERR_LIMIT` where memory is short.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codec_decompress_batch(
    config: *const TqCodecConfig,
    codebook: *const TqCodebook,
    batch: *const TqCompressedBatch,
    out: *mut f32,
    len: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let (config, codebook) = (handles::get(config)?, handles::get(codebook)?);
        let batch = handles::get(batch)?;
        let expected = batch.inner.len().saturating_mul(config.inner.dimension());
        let out = caller.out_floats(out, len, expected, "out")?;
        let (pool, control) = (Some(threads::pool()?), Control::default());
        let vectors =
            decompress_batch(&batch.inner, &config.inner, &codebook.inner, pool, &control)?;
        out.fill(&vectors)
    })
}
