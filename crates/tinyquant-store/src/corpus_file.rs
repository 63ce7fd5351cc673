//! Corpus files: opening, reading and verifying.

use crate::container::{Commit, Section};
use crate::head::Head;
use crate::id_table::{IdTable, tag_of};
use crate::segment::{Segment, kind};
use crate::{Error, Source, verify};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use tinyquant_codec::{Codebook, Control};
use tinyquant_corpus::{Coding, Corpus, Error as CorpusError, Payload, StoredRows, VectorEntry};

/// What the frame says a file of this kind holds.
pub(crate) const KIND: u8 = 1;

/// Rows that a file may have: their numbers and one more fit 32 bits.
pub(crate) const MAX_ROWS: u64 = u32::MAX as u64 - 1;

/// A corpus file, open for reading.
///
/// Opening reads the superblocks, the section table, the head and the codebook; its time does not depend on the
/// number of rows. Rows are read when they are asked for, and every offset is checked before it is used. The file
/// may grow meanwhile: what was opened stays as it was.
#[derive(Debug)]
pub struct CorpusFile {
    pub(crate) source: Source,
    pub(crate) commit: Commit,
    pub(crate) head: Head,
    coding: Coding,
    pub(crate) segments: Vec<Segment>,
    pub(crate) tables: Vec<IdTable>,
    /// Rows that were removed, ascending.
    pub(crate) removed: Vec<u64>,
}

impl CorpusFile {
    /// Opens a file, mapped into memory or read piece by piece.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`), `Truncated` (`ERR_TQ_TRUNCATED`), `UnknownVersion` (`ERR_TQ_VERSION`), `Malformed`
    /// (`ERR_TQ_FORMAT`), `Checksum` (`ERR_TQ_CHECKSUM`) of the frame, the head or the codebook.
    pub fn open(path: &Path, is_mapped: bool) -> Result<Self, Error> {
        Self::from_source(Source::open(path, is_mapped)?)
    }

    /// Opens the bytes of a file.
    ///
    /// # Errors
    /// As [`CorpusFile::open`].
    pub fn from_source(source: Source) -> Result<Self, Error> {
        let commit = Commit::read(&source, KIND)?;
        if commit.rows > MAX_ROWS {
            let reason = format!("{} rows are beyond {MAX_ROWS}", commit.rows);
            return Err(Error::Limit { reason });
        }
        let parts = Parts::read(&source, &commit)?;
        let (Some(head), Some(codebook)) = (parts.head, parts.codebook) else {
            return Err(source.malformed("MissingSection", 0, "no head or no codebook"));
        };
        let coding = Coding {
            policy: head.policy,
            config: head.config.clone(),
            codebook,
        };
        // A codebook that does not fit is told before a row is read.
        coding.encode(&[], None, &Control::default())?;
        let mut next = 0;
        for segment in &parts.segments {
            if segment.first() != next {
                let reason = format!("rows {next} and on are missing");
                return Err(source.malformed("InvalidSegment", segment.codes.offset, reason));
            }
            segment.check(&source, &coding)?;
            next += segment.rows();
        }
        let removed = parts.removed;
        let is_ascending = removed.windows(2).all(|pair| pair[0] < pair[1]);
        let live = commit.rows.checked_sub(removed.len() as u64);
        if next != commit.rows
            || live != Some(commit.live)
            || !is_ascending
            || removed.last().is_some_and(|row| *row >= commit.rows)
        {
            let reason = format!(
                "{next} rows and {} removed ones do not add up",
                removed.len()
            );
            return Err(source.malformed("InvalidRows", 16, reason));
        }
        Ok(Self {
            source,
            commit,
            head,
            coding,
            segments: parts.segments,
            tables: parts.tables,
            removed,
        })
    }

    /// The corpus in the file. Its rows stay in the file until they are asked for.
    pub fn into_corpus(self) -> Corpus {
        let file = Arc::new(self);
        let removed: Vec<usize> = file.removed.iter().map(|row| *row as usize).collect();
        Corpus::from_stored(
            &file.head.id,
            file.coding.clone(),
            file.head.metadata.as_deref(),
            Arc::clone(&file) as Arc<dyn StoredRows>,
            removed,
        )
    }

