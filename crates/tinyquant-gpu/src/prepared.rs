//! Codes of many rows on the device, as searches read them.

use crate::memory::Buffer;
use crate::{Backend, Error};
use std::sync::Arc;
use tinyquant_codec::{Codebook, CodecConfig, RecordLayout};
use tinyquant_kernels::{CodeTable, FactorCode, UNIT, f16_to_f32};

/// Rows of a block: those of a workgroup.
pub(crate) const BLOCK: usize = 64;

/// Queries that a row is scored for at a time.
pub(crate) const TOGETHER: usize = 4;

/// Lengths of rows and queries between which f32 keeps its precision on the CPU too.
const PLAIN_LENGTHS: std::ops::RangeInclusive<f64> = 9.1e-13..=1.1e12;

/// Least length of a row beside the largest entry of its codebook.
const LEAST_SHARE: f64 = 1e-18;

/// How rows of a search index are coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPlan {
    /// Bits of the codes of each unit of 64 components: 1 to 6, or 8.
    pub widths: Vec<u8>,
    /// Units of each segment, and how its factors are stored.
    pub segments: Vec<(usize, FactorCode)>,
    /// Whether rows have lengths.
    pub has_norms: bool,
}

/// What codes stand for.
pub(crate) enum Scheme {
    /// Entries of a codebook, under a rotation.
    Codebook {
        config: CodecConfig,
        codebook: Codebook,
        layout: RecordLayout,
        /// What entries are multiplied with, a power of two.
        scale: f32,
        entries: Buffer,
    },
    /// Whole numbers, by unit.
    Units {
        plan: UnitPlan,
        units: Buffer,
        values: Buffer,
    },
}

/// Rows that lie in buffers of their own.
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    pub(crate) codes: Buffer,
    /// Residuals, or factors and lengths.
    pub(crate) extras: Buffer,
    /// One over each length, for codebooks.
    pub(crate) inverses: Buffer,
}

/// Rows on the device.
pub struct Prepared {
    pub(crate) backend: Arc<Backend>,
    pub(crate) scheme: Scheme,
    /// Words of the codes of a row, and of what lies beside them.
    pub(crate) words: usize,
    pub(crate) extra_words: usize,
    /// Rows of every chunk but the last.
    pub(crate) chunk_rows: usize,
    total: usize,
    rows: usize,
    pub(crate) chunks: Vec<Chunk>,
}

/// Bits that a code takes on the device: no code lies in two words.
fn device_bits(width: u8) -> usize {
    usize::from(width).next_power_of_two()
}

impl Prepared {
    /// Room for `rows` records of a configuration, which are pushed later.
    ///
    /// # Errors
    /// [`Error::MemoryBound`] and what the device reports (`ERR_TQ_GPU`).
    pub fn codebook(
        backend: Arc<Backend>,
        config: CodecConfig,
        codebook: Codebook,
        rows: usize,
    ) -> Result<Self, Error> {
        let (dimension, bits) = (config.dimension(), config.bit_width());
        let residual = config.residual_enabled();
        let layout = RecordLayout::new(config.shared_hash(), dimension, bits, residual)?;
        let peak = codebook
            .entries()
            .iter()
            .fold(0.0_f32, |peak, entry| peak.max(entry.abs()));
        let scale = if peak > 0.0 {
            libm::ldexpf(1.0, (-1 - libm::ilogbf(peak)).clamp(-120, 120))
        } else {
            1.0
        };
        let scaled: Vec<f32> = codebook
            .entries()
            .iter()
            .map(|entry| entry * scale)
            .collect();
        let entries = backend.constant("entries", &scaled)?;
        let words = layout.packed_len().div_ceil(4);
        let extra_words = layout.residual_len().div_ceil(4);
        let scheme = Scheme::Codebook {
            config,
            codebook,
            layout,
            scale,
            entries,
        };
        Self::new(backend, scheme, words, extra_words, rows)
    }

