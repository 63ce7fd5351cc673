//! The corpus aggregate.

use crate::rows::Row;
use crate::{CompressionPolicy, CorpusEvent, Error, Rows, Timestamp, VectorEntry};
use rayon::ThreadPool;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedVector, Control, compress, compress_batch, decompress,
    decompress_records, narrow_f16, widen_f16,
};

/// Slots that removed vectors leave behind are swept once there are more of them than vectors, but not
/// before there are this many.
const SWEEP_AT: usize = 64;

/// Vectors under ids, in insertion order, stored as one policy says, with the events that happened.
///
/// Looking up, inserting and removing a vector takes constant time, amortised; a vector that is removed
/// and inserted again stands at the end.
#[derive(Debug)]
pub struct Corpus {
    id: Arc<str>,
    config: CodecConfig,
    codebook: Codebook,
    policy: CompressionPolicy,
    metadata: Option<Arc<str>>,
    /// Insertion order; `None` where a vector was removed.
    slots: Vec<Option<VectorEntry>>,
    /// Slot of each id.
    index: HashMap<Arc<str>, usize>,
    events: Vec<CorpusEvent>,
    entry_bytes: usize,
    event_bytes: usize,
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
        let id: Arc<str> = id.into();
        let created = CorpusEvent::Created {
            corpus_id: Arc::clone(&id),
            config: config.clone(),
            policy,
            timestamp: created_at,
        };
        Self {
            id,
            config,
            codebook,
            policy,
            metadata: metadata.map(Arc::from),
            slots: Vec::new(),
            index: HashMap::new(),
            event_bytes: created.heap_bytes(),
            events: vec![created],
            entry_bytes: 0,
        }
    }

    /// Id of the corpus.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Codec configuration of every record.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// Codebook of every record.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// How vectors are stored.
    pub fn policy(&self) -> CompressionPolicy {
        self.policy
    }

    /// The caller's metadata: text that is kept and returned, never read.
    pub fn metadata(&self) -> Option<&Arc<str>> {
        self.metadata.as_ref()
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes this corpus keeps on the heap, roughly; without the codebook, which is shared.
    pub fn heap_bytes(&self) -> usize {
        let metadata = self.metadata.as_ref().map_or(0, |text| text.len());
        self.entry_bytes + self.event_bytes + metadata + self.id.len()
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
        let entry = self.entry(id, self.encode_row(vector, 0)?, metadata, inserted_at);
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
        let records = self.encode(rows.values(), pool)?;
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
    pub fn get(&self, id: &str) -> Result<&VectorEntry, Error> {
        let slot = self.index.get(id).and_then(|&slot| self.slots.get(slot));
        slot.and_then(Option::as_ref)
            .ok_or_else(|| Error::UnknownVectorId { id: id.to_owned() })
    }

    /// Whether there is a vector with this id.
    pub fn contains(&self, id: &str) -> bool {
        self.index.contains_key(id)
    }

    /// Removes a vector and returns it, if there is one. No event.
    pub fn remove(&mut self, id: &str) -> Option<VectorEntry> {
        let slot = self.index.remove(id)?;
        let entry = self.slots.get_mut(slot).and_then(Option::take)?;
        self.entry_bytes -= entry.heap_bytes();
        if self.slots.len() - self.index.len() > self.index.len().max(SWEEP_AT) {
            self.sweep();
        }
        Some(entry)
    }

    /// The vectors in insertion order.
    pub fn entries(&self) -> impl Iterator<Item = &VectorEntry> {
        self.slots.iter().flatten()
    }

    /// At most `count` vectors in insertion order, without the first `from`. A page that is not the first closes
    /// the gaps that removed vectors left, so that a walk page by page takes linear time in all.
    pub fn page(&mut self, from: usize, count: usize) -> impl Iterator<Item = &VectorEntry> {
        if from > 0 && self.slots.len() > self.index.len() {
            self.sweep();
        }
        let slots = self.slots.get(from..).unwrap_or_default();
        slots.iter().flatten().take(count)
    }

    /// The components of one vector. No event.
    ///
    /// # Errors
    /// `UnknownVectorId`, or what the codec says about the record.
    pub fn decompress(&self, id: &str) -> Result<Vec<f32>, Error> {
        let entry = self.get(id)?;
        if self.policy.requires_codec() {
            return Ok(decompress(&entry.record, &self.config, &self.codebook)?);
        }
        self.decode(&[entry], None)
    }

    /// The components of several vectors, one vector after another. No event.
    ///
    /// # Errors
    /// `UnknownVectorId` for the first id that is unknown, or what the codec says about a record.
    pub fn decompress_many<S: AsRef<str>>(
        &self,
        ids: &[S],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<f32>, Error> {
        let entries = ids
            .iter()
            .map(|id| self.get(id.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        self.decode(&entries, pool)
    }

    /// The components of all vectors, one vector after another, in insertion order. Notes one event,
    /// unless the corpus is empty.
    ///
    /// # Errors
    /// What the codec says about a record; no event then.
    pub fn decompress_all(
        &mut self,
        now: Timestamp,
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<f32>, Error> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let entries: Vec<_> = self.entries().collect();
        let vector_count = entries.len();
        let values = self.decode(&entries, pool)?;
        let corpus_id = Arc::clone(&self.id);
        self.note(CorpusEvent::Decompressed {
            corpus_id,
            vector_count,
            timestamp: now,
        });
        Ok(values)
    }

    /// Takes the events that happened since the last call, in order. They are kept, with the ids they name, until
    /// they are taken: a program that inserts for a long time should take them now and then.
    pub fn drain_events(&mut self) -> Vec<CorpusEvent> {
        self.event_bytes = 0;
        std::mem::take(&mut self.events)
    }

    fn check_row(&self, row: &Row<'_>, is_batch: bool) -> Result<(), Error> {
        row.check_length(self.config.dimension(), is_batch)?;
        if self.contains(row.id) {
            return Err(duplicate(row, is_batch));
        }
        Ok(())
    }

    /// Records of whole rows of finite values, as the policy stores them.
    fn encode(
        &self,
        values: &[f32],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<Arc<CompressedVector>>, Error> {
        if self.policy.requires_codec() {
            let batch = compress_batch(
                values,
                &self.config,
                &self.codebook,
                pool,
                &Control::default(),
            )?;
            return Ok((0..batch.len())
                .filter_map(|row| batch.record(row))
                .map(Arc::new)
                .collect());
        }
        let rows = values.chunks_exact(self.config.dimension()).enumerate();
        rows.map(|(row, values)| self.encode_row(values, row))
            .collect()
    }

    /// The record of one row of finite values. `row` is named in errors.
    fn encode_row(&self, values: &[f32], row: usize) -> Result<Arc<CompressedVector>, Error> {
        let bytes = match self.policy {
            CompressionPolicy::Compress => {
                return Ok(Arc::new(compress(values, &self.config, &self.codebook)?));
            }
            CompressionPolicy::Passthrough => {
                let mut bytes = Vec::with_capacity(size_of_val(values));
                for value in values {
                    bytes.extend(value.to_le_bytes());
                }
                bytes
            }
            CompressionPolicy::Fp16 => narrow_f16(values, row)?,
        };
        // One 8-bit index a byte, under the hash of a configuration that this dimension and bit width do
        // not fit: so TinyQuant writes it.
        let dimension = bytes.len();
        let record =
            CompressedVector::from_parts(self.config.shared_hash(), dimension, 8, bytes, None)?;
        Ok(Arc::new(record))
    }

    fn decode(
        &self,
        entries: &[&VectorEntry],
        pool: Option<&ThreadPool>,
    ) -> Result<Vec<f32>, Error> {
        match self.policy {
            CompressionPolicy::Compress => {
                let records: Vec<_> = entries.iter().map(|entry| entry.record.as_ref()).collect();
                let control = Control::default();
                Ok(decompress_records(
                    &records,
                    &self.config,
                    &self.codebook,
                    pool,
                    &control,
                )?)
            }
            CompressionPolicy::Passthrough => {
                let bytes = entries
                    .iter()
                    .flat_map(|entry| entry.record.packed().as_chunks().0);
                Ok(bytes.map(|&bytes| f32::from_le_bytes(bytes)).collect())
            }
            CompressionPolicy::Fp16 => Ok(entries
                .iter()
                .flat_map(|entry| widen_f16(entry.record.packed()))
                .collect()),
        }
    }

    fn entry(
        &self,
        id: &str,
        record: Arc<CompressedVector>,
        metadata: Option<&str>,
        inserted_at: Timestamp,
    ) -> VectorEntry {
        let dimension = self.config.dimension();
        VectorEntry {
            id: id.into(),
            record,
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
            self.slots.push(Some(entry));
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
        self.slots.retain(Option::is_some);
        self.slots.shrink_to(self.slots.len() * 2);
        self.index.shrink_to(self.index.len() * 2);
        for (slot, entry) in self.slots.iter().flatten().enumerate() {
            if let Some(place) = self.index.get_mut(&entry.id) {
                *place = slot;
            }
        }
    }
}

fn duplicate(row: &Row<'_>, is_batch: bool) -> Error {
    Error::DuplicateVectorId {
        id: row.id.to_owned(),
        row: is_batch.then_some(row.index),
    }
}
