//! Facts about the library.

use crate::calls::value;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::OnceLock;

/// Version of the functions and structures of this header. It rises when one of them changes or goes.
pub const TINYQUANT_H_VERSION: u32 = 1;

/// The `TINYQUANT_H_VERSION` that the library was built with. Only a program compiled with the same number fits it.
#[unsafe(no_mangle)]
pub extern "C" fn tq_abi_version() -> u32 {
    TINYQUANT_H_VERSION
}

/// Version of the library, such as `1.2.3`. Static text.
#[unsafe(no_mangle)]
pub extern "C" fn tq_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// The vector instructions in use, such as `avx2`; `TINYQUANT_SIMD` caps them. Results do not depend on them. Static
/// text.
#[unsafe(no_mangle)]
pub extern "C" fn tq_simd_level() -> *const c_char {
    static NAME: OnceLock<CString> = OnceLock::new();
    value(ptr::null(), || {
        let name = NAME
            .get_or_init(|| CString::new(tinyquant_kernels::active().name()).unwrap_or_default());
        Ok(name.as_ptr())
    })
}