    /// Room for `rows` rows of a search index, which are pushed later.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a plan that is none; as [`Prepared::codebook`].
    pub fn units(backend: Arc<Backend>, plan: UnitPlan, rows: usize) -> Result<Self, Error> {
        let coded: usize = plan.segments.iter().map(|(units, _)| units).sum();
        let is_plan = coded == plan.widths.len()
            && plan.segments.iter().all(|(units, _)| *units > 0)
            && plan.segments.iter().all(|(_, factor)| factor.shift <= 23)
            && plan.widths.iter().all(|width| matches!(width, 1..=6 | 8));
        if !is_plan || plan.widths.is_empty() {
            let reason = format!(
                "{} units in {} segments are not a plan",
                plan.widths.len(),
                plan.segments.len()
            );
            return Err(Error::InvalidArgument { reason });
        }
        let (mut values, mut starts) = (Vec::new(), [0_u32; 9]);
        for width in (1..=6).chain([8]) {
            let table = CodeTable::new(width);
            starts[usize::from(width)] = values.len() as u32;
            values.extend((0..=u8::MAX >> (8 - width)).map(|code| i32::from(table.value(code))));
            values.resize(
                starts[usize::from(width)] as usize + (1 << device_bits(width)),
                0,
            );
        }
        let mut ends = plan.segments.iter().scan(0, |end, (units, factor)| {
            *end += units;
            Some((*end, *factor))
        });
        let (mut units, mut next) = (Vec::new(), ends.next());
        for (index, width) in plan.widths.iter().enumerate() {
            let mut unit = [
                device_bits(*width) as u32,
                starts[usize::from(*width)],
                0,
                0,
            ];
            if let Some((end, factor)) = next.filter(|(end, _)| *end == index + 1) {
                debug_assert_eq!(end, index + 1);
                unit[2..].copy_from_slice(&[factor.base, factor.shift + 256]);
                next = ends.next();
            }
            units.push(unit);
        }
        let words = plan
            .widths
            .iter()
            .map(|width| 2 * device_bits(*width))
            .sum();
        let extra_words = plan.segments.len().div_ceil(4) + usize::from(plan.has_norms);
        let scheme = Scheme::Units {
            units: backend.constant("units", &units)?,
            values: backend.constant("values", &values)?,
            plan,
        };
        Self::new(backend, scheme, words, extra_words, rows)
    }

    fn new(
        backend: Arc<Backend>,
        scheme: Scheme,
        words: usize,
        extra_words: usize,
        total: usize,
    ) -> Result<Self, Error> {
        if u32::try_from(total).is_err() {
            let reason = format!("{total} rows are more than a search can number");
            return Err(Error::InvalidArgument { reason });
        }
        let limits = backend.limits();
        // Keys of four queries are in one binding too.
        let widest = 4 * words.max(extra_words).max(TOGETHER);
        let blocks = (limits.max_binding_size / (widest * BLOCK) as u64)
            .min(u64::from(limits.max_workgroups)) as usize;
        if blocks == 0 {
            return Err(Error::AdapterLimit {
                what: "a block of 64 rows",
                needed: (widest * BLOCK) as u64,
                limit: limits.max_binding_size,
            });
        }
        let mut prepared = Self {
            backend,
            scheme,
            words,
            extra_words,
            chunk_rows: blocks * BLOCK,
            total,
            rows: 0,
            chunks: Vec::new(),
        };
        let mut left = total;
        while left > 0 {
            let rows = left.min(prepared.chunk_rows);
            let places = rows.next_multiple_of(BLOCK) as u64;
            let backend = &prepared.backend;
            let chunk = Chunk {
                rows,
                codes: backend.input("codes of a corpus", 4 * places * words as u64)?,
                extras: backend.input("extras of a corpus", 4 * places * extra_words as u64)?,
                inverses: backend.input("lengths of a corpus", 4 * places)?,
            };
            prepared.chunks.push(chunk);
            left -= rows;
        }
        Ok(prepared)
    }

    /// Rows that were pushed.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that there is room for.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Bytes of device memory that the rows take.
    pub fn bytes(&self) -> u64 {
        let each = self
            .chunks
            .iter()
            .map(|chunk| chunk.codes.size() + chunk.extras.size() + chunk.inverses.size());
        each.sum()
    }

    /// Appends records: packed indices and residuals, one record after another. All calls but the last one bring a
    /// multiple of 64 records.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for parts that are no whole records, or too many; what the device reports.
    pub fn push_records(&mut self, packed: &[u8], residuals: &[u8]) -> Result<(), Error> {
        let Scheme::Codebook {
            codebook,
            layout,
            scale,
            ..
        } = &self.scheme
        else {
            return Err(wrong("records"));
        };
        let (packed_len, residual_len) = (layout.packed_len(), layout.residual_len());
        let rows = packed.len() / packed_len;
        if !packed.len().is_multiple_of(packed_len) || residuals.len() != rows * residual_len {
            return Err(wrong("records"));
        }
        let row = |row: usize| &packed[row * packed_len..][..packed_len];
        let residual = |row: usize| &residuals[row * residual_len..][..residual_len];
        let codes = blocks(rows, self.words, |at, words| copy_words(row(at), words));
        let extras = blocks(rows, self.extra_words, |at, words| {
            copy_words(residual(at), words);
        });
        let inverses: Vec<f32> = (0..rows)
            .map(|at| inverse(codebook, layout, *scale, row(at), residual(at)))
            .collect();
        self.append(rows, &codes, &extras, &inverses)
    }

