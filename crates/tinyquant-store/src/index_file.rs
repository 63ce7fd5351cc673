//! Index files: opening, reading and verifying.

use crate::container::{Commit, Section};
use crate::corpus_file::MAX_ROWS;
use crate::corpus_writer::Version;
use crate::index_head::IndexHead;
use crate::index_ids::{FileIds, IdRun, IdSections};
use crate::index_sections::{Sections, StoredPart, kind, read_checked};
use crate::{Error, IndexLink, Source, index_verify};
use std::path::Path;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_index::{IdImage, IdKind, Ids, Image, Index, IndexConfig, Model, Part, StoredIds};

/// What the frame says a file of this kind holds.
pub(crate) const KIND: u8 = 2;

/// Rows of a block of a part.
const BLOCK: u64 = 16;

/// An index file, open for reading.
///
/// Opening reads the superblocks, the section table, the head, the model and which rows were removed; its time does not
/// depend on the number of rows. The file may grow meanwhile: what was opened stays as it was.
#[derive(Debug)]
pub struct IndexFile {
    pub(crate) source: Source,
    pub(crate) commit: Commit,
    pub(crate) head: IndexHead,
    pub(crate) model: Arc<Model>,
    pub(crate) sections: Sections,
    pub(crate) ids: IdSections,
    /// Bit `r % 64` of word `r / 64` is set where row `r` was removed. It may end early.
    pub(crate) dead: Vec<u64>,
}

impl IndexFile {
    /// Opens a file, mapped into memory or read with positioned reads.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`), `Truncated` (`ERR_TQ_TRUNCATED`), `UnknownVersion` (`ERR_TQ_VERSION`), `Malformed`
    /// (`ERR_TQ_FORMAT`), `Checksum` (`ERR_TQ_CHECKSUM`) of the frame, the head, the model or the removed rows.
    pub fn open(path: &Path, is_mapped: bool) -> Result<Self, Error> {
        Self::from_source(Source::open(path, is_mapped)?)
    }

    /// Opens the bytes of a file.
    ///
    /// # Errors
    /// As [`IndexFile::open`].
    pub fn from_source(source: Source) -> Result<Self, Error> {
        let commit = Commit::read(&source, KIND)?;
        if commit.rows > MAX_ROWS {
            let reason = format!("{} rows are beyond {MAX_ROWS}", commit.rows);
            return Err(Error::Limit { reason });
        }
        let mut sections = Sections::read(&source, &commit)?;
        let (Some(head), Some(model)) = (sections.head, sections.model) else {
            return Err(source.malformed("MissingSection", 0, "no head or no model"));
        };
        let bytes = read_checked(&source, &head)?;
        let head = IndexHead::parse(&source, head.offset, &bytes)?;
        let bytes = read_checked(&source, &model)?;
        let offset = model.offset;
        let model = Model::from_bytes(&head.config, &bytes);
        let model = model.map_err(|error| invalid(&source, "InvalidModel", offset, error))?;
        drop(bytes);
        let dead = match &sections.removed {
            Some(section) => words(&read_checked(&source, section)?),
            None => Vec::new(),
        };
        let file = Self {
            ids: IdSections {
                kind: head.config.id_kind(),
                runs: std::mem::take(&mut sections.ids),
                tables: std::mem::take(&mut sections.tables),
            },
            source,
            commit,
            head,
            model: Arc::new(model),
            sections,
            dead,
        };
        file.check_parts()?;
        file.check_originals()?;
        file.check_ids()?;
        file.check_removed()?;
        Ok(file)
    }

