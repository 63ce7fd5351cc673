//! Any file that this crate reads, told by its first bytes.

use crate::container::kind_of;
use crate::{CorpusFile, Error, IndexFile, Source, TqcvReader, index_file};
use std::path::Path;
use tinyquant_codec::{Codebook, Control};

/// Bytes that no codebook file reaches.
const CODEBOOK_LIMIT: u64 = 1 << 16;

/// A file of one of the formats.
#[derive(Debug)]
pub enum StoredFile {
    /// The project's own corpus file.
    Corpus(Box<CorpusFile>),
    /// The project's own index file.
    Index(Box<IndexFile>),
    /// TinyQuant's corpus file.
    Tqcv(TqcvReader),
    /// A codebook, and the length of its file.
    Codebook(Codebook, u64),
}

impl StoredFile {
    /// Opens a file as what it says it is.
    ///
    /// # Errors
    /// Those of [`CorpusFile::open`], [`IndexFile::open`], [`TqcvReader::open`] and [`Codebook::from_bytes`];
    /// `Malformed` (`ERR_TQ_FORMAT`) for any other file.
    pub fn open(path: &Path, is_mapped: bool) -> Result<Self, Error> {
        Self::from_source(Source::open(path, is_mapped)?)
    }

    /// Opens the bytes of a file.
    ///
    /// # Errors
    /// As [`StoredFile::open`].
    pub fn from_source(source: Source) -> Result<Self, Error> {
        let start = source.read(0, source.len().min(8))?;
        match *start {
            [b'T', b'Q', b'C', b'V', 1, ..] | [b'T', b'Q', b'C', b'X', ..] => {
                drop(start);
                Ok(Self::Tqcv(TqcvReader::from_source(source)?))
            }
            [b'T', b'Q', b'C', b'B', ..] => {
                let len = source.len();
                let codebook = source.read(0, len.min(CODEBOOK_LIMIT))?;
                Ok(Self::Codebook(source.codebook(0, &codebook)?, len))
            }
            _ if kind_of(&source) == Some(index_file::KIND) => {
                drop(start);
                Ok(Self::Index(Box::new(IndexFile::from_source(source)?)))
            }
            // Anything else says what it is not as a corpus file, one whose first superblock is damaged included.
            _ => {
                drop(start);
                Ok(Self::Corpus(Box::new(CorpusFile::from_source(source)?)))
            }
        }
    }

    /// Reads all of the file and checks all that can be checked.
    ///
    /// # Errors
    /// Those of [`CorpusFile::verify`], [`IndexFile::verify`] and [`TqcvReader::verify`].
    pub fn verify(&self, control: &Control) -> Result<(), Error> {
        match self {
            Self::Corpus(file) => file.verify(control),
            Self::Index(file) => file.verify(control),
            Self::Tqcv(file) => file.verify(control),
            Self::Codebook(..) => Ok(()),
        }
    }
}