    /// Appends rows of a search index: a byte for each code, [`UNIT`] a unit, a byte for the factor of each segment, and
    /// the length of each row where rows have lengths. All calls but the last one bring a multiple of 64 rows.
    ///
    /// # Errors
    /// As [`Prepared::push_records`].
    pub fn push_units(&mut self, codes: &[u8], factors: &[u8], norms: &[f32]) -> Result<(), Error> {
        let Scheme::Units { plan, .. } = &self.scheme else {
            return Err(wrong("units"));
        };
        let (components, segments) = (plan.widths.len() * UNIT, plan.segments.len());
        let rows = codes.len() / components;
        let norm_count = if plan.has_norms { rows } else { 0 };
        if !codes.len().is_multiple_of(components)
            || factors.len() != rows * segments
            || norms.len() != norm_count
        {
            return Err(wrong("units"));
        }
        let words = blocks(rows, self.words, |row, words| {
            let mut at = 0;
            let units = codes[row * components..][..components].chunks_exact(UNIT);
            for (codes, width) in units.zip(&plan.widths) {
                let bits = device_bits(*width);
                let mask = 0xff >> (8 - width);
                for codes in codes.chunks_exact(32 / bits) {
                    words[at] = codes
                        .iter()
                        .rev()
                        .fold(0, |word, code| word << (bits % 32) | u32::from(code & mask));
                    at += 1;
                }
            }
        });
        let has_norms = plan.has_norms;
        let extras = blocks(rows, self.extra_words, |row, words| {
            copy_words(&factors[row * segments..][..segments], words);
            if let (true, Some(last)) = (has_norms, words.last_mut()) {
                *last = norms[row].to_bits();
            }
        });
        self.append(rows, &words, &extras, &[])
    }

    /// Writes whole blocks after the rows that are there.
    fn append(
        &mut self,
        rows: usize,
        codes: &[u32],
        extras: &[u32],
        inverses: &[f32],
    ) -> Result<(), Error> {
        if !self.rows.is_multiple_of(BLOCK) || self.rows + rows > self.total {
            let reason = format!(
                "{rows} rows do not follow {} of {} rows in blocks of {BLOCK}",
                self.rows, self.total
            );
            return Err(Error::InvalidArgument { reason });
        }
        let mut done = 0;
        while done < rows {
            let at = self.rows + done;
            let (chunk, within) = (&self.chunks[at / self.chunk_rows], at % self.chunk_rows);
            let count = (self.chunk_rows - within).min(rows - done);
            let places = done..done + count.next_multiple_of(BLOCK);
            let part = |words: &'_ [u32], each: usize| -> Vec<u32> {
                words[places.start * each..places.end * each].to_vec()
            };
            for (buffer, words, each) in [
                (&chunk.codes, codes, self.words),
                (&chunk.extras, extras, self.extra_words),
            ] {
                let offset = (4 * within * each) as u64;
                let words = part(words, each);
                self.backend
                    .upload(buffer, offset, bytemuck::cast_slice(&words))?;
            }
            if !inverses.is_empty() {
                let values = bytemuck::cast_slice(&inverses[done..done + count]);
                self.backend
                    .upload(&chunk.inverses, 4 * within as u64, values)?;
            }
            done += count;
        }
        // Nothing is uploaded before the next submission; memory for it would pile up.
        let index = self.backend.queue.submit([]);
        self.backend.wait(index)?;
        self.rows += rows;
        Ok(())
    }
}

/// Whether the cosine of a vector of this length is what f32 says it is.
pub(crate) fn is_plain(length: f64) -> bool {
    PLAIN_LENGTHS.contains(&length)
}

/// One over the scaled length of a row; -1 where it is not known well enough.
fn inverse(
    codebook: &Codebook,
    layout: &RecordLayout,
    scale: f32,
    packed: &[u8],
    residual: &[u8],
) -> f32 {
    let bits = usize::from(layout.bit_width());
    let mut halves = residual.as_chunks::<2>().0.iter();
    let square: f64 = (0..layout.dimension())
        .map(|column| {
            let bit = column * bits;
            let code = packed[bit / 8] >> (bit % 8) & (0xff >> (8 - bits));
            let mut value = codebook.entries()[usize::from(code)];
            if let Some(half) = halves.next() {
                value += f16_to_f32(u16::from_le_bytes(*half));
            }
            f64::from(value) * f64::from(value)
        })
        .sum();
    let length = square.sqrt();
    let scaled = length * f64::from(scale);
    if is_plain(length) && scaled >= LEAST_SHARE {
        (1.0 / scaled) as f32
    } else {
        -1.0
    }
}

/// Rows as blocks of 64: word 0 of each, word 1 of each, and so on. `fill` writes the words of a row.
fn blocks(rows: usize, words: usize, mut fill: impl FnMut(usize, &mut [u32])) -> Vec<u32> {
    let mut out = vec![0; rows.next_multiple_of(BLOCK) * words];
    let mut one = vec![0; words];
    for row in 0..rows {
        one.fill(0);
        fill(row, &mut one);
        let block = &mut out[row / BLOCK * BLOCK * words..];
        for (j, word) in one.iter().enumerate() {
            block[j * BLOCK + row % BLOCK] = *word;
        }
    }
    out
}

/// Little-endian words of bytes; those that are missing are 0.
fn copy_words(bytes: &[u8], words: &mut [u32]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_le_bytes(four);
    }
}

fn wrong(what: &str) -> Error {
    Error::InvalidArgument {
        reason: format!("these are not whole {what} of what was prepared"),
    }
}
