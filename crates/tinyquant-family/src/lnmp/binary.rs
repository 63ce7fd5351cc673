//! Records as bytes: frames, and the nested form.
//!
//! A frame is version, flags, count, and for each field its number (u16), the tag of its type and its value. The nested form
//! begins with tag 6, and its field numbers are varints.

use crate::Error;
use crate::lnmp::reader::Reader;
use crate::lnmp::{Delta, Embedding, Field, MAX_DEPTH, Record, Value, varint};
use crate::scalar::QuantizedView;
use tinyquant_codec::{Error as CodecError, ErrorCode};

/// Version of a frame of plain values.
const PLAIN: u8 = 4;
/// Version of a frame with records in it.
const NESTED: u8 = 5;

const INT: u8 = 1;
const FLOAT: u8 = 2;
const BOOL: u8 = 3;
const TEXT: u8 = 4;
const TEXTS: u8 = 5;
const RECORD: u8 = 6;
const RECORDS: u8 = 7;
const EMBEDDING: u8 = 8;
/// Numbers of one of four types; only read.
const NUMBERS: u8 = 9;
const QUANTIZED: u8 = 10;
const INTS: u8 = 11;
const FLOATS: u8 = 12;
const BOOLS: u8 = 13;

/// Writes a frame, fields sorted by number. Its version is 4, or 5 where a field is a record.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for changes of an embedding, which have no form there, and for what a text omitted; `ERR_TQ_LIMIT`
/// for records nested deeper than [`MAX_DEPTH`].
pub fn encode(record: &Record) -> Result<Vec<u8>, Error> {
    let is_nested = |field: &Field| matches!(field.value, Value::Record(_) | Value::Records(_));
    let version = if record.fields.iter().any(is_nested) {
        NESTED
    } else {
        PLAIN
    };
    let mut out = vec![version, 0];
    varint::write(record.fields.len() as i64, &mut out);
    for Field { id, value } in record.sorted() {
        if matches!(value, Value::Delta(_)) {
            return Err(Error::invalid(format!(
                "field {id}: changes of an embedding have no form in a frame, only in a nested record"
            )));
        }
        out.extend_from_slice(&id.to_le_bytes());
        write_value(*id, value, 0, &mut out)?;
    }
    Ok(out)
}

/// Writes the nested form, fields sorted by number.
///
/// # Errors
/// As [`encode`], but changes of an embedding are written.
pub fn encode_nested(record: &Record) -> Result<Vec<u8>, Error> {
    let mut out = vec![RECORD];
    write_fields(record, 1, &mut out)?;
    Ok(out)
}

/// Reads a frame or the nested form, which the first byte tells apart.
///
/// # Errors
/// `ERR_TQ_TRUNCATED`, `ERR_TQ_VERSION`, `ERR_TQ_FORMAT` and, for too deep a nesting, `ERR_TQ_LIMIT`, with the offset.
pub fn decode(bytes: &[u8]) -> Result<Record, Error> {
    decode_at(bytes, 0)
}

pub(crate) fn decode_at(bytes: &[u8], base: u64) -> Result<Record, Error> {
    let mut reader = Reader::from_offset(bytes, base);
    let at = reader.offset();
    let record = match reader.u8()? {
        PLAIN | NESTED => read_frame(&mut reader)?,
        RECORD => read_fields(&mut reader, 1)?,
        got => return Err(CodecError::UnknownVersion { got, offset: at }.into()),
    };
    reader.finish()?;
    Ok(record)
}

