//! Headers of NumPy's `.npy` files of floats.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 6 | `\x93NUMPY` |
//! | 6 | 2 | version: 1.0, 2.0 or 3.0 |
//! | 8 | 2, from version 2 on 4 | length of the text |
//! | | | a Python dictionary: `descr`, `fortran_order`, `shape`; then spaces and a line feed |
//! | | | the values |
//!
//! Source: NumPy Enhancement Proposal 1.

use crate::Error;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest text that is read. `NumPy` writes less than 200 bytes for floats.
const MAX_TEXT: usize = 1 << 16;

/// Most dimensions of an array, as in `NumPy`.
const MAX_DIMENSIONS: usize = 64;

/// Length of a header that we write: the text of any two dimensions fits, and values begin at a multiple of 64.
const WRITTEN: usize = 128;

/// Type of the values of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NpyType {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl NpyType {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What a `.npy` file says before its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpyHeader {
    /// Type of the values.
    pub dtype: NpyType,
    /// Whether the most significant byte of a value comes first.
    pub is_big_endian: bool,
    /// Whether the first index runs fastest (column after column) and not the last.
    pub is_fortran_order: bool,
    /// Length along each dimension; at least one dimension.
    pub shape: Vec<u64>,
    /// Where the values begin, in bytes.
    pub data_offset: u64,
}

impl NpyHeader {
    /// Reads a header from the beginning of a file; what follows it in `bytes` is not looked at.
    ///
    /// The type is `f2`, `f4` or `f8` after `<`, `>` or `=`; the last is read as little-endian. The values take
    /// less than 2^64 bytes.
    ///
    /// # Errors
    /// `Truncated` (`ERR_TQ_TRUNCATED`; `needed` says how many bytes to come back with), `UnknownVersion`
    /// (`ERR_TQ_VERSION`), `Malformed` (`ERR_TQ_FORMAT`) with the offset.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let truncated = |needed: usize| Error::Truncated {
            path: None,
            needed: needed as u64,
            got: bytes.len() as u64,
        };
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            let reason = "not a .npy file: bad magic bytes".to_owned();
            return Err(malformed("BadMagic", 0, reason));
        }
        let Some((&[major, minor, l0, l1], rest)) =
            bytes.get(MAGIC.len()..).and_then(<[u8]>::split_first_chunk)
        else {
            return Err(truncated(MAGIC.len() + 4));
        };
        if minor != 0 || !(1..=3).contains(&major) {
            let got = match minor {
                0 => u64::from(major),
                _ => u64::from(major) << 8 | u64::from(minor),
            };
            return Err(Error::UnknownVersion { path: None, got });
        }
        let (start, len) = match (major, rest) {
            (1, _) => (10, usize::from(u16::from_le_bytes([l0, l1]))),
            (_, &[l2, l3, ..]) => (12, u32::from_le_bytes([l0, l1, l2, l3]) as usize),
            _ => return Err(truncated(12)),
        };
        if len > MAX_TEXT {
            let reason = format!("header text of {len} bytes, at most {MAX_TEXT}");
            return Err(malformed("InvalidHeader", 8, reason));
        }
        let Some(text) = bytes.get(start..start + len) else {
            return Err(truncated(start + len));
        };
        let mut header = Parser {
            text,
            at: 0,
            start: start as u64,
        }
        .header()?;
        header.data_offset = (start + len) as u64;
        if header.end().is_none() {
            let reason = format!("shape {:?} is larger than any file", header.shape);
            return Err(malformed("InvalidShape", start as u64, reason));
        }
        Ok(header)
    }

    /// The header of a file of `shape[0]` rows of `shape[1]` little-endian values in C order, version 1.0,
    /// 128 bytes as `NumPy` writes them.
    pub fn write(dtype: NpyType, shape: [u64; 2]) -> Vec<u8> {
        let [rows, columns] = shape;
        let size = dtype.size();
        let len = WRITTEN - MAGIC.len() - 4;
        let text = format!(
            "{{'descr': '<f{size}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
        );
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend_from_slice(&(len as u16).to_le_bytes());
        bytes.extend_from_slice(format!("{text:<width$}\n", width = len - 1).as_bytes());
        bytes
    }

    /// Number of values.
    pub fn len(&self) -> u64 {
        // Checked when the header was read.
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Where the values end. Dimensions of 0 do not hide an overflow of the others.
    fn end(&self) -> Option<u64> {
        let mut sizes = self.shape.iter().filter(|size| **size > 0);
        let bytes = sizes.try_fold(self.dtype.size() as u64, |bytes, size| {
            bytes.checked_mul(*size)
        })?;
        self.data_offset.checked_add(bytes)
    }
}

