//! The frame of the project's own files: two superblocks, sections, and a table that names them.
//!
//! docs/format.md describes it to the byte.

use crate::sink::{Memory, Sink};
use crate::{Error, Output, Source};
use std::borrow::Cow;
use std::ops::Range;

/// First bytes of a file.
const MAGIC: &[u8; 4] = b"TQCV";
/// Version of the frame; 1 is TinyQuant's corpus file.
pub(crate) const VERSION: u8 = 2;
/// Bytes that a superblock has to itself, so that writing one cannot damage the other.
const BLOCK: u64 = 4096;
/// Bytes of a superblock that are used.
const USED: usize = 68;
/// Where a superblock says how long the file is.
const END_AT: Range<usize> = 56..64;
/// Where sections may begin.
pub(crate) const FIRST_SECTION: u64 = 2 * BLOCK;
/// Sections begin at multiples of this.
const ALIGNMENT: u64 = 64;
/// Bytes of a table entry.
const ENTRY: usize = 40;

/// A run of bytes with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) kind: u32,
    pub(crate) crc: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// First row that it is about.
    pub(crate) first: u64,
    /// Rows that it is about.
    pub(crate) rows: u64,
}

/// One state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// 1 for a file that was written at once, one more for each time it grew.
    pub(crate) number: u64,
    /// Rows, removed ones counted.
    pub(crate) rows: u64,
    /// Rows that were not removed.
    pub(crate) live: u64,
    /// Bytes of the file that belong to this state and those before it.
    pub(crate) end: u64,
    /// Checksum of the table.
    pub(crate) table_crc: u32,
    /// End of a later state that the file has lost.
    lost: Option<u64>,
    pub(crate) sections: Vec<Section>,
}

/// A superblock.
struct Superblock {
    kind: u8,
    number: u64,
    rows: u64,
    live: u64,
    table_offset: u64,
    table_len: u64,
    table_crc: u32,
    end: u64,
}

/// Little-endian fields, one after another. Missing bytes read as 0; callers check the length first.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let [value] = self.take();
        value
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

impl Superblock {
    /// Reads one of the two superblocks; none where none was ever completed, for then its end is still 0.
    fn read(source: &Source, slot: u64) -> Result<Option<Self>, Error> {
        let offset = slot * BLOCK;
        let present = source.len().saturating_sub(offset).min(USED as u64);
        let bytes = source.read(offset, present)?;
        if bytes.get(END_AT).is_some_and(|end| end == [0; 8]) {
            return Ok(None);
        }
        let magic = bytes.get(..4).unwrap_or(&bytes);
        if !MAGIC.starts_with(magic) {
            return Err(source.malformed("BadMagic", offset, "not a tinyquant file: bad magic"));
        }
        if bytes.len() < USED {
            return Err(source.truncated(offset + USED as u64, source.len()));
        }
        let (body, crc) = bytes.split_at(USED - 4);
        let mut fields = Fields(body.get(4..).unwrap_or_default());
        let version = fields.u8();
        if version != VERSION {
            return Err(source.unknown_version(version.into()));
        }
        source.check_crc(
            "superblock",
            offset,
            Fields(crc).u32(),
            crc32fast::hash(body),
        )?;
        let kind = fields.u8();
        if fields.take() != [0, 0] {
            return Err(source.malformed("Reserved", offset + 6, "reserved bytes are not zero"));
        }
        let number = fields.u64();
        // The next one takes the other slot.
        if number == 0 || number == u64::MAX || slot_of(number) != slot {
            let reason = format!("state {number} has no superblock here");
            return Err(source.malformed("InvalidNumber", offset + 8, reason));
        }
        let (rows, live) = (fields.u64(), fields.u64());
        let (table_offset, table_len) = (fields.u64(), fields.u64());
        let table_crc = fields.u32();
        if fields.take() != [0; 4] {
            return Err(source.malformed("Reserved", offset + 52, "reserved bytes are not zero"));
        }
        let end = fields.u64();
        Ok(Some(Self {
            kind,
            number,
            rows,
            live,
            table_offset,
            table_len,
            table_crc,
            end,
        }))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, self.kind, 0, 0]);
        for field in [
            self.number,
            self.rows,
            self.live,
            self.table_offset,
            self.table_len,
        ] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.table_crc.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.end.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(BLOCK as usize, 0);
        bytes
    }
}

