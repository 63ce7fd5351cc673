//! Levels of a scalar codebook, and the codes of values under them.

use super::matrix::{check_values, squared_error};
use crate::Error;
use rayon::prelude::*;
use tinyquant_codec::ErrorCode;
use tinyquant_kernels::{Kernels, PANEL, QuantTable};

/// Values that one task works on.
const CHUNK: usize = 1 << 14;

/// Ascending levels; the code of a value is the index of the nearest one, the lower of two that are equally near.
#[derive(Debug, Clone)]
pub struct Levels {
    entries: Vec<f32>,
    table: QuantTable,
}

impl Levels {
    /// Levels of a codebook.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` unless there are 1 to 256 that ascend (a level may repeat, and is then never a code),
    /// `ERR_TQ_NON_FINITE`.
    pub fn new(entries: &[f32]) -> Result<Self, Error> {
        check_values(entries)?;
        if entries.len() > 256 {
            let count = entries.len();
            return Err(Error::invalid(format!(
                "a codebook has 1 to 256 levels, got {count}"
            )));
        }
        if let Some(at) = entries.windows(2).position(|pair| pair[1] < pair[0]) {
            return Err(Error::invalid(format!(
                "levels must ascend: level {} is {}, below level {at}, {}",
                at + 1,
                entries[at + 1],
                entries[at]
            )));
        }
        let bits = match entries.len() {
            0..=4 => 2,
            5..=16 => 4,
            _ => 8,
        };
        let size = 1 << bits;
        let last = entries[entries.len() - 1];
        let mut padded = entries.to_vec();
        padded.resize(size, last);
        let mut thresholds = vec![f32::NEG_INFINITY];
        thresholds.extend(entries.windows(2).map(|pair| threshold(pair[0], pair[1])));
        thresholds.resize(size, f32::INFINITY);
        Ok(Self {
            entries: entries.to_vec(),
            table: QuantTable::new(bits, &padded, &thresholds),
        })
    }

    /// The levels, ascending.
    pub fn entries(&self) -> &[f32] {
        &self.entries
    }

    /// The code of each value. NaN and infinities are not looked for.
    pub(crate) fn encode_into(&self, values: &[f32], codes: &mut [u8]) {
        let kernels = Kernels::active();
        let whole = values.len() / PANEL * PANEL;
        kernels.quantize(&self.table, &values[..whole], &mut codes[..whole]);
        for (code, value) in codes[whole..].iter_mut().zip(&values[whole..]) {
            *code = self.table.index(*value);
        }
    }

    /// The code of each value.
    ///
    /// # Errors
    /// `ERR_TQ_NON_FINITE`, `ERR_TQ_INVALID_ARG` for no values.
    pub fn encode(&self, values: &[f32]) -> Result<Vec<u8>, Error> {
        check_values(values)?;
        let mut codes = vec![0; values.len()];
        codes
            .par_chunks_mut(CHUNK)
            .zip(values.par_chunks(CHUNK))
            .for_each(|(codes, values)| self.encode_into(values, codes));
        Ok(codes)
    }

    /// The level of each code.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT` for a code without a level.
    pub fn decode(&self, codes: &[u8]) -> Result<Vec<f32>, Error> {
        check_codes(codes, self.entries.len(), "level")?;
        let mut values = vec![0.0; codes.len()];
        self.decode_into(codes, &mut values);
        Ok(values)
    }

    /// The level of each code; codes are below the number of levels.
    pub(crate) fn decode_into(&self, codes: &[u8], values: &mut [f32]) {
        let mut entries = [0.0; 256];
        entries[..self.entries.len()].copy_from_slice(&self.entries);
        for (value, code) in values.iter_mut().zip(codes) {
            *value = entries[usize::from(*code)];
        }
    }

    /// Sum of the squared differences of values and the levels of their codes; the same for every number of threads.
    pub(crate) fn error(&self, values: &[f32], codes: &[u8]) -> f64 {
        let chunks = values.par_chunks(CHUNK).zip(codes.par_chunks(CHUNK));
        let sums: Vec<f64> = chunks
            .map_init(
                || vec![0.0; CHUNK],
                |decoded, (values, codes)| {
                    let decoded = &mut decoded[..values.len()];
                    self.decode_into(codes, decoded);
                    squared_error(values, decoded)
                },
            )
            .collect();
        sums.iter().sum()
    }
}

/// The least value that is nearer to `high` than to `low`; no value is, where the two are equal.
fn threshold(low: f32, high: f32) -> f32 {
    if low >= high {
        return f32::INFINITY;
    }
    let middle = f64::midpoint(low.into(), high.into());
    let nearest = middle as f32;
    if f64::from(nearest) > middle {
        nearest
    } else {
        nearest.next_up()
    }
}

/// Fails on the first code that is not below `count`.
pub(crate) fn check_codes(codes: &[u8], count: usize, what: &str) -> Result<(), Error> {
    let is_bad = |code: &u8| usize::from(*code) >= count;
    if count > 255 || !codes.iter().fold(false, |bad, code| bad | is_bad(code)) {
        return Ok(());
    }
    let at = codes.iter().position(is_bad).unwrap_or(0);
    Err(Error::data(
        ErrorCode::Format,
        format!(
            "code {} at position {at} has no {what}: there are {count}",
            codes[at]
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinyquant_testkit::seeded;

    /// Index of the nearest level, the lower of two.
    fn nearest(entries: &[f32], value: f32) -> u8 {
        let apart = |entry: f32| (f64::from(entry) - f64::from(value)).abs();
        let mut best = 0;
        for (k, entry) in entries.iter().enumerate() {
            if apart(*entry) < apart(entries[best]) {
                best = k;
            }
        }
        best as u8
    }

    #[test]
    fn codes_are_those_of_the_nearest_level() {
        for count in [1, 2, 3, 4, 5, 16, 17, 100, 256] {
            let mut entries = seeded::normal(count as u64, count, 1.0);
            entries.sort_unstable_by(f32::total_cmp);
            let levels = Levels::new(&entries).unwrap();
            let mut values = seeded::normal(7, 333, 2.0);
            values.extend(entries.iter().copied());
            values.extend(
                entries
                    .windows(2)
                    .map(|pair| f32::midpoint(pair[0], pair[1])),
            );
            let codes = levels.encode(&values).unwrap();
            for (value, code) in values.iter().zip(&codes) {
                assert_eq!(
                    *code,
                    nearest(&entries, *value),
                    "{count} levels, {value:e}"
                );
            }
        }
    }

    #[test]
    fn a_level_that_repeats_is_never_a_code() {
        let levels = Levels::new(&[-1.0, 2.0, 2.0, 2.0]).unwrap();
        assert_eq!(levels.encode(&[-5.0, 2.0, 9.0]).unwrap(), [0, 1, 1]);
        assert_eq!(levels.decode(&[3, 0]).unwrap(), [2.0, -1.0]);
    }
}
