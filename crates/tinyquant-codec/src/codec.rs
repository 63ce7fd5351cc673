//! Compressing and decompressing, one vector or many.

use crate::block_encoder::BlockEncoder;
use crate::layout::RecordLayout;
use crate::rotator::Rotator;
use crate::row_coder::RowCoder;
use crate::{
    Codebook, CodecConfig, CompressedBatch, CompressedVector, Control, Error, Rotation,
    check_finite, memory, rows_of,
};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tinyquant_kernels::{Kernels, TILE, padded};

/// Rows of one block of work: enough that the matrix is read from memory once for many rows.
const BLOCK_ROWS: usize = 8 * TILE;

/// Scratch bytes of all threads together, where whole tiles can keep to it.
const SCRATCH: usize = 48 << 20;

/// Scratch bytes that a component of a block takes at most.
const SCRATCH_PER_VALUE: usize = 21;

/// Compresses one vector of `config.dimension()` values.
///
/// # Errors
/// `DimensionMismatch`, `CodebookIncompatible`, `NonFinite`, `ResidualOverflow`.
pub fn compress(
    vector: &[f32],
    config: &CodecConfig,
    codebook: &Codebook,
) -> Result<CompressedVector, Error> {
    let dimension = config.dimension();
    if vector.len() != dimension {
        return Err(Error::DimensionMismatch {
            expected: dimension,
            got: vector.len(),
            row: None,
        });
    }
    check_codebook(config, codebook)?;
    check_finite(vector, dimension)?;
    let layout = layout_of(config);
    let rotation = Rotation::shared(config.seed(), dimension, &Control::default())?;
    let mut packed = vec![0; layout.packed_len()];
    let mut residual = vec![0; layout.residual_len()];
    let mut coder = RowCoder::new(dimension, config.bit_width());
    let mut rotated = vec![0.0; padded(dimension)];
    let wide: Vec<f64> = vector.iter().map(|value| f64::from(*value)).collect();
    Kernels::active().matvec(&wide, rotation.forward(), &mut rotated);
    coder.encode(codebook, &rotated, 0, &mut packed, &mut residual)?;
    Ok(CompressedVector::from_checked(layout, packed, residual))
}

/// Decompresses one vector. A residual is applied if the record has one, whatever the configuration says.
///
/// # Errors
/// `ConfigMismatch`, `CodebookIncompatible`, `DimensionMismatch`, `DecodedNonFinite`.
pub fn decompress(
    record: &CompressedVector,
    config: &CodecConfig,
    codebook: &Codebook,
) -> Result<Vec<f32>, Error> {
    check_layout(&record.layout, config, codebook, None)?;
    let dimension = config.dimension();
    let rotation = Rotation::shared(config.seed(), dimension, &Control::default())?;
    let mut rotated = vec![0.0; padded(dimension)];
    RowCoder::new(dimension, config.bit_width()).decode(
        codebook,
        record.packed(),
        record.residual().unwrap_or_default(),
        &mut rotated,
    );
    let wide: Vec<f64> = rotated[..dimension]
        .iter()
        .map(|value| f64::from(*value))
        .collect();
    let mut vector = vec![0.0; padded(dimension)];
    Kernels::active().matvec(&wide, rotation.inverse(), &mut vector);
    vector.truncate(dimension);
    check_decoded(&vector, 0)?;
    Ok(vector)
}

