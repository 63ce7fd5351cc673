//! Writing corpus files, anew or at the end of an old one.

use crate::container::{self, Commit, Section, SectionWriter};
use crate::corpus_file::{KIND, MAX_ROWS, row_number};
use crate::head::Head;
use crate::id_table::{IdIndex, stays, tag_of};
use crate::segment::{Pending, Segment, kind};
use crate::{CorpusFile, Error, Output, Probe};
use rayon::ThreadPool;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;
use tinyquant_codec::{CompressedBatch, Control, RecordLayout};
use tinyquant_corpus::{Coding, Error as CorpusError, Timestamp, VectorEntry};

/// Writes rows to a corpus file. Nothing is to be seen of them until [`CorpusWriter::finish`] returns; dropped
/// before, it leaves what was there.
///
/// Memory holds one segment (16 MB, or one row) and, where rows have ids of their own, 11 to 16 bytes a row.
#[derive(Debug)]
pub struct CorpusWriter {
    output: Output,
    head: Head,
    coding: Coding,
    /// What the file held before.
    old: Option<CorpusFile>,
    /// Sections of the segments, old and new.
    sections: Vec<Section>,
    pending: Pending,
    /// Rows written by this writer that have ids of their own.
    ids: IdIndex,
    /// Runs of rows whose ids are their numbers.
    numbered: Vec<Range<u64>>,
    removed: BTreeSet<u64>,
    is_broken: bool,
}

/// Rows for [`CorpusWriter::push`].
#[derive(Debug, Clone, Copy)]
pub struct NewRows<'a, I, M> {
    /// The components of all rows.
    pub values: &'a [f32],
    /// An id for each row; none where a row's id is its number in the file.
    pub ids: Option<&'a [I]>,
    /// Metadata for each row, or empty.
    pub metadata: &'a [Option<M>],
    /// When the rows were inserted.
    pub inserted_at: Timestamp,
}

/// What a writer has brought to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Vectors in the file, without removed ones.
    pub vectors: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Which state of the file this is.
    pub(crate) version: Version,
}

impl Written {
    fn of(commit: &Commit) -> Self {
        Self {
            vectors: commit.live,
            bytes: commit.end,
            version: Version::of(commit),
        }
    }
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    number: u64,
    table_crc: u32,
    end: u64,
    rows: u64,
}

impl Version {
    pub(crate) fn of(commit: &Commit) -> Self {
        Self {
            number: commit.number,
            table_crc: commit.table_crc,
            end: commit.end,
            rows: commit.rows,
        }
    }
}

impl CorpusWriter {
    /// Begins a new file, which replaces the one at `path` if there is one and `overwrite` says so.
    ///
    /// # Errors
    /// `Io` and `Locked` (`ERR_TQ_IO`), `Limit` (`ERR_TQ_LIMIT`) for texts beyond 4 GB, `CodebookIncompatible`
    /// (`ERR_TQ_CODEBOOK_MISMATCH`).
    pub fn create(
        path: &Path,
        id: &str,
        coding: Coding,
        metadata: Option<&str>,
        overwrite: bool,
        probe: Probe,
    ) -> Result<Self, Error> {
        let head = Head {
            id: id.to_owned(),
            config: coding.config.clone(),
            policy: coding.policy,
            metadata: metadata.map(ToOwned::to_owned),
        };
        let bytes = head.to_bytes()?;
        // A codebook that does not fit is told before anything is written.
        coding.encode(&[], None, &Control::default())?;
        let mut output = Output::create(path, overwrite, probe)?;
        container::begin(&mut output)?;
        let mut writer = Self {
            output,
            head,
            coding,
            old: None,
            sections: Vec::new(),
            pending: Pending::new(0),
            ids: IdIndex::new(),
            numbered: Vec::new(),
            removed: BTreeSet::new(),
            is_broken: false,
        };
        writer.put(kind::HEAD, 0, 0, &bytes)?;
        let codebook = writer.coding.codebook.to_bytes();
        writer.put(kind::CODEBOOK, 0, 0, &codebook)?;
        Ok(writer)
    }

