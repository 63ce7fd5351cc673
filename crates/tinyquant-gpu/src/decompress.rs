//! Decompressing on the device.

use crate::backend::dispatch;
use crate::compress::codebook_words;
use crate::matrix::Direction;
use crate::memory::Buffer;
use crate::pipelines::Pipelines;
use crate::stages::{Rotated, rows_together};
use crate::{Backend, Error};
use bytemuck::{Pod, Zeroable};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, Control, Error as CodecError, RecordLayout,
    check_batch, decompress,
};
use wgpu::{BindGroup, SubmissionIndex};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct DecodeShape {
    rows: u32,
    columns: u32,
    bits: u32,
    code_words: u32,
    residual_words: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FinishShape {
    rows: u32,
    columns: u32,
    stride: u32,
    exponent: i32,
}

/// Exponent fields of rows that the device decides; the CPU decodes the others.
const PLAIN: std::ops::RangeInclusive<u32> = 67..=187;

/// Buffers of the rows that are on their way.
struct Slot {
    input: Buffer,
    /// Values of the rows, then the exponent field of each.
    readback: Buffer,
    output: Buffer,
    decode: (BindGroup, Buffer),
    source: (BindGroup, Buffer),
    finish: (BindGroup, Buffer),
    _values: Buffer,
}

/// Sizes of a call.
struct Plan<'a> {
    config: &'a CodecConfig,
    codebook: &'a Codebook,
    batch: &'a CompressedBatch,
    layout: &'a RecordLayout,
    code_words: usize,
    residual_words: usize,
}

impl Backend {
    /// Decompresses a batch into rows of `config.dimension()` values.
    ///
    /// Decoded coordinates are those of the CPU bit for bit; their product with the rotation errs by at most
    /// `1.5e-8 * dimension` times the largest coordinate and the largest entry of the matrix before it is rounded
    /// to f32.
    ///
    /// # Errors
    /// As [`tinyquant_codec::decompress_batch`], and what the device reports (`ERR_TQ_GPU`).
    pub fn decompress_batch(
        &self,
        batch: &CompressedBatch,
        config: &CodecConfig,
        codebook: &Codebook,
        control: &Control,
    ) -> Result<Vec<f32>, Error> {
        check_batch(batch, config, codebook)?;
        let Some(layout) = batch.layout() else {
            return Ok(Vec::new());
        };
        control.check()?;
        let plan = Plan {
            config,
            codebook,
            batch,
            layout,
            code_words: layout.packed_len().div_ceil(4),
            residual_words: layout.residual_len().div_ceil(4),
        };
        let dimension = config.dimension();
        let pipelines = self.pipelines()?;
        let matrix = self.matrix(config, Direction::Inverse, control)?;
        let entries = self.constant("codebook", &codebook_words(codebook))?;
        let words = plan.code_words + plan.residual_words;
        let row_bytes = 2 * (4 * words + 3 * 4 * dimension + 4);
        let widest = 4 * words.max(dimension + 1);
        let together = rows_together(self, matrix.stride, row_bytes, widest, batch.len())?;
        let rotated = Rotated::new(self, &pipelines, &matrix, together)?;
        let slot = || {
            self.decode_slot(
                &plan,
                &rotated,
                &pipelines,
                &entries,
                matrix.exponent,
                together,
            )
        };
        let slots = if batch.len() > together {
            vec![slot()?, slot()?]
        } else {
            vec![slot()?]
        };
        let mut out = Vec::new();
        let refused = |_| CodecError::OutOfMemory {
            bytes: 4 * (batch.len() * dimension) as u64,
        };
        out.try_reserve_exact(batch.len() * dimension)
            .map_err(refused)?;
        let mut waiting: Option<(usize, usize, &Slot, SubmissionIndex)> = None;
        for (index, first) in (0..batch.len()).step_by(together).enumerate() {
            control.check()?;
            let slot = &slots[index % slots.len()];
            let rows = together.min(batch.len() - first);
            let submitted = self.submit_records(slot, &rotated, &pipelines, &plan, first, rows)?;
            if let Some((first, rows, slot, submitted)) = waiting.take() {
                self.take_values(slot, submitted, &plan, first, rows, &mut out)?;
                control.report(first + rows, batch.len());
            }
            waiting = Some((first, rows, slot, submitted));
        }
        if let Some((first, rows, slot, submitted)) = waiting {
            control.check()?;
            self.take_values(slot, submitted, &plan, first, rows, &mut out)?;
            control.report(batch.len(), batch.len());
        }
        Ok(out)
    }

