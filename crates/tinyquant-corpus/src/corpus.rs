//! The corpus aggregate.

use crate::rows::Row;
use crate::stored::Base;
use crate::vector::Vector;
use crate::{
    Coding, CompressionPolicy, CorpusEvent, Error, Payload, Rows, StoredRows, Timestamp,
    VectorEntry,
};
use rayon::ThreadPool;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tinyquant_codec::{Codebook, CodecConfig, CompressedVector, Control, compress, decompress};

/// Slots that removed vectors leave behind are swept once there are more of them than vectors, but not
/// before there are this many.
const SWEEP_AT: usize = 64;

/// Vectors decoded at a time where all are.
const CHUNK: usize = 4096;

/// Vectors under ids, in insertion order, stored as one policy says, with the events that happened.
///
/// A corpus may have been opened with [`StoredRows`]; they come first and are read when they are needed.
/// Looking up, inserting and removing a vector takes constant time, amortised; a vector that is removed
/// and inserted again stands at the end.
#[derive(Debug, Clone)]
pub struct Corpus {
    id: Arc<str>,
    coding: Coding,
    metadata: Option<Arc<str>>,
    base: Option<Base>,
    /// What was inserted since, in order.
    slots: Vec<Slot>,
    /// Slot of each id in `slots`.
    index: HashMap<Arc<str>, usize>,
    /// Number of the next vector.
    next: u64,
    events: Vec<CorpusEvent>,
    entry_bytes: usize,
    event_bytes: usize,
}

/// A place in the insertion order.
#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    /// `None` where the vector was removed.
    entry: Option<VectorEntry>,
}

/// A place in a walk through a corpus, and what was met there.
#[derive(Debug)]
pub struct Page<T> {
    /// What was met, in insertion order.
    pub items: Vec<T>,
    /// Where the walk goes on; at or beyond its end when it is over.
    pub next: u64,
}

impl Corpus {
    /// An empty corpus. Nothing is checked here: a codebook whose bit width does not fit the
    /// configuration fails at the first insert that needs it.
    pub fn new(
        id: &str,
        config: CodecConfig,
        codebook: Codebook,
        policy: CompressionPolicy,
        metadata: Option<&str>,
        created_at: Timestamp,
    ) -> Self {
        let created = CorpusEvent::Created {
            corpus_id: id.into(),
            config: config.clone(),
            policy,
            timestamp: created_at,
        };
        let coding = Coding {
            policy,
            config,
            codebook,
        };
        let mut corpus = Self::assemble(id, coding, metadata, None);
        corpus.note(created);
        corpus
    }

    /// A corpus of rows that lie elsewhere, without those of the numbers in `removed`. No event.
    pub fn from_stored(
        id: &str,
        coding: Coding,
        metadata: Option<&str>,
        rows: Arc<dyn StoredRows>,
        removed: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut base = Base::new(rows);
        for row in removed {
            base.remove(row);
        }
        Self::assemble(id, coding, metadata, Some(base))
    }

    fn assemble(id: &str, coding: Coding, metadata: Option<&str>, base: Option<Base>) -> Self {
        Self {
            id: id.into(),
            coding,
            metadata: metadata.map(Arc::from),
            next: base.as_ref().map_or(0, |base| base.rows.len() as u64),
            base,
            slots: Vec::new(),
            index: HashMap::new(),
            events: Vec::new(),
            event_bytes: 0,
            entry_bytes: 0,
        }
    }

    /// Id of the corpus.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// How vectors are stored and got back.
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// Codec configuration of every record.
    pub fn config(&self) -> &CodecConfig {
        &self.coding.config
    }

    /// Codebook of every record.
    pub fn codebook(&self) -> &Codebook {
        &self.coding.codebook
    }

    /// How vectors are stored.
    pub fn policy(&self) -> CompressionPolicy {
        self.coding.policy
    }

