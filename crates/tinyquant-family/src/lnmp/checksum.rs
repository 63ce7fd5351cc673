//! The semantic checksum of a field.

use crate::Error;
use crate::lnmp::text::{hex, push as write, push_quantized_head};
use crate::lnmp::{Record, Value};

/// CRC-32 (zlib's) of number, type hint and value as text, whether or not the hint is written. Of a quantized vector the
/// least value and the dimension are left out, so that vectors which differ only there share it;
/// [`crate::scalar::QuantizedView::checksum`] covers both. None for what a text omitted.
///
/// # Errors
/// `ERR_TQ_LIMIT` for more than 65535 changes of an embedding.
pub fn semantic_checksum(id: u16, value: &Value) -> Result<Option<u32>, Error> {
    let mut text = format!("{id}:{}:", value.hint());
    Ok(push(value, &mut text)?.then(|| crc32fast::hash(text.as_bytes())))
}

/// Appends the text of a value; false if it has none.
fn push(value: &Value, out: &mut String) -> Result<bool, Error> {
    match value {
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::Bool(value) => out.push(if *value { '1' } else { '0' }),
        Value::Text(text) => out.push_str(text),
        Value::Texts(texts) => out.push_str(&texts.join(",")),
        Value::Ints(ints) => out.push_str(&joined(ints, i64::to_string)),
        Value::Floats(floats) => out.push_str(&joined(floats, |value| float(*value))),
        Value::Bools(bools) => out.push_str(&joined(bools, |value| u8::from(*value).to_string())),
        Value::Record(record) => return push_record(record, out),
        Value::Records(records) => {
            out.push('[');
            for (i, record) in records.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if !push_record(record, out)? {
                    return Ok(false);
                }
            }
            out.push(']');
        }
        Value::Embedding(embedding) => {
            let mut bytes = Vec::with_capacity(embedding.encoded_len());
            embedding.write(&mut bytes);
            hex(&bytes, out);
        }
        Value::Delta(delta) => hex(&delta.to_bytes()?, out),
        Value::Quantized(vector) => {
            push_quantized_head(vector, ':', out);
            out.push(':');
            hex(vector.data(), out);
        }
        Value::Omitted(_) => return Ok(false),
    }
    Ok(true)
}

fn push_record(record: &Record, out: &mut String) -> Result<bool, Error> {
    out.push('{');
    for (i, field) in record.sorted().into_iter().enumerate() {
        let separator = if i > 0 { ";" } else { "" };
        write(
            out,
            format_args!("{separator}{}:{}:", field.id, field.value.hint()),
        );
        if !push(&field.value, out)? {
            return Ok(false);
        }
    }
    out.push('}');
    Ok(true)
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Shortest digits without an exponent; -0 counts as 0.
fn float(value: f64) -> String {
    (value + 0.0).to_string()
}
