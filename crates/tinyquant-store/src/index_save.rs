//! Bringing an index to a file.

use crate::container::{self, Commit, FIRST_SECTION};
use crate::corpus_file::MAX_ROWS;
use crate::corpus_writer::Version;
use crate::index_file::KIND;
use crate::index_sections::StoredPart;
use crate::index_writer::{Held, IndexWriter, is_unchanged, new_bytes, parts_of};
use crate::sink::Memory;
use crate::{Error, IndexFile, Output, Probe, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_index::{Image, Index, Model};

/// Bytes that no section uses any more and that are not worth a new file.
const SLACK: u64 = 1 << 20;

/// What a file holds of an index, so that later only what changed has to be added to it.
#[derive(Debug, Clone)]
pub struct IndexLink {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
    pub(crate) model: Arc<Model>,
    /// Parts, in the order of the file.
    pub(crate) parts: Vec<u64>,
}

impl IndexLink {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(path: PathBuf, image: &Image, commit: &Commit) -> Self {
        Self {
            path,
            version: Version::of(commit),
            model: Arc::clone(&image.model),
            parts: parts_of(image).map(|part| part.uid()).collect(),
        }
    }
}

/// Writes all of an index to a file, which replaces the one at `path`. The same state gives the same bytes. Progress
/// counts bytes of codes and originals.
///
/// # Errors
/// `Io` and `Locked` (`ERR_TQ_IO`), `Limit` (`ERR_TQ_LIMIT`) for ids that were made to have the same hash and texts
/// beyond 1 GB, what reading the index says, and `Cancelled`. The file has the content it had, or, where the very last
/// step failed, the new one.
pub fn save_index(
    index: &Index,
    path: &Path,
    control: &Control,
    probe: Probe,
) -> Result<IndexLink, Error> {
    replace(&image_of(index)?, path, None, control, probe)
}

/// Adds to a file what changed in an index since `link`: parts, ids and originals that came, and which rows went. A file
/// of which more is out of use than in use is written anew. One to which nothing has to be added stays as it is.
///
/// # Errors
/// `Changed` (`ERR_TQ_IO`) if the file is no longer the one of the link, `InvalidArgument` (`ERR_TQ_INVALID_ARG`) for
/// another file; otherwise as [`save_index`].
pub fn sync_index(
    index: &Index,
    link: &IndexLink,
    path: &Path,
    control: &Control,
    probe: Probe,
) -> Result<IndexLink, Error> {
    let named = std::fs::canonicalize(path).map_err(|error| Error::io("open", path, error))?;
    if named != link.path {
        return Err(not_linked(path));
    }
    let (mut output, source) = Output::extend(path, probe)?;
    let file = IndexFile::from_source(source)?;
    // What is left of a later state would be written over.
    file.commit.check_newest(&file.source)?;
    check_version(&file.commit, link.version, path)?;
    let image = image_of(index)?;
    if image.config != file.head.config || image.rows < file.commit.rows {
        return Err(not_linked(path));
    }
    let held = Held { file: &file, link };
    if is_unchanged(&image, held) {
        return Ok(link.clone());
    }
    if is_wasteful(&image, held) {
        let probe = output.release();
        return replace(&image, path, Some(link.version), control, probe);
    }
    container::go_on(&mut output, &file.commit);
    let sections = IndexWriter::new(&mut output, &image, Some(held), control).write()?;
    let number = file.commit.number + 1;
    let commit = container::commit(output, KIND, number, image.rows, image.live, sections)?;
    Ok(IndexLink::new(named, &image, &commit))
}

/// The bytes of a file of an index. The same state gives the same bytes, those that [`save_index`] writes.
///
/// # Errors
/// `Limit` (`ERR_TQ_LIMIT`) for more than fits memory; otherwise as [`save_index`].
pub fn index_to_bytes(index: &Index) -> Result<Vec<u8>, Error> {
    let image = image_of(index)?;
    let mut memory = Memory::default();
    container::begin(&mut memory)?;
    let control = Control::default();
    let sections = IndexWriter::new(&mut memory, &image, None, &control).write()?;
    container::commit_memory(memory, KIND, image.rows, image.live, sections)
}

/// Writes a new file, under the name of one of this version if there is one.
fn replace(
    image: &Image,
    path: &Path,
    version: Option<Version>,
    control: &Control,
    probe: Probe,
) -> Result<IndexLink, Error> {
    let mut output = Output::create(path, true, probe)?;
    if let Some(version) = version {
        // The file is locked from here on.
        let source = Source::open(path, false)?;
        check_version(&Commit::read(&source, KIND)?, version, path)?;
    }
    container::begin(&mut output)?;
    let sections = IndexWriter::new(&mut output, image, None, control).write()?;
    let path = output.path().to_owned();
    let commit = container::commit(output, KIND, 1, image.rows, image.live, sections)?;
    Ok(IndexLink::new(path, image, &commit))
}

fn image_of(index: &Index) -> Result<Image, Error> {
    let image = index.image()?;
    if image.rows > MAX_ROWS {
        let reason = format!("a file holds at most {MAX_ROWS} rows, got {}", image.rows);
        return Err(Error::Limit { reason });
    }
    Ok(image)
}

fn check_version(commit: &Commit, expected: Version, path: &Path) -> Result<(), Error> {
    if Version::of(commit) == expected {
        return Ok(());
    }
    let path = path.to_owned();
    Err(Error::Changed { path })
}

/// Whether most of the file would be out of use.
fn is_wasteful(image: &Image, held: Held<'_>) -> bool {
    // A file that is mapped cannot be replaced there.
    if cfg!(windows) {
        return false;
    }
    let parts = parts_of(image).filter_map(|part| held.part(part));
    let parts: u64 = parts.flat_map(StoredPart::sections).map(|it| it.len).sum();
    let stored = held
        .file
        .sections
        .parts
        .iter()
        .flat_map(StoredPart::sections);
    let stored: u64 = stored.map(|section| section.len).sum();
    let sections = held.file.commit.sections.iter().map(|section| section.len);
    let kept = sections.sum::<u64>() - stored + parts;
    let unused = held.file.commit.end.saturating_sub(FIRST_SECTION + kept);
    unused > SLACK.max(kept + new_bytes(image, Some(held)))
}

/// The error for an index that does not come from the file it should be added to.
fn not_linked(path: &Path) -> Error {
    let reason = format!(
        "only an index that was opened from {0} or saved there can be added to {0}",
        path.display()
    );
    tinyquant_codec::Error::InvalidArgument { reason }.into()
}