/// Compresses rows of `config.dimension()` values, on the threads of `pool` or, without one, on the caller's.
/// The bytes do not depend on the number of threads. Besides its input and output a call needs
/// at most 48 MB, or `250 * dimension` bytes a thread if that is more.
///
/// # Errors
/// `RaggedRows`, `CodebookIncompatible`, `NonFinite` and `ResidualOverflow` (with the first such row),
/// `OutOfMemory`, `Cancelled`. Of a failing row and a cancellation, the one in the earlier block is reported.
pub fn compress_batch(
    vectors: &[f32],
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<CompressedBatch, Error> {
    let dimension = config.dimension();
    let rows = rows_of(vectors, dimension)?;
    check_codebook(config, codebook)?;
    check_finite(vectors, dimension)?;
    let layout = layout_of(config);
    let (packed_len, residual_len) = (layout.packed_len(), layout.residual_len());
    let mut packed = memory::filled(rows * packed_len)?;
    let mut residuals = memory::filled(rows * residual_len)?;
    if rows > 0 {
        let rotation = Rotation::shared(config.seed(), dimension, control)?;
        let block = block_rows(rows, dimension, pool);
        let mut residual_chunks = residuals.chunks_mut((block * residual_len).max(1));
        let jobs: Vec<_> = vectors
            .chunks(block * dimension)
            .zip(packed.chunks_mut(block * packed_len))
            .map(|(vectors, packed)| (vectors, packed, residual_chunks.next().unwrap_or_default()))
            .collect();
        let init = || BlockEncoder::new(config);
        run(
            jobs,
            block,
            rows,
            pool,
            control,
            init,
            |encoder, first, (vectors, packed, residuals)| {
                encoder.encode(vectors, first, &rotation, codebook, packed, residuals)
            },
        )?;
    }
    Ok(CompressedBatch {
        layout: (rows > 0).then_some(layout),
        len: rows,
        packed,
        residuals,
    })
}

/// Decompresses a batch into rows of `config.dimension()` values; otherwise as [`compress_batch`].
///
/// # Errors
/// Those of [`decompress`], with the row where it matters, `OutOfMemory` and `Cancelled`.
pub fn decompress_batch(
    batch: &CompressedBatch,
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    check_batch(batch, config, codebook)?;
    let Some(layout) = &batch.layout else {
        return Ok(Vec::new());
    };
    let residual_len = layout.residual_len();
    let packed = batch.packed.chunks_exact(layout.packed_len());
    let mut residuals = batch.residuals.chunks_exact(residual_len.max(1));
    let records: Vec<_> = packed
        .map(|packed| (packed, residuals.next().unwrap_or_default()))
        .collect();
    decompress_parts(&records, config, codebook, pool, control)
}

/// Decompresses single records into rows of `config.dimension()` values; otherwise as [`compress_batch`].
///
/// # Errors
/// Those of [`decompress`], with the row where it matters, `OutOfMemory` and `Cancelled`.
pub fn decompress_records(
    records: &[&CompressedVector],
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    for (row, record) in records.iter().enumerate() {
        check_layout(&record.layout, config, codebook, Some(row))?;
    }
    let parts: Vec<_> = records
        .iter()
        .map(|record| (record.packed(), record.residual().unwrap_or_default()))
        .collect();
    decompress_parts(&parts, config, codebook, pool, control)
}

/// Decompresses payloads, packed indices and residual, made under `config`; an empty residual is none. Otherwise
/// as [`compress_batch`].
///
/// # Errors
/// `CodebookIncompatible`, `InvalidArgument` for a payload of the wrong length, `DecodedNonFinite` with the row,
/// `OutOfMemory` and `Cancelled`.
pub fn decompress_payloads(
    rows: &[(&[u8], &[u8])],
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    check_codebook(config, codebook)?;
    let layout = layout_of(config);
    let residual_len = 2 * layout.dimension;
    for (row, (packed, residual)) in rows.iter().enumerate() {
        let fits = residual.is_empty() || residual.len() == residual_len;
        if packed.len() != layout.packed_len() || !fits {
            let reason = format!(
                "row {row}: {} index bytes and {} residual bytes, expected {} and {residual_len} or none",
                packed.len(),
                residual.len(),
                layout.packed_len(),
            );
            return Err(Error::InvalidArgument { reason });
        }
    }
    decompress_parts(rows, config, codebook, pool, control)
}

/// Decompresses packed indices and residuals whose lengths were checked; an empty residual is none.
fn decompress_parts(
    records: &[(&[u8], &[u8])],
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    let dimension = config.dimension();
    let stride = padded(dimension);
    let mut out = memory::filled(records.len() * dimension)?;
    if records.is_empty() {
        return Ok(out);
    }
    let rotation = Rotation::shared(config.seed(), dimension, control)?;
    let block = block_rows(records.len(), dimension, pool);
    let jobs: Vec<_> = records
        .chunks(block)
        .zip(out.chunks_mut(block * dimension))
        .collect();
    let init = || {
        let decoded = vec![0.0; block * stride];
        (
            Rotator::new(dimension),
            RowCoder::new(dimension, config.bit_width()),
            decoded,
        )
    };
    run(
        jobs,
        block,
        records.len(),
        pool,
        control,
        init,
        |(rotator, decoder, decoded), first, (records, out)| {
            let decoded = &mut decoded[..records.len() * stride];
            for ((packed, residual), row) in records.iter().zip(decoded.chunks_exact_mut(stride)) {
                decoder.decode(codebook, packed, residual, row);
            }
            let rows = decoded.chunks_exact(stride).map(|row| &row[..dimension]);
            let vectors = rotator.rotate(rows, rotation.inverse());
            for (row, (vector, out)) in vectors
                .chunks_exact(stride)
                .zip(out.chunks_exact_mut(dimension))
                .enumerate()
            {
                out.copy_from_slice(&vector[..dimension]);
                check_decoded(out, first + row)?;
            }
            Ok(())
        },
    )?;
    Ok(out)
}

/// Rotates rows of `config.dimension()` finite values, without padding between them, on the caller's thread.
///
/// # Errors
/// `InvalidDimension`, `OutOfMemory`, `Cancelled`.
pub fn rotate(vectors: &[f32], config: &CodecConfig, control: &Control) -> Result<Vec<f32>, Error> {
    let dimension = config.dimension();
    let rotation = Rotation::shared(config.seed(), dimension, control)?;
    let mut rotator = Rotator::new(dimension);
    let mut out = memory::with_capacity(vectors.len())?;
    for block in vectors.chunks(BLOCK_ROWS * dimension) {
        control.check()?;
        let rotated = rotator.rotate(block.chunks_exact(dimension), rotation.forward());
        for row in rotated.chunks_exact(padded(dimension)) {
            out.extend_from_slice(&row[..dimension]);
        }
    }
    Ok(out)
}

fn layout_of(config: &CodecConfig) -> RecordLayout {
    RecordLayout {
        config_hash: config.shared_hash(),
        dimension: config.dimension(),
        bit_width: config.bit_width(),
        has_residual: config.residual_enabled(),
    }
}

/// Fails unless the records of a batch were made under a configuration and fit a codebook, as decompressing them does.
///
/// # Errors
/// `ConfigMismatch`, `CodebookIncompatible`, `DimensionMismatch`.
pub fn check_batch(
    batch: &CompressedBatch,
    config: &CodecConfig,
    codebook: &Codebook,
) -> Result<(), Error> {
    match &batch.layout {
        Some(layout) => check_layout(layout, config, codebook, Some(0)),
        None => Ok(()),
    }
}

fn check_codebook(config: &CodecConfig, codebook: &Codebook) -> Result<(), Error> {
    if codebook.bit_width() == config.bit_width() {
        return Ok(());
    }
    Err(Error::CodebookIncompatible {
        what: "codebook",
        expected: config.bit_width(),
        got: codebook.bit_width(),
    })
}

fn check_layout(
    layout: &RecordLayout,
    config: &CodecConfig,
    codebook: &Codebook,
    row: Option<usize>,
) -> Result<(), Error> {
    if *layout.config_hash != *config.config_hash() {
        let (expected, got) = (
            config.config_hash().to_owned(),
            layout.config_hash.to_string(),
        );
        return Err(Error::ConfigMismatch { expected, got, row });
    }
    if layout.bit_width != config.bit_width() {
        let (expected, got) = (config.bit_width(), layout.bit_width);
        return Err(Error::CodebookIncompatible {
            what: "record",
            expected,
            got,
        });
    }
    check_codebook(config, codebook)?;
    if layout.dimension != config.dimension() {
        return Err(Error::DimensionMismatch {
            expected: config.dimension(),
            got: layout.dimension,
            row,
        });
    }
    Ok(())
}

fn check_decoded(vector: &[f32], row: usize) -> Result<(), Error> {
    match check_finite(vector, vector.len()) {
        Err(Error::NonFinite { column, .. }) => Err(Error::DecodedNonFinite { row, column }),
        other => other,
    }
}

/// Rows of a block such that every thread gets work and scratch memory stays bounded, in whole tiles.
fn block_rows(rows: usize, dimension: usize, pool: Option<&ThreadPool>) -> usize {
    let threads = pool.map_or(1, ThreadPool::current_num_threads);
    let affordable = SCRATCH / (threads * dimension * SCRATCH_PER_VALUE) / TILE * TILE;
    let shared = rows.div_ceil(threads).next_multiple_of(TILE);
    shared.min(affordable.clamp(TILE, BLOCK_ROWS))
}

/// Runs one job a block, in parallel where there is a pool. `body` gets scratch memory, the block's first row
/// and the job. Of several failures the one of the first row is returned, whatever the order of execution.
fn run<J: Send, S: Send>(
    jobs: Vec<J>,
    block: usize,
    rows: usize,
    pool: Option<&ThreadPool>,
    control: &Control,
    init: impl Fn() -> S + Sync + Send,
    body: impl Fn(&mut S, usize, J) -> Result<(), Error> + Sync + Send,
) -> Result<(), Error> {
    let done = AtomicUsize::new(0);
    let first_failed = AtomicUsize::new(usize::MAX);
    let failure = Mutex::new(None);
    // Scratch memory goes from block to block: fresh memory has to be mapped first.
    let spare = Mutex::new(Vec::new());
    let step = |(index, job): (usize, J)| {
        if index > first_failed.load(Ordering::Relaxed) {
            return;
        }
        let first = index * block;
        let reused = lock(&spare).pop();
        let mut scratch = reused.unwrap_or_else(&init);
        match control
            .check()
            .and_then(|()| body(&mut scratch, first, job))
        {
            Ok(()) => {
                let step = block.min(rows - first);
                control.report(done.fetch_add(step, Ordering::Relaxed) + step, rows);
            }
            Err(error) => {
                let mut kept = lock(&failure);
                if index < first_failed.fetch_min(index, Ordering::Relaxed) {
                    *kept = Some(error);
                }
            }
        }
        lock(&spare).push(scratch);
    };
    let jobs = jobs.into_iter().enumerate().collect::<Vec<_>>();
    match pool {
        Some(pool) => pool.install(|| jobs.into_par_iter().for_each(step)),
        None => jobs.into_iter().for_each(step),
    }
    let failure = lock(&failure).take();
    failure.map_or(Ok(()), Err)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_tiles_within_the_scratch_memory() {
        let pool = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
        };
        let (three, eight, twenty) = (pool(3), pool(8), pool(20));
        for (rows, dimension, pool, expected) in [
            (1, 8, None, 12),
            (13, 8, None, 24),
            (5000, 8, None, 96),
            (100, 8, Some(&three), 36),
            (5000, 8, Some(&three), 96),
            // 48 MiB / (8 threads * 16384 values * 21 bytes) are 18 rows.
            (5000, 16384, Some(&eight), 12),
            (5000, 4096, Some(&eight), 72),
            (5000, 16384, Some(&twenty), 12),
        ] {
            assert_eq!(
                block_rows(rows, dimension, pool),
                expected,
                "{rows} x {dimension}"
            );
        }
    }
}
