//! Sections read from their beginning to their end, in pieces, with their checksums.

use crate::container::{Commit, Section};
use crate::{Error, Source};
use std::borrow::Cow;
use tinyquant_codec::Control;

/// Bytes read at a time, where a row is not larger.
pub(crate) const PIECE: u64 = 4 << 20;
/// Texts read at a time.
const TEXTS: u64 = 1 << 14;

/// How far the sections of a file are read.
pub(crate) struct Progress<'a> {
    pub(crate) control: &'a Control<'a>,
    done: u64,
    total: u64,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(control: &'a Control<'a>, commit: &Commit) -> Self {
        let total = commit.sections.iter().map(|section| section.len).sum();
        Self {
            control,
            done: 0,
            total,
        }
    }

    /// Tells of bytes that were read.
    pub(crate) fn advance(&mut self, len: u64) -> Result<(), Error> {
        self.done += len;
        self.control.check()?;
        self.control.report(self.done as usize, self.total as usize);
        Ok(())
    }
}

/// A section that is read from its beginning to its end.
pub(crate) struct Reading<'a> {
    source: &'a Source,
    name: &'static str,
    pub(crate) section: Section,
    pub(crate) at: u64,
    hasher: crc32fast::Hasher,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(source: &'a Source, name: &'static str, section: Section) -> Self {
        Self {
            source,
            name,
            section,
            at: 0,
            hasher: crc32fast::Hasher::new(),
        }
    }

    pub(crate) fn next(&mut self, len: u64) -> Result<Cow<'a, [u8]>, Error> {
        let bytes = self.section.part(self.source, self.at, len)?;
        self.at += len;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    /// Fails unless all of the section was read and has its checksum.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let (name, offset) = (self.name, self.section.offset);
        if self.at < self.section.len {
            let reason = format!("{name} end at byte {} of {}", self.at, self.section.len);
            return Err(self.source.malformed("UnusedBytes", offset, reason));
        }
        let got = self.hasher.finalize();
        self.source.check_crc(name, offset, self.section.crc, got)
    }

    /// Reads a section of rows of one length, and visits each with its number in the section.
    pub(crate) fn rows(
        mut self,
        row_len: u64,
        progress: &mut Progress<'_>,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let row_len = row_len.max(1);
        let step = (PIECE / row_len).max(1) * row_len;
        while self.at < self.section.len {
            let first = self.at / row_len;
            let bytes = self.next(step.min(self.section.len - self.at))?;
            for (row, bytes) in (first..).zip(bytes.chunks(row_len as usize)) {
                visit(row, bytes)?;
            }
            progress.advance(bytes.len() as u64)?;
        }
        self.finish()
    }

    /// Reads a section of bytes whose meaning nothing says.
    pub(crate) fn bytes(self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.rows(PIECE, progress, |_, _| Ok(()))
    }
}

/// Reads a pair of sections of texts and visits each with its row.
pub(crate) fn texts(
    source: &Source,
    name: &'static str,
    (ends, texts): (Section, Section),
    progress: &mut Progress<'_>,
    mut visit: impl FnMut(u64, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut ends = Reading::new(source, name, ends);
    let mut texts = Reading::new(source, name, texts);
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
            return Err(source.malformed("InvalidText", offset, reason));
        };
        let bytes = texts.next(len)?;
        let read = len + 4 * words.len() as u64;
        let mut from = start;
        for end in words {
            let range = (from - start) as usize..(end.saturating_sub(start)) as usize;
            let text = bytes.get(range).map(std::str::from_utf8);
            let Some(Ok(text)) = text else {
                let reason = format!("the text of row {row} is no UTF-8 text");
                return Err(source.malformed("InvalidText", offset, reason));
            };
            visit(row, text)?;
            (from, row) = (end, row + 1);
        }
        progress.advance(read)?;
    }
    ends.finish()?;
    texts.finish()
}
