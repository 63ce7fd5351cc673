//! Files of one record: a header of twelve bytes, metadata, payload.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::lnmp::{Dims, Record, TextOptions, binary, encode, encode_text, text_reader};
use tinyquant_codec::{Error as CodecError, ErrorCode};

const MAGIC: [u8; 4] = *b"LNMP";
const VERSION: u8 = 1;
/// Bytes of the header.
const HEADER: u64 = 12;

/// What the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ContainerMode {
    /// Text.
    Text = 1,
    /// A frame.
    Binary = 2,
    /// A frame that is sent in parts; six bytes of metadata.
    Stream = 3,
    /// A frame of changes; ten bytes of metadata.
    Delta = 4,
    /// A frame of embeddings. lnmp-codec writes it and does not read it.
    Embedding = 6,
    /// A frame of places, as [`ContainerMode::Embedding`].
    Spatial = 7,
}

impl ContainerMode {
    /// Every mode, in the order of the bytes that stand for them; 5 is reserved.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Binary,
        Self::Stream,
        Self::Delta,
        Self::Embedding,
        Self::Spatial,
    ];

    /// Bytes of metadata, where the mode decides.
    const fn metadata_len(self) -> Option<usize> {
        match self {
            Self::Stream => Some(6),
            Self::Delta => Some(10),
            _ => None,
        }
    }
}

/// A container whose payload has not been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    mode: ContainerMode,
    is_checked: bool,
    metadata: Vec<u8>,
    payload: Vec<u8>,
}

impl Container {
    /// A container of a record. `is_checked` announces checksums, which text then has.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for metadata of a length that the mode does not allow; else as [`encode`] and [`encode_text`].
    pub fn new(
        record: &Record,
        mode: ContainerMode,
        is_checked: bool,
        metadata: Vec<u8>,
    ) -> Result<Self, Error> {
        let got = metadata.len();
        if let Some(expected) = mode.metadata_len().filter(|expected| *expected != got) {
            return Err(Error::invalid(format!(
                "a container of mode {mode:?} has {expected} bytes of metadata, got {got}"
            )));
        }
        if u32::try_from(got).is_err() {
            let message = format!("{got} bytes of metadata do not fit 32 bits");
            return Err(Error::data(ErrorCode::Limit, message));
        }
        let payload = if mode == ContainerMode::Text {
            let options = TextOptions {
                hints: is_checked,
                checksums: is_checked,
                ..TextOptions::default()
            };
            encode_text(record, options)?.into_bytes()
        } else {
            encode(record)?
        };
        Ok(Self {
            mode,
            is_checked,
            metadata,
            payload,
        })
    }

    /// What the payload is.
    pub const fn mode(&self) -> ContainerMode {
        self.mode
    }

    /// Whether checksums are announced.
    pub const fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// The metadata.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Header (magic, version, mode, flags and length of the metadata, all big-endian), metadata, payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.metadata.len() + self.payload.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.mode as u8]);
        out.extend_from_slice(&u16::from(self.is_checked).to_be_bytes());
        out.extend_from_slice(&(self.metadata.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(&self.payload);
        out
    }

    /// Whether bytes begin as a container does.
    pub fn is_container(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads header and metadata; the payload is what follows.
    ///
    /// # Errors
    /// `ERR_TQ_TRUNCATED`, `ERR_TQ_VERSION` and `ERR_TQ_FORMAT` with the offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != MAGIC {
            return Err(Error::malformed(
                "BadMagic",
                0,
                "not a container: bad magic",
            ));
        }
        let [version, byte] = reader.array()?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion {
                got: version,
                offset: 4,
            }
            .into());
        }
        let mode = ContainerMode::ALL
            .into_iter()
            .find(|mode| *mode as u8 == byte);
        let Some(mode) = mode else {
            let reason = format!("container mode {byte} is not known");
            return Err(Error::malformed("InvalidMode", 5, reason));
        };
        let flags = u16::from_be_bytes(reader.array()?);
        if flags > 1 {
            let reason = format!("flags {flags:#06x}, of which only the lowest is defined");
            return Err(Error::malformed("ReservedFlags", 6, reason));
        }
        let len = u32::from_be_bytes(reader.array()?) as usize;
        if let Some(expected) = mode.metadata_len().filter(|expected| *expected != len) {
            let reason = format!("mode {mode:?} has {expected} bytes of metadata, got {len}");
            return Err(Error::malformed("InvalidMetadata", 8, reason));
        }
        let metadata = reader.take(len)?.to_vec();
        let payload = reader.take(reader.remaining())?.to_vec();
        Ok(Self {
            mode,
            is_checked: flags == 1,
            metadata,
            payload,
        })
    }

    /// The record of the payload; `dims` as for [`crate::lnmp::decode_text`].
    ///
    /// # Errors
    /// As [`crate::lnmp::decode`] and [`crate::lnmp::decode_text`]; offsets are those in the container.
    pub fn record(&self, dims: &Dims) -> Result<Record, Error> {
        let base = HEADER + self.metadata.len() as u64;
        if self.mode != ContainerMode::Text {
            return binary::decode_at(&self.payload, base);
        }
        match str::from_utf8(&self.payload) {
            Ok(text) => text_reader::decode_text_at(text, dims, base),
            Err(error) => {
                let at = base + error.valid_up_to() as u64;
                Err(Error::malformed(
                    "InvalidUtf8",
                    at,
                    "text that is not UTF-8",
                ))
            }
        }
    }
}
