//! Compressing and decompressing, one vector or many.

use crate::record::Layout;
use crate::{
    Codebook, CodecConfig, CompressedBatch, CompressedVector, Control, Error, Rotation,
    check_finite, rows_of,
};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tinyquant_kernels::{F16_OVERFLOW, Kernels, PANEL, TILE, fused_error, padded};

/// Rows of one block of work: enough that the matrix is read from memory once for many rows.
const BLOCK_ROWS: usize = 8 * TILE;

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
    let mut scratch = Encoder::new(dimension, config.bit_width());
    let mut rotated = vec![0.0; padded(dimension)];
    let wide: Vec<f64> = vector.iter().map(|value| f64::from(*value)).collect();
    Kernels::active().matvec(&wide, rotation.forward(), &mut rotated);
    scratch.encode(codebook, &rotated, 0, &mut packed, &mut residual)?;
    CompressedVector::from_parts(
        config.config_hash(),
        dimension,
        config.bit_width(),
        packed,
        config.residual_enabled().then_some(residual),
    )
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
    Decoder::new(dimension, config.bit_width()).decode(
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
/// The bytes do not depend on the number of threads. Besides its input and output a call needs about
/// `1250 * dimension` bytes a thread.
///
/// # Errors
/// `RaggedRows`, `CodebookIncompatible`, `NonFinite` and `ResidualOverflow` (with the first such row),
/// `Cancelled`.
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
    let mut packed = vec![0; rows * packed_len];
    let mut residuals = vec![0; rows * residual_len];
    if rows > 0 {
        let rotation = Rotation::shared(config.seed(), dimension, control)?;
        let block = block_rows(rows, pool);
        let mut residual_chunks = residuals.chunks_mut((block * residual_len).max(1));
        let jobs: Vec<_> = vectors
            .chunks(block * dimension)
            .zip(packed.chunks_mut(block * packed_len))
            .map(|(vectors, packed)| (vectors, packed, residual_chunks.next().unwrap_or_default()))
            .collect();
        let init = || {
            (
                Rotator::new(dimension),
                Encoder::new(dimension, config.bit_width()),
            )
        };
        run(
            jobs,
            block,
            rows,
            pool,
            control,
            init,
            |(rotator, encoder), first, (vectors, packed, residuals)| {
                let rotated = rotator.rotate(vectors.chunks_exact(dimension), rotation.forward());
                let mut residuals = residuals.chunks_exact_mut(residual_len.max(1));
                for (row, (rotated, packed)) in rotated
                    .chunks_exact(padded(dimension))
                    .zip(packed.chunks_exact_mut(packed_len))
                    .enumerate()
                {
                    let residual = residuals.next().unwrap_or_default();
                    encoder.encode(codebook, rotated, first + row, packed, residual)?;
                }
                Ok(())
            },
        )?;
    }
    Ok(CompressedBatch {
        layout: Some(layout),
        len: rows,
        packed,
        residuals,
    })
}

