//! Corpus files made byte by byte, without the writer: what docs/format.md says, as code.

use xxhash_rust::xxh3::xxh3_64;

pub const HEAD: u32 = 1;
pub const CODEBOOK: u32 = 2;
pub const CODES: u32 = 3;
pub const RESIDUALS: u32 = 4;
pub const ID_ENDS: u32 = 5;
pub const ID_TEXTS: u32 = 6;
pub const METADATA_ENDS: u32 = 7;
pub const METADATA_TEXTS: u32 = 8;
pub const TIMES: u32 = 9;
pub const ID_TABLE: u32 = 10;
pub const REMOVED: u32 = 11;

/// Bytes from one superblock to the other.
pub const BLOCK: usize = 4096;
/// Bytes of a superblock.
pub const SUPERBLOCK: usize = 68;
/// Bytes of an entry of the section table.
pub const ENTRY: usize = 40;

/// A section and where it lies.
#[derive(Debug, Clone)]
pub struct Section {
    pub kind: u32,
    pub first: u64,
    pub rows: u64,
    pub offset: u64,
    pub bytes: Vec<u8>,
    /// What the table says instead of the length of `bytes`.
    pub len: Option<u64>,
}

/// A file of which each part can be changed before it gets its checksums.
#[derive(Debug, Clone)]
pub struct Image {
    pub version: u8,
    pub kind: u8,
    pub number: u64,
    pub rows: u64,
    pub live: u64,
    pub sections: Vec<Section>,
    /// Bytes of an earlier state, which keep their place.
    pub before: Vec<u8>,
    next: usize,
}

impl Image {
    pub fn new(rows: u64) -> Self {
        Self {
            version: 2,
            kind: 1,
            number: 1,
            rows,
            live: rows,
            sections: Vec::new(),
            before: Vec::new(),
            next: 2 * BLOCK,
        }
    }

    /// A later state of the file that `self` is, with the sections that it keeps.
    pub fn grow(&self, rows: u64, kept: &[u32]) -> Self {
        let before = self.bytes();
        Self {
            number: self.number + 1,
            rows,
            live: rows,
            sections: (self.sections.iter())
                .filter(|section| kept.contains(&section.kind))
                .cloned()
                .collect(),
            next: before.len(),
            before,
            ..*self
        }
    }

    /// Adds a section at the next multiple of 64.
    pub fn add(&mut self, kind: u32, first: u64, rows: u64, bytes: &[u8]) -> &mut Section {
        let offset = self.next.next_multiple_of(64);
        self.next = offset + bytes.len();
        self.sections.push(Section {
            kind,
            first,
            rows,
            offset: offset as u64,
            bytes: bytes.to_vec(),
            len: None,
        });
        self.sections.last_mut().unwrap()
    }

    pub fn section(&mut self, kind: u32) -> &mut Section {
        let mut found = self.sections.iter_mut();
        found.find(|section| section.kind == kind).unwrap()
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = self.before.clone();
        let table_offset = self.next.next_multiple_of(64);
        file.resize(table_offset, 0);
        let mut table = Vec::new();
        for section in &self.sections {
            let len = section.bytes.len();
            let at = section.offset as usize;
            if let Some(place) = at.checked_add(len).and_then(|end| file.get_mut(at..end)) {
                place.copy_from_slice(&section.bytes);
            }
            table.extend(section.kind.to_le_bytes());
            table.extend(crc32fast::hash(&section.bytes).to_le_bytes());
            let len = section.len.unwrap_or(len as u64);
            for field in [section.offset, len, section.first, section.rows] {
                table.extend(field.to_le_bytes());
            }
        }
        file.extend(&table);
        let mut block = b"TQCV".to_vec();
        block.extend([self.version, self.kind, 0, 0]);
        for field in [
            self.number,
            self.rows,
            self.live,
            table_offset as u64,
            table.len() as u64,
        ] {
            block.extend(field.to_le_bytes());
        }
        block.extend(crc32fast::hash(&table).to_le_bytes());
        block.extend([0; 4]);
        block.extend((file.len() as u64).to_le_bytes());
        block.extend(crc32fast::hash(&block).to_le_bytes());
        assert_eq!(block.len(), SUPERBLOCK);
        let at = if self.number % 2 == 1 { 0 } else { BLOCK };
        file[at..at + SUPERBLOCK].copy_from_slice(&block);
        file
    }
}

/// The sections of the newest state of a file.
pub struct Sections(pub Vec<Section>);

impl Sections {
    pub fn of(file: &[u8]) -> Self {
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        let kind = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let newest = newest(file);
        let (table, len) = (word(newest + 32) as usize, word(newest + 40) as usize);
        let section = |at: usize| {
            let (offset, len) = (word(at + 8), word(at + 16) as usize);
            Section {
                kind: kind(at),
                first: word(at + 24),
                rows: word(at + 32),
                offset,
                bytes: file[offset as usize..offset as usize + len].to_vec(),
                len: None,
            }
        };
        Self((table..table + len).step_by(ENTRY).map(section).collect())
    }
}

