//! Files being written: a new one that takes its name when it is complete, or an old one that grows.

use crate::probe::{Probe, Step};
use crate::source::{check_file, not_a_file};
use crate::{Error, Source};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
#[cfg(windows)]
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 18;

/// How often a file that is replaced while it is opened for writing is opened again.
const ATTEMPTS: usize = 16;

/// A file open for writing, under an advisory lock that ends with the process.
///
/// A new file is written beside its target as `.NAME.partial`. [`Output::commit`] brings it to the disk and
/// renames it over the target, so that at any moment the target is the old file or the new one. Dropped before, it
/// removes the partial file. A partial file that a killed process left is taken over by the next writer.
///
/// An old file grows in place; dropped before the commit, the output cuts off what it added.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    /// The file under its temporary name; none for an old file that grows.
    partial: Option<PathBuf>,
    file: Locked,
    /// The file that will be replaced.
    replaced: Option<Locked>,
    /// Those of the file that will be replaced.
    permissions: Option<Permissions>,
    /// Length of an old file until what was added to it counts.
    old_len: Option<u64>,
    overwrite: bool,
    buffer: Vec<u8>,
    /// Offset of the next byte, those in `buffer` counted.
    position: u64,
    probe: Probe,
    /// After a failed write nothing more is written.
    is_broken: bool,
    /// The probe stopped the writer: nothing is tidied up.
    is_stopped: bool,
}

impl Output {
    /// Begins a new file at `path`.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`; `EEXIST` if the file is there and may not be replaced), `Locked` (`ERR_TQ_IO`) while
    /// another writer has it open.
    pub fn create(path: &Path, overwrite: bool, probe: Probe) -> Result<Self, Error> {
        let target = resolve(path)?;
        check_target(&target, overwrite)?;
        let partial = partial_name(&target)?;
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options
        };
        let file = open_locked(&partial, &options(), "create", &target)?;
        let mut output = Self {
            target,
            partial: Some(partial),
            file,
            replaced: None,
            permissions: None,
            old_len: None,
            overwrite,
            buffer: Vec::new(),
            position: 0,
            probe,
            is_broken: false,
            is_stopped: false,
        };
        // Some network file systems lock only what is open for writing.
        let mut options = OpenOptions::new();
        match options.read(true).write(true).open(&output.target) {
            Ok(old) => output.replaced = Some(Locked::new(old, &output.target)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A file that may be replaced but not written has no writer of this crate to keep out.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(Error::io("open", &output.target, error)),
        }
        if let Ok(metadata) = fs::metadata(&output.target) {
            let permissions = metadata.permissions();
            // Whoever may not read the old file does not read the new one meanwhile.
            output.set_permissions(writable(permissions.clone()));
            output.permissions = Some(permissions);
        }
        let emptied = output.file.0.set_len(0);
        emptied.map_err(|error| output.failed("write", error))?;
        Ok(output)
    }

    /// Opens an old file to add to it, with a source that reads what it holds now.
    ///
    /// # Errors
    /// `Io` and `Locked` (both `ERR_TQ_IO`).
    pub fn extend(path: &Path, probe: Probe) -> Result<(Self, Source), Error> {
        let target = fs::canonicalize(path).map_err(|error| Error::io("open", path, error))?;
        check_file(&target)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = open_locked(&target, &options, "open", &target)?;
        let reader = File::open(&target).map_err(|error| Error::io("open", &target, error))?;
        let source = Source::from_file(reader, &target, true)?;
        let output = Self {
            position: source.len(),
            old_len: Some(source.len()),
            target,
            partial: None,
            file,
            replaced: None,
            permissions: None,
            overwrite: true,
            buffer: Vec::new(),
            probe,
            is_broken: false,
            is_stopped: false,
        };
        Ok((output, source))
    }