    /// Opens a file to add rows to it. What it holds is not written again, except for small runs of rows at its end,
    /// which go together with what is added.
    ///
    /// # Errors
    /// `Io` and `Locked` (`ERR_TQ_IO`), and those of [`CorpusFile::open`].
    pub fn append(path: &Path, probe: Probe) -> Result<Self, Error> {
        let (mut output, source) = Output::extend(path, probe)?;
        let old = CorpusFile::from_source(source)?;
        // What is left of a later state would be written over.
        old.commit.check_newest(&old.source)?;
        container::go_on(&mut output, &old.commit);
        let is_kept = |section: &&Section| !matches!(section.kind, kind::ID_TABLE | kind::REMOVED);
        let numbered = old.segments.iter().filter(|segment| segment.ids.is_none());
        let numbered = numbered.map(|segment| segment.first()..segment.first() + segment.rows());
        Ok(Self {
            output,
            head: old.head.clone(),
            coding: old.coding().clone(),
            sections: old
                .commit
                .sections
                .iter()
                .filter(is_kept)
                .copied()
                .collect(),
            pending: Pending::new(old.commit.rows),
            ids: IdIndex::new(),
            numbered: numbered.collect(),
            removed: old.removed.iter().copied().collect(),
            old: Some(old),
            is_broken: false,
        })
    }

    /// The file that is written in the end.
    pub fn path(&self) -> &Path {
        self.output.path()
    }

    /// How rows are stored.
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

    /// Rows written by this writer.
    pub fn rows(&self) -> u64 {
        self.next_row() - self.old_rows()
    }

    /// State of the file that is being extended.
    pub(crate) fn version(&self) -> Option<Version> {
        self.old.as_ref().map(|old| Version::of(&old.commit))
    }

