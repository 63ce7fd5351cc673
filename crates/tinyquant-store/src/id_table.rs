//! Finding the row of an id.
//!
//! A table on disk is a number of slots N, u64, then slots of 8 bytes: row + 1 and tag, u32 each; row + 1 is 0 in
//! an empty slot. The tag of an id is the upper half of its XXH3-64 hash (seed 0), its home is slot
//! `tag * N / 2^32`. Entries are ascending by tag and then row, each in the first free slot from its home on; the
//! last ones may lie beyond slot N. None lies more than 4096 slots after its home.

use crate::Error;
use crate::Source;
use crate::container::{Fields, Section, SectionWriter};
use crate::sink::Sink;
use xxhash_rust::xxh3::xxh3_64;

/// Parts of the table in memory; each grows by itself, so that little memory is in use twice.
const SHARDS: usize = 64;
/// Bytes of a slot.
const SLOT: u64 = 8;
/// Slots between an entry and its home at most, so that a lookup ends soon in any file. Ids that were not made to
/// have the same tag stay far below: a few hundred in a table of 4 billion.
pub(crate) const DISTANCE: u64 = 1 << 12;
/// Slots that are read at a time.
const READ: u64 = 8;

/// The tag of an id: of the bytes of its text, or of the eight of a whole number.
pub(crate) fn tag_of(id: impl AsRef<[u8]>) -> u32 {
    (xxh3_64(id.as_ref()) >> 32) as u32
}

pub(crate) fn home(tag: u32, slots: u64) -> u64 {
    ((u128::from(tag) * u128::from(slots)) >> 32) as u64
}

/// Whether a run of old rows, or their table, stays as it is where `new` rows follow it, rather than being written
/// again together with them. What stays is at least half as large again as what follows: runs remain few.
pub(crate) fn stays(old: u64, new: u64) -> bool {
    2 * old > 3 * new
}

/// Tags and rows in memory.
#[derive(Debug)]
pub(crate) struct IdIndex {
    shards: Vec<Shard>,
    len: u64,
}

/// An open-addressing table of `tag << 32 | row + 1`; 0 is an empty slot.
#[derive(Debug, Default)]
struct Shard {
    slots: Vec<u64>,
    len: usize,
}

impl IdIndex {
    pub(crate) fn new() -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS);
        Self {
            shards: shards.collect(),
            len: 0,
        }
    }

    /// Entries.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn insert(&mut self, tag: u32, row: u32) {
        if let Some(shard) = self.shards.get_mut(shard_of(tag)) {
            shard.insert((u64::from(tag) << 32) | (u64::from(row) + 1));
            self.len += 1;
        }
    }

    /// Rows with this tag.
    pub(crate) fn candidates(&self, tag: u32) -> impl Iterator<Item = u32> {
        let shard = self.shards.get(shard_of(tag));
        let chain = shard.into_iter().flat_map(move |shard| shard.chain(tag));
        chain
            .filter(move |entry| (entry >> 32) as u32 == tag)
            .map(|entry| entry as u32 - 1)
    }

    /// Puts its entries into another index, with rows that are `shift` higher.
    pub(crate) fn shift_into(self, shift: u32, other: &mut Self) {
        for entry in self.shards.into_iter().flat_map(|shard| shard.slots) {
            if entry != 0 {
                other.insert((entry >> 32) as u32, entry as u32 - 1 + shift);
            }
        }
    }

    /// Appends the table as a section. Rows are counted from `first`.
    ///
    /// # Errors
    /// `Io`; `Limit` for more ids with the same tag than a table holds.
    pub(crate) fn write(
        self,
        sink: &mut impl Sink,
        kind: u32,
        first: u64,
        rows: u64,
    ) -> Result<Section, Error> {
        let mut section = SectionWriter::begin(sink, kind, first, rows)?;
        let slots = self.len + self.len.div_ceil(2);
        section.write(sink, &slots.to_le_bytes())?;
        let mut at = 0;
        for shard in self.shards {
            let mut entries = shard.slots;
            entries.retain(|entry| *entry != 0);
            entries.sort_unstable();
            let mut bytes = Vec::new();
            for entry in entries {
                let home = home((entry >> 32) as u32, slots);
                let place = home.max(at);
                if place - home > DISTANCE {
                    let reason = "too many ids have the same upper half of their hash".to_owned();
                    return Err(Error::Limit { reason });
                }
                bytes.resize(bytes.len() + ((place - at) * SLOT) as usize, 0);
                bytes.extend(entry.to_le_bytes());
                at = place + 1;
            }
            section.write(sink, &bytes)?;
        }
        let rest = slots.saturating_sub(at);
        section.write(sink, &vec![0; (rest * SLOT) as usize])?;
        Ok(section.end())
    }
}

