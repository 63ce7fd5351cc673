//! Records from text.

use crate::Error;
use crate::lnmp::binary::check_depth;
use crate::lnmp::{Field, Omitted, Record, Value, semantic_checksum};
use crate::scalar::{Header, QuantizedVector, Scheme};
use std::collections::BTreeMap;
use std::str::FromStr;
use tinyquant_codec::{Detail, Error as CodecError, ErrorCode};

/// Dimensions of quantized vectors by field number, for those whose text does not tell it.
pub type Dims = BTreeMap<u16, u32>;

/// Reads text: fields that newlines or semicolons separate, empty lines, and lines of comment that begin with `#`. A
/// checksum that is present must be right.
///
/// A quantized vector has the dimension of `dims`, else that of its word `QVD`, else the largest one that its codes can have:
/// an odd number of 4-bit codes and a number of bits that is no multiple of eight need one of the former. Without a type hint
/// digits are an integer (`0` and `1` too), other numbers floats, lists of numbers lists of the same, all else is text.
///
/// # Errors
/// `ERR_TQ_TRUNCATED`, `ERR_TQ_FORMAT`, `ERR_TQ_CHECKSUM` and, for too deep a nesting, `ERR_TQ_LIMIT`; offsets are bytes of
/// the text.
pub fn decode_text(text: &str, dims: &Dims) -> Result<Record, Error> {
    decode_text_at(text, dims, 0)
}

pub(crate) fn decode_text_at(text: &str, dims: &Dims, base: u64) -> Result<Record, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        dims,
        base,
    };
    parser.record()
}

/// An item of a list.
enum Item<'a> {
    Quoted(String),
    Word(&'a str),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    dims: &'a Dims,
    /// Offset of the text, for messages.
    base: u64,
}

