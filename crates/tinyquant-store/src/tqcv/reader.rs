//! Reading a TQCV file.

use super::{PREFIX, TqcvHeader};
use crate::{Error, Source};
use std::path::Path;
use tinyquant_codec::{CompressedBatch, Control, Error as CodecError};

/// Bytes that are read at once from a file that is not mapped.
const CHUNK: usize = 1 << 20;

/// A finished TQCV file, open for reading at any record.
#[derive(Debug)]
pub struct TqcvReader {
    source: Source,
    header: TqcvHeader,
}

impl TqcvReader {
    /// Opens a file, mapped into memory or read with positioned reads. Only the header is read; the length of the
    /// file must be what it announces.
    ///
    /// # Errors
    /// `Io` (`ERR_TQ_IO`), `Truncated` and `Unfinished` (`ERR_TQ_TRUNCATED`), `UnknownVersion`
    /// (`ERR_TQ_VERSION`), `Malformed` (`ERR_TQ_FORMAT`).
    pub fn open(path: &Path, is_mapped: bool) -> Result<Self, Error> {
        Self::from_source(Source::open(path, is_mapped)?)
    }

    /// Opens what a source holds; otherwise as [`TqcvReader::open`].
    ///
    /// # Errors
    /// As [`TqcvReader::open`].
    pub fn from_source(source: Source) -> Result<Self, Error> {
        let header = TqcvHeader::read(&source)?;
        Ok(Self { source, header })
    }

    /// What the file says before its records.
    pub fn header(&self) -> &TqcvHeader {
        &self.header
    }

    /// Number of records.
    pub fn len(&self) -> u64 {
        self.header.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.source.len()
    }

    /// The records from number `from` on, `count` of them. Each is compared with the header.
    ///
    /// # Errors
    /// `InvalidArgument` (`ERR_TQ_INVALID_ARG`) if the file does not have them, `Malformed` (`ERR_TQ_FORMAT`)
    /// with the offset in the file, `Limit` (`ERR_TQ_LIMIT`) where memory is refused, `Truncated`
    /// (`ERR_TQ_TRUNCATED`) if the file has shrunk since, `Io` (`ERR_TQ_IO`).
    pub fn read(&self, from: u64, count: u64) -> Result<CompressedBatch, Error> {
        if from.checked_add(count).is_none_or(|end| end > self.len()) {
            let reason = format!(
                "records {from} to {} are not all there: the file has {}",
                from.saturating_add(count),
                self.len()
            );
            return Err(CodecError::InvalidArgument { reason }.into());
        }
        let layout = &self.header.layout;
        let mut packed = reserved(count, layout.packed_len())?;
        let mut residuals = reserved(count, layout.residual_len())?;
        self.each(
            from,
            count,
            |_| Ok(()),
            |codes, residual| {
                packed.extend_from_slice(codes);
                residuals.extend_from_slice(residual);
            },
        )?;
        Ok(CompressedBatch::from_layout(
            layout.clone(),
            packed,
            residuals,
        )?)
    }

    /// Reads the whole file: every record, and the padding before the first, which must be zero.
    ///
    /// # Errors
    /// Those of [`TqcvReader::read`], and `Cancelled` (`ERR_TQ_ABORTED`).
    pub fn verify(&self, control: &Control) -> Result<(), Error> {
        let start = self.header.padding();
        let padding = self.source.read(start, self.header.body() - start)?;
        if padding.iter().any(|byte| *byte != 0) {
            let reason = "bytes between metadata and records are not zero";
            return Err(self.source.malformed("NonZeroPadding", start, reason));
        }
        let total = self.len() as usize;
        let step = |done| {
            control.report(done, total);
            control.check()
        };
        self.each(0, self.len(), step, |_, _| ())
    }

    /// Calls `take` with packed indices and residual of each of some records, which must be there, and `step`
    /// with the number of records done before every chunk and in the end.
    fn each(
        &self,
        from: u64,
        count: u64,
        step: impl Fn(usize) -> Result<(), CodecError>,
        mut take: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Error> {
        let layout = &self.header.layout;
        let stride = self.header.stride();
        let expected = (layout.record_len() as u32).to_le_bytes();
        let mut offset = self.header.body() + from * stride as u64;
        let mut left = count;
        while left > 0 {
            step((count - left) as usize)?;
            let rows = left.min((CHUNK / stride).max(1) as u64);
            let chunk = self.source.read(offset, rows * stride as u64)?;
            for framed in chunk.chunks_exact(stride) {
                let (prefix, record) = framed.split_at(PREFIX);
                if prefix != expected {
                    let got = prefix
                        .iter()
                        .rev()
                        .fold(0, |n, byte| n << 8 | u64::from(*byte));
                    let reason = format!("record length {got}, expected {}", layout.record_len());
                    return Err(self.source.malformed("LengthMismatch", offset, reason));
                }
                let (codes, residual) = layout
                    .read(record, offset + PREFIX as u64)
                    .map_err(|error| self.located(error))?;
                take(codes, residual);
                offset += stride as u64;
            }
            left -= rows;
        }
        step(count as usize)?;
        Ok(())
    }

    /// A record's error as one of this file.
    fn located(&self, error: CodecError) -> Error {
        match error {
            CodecError::Malformed {
                kind,
                offset,
                reason,
            } => self.source.malformed(kind, offset, reason),
            other => other.into(),
        }
    }
}

/// An empty list with room for `count` times `len` bytes.
fn reserved(count: u64, len: usize) -> Result<Vec<u8>, Error> {
    let bytes = usize::try_from(count).map_or(usize::MAX, |count| count.saturating_mul(len));
    let mut list = Vec::new();
    let refused = |_| Error::Limit {
        reason: format!("not enough memory: {bytes} bytes were refused"),
    };
    list.try_reserve_exact(bytes).map_err(refused)?;
    Ok(list)
}
