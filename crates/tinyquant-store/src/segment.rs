//! Runs of rows of a corpus file.

use crate::container::{Section, SectionWriter};
use crate::{Error, Output, Source};
use std::borrow::Cow;
use tinyquant_corpus::{Coding, Payload, Timestamp};

/// Kinds of sections.
pub(crate) mod kind {
    pub(crate) const HEAD: u32 = 1;
    pub(crate) const CODEBOOK: u32 = 2;
    pub(crate) const CODES: u32 = 3;
    pub(crate) const RESIDUALS: u32 = 4;
    pub(crate) const ID_ENDS: u32 = 5;
    pub(crate) const ID_TEXTS: u32 = 6;
    pub(crate) const METADATA_ENDS: u32 = 7;
    pub(crate) const METADATA_TEXTS: u32 = 8;
    pub(crate) const TIMES: u32 = 9;
    pub(crate) const ID_TABLE: u32 = 10;
    pub(crate) const REMOVED: u32 = 11;

    /// What a kind is called in errors.
    pub(crate) fn name(kind: u32) -> &'static str {
        match kind {
            HEAD => "head",
            CODEBOOK => "codebook",
            CODES => "codes",
            RESIDUALS => "residuals",
            ID_ENDS | ID_TEXTS => "ids",
            METADATA_ENDS | METADATA_TEXTS => "metadata",
            TIMES => "times",
            ID_TABLE => "id table",
            REMOVED => "removed rows",
            _ => "unknown section",
        }
    }
}

/// How large segments become; only one row may exceed it, or a text.
const SEGMENT: Size = Size {
    rows: 1 << 16,
    bytes: 16 << 20,
    text: 16 << 20,
};
/// Bytes of one id or one metadata text.
const MAX_TEXT: usize = 1 << 30;

/// How much a segment holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    /// Bytes of codes and residuals.
    bytes: u64,
    /// Bytes of ids and metadata.
    text: u64,
}

impl Size {
    /// That of both together.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            text: self.text + other.text,
        }
    }

    /// Whether one segment holds as much.
    pub(crate) fn fits(&self) -> bool {
        self.rows <= SEGMENT.rows && self.bytes <= SEGMENT.bytes && self.text <= SEGMENT.text
    }
}

/// Rows in a file.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) codes: Section,
    pub(crate) residuals: Option<Section>,
    /// Ends and bytes; none where a row's id is its number in the file.
    pub(crate) ids: Option<(Section, Section)>,
    /// Ends and bytes; none where no row has metadata.
    pub(crate) metadata: Option<(Section, Section)>,
    /// One time, or one for each row; none where all are 0.
    pub(crate) times: Option<Section>,
}

impl Segment {
    pub(crate) fn first(&self) -> u64 {
        self.codes.first
    }

    pub(crate) fn rows(&self) -> u64 {
        self.codes.rows
    }

    pub(crate) fn size(&self) -> Size {
        let len = |section: Option<Section>| section.map_or(0, |section| section.len);
        let texts = |pair: Option<(Section, Section)>| len(pair.map(|(_, texts)| texts));
        Size {
            rows: self.rows(),
            bytes: self.codes.len + len(self.residuals),
            text: texts(self.ids) + texts(self.metadata),
        }
    }

    /// Checks the lengths of its sections.
    pub(crate) fn check(&self, source: &Source, coding: &Coding) -> Result<(), Error> {
        let rows = self.rows();
        let (packed, residual) = (coding.packed_len() as u64, coding.residual_len() as u64);
        let bytes = |size: u64| rows.checked_mul(size);
        let ends = |pair: &Option<(Section, Section)>| {
            pair.is_none_or(|(ends, _)| bytes(4) == Some(ends.len))
        };
        let fits = rows > 0
            && bytes(packed) == Some(self.codes.len)
            && self.residuals.is_some() == (residual > 0)
            && self
                .residuals
                .is_none_or(|section| bytes(residual) == Some(section.len))
            && ends(&self.ids)
            && ends(&self.metadata)
            && self
                .times
                .is_none_or(|section| section.len == 8 || bytes(8) == Some(section.len));
        if fits {
            return Ok(());
        }
        let reason = format!("the sections of rows {} and on do not fit", self.first());
        Err(source.malformed("InvalidSegment", self.codes.offset, reason))
    }