impl Commit {
    /// Finds the newest state of which the file has all bytes, and reads its table.
    ///
    /// A file that was cut inside what its last commit added opens in the state before; `verify` tells.
    pub(crate) fn read(source: &Source, kind: u8) -> Result<Self, Error> {
        let found = newest(source)?;
        let block = found
            .iter()
            .find(|block| block.end <= source.len())
            .or(found.first());
        let Some(block) = block else {
            return Err(source.malformed("BadMagic", 0, "not a tinyquant file: no superblock"));
        };
        if block.end > source.len() {
            return Err(source.truncated(block.end, source.len()));
        }
        if block.kind != kind {
            let (got, expected) = (content(block.kind), content(kind));
            let reason = format!("the file holds {got}, expected {expected}");
            return Err(source.malformed("WrongKind", 5, reason));
        }
        let newest = found.first().filter(|newest| newest.end > source.len());
        let lost = newest.map(|newest| newest.end);
        let table_end = block.table_offset.checked_add(block.table_len);
        if table_end.is_none_or(|end| end > block.end)
            || !block.table_len.is_multiple_of(ENTRY as u64)
        {
            let reason = "the section table does not fit the file";
            return Err(source.malformed("InvalidTable", 32, reason));
        }
        let table = source.read(block.table_offset, block.table_len)?;
        source.check_crc(
            "table",
            block.table_offset,
            block.table_crc,
            crc32fast::hash(&table),
        )?;
        let mut sections = Vec::with_capacity(table.len() / ENTRY);
        // Sections that lie over each other would let a small file ask for any amount of work.
        let mut room = block.end;
        for (index, entry) in table.chunks_exact(ENTRY).enumerate() {
            let mut fields = Fields(entry);
            let section = Section {
                kind: fields.u32(),
                crc: fields.u32(),
                offset: fields.u64(),
                len: fields.u64(),
                first: fields.u64(),
                rows: fields.u64(),
            };
            let end = section.offset.checked_add(section.len);
            let last = section.first.checked_add(section.rows);
            let rest = room.checked_sub(section.len);
            room = rest.unwrap_or(0);
            if rest.is_none()
                || section.offset < FIRST_SECTION
                || !section.offset.is_multiple_of(ALIGNMENT)
                || end.is_none_or(|end| end > block.end)
                || last.is_none_or(|last| last > block.rows)
            {
                let offset = block.table_offset + (index * ENTRY) as u64;
                let reason = format!("section {index} does not fit the file");
                return Err(source.malformed("InvalidSection", offset, reason));
            }
            sections.push(section);
        }
        Ok(Self {
            number: block.number,
            rows: block.rows,
            live: block.live,
            end: block.end,
            table_crc: block.table_crc,
            lost,
            sections,
        })
    }

    /// Fails if there was a later state, or if nobody can tell because a superblock is damaged.
    pub(crate) fn check_newest(&self, source: &Source) -> Result<(), Error> {
        if let Some(end) = self.lost {
            return Err(source.truncated(end, source.len()));
        }
        for slot in 0..2 {
            Superblock::read(source, slot)?;
        }
        Ok(())
    }
}

/// What a kind of content is called in errors.
fn content(kind: u8) -> String {
    match kind {
        1 => "a corpus".to_owned(),
        2 => "a search index".to_owned(),
        other => format!("content of kind {other}"),
    }
}

/// The kind of content that a file says it holds, if it says so.
pub(crate) fn kind_of(source: &Source) -> Option<u8> {
    let found = newest(source).ok()?;
    found.first().map(|block| block.kind)
}

/// The superblocks that are whole, the newest first. An error if none is.
fn newest(source: &Source) -> Result<Vec<Superblock>, Error> {
    let (first, second) = (Superblock::read(source, 0), Superblock::read(source, 1));
    let mut found = Vec::new();
    match (first, second) {
        // A write that was cut short damages one of them; the other is the state before.
        (Ok(first), Ok(second)) => found.extend(first.into_iter().chain(second)),
        (Ok(Some(block)), Err(_)) | (Err(_), Ok(Some(block))) => found.push(block),
        (Err(error), _) | (Ok(None), Err(error)) => return Err(error),
    }
    found.sort_by_key(|block| std::cmp::Reverse(block.number));
    Ok(found)
}

