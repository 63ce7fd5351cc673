//! Tensors in bytes: as they are, as integers times scales, or as indices of trained levels; then zstd.

use super::byte_reader::{ByteReader, checksum, floats, malformed};
use super::bytes::{compress_bytes, decompress_bytes};
use super::codebook::{CodebookOptions, train_codebook};
use super::grid::GridCodes;
use super::levels::Levels;
use super::pack::{pack, unpack};
use super::tensor_head::{Coding, Dtype, Layout, MAX_RANK, TensorHead, bits_of, check_shape};
use crate::Error;
use tinyquant_codec::{Control, Error as CodecError, ErrorCode, widen_f16};

/// Values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorValues {
    /// Floats; half precision widened.
    Floats(Vec<f32>),
    /// Signed bytes.
    Signed(Vec<i8>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A tensor with the kind of values that it was stored with.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Kind of the values.
    pub dtype: Dtype,
    /// Lengths along the dimensions; none for a single value.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: TensorValues,
}

/// What is done to values.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Nothing: they come back as they were.
    Lossless,
    /// One scale for each row, or for each group of its columns.
    Grid {
        /// Largest code, 1 to 127.
        qmax: u8,
        /// Columns that share a scale; 0 for all of a row.
        group: usize,
    },
    /// A trained codebook.
    Codebook {
        /// Bits of a code, 1 to 8.
        bits: u8,
        /// Trains one for each row.
        by_row: bool,
        /// Scales the levels so that values keep their length on average.
        keep_gain: bool,
    },
}

/// How tensors are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreOptions {
    /// What is done to the values.
    pub method: Method,
    /// How codes lie in the payload.
    pub layout: Layout,
    /// Level of zstd, 1 to 22; 0 for none.
    pub level: i32,
}