/// Decompresses a batch into rows of `config.dimension()` values; otherwise as [`compress_batch`].
///
/// # Errors
/// Those of [`decompress`], with the row, and `Cancelled`.
pub fn decompress_batch(
    batch: &CompressedBatch,
    config: &CodecConfig,
    codebook: &Codebook,
    pool: Option<&ThreadPool>,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    let Some(layout) = batch.layout.as_ref().filter(|_| !batch.is_empty()) else {
        return Ok(Vec::new());
    };
    check_layout(layout, config, codebook, Some(0))?;
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
/// Those of [`decompress`], with the row, and `Cancelled`.
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
    let mut out = vec![0.0; records.len() * dimension];
    if records.is_empty() {
        return Ok(out);
    }
    let rotation = Rotation::shared(config.seed(), dimension, control)?;
    let block = block_rows(records.len(), pool);
    let jobs: Vec<_> = records
        .chunks(block)
        .zip(out.chunks_mut(block * dimension))
        .collect();
    let init = || {
        let decoded = vec![0.0; BLOCK_ROWS * stride];
        (
            Rotator::new(dimension),
            Decoder::new(dimension, config.bit_width()),
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
pub(crate) fn rotate(
    vectors: &[f32],
    config: &CodecConfig,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    let dimension = config.dimension();
    let rotation = Rotation::shared(config.seed(), dimension, control)?;
    let mut rotator = Rotator::new(dimension);
    let mut out = Vec::with_capacity(vectors.len());
    for block in vectors.chunks(BLOCK_ROWS * dimension) {
        control.check()?;
        let rotated = rotator.rotate(block.chunks_exact(dimension), rotation.forward());
        for row in rotated.chunks_exact(padded(dimension)) {
            out.extend_from_slice(&row[..dimension]);
        }
    }
    Ok(out)
}

fn layout_of(config: &CodecConfig) -> Layout {
    Layout {
        config_hash: config.config_hash().into(),
        dimension: config.dimension(),
        bit_width: config.bit_width(),
        has_residual: config.residual_enabled(),
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
    layout: &Layout,
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

/// Rows of a block such that every thread gets work, in whole tiles.
fn block_rows(rows: usize, pool: Option<&ThreadPool>) -> usize {
    let threads = pool.map_or(1, ThreadPool::current_num_threads);
    rows.div_ceil(threads)
        .next_multiple_of(TILE)
        .min(BLOCK_ROWS)
}

/// Runs one job a block, in parallel where there is a pool. `body` gets scratch memory, the block's first row
/// and the job. Of several failures the one of the first row is returned, whatever the order of execution.
fn run<J: Send, S>(
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
    let step = |scratch: &mut S, (index, job): (usize, J)| {
        if index > first_failed.load(Ordering::Relaxed) {
            return;
        }
        let first = index * block;
        match control.check().and_then(|()| body(scratch, first, job)) {
            Ok(()) => {
                let step = block.min(rows - first);
                control.report(done.fetch_add(step, Ordering::Relaxed) + step, rows);
            }
            Err(error) => {
                let mut kept = failure.lock().unwrap_or_else(PoisonError::into_inner);
                if index < first_failed.fetch_min(index, Ordering::Relaxed) {
                    *kept = Some(error);
                }
            }
        }
    };
    if let Some(pool) = pool {
        pool.install(|| jobs.into_par_iter().enumerate().for_each_init(&init, step));
    } else {
        let mut scratch = init();
        jobs.into_iter()
            .enumerate()
            .for_each(|job| step(&mut scratch, job));
    }
    failure
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

/// Scratch memory that rotates a block of rows.
struct Rotator {
    dimension: usize,
    /// Rows of the tile in work, for the last one of a block, which may be short.
    short: Vec<f32>,
    tiles: Vec<f64>,
    errors: Vec<[f64; TILE]>,
    out: Vec<f32>,
}

impl Rotator {
    fn new(dimension: usize) -> Self {
        Self {
            dimension,
            short: vec![0.0; TILE * dimension],
            tiles: Vec::new(),
            errors: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Product of at most `BLOCK_ROWS` rows with a matrix in panels; rows of the result are padded.
    fn rotate<'a>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
        panels: &[f64],
    ) -> &[f32] {
        let kernels = Kernels::active();
        let (dimension, stride, count) = (self.dimension, padded(self.dimension), rows.len());
        let tiles = count.div_ceil(TILE);
        self.tiles.resize(tiles * TILE * dimension, 0.0);
        self.errors.resize(tiles, [0.0; TILE]);
        self.out.resize(tiles * TILE * stride, 0.0);
        let mut rows = rows;
        for (tile, errors) in self
            .tiles
            .chunks_exact_mut(TILE * dimension)
            .zip(&mut self.errors)
        {
            self.short.fill(0.0);
            errors.fill(fused_error(dimension, 0.0));
            for ((row, short), error) in rows
                .by_ref()
                .take(TILE)
                .zip(self.short.chunks_exact_mut(dimension))
                .zip(errors)
            {
                short.copy_from_slice(row);
                *error = fused_error(dimension, norm(row));
            }
            kernels.widen_tile(&self.short, dimension, tile);
        }
        for (p, panel) in panels.chunks_exact(dimension * PANEL).enumerate() {
            for (t, tile) in self.tiles.chunks_exact(TILE * dimension).enumerate() {
                let out = &mut self.out[t * TILE * stride..][..TILE * stride];
                kernels.tile_round(tile, panel, &self.errors[t], out, stride, p * PANEL);
            }
        }
        &self.out[..count * stride]
    }
}

/// Euclidean length, to within a part in 10^12.
fn norm(row: &[f32]) -> f64 {
    let (chunks, rest) = row.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest
        .iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// Scratch memory that turns rotated coordinates into codes and residuals.
struct Encoder {
    dimension: usize,
    indices: Vec<u8>,
    packed: Vec<u8>,
    residual: Vec<u8>,
}

impl Encoder {
    fn new(dimension: usize, bit_width: u8) -> Self {
        let stride = padded(dimension);
        let packed = vec![0; stride * usize::from(bit_width) / 8];
        Self {
            dimension,
            indices: vec![0; stride],
            packed,
            residual: vec![0; 2 * stride],
        }
    }

    /// Encodes one padded row. An empty `residual` asks for none.
    fn encode(
        &mut self,
        codebook: &Codebook,
        rotated: &[f32],
        row: usize,
        packed: &mut [u8],
        residual: &mut [u8],
    ) -> Result<(), Error> {
        let kernels = Kernels::active();
        let table = codebook.table();
        kernels.quantize(table, rotated, &mut self.indices);
        self.indices[self.dimension..].fill(0);
        kernels.pack(table.bits(), &self.indices, &mut self.packed);
        packed.copy_from_slice(&self.packed[..packed.len()]);
        if residual.is_empty() {
            return Ok(());
        }
        let overflow = kernels.residual(table, rotated, &self.indices, &mut self.residual);
        residual.copy_from_slice(&self.residual[..residual.len()]);
        // Padding may be what overflows: only the row's own coordinates count.
        if overflow {
            for (column, (value, index)) in rotated[..self.dimension]
                .iter()
                .zip(&self.indices)
                .enumerate()
            {
                let value = value - codebook.entries()[usize::from(*index)];
                if value.abs() >= F16_OVERFLOW {
                    return Err(Error::ResidualOverflow { row, column, value });
                }
            }
        }
        Ok(())
    }
}

/// Scratch memory that turns codes and residuals into rotated coordinates.
struct Decoder {
    dimension: usize,
    bit_width: u8,
    indices: Vec<u8>,
    packed: Vec<u8>,
    residual: Vec<u8>,
}

impl Decoder {
    fn new(dimension: usize, bit_width: u8) -> Self {
        let Encoder {
            indices,
            packed,
            residual,
            ..
        } = Encoder::new(dimension, bit_width);
        Self {
            dimension,
            bit_width,
            indices,
            packed,
            residual,
        }
    }

    /// Decodes one record into a padded row. An empty `residual` is none.
    fn decode(&mut self, codebook: &Codebook, packed: &[u8], residual: &[u8], out: &mut [f32]) {
        let kernels = Kernels::active();
        self.packed[..packed.len()].copy_from_slice(packed);
        kernels.unpack(self.bit_width, &self.packed, &mut self.indices);
        self.residual[..residual.len()].copy_from_slice(residual);
        let residual = (!residual.is_empty()).then_some(&*self.residual);
        kernels.dequantize(codebook.table(), &self.indices, residual, out);
        debug_assert_eq!(padded(self.dimension), out.len());
    }
}
