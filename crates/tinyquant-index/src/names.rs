//! Ids of the rows.

use crate::state::State;
use crate::{Error, Id, IdImage, IdKind, IdRef, Ids, StoredIds};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tinyquant_codec::ErrorCode;

/// Whole numbers from here on are no ids of kind [`IdKind::Number`].
const NUMBER_LIMIT: u64 = 1 << 53;

/// The id of each row, and the row of each id.
#[derive(Debug)]
pub(crate) enum Names {
    /// The id of a row is its number.
    Rows,
    /// Each row has an id of its own.
    Listed(Listed),
}

/// Ids that the caller gave.
pub(crate) struct Listed {
    /// Those of the first rows, where a file holds them.
    stored: Option<Arc<dyn StoredIds>>,
    /// Those of the rows after them.
    later: Later,
    /// Later rows that were not removed, found by the hash of their ids.
    table: HashTable<u32>,
    hasher: RandomState,
    /// One more than the largest whole number ever given.
    next: u64,
    /// Bytes of the later texts.
    text_bytes: usize,
}

#[derive(Debug, Clone)]
enum Later {
    Whole(Vec<u64>),
    Text(Vec<Arc<str>>),
}

impl Later {
    fn len(&self) -> usize {
        match self {
            Self::Whole(ids) => ids.len(),
            Self::Text(ids) => ids.len(),
        }
    }

    fn get(&self, index: usize) -> Option<IdRef<'_>> {
        match self {
            Self::Whole(ids) => ids.get(index).map(|id| IdRef::Whole(*id)),
            Self::Text(ids) => ids.get(index).map(|id| IdRef::Text(id)),
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Listed({} stored, {} later)",
            self.base(),
            self.later.len()
        )
    }
}

fn hash(hasher: &RandomState, id: IdRef<'_>) -> u64 {
    match id {
        IdRef::Whole(id) => hasher.hash_one(id),
        IdRef::Text(id) => hasher.hash_one(id),
    }
}

impl Listed {
    fn new(kind: IdKind, stored: Option<Arc<dyn StoredIds>>) -> Self {
        let later = match kind {
            IdKind::Number | IdKind::Bigint => Later::Whole(Vec::new()),
            IdKind::Text => Later::Text(Vec::new()),
        };
        let next = stored.as_ref().map_or(0, |stored| stored.next());
        Self {
            stored,
            later,
            table: HashTable::new(),
            hasher: RandomState::new(),
            next,
            text_bytes: 0,
        }
    }

    /// Rows whose ids are stored.
    fn base(&self) -> u32 {
        self.stored.as_ref().map_or(0, |stored| stored.rows())
    }

    fn find(&self, id: IdRef<'_>, is_dead: impl Fn(u32) -> bool) -> Result<Option<u32>, Error> {
        let base = self.base();
        let found = self.table.find(hash(&self.hasher, id), |row| {
            self.later.get((*row - base) as usize) == Some(id)
        });
        if let Some(row) = found {
            return Ok(Some(*row));
        }
        match &self.stored {
            None => Ok(None),
            Some(stored) => Ok(stored.find(id)?.filter(|row| !is_dead(*row))),
        }
    }

    /// Takes ids for the rows from `row` on; none is taken by a row that is there.
    fn push(&mut self, ids: Ids) {
        let Self {
            later,
            next,
            text_bytes,
            ..
        } = self;
        let before = later.len();
        match (later, ids) {
            (Later::Whole(later), Ids::Whole(ids)) => {
                let most = ids
                    .iter()
                    .copied()
                    .max()
                    .map_or(0, |most| most.saturating_add(1));
                *next = most.max(*next);
                later.extend(ids);
            }
            (Later::Text(later), Ids::Text(ids)) => {
                *text_bytes += bytes_of(&ids);
                later.extend(ids);
            }
            _ => {}
        }
        for index in before..self.later.len() {
            self.enter(index);
        }
    }