/// Shards divide the tags in ascending order.
fn shard_of(tag: u32) -> usize {
    tag as usize >> 26
}

impl Shard {
    fn place(&self, entry: u64) -> usize {
        let within = (entry >> 32) as u32;
        home(within << 6, self.slots.len() as u64) as usize
    }

    fn insert(&mut self, entry: u64) {
        if 4 * (self.len + 1) > 3 * self.slots.len() {
            let larger = vec![0; (self.slots.len() + self.slots.len() / 2).max(16)];
            for entry in std::mem::replace(&mut self.slots, larger) {
                if entry != 0 {
                    self.put(entry);
                }
            }
        }
        self.put(entry);
        self.len += 1;
    }

    fn put(&mut self, entry: u64) {
        let from = self.place(entry);
        let (before, after) = self.slots.split_at_mut(from);
        let free = after.iter_mut().chain(before).find(|slot| **slot == 0);
        if let Some(slot) = free {
            *slot = entry;
        }
    }

    /// The entries that a search for a tag meets.
    fn chain(&self, tag: u32) -> impl Iterator<Item = u64> {
        let from = self.place(u64::from(tag) << 32).min(self.slots.len());
        let (before, after) = self.slots.split_at(from);
        let around = after.iter().chain(before).copied();
        around.take_while(|entry| *entry != 0)
    }
}

/// A table on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdTable {
    section: Section,
    /// Slots that are homes.
    slots: u64,
}

impl IdTable {
    pub(crate) fn open(source: &Source, section: Section) -> Result<Self, Error> {
        let slots = Fields(&section.part(source, 0, 8)?).u64();
        let fits = section.len.is_multiple_of(SLOT) && slots < section.len / SLOT;
        if !fits {
            let reason = format!("{slots} slots do not fit the id table");
            return Err(source.malformed("InvalidIdTable", section.offset, reason));
        }
        Ok(Self { section, slots })
    }

    /// What it is about.
    pub(crate) fn section(&self) -> &Section {
        &self.section
    }

    /// Whether a table may come after it: it is about later rows, and fewer of them, so that tables remain few.
    pub(crate) fn precedes(&self, next: &Section) -> bool {
        let Section { first, rows, .. } = self.section;
        next.first >= first + rows && stays(rows, next.rows)
    }

    /// The first row with this tag that `accept` takes; rows are those of the file.
    pub(crate) fn find(
        &self,
        source: &Source,
        tag: u32,
        mut accept: impl FnMut(u64) -> Result<bool, Error>,
    ) -> Result<Option<u64>, Error> {
        let mut at = home(tag, self.slots);
        let end = (self.section.len / SLOT - 1).min(at + DISTANCE + 1);
        while at < end {
            let count = READ.min(end - at);
            let slots = self.section.part(source, SLOT * (at + 1), SLOT * count)?;
            for slot in slots.as_chunks::<8>().0 {
                let entry = u64::from_le_bytes(*slot);
                let (found, row) = ((entry >> 32) as u32, entry as u32);
                if row == 0 || found > tag {
                    return Ok(None);
                }
                let row = u64::from(row) - 1;
                if found == tag && row < self.section.rows && accept(self.section.first + row)? {
                    return Ok(Some(self.section.first + row));
                }
            }
            at += count;
        }
        Ok(None)
    }

