//! The frame of the project's own files, as seeds have it: the first byte says whether the checksums are put right, so
//! that damage gets past them; then come the two superblocks without the zeros that follow each, and the rest of the file.

use std::ops::Range;

const BLOCK: usize = 4096;
const USED: usize = 68;
const ENTRY: usize = 40;

/// The file that an input stands for.
pub fn file(input: &[u8]) -> Option<Vec<u8>> {
    let (mode, rest) = input.split_first()?;
    let mut file = expand(rest)?;
    if mode % 2 == 1 {
        seal(&mut file);
    }
    Some(file)
}

fn expand(bytes: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = bytes.split_at_checked(USED)?;
    let (second, rest) = rest.split_at_checked(USED)?;
    let mut file = vec![0; 2 * BLOCK];
    file[..USED].copy_from_slice(first);
    file[BLOCK..BLOCK + USED].copy_from_slice(second);
    file.extend(rest);
    Some(file)
}

/// The run of bytes that an offset and a length, both at `at`, name, if the file has it.
fn range(file: &[u8], at: usize) -> Option<Range<usize>> {
    let number = |at: usize| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (start, len) = (number(at)?, number(at + 8)?);
    file.get(start..start.checked_add(len)?)?;
    Some(start..start + len)
}

fn put_crc(file: &mut [u8], at: usize, of: Range<usize>) {
    let crc = crc32fast::hash(&file[of]);
    file[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn seal(file: &mut [u8]) {
    for slot in [0, BLOCK] {
        if let Some(table) = range(file, slot + 32) {
            for entry in table.clone().step_by(ENTRY) {
                if let Some(section) = range(file, entry + 8).filter(|_| entry + 8 <= table.end) {
                    put_crc(file, entry + 4, section);
                }
            }
            put_crc(file, slot + 48, table);
        }
        put_crc(file, slot + USED - 4, slot..slot + USED - 4);
    }
}
