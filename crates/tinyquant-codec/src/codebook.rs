//! The values that codes stand for.

use crate::config::check_bit_width;
use crate::{CodecConfig, Control, Error, check_finite, lloyd_max, memory, rows_of};
use std::sync::Arc;
use tinyquant_kernels::QuantTable;

/// How a codebook is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainMethod {
    /// `TinyQuant`'s rule: uniform quantiles, extremes included, of the values as they are.
    TinyQuant,
    /// Lloyd-Max levels (Lloyd 1982; Max 1960) of the rotated values, which are what is quantized: a lower
    /// error for the same bytes.
    LloydMax,
}

/// `2^bit_width` ascending finite values. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Codebook {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bit_width: u8,
    entries: Box<[f32]>,
    thresholds: Box<[f32]>,
    table: QuantTable,
}

const MAGIC: &[u8; 4] = b"TQCB";
const VERSION: u8 = 1;
const HEADER: usize = 12;

impl Codebook {
    /// Trains a codebook on rows of `config.dimension()` values. `TinyQuant`'s rule takes time linear in the
    /// number of values, Lloyd-Max sorts them.
    ///
    /// # Errors
    /// `RaggedRows`, `NonFinite`, `InsufficientTrainingData`, `OutOfMemory`, `RotationOverflow` (Lloyd-Max), and
    /// `Cancelled`, which is looked for between steps, not inside a sort.
    pub fn train(
        vectors: &[f32],
        config: &CodecConfig,
        method: TrainMethod,
        control: &Control,
    ) -> Result<Self, Error> {
        rows_of(vectors, config.dimension())?;
        check_finite(vectors, config.dimension())?;
        control.check()?;
        let levels = config.num_codebook_entries();
        if vectors.is_empty() {
            return Err(Error::InsufficientTrainingData {
                expected: levels,
                got: 0,
            });
        }
        let mut entries = match method {
            TrainMethod::TinyQuant => {
                uniform_quantiles(memory::copy_into(Vec::new(), vectors)?, levels)
            }
            TrainMethod::LloydMax => lloyd_max::train(vectors, config, control)?,
        };
        entries.sort_by(f32::total_cmp);
        entries.dedup_by(|a, b| a.to_bits() == b.to_bits());
        if entries.len() < levels {
            return Err(Error::InsufficientTrainingData {
                expected: levels,
                got: entries.len(),
            });
        }
        Self::from_entries(&entries, config.bit_width())
    }

    /// A codebook of given entries, finite and strictly ascending (`-0` is below `+0`).
    ///
    /// # Errors
    /// `UnsupportedBitWidth`, `CodebookEntryCount`, `NonFinite`, `CodebookDuplicate`, `CodebookNotSorted`.
    pub fn from_entries(entries: &[f32], bit_width: u8) -> Result<Self, Error> {
        check_bit_width(bit_width)?;
        let expected = 1 << bit_width;
        if entries.len() != expected {
            return Err(Error::CodebookEntryCount {
                expected,
                got: entries.len(),
                bit_width,
            });
        }
        check_finite(entries, expected)?;
        for (index, pair) in entries.windows(2).enumerate() {
            let index = index + 1;
            match pair[0].total_cmp(&pair[1]) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Err(Error::CodebookDuplicate { expected, index });
                }
                std::cmp::Ordering::Greater => return Err(Error::CodebookNotSorted { index }),
            }
        }
        let thresholds = thresholds(entries);
        let table = QuantTable::new(bit_width, entries, &thresholds);
        Ok(Self {
            inner: Arc::new(Inner {
                bit_width,
                entries: entries.into(),
                thresholds: thresholds.into(),
                table,
            }),
        })
    }

    /// Reads a TQCB file: magic, version 1, bit width, two reserved zero bytes, u32 count, f32 entries, and
    /// nothing after them.
    ///
    /// # Errors
    /// `Truncated`, `UnknownVersion`, `Malformed`, and those of [`Codebook::from_entries`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let malformed = |kind, offset, reason| {
            Err(Error::Malformed {
                kind,
                offset,
                reason,
            })
        };
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Error::Truncated {
                needed: HEADER as u64,
                got: bytes.len() as u64,
            });
        };
        let [m0, m1, m2, m3, version, bit_width, r0, r1, count @ ..] = *header;
        if [m0, m1, m2, m3] != *MAGIC {
            return malformed("BadMagic", 0, "not a TQCB codebook: bad magic".to_owned());
        }
        if version != VERSION {
            return Err(Error::UnknownVersion {
                got: version,
                offset: 4,
            });
        }
        if check_bit_width(bit_width).is_err() {
            return malformed(
                "InvalidBitWidth",
                5,
                format!("invalid bit_width {bit_width}"),
            );
        }
        if [r0, r1] != [0, 0] {
            return malformed("InvalidHeader", 6, "reserved bytes are not zero".to_owned());
        }
        let (count, expected) = (u32::from_le_bytes(count), 1_u32 << bit_width);
        if count != expected {
            return malformed(
                "InvalidHeader",
                8,
                format!("entry count {count}, expected {expected}"),
            );
        }
        let needed = HEADER + 4 * expected as usize;
        if bytes.len() < needed {
            return Err(Error::Truncated {
                needed: needed as u64,
                got: bytes.len() as u64,
            });
        }
        if bytes.len() > needed {
            return malformed(
                "TrailingBytes",
                needed as u64,
                "bytes after the last entry".to_owned(),
            );
        }
        let entries: Vec<f32> = body
            .as_chunks::<4>()
            .0
            .iter()
            .map(|entry| f32::from_le_bytes(*entry))
            .collect();
        Self::from_entries(&entries, bit_width)
    }

    /// The codebook as a TQCB file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 4 * self.entries().len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, self.bit_width(), 0, 0]);
        bytes.extend_from_slice(&(self.entries().len() as u32).to_le_bytes());
        bytes.extend(self.entries().iter().flat_map(|entry| entry.to_le_bytes()));
        bytes
    }

    /// Bits of a code: 2, 4 or 8.
    pub fn bit_width(&self) -> u8 {
        self.inner.bit_width
    }

    /// The entries, ascending.
    pub fn entries(&self) -> &[f32] {
        &self.inner.entries
    }

    /// For each entry the least value that gets its code or a later one.
    pub fn thresholds(&self) -> &[f32] {
        &self.inner.thresholds
    }

    /// The code of a rotated coordinate.
    pub fn code(&self, value: f32) -> u8 {
        self.table().index(value)
    }

    pub(crate) fn table(&self) -> &QuantTable {
        &self.inner.table
    }
}

