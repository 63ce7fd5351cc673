//! Records as text: a field a line, or fields with semicolons between them.

use crate::Error;
use crate::lnmp::{Field, Omitted, Record, Value, semantic_checksum};
use crate::scalar::QuantizedVector;
use std::fmt::Write as _;

/// What is written beside numbers and values. The default is none of it, as in lnmp-codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four choices that do not depend on each other"
)]
pub struct TextOptions {
    /// The type after the number, as in `F12:i=3`: without it a reader cannot tell `1` from true, `3` from 3.0, or what an
    /// empty list is of.
    pub hints: bool,
    /// A checksum after each field that is not in another record.
    pub checksums: bool,
    /// Semicolons instead of newlines.
    pub inline: bool,
    /// The dimension of quantized vectors whose codes do not tell it, in the word `QVD` instead of `QV`. No reader but this
    /// one knows it.
    pub exact: bool,
}

/// Writes text, fields sorted by number. Nothing is left out but the values of embeddings, for which only a placeholder with
/// their number is defined.
///
/// # Errors
/// `ERR_TQ_LIMIT` for records nested deeper than [`crate::lnmp::MAX_DEPTH`], and for more than 65535 changes of an embedding.
pub fn encode_text(record: &Record, options: TextOptions) -> Result<String, Error> {
    let mut out = String::new();
    for (i, field) in record.sorted().into_iter().enumerate() {
        if i > 0 {
            out.push(if options.inline { ';' } else { '\n' });
        }
        push_field(field, options, 0, &mut out)?;
        if options.checksums
            && let Some(checksum) = semantic_checksum(field.id, &field.value)?
        {
            push(&mut out, format_args!("#{checksum:08X}"));
        }
    }
    Ok(out)
}

/// Appends formatted text, which cannot fail in memory.
pub(crate) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes everything");
}

fn push_field(
    field: &Field,
    options: TextOptions,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    if options.hints {
        push(out, format_args!("F{}:{}=", field.id, field.value.hint()));
    } else {
        push(out, format_args!("F{}=", field.id));
    }
    push_value(&field.value, options, depth, out)
}

fn push_value(
    value: &Value,
    options: TextOptions,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    match value {
        Value::Int(value) => push(out, format_args!("{value}")),
        Value::Float(value) => push(out, format_args!("{value}")),
        Value::Bool(value) => push_bool(*value, out),
        Value::Text(text) => push_text(text, out),
        Value::Texts(texts) => push_list(texts, out, |text, out| push_text(text, out)),
        Value::Ints(ints) => push_list(ints, out, |int, out| push(out, format_args!("{int}"))),
        Value::Floats(floats) => {
            push_list(floats, out, |float, out| push(out, format_args!("{float}")));
        }
        Value::Bools(bools) => push_list(bools, out, |bool, out| push_bool(*bool, out)),
        Value::Record(record) => push_record(record, options, depth + 1, out)?,
        Value::Records(records) => {
            out.push('[');
            for (i, record) in records.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_record(record, options, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Embedding(embedding) => {
            push_omitted(Omitted::Embedding(embedding.dim().into()), out);
        }
        Value::Delta(delta) => push_omitted(Omitted::Delta(delta.changes.len() as u64), out),
        Value::Omitted(omitted) => push_omitted(*omitted, out),
        Value::Quantized(vector) => push_quantized(vector, options.exact, out),
    }
    Ok(())
}

fn push_bool(value: bool, out: &mut String) {
    out.push(if value { '1' } else { '0' });
}

fn push_list<T>(items: &[T], out: &mut String, mut push: impl FnMut(&T, &mut String)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push(item, out);
    }
    out.push(']');
}

fn push_record(
    record: &Record,
    options: TextOptions,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    super::binary::check_depth(depth, out.len() as u64)?;
    out.push('{');
    for (i, field) in record.sorted().into_iter().enumerate() {
        if i > 0 {
            out.push(';');
        }
        push_field(field, options, depth, out)?;
    }
    out.push('}');
    Ok(())
}

fn push_omitted(omitted: Omitted, out: &mut String) {
    match omitted {
        Omitted::Embedding(dim) => push(out, format_args!("[vector dim={dim}]")),
        Omitted::Delta(changes) => push(out, format_args!("[vector_delta changes={changes}]")),
    }
}

/// Scheme, scale and zero point. Numbers are the shortest decimals that read back to the same f32, without an exponent.
pub(crate) fn push_quantized_head(vector: &QuantizedVector, separator: char, out: &mut String) {
    let (scheme, header) = (vector.scheme().name(), vector.header());
    let (scale, zero_point) = (header.scale, header.zero_point);
    push(
        out,
        format_args!("{scheme}{separator}{scale}{separator}{zero_point}"),
    );
}

fn push_quantized(vector: &QuantizedVector, exact: bool, out: &mut String) {
    let told = vector.scheme().dim_of(vector.data().len());
    let with_dim = exact && told != Some(vector.dim() as usize);
    out.push_str(if with_dim { "QVD[" } else { "QV[" });
    push_quantized_head(vector, ',', out);
    push(out, format_args!(",{},", vector.header().min_val));
    hex(vector.data(), out);
    if with_dim {
        push(out, format_args!(",{}", vector.dim()));
    }
    out.push(']');
}

/// Appends two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
}

/// Whether text may stand without quotes: letters, digits, `_`, `-` and `.` that read as nothing else.
fn is_plain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_literal = ["true", "false", "yes", "no"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    !text.is_empty() && text.bytes().all(is_word) && !is_literal && text.parse::<f64>().is_err()
}

fn push_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
}
