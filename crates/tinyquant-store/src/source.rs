//! Bytes to read from: a mapped file, a file that is read piece by piece, or memory.

use crate::{Error, mmap};
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tinyquant_codec::{Codebook, ErrorCode};
use tinyquant_index::Column;

/// Where runs of bytes that are held in memory begin: at a cache line.
const LINE: usize = 64;

/// A run of bytes of known length.
#[derive(Debug)]
pub struct Source {
    /// None for bytes in memory.
    path: Option<PathBuf>,
    bytes: Bytes,
    len: u64,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    File(File),
    Memory(Vec<u8>),
    /// Some runs of a file, ascending; the others cannot be read.
    Held(Vec<Held>),
}

/// A run of bytes of a file, in memory.
#[derive(Debug)]
struct Held {
    offset: u64,
    bytes: Arc<Vec<u8>>,
    /// Where the run lies in `bytes`.
    range: Range<usize>,
}

impl Held {
    /// Where the `len` bytes at `offset` of the file lie in `bytes`, if the run has them.
    fn range(&self, offset: u64, len: u64) -> Option<Range<usize>> {
        let from = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        let start = self.range.start.checked_add(from)?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        (end <= self.range.end).then_some(start..end)
    }
}

impl Source {
    /// Opens a file; mapped into memory, or read with positioned reads, which no other program can turn into
    /// a crash.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`), also for a folder or a pipe.
    pub fn open(path: &Path, is_mapped: bool) -> Result<Self, Error> {
        check_file(path)?;
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        Self::from_file(file, path, is_mapped)
    }

    pub(crate) fn from_file(file: File, path: &Path, is_mapped: bool) -> Result<Self, Error> {
        let metadata = file.metadata();
        let mut len = metadata
            .map_err(|error| Error::io("open", path, error))?
            .len();
        // An empty file cannot be mapped.
        let bytes = if is_mapped && len > 0 {
            let map = mmap::map(&file).map_err(|error| Error::io("map", path, error))?;
            // The file may have changed in between.
            len = map.len() as u64;
            Bytes::Mapped(map)
        } else {
            Bytes::File(file)
        };
        let path = Some(path.to_owned());
        Ok(Self { path, bytes, len })
    }