impl PartialEq for Codebook {
    /// Equal bit widths and equal bits of all entries.
    fn eq(&self, other: &Self) -> bool {
        self.bit_width() == other.bit_width()
            && self
                .entries()
                .iter()
                .map(|e| e.to_bits())
                .eq(other.entries().iter().map(|e| e.to_bits()))
    }
}

impl Eq for Codebook {}

/// Entry `k` of `n` is the quantile `k / (n - 1)`, interpolated in f64 between its two neighbours.
fn uniform_quantiles(mut values: Vec<f32>, levels: usize) -> Vec<f32> {
    let last = values.len() - 1;
    let places: Vec<f64> = (0..levels)
        .map(|k| k as f64 / (levels - 1) as f64 * last as f64)
        .collect();
    let mut ranks: Vec<usize> = places
        .iter()
        .flat_map(|place| [*place as usize, (*place as usize + 1).min(last)])
        .collect();
    ranks.sort_unstable();
    ranks.dedup();
    select_ranks(&mut values, 0, &ranks);
    let at = |rank: usize| f64::from(values[rank]);
    let entry = |place: &f64| {
        let below = *place as usize;
        let value = at(below);
        (value + (place - below as f64) * (at((below + 1).min(last)) - value)) as f32
    };
    places.iter().map(entry).collect()
}

/// Puts the values of the given `ranks`, strictly ascending, where a full sort would put them. `offset` is the
/// rank of the first value.
fn select_ranks(values: &mut [f32], offset: usize, ranks: &[usize]) {
    let (below, rest) = ranks.split_at(ranks.len() / 2);
    let Some((rank, above)) = rest.split_first() else {
        return;
    };
    let (left, _, right) = values.select_nth_unstable_by(rank - offset, f32::total_cmp);
    select_ranks(left, offset, below);
    select_ranks(right, rank + 1, above);
}

/// The entry that is nearest to `value`, ties to the upper one, distances rounded to f32: the definition of a
/// code.
fn nearest(entries: &[f32], value: f32) -> usize {
    let upper = entries
        .partition_point(|entry| *entry < value)
        .min(entries.len() - 1);
    let lower = upper.saturating_sub(1);
    let is_lower = (value - entries[lower]).abs() < (value - entries[upper]).abs();
    if is_lower { lower } else { upper }
}

/// For each entry, the least value whose nearest entry it or a later one is. [`nearest`] never falls as the
/// value rises, so the index of a value is the number of thresholds, past the first, that it reaches.
fn thresholds(entries: &[f32]) -> Vec<f32> {
    let threshold = |k: usize| {
        let (mut low, mut high) = (ordered(f32::NEG_INFINITY), ordered(f32::INFINITY));
        while low < high {
            let middle = low + (high - low) / 2;
            if nearest(entries, from_ordered(middle)) >= k {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        from_ordered(low)
    };
    (0..entries.len()).map(threshold).collect()
}

/// Integers in the order of the finite f32 values and infinities; -0 and +0 are neighbours.
fn ordered(value: f32) -> i64 {
    let bits = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() {
        -1 - bits
    } else {
        bits
    }
}

fn from_ordered(order: i64) -> f32 {
    if order < 0 {
        -f32::from_bits((-1 - order) as u32)
    } else {
        f32::from_bits(order as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn thresholds_reproduce_the_nearest_entry(
            bits in proptest::sample::select(vec![2_u8, 4, 8]),
            pool in proptest::collection::btree_set(-200_000_i32..200_000, 256),
            scale in proptest::sample::select(vec![1e-40_f32, 1e-3, 1.0, 1e35]),
            probes in proptest::collection::vec(-2.1_f32..2.1, 64),
        ) {
            let mut entries: Vec<f32> =
                pool.into_iter().take(1 << bits).map(|v| v as f32 / 100_000.0 * scale).collect();
            entries.sort_by(f32::total_cmp);
            entries.dedup();
            prop_assume!(entries.len() == 1 << bits);
            let thresholds = thresholds(&entries);
            let near = thresholds.iter().flat_map(|t| [t.next_down(), *t, t.next_up()]);
            let values = probes.iter().map(|p| p * scale).chain(near).chain(entries.iter().copied());
            for value in values.filter(|value| !value.is_nan()) {
                let index = thresholds[1..].iter().filter(|t| value >= **t).count();
                prop_assert_eq!(index, nearest(&entries, value), "{:e}", value);
            }
        }
    }
}
