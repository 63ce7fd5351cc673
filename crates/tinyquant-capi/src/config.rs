//! Configurations.

use crate::calls::{answer, value};
use crate::failure::Failure;
use crate::handles::{self, Kind, Object};
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::{CString, c_char};
use std::ptr;
use tinyquant_codec::CodecConfig;

/// Parameters of the codec. Immutable.
pub struct TqCodecConfig {
    pub(crate) inner: CodecConfig,
    hash: CString,
}

impl Object for TqCodecConfig {
    const KIND: Kind = Kind::Config;
}

impl TqCodecConfig {
    /// The handle of a configuration.
    pub(crate) fn add(inner: CodecConfig) -> Result<*mut Self, Failure> {
        let hash = CString::new(inner.config_hash()).unwrap_or_default();
        handles::add(Self { inner, hash })
    }
}

/// Makes a configuration: `bit_width` bits a coordinate (2, 4 or 8), the `seed` of the rotation (any), the `dimension` of
/// the vectors (1 to 16384), and whether records keep an f16 residual (0 no, any other value yes). `*out` becomes its
/// handle, which `tq_codec_config_free` frees.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_codec_config_new(
    bit_width: u8,
    seed: u64,
    dimension: u32,
    residual_enabled: u8,
    out: *mut *mut TqCodecConfig,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        let out = caller.out(out, "out")?;
        let inner = CodecConfig::new(bit_width, seed, dimension, residual_enabled != 0)?;
        out.set(TqCodecConfig::add(inner)?);
        Ok(())
    })
}

/// Frees a configuration. `NULL` is nothing to free. What was made with it stays.
///
/// # Errors
/// `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_free(config: *mut TqCodecConfig) -> TqStatus {
    answer(|| handles::free(config))
}

/// Bits a coordinate: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_bit_width(config: *const TqCodecConfig) -> u8 {
    value(0, || Ok(handles::get(config)?.inner.bit_width()))
}

/// Seed of the rotation. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_seed(config: *const TqCodecConfig) -> u64 {
    value(0, || Ok(handles::get(config)?.inner.seed()))
}

/// Components of a vector, 1 to 16384. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_dimension(config: *const TqCodecConfig) -> u32 {
    value(0, || Ok(handles::get(config)?.inner.dimension() as u32))
}

/// Whether records keep a residual. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_residual_enabled(config: *const TqCodecConfig) -> bool {
    value(false, || Ok(handles::get(config)?.inner.residual_enabled()))
}

/// Lower-case hexadecimal SHA-256 of the parameters, 64 characters. It is part of the configuration: valid until that is
/// freed, not to be freed itself. `NULL` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn tq_codec_config_hash(config: *const TqCodecConfig) -> *const c_char {
    value(ptr::null(), || Ok(handles::get(config)?.hash.as_ptr()))
}
