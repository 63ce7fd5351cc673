//! LNMP records, containers and changes of embeddings.

use crate::error::{Failure, guard};
use napi::Env;
use napi::bindgen_prelude::{
    BigInt, BigInt64Array, Float32Array, Float64Array, Uint8Array, Uint16Array,
};
use napi_derive::napi;
use tinyquant_family::lnmp::{
    self, Container, ContainerMode, Delta, Dims, Embedding, Field, Omitted, Record, TextOptions,
    Value,
};
use tinyquant_family::scalar::{Mode, QuantizedVector};

/// A field with its value in the property of its kind.
#[napi(object)]
pub struct NativeLnmpField {
    /// Number of the field.
    pub id: u32,
    /// `int`, `float`, `bool`, `string`, `strings`, `record`, `records`, `embedding`, `quantized`, `ints`, `floats`, `bools`,
    /// `delta`, `omitted` (an embedding) or `omittedDelta`.
    pub kind: String,
    /// Of `int`.
    pub int: Option<BigInt>,
    /// Of `float`; the number of values or changes of what was omitted.
    pub float: Option<f64>,
    /// Of `bool`.
    pub flag: Option<bool>,
    /// Of `string`.
    pub text: Option<String>,
    /// Of `strings`.
    pub texts: Option<Vec<String>>,
    /// Of `ints`.
    pub ints: Option<BigInt64Array>,
    /// Of `floats`.
    pub floats: Option<Float64Array>,
    /// Of `bools`.
    pub flags: Option<Vec<bool>>,
    /// Binary form of `embedding`, `quantized` and `delta`.
    pub bytes: Option<Uint8Array>,
    /// Of `record`.
    pub fields: Option<Vec<NativeLnmpField>>,
    /// Of `records`.
    pub records: Option<Vec<Vec<NativeLnmpField>>>,
}

impl NativeLnmpField {
    fn new(id: u16, kind: &str) -> Self {
        Self {
            id: id.into(),
            kind: kind.to_owned(),
            int: None,
            float: None,
            flag: None,
            text: None,
            texts: None,
            ints: None,
            floats: None,
            flags: None,
            bytes: None,
            fields: None,
            records: None,
        }
    }

    fn from_field(field: Field) -> Result<Self, Failure> {
        let new = |kind| Self::new(field.id, kind);
        Ok(match field.value {
            Value::Int(value) => Self {
                int: Some(value.into()),
                ..new("int")
            },
            Value::Float(value) => Self {
                float: Some(value),
                ..new("float")
            },
            Value::Bool(value) => Self {
                flag: Some(value),
                ..new("bool")
            },
            Value::Text(text) => Self {
                text: Some(text),
                ..new("string")
            },
            Value::Texts(texts) => Self {
                texts: Some(texts),
                ..new("strings")
            },
            Value::Record(record) => Self {
                fields: Some(from_record(record)?),
                ..new("record")
            },
            Value::Records(records) => {
                let records = records.into_iter().map(from_record);
                Self {
                    records: Some(records.collect::<Result<_, _>>()?),
                    ..new("records")
                }
            }
            Value::Embedding(embedding) => {
                let mut bytes = Vec::with_capacity(embedding.encoded_len());
                embedding.write(&mut bytes);
                Self {
                    bytes: Some(bytes.into()),
                    ..new("embedding")
                }
            }
            Value::Quantized(vector) => Self {
                bytes: Some(vector.to_bytes().into()),
                ..new("quantized")
            },
            Value::Ints(ints) => Self {
                ints: Some(ints.into()),
                ..new("ints")
            },
            Value::Floats(floats) => Self {
                floats: Some(floats.into()),
                ..new("floats")
            },
            Value::Bools(flags) => Self {
                flags: Some(flags),
                ..new("bools")
            },
            Value::Delta(delta) => Self {
                bytes: Some(delta.to_bytes()?.into()),
                ..new("delta")
            },
            Value::Omitted(Omitted::Embedding(dim)) => Self {
                float: Some(dim as f64),
                ..new("omitted")
            },
            Value::Omitted(Omitted::Delta(changes)) => Self {
                float: Some(changes as f64),
                ..new("omittedDelta")
            },
            other => {
                return Err(Failure::internal(format!(
                    "a value of type {:?} has no form here",
                    other.hint()
                )));
            }
        })
    }