    fn decode_slot(
        &self,
        plan: &Plan,
        rotated: &Rotated,
        pipelines: &Pipelines,
        entries: &Buffer,
        exponent: i32,
        rows: usize,
    ) -> Result<Slot, Error> {
        let dimension = plan.config.dimension();
        let values_bytes = (4 * rows * dimension) as u64;
        let words = plan.code_words + plan.residual_words;
        let input = self.input("records", (4 * rows * words) as u64)?;
        let values = self.storage("decoded rows", values_bytes)?;
        let output = self.storage("rows", values_bytes)?;
        let readback = self.readback("rows", values_bytes + 4 * rows as u64)?;
        let shape = DecodeShape {
            rows: rows as u32,
            columns: dimension as u32,
            bits: plan.config.bit_width().into(),
            code_words: plan.code_words as u32,
            residual_words: plan.residual_words as u32,
        };
        let decode_shape = self.uniform("shape of records", &shape)?;
        let buffers = [(0, &decode_shape), (1, &input), (2, entries), (3, &values)];
        let decode = self.bind(&pipelines.decode, &buffers);
        let shape = FinishShape {
            rows: rows as u32,
            columns: dimension as u32,
            stride: dimension.next_multiple_of(4) as u32,
            exponent,
        };
        let finish_shape = self.uniform("shape of values", &shape)?;
        let buffers = [
            (0, &finish_shape),
            (1, &rotated.sums),
            (2, &rotated.fields),
            (3, &output),
        ];
        let finish = self.bind(&pipelines.finish, &buffers);
        let source = rotated.source(self, pipelines, &values, rows, dimension)?;
        Ok(Slot {
            input,
            readback,
            output,
            decode: (decode, decode_shape),
            source,
            finish: (finish, finish_shape),
            _values: values,
        })
    }

    fn submit_records(
        &self,
        slot: &Slot,
        rotated: &Rotated,
        pipelines: &Pipelines,
        plan: &Plan,
        first: usize,
        rows: usize,
    ) -> Result<SubmissionIndex, Error> {
        let dimension = plan.config.dimension();
        let mut bytes = Vec::with_capacity(4 * rows * (plan.code_words + plan.residual_words));
        for row in first..first + rows {
            let (packed, residual) = plan.record(row);
            for (part, words) in [(packed, plan.code_words), (residual, plan.residual_words)] {
                let end = bytes.len() + 4 * words;
                bytes.extend_from_slice(part);
                bytes.resize(end, 0);
            }
        }
        self.upload(&slot.input, 0, &bytes)?;
        let mut encoder = self.encoder();
        let x = dimension.div_ceil(64) as u32;
        dispatch(
            &mut encoder,
            &pipelines.decode,
            &slot.decode.0,
            x,
            rows as u32,
        );
        rotated.record(pipelines, &mut encoder, &slot.source.0);
        dispatch(
            &mut encoder,
            &pipelines.finish,
            &slot.finish.0,
            x,
            rows as u32,
        );
        let values = (4 * rows * dimension) as u64;
        encoder.copy_buffer_to_buffer(&slot.output, 0, &slot.readback, 0, values);
        let fields = 4 * rows as u64;
        encoder.copy_buffer_to_buffer(&rotated.fields, 0, &slot.readback, values, fields);
        let submitted = self.submit(encoder);
        self.check()?;
        Ok(submitted)
    }

    fn take_values(
        &self,
        slot: &Slot,
        submitted: SubmissionIndex,
        plan: &Plan,
        first: usize,
        rows: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        let dimension = plan.config.dimension();
        let values = 4 * rows * dimension;
        let bytes = (values + 4 * rows) as u64;
        self.read(&slot.readback, bytes, submitted, |bytes| {
            let (values, fields) = bytes.split_at(values);
            let fields = fields.as_chunks::<4>().0.iter();
            for (row, (values, field)) in
                (first..).zip(values.chunks_exact(4 * dimension).zip(fields))
            {
                if PLAIN.contains(&u32::from_le_bytes(*field)) {
                    let values = values.as_chunks::<4>().0.iter();
                    out.extend(values.map(|bytes| f32::from_le_bytes(*bytes)));
                    continue;
                }
                let record = plan.batch.record(row).ok_or_else(|| Error::Device {
                    reason: format!("row {row} is not one of the batch"),
                })?;
                let vector = decompress(&record, plan.config, plan.codebook)
                    .map_err(|error| in_row(error, row))?;
                out.extend(vector);
            }
            Ok(())
        })?
    }
}

impl Plan<'_> {
    /// The packed indices and the residual of a row.
    fn record(&self, row: usize) -> (&[u8], &[u8]) {
        let (packed, residual) = (self.layout.packed_len(), self.layout.residual_len());
        (
            &self.batch.packed()[row * packed..][..packed],
            &self.batch.residuals()[row * residual..][..residual],
        )
    }
}

/// The error of a single record as that of a row.
fn in_row(error: CodecError, row: usize) -> CodecError {
    match error {
        CodecError::DecodedNonFinite { column, .. } => CodecError::DecodedNonFinite { row, column },
        other => other,
    }
}