fn write_fields(record: &Record, depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    check_depth(depth, out.len() as u64)?;
    varint::write(record.fields.len() as i64, out);
    for Field { id, value } in record.sorted() {
        varint::write((*id).into(), out);
        write_value(*id, value, depth, out)?;
    }
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    varint::write(text.len() as i64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a list after its tag and length.
fn write_list<T>(tag: u8, items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(tag);
    varint::write(items.len() as i64, out);
    for item in items {
        write(item, out);
    }
}

/// Writes the tag and the value; `depth` is that of the record it is in.
fn write_value(id: u16, value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Value::Int(value) => {
            out.push(INT);
            varint::write(*value, out);
        }
        Value::Float(value) => {
            out.push(FLOAT);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Bool(value) => out.extend_from_slice(&[BOOL, u8::from(*value)]),
        Value::Text(text) => {
            out.push(TEXT);
            write_text(text, out);
        }
        Value::Texts(texts) => write_list(TEXTS, texts, out, |text, out| write_text(text, out)),
        Value::Record(record) => {
            out.push(RECORD);
            write_fields(record, depth + 1, out)?;
        }
        Value::Records(records) => {
            out.push(RECORDS);
            varint::write(records.len() as i64, out);
            for record in records {
                out.push(RECORD);
                write_fields(record, depth + 1, out)?;
            }
        }
        Value::Embedding(embedding) => {
            out.push(EMBEDDING);
            varint::write(embedding.encoded_len() as i64, out);
            embedding.write(out);
        }
        Value::Quantized(vector) => {
            out.push(QUANTIZED);
            vector.view().write(out);
        }
        Value::Ints(ints) => write_list(INTS, ints, out, |int, out| varint::write(*int, out)),
        Value::Floats(floats) => write_list(FLOATS, floats, out, |float, out| {
            out.extend_from_slice(&float.to_le_bytes());
        }),
        Value::Bools(bools) => write_list(BOOLS, bools, out, |bool, out| out.push((*bool).into())),
        Value::Delta(delta) => {
            let bytes = delta.to_bytes()?;
            out.push(EMBEDDING);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Value::Omitted(_) => {
            return Err(Error::invalid(format!(
                "field {id}: the text it comes from left the embedding out"
            )));
        }
    }
    Ok(())
}

pub(crate) fn check_depth(depth: usize, offset: u64) -> Result<(), Error> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    let message = format!("records nested deeper than {MAX_DEPTH} levels at offset {offset}");
    Err(Error::data(ErrorCode::Limit, message))
}

fn read_frame(reader: &mut Reader<'_>) -> Result<Record, Error> {
    let at = reader.offset();
    let flags = reader.u8()?;
    if flags != 0 {
        let reason = format!("flags {flags:#04x}, of which none is defined");
        return Err(Error::malformed("ReservedFlags", at, reason));
    }
    let count = reader.length("fields")?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let id = reader.u16()?;
        let value = read_value(reader, 0)?;
        fields.push(Field { id, value });
    }
    Ok(Record { fields })
}

/// Reads count and fields of a nested record whose tag has been read.
fn read_fields(reader: &mut Reader<'_>, depth: usize) -> Result<Record, Error> {
    check_depth(depth, reader.offset())?;
    let count = reader.length("fields")?;
    let mut fields = Vec::new();
    for _ in 0..count {
        let at = reader.offset();
        let id = reader.varint()?;
        let id = u16::try_from(id).map_err(|_| {
            let reason = format!("field number {id} is not within 0 to 65535");
            Error::malformed("InvalidFieldId", at, reason)
        })?;
        let value = read_value(reader, depth)?;
        fields.push(Field { id, value });
    }
    Ok(Record { fields })
}

fn read_text(reader: &mut Reader<'_>) -> Result<String, Error> {
    let len = reader.length("bytes of text")?;
    let at = reader.offset();
    let bytes = reader.take(len)?;
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = at + error.valid_up_to() as u64;
            Err(Error::malformed(
                "InvalidUtf8",
                at,
                "text that is not UTF-8",
            ))
        }
    }
}

fn read_bool(reader: &mut Reader<'_>) -> Result<bool, Error> {
    let at = reader.offset();
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        byte => {
            let reason = format!("a boolean is 0 or 1, got {byte}");
            Err(Error::malformed("InvalidValue", at, reason))
        }
    }
}

/// Reads a list whose tag has been read. Each item takes a byte at least, which bounds the memory.
fn read_list<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = reader.length("items")?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read(reader)?);
    }
    Ok(items)
}