    /// The index in the file, and the link by which [`sync_index`](crate::sync_index) adds to the file; there is none for
    /// bytes in memory. Of a mapped file nothing is copied; of any other the sections are read into memory.
    ///
    /// # Errors
    /// `Malformed` (`ERR_TQ_FORMAT`) for parts that no index has, `Truncated` (`ERR_TQ_TRUNCATED`), `Io` (`ERR_TQ_IO`), `Limit`
    /// (`ERR_TQ_LIMIT`) for more than fits memory.
    pub fn into_index(self) -> Result<(Index, Option<IndexLink>), Error> {
        let Self {
            source,
            commit,
            head,
            model,
            sections,
            ids,
            dead,
        } = self;
        let runs = commit
            .sections
            .iter()
            .filter(|section| !matches!(section.kind, kind::HEAD | kind::MODEL | kind::REMOVED));
        let runs = runs.map(|section| section.offset..section.offset + section.len);
        let source = Arc::new(source.hold(runs.collect())?);
        let parts = sections.parts.iter().map(|part| part.open(&source, &model));
        let parts: Vec<Arc<Part>> = parts.collect::<Result<_, Error>>()?;
        let originals = sections.originals.iter();
        let originals = originals.map(|section| source.column(section.offset, section.len));
        let originals = originals.collect::<Result<_, Error>>()?;
        let path = source.path().map(std::fs::canonicalize);
        let link = path.and_then(Result::ok).map(|path| IndexLink {
            path,
            version: Version::of(&commit),
            model: Arc::clone(&model),
            parts: parts.iter().map(|part| part.uid()).collect(),
        });
        let stored: Option<Arc<dyn StoredIds>> = if commit.rows > 0 {
            Some(Arc::new(FileIds {
                source,
                sections: ids,
                rows: commit.rows as u32,
                next: head.next_id,
            }))
        } else {
            None
        };
        let later = match head.config.id_kind() {
            IdKind::Text => Ids::Text(Vec::new()),
            IdKind::Number | IdKind::Bigint => Ids::Whole(Vec::new()),
        };
        let ids = if head.is_listed {
            IdImage::Listed { stored, later }
        } else {
            IdImage::Rows
        };
        let image = Image {
            config: head.config,
            model,
            rows: commit.rows,
            live: commit.live,
            parts,
            dead: Arc::new(dead),
            originals,
            ids,
        };
        Ok((Index::from_image(image)?, link))
    }

    /// Dimension, bits, metric, seed and kinds.
    pub fn config(&self) -> &IndexConfig {
        &self.head.config
    }

    /// Vectors ever added.
    pub fn rows(&self) -> u64 {
        self.commit.rows
    }

    /// Vectors, without removed ones.
    pub fn live(&self) -> u64 {
        self.commit.live
    }

    /// Parts that the codes lie in.
    pub fn parts(&self) -> usize {
        self.sections.parts.len()
    }

    /// Partitions of a part; 1 if there are none.
    pub fn partitions(&self) -> usize {
        self.model.partitions()
    }

    /// Whether its segments are fitted to a sample.
    pub fn is_fitted(&self) -> bool {
        self.model.is_fitted()
    }

    /// Bytes of a vector: codes, factors and row number.
    pub fn bytes_per_row(&self) -> usize {
        self.model.code_bytes_per_row()
    }

    /// States that the file went through.
    pub fn commits(&self) -> u64 {
        self.commit.number
    }

    /// Length of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// Reads the whole file: all checksums, that each vector has one place, and every id leads to its row.
    ///
    /// # Errors
    /// `Checksum` (`ERR_TQ_CHECKSUM`), `Malformed` (`ERR_TQ_FORMAT`), `Truncated` (`ERR_TQ_TRUNCATED`) also for a
    /// file that lost its last commit, `Io` (`ERR_TQ_IO`), `Cancelled`.
    pub fn verify(&self, control: &Control) -> Result<(), Error> {
        self.commit.check_newest(&self.source)?;
        index_verify::verify(self, control)
    }

    /// Whether a row was removed.
    pub(crate) fn is_removed(&self, row: u64) -> bool {
        is_set(&self.dead, row)
    }

    /// Bytes of a row of the originals.
    pub(crate) fn original_bytes(&self) -> u64 {
        let config = &self.head.config;
        (config.dim() * config.originals().width()) as u64
    }

    fn check_parts(&self) -> Result<(), Error> {
        let model = &self.model;
        let mut rows = 0_u64;
        for part in &self.sections.parts {
            let StoredPart {
                blocks,
                tails,
                numbers,
                starts,
            } = part;
            let expected = |count: u64, size: usize| count.checked_mul(size as u64);
            let fits = blocks.rows > 0
                && expected(blocks.rows.div_ceil(BLOCK), model.block_bytes()) == Some(blocks.len)
                && expected(blocks.rows, model.tail_bytes()) == Some(tails.map_or(0, |it| it.len))
                && expected(blocks.rows, 4) == Some(numbers.len)
                && expected(model.partitions() as u64 + 1, 4) == Some(starts.len)
                && tails.is_some() == (model.tail_bytes() > 0);
            if !fits {
                let reason = format!("the sections of a part of {} rows do not fit", blocks.rows);
                return Err(self.malformed("InvalidPart", blocks.offset, reason));
            }
            rows = rows.saturating_add(blocks.rows);
        }
        if !(self.commit.live..=self.commit.rows).contains(&rows) {
            let (live, all) = (self.commit.live, self.commit.rows);
            let reason = format!("parts of {rows} rows, expected {live} to {all}");
            return Err(self.malformed("InvalidRows", 16, reason));
        }
        Ok(())
    }

