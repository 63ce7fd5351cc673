//! Writing the sections of an index, all of them or those that a file lacks.

use crate::container::{Section, SectionWriter};
use crate::id_table::{IdIndex, stays, tag_of};
use crate::index_file::is_set;
use crate::index_head::IndexHead;
use crate::index_ids::IdRun;
use crate::index_sections::{StoredPart, kind};
use crate::reading::PIECE;
use crate::segment::Pending;
use crate::sink::Sink;
use crate::{Error, IndexFile, IndexLink};
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_index::{Id, IdImage, IdKind, Ids, Image, Part};

/// Rows of a run that is written again, together with those that follow.
const RUN_ROWS: u64 = 1 << 16;
/// Bytes of originals of such a run, and of texts of any run, unless one text is longer.
const RUN_BYTES: usize = 16 << 20;
/// Ids that are written at a time.
const IDS: usize = 1 << 13;

/// What a file holds of an index.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub(crate) file: &'a IndexFile,
    pub(crate) link: &'a IndexLink,
}

impl Held<'_> {
    /// Where the file has a part.
    pub(crate) fn part(&self, part: &Part) -> Option<&StoredPart> {
        let at = self.link.parts.iter().position(|uid| *uid == part.uid());
        self.file.sections.parts.get(at?)
    }

    /// Whether the file has the model.
    fn has_model(&self, image: &Image) -> bool {
        Arc::ptr_eq(&self.link.model, &image.model)
    }
}

/// Writes an index, section by section.
pub(crate) struct IndexWriter<'a, S> {
    sink: &'a mut S,
    control: &'a Control<'a>,
    image: &'a Image,
    /// What the file holds already; none of a new one.
    held: Option<Held<'a>>,
    sections: Vec<Section>,
    done: u64,
    total: u64,
}

impl<'a, S: Sink> IndexWriter<'a, S> {
    pub(crate) fn new(
        sink: &'a mut S,
        image: &'a Image,
        held: Option<Held<'a>>,
        control: &'a Control<'a>,
    ) -> Self {
        Self {
            sink,
            control,
            image,
            held,
            sections: Vec::new(),
            done: 0,
            total: new_bytes(image, held),
        }
    }

    /// Writes what the file lacks. Returns all sections of the new state.
    pub(crate) fn write(mut self) -> Result<Vec<Section>, Error> {
        self.head()?;
        self.model()?;
        for part in parts_of(self.image) {
            self.part(part)?;
        }
        self.originals()?;
        self.ids()?;
        self.tables()?;
        self.removed()?;
        Ok(self.sections)
    }

    fn begin(&mut self, kind: u32, first: u64, rows: u64) -> Result<SectionWriter, Error> {
        SectionWriter::begin(self.sink, kind, first, rows)
    }

    /// Appends to a section in pieces.
    fn push(&mut self, section: &mut SectionWriter, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.chunks(PIECE as usize) {
            self.control.check()?;
            section.write(self.sink, piece)?;
            self.done = (self.done + piece.len() as u64).min(self.total);
            self.control.report(self.done as usize, self.total as usize);
        }
        Ok(())
    }

    fn put(&mut self, kind: u32, first: u64, rows: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut section = self.begin(kind, first, rows)?;
        self.push(&mut section, bytes)?;
        self.sections.push(section.end());
        Ok(())
    }

    /// Keeps a section of the file, if it has it.
    fn keep(&mut self, section: Option<Section>) -> bool {
        self.sections.extend(section);
        section.is_some()
    }

    fn head(&mut self) -> Result<(), Error> {
        let head = head_of(self.image);
        let held = self.held.filter(|held| held.file.head == head);
        if self.keep(held.and_then(|held| held.file.sections.head)) {
            return Ok(());
        }
        self.put(kind::HEAD, 0, 0, &head.to_bytes())
    }

    fn model(&mut self) -> Result<(), Error> {
        let held = self.held.filter(|held| held.has_model(self.image));
        if self.keep(held.and_then(|held| held.file.sections.model)) {
            return Ok(());
        }
        self.put(kind::MODEL, 0, 0, &self.image.model.to_bytes())
    }

    fn part(&mut self, part: &Part) -> Result<(), Error> {
        if let Some(stored) = self.held.as_ref().and_then(|held| held.part(part)) {
            self.sections.extend(stored.sections());
            return Ok(());
        }
        let rows = part.rows() as u64;
        self.put(kind::BLOCKS, 0, rows, part.blocks())?;
        if self.image.model.tail_bytes() > 0 {
            self.put(kind::TAILS, 0, rows, part.tails())?;
        }
        self.put(kind::NUMBERS, 0, rows, part.numbers())?;
        self.put(kind::STARTS, 0, rows, part.starts())
    }