    fn into_field(self) -> Result<Field, Failure> {
        let id = u16::try_from(self.id).map_err(|_| {
            let message = format!("a field number is from 0 to 65535, got {}", self.id);
            Failure::invalid_arg(message, None)
        })?;
        let missing = || Failure::invalid_arg(format!("field {id} has no value"), None);
        let value = match self.kind.as_str() {
            "int" => {
                let (value, true) = self.int.ok_or_else(missing)?.get_i64() else {
                    let message = format!("field {id} is an integer beyond 64 bits");
                    return Err(Failure::invalid_arg(message, None));
                };
                Value::Int(value)
            }
            "float" => Value::Float(self.float.ok_or_else(missing)?),
            "bool" => Value::Bool(self.flag.ok_or_else(missing)?),
            "string" => Value::Text(self.text.ok_or_else(missing)?),
            "strings" => Value::Texts(self.texts.ok_or_else(missing)?),
            "record" => Value::Record(to_record(self.fields.ok_or_else(missing)?)?),
            "records" => {
                let records = self.records.ok_or_else(missing)?.into_iter().map(to_record);
                Value::Records(records.collect::<Result<_, _>>()?)
            }
            "embedding" => {
                let bytes = self.bytes.ok_or_else(missing)?;
                Value::Embedding(Embedding::from_bytes(&bytes)?)
            }
            "quantized" => {
                let bytes = self.bytes.ok_or_else(missing)?;
                Value::Quantized(QuantizedVector::from_bytes(&bytes)?)
            }
            "ints" => Value::Ints(self.ints.ok_or_else(missing)?.to_vec()),
            "floats" => Value::Floats(self.floats.ok_or_else(missing)?.to_vec()),
            "bools" => Value::Bools(self.flags.ok_or_else(missing)?),
            "delta" => {
                let bytes = self.bytes.ok_or_else(missing)?;
                Value::Delta(Delta::from_bytes(&bytes)?)
            }
            "omitted" => {
                let count = self.float.ok_or_else(missing)?;
                Value::Omitted(Omitted::Embedding(count as u64))
            }
            "omittedDelta" => {
                let count = self.float.ok_or_else(missing)?;
                Value::Omitted(Omitted::Delta(count as u64))
            }
            kind => {
                let message = format!("field {id} is of the unknown type {kind:?}");
                return Err(Failure::invalid_arg(message, None));
            }
        };
        Ok(Field { id, value })
    }
}

fn from_record(record: Record) -> Result<Vec<NativeLnmpField>, Failure> {
    let fields = record.fields.into_iter();
    fields.map(NativeLnmpField::from_field).collect()
}

fn to_record(fields: Vec<NativeLnmpField>) -> Result<Record, Failure> {
    let fields = fields.into_iter().map(NativeLnmpField::into_field);
    Ok(Record::new(fields.collect::<Result<_, _>>()?))
}

/// Dimensions from pairs of a field number and one.
fn dims_of(pairs: &[u32]) -> Dims {
    let pairs = pairs.as_chunks::<2>().0.iter();
    pairs.map(|[id, dim]| (*id as u16, *dim)).collect()
}

/// Writes a frame, or the nested form.
#[napi]
pub fn encode_lnmp(
    env: Env,
    fields: Vec<NativeLnmpField>,
    nested: bool,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let record = to_record(fields)?;
        let bytes = if nested {
            lnmp::encode_nested(&record)
        } else {
            lnmp::encode(&record)
        };
        Ok(bytes?.into())
    })
}

/// What text is written with.
#[napi(object, object_to_js = false)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four choices that do not depend on each other"
)]
pub struct NativeLnmpTextOptions {
    /// Types after the numbers.
    pub hints: bool,
    /// Checksums after the fields.
    pub checksums: bool,
    /// Semicolons instead of newlines.
    pub inline: bool,
    /// Dimensions that codes do not tell.
    pub exact: bool,
}

/// Writes text.
#[napi]
pub fn encode_lnmp_text(
    env: Env,
    fields: Vec<NativeLnmpField>,
    options: NativeLnmpTextOptions,
) -> napi::Result<String> {
    guard(env, || {
        let options = TextOptions {
            hints: options.hints,
            checksums: options.checksums,
            inline: options.inline,
            exact: options.exact,
        };
        Ok(lnmp::encode_text(&to_record(fields)?, options)?)
    })
}

/// Reads a frame, the nested form or a container.
#[napi]
pub fn decode_lnmp(env: Env, bytes: &[u8], dims: &[u32]) -> napi::Result<Vec<NativeLnmpField>> {
    guard(env, || {
        if Container::is_container(bytes) {
            return from_record(Container::from_bytes(bytes)?.record(&dims_of(dims))?);
        }
        from_record(lnmp::decode(bytes)?)
    })
}

/// Reads text.
#[napi]
pub fn decode_lnmp_text(
    env: Env,
    text: String,
    dims: &[u32],
) -> napi::Result<Vec<NativeLnmpField>> {
    guard(env, || {
        from_record(lnmp::decode_text(&text, &dims_of(dims))?)
    })
}