    /// The file that is written in the end.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Offset at which the next byte will lie.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`); the output is of no use then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() >= BUFFER {
            self.flush()?;
            self.put(self.position, bytes)?;
            self.position += bytes.len() as u64;
            return Ok(());
        }
        self.buffer.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
        if self.buffer.len() < BUFFER {
            return Ok(());
        }
        self.flush()
    }

    /// Gives the file up as it was. Before anything is appended.
    pub(crate) fn release(mut self) -> Probe {
        std::mem::take(&mut self.probe)
    }

    /// Makes `position` the offset of the next byte. Before anything is appended.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Appends zeros up to a multiple of `alignment`.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn align(&mut self, alignment: u64) -> Result<(), Error> {
        let missing = self.position.next_multiple_of(alignment) - self.position;
        self.write(&vec![0; missing as usize])
    }

    /// Writes over earlier bytes, which makes what was appended count.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.flush()?;
        self.old_len = None;
        self.put(offset, bytes)
    }

    /// Cuts off bytes beyond the next one, which a killed writer left in an old file.
    pub(crate) fn trim(&mut self) -> Result<(), Error> {
        self.flush()?;
        let trimmed = cut(&self.file.0, self.position);
        trimmed.map_err(|error| self.broken("write", error))
    }

    /// Bytes appended before, read back.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`).
    pub fn read_back(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.flush()?;
        crate::source::read_at(&self.file.0, buffer, offset)
            .map_err(|error| self.failed("read", error))
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.ask(Step::Sync)?;
        let synced = self.file.0.sync_all();
        synced.map_err(|error| self.broken("sync", error))
    }

    /// Brings everything to the disk and, for a new file, gives it its name. Returns the length of the file.
    ///
    /// # Errors
    /// As [`Output::write`], and `EEXIST` if a file that may not be replaced appeared meanwhile.
    pub fn commit(mut self) -> Result<u64, Error> {
        self.sync()?;
        let Some(partial) = self.partial.clone() else {
            return Ok(self.position);
        };
        check_target(&self.target, self.overwrite)?;
        if let Some(permissions) = self.permissions.take() {
            self.set_permissions(permissions);
        }
        self.ask(Step::Rename)?;
        // Some systems do not rename over a file that is open.
        self.replaced = None;
        fs::rename(&partial, &self.target).map_err(|error| self.failed("rename", error))?;
        self.partial = None;
        self.ask(Step::SyncFolder)?;
        sync_folder(&self.target)?;
        Ok(self.position)
    }

    /// Where permissions cannot be set, those that the system gave stay.
    fn set_permissions(&self, permissions: Permissions) {
        let _ = self.file.0.set_permissions(permissions);
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.put(self.position - buffer.len() as u64, &buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if self.is_broken {
            let path = self.target.clone();
            return Err(Error::Closed { path });
        }
        let stop = self.probe.ask(Step::Write(bytes.len()));
        let bytes = &bytes[..stop.unwrap_or(bytes.len()).min(bytes.len())];
        write_at(&self.file.0, bytes, offset).map_err(|error| self.broken("write", error))?;
        match stop {
            Some(_) => Err(self.stopped()),
            None => Ok(()),
        }
    }

    fn ask(&mut self, step: Step) -> Result<(), Error> {
        match self.probe.ask(step) {
            Some(_) => Err(self.stopped()),
            None => Ok(()),
        }
    }

    fn stopped(&mut self) -> Error {
        self.is_stopped = true;
        self.broken("write", io::Error::other("stopped by the probe"))
    }

    fn broken(&mut self, action: &'static str, error: io::Error) -> Error {
        self.is_broken = true;
        self.failed(action, error)
    }

    fn failed(&self, action: &'static str, error: io::Error) -> Error {
        Error::io(action, &self.target, error)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_stopped {
            return;
        }
        // Nothing more can be done about bytes that stay; the next writer takes them over.
        if let Some(partial) = &self.partial {
            let _ = fs::remove_file(partial);
        } else if let Some(len) = self.old_len {
            let _ = cut(&self.file.0, len);
        }
    }
}

/// Shortens a file that is longer than `len`.
fn cut(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() > len {
        file.set_len(len)?;
    }
    Ok(())
}