    fn originals(&mut self) -> Result<(), Error> {
        let image = self.image;
        let size = original_bytes(image);
        if size == 0 {
            return Ok(());
        }
        let held = self.held.map(|held| &*held.file.sections.originals);
        let held = held.unwrap_or_default();
        let room = RUN_ROWS.min((RUN_BYTES / size) as u64);
        let (kept, first) = kept(held.iter(), image.rows, room);
        self.sections.extend(held.iter().take(kept));
        if first == image.rows {
            return Ok(());
        }
        let mut section = self.begin(kind::ORIGINALS, first, image.rows - first)?;
        let mut skipped = first as usize * size;
        for run in &image.originals {
            let from = skipped.min(run.len());
            skipped -= from;
            self.push(&mut section, run.get(from..).unwrap_or_default())?;
        }
        self.sections.push(section.end());
        Ok(())
    }

    fn ids(&mut self) -> Result<(), Error> {
        if !is_listed(self.image) {
            return Ok(());
        }
        let held = self.held.map(|held| &*held.file.ids.runs);
        let held = held.unwrap_or_default();
        let runs = held.iter().map(IdRun::section);
        let (kept, first) = kept(runs, self.image.rows, RUN_ROWS);
        let kept = held.iter().take(kept);
        self.sections.extend(kept.flat_map(IdRun::sections));
        match self.image.config.id_kind() {
            _ if first == self.image.rows => Ok(()),
            IdKind::Text => self.texts(first),
            IdKind::Number | IdKind::Bigint => self.wholes(first),
        }
    }

    fn wholes(&mut self, first: u64) -> Result<(), Error> {
        let until = self.image.rows;
        let mut section = self.begin(kind::IDS, first, until - first)?;
        let mut bytes = Vec::with_capacity(8 * IDS);
        for row in first..until {
            if let Id::Whole(id) = id_of(self.image, row)? {
                bytes.extend(id.to_le_bytes());
            }
            if bytes.len() >= 8 * IDS || row + 1 == until {
                self.control.check()?;
                section.write(self.sink, &bytes)?;
                bytes.clear();
            }
        }
        self.sections.push(section.end());
        Ok(())
    }

    fn texts(&mut self, from: u64) -> Result<(), Error> {
        let (mut first, until) = (from, self.image.rows);
        let (mut ends, mut texts) = (Vec::new(), String::new());
        for row in from..until {
            if let Id::Text(id) = id_of(self.image, row)? {
                Pending::check_text(&id)?;
                texts.push_str(&id);
            }
            ends.extend((texts.len() as u32).to_le_bytes());
            let rows = row + 1 - first;
            if rows == RUN_ROWS || texts.len() >= RUN_BYTES || row + 1 == until {
                self.put(kind::ID_ENDS, first, rows, &ends)?;
                self.put(kind::ID_TEXTS, first, rows, texts.as_bytes())?;
                ends.clear();
                texts.clear();
                first = row + 1;
            }
        }
        Ok(())
    }

    /// Writes the id table of the new rows, together with old ones that are not much larger, and keeps the others.
    fn tables(&mut self) -> Result<(), Error> {
        let image = self.image;
        if !is_listed(image) {
            return Ok(());
        }
        let is_live = |row| !is_set(&image.dead, row);
        let held = self.held.filter(|held| held.file.head.is_listed);
        let mut tables = held.map_or_else(Vec::new, |held| held.file.ids.tables.clone());
        let mut first = held.map_or(0, |held| held.file.commit.rows);
        let mut index = IdIndex::new();
        for row in (first..image.rows).filter(|row| is_live(*row)) {
            if row % IDS as u64 == 0 {
                self.control.check()?;
            }
            let tag = match id_of(image, row)? {
                Id::Whole(id) => tag_of(id.to_le_bytes()),
                Id::Text(id) => tag_of(&*id),
            };
            index.insert(tag, (row - first) as u32);
        }
        while let Some((table, held)) = tables.last().zip(held) {
            if index.len() == 0 || stays(table.section().rows, image.rows - first) {
                break;
            }
            let start = table.section().first;
            let mut larger = IdIndex::new();
            table.copy_into(&held.file.source, &mut larger, is_live)?;
            index.shift_into((first - start) as u32, &mut larger);
            (index, first) = (larger, start);
            tables.pop();
        }
        self.sections
            .extend(tables.iter().map(|table| *table.section()));
        if index.len() > 0 {
            let rows = image.rows - first;
            let table = index.write(self.sink, kind::ID_TABLE, first, rows)?;
            self.sections.push(table);
        }
        Ok(())
    }

