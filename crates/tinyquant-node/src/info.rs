//! Facts about the addon and the machine.

use crate::error::{Failure, guard};
use crate::pool;
use napi::Env;
use napi_derive::napi;
use tinyquant_codec::ErrorCode;
use tinyquant_kernels::Level;

/// The process's store of rotation matrices.
#[napi(object, object_from_js = false)]
pub struct NativeRotationCacheInfo {
    /// Matrices kept.
    pub entries: f64,
    /// Bytes they take.
    pub bytes: f64,
    /// Matrices built since the process began.
    pub builds: f64,
}

/// Version of the addon.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// SIMD level in use.
#[napi]
pub fn simd_level() -> &'static str {
    tinyquant_kernels::active().name()
}

/// Sets the SIMD level of the process, or returns to the one that was detected, and returns the level then
/// in use. For tests: results do not depend on it.
#[napi(ts_args_type = "level: string | null")]
pub fn set_simd_level(env: Env, level: Option<String>) -> napi::Result<&'static str> {
    guard(env, || {
        let unknown =
            |name: &str| Failure::invalid_arg(format!("unknown SIMD level {name:?}"), None);
        let level = level
            .map(|name| Level::from_name(&name).ok_or_else(|| unknown(&name)))
            .transpose()?;
        tinyquant_kernels::force(level)
            .map_err(|error| Failure::invalid_arg(error.to_string(), None))?;
        Ok(simd_level())
    })
}

/// Threads of the pool.
#[napi]
pub fn threads() -> f64 {
    pool::size() as f64
}

/// Bytes outside the JavaScript heap that the garbage collector of this environment knows of. Node's own
/// `process.memoryUsage().external` counts only array buffers.
#[napi]
pub fn external_memory(env: Env) -> napi::Result<f64> {
    guard(env, || Ok(env.adjust_external_memory(0)? as f64))
}

/// Every code that errors can have.
#[napi]
pub fn error_codes() -> Vec<&'static str> {
    ErrorCode::ALL.iter().map(|code| code.as_str()).collect()
}

/// What the process keeps of rotation matrices.
#[napi]
pub fn rotation_cache_info() -> NativeRotationCacheInfo {
    let info = tinyquant_codec::cache_info();
    NativeRotationCacheInfo {
        entries: info.entries as f64,
        bytes: info.bytes as f64,
        builds: info.builds as f64,
    }
}
