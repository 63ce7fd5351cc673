//! What the sections of an index file are.

use crate::container::{Commit, Section};
use crate::id_table::IdTable;
use crate::index_ids::IdRun;
use crate::{Error, Source};
use std::borrow::Cow;

/// Kinds of sections.
pub(crate) mod kind {
    pub(crate) const HEAD: u32 = 1;
    pub(crate) const MODEL: u32 = 2;
    pub(crate) const BLOCKS: u32 = 3;
    pub(crate) const TAILS: u32 = 4;
    pub(crate) const NUMBERS: u32 = 5;
    pub(crate) const STARTS: u32 = 6;
    pub(crate) const ORIGINALS: u32 = 7;
    pub(crate) const IDS: u32 = 8;
    pub(crate) const ID_ENDS: u32 = 9;
    pub(crate) const ID_TEXTS: u32 = 10;
    pub(crate) const ID_TABLE: u32 = 11;
    pub(crate) const REMOVED: u32 = 12;

    /// What a kind is called in errors.
    pub(crate) fn name(kind: u32) -> &'static str {
        match kind {
            HEAD => "head",
            MODEL => "model",
            BLOCKS => "blocks",
            TAILS => "tails",
            NUMBERS => "row numbers",
            STARTS => "partitions",
            ORIGINALS => "originals",
            IDS | ID_ENDS | ID_TEXTS => "ids",
            ID_TABLE => "id table",
            REMOVED => "removed rows",
            _ => "unknown section",
        }
    }
}

/// Where a part lies in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredPart {
    pub(crate) blocks: Section,
    /// None where the model has no tails.
    pub(crate) tails: Option<Section>,
    pub(crate) numbers: Section,
    pub(crate) starts: Section,
}

impl StoredPart {
    /// Its sections, in their order.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> {
        let rest = self.tails.into_iter().chain([self.numbers, self.starts]);
        std::iter::once(self.blocks).chain(rest)
    }
}

/// What the sections of a file are, before they are held against each other.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) head: Option<Section>,
    pub(crate) model: Option<Section>,
    pub(crate) parts: Vec<StoredPart>,
    pub(crate) originals: Vec<Section>,
    pub(crate) ids: Vec<IdRun>,
    pub(crate) tables: Vec<IdTable>,
    pub(crate) removed: Option<Section>,
}

impl Sections {
    pub(crate) fn read(source: &Source, commit: &Commit) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut sections = commit.sections.iter().copied().peekable();
        while let Some(section) = sections.next() {
            // The next section, if it is of this kind and about the same rows.
            let mut follow = |kind| {
                sections.next_if(|next| {
                    (next.kind, next.first, next.rows) == (kind, section.first, section.rows)
                })
            };
            match section.kind {
                kind::HEAD if found.head.is_none() && section.rows == 0 => {
                    found.head = Some(section);
                }
                kind::MODEL if found.model.is_none() && section.rows == 0 => {
                    found.model = Some(section);
                }
                kind::BLOCKS if section.first == 0 => {
                    let tails = follow(kind::TAILS);
                    let pair = follow(kind::NUMBERS).zip(follow(kind::STARTS));
                    let Some((numbers, starts)) = pair else {
                        return Err(misplaced(source, &section));
                    };
                    found.parts.push(StoredPart {
                        blocks: section,
                        tails,
                        numbers,
                        starts,
                    });
                }
                kind::ORIGINALS => found.originals.push(section),
                kind::IDS => found.ids.push(IdRun::Whole(section)),
                kind::ID_ENDS => match follow(kind::ID_TEXTS) {
                    Some(texts) => found.ids.push(IdRun::Text(section, texts)),
                    None => return Err(misplaced(source, &section)),
                },
                kind::ID_TABLE => {
                    let before = found.tables.last();
                    if before.is_some_and(|before| !before.precedes(&section)) {
                        return Err(misplaced(source, &section));
                    }
                    found.tables.push(IdTable::open(source, section)?);
                }
                kind::REMOVED if found.removed.is_none() && section.len.is_multiple_of(8) => {
                    found.removed = Some(section);
                }
                _ => return Err(misplaced(source, &section)),
            }
        }
        Ok(found)
    }
}

/// All bytes of a section, if they have its checksum.
pub(crate) fn read_checked<'a>(
    source: &'a Source,
    section: &Section,
) -> Result<Cow<'a, [u8]>, Error> {
    let bytes = section.bytes(source)?;
    let (name, got) = (kind::name(section.kind), crc32fast::hash(&bytes));
    source.check_crc(name, section.offset, section.crc, got)?;
    Ok(bytes)
}

fn misplaced(source: &Source, section: &Section) -> Error {
    let reason = format!("misplaced section: {}", kind::name(section.kind));
    source.malformed("MisplacedSection", section.offset, reason)
}