/// Reads the dictionary. Only what `NumPy` writes for an array of numbers is known: three keys in any order,
/// quoted text, `True` and `False`, a tuple of integers.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Offset of the text in the file.
    start: u64,
}

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<NpyHeader, Error> {
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.take(b'}') {
            self.skip_spaces();
            let at = self.at;
            let key = self.quoted()?;
            self.expect(b':')?;
            let is_new = match key {
                b"descr" => descr.replace(self.dtype()?).is_none(),
                b"fortran_order" => order.replace(self.boolean()?).is_none(),
                b"shape" => shape.replace(self.tuple()?).is_none(),
                _ => return Err(self.wrong(at, format!("unknown key '{}'", shown(key)))),
            };
            if !is_new {
                return Err(self.wrong(at, format!("'{}' appears twice", shown(key))));
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        self.skip_spaces();
        if self.at < self.text.len() {
            return Err(self.wrong(self.at, "text after the dictionary".to_owned()));
        }
        match (descr, order, shape) {
            (Some((dtype, is_big_endian)), Some(is_fortran_order), Some(shape)) => Ok(NpyHeader {
                dtype,
                is_big_endian,
                is_fortran_order,
                shape,
                data_offset: 0,
            }),
            _ => Err(self.wrong(0, "descr, fortran_order or shape is missing".to_owned())),
        }
    }

    fn dtype(&mut self) -> Result<(NpyType, bool), Error> {
        self.skip_spaces();
        let at = self.at;
        if self.peek() != Some(b'\'') && self.peek() != Some(b'"') {
            let reason = "values that are records of several types are not read";
            return Err(self.unsupported(at, reason.to_owned()));
        }
        let text = self.quoted()?;
        let (order, kind) = text.split_at(text.len().min(1));
        let dtype = match kind {
            b"f2" => NpyType::F16,
            b"f4" => NpyType::F32,
            b"f8" => NpyType::F64,
            _ => return Err(self.unsupported_type(at, text)),
        };
        match order {
            b"<" | b"=" => Ok((dtype, false)),
            b">" => Ok((dtype, true)),
            _ => Err(self.unsupported_type(at, text)),
        }
    }

    fn boolean(&mut self) -> Result<bool, Error> {
        self.skip_spaces();
        for (text, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(text) {
                self.at += text.len();
                return Ok(value);
            }
        }
        Err(self.wrong(self.at, "expected True or False".to_owned()))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, Error> {
        self.skip_spaces();
        let at = self.at;
        self.expect(b'(')?;
        let mut shape = Vec::new();
        let mut has_comma = false;
        while !self.take(b')') {
            if shape.len() == MAX_DIMENSIONS {
                return Err(self.wrong(at, format!("more than {MAX_DIMENSIONS} dimensions")));
            }
            shape.push(self.integer()?);
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
            has_comma = true;
        }
        if shape.is_empty() {
            let reason = "an array without dimensions is not read".to_owned();
            return Err(malformed("InvalidShape", self.start + at as u64, reason));
        }
        if !has_comma {
            return Err(self.wrong(at, "expected a tuple".to_owned()));
        }
        Ok(shape)
    }

    fn integer(&mut self) -> Result<u64, Error> {
        self.skip_spaces();
        let at = self.at;
        let digits = self.text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        self.at += digits.count();
        let text = std::str::from_utf8(&self.text[at..self.at]).unwrap_or_default();
        if text.is_empty() {
            return Err(self.wrong(at, "expected an integer".to_owned()));
        }
        let value = text.parse().map_err(|_| {
            let reason = format!("dimension {text} is larger than any file");
            malformed("InvalidShape", self.start + at as u64, reason)
        })?;
        // Python 2 marked large integers.
        if self.peek() == Some(b'L') {
            self.at += 1;
        }
        Ok(value)
    }

    /// Text in single or double quotes, without escapes.
    fn quoted(&mut self) -> Result<&'a [u8], Error> {
        self.skip_spaces();
        let at = self.at;
        let Some(quote @ (b'\'' | b'"')) = self.peek() else {
            return Err(self.wrong(at, "expected a quoted text".to_owned()));
        };
        let rest = &self.text[at + 1..];
        let len = rest
            .iter()
            .position(|byte| *byte == quote || *byte == b'\\');
        match len {
            Some(len) if rest[len] == quote => {
                self.at += len + 2;
                Ok(&rest[..len])
            }
            _ => Err(self.wrong(at, "a quoted text does not end".to_owned())),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) {
            return Ok(());
        }
        let got = match self.peek() {
            Some(got) => format!("'{}'", got.escape_ascii()),
            None => "the end".to_owned(),
        };
        Err(self.wrong(
            self.at,
            format!("expected '{}', got {got}", byte.escape_ascii()),
        ))
    }

    fn wrong(&self, at: usize, reason: String) -> Error {
        malformed("InvalidHeader", self.start + at as u64, reason)
    }

    fn unsupported(&self, at: usize, reason: String) -> Error {
        malformed("UnsupportedType", self.start + at as u64, reason)
    }

    fn unsupported_type(&self, at: usize, text: &[u8]) -> Error {
        let reason = format!(
            "values of type '{}' are not read, only f2, f4 and f8 with a byte order",
            shown(text)
        );
        self.unsupported(at, reason)
    }
}

/// The beginning of a text that may be as long as a header.
fn shown(text: &[u8]) -> impl std::fmt::Display {
    text[..text.len().min(32)].escape_ascii()
}

fn malformed(kind: &'static str, offset: u64, reason: String) -> Error {
    Error::Malformed {
        path: None,
        kind,
        offset,
        reason,
    }
}
