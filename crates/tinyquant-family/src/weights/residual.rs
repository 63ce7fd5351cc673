//! Residual quantization in stages: each codes what the stages before it leave (Juang and Gray, Multiple stage vector
//! quantization for speech coding, 1982).

use super::byte_reader::{ByteReader, malformed, seal, unseal};
use super::codebook::{CodebookOptions, Start, train_codebook};
use super::kmeans::{self, Nearest, Plan};
use super::levels::{Levels, check_codes};
use super::matrix::{check_rows, check_values};
use crate::Error;
use crate::memory::zeros;
use tinyquant_codec::{Control, ErrorCode};

const MAGIC: [u8; 4] = *b"TQRQ";
const VERSION: u8 = 1;
/// More stages than f32 values have bits leave nothing to code.
const MAX_STAGES: usize = 32;

/// How a residual quantizer is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualOptions {
    /// Bits of each stage, 1 to 8; 1 to 32 stages.
    pub bits: Vec<u8>,
    /// Values that are coded together; 1 for scalars.
    pub width: usize,
    /// Most rounds of Lloyd's iteration or of k-means a stage.
    pub rounds: usize,
    /// Fall of the error, as a share of it, that ends a stage; 0 or more.
    pub tolerance: f64,
    /// Seed of the random choices; scalars need none.
    pub seed: u64,
}

/// Codebooks of the stages. What codes stand for is the sum of their centroids.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualQuantizer {
    width: usize,
    /// For each stage its centroids, rows of `width` values; ascending levels for scalars.
    stages: Vec<Vec<f32>>,
    bits: Vec<u8>,
    /// Mean squared error a value after each stage of training; empty after reading.
    errors: Vec<f64>,
}

impl ResidualQuantizer {
    /// Trains stage after stage. A stage has fewer than `2^bits` centroids where there are no more points or distinct
    /// values. Several stages of scalars are trained from two starts: the best first stage is not that of the best sum.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for no stages, bits outside 1 to 8 or no values, `ERR_TQ_DIM_MISMATCH` for a length that is
    /// no multiple of the width, `ERR_TQ_NON_FINITE`, cancelled.
    pub fn train(
        values: &[f32],
        options: &ResidualOptions,
        control: &Control,
    ) -> Result<Self, Error> {
        check_bits(&options.bits)?;
        check_rows(values, options.width)?;
        let stages = options.bits.len();
        let best = Self::train_from(values, options, Start::Partition, control)?;
        control.report(stages, stages);
        if options.width > 1 || stages == 1 {
            return Ok(best);
        }
        let other = Self::train_from(values, options, Start::Density, control)?;
        Ok(if other.errors.last() < best.errors.last() {
            other
        } else {
            best
        })
    }

    /// Trains on checked values, scalars from a start.
    fn train_from(
        values: &[f32],
        options: &ResidualOptions,
        start: Start,
        control: &Control,
    ) -> Result<Self, Error> {
        let (width, points) = (options.width, values.len() / options.width);
        let unwatched = Control {
            progress: None,
            ..*control
        };
        let mut residual = values.to_vec();
        let mut trained = Self {
            width,
            stages: Vec::with_capacity(options.bits.len()),
            bits: options.bits.clone(),
            errors: Vec::with_capacity(options.bits.len()),
        };
        for (stage, bits) in options.bits.iter().enumerate() {
            control.report(stage, options.bits.len());
            let count = 1 << bits;
            let centroids = if width == 1 {
                let options = CodebookOptions {
                    levels: count,
                    rounds: options.rounds,
                    tolerance: options.tolerance,
                    start,
                    ..CodebookOptions::default()
                };
                train_codebook(&residual, &options, &unwatched)?.levels
            } else {
                let plan = Plan {
                    width,
                    count: count.min(points),
                    rounds: options.rounds,
                    tolerance: options.tolerance,
                    seed: options.seed.wrapping_add(stage as u64),
                };
                kmeans::train(&residual, &plan, &unwatched)?.centroids
            };
            check_values(&centroids)?;
            trained.stages.push(centroids);
            let codes = trained.code_stage(stage, &residual)?;
            trained.subtract(stage, &codes, &mut residual);
            let squares = residual
                .iter()
                .map(|value| f64::from(*value) * f64::from(*value));
            trained
                .errors
                .push(squares.sum::<f64>() / residual.len() as f64);
        }
        Ok(trained)
    }

    /// Values that are coded together.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bits of each stage.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Centroids of a stage, rows of `width` values.
    pub fn centroids(&self, stage: usize) -> Option<&[f32]> {
        self.stages.get(stage).map(Vec::as_slice)
    }

    /// Mean squared error a value after each stage of training.
    pub fn errors(&self) -> &[f64] {
        &self.errors
    }

    /// Codes of values: those of the first stage, then those of the second one.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_INVALID_ARG` for no values, cancelled.
    pub fn encode(&self, values: &[f32], control: &Control) -> Result<Vec<u8>, Error> {
        let points = check_rows(values, self.width)?;
        let mut residual = values.to_vec();
        let mut codes = Vec::with_capacity(points * self.stages.len());
        for stage in 0..self.stages.len() {
            control.check()?;
            control.report(stage, self.stages.len());
            let found = self.code_stage(stage, &residual)?;
            self.subtract(stage, &found, &mut residual);
            codes.extend(found);
        }
        Ok(codes)
    }