    /// Puts the entries of rows that `is_live` takes into an index whose rows are counted from the first one of the table.
    pub(crate) fn copy_into(
        &self,
        source: &Source,
        index: &mut IdIndex,
        is_live: impl Fn(u64) -> bool,
    ) -> Result<(), Error> {
        let bytes = self.section.bytes(source)?;
        for slot in bytes.as_chunks::<8>().0.iter().skip(1) {
            let entry = u64::from_le_bytes(*slot);
            let row = entry as u32;
            let is_row = row != 0 && u64::from(row) <= self.section.rows;
            if is_row && is_live(self.section.first + u64::from(row) - 1) {
                index.insert((entry >> 32) as u32, row - 1);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::kind;
    use crate::sink::Memory;

    /// A table whose rows all have one tag, and its bytes.
    fn crowded(rows: u64) -> Result<(Section, Vec<u8>), Error> {
        let mut index = IdIndex::new();
        for row in 0..rows {
            index.insert(0, row as u32);
        }
        assert_eq!(index.len(), rows);
        let mut memory = Memory::default();
        let section = index.write(&mut memory, kind::ID_TABLE, 0, rows)?;
        Ok((section, memory.into_bytes()))
    }

    #[test]
    fn one_tag_has_as_many_rows_as_a_search_looks_at() {
        let (_, bytes) = crowded(DISTANCE + 1).unwrap();
        let slots = bytes.as_chunks::<8>().0;
        let (count, entries) = (u64::from_le_bytes(slots[0]), &slots[1..]);
        assert_eq!(count, (3 * (DISTANCE + 1)).div_ceil(2));
        assert_eq!(entries.len() as u64, count);
        let entries = entries.iter().map(|slot| u64::from_le_bytes(*slot));
        let expected = (0..count).map(|at| if at <= DISTANCE { at + 1 } else { 0 });
        assert!(entries.eq(expected));
        let refused = crowded(DISTANCE + 2).unwrap_err();
        assert_eq!(refused.code(), tinyquant_codec::ErrorCode::Limit);
    }

    #[test]
    fn rows_that_a_table_is_not_about_are_not_found() {
        let (mut section, bytes) = crowded(10).unwrap();
        (section.first, section.rows) = (100, 8);
        let source = Source::from_bytes(bytes);
        let table = IdTable::open(&source, section).unwrap();
        for (row, expected) in [(100, Some(100)), (107, Some(107)), (108, None), (7, None)] {
            let found = table.find(&source, 0, |at| Ok(at == row)).unwrap();
            assert_eq!(found, expected);
        }
        let mut index = IdIndex::new();
        table
            .copy_into(&source, &mut index, |row| row != 103)
            .unwrap();
        assert!(index.candidates(0).eq([0, 1, 2, 4, 5, 6, 7]));
    }

    #[test]
    fn a_search_ends_at_its_distance() {
        let (mut section, mut bytes) = crowded(DISTANCE + 1).unwrap();
        let find = |section: Section, bytes: &[u8], wanted: u64| {
            let source = Source::from_bytes(bytes.to_vec());
            let table = IdTable::open(&source, section).unwrap();
            table.find(&source, 0, |row| Ok(row == wanted)).unwrap()
        };
        for row in [0, 1, 7, 8, 4095, DISTANCE] {
            assert_eq!(find(section, &bytes, row), Some(row));
        }
        // One entry more, which no writer makes.
        section.rows += 1;
        let at = 8 * (DISTANCE as usize + 2);
        bytes[at..at + 8].copy_from_slice(&(DISTANCE + 2).to_le_bytes());
        assert_eq!(find(section, &bytes, DISTANCE), Some(DISTANCE));
        assert_eq!(find(section, &bytes, DISTANCE + 1), None);
    }

    #[test]
    fn rows_of_a_tag_are_found_in_memory_and_move_together() {
        let mut index = IdIndex::new();
        let tag = |row: u32| row.wrapping_mul(0x9e37_79b9);
        for row in 0..5000 {
            index.insert(tag(row), row);
        }
        let mut other = IdIndex::new();
        index.shift_into(7, &mut other);
        assert_eq!(other.len(), 5000);
        for row in 0..5000 {
            assert!(other.candidates(tag(row)).eq([row + 7]), "{row}");
        }
        assert_eq!(other.candidates(tag(5000)).count(), 0);
    }

    #[test]
    fn runs_stay_that_are_half_as_large_again_as_what_follows() {
        assert!(stays(16, 10) && !stays(15, 10) && !stays(0, 0) && stays(1, 0));
    }
}
