//! Files mapped into memory.
#![allow(
    unsafe_code,
    reason = "mapping a file is only safe while nothing else shortens it"
)]

use memmap2::Mmap;
use std::fs::File;
use std::io;

/// Maps a whole file that is not empty.
///
/// The bytes of a mapped file change when another program writes to it, and touching a page beyond its end
/// ends the process. Files of this crate are never shortened or overwritten where a commit may refer to
/// them, but a foreign program may do so: callers that cannot rule that out read instead of mapping.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read-only and its length is fixed by the file's at this moment. That no other
    // program shortens the file meanwhile is the documented condition of opening a file mapped.
    unsafe { Mmap::map(file) }
}
