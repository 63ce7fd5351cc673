//! Named tensors in one file, and tensors of `.safetensors` files.
//!
//! A file is the magic `TQWF`, a version byte, three zeros, the number of tensors and the bytes of the table as u32, the
//! table, CRC-32 of all before; then the tensors, as [`compress_tensor`](super::compress_tensor) stores them, one right
//! after another. An entry of the table is the length of the name as u16, the name in UTF-8, and the bytes of the tensor
//! as u64.

use super::byte_reader::{ByteReader, malformed, unseal};
use super::safe_tensors::{self, SafeTensor};
use super::tensor::{Tensor, decompress_tensor};
use super::tensor_head::{Dtype, TensorHead};
use crate::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tinyquant_codec::{Error as CodecError, ErrorCode};

pub(crate) const MAGIC: [u8; 4] = *b"TQWF";
pub(crate) const VERSION: u8 = 1;
/// Bytes before the table.
const FIXED: usize = 16;
/// The head of a tensor of most dimensions.
const LONGEST_HEAD: usize = 104;

/// What a file says of one of its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Kind of the values; the format's own name for one that is not read.
    pub dtype: String,
    /// Lengths along the dimensions.
    pub shape: Vec<usize>,
    /// How the values are stored: `lossless`, `grid` or `codebook`.
    pub method: &'static str,
    /// Bits of a value before zstd; 0 for a kind that is not read.
    pub bits: u8,
    /// Bytes in the file.
    pub stored_len: u64,
}

/// Where a tensor lies.
#[derive(Debug)]
struct Entry {
    info: TensorInfo,
    offset: u64,
    /// Kind of plain values; none for a tensor of this library's own format.
    plain: Option<Dtype>,
    is_readable: bool,
}

/// A file open for reading. Tensors are read when they are asked for.
#[derive(Debug)]
pub struct TensorFile {
    file: Mutex<File>,
    path: PathBuf,
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
}

impl TensorFile {
    /// Opens a file of either format and reads its table.
    ///
    /// # Errors
    /// `ERR_TQ_IO`, `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`, `ERR_TQ_LIMIT`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |error| failed("open", path, &error);
        let mut file = File::open(path).map_err(io)?;
        let file_len = file.metadata().map_err(io)?.len();
        let first = read_at(&mut file, path, 0, file_len.min(FIXED as u64) as usize)?;
        let entries = if first.starts_with(&MAGIC) {
            own_entries(&mut file, path, &first, file_len)?
        } else {
            let Some((first, _)) = first.split_first_chunk::<8>() else {
                return Err(CodecError::Truncated {
                    needed: 8,
                    got: file_len,
                }
                .into());
            };
            // A text or another binary file makes a length that no head has.
            let len = safe_tensors::head_len(*first, file_len).map_err(|error| {
                let reason = format!("no file of tensors: neither TQWF nor safetensors ({error})");
                malformed("Magic", 0, reason)
            })?;
            let head = read_at(&mut file, path, 8, len)?;
            let tensors = safe_tensors::parse(&head, file_len)?;
            tensors.into_iter().map(plain_entry).collect()
        };
        let names = entries.iter().enumerate();
        let by_name = names
            .map(|(at, entry)| (entry.info.name.clone(), at))
            .collect();
        Ok(Self {
            file: Mutex::new(file),
            path: path.to_owned(),
            entries,
            by_name,
        })
    }

    /// What the file says of its tensors, in their order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.entries.iter().map(|entry| &entry.info)
    }

    /// Reads one tensor, of no more than `max_size` bytes.
    ///
    /// # Errors
    /// `ERR_TQ_ID_NOT_FOUND` for a name that there is not, `ERR_TQ_FORMAT` for a kind of values that is not read, and
    /// those of [`decompress_tensor`] and of reading.
    pub fn read(&self, name: &str, max_size: usize) -> Result<Tensor, Error> {
        let entry = self.entry(name)?;
        if !entry.is_readable {
            let dtype = &entry.info.dtype;
            return Err(Error::data(
                ErrorCode::Format,
                format!(
                    "tensor {name:?} holds {dtype} values, which are not read: expected f32, f16, bf16, i8 or u8"
                ),
            ));
        }
        let bytes = self.bytes(entry, max_size)?;
        match entry.plain {
            None => decompress_tensor(&bytes, max_size),
            Some(dtype) => Tensor::from_le_bytes(dtype, entry.info.shape.clone(), &bytes),
        }
    }

    /// A tensor as it is stored, for a tensor of this library's own format.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn read_stored(&self, name: &str, max_size: usize) -> Result<Vec<u8>, Error> {
        let entry = self.entry(name)?;
        if entry.plain.is_some() || !entry.is_readable {
            return Err(Error::invalid(format!(
                "tensor {name:?} lies in a safetensors file, not in a stored form"
            )));
        }
        self.bytes(entry, max_size)
    }

    fn entry(&self, name: &str) -> Result<&Entry, Error> {
        match self.by_name.get(name) {
            Some(at) => Ok(&self.entries[*at]),
            None => Err(Error::data(
                ErrorCode::IdNotFound,
                format!(
                    "no tensor {name:?} among the {} of the file",
                    self.entries.len()
                ),
            )),
        }
    }

    fn bytes(&self, entry: &Entry, max_size: usize) -> Result<Vec<u8>, Error> {
        let len = entry.info.stored_len;
        if len > max_size as u64 {
            return Err(Error::data(
                ErrorCode::Limit,
                format!(
                    "tensor {:?} takes {len} bytes, more than the {max_size} allowed",
                    entry.info.name
                ),
            ));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        read_at(&mut file, &self.path, entry.offset, len as usize)
    }
}