impl Section {
    /// All bytes of the section.
    pub(crate) fn bytes<'a>(&self, source: &'a Source) -> Result<Cow<'a, [u8]>, Error> {
        source.read(self.offset, self.len)
    }

    /// Some bytes of the section; a range that it does not have is an error of the format.
    pub(crate) fn part<'a>(
        &self,
        source: &'a Source,
        from: u64,
        len: u64,
    ) -> Result<Cow<'a, [u8]>, Error> {
        match from.checked_add(len) {
            Some(end) if end <= self.len => source.read(self.offset + from, len),
            _ => {
                let reason = format!(
                    "bytes {from} to {} of a section of {}",
                    from.saturating_add(len),
                    self.len
                );
                Err(source.malformed("OutOfSection", self.offset, reason))
            }
        }
    }
}

/// Appends a section in pieces.
pub(crate) struct SectionWriter {
    section: Section,
    hasher: crc32fast::Hasher,
}

impl SectionWriter {
    pub(crate) fn begin(
        sink: &mut impl Sink,
        kind: u32,
        first: u64,
        rows: u64,
    ) -> Result<Self, Error> {
        sink.align(ALIGNMENT)?;
        let section = Section {
            kind,
            crc: 0,
            offset: sink.position(),
            len: 0,
            first,
            rows,
        };
        let hasher = crc32fast::Hasher::new();
        Ok(Self { section, hasher })
    }

    pub(crate) fn write(&mut self, sink: &mut impl Sink, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.section.len += bytes.len() as u64;
        sink.write(bytes)
    }

    pub(crate) fn end(self) -> Section {
        Section {
            crc: self.hasher.finalize(),
            ..self.section
        }
    }
}

/// Which superblock a state has; states are numbered from 1.
fn slot_of(number: u64) -> u64 {
    1 - number % 2
}

/// Leaves room for the superblocks of a new file.
pub(crate) fn begin(sink: &mut impl Sink) -> Result<(), Error> {
    sink.write(&[0; FIRST_SECTION as usize])
}

/// Goes to where a file of this state grows.
pub(crate) fn go_on(output: &mut Output, commit: &Commit) {
    output.seek(commit.end);
}

/// Writes the table and then, once everything is on the disk, the superblock that makes it valid.
pub(crate) fn commit(
    mut output: Output,
    kind: u8,
    number: u64,
    rows: u64,
    live: u64,
    sections: Vec<Section>,
) -> Result<Commit, Error> {
    let (commit, superblock) = end(&mut output, kind, number, rows, live, sections)?;
    output.trim()?;
    output.sync()?;
    output.patch(slot_of(number) * BLOCK, &superblock)?;
    output.commit()?;
    Ok(commit)
}

/// Writes the table and the superblock of state 1 of a file in memory. Returns its bytes.
pub(crate) fn commit_memory(
    mut memory: Memory,
    kind: u8,
    rows: u64,
    live: u64,
    sections: Vec<Section>,
) -> Result<Vec<u8>, Error> {
    let (_, superblock) = end(&mut memory, kind, 1, rows, live, sections)?;
    let mut bytes = memory.into_bytes();
    for (byte, new) in bytes.iter_mut().zip(superblock) {
        *byte = new;
    }
    Ok(bytes)
}

/// Writes the table. Returns the state that it ends and the superblock that makes it valid.
fn end(
    sink: &mut impl Sink,
    kind: u8,
    number: u64,
    rows: u64,
    live: u64,
    sections: Vec<Section>,
) -> Result<(Commit, Vec<u8>), Error> {
    sink.align(ALIGNMENT)?;
    let table_offset = sink.position();
    let mut table = Vec::with_capacity(sections.len() * ENTRY);
    for section in &sections {
        table.extend(section.kind.to_le_bytes());
        table.extend(section.crc.to_le_bytes());
        for field in [section.offset, section.len, section.first, section.rows] {
            table.extend(field.to_le_bytes());
        }
    }
    sink.write(&table)?;
    let table_crc = crc32fast::hash(&table);
    let end = sink.position();
    let superblock = Superblock {
        kind,
        number,
        rows,
        live,
        table_offset,
        table_len: table.len() as u64,
        table_crc,
        end,
    };
    let commit = Commit {
        number,
        rows,
        live,
        end,
        table_crc,
        lost: None,
        sections,
    };
    Ok((commit, superblock.to_bytes()))
}