    /// Text of a row in a pair of sections; `index` is the row within the segment.
    pub(crate) fn text<'a>(
        (ends, texts): &(Section, Section),
        source: &'a Source,
        index: u64,
    ) -> Result<Cow<'a, str>, Error> {
        let before = index.min(1);
        let range = ends.part(source, 4 * (index - before), 4 * (1 + before))?;
        let mut range = range.as_chunks::<4>().0.iter();
        let mut next = || range.next().map_or(0, |end| u32::from_le_bytes(*end));
        let start = if before == 1 { next() } else { 0 };
        let end = next();
        let Some(len) = end.checked_sub(start) else {
            let reason = format!("a text ends at {end} and starts at {start}");
            return Err(source.malformed("InvalidText", ends.offset + 4 * index, reason));
        };
        let at = texts.offset + u64::from(start);
        let invalid = || source.malformed("InvalidUtf8", at, "invalid UTF-8");
        match texts.part(source, start.into(), len.into())? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| invalid()),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|_| invalid()),
        }
    }

    /// The id of a row of the file.
    pub(crate) fn id<'a>(&self, source: &'a Source, row: u64) -> Result<Cow<'a, str>, Error> {
        match &self.ids {
            Some(pair) => Self::text(pair, source, row - self.first()),
            None => Ok(row.to_string().into()),
        }
    }

    pub(crate) fn metadata<'a>(
        &self,
        source: &'a Source,
        row: u64,
    ) -> Result<Option<Cow<'a, str>>, Error> {
        let Some(pair) = &self.metadata else {
            return Ok(None);
        };
        let text = Self::text(pair, source, row - self.first())?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    pub(crate) fn time(&self, source: &Source, row: u64) -> Result<Timestamp, Error> {
        let Some(times) = &self.times else {
            return Ok(Timestamp::default());
        };
        let index = if times.len == 8 {
            0
        } else {
            row - self.first()
        };
        let bytes = times.part(source, 8 * index, 8)?;
        let nanos = bytes
            .as_chunks()
            .0
            .first()
            .map_or(0, |bytes| i64::from_le_bytes(*bytes));
        Ok(Timestamp::from_nanos(nanos))
    }

    /// Packed bytes and residual of a row.
    pub(crate) fn payload<'a>(&self, source: &'a Source, row: u64) -> Result<Payload<'a>, Error> {
        let index = row - self.first();
        let of = |section: &Section| {
            let len = section.len / section.rows.max(1);
            section.part(source, index * len, len)
        };
        let residual = self
            .residuals
            .as_ref()
            .map_or(Ok(Cow::Borrowed(&[][..])), of)?;
        Ok((of(&self.codes)?, residual))
    }
}

/// Rows that wait to be written as a segment.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) first: u64,
    pub(crate) rows: usize,
    packed: Vec<u8>,
    residuals: Vec<u8>,
    /// None of the rows has an id of its own.
    pub(crate) is_numbered: bool,
    id_ends: Vec<u32>,
    ids: String,
    metadata_ends: Vec<u32>,
    metadata: String,
    times: Vec<i64>,
}

impl Pending {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// Fails for a text that no segment holds.
    pub(crate) fn check_text(text: &str) -> Result<(), Error> {
        if text.len() <= MAX_TEXT {
            return Ok(());
        }
        let reason = format!("a text of {} bytes is beyond {MAX_TEXT}", text.len());
        Err(Error::Limit { reason })
    }

    pub(crate) fn push(
        &mut self,
        packed: &[u8],
        residual: &[u8],
        id: Option<&str>,
        metadata: Option<&str>,
        time: Timestamp,
    ) {
        self.rows += 1;
        self.packed.extend_from_slice(packed);
        self.residuals.extend_from_slice(residual);
        self.is_numbered = id.is_none();
        self.ids.push_str(id.unwrap_or_default());
        self.id_ends.push(self.ids.len() as u32);
        self.metadata.push_str(metadata.unwrap_or_default());
        self.metadata_ends.push(self.metadata.len() as u32);
        self.times.push(time.as_nanos());
    }

    pub(crate) fn size(&self) -> Size {
        Size {
            rows: self.rows as u64,
            bytes: (self.packed.len() + self.residuals.len()) as u64,
            text: (self.ids.len() + self.metadata.len()) as u64,
        }
    }

