//! Reading all of a corpus file, once and in order, and checking all that can be checked.

use crate::container::Section;
use crate::corpus_file::row_number;
use crate::id_check::IdCheck;
use crate::id_table::tag_of;
use crate::reading::{Progress, Reading, texts};
use crate::segment::{Segment, kind};
use crate::{CorpusFile, Error};
use tinyquant_codec::Control;
use tinyquant_corpus::CompressionPolicy;

/// Fails for the first thing that is wrong with a file.
///
/// Memory: a piece of a section or the texts of some rows, and 8 bytes for each row that has an id of its own.
pub(crate) fn verify(file: &CorpusFile, control: &Control) -> Result<(), Error> {
    let mut check = Check {
        file,
        progress: Progress::new(control, &file.commit),
        ids: IdCheck::new(&file.source),
    };
    for segment in &file.segments {
        check.segment(segment)?;
    }
    let Check {
        mut progress, ids, ..
    } = check;
    let is_removed = |row| file.is_removed(row);
    for section in &file.commit.sections {
        match section.kind {
            kind::ID_TABLE => ids.table(section, is_removed, &mut progress)?,
            // Their checksums were taken when the file was opened.
            kind::HEAD | kind::CODEBOOK | kind::REMOVED => progress.advance(section.len)?,
            _ => {}
        }
    }
    ids.duplicates(&file.tables, is_removed, |row| file.row_id(row), &progress)
}

struct Check<'a> {
    file: &'a CorpusFile,
    progress: Progress<'a>,
    ids: IdCheck<'a>,
}

impl Check<'_> {
    fn segment(&mut self, segment: &Segment) -> Result<(), Error> {
        let file = self.file;
        let coding = file.coding();
        let policy = coding.policy;
        let used = coding.config.dimension() * usize::from(coding.config.bit_width()) % 8;
        self.rows(segment.codes, |row| match policy {
            CompressionPolicy::Compress => {
                used == 0 || row.last().is_some_and(|last| last >> used == 0)
            }
            CompressionPolicy::Passthrough => are_finite_floats(row),
            CompressionPolicy::Fp16 => are_finite_halves(row),
        })?;
        if let Some(residuals) = segment.residuals {
            self.rows(residuals, are_finite_halves)?;
        }
        if let Some(pair) = segment.ids {
            let (ids, progress) = (&mut self.ids, &mut self.progress);
            texts(&file.source, "ids", pair, progress, |row, id| {
                ids.push(tag_of(id), row);
                check_number(file, row, id)
            })?;
        }
        if let Some(pair) = segment.metadata {
            let progress = &mut self.progress;
            texts(&file.source, "metadata", pair, progress, |_, _| Ok(()))?;
        }
        if let Some(times) = segment.times {
            self.rows(times, |_| true)?;
        }
        Ok(())
    }

    /// Reads a section of rows of one length.
    fn rows(&mut self, section: Section, is_valid: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let source = &self.file.source;
        let row_len = section.len / section.rows.max(1);
        let reading = Reading::new(source, kind::name(section.kind), section);
        reading.rows(row_len, &mut self.progress, |row, bytes| {
            if is_valid(bytes) {
                return Ok(());
            }
            let offset = section.offset + row * row_len;
            let row = section.first + row;
            let reason = format!("row {row} holds what no vector gives");
            Err(source.malformed("InvalidRow", offset, reason))
        })
    }
}

/// Fails if an id is the number of another row that is known by its number.
fn check_number(file: &CorpusFile, row: u64, id: &str) -> Result<(), Error> {
    let is_live = |row: u64| !file.is_removed(row);
    match row_number(id) {
        Some(other) if is_live(row) && is_live(other) && file.is_numbered(other) => {
            let reason = format!("row {row} and row {other} have the id {id:?}");
            Err(file.source.malformed("DuplicateId", 0, reason))
        }
        _ => Ok(()),
    }
}

pub(crate) fn are_finite_floats(bytes: &[u8]) -> bool {
    let mut values = bytes.as_chunks().0.iter();
    values.all(|value| f32::from_le_bytes(*value).is_finite())
}

pub(crate) fn are_finite_halves(bytes: &[u8]) -> bool {
    let mut halves = bytes.as_chunks().0.iter();
    halves.all(|half| u16::from_le_bytes(*half) & 0x7c00 != 0x7c00)
}