    /// Bytes in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self {
            path: None,
            bytes: Bytes::Memory(bytes),
            len,
        }
    }

    /// Length when it was opened, in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether the bytes are mapped.
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// The `len` bytes at `offset`, borrowed where they lie in memory. Nothing is allocated for a range that
    /// the file does not have.
    ///
    /// # Errors
    /// `Truncated` (`ERR_TQ_TRUNCATED`) for a range that ends beyond the file, or a file that has shrunk since;
    /// `Io` (`ERR_TQ_IO`).
    pub fn read(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Error> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len);
        let Some(end) = end else {
            return Err(self.truncated(offset.saturating_add(len), self.len));
        };
        match &self.bytes {
            _ if len == 0 => Ok(Cow::default()),
            Bytes::Mapped(bytes) => Ok(bytes[offset as usize..end as usize].into()),
            Bytes::Memory(bytes) => Ok(bytes[offset as usize..end as usize].into()),
            Bytes::Held(runs) => match held(runs, offset, len) {
                Some((bytes, range)) => Ok(bytes[range].into()),
                None => Err(self.malformed("NotHeld", offset, "bytes of no section")),
            },
            Bytes::File(file) => {
                let mut buffer = room(len)?;
                buffer.resize(len as usize, 0);
                read_at(file, &mut buffer, offset).map_err(|error| self.read_failed(error, end))?;
                Ok(buffer.into())
            }
        }
    }

    /// A mapped source as it is; of any other, only these runs, in memory and each at the begin of a cache line.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub(crate) fn hold(self, mut runs: Vec<Range<u64>>) -> Result<Self, Error> {
        if self.is_mapped() {
            return Ok(self);
        }
        runs.retain(|run| !run.is_empty());
        runs.sort_unstable_by_key(|run| run.start);
        // Runs over each other are one.
        runs.dedup_by(|next, run| {
            let is_over = next.start < run.end;
            if is_over {
                run.end = run.end.max(next.end);
            }
            is_over
        });
        let runs = runs
            .into_iter()
            .map(|run| self.aligned(run.start, run.end - run.start));
        let held = runs.collect::<Result<_, Error>>()?;
        Ok(Self {
            bytes: Bytes::Held(held),
            ..self
        })
    }

    /// Bytes in memory of their own.
    fn aligned(&self, offset: u64, len: u64) -> Result<Held, Error> {
        let mut buffer = room(len.saturating_add(LINE as u64))?;
        let start = buffer.as_ptr().align_offset(LINE).min(LINE);
        let end = start + len as usize;
        buffer.resize(start, 0);
        if let Bytes::File(file) = &self.bytes {
            buffer.resize(end, 0);
            let read = read_at(file, &mut buffer[start..], offset);
            read.map_err(|error| self.read_failed(error, offset + len))?;
        } else {
            buffer.extend_from_slice(&self.read(offset, len)?);
        }
        Ok(Held {
            offset,
            bytes: Arc::new(buffer),
            range: start..end,
        })
    }

    /// The `len` bytes at `offset` of a source that is mapped or held, shared with it.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub(crate) fn column(self: &Arc<Self>, offset: u64, len: u64) -> Result<Column, Error> {
        let column = match &self.bytes {
            _ if len == 0 => Column::new(Arc::new([]), 0..0),
            Bytes::Mapped(_) => {
                let range = offset as usize..offset.saturating_add(len) as usize;
                Column::new(Arc::new(Mapped(Arc::clone(self))), range)
            }
            Bytes::Held(runs) => held(runs, offset, len)
                .and_then(|(bytes, range)| Column::owned(Arc::clone(bytes) as Arc<_>, range)),
            Bytes::File(_) | Bytes::Memory(_) => None,
        };
        column.ok_or_else(|| self.malformed("NotHeld", offset, "bytes of no section"))
    }

    fn read_failed(&self, error: io::Error, needed: u64) -> Error {
        match (&self.bytes, error.kind()) {
            (Bytes::File(file), io::ErrorKind::UnexpectedEof) => {
                self.truncated(needed, file.metadata().map_or(0, |metadata| metadata.len()))
            }
            _ => Error::io("read", self.path.as_deref().unwrap_or(Path::new("")), error),
        }
    }

    /// An error of this source: it ends too early.
    pub(crate) fn truncated(&self, needed: u64, got: u64) -> Error {
        let path = self.path.clone();
        Error::Truncated { path, needed, got }
    }

    /// An error of this source: a version that is not read.
    pub(crate) fn unknown_version(&self, got: u64) -> Error {
        let path = self.path.clone();
        Error::UnknownVersion { path, got }
    }

    /// An error of this source: a rule of the format is broken.
    pub(crate) fn malformed(
        &self,
        kind: &'static str,
        offset: u64,
        reason: impl Into<String>,
    ) -> Error {
        Error::Malformed {
            path: self.path.clone(),
            kind,
            offset,
            reason: reason.into(),
        }
    }

    /// Reads a codebook whose bytes begin at `offset`. Entries that no codebook has are a matter of the format here, and
    /// not of an argument.
    pub(crate) fn codebook(&self, offset: u64, bytes: &[u8]) -> Result<Codebook, Error> {
        Codebook::from_bytes(bytes).map_err(|error| match error.code() {
            ErrorCode::InvalidArg | ErrorCode::NonFinite => {
                self.malformed("InvalidCodebook", offset, error.to_string())
            }
            _ => error.into(),
        })
    }

    /// Fails unless a section has the checksum that is stored for it.
    pub(crate) fn check_crc(
        &self,
        section: &'static str,
        offset: u64,
        expected: u32,
        got: u32,
    ) -> Result<(), Error> {
        if got == expected {
            return Ok(());
        }
        Err(Error::Checksum {
            path: self.path.clone(),
            section,
            offset,
            expected,
            got,
        })
    }
}

