//! Where sections are written: a file, or memory.

use crate::{Error, Output};

/// Takes bytes one after another.
pub(crate) trait Sink {
    /// Offset at which the next byte will lie.
    fn position(&self) -> u64;

    /// Appends bytes.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`) of a file, `Limit` (`ERR_TQ_LIMIT`) of memory.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// Appends zeros up to a multiple of `alignment`.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn align(&mut self, alignment: u64) -> Result<(), Error> {
        let missing = self.position().next_multiple_of(alignment) - self.position();
        self.write(&vec![0; missing as usize])
    }
}

impl Sink for Output {
    fn position(&self) -> u64 {
        Self::position(self)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Self::write(self, bytes)
    }
}

/// A file in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: Vec<u8>,
}

impl Memory {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Memory {
    fn position(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let reserved = self.bytes.try_reserve(bytes.len());
        reserved.map_err(|_| Error::no_memory(bytes.len() as u64))?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
