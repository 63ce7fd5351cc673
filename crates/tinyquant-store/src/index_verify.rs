//! Reading all of an index file, once and in order, and checking all that can be checked.

use crate::container::{Fields, Section};
use crate::id_check::IdCheck;
use crate::id_table::tag_of;
use crate::index_file::is_set;
use crate::index_ids::{IdRun, is_whole};
use crate::index_sections::{StoredPart, kind};
use crate::reading::{Progress, Reading, texts};
use crate::verify::{are_finite_floats, are_finite_halves};
use crate::{Error, IndexFile};
use tinyquant_codec::Control;
use tinyquant_index::{IdKind, Originals};

/// Fails for the first thing that is wrong with a file.
///
/// Memory: a piece of a section or the texts of some rows, a bit a row, and 8 bytes for each row that has an id of its own.
pub(crate) fn verify(file: &IndexFile, control: &Control) -> Result<(), Error> {
    let mut check = Check {
        file,
        progress: Progress::new(control, &file.commit),
        ids: IdCheck::new(&file.source),
        largest: None,
    };
    let mut seen = vec![0; file.commit.rows.div_ceil(64) as usize];
    for part in &file.sections.parts {
        check.part(part, &mut seen)?;
    }
    check.places(&seen)?;
    for run in &file.sections.originals {
        check.originals(run)?;
    }
    for run in &file.ids.runs {
        check.run(run)?;
    }
    check.next_id()?;
    let Check {
        mut progress, ids, ..
    } = check;
    let is_removed = |row| file.is_removed(row);
    for section in &file.commit.sections {
        match section.kind {
            kind::ID_TABLE => ids.table(section, is_removed, &mut progress)?,
            // Their checksums were taken when the file was opened.
            kind::HEAD | kind::MODEL | kind::REMOVED => progress.advance(section.len)?,
            _ => {}
        }
    }
    let id_of = |row| file.ids.id(&file.source, row);
    ids.duplicates(&file.ids.tables, is_removed, id_of, &progress)
}

struct Check<'a> {
    file: &'a IndexFile,
    progress: Progress<'a>,
    ids: IdCheck<'a>,
    /// The largest id that is a number.
    largest: Option<u64>,
}

impl<'a> Check<'a> {
    fn reading(&self, section: Section) -> Reading<'a> {
        Reading::new(&self.file.source, kind::name(section.kind), section)
    }

    fn malformed(&self, kind: &'static str, offset: u64, reason: String) -> Error {
        self.file.source.malformed(kind, offset, reason)
    }

    /// Reads a part, and sets the bit of each row that it has.
    fn part(&mut self, part: &StoredPart, seen: &mut [u64]) -> Result<(), Error> {
        self.reading(part.blocks).bytes(&mut self.progress)?;
        if let Some(tails) = part.tails {
            self.reading(tails).bytes(&mut self.progress)?;
        }
        let file = self.file;
        let (rows, offset) = (file.commit.rows, part.numbers.offset);
        let numbers = self.reading(part.numbers);
        numbers.rows(4, &mut self.progress, |at, bytes| {
            let row = Fields(bytes).u32();
            let word = seen.get_mut(row as usize / 64);
            let free = word.filter(|word| u64::from(row) < rows && **word >> (row % 64) & 1 == 0);
            let Some(word) = free else {
                let reason = format!("row number {row} is beyond {rows} rows, or there twice");
                let offset = offset + 4 * at;
                return Err(file.source.malformed("InvalidNumber", offset, reason));
            };
            *word |= 1 << (row % 64);
            Ok(())
        })?;
        let (mut last, offset) = (0, part.starts.offset);
        let starts = self.reading(part.starts);
        starts.rows(4, &mut self.progress, |at, bytes| {
            let start = Fields(bytes).u32();
            if start < last || (at == 0 && start != 0) {
                let reason = format!("partition {at} starts at {start} after {last}");
                return Err(file
                    .source
                    .malformed("InvalidPart", offset + 4 * at, reason));
            }
            last = start;
            Ok(())
        })?;
        if u64::from(last) != part.blocks.rows {
            let reason = format!("partitions of {last} rows of {}", part.blocks.rows);
            return Err(self.malformed("InvalidPart", offset, reason));
        }
        Ok(())
    }

    /// Fails if a row that was not removed is in no part.
    fn places(&self, seen: &[u64]) -> Result<(), Error> {
        let file = self.file;
        let mut rows = 0..file.commit.rows;
        match rows.find(|&row| !is_set(seen, row) && !file.is_removed(row)) {
            Some(row) => Err(self.malformed("MissingRow", 0, format!("row {row} is in no part"))),
            None => Ok(()),
        }
    }

    fn originals(&mut self, run: &Section) -> Result<(), Error> {
        let file = self.file;
        let size = file.original_bytes();
        let are_finite = match file.head.config.originals() {
            Originals::F16 => are_finite_halves,
            Originals::F32 | Originals::None => are_finite_floats,
        };
        let reading = self.reading(*run);
        reading.rows(size, &mut self.progress, |at, bytes| {
            if are_finite(bytes) {
                return Ok(());
            }
            let reason = format!("row {} holds what no vector gives", run.first + at);
            let offset = run.offset + at * size;
            Err(file.source.malformed("InvalidRow", offset, reason))
        })
    }

    fn run(&mut self, run: &IdRun) -> Result<(), Error> {
        let file = self.file;
        let (ids, kind) = (&mut self.ids, file.head.config.id_kind());
        match *run {
            IdRun::Whole(section) => {
                let largest = &mut self.largest;
                let reading = Reading::new(&file.source, "ids", section);
                reading.rows(8, &mut self.progress, |at, bytes| {
                    let id = Fields(bytes).u64();
                    if !is_whole(kind, id) {
                        let reason = format!("row {} has the id {id}", section.first + at);
                        let offset = section.offset + 8 * at;
                        return Err(file.source.malformed("InvalidId", offset, reason));
                    }
                    *largest = (*largest).max(Some(id));
                    ids.push(tag_of(bytes), section.first + at);
                    Ok(())
                })
            }
            IdRun::Text(ends, bytes) => {
                let progress = &mut self.progress;
                texts(&file.source, "ids", (ends, bytes), progress, |row, id| {
                    ids.push(tag_of(id), row);
                    Ok(())
                })
            }
        }
    }

    /// Fails unless the head knows the largest id.
    fn next_id(&self) -> Result<(), Error> {
        let head = &self.file.head;
        let expected = self.largest.map_or(0, |id| id.saturating_add(1));
        if !head.is_listed || head.config.id_kind() == IdKind::Text || head.next_id == expected {
            return Ok(());
        }
        let reason = format!("next id {}, expected {expected}", head.next_id);
        Err(self.malformed("InvalidIds", 16, reason))
    }
}