/// The bytes of a mapped source.
struct Mapped(Arc<Source>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        match &self.0.bytes {
            Bytes::Mapped(bytes) => bytes,
            _ => &[],
        }
    }
}

/// Memory for so many bytes.
fn room(len: u64) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::new();
    let reserved = buffer.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX));
    reserved.map_err(|_| Error::no_memory(len))?;
    Ok(buffer)
}

/// The bytes of the run that has the `len` bytes at `offset`, and where in them these lie.
fn held(runs: &[Held], offset: u64, len: u64) -> Option<(&Arc<Vec<u8>>, Range<usize>)> {
    let after = runs.partition_point(|run| run.offset <= offset);
    let run = runs.get(after.checked_sub(1)?)?;
    Some((&run.bytes, run.range(offset, len)?))
}

/// Fails for what is not a file, before it is opened: opening a pipe waits for its writer.
pub(crate) fn check_file(path: &Path) -> Result<(), Error> {
    let failed = |error| Error::io("open", path, error);
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(failed(not_a_file(&metadata)))
}

/// The error for what is there but is not a file.
pub(crate) fn not_a_file(metadata: &Metadata) -> io::Error {
    if metadata.is_dir() {
        return io::ErrorKind::IsADirectory.into();
    }
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_of(source: &Source) -> &[Held] {
        match &source.bytes {
            Bytes::Held(held) => held,
            _ => &[],
        }
    }

    #[test]
    fn runs_are_held_at_cache_lines() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, &bytes).unwrap();
        let runs = [
            (0, 1),
            (64, 300),
            (1000, 1001),
            (2000, 2200),
            (70_000, 200_000),
        ];
        for source in [
            Source::from_bytes(bytes.clone()),
            Source::open(&path, false).unwrap(),
        ] {
            let source = source
                .hold(runs.map(|(from, end)| from..end).into())
                .unwrap();
            let source = Arc::new(source);
            let held = runs_of(&source);
            assert_eq!(held.len(), runs.len());
            for (held, (from, end)) in held.iter().zip(runs) {
                let run = &held.bytes[held.range.clone()];
                assert_eq!(run, &bytes[from as usize..end as usize]);
                assert_eq!(run.as_ptr().align_offset(LINE), 0);
            }
            for (offset, len, is_held) in [
                (64, 236, true),
                (65, 1, true),
                (1000, 1, true),
                (64, 237, false),
                (63, 1, false),
                (1, 1, false),
                (1000, 1001, false),
                (199_999, 1, true),
                (300_000, 0, true),
            ] {
                let (from, to) = (offset as usize, (offset + len) as usize);
                let column = source.column(offset, len).ok();
                let found = column.as_ref().map(|column| column.to_vec());
                let expected = is_held.then(|| bytes.get(from..to).unwrap_or_default().to_vec());
                assert_eq!(found, expected, "{offset} {len}");
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_is_told_where_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, [7; 1000]).unwrap();
        let source = Source::open(&path, false).unwrap();
        fs::write(&path, [7; 900]).unwrap();
        let error = source
            .hold(std::iter::once(500..950).collect())
            .unwrap_err();
        let is_told = matches!(
            error,
            Error::Truncated {
                needed: 950,
                got: 900,
                ..
            }
        );
        assert!(is_told, "{error:?}");
    }

    #[test]
    fn runs_over_each_other_are_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        let runs = [
            (100, 120),
            (10, 50),
            (20, 30),
            (45, 60),
            (119, 119),
            (61, 62),
        ];
        let runs: Vec<Range<u64>> = runs.map(|(from, end)| from..end).into();
        let source = Source::from_bytes(bytes.clone()).hold(runs).unwrap();
        let held = runs_of(&source);
        let found = held.iter().map(|held| (held.offset, held.range.len()));
        assert!(found.eq([(10, 50), (61, 1), (100, 20)]));
        assert_eq!(*source.read(10, 50).unwrap(), bytes[10..60]);
        assert!(source.read(60, 1).is_err() && source.read(59, 2).is_err());
    }
}
