//! The vectors of a corpus, stored or inserted since.

use crate::stored::Base;
use crate::{Error, Payload, VectorEntry};
use std::sync::Arc;

/// A vector, wherever it lies.
pub(crate) enum Vector<'a> {
    /// A stored row.
    Stored(&'a Base, usize),
    /// An entry and its number.
    Inserted(&'a VectorEntry, u64),
}

impl<'a> Vector<'a> {
    /// Its place in the insertion order.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Inserted(_, number) => *number,
            Self::Stored(_, row) => *row as u64,
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> Result<Arc<str>, Error> {
        match self {
            Self::Inserted(entry, _) => Ok(Arc::clone(entry.id())),
            Self::Stored(base, row) => base.rows.id(*row),
        }
    }

    /// Its stored bytes.
    pub(crate) fn payload(&self) -> Result<Payload<'a>, Error> {
        match *self {
            Self::Inserted(entry, _) => {
                let record = &entry.record;
                let residual = record.residual().unwrap_or_default();
                Ok((record.packed().into(), residual.into()))
            }
            Self::Stored(base, row) => base.rows.payload(row),
        }
    }
}