impl<'a> Parser<'a> {
    fn record(&mut self) -> Result<Record, Error> {
        let mut fields = Vec::new();
        loop {
            self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';'));
            match self.peek() {
                None => return Ok(Record { fields }),
                Some(b'#') => self.skip(|byte| byte != b'\n'),
                Some(_) => {
                    fields.push(self.field(0)?);
                    self.blanks();
                    if !matches!(self.peek(), None | Some(b'\r' | b'\n' | b';')) {
                        return Err(self.unexpected("the end of the field"));
                    }
                }
            }
        }
    }

    fn field(&mut self, depth: usize) -> Result<Field, Error> {
        self.expect(b'F', "a field, as in F12=3")?;
        let at = self.at;
        let digits = self.taken(|byte| byte.is_ascii_digit());
        let id = u16::from_str(digits).map_err(|_| {
            let reason = format!("field number {digits:?} is not within 0 to 65535");
            self.malformed("InvalidFieldId", at, reason)
        })?;
        let mut hint = None;
        if self.peek() == Some(b':') {
            self.at += 1;
            let at = self.at;
            let given = self.taken(|byte| byte.is_ascii_lowercase());
            if !HINTS.contains(&given) {
                let reason = format!("{given:?} is no type hint");
                return Err(self.malformed("InvalidTypeHint", at, reason));
            }
            hint = Some(given);
        }
        self.blanks();
        self.expect(b'=', "=")?;
        self.blanks();
        let at = self.at;
        let value = self.value(id, hint, depth)?;
        if let Some(hint) = hint.filter(|hint| *hint != value.hint()) {
            let reason = format!(
                "a value of type {:?} where {hint:?} is announced",
                value.hint()
            );
            return Err(self.malformed("TypeHintMismatch", at, reason));
        }
        self.blanks();
        if self.peek() == Some(b'#') {
            self.checksum(id, &value)?;
        }
        Ok(Field { id, value })
    }

    fn checksum(&mut self, id: u16, value: &Value) -> Result<(), Error> {
        self.at += 1;
        let at = self.at;
        let digits = self.taken(|byte| byte.is_ascii_hexdigit() || byte == b'x');
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let given = u32::from_str_radix(digits, 16).ok();
        let Some(given) = given.filter(|_| digits.len() == 8) else {
            let reason = format!("a checksum has eight hexadecimal digits, got {digits:?}");
            return Err(self.malformed("InvalidChecksum", at, reason));
        };
        match semantic_checksum(id, value)? {
            Some(computed) if computed != given => Err(Error::Data {
                code: ErrorCode::Checksum,
                details: vec![
                    ("kind", Detail::Text("ChecksumMismatch".to_owned())),
                    ("field", Detail::Int(id.into())),
                    ("offset", Detail::Int(self.offset(at) as i64)),
                ],
                message: format!(
                    "field {id} has checksum {computed:08X}, {given:08X} is written at offset {}",
                    self.offset(at)
                ),
            }),
            _ => Ok(()),
        }
    }

    fn value(&mut self, id: u16, hint: Option<&str>, depth: usize) -> Result<Value, Error> {
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.quoted()?)),
            Some(b'[') => self.list(hint, depth),
            Some(b'{') => Ok(Value::Record(self.nested(depth + 1)?)),
            _ => {
                let at = self.at;
                let word = self.word()?;
                if matches!(word, "QV" | "QVD") && self.peek() == Some(b'[') {
                    return self.quantized(id, word == "QVD");
                }
                self.literal(word, hint, at)
            }
        }
    }

    /// A word by its type, or by its looks.
    fn literal(&self, word: &str, hint: Option<&str>, at: usize) -> Result<Value, Error> {
        match hint {
            Some("i") => Ok(Value::Int(self.parsed(
                word,
                "an integer of 64 bits",
                at,
            )?)),
            Some("f") => Ok(Value::Float(self.parsed(word, "a number", at)?)),
            Some("b") => Ok(Value::Bool(self.truth(word, at)?)),
            Some("s") => Ok(Value::Text(word.to_owned())),
            Some(hint) => {
                let reason = format!("{word:?} where a value of type {hint:?} is announced");
                Err(self.malformed("TypeHintMismatch", at, reason))
            }
            None if is_whole(word) => Ok(Value::Int(self.parsed(
                word,
                "an integer of 64 bits",
                at,
            )?)),
            None => Ok(match f64::from_str(word) {
                Ok(value) => Value::Float(value),
                Err(_) => Value::Text(word.to_owned()),
            }),
        }
    }

    fn truth(&self, word: &str, at: usize) -> Result<bool, Error> {
        match word.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => Ok(true),
            "0" | "false" | "no" => Ok(false),
            _ => {
                let reason = format!("a boolean is 0 or 1, got {word:?}");
                Err(self.malformed("InvalidValue", at, reason))
            }
        }
    }

    fn parsed<T: FromStr>(&self, word: &str, what: &str, at: usize) -> Result<T, Error> {
        word.parse().map_err(|_| {
            let reason = format!("expected {what}, got {word:?}");
            self.malformed("InvalidValue", at, reason)
        })
    }

    fn list(&mut self, hint: Option<&str>, depth: usize) -> Result<Value, Error> {
        self.at += 1;
        for (start, make) in PLACEHOLDERS {
            if self.rest().starts_with(start) {
                self.at += start.len();
                let at = self.at;
                let count = self.taken(|byte| byte.is_ascii_digit());
                let count = self.parsed(count, "a number", at)?;
                self.expect(b']', "]")?;
                return Ok(Value::Omitted(make(count)));
            }
        }
        self.blanks();
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(match hint {
                    Some("ra") => Value::Records(vec![]),
                    Some("ia") => Value::Ints(vec![]),
                    Some("fa") => Value::Floats(vec![]),
                    Some("ba") => Value::Bools(vec![]),
                    _ => Value::Texts(vec![]),
                })
            }
            Some(b'{') => {
                let records = self.items(|parser| parser.nested(depth + 1))?;
                Ok(Value::Records(records))
            }
            _ => {
                let items = self.items(|parser| {
                    let at = parser.at;
                    if parser.peek() == Some(b'"') {
                        return Ok((at, Item::Quoted(parser.quoted()?)));
                    }
                    Ok((at, Item::Word(parser.word()?)))
                })?;
                self.typed(items, hint)
            }
        }
    }

    /// Items up to the closing bracket, of which there is at least one.
    fn items<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        loop {
            self.blanks();
            items.push(item(self)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                _ => return Err(self.unexpected("a comma or ]")),
            }
        }
    }

    /// A list by its type, or by the looks of its items.
    fn typed(&self, items: Vec<(usize, Item<'a>)>, hint: Option<&str>) -> Result<Value, Error> {
        let all = |is: fn(&str) -> bool| {
            let mut items = items.iter();
            items.all(|(_, item)| matches!(item, Item::Word(word) if is(word)))
        };
        let hint = match hint {
            Some(hint) => hint,
            None if all(is_whole) => "ia",
            None if all(|word| f64::from_str(word).is_ok()) => "fa",
            None => "sa",
        };
        let words = |what: &str| {
            let word = |(at, item): &(usize, Item<'a>)| match item {
                Item::Word(word) => Ok((*word, *at)),
                Item::Quoted(_) => {
                    let reason = format!("text in a list of {what}");
                    Err(self.malformed("TypeHintMismatch", *at, reason))
                }
            };
            items.iter().map(word).collect::<Result<Vec<_>, _>>()
        };
        Ok(match hint {
            "ia" => {
                let ints = words("integers")?.into_iter();
                let int = |(word, at)| self.parsed(word, "an integer of 64 bits", at);
                Value::Ints(ints.map(int).collect::<Result<_, _>>()?)
            }
            "fa" => {
                let floats = words("numbers")?.into_iter();
                let float = |(word, at)| self.parsed(word, "a number", at);
                Value::Floats(floats.map(float).collect::<Result<_, _>>()?)
            }
            "ba" => {
                let bools = words("booleans")?.into_iter();
                Value::Bools(
                    bools
                        .map(|(word, at)| self.truth(word, at))
                        .collect::<Result<_, _>>()?,
                )
            }
            // Another hint is refused with the value.
            _ => Value::Texts(
                items
                    .into_iter()
                    .map(|(_, item)| match item {
                        Item::Quoted(text) => text,
                        Item::Word(word) => word.to_owned(),
                    })
                    .collect(),
            ),
        })
    }

    fn nested(&mut self, depth: usize) -> Result<Record, Error> {
        check_depth(depth, self.offset(self.at))?;
        self.expect(b'{', "{")?;
        let mut fields = Vec::new();
        loop {
            self.blanks();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Record { fields });
            }
            fields.push(self.field(depth)?);
            self.blanks();
            match self.peek() {
                Some(b';') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.unexpected("a semicolon or }")),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let plain = self.taken(|byte| !matches!(byte, b'"' | b'\\'));
            text.push_str(plain);
            match self.peek() {
                None => return Err(self.unexpected("a closing quote")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(_) => {
                    let escaped = self.text.as_bytes().get(self.at + 1);
                    text.push(match escaped {
                        Some(b'"') => '"',
                        Some(b'\\') => '\\',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        _ => {
                            let reason = "a backslash comes before \", \\, n, r or t";
                            return Err(self.malformed("InvalidEscapeSequence", self.at, reason));
                        }
                    });
                    self.at += 2;
                }
            }
        }
    }

    /// Scheme, scale, zero point, least value, codes and for `QVD` the dimension.
    fn quantized(&mut self, id: u16, with_dim: bool) -> Result<Value, Error> {
        self.at += 1;
        let mut part = |last: bool| {
            let at = self.at;
            let part = self.taken(|byte| !matches!(byte, b',' | b']' | b'\n'));
            let end = if last { b']' } else { b',' };
            self.expect(end, if last { "]" } else { "a comma" })?;
            Ok::<_, Error>((part.trim(), at))
        };
        let (scheme, scheme_at) = part(false)?;
        let (scale, scale_at) = part(false)?;
        let (zero_point, zero_at) = part(false)?;
        let (min_val, min_at) = part(false)?;
        let (codes, codes_at) = part(!with_dim)?;
        let dim = if with_dim { Some(part(true)?) } else { None };
        let scheme = Scheme::from_name(scheme).ok_or_else(|| {
            let reason = format!("{scheme:?} is no scheme");
            self.malformed("InvalidScheme", scheme_at, reason)
        })?;
        let header = Header {
            scale: self.parsed(scale, "a number", scale_at)?,
            zero_point: self.parsed(zero_point, "an integer from -128 to 127", zero_at)?,
            min_val: self.parsed(min_val, "a number", min_at)?,
        };
        let data = self.bytes(codes, codes_at)?;
        let told = dim.map(|(dim, at)| self.parsed::<u32>(dim, "a dimension", at));
        let dim = match (self.dims.get(&id), told.transpose()?) {
            (Some(given), _) => *given,
            (None, Some(told)) => told,
            (None, None) => {
                let dim = scheme
                    .dim_of(data.len())
                    .and_then(|dim| u32::try_from(dim).ok());
                dim.ok_or_else(|| {
                    let reason = format!("{} bytes are no codes of {}", data.len(), scheme.name());
                    self.malformed("DataCorrupted", codes_at, reason)
                })?
            }
        };
        if dim == 0 {
            let reason = "a quantized vector of dimension 0";
            return Err(self.malformed("InvalidDimension", codes_at, reason));
        }
        scheme.check_data(dim, &data, self.offset(codes_at))?;
        Ok(Value::Quantized(QuantizedVector::new(
            scheme, dim, header, data,
        )?))
    }

    /// Bytes of hexadecimal digits.
    fn bytes(&self, digits: &str, at: usize) -> Result<Vec<u8>, Error> {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = |(i, [high, low]): (usize, &[u8; 2])| match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => Ok((high << 4 | low) as u8),
            _ => Err(self.malformed("InvalidHex", at + 2 * i, "codes are hexadecimal digits")),
        };
        if !rest.is_empty() {
            let reason = "an odd number of hexadecimal digits";
            return Err(self.malformed("InvalidHex", at + digits.len() - 1, reason));
        }
        pairs.iter().enumerate().map(byte).collect()
    }

    fn word(&mut self) -> Result<&'a str, Error> {
        let is_word =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
        let word = self.taken(is_word);
        if word.is_empty() {
            return Err(self.unexpected("a value"));
        }
        Ok(word)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes bytes as long as they are wanted. All bytes beyond ASCII are wanted or none, so that no character is split.
    fn taken(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest
            .bytes()
            .position(|byte| !wanted(byte))
            .unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        self.taken(wanted);
    }

    fn blanks(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), Error> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(what))
    }

    fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Hostile words are quoted in part.
    fn malformed(&self, kind: &'static str, at: usize, reason: impl Into<String>) -> Error {
        let mut reason: String = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(QUOTED) {
            reason.truncate(end);
            reason.push_str("...");
        }
        Error::malformed(kind, self.offset(at), reason)
    }

    /// The error for what stands here instead of what is needed.
    fn unexpected(&self, what: &str) -> Error {
        match self.rest().chars().next() {
            Some(found) => {
                let reason = format!("expected {what}, got {found:?}");
                self.malformed("UnexpectedToken", self.at, reason)
            }
            None => CodecError::Truncated {
                needed: self.offset(self.at) + 1,
                got: self.offset(self.at),
            }
            .into(),
        }
    }
}

/// Characters of a message that quotes what was read.
const QUOTED: usize = 120;

const HINTS: [&str; 12] = [
    "i", "f", "b", "s", "sa", "r", "ra", "v", "qv", "ia", "fa", "ba",
];

/// How a placeholder begins, and what its number counts.
type Placeholder = (&'static str, fn(u64) -> Omitted);

/// What stands in brackets in place of an embedding.
const PLACEHOLDERS: [Placeholder; 2] = [
    ("vector dim=", Omitted::Embedding),
    ("vector_delta changes=", Omitted::Delta),
];

/// Whether a word is digits, with or without a sign.
fn is_whole(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