    fn check_originals(&self) -> Result<(), Error> {
        let size = self.original_bytes();
        let mut next = 0;
        for run in &self.sections.originals {
            let fits = run.first == next && run.rows > 0 && size > 0;
            if !fits || run.rows.checked_mul(size) != Some(run.len) {
                let reason = format!("originals of rows {} and on do not fit", run.first);
                return Err(self.malformed("InvalidOriginals", run.offset, reason));
            }
            next += run.rows;
        }
        if size > 0 && next != self.commit.rows {
            let reason = format!("originals of {next} rows of {}", self.commit.rows);
            return Err(self.malformed("InvalidOriginals", 16, reason));
        }
        Ok(())
    }

    fn check_ids(&self) -> Result<(), Error> {
        let is_text = self.head.config.id_kind() == IdKind::Text;
        let mut next = 0;
        for run in &self.ids.runs {
            let section = run.section();
            let size = if is_text { 4 } else { 8 };
            let fits = is_text == matches!(run, IdRun::Text(..))
                && self.head.is_listed
                && section.first == next
                && section.rows > 0
                && section.rows.checked_mul(size) == Some(section.len);
            if !fits {
                let reason = format!("the ids of rows {} and on do not fit", section.first);
                return Err(self.malformed("InvalidIds", section.offset, reason));
            }
            next += section.rows;
        }
        let rows = self.commit.rows;
        let (expected, next_id) = match (self.head.is_listed, is_text) {
            (true, true) => (rows, 0),
            (true, false) => (rows, self.head.next_id),
            (false, false) => (0, rows),
            (false, true) => {
                let reason = "texts are not the numbers of rows".to_owned();
                return Err(self.malformed("InvalidIds", 0, reason));
            }
        };
        let has_tables = self.head.is_listed || self.ids.tables.is_empty();
        if next != expected || self.head.next_id != next_id || !has_tables {
            let reason = format!("ids of {next} rows of {rows}, next {}", self.head.next_id);
            return Err(self.malformed("InvalidIds", 16, reason));
        }
        Ok(())
    }

    fn check_removed(&self) -> Result<(), Error> {
        let Commit { rows, live, .. } = self.commit;
        let removed: u64 = self
            .dead
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum();
        let last = self.dead.last().copied().unwrap_or(0);
        let end = (64 * self.dead.len() as u64).saturating_sub(last.leading_zeros().into());
        let is_trimmed = last != 0 || self.dead.is_empty();
        if rows.checked_sub(removed) == Some(live) && end <= rows && is_trimmed {
            return Ok(());
        }
        let reason = format!("{rows} rows and {removed} removed ones do not add up");
        Err(self.malformed("InvalidRows", 16, reason))
    }

    fn malformed(&self, kind: &'static str, offset: u64, reason: String) -> Error {
        self.source.malformed(kind, offset, reason)
    }
}

impl StoredPart {
    /// The part in the file; its columns stay there.
    fn open(&self, source: &Arc<Source>, model: &Model) -> Result<Arc<Part>, Error> {
        let column = |section: &Section| source.column(section.offset, section.len);
        let tails = match &self.tails {
            Some(tails) => column(tails)?,
            None => source.column(0, 0)?,
        };
        let part = Part::from_columns(
            model,
            self.blocks.rows as usize,
            column(&self.blocks)?,
            tails,
            column(&self.numbers)?,
            column(&self.starts)?,
        );
        let part =
            part.map_err(|error| invalid(source, "InvalidPart", self.blocks.offset, error))?;
        Ok(Arc::new(part))
    }
}

/// Whether the bit of a row is set.
pub(crate) fn is_set(words: &[u64], row: u64) -> bool {
    let word = words.get((row / 64) as usize);
    word.is_some_and(|word| word >> (row % 64) & 1 == 1)
}

/// Little-endian words.
fn words(bytes: &[u8]) -> Vec<u64> {
    let words = bytes.as_chunks().0.iter();
    words.map(|word| u64::from_le_bytes(*word)).collect()
}

/// What the index says of stored bytes, as an error of the file.
fn invalid(
    source: &Source,
    kind: &'static str,
    offset: u64,
    error: tinyquant_index::Error,
) -> Error {
    match error {
        tinyquant_index::Error::Stored { message, .. } => source.malformed(kind, offset, message),
        error => source.malformed(kind, offset, error.to_string()),
    }
}