impl Tensor {
    /// A tensor of little-endian values.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for more than eight dimensions, `ERR_TQ_DIM_MISMATCH` for another number of values than the
    /// shape has.
    pub fn from_le_bytes(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> Result<Self, Error> {
        check_len(&shape, bytes.len() / dtype.size())?;
        let values = match dtype {
            Dtype::F32 => TensorValues::Floats(floats(bytes)),
            Dtype::F16 => TensorValues::Floats(widen_f16(bytes)),
            Dtype::Bf16 => TensorValues::Floats(widen_bf16(bytes)),
            Dtype::I8 => {
                TensorValues::Signed(bytes.iter().map(|value| value.cast_signed()).collect())
            }
            Dtype::U8 => TensorValues::Bytes(bytes.to_vec()),
        };
        Ok(Self {
            dtype,
            shape,
            values,
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match &self.values {
            TensorValues::Floats(values) => values.len(),
            TensorValues::Signed(values) => values.len(),
            TensorValues::Bytes(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as their kind has them, little-endian.
    fn to_le_bytes(&self) -> Vec<u8> {
        match (&self.values, self.dtype) {
            (TensorValues::Floats(values), Dtype::F16) => {
                let halves = values
                    .iter()
                    .map(|value| tinyquant_kernels::f32_to_f16(*value));
                halves.flat_map(u16::to_le_bytes).collect()
            }
            (TensorValues::Floats(values), Dtype::Bf16) => {
                let halves = values.iter().map(|value| narrow_bf16(*value));
                halves.flat_map(u16::to_le_bytes).collect()
            }
            (TensorValues::Floats(values), _) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            (TensorValues::Signed(values), _) => {
                values.iter().map(|value| value.cast_unsigned()).collect()
            }
            (TensorValues::Bytes(values), _) => values.clone(),
        }
    }
}

/// The upper half of a 32-bit float, rounded to the nearest, ties to even.
fn narrow_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let (high, low) = ((bits >> 16) as u16, bits & 0xffff);
    if value.is_nan() {
        // Without a bit in its upper half a NaN would become an infinity.
        return if high.trailing_zeros() < 7 {
            high
        } else {
            high | 0x40
        };
    }
    let is_up = low > 0x8000 || (low == 0x8000 && high & 1 == 1);
    high + u16::from(is_up)
}

/// The upper halves of 32-bit floats, widened.
fn widen_bf16(bytes: &[u8]) -> Vec<f32> {
    let halves = bytes.as_chunks::<2>().0;
    let wide = |half: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*half)) << 16);
    halves.iter().map(wide).collect()
}

fn check_len(shape: &[usize], got: usize) -> Result<(), Error> {
    if shape.len() > MAX_RANK {
        let rank = shape.len();
        return Err(Error::invalid(format!(
            "a shape has at most {MAX_RANK} dimensions, got {rank}"
        )));
    }
    let expected = check_shape(shape)?;
    if expected == got {
        return Ok(());
    }
    Err(Error::data(
        ErrorCode::DimMismatch,
        format!("{got} values do not fill the shape {shape:?}, which has {expected}"),
    ))
}

/// Stores a tensor. Floats that its kind cannot hold are rounded to the nearest.
///
/// # Errors
/// `ERR_TQ_INVALID_ARG` for options outside their range or a method that does not fit the values,
/// `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE` of a method other than [`Method::Lossless`], `ERR_TQ_LIMIT`, cancelled.
pub fn compress_tensor(
    tensor: &Tensor,
    options: &StoreOptions,
    control: &Control,
) -> Result<Vec<u8>, Error> {
    check_len(&tensor.shape, tensor.len())?;
    check_level(options.level)?;
    let head = |coding, layout| TensorHead {
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        coding,
        layout,
        is_zstd: options.level > 0,
        raw_len: 0,
        stored_len: 0,
        payload_sum: 0,
    };
    if options.method == Method::Lossless {
        let head = head(Coding::Lossless, Layout::Bytes);
        return store(head, tensor.to_le_bytes(), options.level, control);
    }
    let TensorValues::Floats(values) = &tensor.values else {
        return Err(Error::invalid(format!(
            "values of {} are stored by the method lossless alone",
            tensor.dtype.name()
        )));
    };
    match options.method {
        Method::Lossless => Err(Error::invalid("lossless storage has no codes")),
        Method::Grid { qmax, group } => {
            let (rows, cols) = head(Coding::Lossless, Layout::Bytes).matrix();
            let codes = GridCodes::round(values, rows, cols, qmax, group)?;
            store_grid(&codes, tensor.shape.clone(), tensor.dtype, options, control)
        }
        Method::Codebook {
            bits,
            by_row,
            keep_gain,
        } => {
            if !(1..=8).contains(&bits) {
                return Err(Error::invalid(format!(
                    "bits must be from 1 to 8, got {bits}"
                )));
            }
            let (_, cols) = head(Coding::Lossless, Layout::Bytes).matrix();
            let training = CodebookOptions {
                levels: 1 << bits,
                row: by_row.then_some(cols),
                keep_gain,
                ..CodebookOptions::default()
            };
            let trained = train_codebook(values, &training, control)?;
            let coding = Coding::Codebook {
                bits,
                levels: trained.level_count as u16,
                by_row,
            };
            let mut payload: Vec<u8> = trained
                .levels
                .iter()
                .flat_map(|level| level.to_le_bytes())
                .collect();
            match options.layout {
                Layout::Bytes => payload.extend(&trained.codes),
                Layout::Packed => payload.extend(pack(&trained.codes, bits, false)?),
            }
            store(
                head(coding, options.layout),
                payload,
                options.level,
                control,
            )
        }
    }
}

/// Stores weights that were quantized to a grid. The method of the options is not looked at.
///
/// # Errors
/// As [`GridCodes::check`], and `ERR_TQ_INVALID_ARG` for a level outside 0 to 22.
pub fn compress_grid(
    codes: &GridCodes,
    options: &StoreOptions,
    control: &Control,
) -> Result<Vec<u8>, Error> {
    check_level(options.level)?;
    codes.check()?;
    let shape = vec![codes.rows, codes.cols];
    store_grid(codes, shape, Dtype::F32, options, control)
}

fn store_grid(
    codes: &GridCodes,
    shape: Vec<usize>,
    dtype: Dtype,
    options: &StoreOptions,
    control: &Control,
) -> Result<Vec<u8>, Error> {
    let group = u32::try_from(codes.group).map_err(|_| {
        let group = codes.group;
        Error::invalid(format!("group must be below 2^32, got {group}"))
    })?;
    let coding = Coding::Grid {
        qmax: codes.qmax,
        group,
        ordered: codes.order.is_some(),
    };
    let mut payload: Vec<u8> = codes
        .scales
        .iter()
        .flat_map(|scale| scale.to_le_bytes())
        .collect();
    let order = codes.order.iter().flatten();
    payload.extend(order.flat_map(|column| column.to_le_bytes()));
    let bytes: Vec<u8> = codes
        .codes
        .iter()
        .map(|code| code.cast_unsigned())
        .collect();
    match options.layout {
        Layout::Bytes => payload.extend(bytes),
        Layout::Packed => payload.extend(pack(&bytes, bits_of(codes.qmax), true)?),
    }
    let head = TensorHead {
        dtype,
        shape,
        coding,
        layout: options.layout,
        is_zstd: options.level > 0,
        raw_len: 0,
        stored_len: 0,
        payload_sum: 0,
    };
    store(head, payload, options.level, control)
}

fn check_level(level: i32) -> Result<(), Error> {
    if (0..=super::bytes::MAX_LEVEL).contains(&level) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "level must be from 0 (none) to {}, got {level}",
        super::bytes::MAX_LEVEL
    )))
}