    /// Whether no row more belongs into this segment. The same rows give the same segments however they come.
    pub(crate) fn is_full(&self) -> bool {
        let size = self.size();
        let with_one_more = Size {
            rows: size.rows + 1,
            bytes: size.bytes + size.bytes / size.rows.max(1),
            text: size.text + 1,
        };
        !with_one_more.fits()
    }

    /// Takes in the rows that follow its own.
    pub(crate) fn extend(&mut self, other: Self) {
        let (ids, metadata) = (self.ids.len() as u32, self.metadata.len() as u32);
        self.rows += other.rows;
        self.packed.extend(other.packed);
        self.residuals.extend(other.residuals);
        self.id_ends
            .extend(other.id_ends.iter().map(|end| end + ids));
        self.ids.push_str(&other.ids);
        self.metadata_ends
            .extend(other.metadata_ends.iter().map(|end| end + metadata));
        self.metadata.push_str(&other.metadata);
        self.times.extend(other.times);
    }

    /// The id of a row that waits, if it has one of its own.
    pub(crate) fn id(&self, row: u64) -> Option<&str> {
        let index = usize::try_from(row.checked_sub(self.first)?).ok()?;
        let end = *self.id_ends.get(index)?;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.id_ends.get(before).copied())
            .unwrap_or(0);
        self.ids.get(start as usize..end as usize)
    }

    /// Appends the sections of the segment and forgets its rows.
    pub(crate) fn write(&mut self, output: &mut Output) -> Result<Vec<Section>, Error> {
        let (first, rows) = (self.first, self.rows as u64);
        let mut sections = Vec::new();
        let mut put = |kind, bytes: &[u8]| {
            let mut section = SectionWriter::begin(output, kind, first, rows)?;
            section.write(output, bytes)?;
            sections.push(section.end());
            Ok::<_, Error>(())
        };
        let words =
            |ends: &[u32]| -> Vec<u8> { ends.iter().flat_map(|end| end.to_le_bytes()).collect() };
        put(kind::CODES, &self.packed)?;
        if !self.residuals.is_empty() {
            put(kind::RESIDUALS, &self.residuals)?;
        }
        if !self.is_numbered {
            put(kind::ID_ENDS, &words(&self.id_ends))?;
            put(kind::ID_TEXTS, self.ids.as_bytes())?;
        }
        if !self.metadata.is_empty() {
            put(kind::METADATA_ENDS, &words(&self.metadata_ends))?;
            put(kind::METADATA_TEXTS, self.metadata.as_bytes())?;
        }
        let is_one = self.times.windows(2).all(|pair| pair[0] == pair[1]);
        let count = if is_one { 1 } else { self.times.len() };
        let times = self.times.get(..count).unwrap_or_default();
        if times != [0] {
            let bytes: Vec<u8> = times.iter().flat_map(|time| time.to_le_bytes()).collect();
            put(kind::TIMES, &bytes)?;
        }
        let next = first + rows;
        // The buffers keep their memory for the next segment.
        self.packed.clear();
        self.residuals.clear();
        self.id_ends.clear();
        self.ids.clear();
        self.metadata_ends.clear();
        self.metadata.clear();
        self.times.clear();
        (self.first, self.rows) = (next, 0);
        Ok(sections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_gigabyte_at_most() {
        // Zeros that nobody writes take no memory.
        let text = String::from_utf8(vec![0; MAX_TEXT + 1]).unwrap();
        Pending::check_text(&text[..MAX_TEXT]).unwrap();
        let refused = Pending::check_text(&text).unwrap_err();
        assert_eq!(refused.code(), tinyquant_codec::ErrorCode::Limit);
    }

    #[test]
    fn a_segment_is_full_where_no_row_more_fits() {
        let is_full = |rows, bytes, text: usize| {
            let pending = Pending {
                rows,
                packed: vec![0; bytes],
                ids: "x".repeat(text / 3),
                metadata: "x".repeat(text - text / 3),
                ..Pending::default()
            };
            pending.is_full()
        };
        for (rows, bytes, text, expected) in [
            (65_535, 65_535, 0, false),
            (65_536, 65_536, 0, true),
            // Rows of 64 KB.
            (255, 255 << 16, 0, false),
            (256, 256 << 16, 0, true),
            (3, 3, (16 << 20) - 1, false),
            (3, 3, 16 << 20, true),
        ] {
            assert_eq!(
                is_full(rows, bytes, text),
                expected,
                "{rows} {bytes} {text}"
            );
        }
    }
}
