//! Arrays of values on their way from and to files.

use crate::error::guard;
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Uint8Array};
use napi_derive::napi;
use tinyquant_codec::{Error, check_finite, rows_of};
use tinyquant_store::{NpyHeader, NpyType};

/// What a .npy header says.
#[napi(object, object_from_js = false)]
pub struct NativeNpyHeader {
    /// Type of the values.
    #[napi(ts_type = "'f2' | 'f4' | 'f8'")]
    pub dtype: &'static str,
    /// Whether the most significant byte of a value comes first.
    pub big_endian: bool,
    /// Whether the first index runs fastest.
    pub fortran_order: bool,
    /// Length along each dimension.
    pub shape: Vec<f64>,
    /// Where the values begin, in bytes.
    pub data_offset: f64,
}

/// Reads the header at the start of a .npy file.
#[napi]
pub fn parse_npy_header(env: Env, bytes: &[u8]) -> napi::Result<NativeNpyHeader> {
    guard(env, || {
        let header = NpyHeader::parse(bytes)?;
        Ok(NativeNpyHeader {
            dtype: match header.dtype {
                NpyType::F16 => "f2",
                NpyType::F32 => "f4",
                NpyType::F64 => "f8",
            },
            big_endian: header.is_big_endian,
            fortran_order: header.is_fortran_order,
            shape: header.shape.iter().map(|length| *length as f64).collect(),
            data_offset: header.data_offset as f64,
        })
    })
}

/// Widens little-endian half floats. A last odd byte is ignored.
#[napi]
pub fn widen_f16(env: Env, bytes: &[u8]) -> napi::Result<Float32Array> {
    guard(env, || Ok(tinyquant_codec::widen_f16(bytes).into()))
}

/// Rounds rows of finite values to little-endian half floats.
#[napi]
pub fn narrow_f16(env: Env, values: &[f32], dimension: u32) -> napi::Result<Uint8Array> {
    guard(env, || {
        let dimension = dimension as usize;
        let mut bytes = Vec::with_capacity(2 * values.len());
        rows_of(values, dimension)?;
        for (row, values) in values.chunks_exact(dimension).enumerate() {
            bytes.extend(tinyquant_codec::narrow_f16(values, row)?);
        }
        Ok(bytes.into())
    })
}

/// Position of the first NaN or infinity, or -1.
#[napi]
pub fn first_non_finite(values: &[f32]) -> f64 {
    match check_finite(values, usize::MAX) {
        Err(Error::NonFinite { column, .. }) => column as f64,
        _ => -1.0,
    }
}