/// Head and payload in one.
fn store(
    mut head: TensorHead,
    payload: Vec<u8>,
    level: i32,
    control: &Control,
) -> Result<Vec<u8>, Error> {
    control.check()?;
    head.raw_len = payload.len();
    let payload = if level == 0 {
        payload
    } else {
        compress_bytes(&payload, level)?
    };
    head.stored_len = payload.len();
    head.payload_sum = crc32fast::hash(&payload);
    let mut bytes = head.to_bytes();
    bytes.extend(payload);
    Ok(bytes)
}

/// Reads what [`compress_tensor`] and [`compress_grid`] write: head, payload, nothing else. The values take no more than
/// `max_size` bytes.
///
/// # Errors
/// `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`, `ERR_TQ_LIMIT` for more than `max_size`
/// bytes of values.
pub fn decompress_tensor(bytes: &[u8], max_size: usize) -> Result<Tensor, Error> {
    let head = TensorHead::parse(bytes)?;
    let count = head.count();
    let width = if matches!(head.dtype, Dtype::I8 | Dtype::U8) {
        1
    } else {
        4
    };
    let size = count
        .checked_mul(width)
        .map_or(usize::MAX, |size| size.max(head.raw_len));
    if size > max_size {
        return Err(Error::data(
            ErrorCode::Limit,
            format!("the tensor takes {size} bytes, more than the {max_size} allowed"),
        ));
    }
    let mut reader = ByteReader::new(bytes);
    reader.take(head.len())?;
    let stored = reader.take(head.stored_len)?;
    reader.end()?;
    let computed = crc32fast::hash(stored);
    if computed != head.payload_sum {
        return Err(checksum(
            "the payload of the tensor",
            head.payload_sum,
            computed,
        ));
    }
    let unpacked;
    let payload = if head.is_zstd {
        unpacked = decompress_bytes(stored, head.raw_len)?;
        &unpacked[..]
    } else {
        stored
    };
    if payload.len() != head.raw_len {
        let reason = format!(
            "the payload has {} bytes, expected {}",
            payload.len(),
            head.raw_len
        );
        return Err(malformed("Length", 16, reason));
    }
    if head.coding == Coding::Lossless {
        return Tensor::from_le_bytes(head.dtype, head.shape, payload);
    }
    let values = decode(&head, payload)?;
    Ok(Tensor {
        dtype: head.dtype,
        shape: head.shape,
        values: TensorValues::Floats(values),
    })
}

/// Values of a payload of codes.
fn decode(head: &TensorHead, payload: &[u8]) -> Result<Vec<f32>, Error> {
    let (rows, cols) = head.matrix();
    if rows == 0 || cols == 0 {
        return Err(malformed(
            "Shape",
            40,
            "a shape without values has no codes".to_owned(),
        ));
    }
    let mut reader = ByteReader::new(payload);
    let codes_from = |reader: &mut ByteReader<'_>, signed: bool| {
        let stored = reader.take(head.codes_len()?)?;
        match head.layout {
            Layout::Bytes => Ok(stored.to_vec()),
            Layout::Packed => unpack(stored, head.bits(), head.count(), signed),
        }
    };
    match head.coding {
        Coding::Lossless => Err(CodecError::InvalidArgument {
            reason: "lossless storage has no codes".to_owned(),
        }
        .into()),
        Coding::Grid {
            qmax,
            group,
            ordered,
        } => {
            let group = group as usize;
            let groups = if group == 0 { 1 } else { cols.div_ceil(group) };
            let scales = reader.f32s(rows * groups)?;
            let order = if ordered {
                Some(
                    (0..cols)
                        .map(|_| reader.u32())
                        .collect::<Result<Vec<_>, _>>()?,
                )
            } else {
                None
            };
            let codes = codes_from(&mut reader, true)?;
            let grid = GridCodes {
                rows,
                cols,
                qmax,
                group,
                codes: codes.into_iter().map(u8::cast_signed).collect(),
                scales,
                order,
            };
            grid.decode()
        }
        Coding::Codebook { levels, by_row, .. } => {
            let levels = usize::from(levels);
            let books = if by_row { rows } else { 1 };
            let entries = reader.f32s(books * levels)?;
            let codes = codes_from(&mut reader, false)?;
            let mut values = Vec::with_capacity(codes.len());
            let per_book = codes.len() / books;
            for (entries, codes) in entries
                .chunks_exact(levels)
                .zip(codes.chunks_exact(per_book))
            {
                let levels = Levels::new(entries)
                    .map_err(|error| malformed("Levels", head.len(), error.to_string()))?;
                values.extend(levels.decode(codes)?);
            }
            Ok(values)
        }
    }
}
