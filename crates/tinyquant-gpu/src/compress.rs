//! Compressing on the device.

use crate::backend::dispatch;
use crate::matrix::{Direction, margin};
use crate::memory::Buffer;
use crate::pipelines::Pipelines;
use crate::stages::{Rotated, rows_together};
use crate::{Backend, Error};
use bytemuck::{Pod, Zeroable};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, Control, Error as CodecError, RecordLayout, Rotation,
    check_finite, rows_of,
};
use tinyquant_kernels::{F16_OVERFLOW, f32_to_f16};
use wgpu::{BindGroup, SubmissionIndex};

/// Coordinates of a run.
const RUN: usize = 32;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct EncodeShape {
    rows: u32,
    columns: u32,
    stride: u32,
    runs: u32,
    bits: u32,
    has_residual: u32,
    exponent: i32,
    margin: u32,
}

/// The codes of a codebook as shaders read them: for each of 256 codes the least value, in order, and the entry.
pub(crate) fn codebook_words(codebook: &Codebook) -> Vec<[i32; 2]> {
    let mut words = vec![[i32::MAX, 0]; 256];
    let codes = codebook.thresholds().iter().zip(codebook.entries());
    for (word, (threshold, entry)) in words.iter_mut().zip(codes) {
        let bits = threshold.to_bits();
        let magnitude = (bits & 0x7fff_ffff) as i32;
        let ordered = if bits >> 31 == 1 {
            -1 - magnitude
        } else {
            magnitude
        };
        *word = [ordered, entry.to_bits() as i32];
    }
    words
}

/// Buffers of the rows that are on their way: two of them, so that one is filled while the device works on the other.
struct Slot {
    input: Buffer,
    output: Buffer,
    readback: Buffer,
    source: (BindGroup, Buffer),
    encode: (BindGroup, Buffer),
}

/// Sizes of a call.
struct Plan<'a> {
    config: &'a CodecConfig,
    codebook: &'a Codebook,
    rotation: &'a Rotation,
    layout: RecordLayout,
    runs: usize,
    /// Words of the output of a run.
    width: usize,
}

/// What a call has made so far.
struct Made {
    packed: Vec<u8>,
    residuals: Vec<u8>,
}

impl Backend {
    /// Compresses rows of `config.dimension()` values: indices equal those of [`tinyquant_codec::compress_batch`], and
    /// residuals equal them or are the next f16. Coordinates for which the sums of the device cannot tell are computed
    /// again on this thread.
    ///
    /// # Errors
    /// As [`tinyquant_codec::compress_batch`], and what the device reports (`ERR_TQ_GPU`).
    pub fn compress_batch(
        &self,
        vectors: &[f32],
        config: &CodecConfig,
        codebook: &Codebook,
        control: &Control,
    ) -> Result<CompressedBatch, Error> {
        let dimension = config.dimension();
        let rows = rows_of(vectors, dimension)?;
        // Whatever else is wrong with the arguments, the codec says it of no rows too.
        let empty = tinyquant_codec::compress_batch(&[], config, codebook, None, control)?;
        check_finite(vectors, dimension)?;
        if rows == 0 {
            return Ok(empty);
        }
        control.check()?;
        let rotation = Rotation::shared(config.seed(), dimension, control)?;
        let bits = config.bit_width();
        let has_residual = config.residual_enabled();
        let plan = Plan {
            config,
            codebook,
            rotation: &rotation,
            layout: RecordLayout::new(config.shared_hash(), dimension, bits, has_residual)?,
            runs: dimension.div_ceil(RUN),
            width: usize::from(bits) + 1 + if has_residual { RUN / 2 } else { 0 },
        };
        let mut made = Made {
            packed: Vec::with_capacity(rows * plan.layout.packed_len()),
            residuals: Vec::with_capacity(rows * plan.layout.residual_len()),
        };
        self.compress_rows(vectors, &plan, control, &mut made)?;
        Ok(CompressedBatch::from_layout(
            plan.layout,
            made.packed,
            made.residuals,
        )?)
    }

    fn compress_rows(
        &self,
        vectors: &[f32],
        plan: &Plan,
        control: &Control,
        made: &mut Made,
    ) -> Result<(), Error> {
        let (dimension, pipelines) = (plan.config.dimension(), self.pipelines()?);
        let matrix = self.matrix(plan.config, Direction::Forward, control)?;
        let codebook = self.constant("codebook", &codebook_words(plan.codebook))?;
        let out = 4 * plan.runs * plan.width;
        let row_bytes = 2 * (4 * dimension + 2 * out);
        let rows = vectors.len() / dimension;
        let together = rows_together(self, matrix.stride, row_bytes, out, rows)?;
        let rotated = Rotated::new(self, &pipelines, &matrix, together)?;
        let shape = |rows: usize| EncodeShape {
            rows: rows as u32,
            columns: dimension as u32,
            stride: matrix.stride as u32,
            runs: plan.runs as u32,
            bits: plan.config.bit_width().into(),
            has_residual: plan.config.residual_enabled().into(),
            exponent: matrix.exponent,
            margin: margin(dimension),
        };
        let slot = || -> Result<Slot, Error> {
            let input = self.input("rows", (4 * together * dimension) as u64)?;
            let output = self.storage("codes", (together * out) as u64)?;
            let readback = self.readback("codes", (together * out) as u64)?;
            let source = rotated.source(self, &pipelines, &input, together, dimension)?;
            let uniform = self.uniform("shape of codes", &shape(together))?;
            let buffers = [
                (0, &uniform),
                (1, &rotated.sums),
                (2, &rotated.fields),
                (3, &codebook),
                (4, &output),
            ];
            let encode = (self.bind(&pipelines.encode, &buffers), uniform);
            Ok(Slot {
                input,
                output,
                readback,
                source,
                encode,
            })
        };
        let slots = if rows > together {
            vec![slot()?, slot()?]
        } else {
            vec![slot()?]
        };
        let mut waiting: Option<(usize, &Slot, &[f32], SubmissionIndex)> = None;
        let chunks = vectors.chunks(together * dimension).enumerate();
        for (index, values) in chunks {
            control.check()?;
            let slot = &slots[index % slots.len()];
            let submitted = self.submit_rows(slot, &rotated, &pipelines, plan, values)?;
            if let Some((first, slot, values, submitted)) = waiting.take() {
                self.take_rows(slot, submitted, plan, values, first, made)?;
                control.report(first + values.len() / dimension, rows);
            }
            waiting = Some((index * together, slot, values, submitted));
        }
        if let Some((first, slot, values, submitted)) = waiting {
            control.check()?;
            self.take_rows(slot, submitted, plan, values, first, made)?;
            control.report(rows, rows);
        }
        Ok(())
    }