/// The place that a path names, whatever the working directory becomes. A link stays a link: its target is named,
/// if there is one.
fn resolve(path: &Path) -> Result<PathBuf, Error> {
    if let Ok(target) = fs::canonicalize(path) {
        return Ok(target);
    }
    let failed = |error| Error::io("create", path, error);
    let Some(name) = path.file_name() else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let folder = fs::canonicalize(folder_of(path)).map_err(failed)?;
    Ok(folder.join(name))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn check_target(target: &Path, overwrite: bool) -> Result<(), Error> {
    match fs::symlink_metadata(target) {
        // What a dangling link points at does not matter: the link is replaced.
        Ok(metadata) if !metadata.is_symlink() && !metadata.is_file() => {
            Err(Error::io("write", target, not_a_file(&metadata)))
        }
        Ok(_) if !overwrite => Err(Error::io(
            "create",
            target,
            io::ErrorKind::AlreadyExists.into(),
        )),
        _ => Ok(()),
    }
}

fn partial_name(target: &Path) -> Result<PathBuf, Error> {
    let Some(name) = target.file_name() else {
        return Err(Error::io(
            "create",
            target,
            io::ErrorKind::InvalidInput.into(),
        ));
    };
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    Ok(target.with_file_name(partial))
}

/// Opens and locks a file that still has its name once it is locked.
fn open_locked(
    path: &Path,
    options: &OpenOptions,
    action: &'static str,
    target: &Path,
) -> Result<Locked, Error> {
    for _ in 0..ATTEMPTS {
        let file = options
            .open(path)
            .map_err(|error| Error::io(action, target, error))?;
        let file = Locked::new(file, target)?;
        if has_name(&file.0, path) {
            return Ok(file);
        }
    }
    let path = target.to_owned();
    Err(Error::Locked { path })
}

/// A file whose lock ends where this is dropped, even if a program that was just started still has it open.
#[derive(Debug)]
struct Locked(File);

impl Locked {
    fn new(file: File, target: &Path) -> Result<Self, Error> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let path = target.to_owned();
                Err(Error::Locked { path })
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Self(file))
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", target, error)),
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing it ends the lock as well, once nobody else has it open.
        let _ = self.0.unlock();
    }
}

/// Whether the open file is the one that the path names now.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.dev() == named.dev() && open.ino() == named.ino(),
        _ => false,
    }
}

/// Windows does not let an open file be renamed over.
#[cfg(windows)]
fn has_name(_: &File, _: &Path) -> bool {
    true
}

/// Permissions with which a partial file can be taken over.
#[cfg(unix)]
fn writable(mut permissions: Permissions) -> Permissions {
    use std::os::unix::fs::PermissionsExt;
    permissions.set_mode(permissions.mode() | 0o600);
    permissions
}

#[cfg(windows)]
fn writable(mut permissions: Permissions) -> Permissions {
    permissions.set_readonly(false);
    permissions
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

/// Brings a rename to the disk.
fn sync_folder(target: &Path) -> Result<(), Error> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = folder_of(target);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("sync", folder, error))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_until_another_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, b"old").unwrap();
        fs::write(&other, b"new").unwrap();
        let file = File::open(&path).unwrap();
        assert!(has_name(&file, &path) && !has_name(&file, &other));
        fs::rename(&other, &path).unwrap();
        assert!(!has_name(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!has_name(&file, &path));
    }

    /// As a child process does between its start and its program.
    #[test]
    fn a_lock_ends_while_others_have_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let create = || Output::create(&path, true, Probe::default());
        let output = create().unwrap();
        let copies = [output.file.0.try_clone().unwrap()];
        assert!(create().is_err());
        output.commit().unwrap();
        let output = create().unwrap();
        let copy = |file: &Locked| file.0.try_clone().unwrap();
        let more = [&output.file, output.replaced.as_ref().unwrap()].map(copy);
        drop(output);
        Output::extend(&path, Probe::default()).unwrap();
        create().unwrap();
        drop((copies, more));
    }

    #[test]
    fn only_what_is_longer_is_cut() {
        let file = tempfile::tempfile().unwrap();
        write_at(&file, b"0123456789", 0).unwrap();
        for (len, expected) in [(20, 10), (10, 10), (4, 4), (5, 4)] {
            cut(&file, len).unwrap();
            assert_eq!(file.metadata().unwrap().len(), expected);
        }
    }

    #[test]
    fn every_path_is_in_a_folder() {
        for (path, folder) in [("c.tq", "."), ("a/c.tq", "a"), ("/c.tq", "/"), ("/", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }
}
