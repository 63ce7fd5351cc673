//! Reading all of a corpus file, once and in order, and checking all that can be checked.

use crate::container::Section;
use crate::corpus_file::row_number;
use crate::id_table::{DISTANCE, home, tag_of};
use crate::segment::{Segment, kind};
use crate::{CorpusFile, Error, Source};
use std::borrow::Cow;
use std::collections::HashSet;
use tinyquant_codec::Control;
use tinyquant_corpus::CompressionPolicy;

/// Bytes read at a time, where a row is not larger.
const PIECE: u64 = 4 << 20;
/// Texts read at a time.
const TEXTS: u64 = 1 << 14;

/// Fails for the first thing that is wrong with a file.
///
/// Memory: a piece of a section or the texts of some rows, and 8 bytes for each row that has an id of its own.
pub(crate) fn verify(file: &CorpusFile, control: &Control) -> Result<(), Error> {
    let total = file.commit.sections.iter().map(|section| section.len).sum();
    let mut check = Check {
        file,
        control,
        done: 0,
        total,
        entries: Vec::new(),
    };
    for segment in &file.segments {
        check.segment(segment)?;
    }
    for section in &file.commit.sections {
        match section.kind {
            kind::ID_TABLE => check.table(section)?,
            // Their checksums were taken when the file was opened.
            kind::HEAD | kind::CODEBOOK | kind::REMOVED => check.advance(section.len)?,
            _ => {}
        }
    }
    check.duplicates()
}

struct Check<'a> {
    file: &'a CorpusFile,
    control: &'a Control<'a>,
    done: u64,
    total: u64,
    /// `tag << 32 | row` for each row with an id of its own.
    entries: Vec<u64>,
}

/// A section that is read from its beginning to its end.
struct Reading<'a> {
    source: &'a Source,
    section: Section,
    at: u64,
    hasher: crc32fast::Hasher,
}

impl<'a> Reading<'a> {
    fn new(source: &'a Source, section: Section) -> Self {
        Self {
            source,
            section,
            at: 0,
            hasher: crc32fast::Hasher::new(),
        }
    }

    fn next(&mut self, len: u64) -> Result<Cow<'a, [u8]>, Error> {
        let bytes = self.section.part(self.source, self.at, len)?;
        self.at += len;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    /// Fails unless all of the section was read and has its checksum.
    fn finish(self) -> Result<(), Error> {
        let (name, offset) = (kind::name(self.section.kind), self.section.offset);
        if self.at < self.section.len {
            let reason = format!("{name} end at byte {} of {}", self.at, self.section.len);
            return Err(self.source.malformed("UnusedBytes", offset, reason));
        }
        let got = self.hasher.finalize();
        self.source.check_crc(name, offset, self.section.crc, got)
    }
}