    /// How its rows are stored.
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// Id of the corpus.
    pub fn id(&self) -> &str {
        &self.head.id
    }

    /// Metadata of the corpus.
    pub fn metadata(&self) -> Option<&str> {
        self.head.metadata.as_deref()
    }

    /// Vectors, without removed ones.
    pub fn live(&self) -> u64 {
        self.commit.live
    }

    /// Runs of rows that are stored together; a lookup of a row searches them.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// States that the file went through.
    pub fn commits(&self) -> u64 {
        self.commit.number
    }

    /// Length of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// Whether a row was removed.
    pub(crate) fn is_removed(&self, row: u64) -> bool {
        self.removed.binary_search(&row).is_ok()
    }

    fn segment(&self, row: u64) -> Result<&Segment, Error> {
        let after = self
            .segments
            .partition_point(|segment| segment.first() <= row);
        let segment = after.checked_sub(1).and_then(|at| self.segments.get(at));
        segment
            .filter(|segment| row - segment.first() < segment.rows())
            .ok_or_else(|| {
                self.source
                    .malformed("UnknownRow", 0, format!("no row {row}"))
            })
    }

    pub(crate) fn row_id(&self, row: u64) -> Result<Cow<'_, str>, Error> {
        self.segment(row)?.id(&self.source, row)
    }

    /// The row with this id that is live; at most one is.
    pub(crate) fn find_row(
        &self,
        id: &str,
        is_live: &dyn Fn(u64) -> bool,
    ) -> Result<Option<u64>, Error> {
        let tag = tag_of(id);
        for table in self.tables.iter().rev() {
            let found = table.find(&self.source, tag, |row| {
                Ok(is_live(row) && *self.row_id(row)? == *id)
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let number = row_number(id).filter(|&row| self.is_numbered(row));
        Ok(number.filter(|&row| is_live(row)))
    }

    /// Reads the whole file: all checksums, that every row can be read and every id leads to its row.
    ///
    /// # Errors
    /// `Checksum` (`ERR_TQ_CHECKSUM`), `Malformed` (`ERR_TQ_FORMAT`), `Truncated` (`ERR_TQ_TRUNCATED`) also for a
    /// file that lost its last commit, `Io` (`ERR_TQ_IO`), `Cancelled`.
    pub fn verify(&self, control: &Control) -> Result<(), Error> {
        self.commit.check_newest(&self.source)?;
        verify::verify(self, control)
    }

    /// Whether there is such a row and its id is its number.
    pub(crate) fn is_numbered(&self, row: u64) -> bool {
        self.segment(row).is_ok_and(|segment| segment.ids.is_none())
    }
}

/// What the sections of a file are, before they are held against each other.
#[derive(Default)]
struct Parts {
    head: Option<Head>,
    codebook: Option<Codebook>,
    segments: Vec<Segment>,
    tables: Vec<IdTable>,
    removed: Vec<u64>,
}

impl Parts {
    fn read(source: &Source, commit: &Commit) -> Result<Self, Error> {
        let mut parts = Self::default();
        // Ends that wait for their texts, which come next.
        let mut waiting: Option<Section> = None;
        for section in &commit.sections {
            let checked = || {
                let (bytes, name) = (section.bytes(source)?, kind::name(section.kind));
                source.check_crc(name, section.offset, section.crc, crc32fast::hash(&bytes))?;
                Ok::<_, Error>(bytes)
            };
            let segment = parts.segments.last_mut().filter(|segment| {
                (segment.first(), segment.rows()) == (section.first, section.rows)
            });
            match (section.kind, segment, waiting.take()) {
                (kind::HEAD, _, None) if parts.head.is_none() && section.rows == 0 => {
                    parts.head = Some(Head::parse(source, section.offset, &checked()?)?);
                }
                (kind::CODEBOOK, _, None) if parts.codebook.is_none() && section.rows == 0 => {
                    parts.codebook = Some(source.codebook(section.offset, &checked()?)?);
                }
                (kind::CODES, _, None) => parts.segments.push(Segment {
                    codes: *section,
                    residuals: None,
                    ids: None,
                    metadata: None,
                    times: None,
                }),
                (kind::RESIDUALS, Some(segment), None) if segment.residuals.is_none() => {
                    segment.residuals = Some(*section);
                }
                (kind::ID_ENDS | kind::METADATA_ENDS, Some(_), None) => waiting = Some(*section),
                (kind::ID_TEXTS, Some(segment), Some(ends))
                    if ends.kind == kind::ID_ENDS && segment.ids.is_none() =>
                {
                    segment.ids = Some((ends, *section));
                }
                (kind::METADATA_TEXTS, Some(segment), Some(ends))
                    if ends.kind == kind::METADATA_ENDS && segment.metadata.is_none() =>
                {
                    segment.metadata = Some((ends, *section));
                }
                (kind::TIMES, Some(segment), None) if segment.times.is_none() => {
                    segment.times = Some(*section);
                }
                (kind::ID_TABLE, _, None)
                    if parts
                        .tables
                        .last()
                        .is_none_or(|last| last.precedes(section)) =>
                {
                    parts.tables.push(IdTable::open(source, *section)?);
                }
                (kind::REMOVED, _, None)
                    if parts.removed.is_empty() && section.len.is_multiple_of(8) =>
                {
                    let bytes = checked()?;
                    let rows = bytes.as_chunks().0.iter();
                    parts.removed = rows.map(|row| u64::from_le_bytes(*row)).collect();
                }
                _ => return Err(misplaced(source, section)),
            }
        }
        match waiting {
            Some(ends) => Err(misplaced(source, &ends)),
            None => Ok(parts),
        }
    }
}

fn misplaced(source: &Source, section: &Section) -> Error {
    let reason = format!("misplaced section: {}", kind::name(section.kind));
    source.malformed("MisplacedSection", section.offset, reason)
}

/// The number that an id is, if it is one as a row number would be written.
pub(crate) fn row_number(id: &str) -> Option<u64> {
    let is_number =
        id == "0" || (!id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| id.parse().ok()).flatten()
}

impl From<Error> for CorpusError {
    fn from(error: Error) -> Self {
        match error {
            Error::Corpus(error) => error,
            Error::Codec(error) => error.into(),
            error => Self::Stored {
                code: error.code(),
                details: error.details(),
                message: error.to_string(),
            },
        }
    }
}

impl StoredRows for CorpusFile {
    fn len(&self) -> usize {
        self.commit.rows as usize
    }

    fn find(
        &self,
        id: &str,
        is_live: &dyn Fn(usize) -> bool,
    ) -> Result<Option<usize>, CorpusError> {
        let found = self.find_row(id, &|row| is_live(row as usize))?;
        Ok(found.map(|row| row as usize))
    }

    fn id(&self, row: usize) -> Result<Arc<str>, CorpusError> {
        Ok(self.row_id(row as u64)?.into())
    }

    fn payload(&self, row: usize) -> Result<Payload<'_>, CorpusError> {
        Ok(self
            .segment(row as u64)?
            .payload(&self.source, row as u64)?)
    }

    fn entry(&self, row: usize) -> Result<VectorEntry, CorpusError> {
        let (row, source) = (row as u64, &self.source);
        let segment = self.segment(row)?;
        let (packed, residual) = segment.payload(source, row)?;
        let record = self.coding.record(&packed, &residual);
        let record = record.map_err(|error| {
            source.malformed(
                "InvalidRow",
                segment.codes.offset,
                format!("row {row}: {error}"),
            )
        })?;
        Ok(VectorEntry::new(
            segment.id(source, row)?.into(),
            Arc::new(record),
            self.coding.config.dimension(),
            segment.time(source, row)?,
            segment.metadata(source, row)?.map(Arc::from),
        ))
    }

    fn heap_bytes(&self) -> usize {
        let segments = self.segments.len() * size_of::<Segment>();
        let sections = self.commit.sections.len() * size_of::<Section>();
        segments + sections + 8 * self.removed.len() + self.head.id.len()
    }
}