/// A container with its record.
#[napi(object, object_from_js = false)]
pub struct NativeLnmpContainer {
    /// `text`, `binary`, `stream`, `delta`, `embedding` or `spatial`.
    pub mode: &'static str,
    /// Whether checksums are announced.
    pub checksums: bool,
    /// The metadata.
    pub metadata: Uint8Array,
    /// The fields of the record.
    pub fields: Vec<NativeLnmpField>,
}

/// Names of the modes in the order of [`ContainerMode::ALL`].
const MODES: [&str; 6] = ["text", "binary", "stream", "delta", "embedding", "spatial"];

/// Writes a container.
#[napi]
pub fn encode_lnmp_container(
    env: Env,
    fields: Vec<NativeLnmpField>,
    mode: String,
    checksums: bool,
    metadata: &[u8],
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let mut pairs = MODES.iter().zip(ContainerMode::ALL);
        let Some((_, mode)) = pairs.find(|(name, _)| **name == mode) else {
            let message = format!("mode must be one of {}, got {mode:?}", MODES.join(", "));
            return Err(Failure::invalid_arg(message, None));
        };
        let record = to_record(fields)?;
        let container = Container::new(&record, mode, checksums, metadata.to_vec())?;
        Ok(container.to_bytes().into())
    })
}

/// Reads a container and its record.
#[napi]
pub fn decode_lnmp_container(
    env: Env,
    bytes: &[u8],
    dims: &[u32],
) -> napi::Result<NativeLnmpContainer> {
    guard(env, || {
        let container = Container::from_bytes(bytes)?;
        let mut pairs = MODES.into_iter().zip(ContainerMode::ALL);
        let name = pairs.find(|(_, mode)| *mode == container.mode());
        Ok(NativeLnmpContainer {
            mode: name.map_or("binary", |(name, _)| name),
            checksums: container.is_checked(),
            metadata: container.metadata().to_vec().into(),
            fields: from_record(container.record(&dims_of(dims))?)?,
        })
    })
}

/// The semantic checksum of a field; none for what a text omitted.
#[napi]
pub fn lnmp_checksum(env: Env, field: NativeLnmpField) -> napi::Result<Option<u32>> {
    guard(env, || {
        let Field { id, value } = field.into_field()?;
        Ok(lnmp::semantic_checksum(id, &value)?)
    })
}

/// Changes of an embedding.
#[napi(object, object_from_js = false)]
pub struct NativeLnmpDelta {
    /// Number of the embedding that is changed.
    pub base_id: u32,
    /// Index of each changed value.
    pub indices: Uint16Array,
    /// What is added to each.
    pub differences: Float32Array,
}

/// The binary form of what turns one embedding into another.
#[napi]
pub fn lnmp_delta(
    env: Env,
    old: &[f32],
    new: &[f32],
    base_id: u32,
    compat: bool,
) -> napi::Result<Uint8Array> {
    guard(env, || {
        let base_id = u16::try_from(base_id).map_err(|_| {
            let message = format!("baseId is from 0 to 65535, got {base_id}");
            Failure::invalid_arg(message, None)
        })?;
        let mode = if compat { Mode::Compat } else { Mode::Accurate };
        Ok(Delta::between(old, new, base_id, mode)?.to_bytes()?.into())
    })
}

/// Reads the binary form of changes.
#[napi]
pub fn read_lnmp_delta(env: Env, bytes: &[u8]) -> napi::Result<NativeLnmpDelta> {
    guard(env, || {
        let delta = Delta::from_bytes(bytes)?;
        let (indices, differences): (Vec<u16>, Vec<f32>) = delta.changes.into_iter().unzip();
        Ok(NativeLnmpDelta {
            base_id: delta.base_id.into(),
            indices: indices.into(),
            differences: differences.into(),
        })
    })
}

/// The changed embedding.
#[napi]
pub fn apply_lnmp_delta(env: Env, bytes: &[u8], base: &[f32]) -> napi::Result<Float32Array> {
    guard(env, || Ok(Delta::from_bytes(bytes)?.apply(base)?.into()))
}

/// Cosine, dot product or Euclidean distance (`cosine`, `dot`, `l2`) as lnmp-embedding computes it.
#[napi]
pub fn lnmp_similarity(env: Env, a: &[f32], b: &[f32], measure: String) -> napi::Result<f64> {
    guard(env, || {
        Ok(match measure.as_str() {
            "cosine" => lnmp::cosine(a, b)?,
            "dot" => lnmp::dot(a, b)?,
            _ => lnmp::euclidean(a, b)?,
        }
        .into())
    })
}