impl Check<'_> {
    fn advance(&mut self, len: u64) -> Result<(), Error> {
        self.done += len;
        self.control.check()?;
        self.control.report(self.done as usize, self.total as usize);
        Ok(())
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Error> {
        let coding = self.file.coding();
        let policy = coding.policy;
        let used = coding.config.dimension() * usize::from(coding.config.bit_width()) % 8;
        self.rows(segment.codes, |row| match policy {
            CompressionPolicy::Compress => {
                used == 0 || row.last().is_some_and(|last| last >> used == 0)
            }
            CompressionPolicy::Passthrough => row
                .as_chunks()
                .0
                .iter()
                .all(|value| f32::from_le_bytes(*value).is_finite()),
            CompressionPolicy::Fp16 => are_finite_halves(row),
        })?;
        if let Some(residuals) = segment.residuals {
            self.rows(residuals, are_finite_halves)?;
        }
        if let Some((ends, texts)) = segment.ids {
            self.texts(ends, texts, |check, row, id| {
                check.entries.push((u64::from(tag_of(id)) << 32) | row);
                check.number(row, id)
            })?;
        }
        if let Some((ends, texts)) = segment.metadata {
            self.texts(ends, texts, |_, _, _| Ok(()))?;
        }
        if let Some(times) = segment.times {
            self.rows(times, |_| true)?;
        }
        Ok(())
    }

    /// Reads a section of rows of one length.
    fn rows(&mut self, section: Section, is_valid: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let row_len = (section.len / section.rows.max(1)).max(1);
        let step = (PIECE / row_len).max(1) * row_len;
        let mut reading = Reading::new(&self.file.source, section);
        while reading.at < section.len {
            let from = reading.at;
            let bytes = reading.next(step.min(section.len - from))?;
            let bad = bytes
                .chunks(row_len as usize)
                .position(|row| !is_valid(row));
            if let Some(bad) = bad {
                let row = section.first + from / row_len + bad as u64;
                let reason = format!("row {row} holds what no vector gives");
                let offset = section.offset + from + bad as u64 * row_len;
                return Err(self.malformed("InvalidRow", offset, reason));
            }
            self.advance(bytes.len() as u64)?;
        }
        reading.finish()
    }

    /// Reads a pair of sections of texts and visits each with its row.
    fn texts(
        &mut self,
        ends: Section,
        texts: Section,
        mut visit: impl FnMut(&mut Self, u64, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let file = self.file;
        let (mut ends, mut texts) = (
            Reading::new(&file.source, ends),
            Reading::new(&file.source, texts),
        );
        let mut row = ends.section.first;
        while ends.at < ends.section.len {
            let words = ends.next((4 * TEXTS).min(ends.section.len - ends.at))?;
            let words = words.as_chunks::<4>().0.iter();
            let words: Vec<u64> = words.map(|end| u32::from_le_bytes(*end).into()).collect();
            let start = texts.at;
            let offset = texts.section.offset + start;
            let last = words.last().copied().unwrap_or(start);
            let Some(len) = last.checked_sub(start) else {
                let reason = format!("the text of row {row} ends before it begins");
                return Err(self.malformed("InvalidText", offset, reason));
            };
            let bytes = texts.next(len)?;
            let read = len + 4 * words.len() as u64;
            let mut from = start;
            for end in words {
                let range = (from - start) as usize..(end.saturating_sub(start)) as usize;
                let text = bytes.get(range).map(std::str::from_utf8);
                let Some(Ok(text)) = text else {
                    let reason = format!("the text of row {row} is no UTF-8 text");
                    return Err(self.malformed("InvalidText", offset, reason));
                };
                visit(self, row, text)?;
                (from, row) = (end, row + 1);
            }
            self.advance(read)?;
        }
        ends.finish()?;
        texts.finish()
    }

    /// Fails if an id is the number of another row that is known by its number.
    fn number(&self, row: u64, id: &str) -> Result<(), Error> {
        let is_live = |row: u64| !self.file.is_removed(row);
        let other = row_number(id).filter(|&other| other < self.file.commit.rows);
        match other {
            Some(other) if is_live(row) && is_live(other) && self.file.is_numbered(other) => {
                self.duplicate(row, other, id)
            }
            _ => Ok(()),
        }
    }

    /// Holds an id table against the table that the ids give.
    fn table(&mut self, section: &Section) -> Result<(), Error> {
        let rows = section.first..section.first + section.rows;
        let start = self
            .entries
            .partition_point(|entry| row_of(*entry) < rows.start);
        let end = self
            .entries
            .partition_point(|entry| row_of(*entry) < rows.end);
        let mut expected = self.entries.get(start..end).unwrap_or_default().to_vec();
        expected.sort_unstable();
        let mut expected = expected.into_iter().peekable();
        let mut reading = Reading::new(&self.file.source, *section);
        let head = reading.next(8)?;
        let slots = head
            .as_chunks()
            .0
            .first()
            .map_or(0, |slots| u64::from_le_bytes(*slots));
        let mut at = 0;
        while reading.at < section.len {
            let bytes = reading.next(PIECE.min(section.len - reading.at))?;
            for slot in bytes.as_chunks().0 {
                let found = u64::from_le_bytes(*slot);
                // Rows that were removed may have left their table.
                let mut next = || expected.next_if(|entry| home(tag(*entry), slots) <= at);
                let is_gone = |entry: u64| self.file.is_removed(row_of(entry));
                let mut due = next();
                while due.is_some_and(|entry| entry - rows.start + 1 != found && is_gone(entry)) {
                    due = next();
                }
                let is_far = due.is_some_and(|entry| at - home(tag(entry), slots) > DISTANCE);
                if is_far || found != due.map_or(0, |entry| entry - rows.start + 1) {
                    let reason = format!("slot {at} of the id table does not fit the ids");
                    return Err(self.malformed("InvalidIdTable", section.offset, reason));
                }
                at += 1;
            }
            self.advance(bytes.len() as u64)?;
        }
        if expected.any(|entry| !self.file.is_removed(row_of(entry))) {
            let reason = "ids are missing in the id table";
            return Err(self.malformed("InvalidIdTable", section.offset, reason.to_owned()));
        }
        reading.finish()
    }

    /// Fails if a row is in no table, or two rows that are live share an id.
    fn duplicates(&mut self) -> Result<(), Error> {
        let file = self.file;
        let ranges = file.tables.iter().map(|table| {
            let section = table.section();
            section.first..section.first + section.rows
        });
        let mut ranges = ranges.peekable();
        for entry in &self.entries {
            let row = row_of(*entry);
            while ranges.next_if(|range| range.end <= row).is_some() {}
            let is_known = ranges.peek().is_some_and(|range| range.contains(&row));
            if !is_known && !file.is_removed(row) {
                let reason = format!("no id table knows row {row}");
                return Err(self.malformed("InvalidIdTable", 0, reason));
            }
        }
        self.entries.sort_unstable();
        for group in self.entries.chunk_by(|a, b| a >> 32 == b >> 32) {
            let mut seen = HashSet::new();
            for entry in group.iter().filter(|_| group.len() > 1) {
                let row = row_of(*entry);
                if !file.is_removed(row) && !seen.insert(file.row_id(row)?) {
                    return self.duplicate(row, row, &file.row_id(row)?);
                }
            }
            self.control.check()?;
        }
        Ok(())
    }

    fn duplicate(&self, row: u64, other: u64, id: &str) -> Result<(), Error> {
        let others = if row == other {
            String::new()
        } else {
            format!(" and row {other}")
        };
        let reason = format!("row {row}{others} has the id {id:?} of another row");
        Err(self.malformed("DuplicateId", 0, reason))
    }

    fn malformed(&self, kind: &'static str, offset: u64, reason: String) -> Error {
        self.file.source.malformed(kind, offset, reason)
    }
}

/// The tag of an entry.
fn tag(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// The row of an entry.
fn row_of(entry: u64) -> u64 {
    u64::from(entry as u32)
}

fn are_finite_halves(bytes: &[u8]) -> bool {
    let mut halves = bytes.as_chunks().0.iter();
    halves.all(|half| u16::from_le_bytes(*half) & 0x7c00 != 0x7c00)
}
