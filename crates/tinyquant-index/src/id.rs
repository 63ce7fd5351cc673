//! Names of vectors.

use std::fmt;
use std::sync::Arc;

/// The caller's name for a vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number.
    Whole(u64),
    /// A text.
    Text(Arc<str>),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(id) => id.fmt(f),
            Self::Text(id) => write!(f, "{id:?}"),
        }
    }
}

/// An id that is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdRef<'a> {
    /// A whole number.
    Whole(u64),
    /// A text.
    Text(&'a str),
}

impl From<IdRef<'_>> for Id {
    fn from(id: IdRef<'_>) -> Self {
        match id {
            IdRef::Whole(id) => Self::Whole(id),
            IdRef::Text(id) => Self::Text(id.into()),
        }
    }
}

/// Ids of a call, one a row.
#[derive(Debug, Clone)]
pub enum Ids {
    /// The whole numbers that follow the largest so far; 0, 1, 2, ... in a new index.
    Next,
    /// Whole numbers.
    Whole(Vec<u64>),
    /// Texts.
    Text(Vec<Arc<str>>),
}