    /// Values that codes stand for, by the centroids of the first `stages` stages. The codes are those of all stages, or
    /// of the first ones as long as they are whole.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for stages that there are not, `ERR_TQ_DIM_MISMATCH` for codes that are not equally many a
    /// stage, `ERR_TQ_FORMAT` for a code without a centroid, `ERR_TQ_LIMIT` where memory is refused.
    pub fn decode(&self, codes: &[u8], stages: usize) -> Result<Vec<f32>, Error> {
        let all = self.stages.len();
        if !(1..=all).contains(&stages) {
            return Err(Error::invalid(format!(
                "stages must be from 1 to {all}, got {stages}"
            )));
        }
        if !codes.len().is_multiple_of(all) {
            let got = codes.len();
            return Err(Error::data(
                ErrorCode::DimMismatch,
                format!("{got} codes are not equally many for each of {all} stages"),
            ));
        }
        let points = codes.len() / all;
        let mut values = zeros::<f32>(points.saturating_mul(self.width))?;
        for (stage, centroids) in self.stages.iter().take(stages).enumerate() {
            let codes = &codes[stage * points..][..points];
            check_codes(codes, centroids.len() / self.width, "centroid")?;
            for (values, code) in values.chunks_exact_mut(self.width).zip(codes) {
                let centroid = &centroids[usize::from(*code) * self.width..][..self.width];
                for (value, part) in values.iter_mut().zip(centroid) {
                    *value += part;
                }
            }
        }
        Ok(values)
    }

    /// The quantizer as bytes: magic `TQRQ`, version, number of stages, u16 of zero, width as u32; for each stage its bits
    /// and its number of centroids as u32; the centroids of all as f32; CRC-32 of all before.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, self.stages.len() as u8, 0, 0]);
        bytes.extend((self.width as u32).to_le_bytes());
        for (bits, centroids) in self.bits.iter().zip(&self.stages) {
            bytes.extend(u32::from(*bits).to_le_bytes());
            bytes.extend(((centroids.len() / self.width) as u32).to_le_bytes());
        }
        let values = self.stages.iter().flatten();
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
        seal(bytes)
    }

    /// Reads what [`ResidualQuantizer::to_bytes`] writes.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = ByteReader::new(bytes);
        reader.magic(MAGIC, "residual quantizer")?;
        reader.version(VERSION)?;
        let stages = usize::from(reader.u8()?);
        let reserved = reader.u16()?;
        let width = reader.u32()? as usize;
        if !(1..=MAX_STAGES).contains(&stages) || reserved != 0 || width == 0 {
            let reason = format!("{stages} stages of width {width} (reserved {reserved})");
            return Err(malformed("Shape", 5, reason));
        }
        let (mut bits, mut counts, mut total) = (Vec::new(), Vec::new(), 0_usize);
        for _ in 0..stages {
            let offset = reader.offset();
            let (width_of_code, count) = (reader.u32()?, reader.u32()? as usize);
            if !(1..=8).contains(&width_of_code) || count == 0 || count > 1 << width_of_code {
                let reason = format!("{count} centroids for codes of {width_of_code} bits");
                return Err(malformed("Stage", offset, reason));
            }
            bits.push(width_of_code as u8);
            counts.push(count);
            total = total.saturating_add(count.saturating_mul(width));
        }
        let start = reader.offset();
        reader.take(total.saturating_mul(4))?;
        reader.take(4)?;
        reader.end()?;
        let mut reader = ByteReader::new(unseal(bytes, "the residual quantizer")?);
        reader.take(start)?;
        let mut stages = Vec::with_capacity(counts.len());
        for count in counts {
            let offset = reader.offset();
            let centroids = reader.f32s(count * width)?;
            if width == 1 {
                Levels::new(&centroids)
                    .map_err(|error| malformed("Levels", offset, error.to_string()))?;
            }
            stages.push(centroids);
        }
        Ok(Self {
            width,
            stages,
            bits,
            errors: Vec::new(),
        })
    }

    fn code_stage(&self, stage: usize, residual: &[f32]) -> Result<Vec<u8>, Error> {
        let centroids = &self.stages[stage];
        if self.width == 1 {
            Levels::new(centroids)?.encode(residual)
        } else {
            Ok(Nearest::new(centroids, self.width).encode(residual))
        }
    }

    fn subtract(&self, stage: usize, codes: &[u8], residual: &mut [f32]) {
        let centroids = &self.stages[stage];
        for (values, code) in residual.chunks_exact_mut(self.width).zip(codes) {
            let centroid = &centroids[usize::from(*code) * self.width..][..self.width];
            for (value, part) in values.iter_mut().zip(centroid) {
                *value -= part;
            }
        }
    }
}

fn check_bits(bits: &[u8]) -> Result<(), Error> {
    if !(1..=MAX_STAGES).contains(&bits.len()) {
        let got = bits.len();
        return Err(Error::invalid(format!(
            "there must be 1 to {MAX_STAGES} stages, got {got}"
        )));
    }
    match bits.iter().position(|bits| !(1..=8).contains(bits)) {
        None => Ok(()),
        Some(stage) => Err(Error::invalid(format!(
            "a stage has 1 to 8 bits, got {} for stage {stage}",
            bits[stage]
        ))),
    }
}
