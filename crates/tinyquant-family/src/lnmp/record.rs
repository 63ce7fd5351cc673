//! What a record consists of.

use crate::lnmp::{Delta, Embedding};
use crate::scalar::QuantizedVector;

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// A record in a record.
    Record(Record),
    /// Records in a record.
    Records(Vec<Record>),
    /// An embedding of floats, bytes or bits.
    Embedding(Embedding),
    /// A quantized embedding.
    Quantized(QuantizedVector),
    /// Integers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f64>),
    /// Trues and falses.
    Bools(Vec<bool>),
    /// Changes of an embedding; only in nested records.
    Delta(Delta),
    /// What text says in place of an embedding that it cannot hold.
    Omitted(Omitted),
}

/// An embedding that was left out of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted {
    /// An embedding of so many values.
    Embedding(u64),
    /// So many changes of an embedding.
    Delta(u64),
}

impl Value {
    /// The type hint of text and checksums.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Int(_) => "i",
            Self::Float(_) => "f",
            Self::Bool(_) => "b",
            Self::Text(_) => "s",
            Self::Texts(_) => "sa",
            Self::Record(_) => "r",
            Self::Records(_) => "ra",
            Self::Embedding(_) | Self::Delta(_) | Self::Omitted(_) => "v",
            Self::Quantized(_) => "qv",
            Self::Ints(_) => "ia",
            Self::Floats(_) => "fa",
            Self::Bools(_) => "ba",
        }
    }
}

/// A value under a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The number.
    pub id: u16,
    /// The value.
    pub value: Value,
}

/// Fields in any order; several may share a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The fields.
    pub fields: Vec<Field>,
}

impl Record {
    /// A record of fields in the order given.
    pub const fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }

    /// The value of the first field with this number.
    pub fn get(&self, id: u16) -> Option<&Value> {
        let field = self.fields.iter().find(|field| field.id == id)?;
        Some(&field.value)
    }

    /// The fields by number, those of one number in their order.
    pub fn sorted(&self) -> Vec<&Field> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|field| field.id);
        fields
    }
}

impl FromIterator<(u16, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (u16, Value)>>(fields: I) -> Self {
        let field = |(id, value)| Field { id, value };
        Self::new(fields.into_iter().map(field).collect())
    }
}
