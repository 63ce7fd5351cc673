//! The bytes of a model, as they are in files.

use super::{Model, Rotation};
use crate::centroids::Centroids;
use crate::rotation::{Matrix, SignRotation};
use crate::{Error, IndexConfig};
use tinyquant_kernels::{FactorCode, UNIT};

impl Model {
    /// The bytes that a file holds; docs/format.md has them in order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let coded = self.plan.factors().len();
        bytes.extend([u8::from(self.is_fitted()), 0, 0, 0]);
        for count in [
            self.segments.len(),
            coded,
            self.plan.lead_units(),
            self.partitions(),
        ] {
            bytes.extend((count as u32).to_le_bytes());
        }
        let step = self.centroids.as_ref().map_or(0.0, Centroids::step);
        bytes.extend(step.to_le_bytes());
        for (units, width) in &self.segments {
            bytes.extend((*units as u32).to_le_bytes());
            bytes.extend(u32::from(*width).to_le_bytes());
        }
        for factor in self.plan.factors() {
            bytes.extend(factor.base.to_le_bytes());
            bytes.extend(factor.shift.to_le_bytes());
        }
        if let Rotation::Axes(matrix) = &self.rotation {
            bytes.extend(self.mean.iter().flat_map(|value| value.to_le_bytes()));
            bytes.extend(matrix.rows().iter().flat_map(|value| value.to_le_bytes()));
        }
        if let Some(centroids) = &self.centroids {
            bytes.extend(
                centroids
                    .rows()
                    .iter()
                    .flat_map(|value| value.to_le_bytes()),
            );
        }
        bytes
    }

    /// Reads what [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Stored`] (`ERR_TQ_FORMAT`).
    pub fn from_bytes(config: &IndexConfig, bytes: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields(bytes);
        let [fitted, rest @ ..] = fields.take::<4>()?;
        if fitted > 1 || rest != [0; 3] {
            return Err(Error::format(format!("model of kind {fitted}")));
        }
        let [segment_count, coded, lead, partitions] = [(); 4].map(|()| fields.u32());
        let (segment_count, coded) = (segment_count? as usize, coded? as usize);
        let (lead, partitions) = (lead? as usize, partitions? as usize);
        let step = fields.f32()?;
        let padded = config.dim().div_ceil(UNIT);
        if segment_count > padded || coded > segment_count || coded == 0 {
            return Err(Error::format(format!("model of {segment_count} segments")));
        }
        let mut segments = Vec::with_capacity(segment_count);
        let mut units = 0_usize;
        for segment in 0..segment_count {
            let (count, width) = (fields.u32()? as usize, fields.u32()?);
            let has_bits = matches!(width, 1..=6 | 8);
            units = units.saturating_add(count);
            if count == 0
                || units > padded
                || has_bits != (segment < coded)
                || (width != 0 && !has_bits)
            {
                return Err(Error::format(format!(
                    "segment of {count} units of {width} bits"
                )));
            }
            segments.push((count, width as u8));
        }
        let mut factors = Vec::with_capacity(coded);
        for _ in 0..coded {
            let factor = FactorCode {
                base: fields.u32()?,
                shift: fields.u32()?,
            };
            let top = u64::from(factor.base) + (255_u64 << factor.shift.min(32));
            if factor.shift > 23 || top >= u64::from(f32::INFINITY.to_bits()) {
                return Err(Error::format(format!("factors from {:x} on", factor.base)));
            }
            factors.push(factor);
        }
        let coded_units: usize = segments[..coded].iter().map(|(units, _)| units).sum();
        if units != padded || lead == 0 || lead > coded_units {
            return Err(Error::format(format!(
                "model of {units} units, {lead} of them in the lead"
            )));
        }
        let (mean, rotation) = if fitted == 1 {
            let mut mean = Vec::with_capacity(config.dim());
            for value in fields.array::<4>(config.dim())? {
                let value = f32::from_le_bytes(*value);
                if !value.is_finite() {
                    return Err(Error::format("a mean that is not finite"));
                }
                mean.push(value);
            }
            let columns = config.dim().next_multiple_of(2);
            let rows = fields.i16s(coded_units * UNIT * columns)?;
            check_lengths(&rows, columns)?;
            (mean, Rotation::Axes(Matrix::from_rows(columns, rows)))
        } else {
            if coded_units != padded {
                return Err(Error::format("components without bits"));
            }
            let rotation = SignRotation::new(padded * UNIT, config.seed());
            (vec![0.0; config.dim()], Rotation::Signs(rotation))
        };
        let mut model = Self::assemble(config, mean, rotation, segments, factors, lead);
        if partitions > 1 {
            let columns = model.partition_columns();
            let rows = fields.i16s(partitions.saturating_mul(columns))?;
            check_lengths(&rows, columns)?;
            if !(step.is_finite() && step > 0.0) {
                return Err(Error::format(format!("centres in steps of {step}")));
            }
            model = model.with_centroids(Centroids::from_rows(columns, partitions, rows, step));
        }
        if partitions == 1 && step.to_bits() != 0 {
            return Err(Error::format(format!("no centres in steps of {step}")));
        }
        if partitions == 0 || !fields.0.is_empty() {
            return Err(Error::format(format!(
                "{} bytes after the model",
                fields.0.len()
            )));
        }
        Ok(model)
    }
}

/// Fails for rows so long that a sum of products could leave i32.
fn check_lengths(rows: &[i16], columns: usize) -> Result<(), Error> {
    for row in rows.chunks_exact(columns) {
        let square: i64 = row.iter().map(|value| i64::from(*value).pow(2)).sum();
        if square > 33_000 * 33_000 {
            return Err(Error::format("an axis or a centre that is too long"));
        }
    }
    Ok(())
}

/// Little-endian fields of a model.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| Error::format("a model that ends early"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_le_bytes)
    }

    fn f32(&mut self) -> Result<f32, Error> {
        self.take().map(f32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], Error> {
        let len = count.checked_mul(N).filter(|len| *len <= self.0.len());
        let len = len.ok_or_else(|| Error::format("a model that ends early"))?;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes.as_chunks().0)
    }

    fn i16s(&mut self, count: usize) -> Result<Vec<i16>, Error> {
        Ok(self
            .array::<2>(count)?
            .iter()
            .map(|value| i16::from_le_bytes(*value))
            .collect())
    }
}
