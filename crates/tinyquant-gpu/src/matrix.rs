//! Matrices of whole numbers on the device.

use crate::backend::lock;
use crate::memory::Buffer;
use crate::{Backend, Error};
use std::sync::Arc;
use tinyquant_codec::{CodecConfig, Control, Rotation};

/// Rows of the matrix that a shader adds up products of before it carries.
const MOST_ROWS: usize = 2048;

/// Matrices that are kept: both directions of one rotation.
const KEPT: usize = 2;

/// Which product a matrix is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Of the rotation with vectors.
    Forward,
    /// Of its transpose with rotated vectors.
    Inverse,
}

type Key = (u64, usize, Direction);

/// A rotation as whole numbers below 2^29 in magnitude, in parts of rows.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// Columns, a multiple of 4.
    pub(crate) stride: usize,
    /// First row, rows, and the rows themselves.
    pub(crate) parts: Vec<(usize, usize, Buffer)>,
    /// Exponent of the unit of a sum of products less the exponent field of the row.
    pub(crate) exponent: i32,
}

/// The matrices that were used last.
#[derive(Debug, Default)]
pub(crate) struct Matrices(Vec<(Key, Arc<Matrix>)>);

impl Matrices {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// How far a sum on the device, in its units, may be from the one that the CPU computes.
///
/// Both factors are rounded by half a unit at most, so that a product of numbers below 2^29 errs by 2^29 at most; the
/// digits that are left out are worth 2^29 and a little more. A unit of a sum is 2^20 of a product, hence 2^10 and a
/// little more for each product. What is added covers the roundings of the CPU in f64, which are far smaller.
pub(crate) fn margin(dimension: usize) -> u32 {
    1026 * dimension as u32
}

impl Backend {
    /// The matrix of a configuration, from the last calls or made now.
    pub(crate) fn matrix(
        &self,
        config: &CodecConfig,
        direction: Direction,
        control: &Control,
    ) -> Result<Arc<Matrix>, Error> {
        let key = (config.seed(), config.dimension(), direction);
        let mut kept = lock(&self.matrices);
        if let Some((_, matrix)) = kept.0.iter().find(|(other, _)| *other == key) {
            return Ok(Arc::clone(matrix));
        }
        kept.0
            .retain(|((seed, dimension, _), _)| (*seed, *dimension) == (key.0, key.1));
        kept.0.truncate(KEPT - 1);
        let rotation = Rotation::shared(config.seed(), config.dimension(), control)?;
        let matrix = Arc::new(self.new_matrix(&rotation, direction)?);
        kept.0.push((key, Arc::clone(&matrix)));
        Ok(matrix)
    }

    fn new_matrix(&self, rotation: &Rotation, direction: Direction) -> Result<Matrix, Error> {
        let dimension = rotation.dimension();
        let values = rotation.to_row_major()?;
        let peak = values
            .iter()
            .fold(0.0_f64, |peak, value| peak.max(value.abs()));
        let top = libm::ilogb(peak);
        let scale = libm::scalbn(1.0, 28 - top);
        let stride = dimension.next_multiple_of(4);
        let fitting = self.limits().max_binding_size as usize / (4 * stride) / 4 * 4;
        if fitting == 0 {
            return Err(Error::AdapterLimit {
                what: "four rows of a rotation",
                needed: 16 * stride as u64,
                limit: self.limits().max_binding_size,
            });
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        while start < dimension {
            let count = (dimension - start)
                .next_multiple_of(4)
                .min(fitting)
                .min(MOST_ROWS);
            let mut whole = vec![0_i32; count * stride];
            for (k, line) in whole.chunks_exact_mut(stride).enumerate() {
                let row = start + k;
                if row >= dimension {
                    continue;
                }
                for (column, number) in line.iter_mut().enumerate().take(dimension) {
                    let value = match direction {
                        Direction::Forward => values[column * dimension + row],
                        Direction::Inverse => values[row * dimension + column],
                    };
                    *number = (value * scale).round_ties_even() as i32;
                }
            }
            parts.push((start, count, self.constant("part of a rotation", &whole)?));
            start += count;
        }
        Ok(Matrix {
            stride,
            parts,
            exponent: top - 163,
        })
    }
}
