//! Bringing a corpus to a file.

use crate::corpus_writer::Version;
use crate::{CorpusFile, CorpusWriter, Error, Probe};
use std::path::{Path, PathBuf};
use tinyquant_codec::Control;
use tinyquant_corpus::Corpus;

/// Vectors fetched at a time.
const PAGE: usize = 1024;

/// Which vectors of a corpus a file holds, so that later only what changed has to be added to it.
#[derive(Debug, Clone)]
pub struct Link {
    path: PathBuf,
    version: Version,
    /// Vectors of the numbers below this are the rows of the same numbers.
    stored: u64,
    /// Numbers of the vectors in the rows after those.
    later: Vec<u64>,
    /// Vectors of numbers from this on are not in the file.
    next: u64,
}

impl Link {
    /// The link of a corpus that was just opened from a file.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`) if the file is no longer there.
    pub fn opened(path: &Path, file: &CorpusFile) -> Result<Self, Error> {
        let path = std::fs::canonicalize(path).map_err(|error| Error::io("open", path, error))?;
        Ok(Self {
            path,
            version: Version::of(&file.commit),
            stored: file.commit.rows,
            later: Vec::new(),
            next: file.commit.rows,
        })
    }

    /// Number of the vector in a row of the file.
    fn number(&self, row: u64) -> Option<u64> {
        match row.checked_sub(self.stored) {
            None => Some(row),
            Some(index) => self.later.get(index as usize).copied(),
        }
    }
}

/// Writes all of a corpus to a file, which replaces the one at `path`.
///
/// # Errors
/// As [`CorpusWriter::create`], [`CorpusWriter::finish`] and reading the corpus; `Cancelled`.
pub fn save(corpus: &Corpus, path: &Path, control: &Control, probe: Probe) -> Result<Link, Error> {
    let coding = corpus.coding().clone();
    let metadata = corpus.metadata().map(AsRef::as_ref);
    let mut writer = CorpusWriter::create(path, corpus.id(), coding, metadata, true, probe)?;
    let mut later = Vec::new();
    let mut is_gapless = true;
    add(&mut writer, corpus, 0, control, |number| {
        is_gapless &= number == later.len() as u64;
        later.push(number);
    })?;
    let path = writer.path().to_owned();
    let written = writer.finish()?;
    let stored = if is_gapless { later.len() as u64 } else { 0 };
    if is_gapless {
        later = Vec::new();
    }
    Ok(Link {
        path,
        version: written.version,
        stored,
        later,
        next: corpus.next_number(),
    })
}

/// Adds to a file what changed in a corpus since `link`: vectors that came and vectors that went.
///
/// # Errors
/// `Changed` (`ERR_TQ_IO`) if the file is no longer the one of the link, `InvalidArgument` (`ERR_TQ_INVALID_ARG`) for
/// another file; otherwise as [`save`].
pub fn append(
    corpus: &Corpus,
    link: &Link,
    path: &Path,
    control: &Control,
    probe: Probe,
) -> Result<Link, Error> {
    let named = std::fs::canonicalize(path).map_err(|error| Error::io("open", path, error))?;
    if named != link.path {
        return Err(not_linked(path));
    }
    let mut writer = CorpusWriter::append(path, probe)?;
    if writer.version() != Some(link.version) {
        let path = path.to_owned();
        return Err(Error::Changed { path });
    }
    let mut link = link.clone();
    for row in 0..link.stored + link.later.len() as u64 {
        if link
            .number(row)
            .is_none_or(|number| !corpus.is_live(number))
        {
            writer.remove(row);
        }
    }
    add(&mut writer, corpus, link.next, control, |number| {
        link.later.push(number);
    })?;
    link.version = writer.finish()?.version;
    link.next = corpus.next_number();
    Ok(link)
}

/// The error for a corpus that does not come from the file it should be added to.
pub fn not_linked(path: &Path) -> Error {
    let reason = format!(
        "only a corpus that was opened from {0} or saved there can be added to {0}",
        path.display()
    );
    tinyquant_codec::Error::InvalidArgument { reason }.into()
}

fn add(
    writer: &mut CorpusWriter,
    corpus: &Corpus,
    first: u64,
    control: &Control,
    mut note: impl FnMut(u64),
) -> Result<(), Error> {
    let (mut from, until, mut done) = (first, corpus.next_number(), 0);
    while from < until {
        control.check()?;
        let page = corpus.page(from, until, PAGE)?;
        for number in from..page.next {
            if corpus.is_live(number) {
                note(number);
            }
        }
        for entry in &page.items {
            writer.push_entry(entry)?;
        }
        done += page.items.len();
        control.report(done, corpus.len());
        from = page.next;
    }
    Ok(())
}