    fn removed(&mut self) -> Result<(), Error> {
        let Image { rows, live, .. } = *self.image;
        if rows == live {
            return Ok(());
        }
        // Rows are only ever removed: as many are the same ones.
        let is_same = |held: &Held<'_>| {
            let commit = &held.file.commit;
            commit.rows - commit.live == rows - live
        };
        let held = self.held.filter(is_same);
        if self.keep(held.and_then(|held| held.file.sections.removed)) {
            return Ok(());
        }
        let words = self.image.dead.iter().rposition(|word| *word != 0);
        let words = words.and_then(|last| self.image.dead.get(..=last));
        let bytes = words.unwrap_or_default().iter();
        let bytes: Vec<u8> = bytes.flat_map(|word| word.to_le_bytes()).collect();
        self.put(kind::REMOVED, 0, rows, &bytes)
    }
}

/// The parts of an index that a file holds.
pub(crate) fn parts_of(image: &Image) -> impl Iterator<Item = &Arc<Part>> {
    image.parts.iter().filter(|part| part.rows() > 0)
}

/// Bytes of parts and originals that a file lacks.
pub(crate) fn new_bytes(image: &Image, held: Option<Held<'_>>) -> u64 {
    let is_new = |part: &&Arc<Part>| held.is_none_or(|held| held.part(part).is_none());
    let parts = parts_of(image).filter(is_new).map(|part| {
        part.blocks().len() + part.tails().len() + part.numbers().len() + part.starts().len()
    });
    let rows = image.rows - held.map_or(0, |held| held.file.commit.rows.min(image.rows));
    parts.sum::<usize>() as u64 + rows * original_bytes(image) as u64
}

/// Whether a file holds all of an index.
pub(crate) fn is_unchanged(image: &Image, held: Held<'_>) -> bool {
    let commit = &held.file.commit;
    (image.rows, image.live) == (commit.rows, commit.live)
        && held.has_model(image)
        && held.file.head == head_of(image)
        && parts_of(image)
            .map(|part| part.uid())
            .eq(held.link.parts.iter().copied())
}

fn head_of(image: &Image) -> IndexHead {
    let next = |ids: &Ids| match ids {
        Ids::Whole(ids) => ids.iter().max().map_or(0, |id| id.saturating_add(1)),
        Ids::Text(_) | Ids::Next => 0,
    };
    let next_id = match &image.ids {
        IdImage::Rows => image.rows,
        IdImage::Listed { stored, later } => {
            let stored = stored.as_ref().map_or(0, |stored| stored.next());
            stored.max(next(later))
        }
    };
    IndexHead {
        config: image.config,
        is_listed: is_listed(image),
        next_id,
    }
}

/// Whether rows have ids of their own.
fn is_listed(image: &Image) -> bool {
    image.config.id_kind() == IdKind::Text || matches!(image.ids, IdImage::Listed { .. })
}

fn original_bytes(image: &Image) -> usize {
    image.config.dim() * image.config.originals().width()
}

/// The id of a row that has one of its own.
fn id_of(image: &Image, row: u64) -> Result<Id, Error> {
    let IdImage::Listed { stored, later } = &image.ids else {
        return Ok(Id::Whole(row));
    };
    let stored = stored.as_ref();
    let first = stored.map_or(0, |stored| u64::from(stored.rows()));
    if let Some(stored) = stored.filter(|_| row < first) {
        return Ok(stored.id(row as u32)?);
    }
    let at = (row - first) as usize;
    let id = match later {
        Ids::Whole(ids) => ids.get(at).map(|id| Id::Whole(*id)),
        Ids::Text(ids) => ids.get(at).map(|id| Id::Text(Arc::clone(id))),
        Ids::Next => None,
    };
    id.ok_or_else(|| Error::Limit {
        reason: format!("row {row} has no id"),
    })
}

/// How many of the runs that a file has stay as they are where it grows to `rows`, and the first row after them. A file
/// that grows often does not end up with a run for each time.
fn kept<'a>(
    runs: impl DoubleEndedIterator<Item = &'a Section> + ExactSizeIterator,
    rows: u64,
    room: u64,
) -> (usize, u64) {
    let mut count = runs.len();
    let mut first = None;
    for run in runs.rev() {
        let end = run.first + run.rows;
        let first = first.get_or_insert(end);
        if *first == rows || stays(run.rows, rows - *first) || rows - run.first > room {
            break;
        }
        *first = run.first;
        count -= 1;
    }
    (count, first.unwrap_or(0))
}