    /// Encodes and adds rows, all of them or none, on the threads of `pool` or without one on the caller's.
    ///
    /// # Errors
    /// `DuplicateVectorId` (`ERR_TQ_ID_EXISTS`) with the row, `UnevenRows` (`ERR_TQ_INVALID_ARG`), `Limit`, what
    /// [`Coding::encode`] says, and `Io` (`ERR_TQ_IO`), after which the writer takes no more rows.
    pub fn push<I: AsRef<str>, M: AsRef<str>>(
        &mut self,
        rows: &NewRows<'_, I, M>,
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<(), Error> {
        let count = tinyquant_codec::rows_of(rows.values, self.coding.config.dimension())?;
        self.check_rows(rows, count)?;
        let encoded = self.coding.encode(rows.values, pool, control)?;
        self.add_rows(rows, &encoded.packed, &encoded.residuals)
    }

    /// Adds records as they are, all of them or none. `rows` says the rest about them; its values are not looked at.
    ///
    /// # Errors
    /// `Policy` (`ERR_TQ_POLICY`) for a file of another policy, what [`RecordLayout::check_fits`] says about records of
    /// another configuration, and otherwise as [`CorpusWriter::push`].
    pub fn push_records<I: AsRef<str>, M: AsRef<str>>(
        &mut self,
        batch: &CompressedBatch,
        rows: &NewRows<'_, I, M>,
    ) -> Result<(), Error> {
        let Coding { policy, config, .. } = &self.coding;
        if !policy.requires_codec() {
            let reason = format!("a file of policy {policy} takes no records of the codec");
            return Err(Error::Policy { reason });
        }
        if let Some(layout) = batch.layout() {
            let own = RecordLayout::new(
                config.shared_hash(),
                config.dimension(),
                config.bit_width(),
                config.residual_enabled(),
            )?;
            own.check_fits(layout)?;
        }
        self.check_rows(rows, batch.len())?;
        self.add_rows(rows, batch.packed(), batch.residuals())
    }

    /// Fails unless this writer can take so many rows with these ids and metadata.
    fn check_rows<I: AsRef<str>, M: AsRef<str>>(
        &mut self,
        rows: &NewRows<'_, I, M>,
        count: usize,
    ) -> Result<(), Error> {
        self.check_usable()?;
        let uneven = |what, given: usize| {
            let reason = format!("{given} {what} do not go with {count} rows");
            Err(CorpusError::UnevenRows { reason }.into())
        };
        if let Some(ids) = rows.ids.filter(|ids| ids.len() != count) {
            return uneven("ids", ids.len());
        }
        if !rows.metadata.is_empty() && rows.metadata.len() != count {
            return uneven("items of metadata", rows.metadata.len());
        }
        self.check_room(count)?;
        let texts = rows.metadata.iter().flatten().map(AsRef::as_ref);
        for text in texts.chain(rows.ids.into_iter().flatten().map(AsRef::as_ref)) {
            Pending::check_text(text)?;
        }
        self.check_ids(rows.ids, count)
    }

    /// Adds rows that were checked.
    fn add_rows<I: AsRef<str>, M: AsRef<str>>(
        &mut self,
        rows: &NewRows<'_, I, M>,
        packed: &[u8],
        residuals: &[u8],
    ) -> Result<(), Error> {
        let mut residuals = residuals.chunks_exact(self.coding.residual_len().max(1));
        let packed = packed.chunks_exact(self.coding.packed_len());
        for (row, packed) in packed.enumerate() {
            let id = rows.ids.and_then(|ids| ids.get(row)).map(AsRef::as_ref);
            let metadata = rows.metadata.get(row).and_then(Option::as_ref);
            let residual = residuals.next().unwrap_or_default();
            let metadata = metadata.map(AsRef::as_ref);
            self.add(packed, residual, id, metadata, rows.inserted_at)?;
        }
        Ok(())
    }

    /// Adds a vector of a corpus whose ids are known to differ.
    pub(crate) fn push_entry(&mut self, entry: &VectorEntry) -> Result<(), Error> {
        self.check_usable()?;
        self.check_room(1)?;
        let record = entry.record();
        let metadata = entry.metadata().map(AsRef::as_ref);
        for text in metadata.into_iter().chain([entry.id().as_ref()]) {
            Pending::check_text(text)?;
        }
        let residual = record.residual().unwrap_or_default();
        self.add(
            record.packed(),
            residual,
            Some(entry.id()),
            metadata,
            entry.inserted_at(),
        )
    }

    /// Marks a row of the old file as removed.
    pub(crate) fn remove(&mut self, row: u64) {
        self.removed.insert(row);
    }

    /// Brings everything to the disk and makes it the content of the file. An old file to which nothing was added
    /// stays as it is.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`): the file has the content it had, or, where the very last step failed, the new one. `Limit`
    /// (`ERR_TQ_LIMIT`) for ids that were made to have the same hash.
    pub fn finish(mut self) -> Result<Written, Error> {
        self.check_usable()?;
        let rows = self.next_row();
        let old = self.old.as_ref();
        let unchanged =
            old.filter(|old| rows == old.commit.rows && self.removed.len() == old.removed.len());
        if let Some(old) = unchanged {
            return Ok(Written::of(&old.commit));
        }
        if let Some(old) = self.old.take() {
            self.absorb(&old)?;
            self.flush()?;
            self.write_tables(&old)?;
            self.old = Some(old);
        } else {
            self.flush()?;
            if self.ids.len() > 0 {
                self.write_table(0, rows)?;
            }
        }
        if !self.removed.is_empty() {
            let removed: Vec<u8> = self
                .removed
                .iter()
                .flat_map(|row| row.to_le_bytes())
                .collect();
            self.put(kind::REMOVED, 0, rows, &removed)?;
        }
        let number = self.old.as_ref().map_or(0, |old| old.commit.number) + 1;
        let live = rows - self.removed.len() as u64;
        let commit = container::commit(self.output, KIND, number, rows, live, self.sections)?;
        Ok(Written::of(&commit))
    }

    fn check_usable(&self) -> Result<(), Error> {
        if self.is_broken {
            let path = self.output.path().to_owned();
            return Err(Error::Closed { path });
        }
        Ok(())
    }

    fn check_room(&self, count: usize) -> Result<(), Error> {
        if self.next_row() + count as u64 <= MAX_ROWS {
            return Ok(());
        }
        let reason = format!("a file holds at most {MAX_ROWS} rows");
        Err(Error::Limit { reason })
    }

    fn old_rows(&self) -> u64 {
        self.old.as_ref().map_or(0, |old| old.commit.rows)
    }

    fn next_row(&self) -> u64 {
        self.pending.first + self.pending.rows as u64
    }

    /// Fails for the first id that is taken.
    fn check_ids<I: AsRef<str>>(&mut self, ids: Option<&[I]>, count: usize) -> Result<(), Error> {
        let first = self.next_row();
        let taken = |row: usize, id: &str| {
            let error = CorpusError::DuplicateVectorId {
                id: id.to_owned(),
                row: Some(row),
            };
            Err(error.into())
        };
        let Some(ids) = ids else {
            let has_ids =
                self.ids.len() > 0 || self.old.as_ref().is_some_and(|old| !old.tables.is_empty());
            for row in (0..count).filter(|_| has_ids) {
                let id = (first + row as u64).to_string();
                if self.is_taken(&id)? {
                    return taken(row, &id);
                }
            }
            return Ok(());
        };
        let mut seen = HashSet::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            let id = id.as_ref();
            if !seen.insert(id) || self.is_taken(id)? {
                return taken(row, id);
            }
        }
        Ok(())
    }

