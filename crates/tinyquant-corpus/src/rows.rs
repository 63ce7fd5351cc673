//! Vectors with ids, as callers hand them over.

use crate::Error;
use tinyquant_codec::check_finite;

/// Several vectors with their ids, borrowed from the caller: the components of all of them one after
/// another, and how many belong to each. Lengths may differ from what is wanted, so that the callee can
/// say which row is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, S> {
    ids: &'a [S],
    values: &'a [f32],
    lengths: &'a [u32],
}

/// One vector with its id and its place in the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) index: usize,
    pub(crate) id: &'a str,
    pub(crate) values: &'a [f32],
}

impl<'a, S: AsRef<str>> Rows<'a, S> {
    /// Rows of which number `i` has the id `ids[i]` and the next `lengths[i]` of the `values`.
    ///
    /// # Errors
    /// `UnevenRows` (`ERR_TQ_INVALID_ARG`) unless there is one length for each id and the lengths add up
    /// to the number of values.
    pub fn new(ids: &'a [S], values: &'a [f32], lengths: &'a [u32]) -> Result<Self, Error> {
        if ids.len() != lengths.len() {
            let reason = format!("{} ids do not go with {} lengths", ids.len(), lengths.len());
            return Err(Error::UnevenRows { reason });
        }
        let total: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        if total != values.len() as u64 {
            let reason = format!(
                "the lengths add up to {total}, but {} values were given",
                values.len()
            );
            return Err(Error::UnevenRows { reason });
        }
        Ok(Self {
            ids,
            values,
            lengths,
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The components of all rows.
    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row<'a>> + use<'a, S> {
        let mut rest = self.values;
        self.ids
            .iter()
            .zip(self.lengths)
            .enumerate()
            .map(move |(index, (id, &length))| {
                let (values, tail) = rest.split_at(length as usize);
                rest = tail;
                Row {
                    index,
                    id: id.as_ref(),
                    values,
                }
            })
    }
}

impl Row<'_> {
    /// Fails unless the row has `expected` components.
    pub(crate) fn check_length(&self, expected: usize, is_batch: bool) -> Result<(), Error> {
        let got = self.values.len();
        if got == expected {
            return Ok(());
        }
        Err(Error::DimensionMismatch {
            expected,
            got,
            row: is_batch.then_some(self.index),
        })
    }

    /// Fails if a component is a NaN or an infinity.
    pub(crate) fn check_finite(&self) -> Result<(), Error> {
        check_finite(self.values, self.values.len().max(1)).map_err(|error| match error {
            tinyquant_codec::Error::NonFinite { column, value, .. } => {
                tinyquant_codec::Error::NonFinite {
                    row: self.index,
                    column,
                    value,
                }
                .into()
            }
            other => other.into(),
        })
    }
}