/// Reads the tag and the value; `depth` is that of the record it is in.
fn read_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Error> {
    let at = reader.offset();
    let tag = reader.u8()?;
    Ok(match tag {
        INT => Value::Int(reader.varint()?),
        FLOAT => Value::Float(f64::from_le_bytes(reader.array()?)),
        BOOL => Value::Bool(read_bool(reader)?),
        TEXT => Value::Text(read_text(reader)?),
        TEXTS => Value::Texts(read_list(reader, read_text)?),
        RECORD => Value::Record(read_fields(reader, depth + 1)?),
        RECORDS => Value::Records(read_list(reader, |reader| {
            let at = reader.offset();
            match reader.u8()? {
                RECORD => read_fields(reader, depth + 1),
                tag => {
                    let reason = format!("tag {tag} where a record begins");
                    Err(Error::malformed("InvalidTypeTag", at, reason))
                }
            }
        })?),
        EMBEDDING => read_embedding(reader, depth)?,
        NUMBERS => read_numbers(reader)?,
        QUANTIZED => Value::Quantized(QuantizedView::read(reader)?.to_vector()),
        INTS => Value::Ints(read_list(reader, Reader::varint)?),
        FLOATS => Value::Floats(read_list(reader, |reader| {
            Ok(f64::from_le_bytes(reader.array()?))
        })?),
        BOOLS => Value::Bools(read_list(reader, read_bool)?),
        tag => {
            let reason = format!("type tag {tag:#04x} is not known");
            return Err(Error::malformed("InvalidTypeTag", at, reason));
        }
    })
}

/// In a nested record the tag also stands for changes, whose length is a u32. What is no embedding is read as those.
fn read_embedding(reader: &mut Reader<'_>, depth: usize) -> Result<Value, Error> {
    let mut ahead = reader.fork();
    let whole = |reader: &mut Reader<'_>| {
        let len = reader.length("bytes of an embedding")?;
        let at = reader.offset();
        Embedding::read(Reader::from_offset(reader.take(len)?, at))
    };
    match whole(&mut ahead) {
        Ok(embedding) => {
            *reader = ahead;
            Ok(Value::Embedding(embedding))
        }
        Err(error) => {
            let changes = (depth > 0).then(|| read_changes(reader)).flatten();
            changes.map(Value::Delta).ok_or(error)
        }
    }
}

fn read_changes(reader: &mut Reader<'_>) -> Option<Delta> {
    let mut ahead = reader.fork();
    let len = u32::from_le_bytes(ahead.array().ok()?) as usize;
    let delta = Delta::from_bytes(ahead.take(len).ok()?).ok()?;
    *reader = ahead;
    Some(delta)
}

/// Numbers of a type that the flags name: i32, i64, f32 or f64.
fn read_numbers(reader: &mut Reader<'_>) -> Result<Value, Error> {
    let at = reader.offset();
    let flags = reader.u8()?;
    if flags > 3 {
        let reason =
            format!("numbers with flags {flags:#04x}: sparse and delta forms are reserved");
        return Err(Error::malformed("ReservedFlags", at, reason));
    }
    let count = reader.length("numbers")?;
    let width = if flags & 1 == 0 { 4 } else { 8 };
    let bytes = reader.take(count.saturating_mul(width))?;
    let (four, eight) = (
        bytes.as_chunks::<4>().0.iter(),
        bytes.as_chunks::<8>().0.iter(),
    );
    Ok(match flags {
        0 => Value::Ints(
            four.map(|bytes| i32::from_le_bytes(*bytes).into())
                .collect(),
        ),
        1 => Value::Ints(eight.map(|bytes| i64::from_le_bytes(*bytes)).collect()),
        2 => Value::Floats(
            four.map(|bytes| f32::from_le_bytes(*bytes).into())
                .collect(),
        ),
        _ => Value::Floats(eight.map(|bytes| f64::from_le_bytes(*bytes)).collect()),
    })
}
