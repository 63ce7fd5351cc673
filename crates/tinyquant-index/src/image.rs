//! One consistent state of an index, as files hold it.

use crate::{Column, Error, Id, IdRef, Ids, IndexConfig, Model, Part};
use std::fmt;
use std::sync::Arc;

/// Ids that a file holds, for the rows from 0 to `rows`.
pub trait StoredIds: Send + Sync {
    /// Rows that it names.
    fn rows(&self) -> u32;
    /// The id of a row.
    ///
    /// # Errors
    /// [`Error::Stored`].
    fn id(&self, row: u32) -> Result<Id, Error>;
    /// The last row that was given the id.
    ///
    /// # Errors
    /// [`Error::Stored`].
    fn find(&self, id: IdRef<'_>) -> Result<Option<u32>, Error>;
    /// One more than the largest whole number that was an id; 0 where ids are texts.
    fn next(&self) -> u64;
}

/// Names of the rows of an [`Image`].
#[derive(Clone)]
pub enum IdImage {
    /// The id of a row is its number.
    Rows,
    /// Each row has an id of its own.
    Listed {
        /// Those of the first rows, where a file holds them.
        stored: Option<Arc<dyn StoredIds>>,
        /// Those of the rows after them; [`Ids::Whole`] or [`Ids::Text`].
        later: Ids,
    },
}

impl fmt::Debug for IdImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => f.write_str("Rows"),
            Self::Listed { stored, .. } => {
                write!(
                    f,
                    "Listed({} stored)",
                    stored.as_ref().map_or(0, |ids| ids.rows())
                )
            }
        }
    }
}

/// A state of an index that does not change.
#[derive(Debug, Clone)]
pub struct Image {
    /// Dimension, bits, metric, seed and kinds.
    pub config: IndexConfig,
    /// Rotation, segments and partitions.
    pub model: Arc<Model>,
    /// Rows ever added; a row keeps its number for good.
    pub rows: u64,
    /// Rows that were not removed.
    pub live: u64,
    /// Codes of the rows; those of removed rows may be missing.
    pub parts: Vec<Arc<Part>>,
    /// Bit `r % 64` of word `r / 64` is set where row `r` was removed. It may end early.
    pub dead: Arc<Vec<u64>>,
    /// The vectors, row-major by row number, in runs that follow each other; none where they are not kept.
    pub originals: Vec<Column>,
    /// Names of the rows.
    pub ids: IdImage,
}