    fn submit_rows(
        &self,
        slot: &Slot,
        rotated: &Rotated,
        pipelines: &Pipelines,
        plan: &Plan,
        values: &[f32],
    ) -> Result<SubmissionIndex, Error> {
        let rows = values.len() / plan.config.dimension();
        let bytes = (4 * rows * plan.runs * plan.width) as u64;
        self.upload(&slot.input, 0, bytemuck::cast_slice(values))?;
        let mut encoder = self.encoder();
        rotated.record(pipelines, &mut encoder, &slot.source.0);
        let x = plan.runs.div_ceil(64) as u32;
        dispatch(
            &mut encoder,
            &pipelines.encode,
            &slot.encode.0,
            x,
            rows as u32,
        );
        encoder.copy_buffer_to_buffer(&slot.output, 0, &slot.readback, 0, bytes);
        let submitted = self.submit(encoder);
        self.check()?;
        Ok(submitted)
    }

    /// Waits for rows, decides what the device could not, and appends them. `first` is the row of the caller's that
    /// comes first.
    fn take_rows(
        &self,
        slot: &Slot,
        submitted: SubmissionIndex,
        plan: &Plan,
        values: &[f32],
        first: usize,
        made: &mut Made,
    ) -> Result<(), Error> {
        let dimension = plan.config.dimension();
        let each = 4 * plan.runs * plan.width;
        let bytes = (values.len() / dimension * each) as u64;
        self.read(&slot.readback, bytes, submitted, |bytes| {
            let rows = bytes.chunks_exact(each).zip(values.chunks_exact(dimension));
            for (row, (bytes, vector)) in (first..).zip(rows) {
                plan.append(bytes, vector, row, made)?;
            }
            Ok(())
        })?
    }
}

impl Plan<'_> {
    /// Appends what the device made of a row, corrected.
    fn append(
        &self,
        bytes: &[u8],
        vector: &[f32],
        row: usize,
        made: &mut Made,
    ) -> Result<(), Error> {
        let bits = usize::from(self.config.bit_width());
        let (packed_at, residual_at) = (made.packed.len(), made.residuals.len());
        let mut doubts = Vec::new();
        for (run, words) in bytes.chunks_exact(4 * self.width).enumerate() {
            let (codes, rest) = words.split_at(4 * bits);
            let (marks, halves) = rest.split_at(4);
            made.packed.extend_from_slice(codes);
            made.residuals.extend_from_slice(halves);
            let mut marks = marks
                .first_chunk()
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            while marks != 0 {
                doubts.push(run * RUN + marks.trailing_zeros() as usize);
                marks &= marks - 1;
            }
        }
        made.packed.truncate(packed_at + self.layout.packed_len());
        made.residuals
            .truncate(residual_at + self.layout.residual_len());
        let packed = &mut made.packed[packed_at..];
        let residuals = &mut made.residuals[residual_at..];
        if doubts.len() > vector.len() / 4 {
            let record = tinyquant_codec::compress(vector, self.config, self.codebook)
                .map_err(|error| in_row(error, row))?;
            packed.copy_from_slice(record.packed());
            residuals.copy_from_slice(record.residual().unwrap_or_default());
            return Ok(());
        }
        let values = self.rotation.coordinates(vector, &doubts);
        for (column, value) in doubts.into_iter().zip(values) {
            let code = self.codebook.code(value);
            let bit = column * bits;
            let mask = 0xff >> (8 - bits) << (bit % 8);
            let byte = &mut packed[bit / 8];
            *byte = *byte & !mask | code << (bit % 8);
            if let Some(half) = residuals.get_mut(2 * column..2 * column + 2) {
                let value = value - self.codebook.entries()[usize::from(code)];
                if value.abs() >= F16_OVERFLOW {
                    return Err(CodecError::ResidualOverflow { row, column, value }.into());
                }
                half.copy_from_slice(&f32_to_f16(value).to_le_bytes());
            }
        }
        Ok(())
    }
}

/// The error of a single vector as that of a row.
fn in_row(error: CodecError, row: usize) -> CodecError {
    match error {
        CodecError::ResidualOverflow { column, value, .. } => {
            CodecError::ResidualOverflow { row, column, value }
        }
        other => other,
    }
}
