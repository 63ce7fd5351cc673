//! The head of a `.safetensors` file: the length of a JSON text as u64, the text, then the values.

use super::byte_reader::malformed;
use super::tensor_head::{Dtype, MAX_RANK, check_shape};
use crate::Error;
use safetensors::tensor::{Dtype as SafeDtype, Metadata};
use tinyquant_codec::{Error as CodecError, ErrorCode};

/// Longest JSON text, as the format's own library has it.
const MAX_HEAD: u64 = 100_000_000;

/// Where a tensor of the file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SafeTensor {
    pub(crate) name: String,
    /// Kind of the values, or the name of one that is not read.
    pub(crate) dtype: Result<Dtype, String>,
    pub(crate) shape: Vec<usize>,
    /// Offset in the file.
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// Bytes of the JSON text that a file begins with, from its first eight bytes.
pub(crate) fn head_len(first: [u8; 8], file_len: u64) -> Result<usize, Error> {
    let len = u64::from_le_bytes(first);
    if len > MAX_HEAD {
        return Err(Error::data(
            ErrorCode::Limit,
            format!("a safetensors head of {len} bytes, more than {MAX_HEAD}"),
        ));
    }
    if len > file_len.saturating_sub(8) {
        return Err(CodecError::Truncated {
            needed: len + 8,
            got: file_len,
        }
        .into());
    }
    Ok(len as usize)
}

/// The tensors that a JSON text names, in order of their offsets.
pub(crate) fn parse(head: &[u8], file_len: u64) -> Result<Vec<SafeTensor>, Error> {
    let metadata: Metadata = serde_json::from_slice(head).map_err(|error| {
        malformed(
            "Safetensors",
            8,
            format!("the safetensors head is broken: {error}"),
        )
    })?;
    let start = 8 + head.len() as u64;
    let mut tensors = Vec::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let dtype = match info.dtype {
            SafeDtype::F32 => Ok(Dtype::F32),
            SafeDtype::F16 => Ok(Dtype::F16),
            SafeDtype::BF16 => Ok(Dtype::Bf16),
            SafeDtype::I8 => Ok(Dtype::I8),
            SafeDtype::U8 => Ok(Dtype::U8),
            other => Err(format!("{other:?}")),
        };
        let end = start.saturating_add(to as u64);
        if from > to || end > file_len {
            return Err(CodecError::Truncated {
                needed: end,
                got: file_len,
            }
            .into());
        }
        if let Ok(dtype) = dtype {
            let count = check_shape(&info.shape)?;
            if info.shape.len() > MAX_RANK || count.checked_mul(dtype.size()) != Some(to - from) {
                let reason = format!(
                    "tensor {name:?} of shape {:?} in {} bytes",
                    info.shape,
                    to - from
                );
                return Err(malformed("Safetensors", 8, reason));
            }
        }
        tensors.push(SafeTensor {
            name,
            dtype,
            shape: info.shape.clone(),
            offset: start + from as u64,
            len: (to - from) as u64,
        });
    }
    tensors.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
    Ok(tensors)
}
