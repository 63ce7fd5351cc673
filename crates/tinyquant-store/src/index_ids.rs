//! Ids of the rows of an index file.

use crate::container::Section;
use crate::id_table::{IdTable, tag_of};
use crate::segment::Segment;
use crate::{Error, Source};
use std::sync::Arc;
use tinyquant_index::{Error as IndexError, Id, IdKind, IdRef, StoredIds};

/// Whole numbers below this are safe integers of JavaScript.
const SAFE: u64 = 1 << 53;

/// Ids of rows that follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IdRun {
    /// A u64 a row.
    Whole(Section),
    /// Ends and bytes of texts.
    Text(Section, Section),
}

impl IdRun {
    /// The section that says which rows.
    pub(crate) fn section(&self) -> &Section {
        match self {
            Self::Whole(section) | Self::Text(section, _) => section,
        }
    }

    /// Its sections.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> {
        let (first, second) = match *self {
            Self::Whole(ids) => (ids, None),
            Self::Text(ends, texts) => (ends, Some(texts)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Where the ids of a file are.
#[derive(Debug, Clone)]
pub(crate) struct IdSections {
    pub(crate) kind: IdKind,
    /// Together every row of the file, or none.
    pub(crate) runs: Vec<IdRun>,
    pub(crate) tables: Vec<IdTable>,
}

/// Whether an id of the kind may be this number.
pub(crate) fn is_whole(kind: IdKind, id: u64) -> bool {
    kind != IdKind::Number || id < SAFE
}

impl IdSections {
    /// The id of a row.
    pub(crate) fn id(&self, source: &Source, row: u64) -> Result<Id, Error> {
        let after = self.runs.partition_point(|run| run.section().first <= row);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        let Some(run) = run else {
            return Err(source.malformed("UnknownRow", 0, format!("no row {row}")));
        };
        let index = row - run.section().first;
        match run {
            IdRun::Whole(ids) => {
                let bytes = ids.part(source, 8 * index, 8)?;
                let id = bytes.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
                if !is_whole(self.kind, id) {
                    let reason = format!("row {row} has the id {id}, expected one below {SAFE}");
                    return Err(source.malformed("InvalidId", ids.offset + 8 * index, reason));
                }
                Ok(Id::Whole(id))
            }
            IdRun::Text(ends, texts) => {
                let text = Segment::text(&(*ends, *texts), source, index)?;
                Ok(Id::Text(text.into()))
            }
        }
    }

    /// The last row with this id that a table knows.
    pub(crate) fn find(&self, source: &Source, id: IdRef<'_>) -> Result<Option<u64>, Error> {
        let tag = match id {
            IdRef::Whole(id) => tag_of(id.to_le_bytes()),
            IdRef::Text(id) => tag_of(id),
        };
        for table in self.tables.iter().rev() {
            let mut last = None;
            table.find(source, tag, |row| {
                if is_same(&self.id(source, row)?, id) {
                    last = Some(row);
                }
                Ok(false)
            })?;
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }
}

fn is_same(id: &Id, other: IdRef<'_>) -> bool {
    match (id, other) {
        (Id::Whole(id), IdRef::Whole(other)) => *id == other,
        (Id::Text(id), IdRef::Text(other)) => **id == *other,
        _ => false,
    }
}

/// The ids of a file, for an index that was opened from it.
#[derive(Debug)]
pub(crate) struct FileIds {
    pub(crate) source: Arc<Source>,
    pub(crate) sections: IdSections,
    pub(crate) rows: u32,
    pub(crate) next: u64,
}

impl StoredIds for FileIds {
    fn rows(&self) -> u32 {
        self.rows
    }

    fn id(&self, row: u32) -> Result<Id, IndexError> {
        Ok(self.sections.id(&self.source, row.into())?)
    }

    fn find(&self, id: IdRef<'_>) -> Result<Option<u32>, IndexError> {
        let found = self.sections.find(&self.source, id)?;
        Ok(found.map(|row| row as u32))
    }

    fn next(&self) -> u64 {
        self.next
    }
}

impl From<Error> for IndexError {
    fn from(error: Error) -> Self {
        match error {
            Error::Index(error) => error,
            Error::Codec(error) => error.into(),
            error => Self::Stored {
                code: error.code(),
                details: error.details(),
                message: error.to_string(),
            },
        }
    }
}
