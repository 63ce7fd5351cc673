//! Writing a TQCV file.

use super::{COUNT_AT, MAGIC, TQCV_MAX_METADATA, TqcvHeader, UNFINISHED};
use crate::{Error, Output, Probe};
use std::path::Path;
use tinyquant_codec::{CompressedBatch, RecordLayout};

/// A TQCV file being written. It takes its name in [`TqcvWriter::finish`]; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct TqcvWriter {
    output: Output,
    header: TqcvHeader,
    /// A record with its length, from call to call.
    record: Vec<u8>,
}

impl TqcvWriter {
    /// Begins a file at `path` for records of one layout.
    ///
    /// # Errors
    /// `Limit` (`ERR_TQ_LIMIT`) for more than [`crate::TQCV_MAX_METADATA`] bytes of metadata, `Io` (`ERR_TQ_IO`;
    /// `EEXIST` if the file is there and may not be replaced), `Locked` (`ERR_TQ_IO`) while another writer has it
    /// open.
    pub fn create(
        path: &Path,
        overwrite: bool,
        layout: RecordLayout,
        metadata: &[u8],
        probe: Probe,
    ) -> Result<Self, Error> {
        if metadata.len() > TQCV_MAX_METADATA {
            let reason = format!(
                "metadata has at most {TQCV_MAX_METADATA} bytes, got {}",
                metadata.len()
            );
            return Err(Error::Limit { reason });
        }
        let header = TqcvHeader {
            layout,
            metadata: metadata.to_vec(),
            count: 0,
        };
        let mut output = Output::create(path, overwrite, probe)?;
        let bytes = header.to_bytes();
        output.write(&UNFINISHED)?;
        output.write(&bytes[UNFINISHED.len()..])?;
        output.sync()?;
        Ok(Self {
            output,
            header,
            record: Vec::new(),
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        self.output.path()
    }

    /// The header; its count is that of the records so far.
    pub fn header(&self) -> &TqcvHeader {
        &self.header
    }

    /// Number of records so far.
    pub fn len(&self) -> u64 {
        self.header.count
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends all records of a batch.
    ///
    /// # Errors
    /// Those of [`RecordLayout::check_fits`], after which nothing has changed; `Io` (`ERR_TQ_IO`), after which
    /// the writer takes no more.
    pub fn append(&mut self, batch: &CompressedBatch) -> Result<(), Error> {
        let Some(layout) = batch.layout() else {
            return Ok(());
        };
        self.header.layout.check_fits(layout)?;
        let prefix = (layout.record_len() as u32).to_le_bytes();
        let mut residuals = batch.residuals().chunks_exact(layout.residual_len().max(1));
        for packed in batch.packed().chunks_exact(layout.packed_len()) {
            self.record.clear();
            self.record.extend_from_slice(&prefix);
            let residual = residuals.next().unwrap_or_default();
            layout.write(packed, residual, &mut self.record);
            self.output.write(&self.record)?;
        }
        self.header.count += batch.len() as u64;
        Ok(())
    }

    /// Completes the file and gives it its name. Returns its length in bytes.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`), `Closed` (`ERR_TQ_CLOSED`) after an append that failed; an older file at the path is
    /// untouched then.
    pub fn finish(mut self) -> Result<u64, Error> {
        // The records are on the disk before the count, the count before the magic bytes that vouch for both.
        self.output.sync()?;
        self.output
            .patch(COUNT_AT, &self.header.count.to_le_bytes())?;
        self.output.sync()?;
        self.output.patch(0, &MAGIC)?;
        self.output.commit()
    }
}