    /// Puts a later row into the table.
    fn enter(&mut self, index: usize) {
        let base = self.base();
        let Self {
            later,
            table,
            hasher,
            ..
        } = self;
        if let Some(id) = later.get(index) {
            let rehash = |row: &u32| {
                later
                    .get((*row - base) as usize)
                    .map_or(0, |id| hash(hasher, id))
            };
            table.insert_unique(hash(hasher, id), base + index as u32, rehash);
        }
    }
}

impl Names {
    /// Names of a file's rows.
    pub(crate) fn from_image(kind: IdKind, ids: IdImage, dead: &[u64]) -> Self {
        match ids {
            IdImage::Rows => Self::Rows,
            IdImage::Listed { stored, later } => {
                let mut listed = Listed::new(kind, stored);
                let base = listed.base();
                match (&mut listed.later, later) {
                    (Later::Whole(to), Ids::Whole(ids)) => *to = ids,
                    (Later::Text(to), Ids::Text(ids)) => {
                        listed.text_bytes = bytes_of(&ids);
                        *to = ids;
                    }
                    _ => {}
                }
                for index in 0..listed.later.len() {
                    let row = base + index as u32;
                    if let Some(IdRef::Whole(id)) = listed.later.get(index) {
                        listed.next = listed.next.max(id.saturating_add(1));
                    }
                    if !is_set(dead, row) {
                        listed.enter(index);
                    }
                }
                Self::Listed(listed)
            }
        }
    }

    /// A copy for a file.
    pub(crate) fn image(&self) -> IdImage {
        match self {
            Self::Rows => IdImage::Rows,
            Self::Listed(listed) => IdImage::Listed {
                stored: listed.stored.clone(),
                later: match &listed.later {
                    Later::Whole(ids) => Ids::Whole(ids.clone()),
                    Later::Text(ids) => Ids::Text(ids.clone()),
                },
            },
        }
    }

    /// The row of an id that was not removed.
    pub(crate) fn find(
        &self,
        id: IdRef<'_>,
        rows: u64,
        dead: &[u64],
    ) -> Result<Option<u32>, Error> {
        match self {
            Self::Rows => Ok(match id {
                IdRef::Whole(id) if id < rows && !is_set(dead, id as u32) => Some(id as u32),
                _ => None,
            }),
            Self::Listed(listed) => listed.find(id, |row| is_set(dead, row)),
        }
    }

    /// The id of a row.
    pub(crate) fn id(&self, row: u32) -> Result<Id, Error> {
        match self {
            Self::Rows => Ok(Id::Whole(row.into())),
            Self::Listed(listed) => match (&listed.stored, row.checked_sub(listed.base())) {
                (Some(stored), None) => stored.id(row),
                (_, index) => match &listed.later {
                    Later::Whole(ids) => ids
                        .get(index.unwrap_or(0) as usize)
                        .map(|id| Id::Whole(*id)),
                    Later::Text(ids) => ids.get(index.unwrap_or(0) as usize).cloned().map(Id::Text),
                }
                .ok_or_else(|| Error::format(format!("row {row} has no id"))),
            },
        }
    }

