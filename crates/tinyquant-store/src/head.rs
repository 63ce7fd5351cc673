//! The head of a corpus file: what the corpus is, without its rows.

use crate::container::Fields;
use crate::{Error, Source};
use tinyquant_codec::CodecConfig;
use tinyquant_corpus::CompressionPolicy;

/// The rotation of the codec: columns of ChaCha20 normals made orthogonal by Householder reflections in a fixed
/// order. Another way to make the matrix would get another number.
const ROTATION: u8 = 1;
/// Bytes before the texts.
const FIXED: usize = 88;
/// Length of a metadata text that is not there.
const ABSENT: u32 = u32::MAX;

/// Identity, configuration and policy of a corpus.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) config: CodecConfig,
    pub(crate) policy: CompressionPolicy,
    pub(crate) metadata: Option<String>,
}

impl Head {
    /// Reads the section that starts at `offset`.
    pub(crate) fn parse(source: &Source, offset: u64, bytes: &[u8]) -> Result<Self, Error> {
        let malformed =
            |kind, at: u64, reason: String| Err(source.malformed(kind, offset + at, reason));
        if bytes.len() < FIXED {
            return malformed("InvalidHead", 0, format!("head of {} bytes", bytes.len()));
        }
        let (fixed, texts) = bytes.split_at(FIXED);
        let mut fields = Fields(fixed);
        let (dimension, bit_width, residual) = (fields.u32(), fields.u8(), fields.u8());
        let (policy, rotation) = (fields.u8(), fields.u8());
        let seed = fields.u64();
        let (hash, lengths) = fields.0.split_at(64);
        let mut lengths = Fields(lengths);
        let (id_len, metadata_len) = (lengths.u32(), lengths.u32());
        if residual > 1 {
            return malformed("InvalidHead", 5, format!("residual flag {residual}"));
        }
        if rotation != ROTATION {
            return malformed("UnknownRotation", 7, format!("unknown rotation {rotation}"));
        }
        let policy = match policy {
            0 => CompressionPolicy::Compress,
            1 => CompressionPolicy::Passthrough,
            2 => CompressionPolicy::Fp16,
            other => return malformed("UnknownPolicy", 6, format!("unknown policy {other}")),
        };
        let config = CodecConfig::new(bit_width, seed, dimension, residual == 1);
        let config = match config {
            Ok(config) => config,
            Err(error) => return malformed("InvalidConfig", 0, error.to_string()),
        };
        if config.config_hash().as_bytes() != hash {
            let reason = "the configuration hash does not belong to the configuration".to_owned();
            return malformed("InvalidConfig", 16, reason);
        }
        let metadata_len = (metadata_len != ABSENT).then_some(metadata_len as usize);
        let id_len = id_len as usize;
        if texts.len() != id_len.saturating_add(metadata_len.unwrap_or(0)) {
            let reason = format!("{} bytes of texts in the head", texts.len());
            return malformed("InvalidHead", FIXED as u64, reason);
        }
        let (id, metadata) = texts.split_at(id_len);
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec());
            let invalid =
                |_| source.malformed("InvalidUtf8", offset + FIXED as u64, "invalid UTF-8");
            text.map_err(invalid)
        };
        Ok(Self {
            id: text(id)?,
            config,
            policy,
            metadata: metadata_len.map(|_| text(metadata)).transpose()?,
        })
    }

    /// The bytes of the section.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let length = |text: &str| match u32::try_from(text.len()) {
            Ok(length) if length != ABSENT => Ok(length),
            _ => Err(Error::Limit {
                reason: format!("a text of {} bytes is too long", text.len()),
            }),
        };
        let policy = match self.policy {
            CompressionPolicy::Compress => 0,
            CompressionPolicy::Passthrough => 1,
            CompressionPolicy::Fp16 => 2,
        };
        let config = &self.config;
        let mut bytes = (config.dimension() as u32).to_le_bytes().to_vec();
        let residual = u8::from(config.residual_enabled());
        bytes.extend([config.bit_width(), residual, policy, ROTATION]);
        bytes.extend(config.seed().to_le_bytes());
        bytes.extend(config.config_hash().as_bytes());
        bytes.extend(length(&self.id)?.to_le_bytes());
        let metadata = self.metadata.as_deref();
        let metadata_len = metadata.map_or(Ok(ABSENT), length)?;
        bytes.extend(metadata_len.to_le_bytes());
        bytes.extend(self.id.as_bytes());
        bytes.extend(metadata.unwrap_or_default().as_bytes());
        Ok(bytes)
    }
}
