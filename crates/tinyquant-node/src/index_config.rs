//! What search indexes are made for, in JavaScript's words.

use crate::error::Failure;
use crate::number;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use tinyquant_index::{IdKind, IndexConfig, Metric, Originals};

/// What an index is made for.
#[napi(object)]
pub struct NativeIndexConfig {
    /// Components of a vector.
    pub dim: u32,
    /// Bits a component.
    pub bits: u32,
    /// How vectors are compared.
    #[napi(ts_type = "'cosine' | 'dot' | 'l2'")]
    pub metric: String,
    /// Seed of the rotations.
    pub seed: BigInt,
    /// Kind of the ids.
    #[napi(ts_type = "'number' | 'bigint' | 'string'")]
    pub id_type: String,
    /// What is kept beside the codes.
    #[napi(ts_type = "'none' | 'f16' | 'f32'")]
    pub originals: String,
}

impl NativeIndexConfig {
    /// The configuration that this stands for.
    pub(crate) fn parse(&self) -> Result<IndexConfig, Failure> {
        let metric = find(&METRICS, &self.metric, metric_name, "metric")?;
        let kind = find(&ID_KINDS, &self.id_type, id_kind_name, "idType")?;
        let originals = find(&ORIGINALS, &self.originals, originals_name, "originals")?;
        let bits = u8::try_from(self.bits).unwrap_or(u8::MAX);
        let seed = number::seed(&self.seed)?;
        let dim = self.dim as usize;
        Ok(IndexConfig::new(dim, bits, metric, seed, kind, originals)?)
    }
}

impl From<&IndexConfig> for NativeIndexConfig {
    fn from(config: &IndexConfig) -> Self {
        Self {
            dim: config.dim() as u32,
            bits: config.bits().into(),
            metric: metric_name(config.metric()).to_owned(),
            seed: config.seed().into(),
            id_type: id_kind_name(config.id_kind()).to_owned(),
            originals: originals_name(config.originals()).to_owned(),
        }
    }
}

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
const ID_KINDS: [IdKind; 3] = [IdKind::Number, IdKind::Bigint, IdKind::Text];
const ORIGINALS: [Originals; 3] = [Originals::None, Originals::F16, Originals::F32];

/// JavaScript's name of a metric.
pub(crate) const fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::Dot => "dot",
        Metric::L2 => "l2",
    }
}

/// JavaScript's name of a kind of ids.
pub(crate) const fn id_kind_name(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Number => "number",
        IdKind::Bigint => "bigint",
        IdKind::Text => "string",
    }
}

/// JavaScript's name of what is kept beside the codes.
pub(crate) const fn originals_name(originals: Originals) -> &'static str {
    match originals {
        Originals::None => "none",
        Originals::F16 => "f16",
        Originals::F32 => "f32",
    }
}

/// The one of `all` that has this name.
fn find<T: Copy>(
    all: &[T],
    name: &str,
    name_of: fn(T) -> &'static str,
    argument: &str,
) -> Result<T, Failure> {
    let found = all.iter().copied().find(|item| name_of(*item) == name);
    found.ok_or_else(|| Failure::invalid_arg(format!("unknown {argument} {name:?}"), None))
}