    /// Checks the ids of new rows, `count` of them, and makes [`Ids::Next`] what it stands for. Nothing is kept yet.
    /// Rows that have such an id are an error, or returned where the new ones replace them.
    pub(crate) fn check(
        &self,
        kind: IdKind,
        ids: Ids,
        count: usize,
        state: &State,
        replaces: bool,
    ) -> Result<(Ids, Vec<u32>), Error> {
        let given = match &ids {
            Ids::Next => count,
            Ids::Whole(ids) => ids.len(),
            Ids::Text(ids) => ids.len(),
        };
        if given != count {
            return Err(Error::invalid(format!("{given} ids for {count} vectors")));
        }
        let ids = match (ids, kind, self) {
            (Ids::Next, IdKind::Text, _) => {
                return Err(Error::invalid(
                    "an index whose ids are texts needs an id for each vector",
                ));
            }
            (Ids::Next, _, Self::Rows) => return Ok((Ids::Next, Vec::new())),
            (Ids::Next, _, Self::Listed(listed)) => {
                let end = listed
                    .next
                    .checked_add(count as u64)
                    .ok_or_else(|| out_of_range(listed.next))?;
                Ids::Whole((listed.next..end).collect())
            }
            (Ids::Text(_), IdKind::Number | IdKind::Bigint, _) => {
                return Err(Error::invalid(
                    "the ids of this index are whole numbers, got texts",
                ));
            }
            (Ids::Whole(_), IdKind::Text, _) => {
                return Err(Error::invalid(
                    "the ids of this index are texts, got whole numbers",
                ));
            }
            (ids, _, _) => ids,
        };
        let (mut seen, mut taken) = (HashTable::with_capacity(count), Vec::new());
        let hasher = RandomState::new();
        for row in 0..count {
            let id = at(&ids, row);
            if let IdRef::Whole(id) = id
                && kind == IdKind::Number
                && id >= NUMBER_LIMIT
            {
                return Err(out_of_range(id));
            }
            let code = hash(&hasher, id);
            let is_repeated = seen.find(code, |other| at(&ids, *other) == id).is_some();
            let found = self.find(id, state.rows, &state.dead)?;
            if is_repeated || found.is_some() && !replaces {
                return Err(Error::IdExists { id: id.into(), row });
            }
            taken.extend(found);
            seen.insert_unique(code, row, |other| hash(&hasher, at(&ids, *other)));
        }
        Ok((ids, taken))
    }

    /// Names the rows from `rows` on with ids that [`Names::check`] returned.
    pub(crate) fn push(&mut self, kind: IdKind, ids: Ids, rows: u64, dead: &[u64]) {
        if matches!(ids, Ids::Next) {
            return;
        }
        if matches!(self, Self::Rows) {
            let own = if kind == IdKind::Text {
                Ids::Text(Vec::new())
            } else {
                Ids::Whole((0..rows).collect())
            };
            *self = Self::from_image(
                kind,
                IdImage::Listed {
                    stored: None,
                    later: own,
                },
                dead,
            );
        }
        if let Self::Listed(listed) = self {
            listed.push(ids);
        }
    }

    /// Forgets where the id of a row that is being removed is.
    pub(crate) fn remove(&mut self, row: u32) {
        if let Self::Listed(listed) = self
            && let Some(index) = row.checked_sub(listed.base())
            && let Some(id) = listed.later.get(index as usize)
            && let Ok(entry) = listed
                .table
                .find_entry(hash(&listed.hasher, id), |other| *other == row)
        {
            entry.remove();
        }
    }

    /// Forgets where all ids are; all rows are being removed.
    pub(crate) fn clear(&mut self) {
        if let Self::Listed(listed) = self {
            listed.table.clear();
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Rows => 0,
            Self::Listed(listed) => {
                let ids = match &listed.later {
                    Later::Whole(ids) => 8 * ids.capacity(),
                    Later::Text(ids) => 32 * ids.len() + listed.text_bytes,
                };
                ids + 5 * listed.table.capacity()
            }
        }
    }
}

fn at(ids: &Ids, row: usize) -> IdRef<'_> {
    match ids {
        Ids::Next => IdRef::Whole(row as u64),
        Ids::Whole(ids) => IdRef::Whole(ids[row]),
        Ids::Text(ids) => IdRef::Text(&ids[row]),
    }
}

fn bytes_of(ids: &[Arc<str>]) -> usize {
    ids.iter().map(|id| id.len()).sum()
}

fn out_of_range(id: u64) -> Error {
    Error::Stored {
        code: ErrorCode::IdRange,
        details: vec![],
        message: format!(
            "no id from {id} on: ids are below 2^53, or below 2^64 where they are bigints"
        ),
    }
}

/// Whether the bit of a row is set; bits beyond the end are not.
pub(crate) fn is_set(bits: &[u64], row: u32) -> bool {
    bits.get(row as usize / 64)
        .is_some_and(|word| word >> (row % 64) & 1 == 1)
}
