//! Holding the ids of rows against the tables that should lead to them.

use crate::container::{Fields, Section};
use crate::id_table::{DISTANCE, IdTable, home};
use crate::reading::{PIECE, Progress, Reading};
use crate::{Error, Source};
use std::collections::HashSet;
use std::hash::Hash;

/// The ids of a file, by row.
pub(crate) struct IdCheck<'a> {
    source: &'a Source,
    /// `tag << 32 | row` for each row with an id of its own, by row.
    entries: Vec<u64>,
}

impl<'a> IdCheck<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            entries: Vec::new(),
        }
    }

    /// Takes the id of a later row than those before.
    pub(crate) fn push(&mut self, tag: u32, row: u64) {
        self.entries.push((u64::from(tag) << 32) | row);
    }

    /// Holds an id table against the table that the ids give.
    pub(crate) fn table(
        &self,
        section: &Section,
        is_removed: impl Fn(u64) -> bool,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let rows = section.first..section.first + section.rows;
        let place = |row: u64| self.entries.partition_point(|entry| row_of(*entry) < row);
        let range = place(rows.start)..place(rows.end);
        let mut expected = self.entries.get(range).unwrap_or_default().to_vec();
        expected.sort_unstable();
        let mut expected = expected.into_iter().peekable();
        let mut reading = Reading::new(self.source, "id table", *section);
        let slots = Fields(&reading.next(8)?).u64();
        progress.advance(8)?;
        let mut at = 0;
        while reading.at < section.len {
            let bytes = reading.next(PIECE.min(section.len - reading.at))?;
            for slot in bytes.as_chunks().0 {
                let found = u64::from_le_bytes(*slot);
                // Rows that were removed may have left their table.
                let mut next = || expected.next_if(|entry| home(tag(*entry), slots) <= at);
                let is_gone = |entry: u64| is_removed(row_of(entry));
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
            progress.advance(bytes.len() as u64)?;
        }
        if expected.any(|entry| !is_removed(row_of(entry))) {
            let reason = "ids are missing in the id table";
            return Err(self.malformed("InvalidIdTable", section.offset, reason.to_owned()));
        }
        reading.finish()
    }

    /// Fails if a row that was not removed is in no table, or two of them share an id; `id_of` gives that of a row.
    pub(crate) fn duplicates<K: Hash + Eq>(
        mut self,
        tables: &[IdTable],
        is_removed: impl Fn(u64) -> bool,
        id_of: impl Fn(u64) -> Result<K, Error>,
        progress: &Progress<'_>,
    ) -> Result<(), Error> {
        let ranges = tables.iter().map(|table| {
            let section = table.section();
            section.first..section.first + section.rows
        });
        let mut ranges = ranges.peekable();
        for entry in &self.entries {
            let row = row_of(*entry);
            while ranges.next_if(|range| range.end <= row).is_some() {}
            let is_known = ranges.peek().is_some_and(|range| range.contains(&row));
            if !is_known && !is_removed(row) {
                let reason = format!("no id table knows row {row}");
                return Err(self.malformed("InvalidIdTable", 0, reason));
            }
        }
        self.entries.sort_unstable();
        for group in self.entries.chunk_by(|a, b| a >> 32 == b >> 32) {
            let mut seen = HashSet::new();
            for entry in group.iter().filter(|_| group.len() > 1) {
                let row = row_of(*entry);
                if !is_removed(row) && !seen.insert(id_of(row)?) {
                    let reason = format!("row {row} has the id of another row");
                    return Err(self.malformed("DuplicateId", 0, reason));
                }
            }
            progress.control.check()?;
        }
        Ok(())
    }

    fn malformed(&self, kind: &'static str, offset: u64, reason: String) -> Error {
        self.source.malformed(kind, offset, reason)
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