    fn is_taken(&mut self, id: &str) -> Result<bool, Error> {
        let number = row_number(id);
        let is_numbered = |row| self.numbered.iter().any(|rows| rows.contains(&row));
        if number.is_some_and(|row| is_numbered(row) && !self.removed.contains(&row)) {
            return Ok(true);
        }
        if let Some(old) = &self.old {
            let removed = &self.removed;
            if old.find_row(id, &|row| !removed.contains(&row))?.is_some() {
                return Ok(true);
            }
        }
        let first = self.old_rows();
        let candidates: Vec<u32> = self.ids.candidates(tag_of(id)).collect();
        for row in candidates {
            if self.new_id_is(first + u64::from(row), id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a row written by this writer has the id.
    fn new_id_is(&mut self, row: u64, id: &str) -> Result<bool, Error> {
        if let Some(pending) = self.pending.id(row) {
            return Ok(pending == id);
        }
        let mut of_row = self
            .sections
            .iter()
            .filter(|section| section.first <= row && row - section.first < section.rows);
        let mut find = |kind| of_row.find(|section| section.kind == kind).copied();
        let (Some(ends), Some(texts)) = (find(kind::ID_ENDS), find(kind::ID_TEXTS)) else {
            return Ok(false);
        };
        let index = row - ends.first;
        let mut word = |index: u64| {
            let mut bytes = [0; 4];
            self.output.read_back(ends.offset + 4 * index, &mut bytes)?;
            Ok::<_, Error>(u64::from(u32::from_le_bytes(bytes)))
        };
        let start = if index == 0 { 0 } else { word(index - 1)? };
        if word(index)? != start + id.len() as u64 {
            return Ok(false);
        }
        let mut bytes = vec![0; id.len()];
        self.output.read_back(texts.offset + start, &mut bytes)?;
        Ok(bytes == id.as_bytes())
    }

    fn add(
        &mut self,
        packed: &[u8],
        residual: &[u8],
        id: Option<&str>,
        metadata: Option<&str>,
        time: Timestamp,
    ) -> Result<(), Error> {
        let is_mixed = self.pending.rows > 0 && self.pending.is_numbered != id.is_none();
        if is_mixed || self.pending.is_full() {
            self.flush()?;
        }
        let row = self.next_row();
        match id {
            Some(id) => self.ids.insert(tag_of(id), (row - self.old_rows()) as u32),
            None => match self.numbered.last_mut().filter(|rows| rows.end == row) {
                Some(rows) => rows.end += 1,
                None => self.numbered.push(row..row + 1),
            },
        }
        self.pending.push(packed, residual, id, metadata, time);
        Ok(())
    }

    /// Writes the rows that wait as a segment.
    fn flush(&mut self) -> Result<(), Error> {
        if self.pending.rows == 0 {
            return Ok(());
        }
        // Until everything is written the writer is of no use: an early return leaves it so.
        self.is_broken = true;
        self.sections.extend(self.pending.write(&mut self.output)?);
        self.is_broken = false;
        Ok(())
    }

    fn put(&mut self, kind: u32, first: u64, rows: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut section = SectionWriter::begin(&mut self.output, kind, first, rows)?;
        section.write(&mut self.output, bytes)?;
        self.sections.push(section.end());
        Ok(())
    }

    fn write_table(&mut self, first: u64, rows: u64) -> Result<(), Error> {
        let ids = std::mem::replace(&mut self.ids, IdIndex::new());
        let table = ids.write(&mut self.output, kind::ID_TABLE, first, rows)?;
        self.sections.push(table);
        Ok(())
    }

    /// Takes the last segments of the old file in front of the rows that wait, while they are not much larger than
    /// those: a file that grows row by row does not end up with a segment for each.
    fn absorb(&mut self, old: &CorpusFile) -> Result<(), Error> {
        if self.pending.first != old.commit.rows || self.pending.rows == 0 {
            return Ok(());
        }
        let mut size = self.pending.size();
        let mut taken = old.segments.len();
        for segment in old.segments.iter().rev() {
            let is_alike = segment.ids.is_none() == self.pending.is_numbered;
            let merged = size.and(&segment.size());
            if stays(segment.rows(), size.rows) || !is_alike || !merged.fits() {
                break;
            }
            size = merged;
            taken -= 1;
        }
        let segments = old.segments.get(taken..).unwrap_or_default();
        let Some(first) = segments.first().map(Segment::first) else {
            return Ok(());
        };
        let mut merged = Pending::new(first);
        let source = &old.source;
        for segment in segments {
            for row in segment.first()..segment.first() + segment.rows() {
                let (packed, residual) = segment.payload(source, row)?;
                let id = segment.id(source, row)?;
                let id = segment.ids.is_some().then_some(&*id);
                let metadata = segment.metadata(source, row)?;
                let time = segment.time(source, row)?;
                merged.push(&packed, &residual, id, metadata.as_deref(), time);
            }
        }
        self.sections
            .retain(|section| section.rows == 0 || section.first < first);
        merged.extend(std::mem::take(&mut self.pending));
        self.pending = merged;
        Ok(())
    }

    /// Writes the id table of the new rows, together with old ones that are not much larger, and keeps the others.
    fn write_tables(&mut self, old: &CorpusFile) -> Result<(), Error> {
        let rows = self.next_row();
        let mut first = old.commit.rows;
        let mut kept = old.tables.clone();
        if self.ids.len() > 0 {
            let mut merged = std::mem::replace(&mut self.ids, IdIndex::new());
            while let Some(table) = kept
                .last()
                .filter(|table| !stays(table.section().rows, rows - first))
            {
                let start = table.section().first;
                let mut larger = IdIndex::new();
                let is_live = |row| !self.removed.contains(&row);
                table.copy_into(&old.source, &mut larger, is_live)?;
                merged.shift_into((first - start) as u32, &mut larger);
                (merged, first) = (larger, start);
                kept.pop();
            }
            self.ids = merged;
        }
        self.sections
            .extend(kept.iter().map(|table| *table.section()));
        if self.ids.len() > 0 {
            self.write_table(first, rows - first)?;
        }
        Ok(())
    }
}