    /// The caller's metadata: text that is kept and returned, never read.
    pub fn metadata(&self) -> Option<&Arc<str>> {
        self.metadata.as_ref()
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.index.len() + self.base.as_ref().map_or(0, Base::live)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the vector that is inserted next. Vectors are numbered in insertion order, stored rows from 0
    /// on; the number of a removed vector is not given again.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Bytes this corpus keeps on the heap, roughly; without the codebook, which is shared.
    pub fn heap_bytes(&self) -> usize {
        let metadata = self.metadata.as_ref().map_or(0, |text| text.len());
        let base = self.base.as_ref().map_or(0, Base::heap_bytes);
        self.entry_bytes + self.event_bytes + metadata + self.id.len() + base
    }

    /// Inserts one vector and notes one event.
    ///
    /// # Errors
    /// As [`Corpus::insert_batch`], without rows in `DimensionMismatch` and `DuplicateVectorId`.
    pub fn insert(
        &mut self,
        id: &str,
        vector: &[f32],
        metadata: Option<&str>,
        inserted_at: Timestamp,
    ) -> Result<VectorEntry, Error> {
        let row = Row {
            index: 0,
            id,
            values: vector,
        };
        self.check_row(&row, false)?;
        row.check_finite()?;
        let record = if self.coding.policy.requires_codec() {
            compress(vector, self.config(), self.codebook())?
        } else {
            let encoded = self.coding.encode(vector, None, &Control::default())?;
            self.coding.record(&encoded.packed, &encoded.residuals)?
        };
        let entry = self.entry(id, record, metadata, inserted_at);
        self.append(vec![entry.clone()], inserted_at);
        Ok(entry)
    }

    /// Inserts all rows, in order, or none of them, and notes one event (none if there are no rows).
    /// `metadata` has one item for each row, or is empty. The codec works on the threads of `pool`, or without
    /// one on the caller's.
    ///
    /// Complexity: one pass over the components to check them, then that of the codec's batch.
    ///
    /// # Errors
    /// The first row that fails decides; within a row the checks are, in this order, `DimensionMismatch`
    /// (`ERR_TQ_DIM_MISMATCH`), `DuplicateVectorId` (`ERR_TQ_ID_EXISTS`; ids repeated in the batch count)
    /// and `NonFinite` (`ERR_TQ_NON_FINITE`). After the rows: `CodebookIncompatible`
    /// (`ERR_TQ_CODEBOOK_MISMATCH`) and what does not fit f16 (`ERR_TQ_LIMIT`). Before them: `UnevenRows`.
    pub fn insert_batch<S: AsRef<str>>(
        &mut self,
        rows: &Rows<'_, S>,
        metadata: &[Option<impl AsRef<str>>],
        inserted_at: Timestamp,
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<VectorEntry>, Error> {
        if !metadata.is_empty() && metadata.len() != rows.len() {
            let reason = format!(
                "{} items of metadata do not go with {} rows",
                metadata.len(),
                rows.len()
            );
            return Err(Error::UnevenRows { reason });
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut seen = HashSet::with_capacity(rows.len());
        for row in rows.iter() {
            self.check_row(&row, true)?;
            if !seen.insert(row.id) {
                return Err(duplicate(&row, true));
            }
            row.check_finite()?;
        }
        let encoded = self
            .coding
            .encode(rows.values(), pool, &Control::default())?;
        let records = self.coding.records(&encoded)?;
        let texts = metadata.iter().map(|text| text.as_ref().map(AsRef::as_ref));
        let texts = texts.chain(std::iter::repeat(None));
        let entries: Vec<_> = rows
            .iter()
            .zip(records)
            .zip(texts)
            .map(|((row, record), text)| self.entry(row.id, record, text, inserted_at))
            .collect();
        self.append(entries.clone(), inserted_at);
        Ok(entries)
    }

    /// The vector with this id.
    ///
    /// # Errors
    /// `UnknownVectorId` (`ERR_TQ_ID_NOT_FOUND`).
    pub fn get(&self, id: &str) -> Result<VectorEntry, Error> {
        if let Some(entry) = self.inserted(id) {
            return Ok(entry.clone());
        }
        match &self.base {
            Some(base) => match base.find(id)? {
                Some(row) => base.rows.entry(row),
                None => Err(unknown(id)),
            },
            None => Err(unknown(id)),
        }
    }

    /// Whether there is a vector with this id.
    ///
    /// # Errors
    /// What reading stored rows says.
    pub fn contains(&self, id: &str) -> Result<bool, Error> {
        Ok(self.index.contains_key(id) || self.stored_row(id)?.is_some())
    }

    /// Removes a vector and says whether there was one. No event.
    ///
    /// # Errors
    /// What reading stored rows says; nothing is removed then.
    pub fn remove(&mut self, id: &str) -> Result<bool, Error> {
        if let Some(slot) = self.index.remove(id) {
            let entry = self.slots.get_mut(slot).and_then(|slot| slot.entry.take());
            self.entry_bytes -= entry.map_or(0, |entry| entry.heap_bytes());
            if self.slots.len() - self.index.len() > self.index.len().max(SWEEP_AT) {
                self.sweep();
            }
            return Ok(true);
        }
        let row = self.stored_row(id)?;
        if let (Some(row), Some(base)) = (row, &mut self.base) {
            base.remove(row);
        }
        Ok(row.is_some())
    }

    /// Whether the vector of this number, which was inserted, has not been removed.
    pub fn is_live(&self, number: u64) -> bool {
        match &self.base {
            Some(base) if number < base.rows.len() as u64 => base.is_live(number as usize),
            _ => self
                .slots
                .binary_search_by_key(&number, |slot| slot.number)
                .is_ok_and(|at| self.slots[at].entry.is_some()),
        }
    }

    /// At most `count` vectors in insertion order whose numbers lie from `from` on and below `until`.
    ///
    /// # Errors
    /// What reading stored rows says.
    pub fn page(&self, from: u64, until: u64, count: usize) -> Result<Page<VectorEntry>, Error> {
        self.walk(from, until, count, |vector| match vector {
            Vector::Inserted(entry, _) => Ok(entry.clone()),
            Vector::Stored(base, row) => base.rows.entry(row),
        })
    }

    /// The ids of at most `count` vectors; otherwise as [`Corpus::page`].
    ///
    /// # Errors
    /// As [`Corpus::page`].
    pub fn page_ids(&self, from: u64, until: u64, count: usize) -> Result<Page<Arc<str>>, Error> {
        self.walk(from, until, count, |vector| vector.id())
    }

    /// The ids and components of at most `count` vectors; otherwise as [`Corpus::page`]. No event.
    ///
    /// # Errors
    /// As [`Corpus::page`], or what the codec says about a record.
    pub fn page_values(
        &self,
        from: u64,
        until: u64,
        count: usize,
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<(Page<Arc<str>>, Vec<f32>), Error> {
        let page = self.walk(from, until, count, |vector| {
            Ok((vector.id()?, vector.payload()?))
        })?;
        let (ids, payloads): (Vec<_>, Vec<_>) = page.items.into_iter().unzip();
        let values = self.decode(&payloads, pool, control)?;
        let next = page.next;
        Ok((Page { items: ids, next }, values))
    }

    /// The stored bytes of at most `count` vectors; otherwise as [`Corpus::page`].
    ///
    /// # Errors
    /// As [`Corpus::page`].
    pub fn page_payloads(
        &self,
        from: u64,
        until: u64,
        count: usize,
    ) -> Result<Page<Payload<'_>>, Error> {
        self.walk(from, until, count, |vector| vector.payload())
    }

    /// The numbers of all vectors, ascending.
    ///
    /// # Errors
    /// As [`Corpus::page`].
    pub fn numbers(&self) -> Result<Vec<u64>, Error> {
        let all = self.walk(0, self.next, usize::MAX, |vector| Ok(vector.number()))?;
        Ok(all.items)
    }

    /// The ids and components of vectors by their numbers.
    pub(crate) fn values_of(
        &self,
        numbers: &[u64],
        control: &Control,
    ) -> Result<(Vec<Arc<str>>, Vec<f32>), Error> {
        let mut ids = Vec::with_capacity(numbers.len());
        let mut payloads = Vec::with_capacity(numbers.len());
        for number in numbers {
            let page = self.walk(*number, number.saturating_add(1), 1, |vector| {
                Ok((vector.id()?, vector.payload()?))
            })?;
            let Some((id, payload)) = page.items.into_iter().next() else {
                let reason = format!("there is no vector of the number {number}");
                return Err(tinyquant_codec::Error::InvalidArgument { reason }.into());
            };
            ids.push(id);
            payloads.push(payload);
        }
        let values = self.decode(&payloads, None, control)?;
        Ok((ids, values))
    }

    /// The components of one vector. No event.
    ///
    /// # Errors
    /// `UnknownVectorId`, or what the codec says about the record.
    pub fn decompress(&self, id: &str) -> Result<Vec<f32>, Error> {
        let payload = self.payload(id)?;
        if self.coding.policy.requires_codec() {
            let record = self.coding.record(&payload.0, &payload.1)?;
            return Ok(decompress(&record, self.config(), self.codebook())?);
        }
        self.decode(&[payload], None, &Control::default())
    }

    /// The components of all vectors, one vector after another, in insertion order. Notes one event,
    /// unless the corpus is empty.
    ///
    /// # Errors
    /// What reading stored rows or the codec says about a record; no event then.
    pub fn decompress_all(
        &mut self,
        now: Timestamp,
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<f32>, Error> {
        let vector_count = self.len();
        if vector_count == 0 {
            return Ok(Vec::new());
        }
        let mut all = Vec::with_capacity(vector_count * self.config().dimension());
        let (mut from, control) = (0, Control::default());
        while from < self.next {
            let (page, values) = self.page_values(from, self.next, CHUNK, pool, &control)?;
            all.extend(values);
            from = page.next;
        }
        let corpus_id = Arc::clone(&self.id);
        self.note(CorpusEvent::Decompressed {
            corpus_id,
            vector_count,
            timestamp: now,
        });
        Ok(all)
    }

    /// Takes the events that happened since the last call, in order. They are kept, with the ids they name, until
    /// they are taken: a program that inserts for a long time should take them now and then.
    pub fn drain_events(&mut self) -> Vec<CorpusEvent> {
        self.event_bytes = 0;
        std::mem::take(&mut self.events)
    }

    fn check_row(&self, row: &Row<'_>, is_batch: bool) -> Result<(), Error> {
        row.check_length(self.config().dimension(), is_batch)?;
        if self.contains(row.id)? {
            return Err(duplicate(row, is_batch));
        }
        Ok(())
    }

    fn inserted(&self, id: &str) -> Option<&VectorEntry> {
        let slot = self.index.get(id).and_then(|&slot| self.slots.get(slot));
        slot.and_then(|slot| slot.entry.as_ref())
    }

    fn stored_row(&self, id: &str) -> Result<Option<usize>, Error> {
        self.base.as_ref().map_or(Ok(None), |base| base.find(id))
    }

    fn payload(&self, id: &str) -> Result<Payload<'_>, Error> {
        if let Some(entry) = self.inserted(id) {
            return Vector::Inserted(entry, 0).payload();
        }
        match (&self.base, self.stored_row(id)?) {
            (Some(base), Some(row)) => Vector::Stored(base, row).payload(),
            _ => Err(unknown(id)),
        }
    }

    /// Visits at most `count` vectors from a number on.
    fn walk<'a, T>(
        &'a self,
        from: u64,
        until: u64,
        count: usize,
        mut visit: impl FnMut(Vector<'a>) -> Result<T, Error>,
    ) -> Result<Page<T>, Error> {
        let mut items = Vec::new();
        let until = until.min(self.next);
        let stored = self.base.as_ref().map_or(0, |base| base.rows.len() as u64);
        if let Some(base) = self.base.as_ref().filter(|_| from < stored) {
            for row in base.rows_from(from as usize) {
                let number = row as u64;
                if items.len() == count || number >= until {
                    let next = number;
                    return Ok(Page { items, next });
                }
                items.push(visit(Vector::Stored(base, row))?);
            }
        }
        let first = self.slots.partition_point(|slot| slot.number < from);
        for slot in &self.slots[first..] {
            let Some(entry) = &slot.entry else { continue };
            if items.len() == count || slot.number >= until {
                let next = slot.number;
                return Ok(Page { items, next });
            }
            items.push(visit(Vector::Inserted(entry, slot.number))?);
        }
        let next = until;
        Ok(Page { items, next })
    }

    fn decode(
        &self,
        payloads: &[Payload<'_>],
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<f32>, Error> {
        let rows: Vec<_> = payloads.iter().map(|(a, b)| (&**a, &**b)).collect();
        self.coding.decode(&rows, pool, control)
    }

    fn entry(
        &self,
        id: &str,
        record: CompressedVector,
        metadata: Option<&str>,
        inserted_at: Timestamp,
    ) -> VectorEntry {
        let dimension = self.config().dimension();
        VectorEntry {
            id: id.into(),
            record: Arc::new(record),
            dimension,
            inserted_at,
            metadata: metadata.map(Arc::from),
        }
    }

    /// Takes in entries whose ids are known to be new.
    fn append(&mut self, entries: Vec<VectorEntry>, timestamp: Timestamp) {
        let vector_ids = entries.iter().map(|entry| Arc::clone(&entry.id)).collect();
        self.slots.reserve(entries.len());
        self.index.reserve(entries.len());
        for entry in entries {
            self.entry_bytes += entry.heap_bytes();
            self.index.insert(Arc::clone(&entry.id), self.slots.len());
            let number = self.next;
            let entry = Some(entry);
            self.slots.push(Slot { number, entry });
            self.next += 1;
        }
        let corpus_id = Arc::clone(&self.id);
        self.note(CorpusEvent::VectorsInserted {
            corpus_id,
            vector_ids,
            timestamp,
        });
    }

    fn note(&mut self, event: CorpusEvent) {
        self.event_bytes += event.heap_bytes();
        self.events.push(event);
    }

    /// Closes the gaps that removed vectors left, and gives back memory that has become far too large.
    fn sweep(&mut self) {
        self.slots.retain(|slot| slot.entry.is_some());
        self.slots.shrink_to(self.slots.len() * 2);
        self.index.shrink_to(self.index.len() * 2);
        let entries = self.slots.iter().filter_map(|slot| slot.entry.as_ref());
        for (at, entry) in entries.enumerate() {
            if let Some(place) = self.index.get_mut(&entry.id) {
                *place = at;
            }
        }
    }
}

fn unknown(id: &str) -> Error {
    Error::UnknownVectorId { id: id.to_owned() }
}

fn duplicate(row: &Row<'_>, is_batch: bool) -> Error {
    Error::DuplicateVectorId {
        id: row.id.to_owned(),
        row: is_batch.then_some(row.index),
    }
}
