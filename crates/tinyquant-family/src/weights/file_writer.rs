//! Writing files of named tensors.

use super::byte_reader::{malformed, seal};
use super::file::{MAGIC, VERSION, failed};
use super::tensor_head::TensorHead;
use crate::Error;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tinyquant_codec::{Control, ErrorCode};

/// Times that a partial file which another writer renames meanwhile is opened anew.
const ATTEMPTS: usize = 8;

/// Writes stored tensors under their names, in their order, and returns the length of the file. It is there as a whole
/// or not at all: it is written and locked as `.NAME.partial` beside the path and then renamed, in place of a file that
/// is there. A partial file that a killed process left is taken over.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for a name that comes twice or is longer than 65535 bytes, `ERR_TQ_IO` also while another
/// writer is at the same path, `ERR_TQ_LIMIT`, those of [`TensorHead::parse`] for a tensor that is none, cancelled.
pub fn write_tensors(
    path: &Path,
    tensors: &[(String, Vec<u8>)],
    control: &Control,
) -> Result<u64, Error> {
    let table = table_of(tensors)?;
    let target = target_of(path)?;
    let partial = partial_name(&target);
    let file = open_locked(&partial, &target)?;
    let written = write(&file, &target, &table, tensors, control).and_then(|len| {
        let renamed = fs::rename(&partial, &target).and_then(|()| sync_folder(&target));
        renamed.map_err(|error| failed("replace", &target, &error))?;
        Ok(len)
    });
    if written.is_err() {
        // The first failure is the one to tell of.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn table_of(tensors: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    let mut names = BTreeSet::new();
    let mut table = Vec::new();
    for (name, bytes) in tensors {
        let Ok(len) = u16::try_from(name.len()) else {
            let got = name.len();
            return Err(Error::invalid(format!(
                "a name has at most 65535 bytes, got {got}"
            )));
        };
        if !names.insert(name) {
            return Err(Error::invalid(format!("the name {name:?} comes twice")));
        }
        let head = TensorHead::parse(bytes)?;
        if head.total_len() != bytes.len() {
            let reason = format!(
                "tensor {name:?} has {} bytes, expected {}",
                bytes.len(),
                head.total_len()
            );
            return Err(malformed("Length", head.total_len(), reason));
        }
        table.extend(len.to_le_bytes());
        table.extend(name.as_bytes());
        table.extend((bytes.len() as u64).to_le_bytes());
    }
    let field = |value: usize, what: &str| {
        u32::try_from(value).map_err(|_| {
            Error::data(
                ErrorCode::Limit,
                format!("{value} {what} are more than a file can have"),
            )
        })
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend([VERSION, 0, 0, 0]);
    bytes.extend(field(tensors.len(), "tensors")?.to_le_bytes());
    bytes.extend(field(table.len(), "bytes of names")?.to_le_bytes());
    bytes.extend(table);
    Ok(seal(bytes))
}

fn write(
    mut file: &File,
    target: &Path,
    table: &[u8],
    tensors: &[(String, Vec<u8>)],
    control: &Control,
) -> Result<u64, Error> {
    let io = |error| failed("write", target, &error);
    // What a killed process left in it.
    file.set_len(0).map_err(io)?;
    file.write_all(table).map_err(io)?;
    let mut len = table.len() as u64;
    for (done, (_, bytes)) in tensors.iter().enumerate() {
        control.check()?;
        control.report(done, tensors.len());
        file.write_all(bytes).map_err(io)?;
        len += bytes.len() as u64;
    }
    file.sync_all().map_err(io)?;
    Ok(len)
}

/// The file that a path names; a link stays a link.
fn target_of(path: &Path) -> Result<PathBuf, Error> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.file_name().is_none() || target.is_dir() {
        let error = ErrorKind::IsADirectory.into();
        return Err(failed("write", path, &error));
    }
    Ok(target)
}

fn partial_name(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".partial");
    target.with_file_name(name)
}

/// Opens and locks a partial file that still has its name once it is locked.
fn open_locked(partial: &Path, target: &Path) -> Result<File, Error> {
    let io = |error| failed("write", target, &error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    for _ in 0..ATTEMPTS {
        let file = options.open(partial).map_err(io)?;
        match file.try_lock() {
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                return Err(io(error));
            }
            Err(TryLockError::WouldBlock) => break,
            _ => {}
        }
        if has_name(&file, partial) {
            return Ok(file);
        }
    }
    let busy = std::io::Error::new(ErrorKind::WouldBlock, "another writer is at it");
    Err(io(busy))
}

/// Whether an open file is the one that a path names now.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// An open file keeps its name on other systems.
#[cfg(not(unix))]
fn has_name(_: &File, _: &Path) -> bool {
    true
}

/// Brings a rename to the disk.
fn sync_folder(target: &Path) -> std::io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