/// Where the superblock of the newest state of a file stands.
fn newest(file: &[u8]) -> usize {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let used = [0, BLOCK].into_iter().filter(|at| word(at + 56) != 0);
    used.max_by_key(|at| word(at + 8)).unwrap()
}

/// What stands at the head of a corpus file.
#[derive(Debug, Clone)]
pub struct Head {
    pub dimension: u32,
    pub bit_width: u8,
    pub residual: u8,
    pub policy: u8,
    pub rotation: u8,
    pub seed: u64,
    pub hash: String,
    pub id: Vec<u8>,
    pub id_len: Option<u32>,
    pub metadata: Option<Vec<u8>>,
}

impl Head {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.dimension.to_le_bytes().to_vec();
        bytes.extend([self.bit_width, self.residual, self.policy, self.rotation]);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.hash.bytes());
        let id_len = self.id_len.unwrap_or(self.id.len() as u32);
        bytes.extend(id_len.to_le_bytes());
        let metadata = self.metadata.as_ref();
        let len = metadata.map_or(u32::MAX, |text| text.len() as u32);
        bytes.extend(len.to_le_bytes());
        bytes.extend(&self.id);
        bytes.extend(metadata.into_iter().flatten());
        bytes
    }
}

pub fn codebook(entries: &[f32]) -> Vec<u8> {
    let mut bytes = b"TQCB\x01".to_vec();
    let bit_width = entries.len().ilog2() as u8;
    bytes.extend([bit_width, 0, 0]);
    bytes.extend((entries.len() as u32).to_le_bytes());
    bytes.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    bytes
}

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub fn longs(longs: &[u64]) -> Vec<u8> {
    longs.iter().flat_map(|long| long.to_le_bytes()).collect()
}

/// Ends and bytes of texts.
pub fn texts(texts: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let mut all = String::new();
    let end = |text: &&str| {
        all.push_str(text);
        all.len() as u32
    };
    let ends: Vec<u32> = texts.iter().map(end).collect();
    (words(&ends), all.into_bytes())
}

pub fn tag(id: &str) -> u32 {
    (xxh3_64(id.as_bytes()) >> 32) as u32
}

/// An id table of rows 0, 1, 2, ... with these ids.
pub fn id_table(ids: &[&str]) -> Vec<u8> {
    let entry = |(row, id): (usize, &&str)| (tag(id), row as u32);
    let entries: Vec<(u32, u32)> = ids.iter().enumerate().map(entry).collect();
    table_of((3 * ids.len() as u64).div_ceil(2), entries)
}

/// An id table of so many slots with entries of tag and row.
pub fn table_of(slots: u64, mut entries: Vec<(u32, u32)>) -> Vec<u8> {
    entries.sort_unstable();
    let mut table = vec![0; slots as usize];
    let mut next = 0;
    for (tag, row) in entries {
        let home = ((u128::from(tag) * u128::from(slots)) >> 32) as usize;
        let place = home.max(next);
        table.resize(table.len().max(place + 1), 0);
        table[place] = u64::from(tag) << 32 | u64::from(row + 1);
        next = place + 1;
    }
    table.insert(0, slots);
    longs(&table)
}

/// The bytes of a whole file that its checksums protect: superblocks that were completed, table and sections of
/// the newest state.
pub fn covered(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    let mut ranges: Vec<_> = [0, BLOCK]
        .into_iter()
        .filter(|at| word(at + 56) != 0)
        .map(|at| at..at + SUPERBLOCK)
        .collect();
    let newest = newest(file);
    let (table, len) = (word(newest + 32) as usize, word(newest + 40) as usize);
    ranges.push(table..table + len);
    for entry in (table..table + len).step_by(ENTRY) {
        let (offset, len) = (word(entry + 8) as usize, word(entry + 16) as usize);
        ranges.push(offset..offset + len);
    }
    ranges
}

/// Makes the checksums right of a file that was changed, as far as what they cover lies in the file.
pub fn seal(file: &mut [u8]) {
    let word = |file: &[u8], at: usize| {
        let bytes = file.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().unwrap()) as usize)
    };
    let crc = |file: &[u8], from: usize, len: usize| {
        let bytes = file.get(from..from.checked_add(len)?)?;
        Some(crc32fast::hash(bytes).to_le_bytes())
    };
    for block in [0, BLOCK] {
        let Some((table, len)) = word(file, block + 32).zip(word(file, block + 40)) else {
            continue;
        };
        if word(file, block + 56) == Some(0)
            || table.checked_add(len).is_none_or(|end| end > file.len())
        {
            continue;
        }
        for entry in (table..table + len - len % ENTRY).step_by(ENTRY) {
            let place = word(file, entry + 8).zip(word(file, entry + 16));
            if let Some(sum) = place.and_then(|(offset, len)| crc(file, offset, len)) {
                file[entry + 4..entry + 8].copy_from_slice(&sum);
            }
        }
        if let Some(sum) = crc(file, table, len) {
            file[block + 48..block + 52].copy_from_slice(&sum);
        }
        if let Some(sum) = crc(file, block, SUPERBLOCK - 4) {
            file[block + SUPERBLOCK - 4..block + SUPERBLOCK].copy_from_slice(&sum);
        }
    }
}
