//! The head of an index file: what the index is, without its rows.

use crate::container::Fields;
use crate::{Error, Source};
use tinyquant_index::{IdKind, IndexConfig, Metric, Originals};

/// Bytes of a head.
const LEN: usize = 32;

/// Configuration and ids of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexHead {
    pub(crate) config: IndexConfig,
    /// Each row has an id of its own; else its id is its number.
    pub(crate) is_listed: bool,
    /// One more than the largest whole number that was an id; 0 where ids are texts.
    pub(crate) next_id: u64,
}

impl IndexHead {
    /// Reads the section that starts at `offset`.
    pub(crate) fn parse(source: &Source, offset: u64, bytes: &[u8]) -> Result<Self, Error> {
        let malformed =
            |kind, at: u64, reason: String| Err(source.malformed(kind, offset + at, reason));
        if bytes.len() != LEN {
            return malformed("InvalidHead", 0, format!("head of {} bytes", bytes.len()));
        }
        let mut fields = Fields(bytes);
        let (dim, bits) = (fields.u32(), fields.u8());
        let (metric, id_kind, originals) = (fields.u8(), fields.u8(), fields.u8());
        let (seed, next_id, ids) = (fields.u64(), fields.u64(), fields.u8());
        if fields.0.iter().any(|byte| *byte != 0) {
            let reason = "reserved bytes are not zero".to_owned();
            return malformed("Reserved", 25, reason);
        }
        let metric = match metric {
            0 => Metric::Cosine,
            1 => Metric::Dot,
            2 => Metric::L2,
            other => return malformed("UnknownMetric", 5, format!("unknown metric {other}")),
        };
        let id_kind = match id_kind {
            0 => IdKind::Number,
            1 => IdKind::Bigint,
            2 => IdKind::Text,
            other => return malformed("UnknownIdKind", 6, format!("unknown kind of ids {other}")),
        };
        let originals = match originals {
            0 => Originals::None,
            1 => Originals::F16,
            2 => Originals::F32,
            other => {
                let reason = format!("unknown kind of originals {other}");
                return malformed("UnknownOriginals", 7, reason);
            }
        };
        let is_listed = match ids {
            0 => false,
            1 => true,
            other => return malformed("InvalidHead", 24, format!("ids flag {other}")),
        };
        let config = IndexConfig::new(dim as usize, bits, metric, seed, id_kind, originals);
        let config = match config {
            Ok(config) => config,
            Err(error) => return malformed("InvalidConfig", 0, error.to_string()),
        };
        Ok(Self {
            config,
            is_listed,
            next_id,
        })
    }

    /// The bytes of the section.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let config = &self.config;
        let metric = match config.metric() {
            Metric::Cosine => 0,
            Metric::Dot => 1,
            Metric::L2 => 2,
        };
        let id_kind = match config.id_kind() {
            IdKind::Number => 0,
            IdKind::Bigint => 1,
            IdKind::Text => 2,
        };
        let originals = match config.originals() {
            Originals::None => 0,
            Originals::F16 => 1,
            Originals::F32 => 2,
        };
        let mut bytes = (config.dim() as u32).to_le_bytes().to_vec();
        bytes.extend([config.bits(), metric, id_kind, originals]);
        bytes.extend(config.seed().to_le_bytes());
        bytes.extend(self.next_id.to_le_bytes());
        bytes.push(self.is_listed.into());
        bytes.resize(LEN, 0);
        bytes
    }
}