fn plain_entry(tensor: SafeTensor) -> Entry {
    let dtype = tensor.dtype.as_ref();
    Entry {
        offset: tensor.offset,
        plain: dtype.ok().copied(),
        is_readable: dtype.is_ok(),
        info: TensorInfo {
            name: tensor.name,
            bits: dtype.map_or(0, |dtype| dtype.size() as u8 * 8),
            dtype: tensor
                .dtype
                .map_or_else(|name| name, |dtype| dtype.name().to_owned()),
            shape: tensor.shape,
            method: "lossless",
            stored_len: tensor.len,
        },
    }
}

fn own_entries(
    file: &mut File,
    path: &Path,
    first: &[u8],
    file_len: u64,
) -> Result<Vec<Entry>, Error> {
    let mut reader = ByteReader::new(first);
    reader.magic(MAGIC, "file of tensors")?;
    reader.version(VERSION)?;
    if reader.take(3)? != [0; 3] {
        return Err(malformed(
            "Reserved",
            5,
            "reserved bytes are not 0".to_owned(),
        ));
    }
    let (count, table_len) = (reader.u32()? as usize, reader.u32()? as usize);
    let start = FIXED as u64 + table_len as u64 + 4;
    if start > file_len {
        return Err(CodecError::Truncated {
            needed: start,
            got: file_len,
        }
        .into());
    }
    let bytes = read_at(file, path, 0, start as usize)?;
    let mut reader = ByteReader::new(unseal(&bytes, "the table of the file")?);
    reader.take(FIXED)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut offset = start;
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let at = reader.offset();
        let len = usize::from(reader.u16()?);
        let name = std::str::from_utf8(reader.take(len)?)
            .map_err(|error| malformed("Name", at, format!("a name is no UTF-8: {error}")))?
            .to_owned();
        let stored_len = reader.u64()?;
        if !names.insert(name.clone()) {
            return Err(malformed(
                "Name",
                at,
                format!("the name {name:?} comes twice"),
            ));
        }
        let end = offset.saturating_add(stored_len);
        if end > file_len {
            return Err(CodecError::Truncated {
                needed: end,
                got: file_len,
            }
            .into());
        }
        let head = read_at(
            file,
            path,
            offset,
            stored_len.min(LONGEST_HEAD as u64) as usize,
        )?;
        let head = TensorHead::parse(&head)?;
        if head.total_len() as u64 != stored_len {
            let reason = format!(
                "tensor {name:?} has {} bytes, the table says {stored_len}",
                head.total_len()
            );
            return Err(malformed("Length", at, reason));
        }
        entries.push(Entry {
            offset,
            plain: None,
            is_readable: true,
            info: TensorInfo {
                name,
                dtype: head.dtype().name().to_owned(),
                shape: head.shape().to_vec(),
                method: head.method(),
                bits: head.bits(),
                stored_len,
            },
        });
        offset = end;
    }
    reader.end()?;
    if offset != file_len {
        let left = file_len - offset;
        return Err(malformed(
            "Trailing",
            offset as usize,
            format!("{left} bytes too many"),
        ));
    }
    Ok(entries)
}

/// `len` bytes of a file; the caller has compared them with its length.
fn read_at(file: &mut File, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let io = |error| failed("read", path, &error);
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| CodecError::OutOfMemory { bytes: len as u64 })?;
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let read = file.take(len as u64).read_to_end(&mut bytes).map_err(io)?;
    if read < len {
        return Err(CodecError::Truncated {
            needed: offset + len as u64,
            got: offset + read as u64,
        }
        .into());
    }
    Ok(bytes)
}

pub(crate) fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::data(
        ErrorCode::Io,
        format!("cannot {what} {}: {error}", path.display()),
    )
}
