//! The numbers that calls answer with.

use std::ffi::{CStr, c_char};
use tinyquant_codec::ErrorCode;

/// Outcome of a call: `TQ_OK` or one of the `TQ_ERR_` numbers.
pub type TqStatus = i32;

/// The call did what it says.
pub const TQ_OK: TqStatus = 0;
/// A handle is `NULL`, of another kind, or none that this library gave.
pub const TQ_ERR_INVALID_HANDLE: TqStatus = 1;
/// A vector or a buffer has the wrong number of components.
pub const TQ_ERR_DIM_MISMATCH: TqStatus = 2;
/// A record was made under another configuration.
pub const TQ_ERR_CONFIG_MISMATCH: TqStatus = 3;
/// A codebook has another bit width than the configuration.
pub const TQ_ERR_CODEBOOK_MISMATCH: TqStatus = 4;
/// The id is taken.
pub const TQ_ERR_ID_EXISTS: TqStatus = 5;
/// The operating system refused a read or a write, or another writer has the file.
pub const TQ_ERR_IO: TqStatus = 6;
/// An argument is outside its range, or a pointer is `NULL` or not aligned.
pub const TQ_ERR_INVALID_ARG: TqStatus = 7;
/// A NaN or an infinity where a finite number is needed.
pub const TQ_ERR_NON_FINITE: TqStatus = 8;
/// The compression policy does not allow the call.
pub const TQ_ERR_POLICY: TqStatus = 9;
/// No vector has the id.
pub const TQ_ERR_ID_NOT_FOUND: TqStatus = 10;
/// The id is outside the range of its kind.
pub const TQ_ERR_ID_RANGE: TqStatus = 11;
/// The handle was freed.
pub const TQ_ERR_CLOSED: TqStatus = 12;
/// Bytes that do not follow their format.
pub const TQ_ERR_FORMAT: TqStatus = 13;
/// A format version that this release does not read.
pub const TQ_ERR_VERSION: TqStatus = 14;
/// Stored and computed checksums differ.
pub const TQ_ERR_CHECKSUM: TqStatus = 15;
/// Bytes end before their content does.
pub const TQ_ERR_TRUNCATED: TqStatus = 16;
/// A value or a size beyond what the format or the machine can hold.
pub const TQ_ERR_LIMIT: TqStatus = 17;
/// A defect of this library; the call was given up.
pub const TQ_ERR_INTERNAL: TqStatus = 98;
/// An error that has no number yet.
pub const TQ_ERR_UNKNOWN: TqStatus = 99;

/// Every status with its name.
const NAMES: [(TqStatus, &CStr); 20] = [
    (TQ_OK, c"OK"),
    (TQ_ERR_INVALID_HANDLE, c"ERR_TQ_INVALID_HANDLE"),
    (TQ_ERR_DIM_MISMATCH, c"ERR_TQ_DIM_MISMATCH"),
    (TQ_ERR_CONFIG_MISMATCH, c"ERR_TQ_CONFIG_MISMATCH"),
    (TQ_ERR_CODEBOOK_MISMATCH, c"ERR_TQ_CODEBOOK_MISMATCH"),
    (TQ_ERR_ID_EXISTS, c"ERR_TQ_ID_EXISTS"),
    (TQ_ERR_IO, c"ERR_TQ_IO"),
    (TQ_ERR_INVALID_ARG, c"ERR_TQ_INVALID_ARG"),
    (TQ_ERR_NON_FINITE, c"ERR_TQ_NON_FINITE"),
    (TQ_ERR_POLICY, c"ERR_TQ_POLICY"),
    (TQ_ERR_ID_NOT_FOUND, c"ERR_TQ_ID_NOT_FOUND"),
    (TQ_ERR_ID_RANGE, c"ERR_TQ_ID_RANGE"),
    (TQ_ERR_CLOSED, c"ERR_TQ_CLOSED"),
    (TQ_ERR_FORMAT, c"ERR_TQ_FORMAT"),
    (TQ_ERR_VERSION, c"ERR_TQ_VERSION"),
    (TQ_ERR_CHECKSUM, c"ERR_TQ_CHECKSUM"),
    (TQ_ERR_TRUNCATED, c"ERR_TQ_TRUNCATED"),
    (TQ_ERR_LIMIT, c"ERR_TQ_LIMIT"),
    (TQ_ERR_INTERNAL, c"ERR_TQ_INTERNAL"),
    (TQ_ERR_UNKNOWN, c"ERR_TQ_UNKNOWN"),
];

/// The number of an error's code.
pub(crate) fn status_of(code: ErrorCode) -> TqStatus {
    match code {
        ErrorCode::InvalidArg => TQ_ERR_INVALID_ARG,
        ErrorCode::DimMismatch => TQ_ERR_DIM_MISMATCH,
        ErrorCode::NonFinite => TQ_ERR_NON_FINITE,
        ErrorCode::ConfigMismatch => TQ_ERR_CONFIG_MISMATCH,
        ErrorCode::CodebookMismatch => TQ_ERR_CODEBOOK_MISMATCH,
        ErrorCode::Policy => TQ_ERR_POLICY,
        ErrorCode::IdExists => TQ_ERR_ID_EXISTS,
        ErrorCode::IdNotFound => TQ_ERR_ID_NOT_FOUND,
        ErrorCode::IdRange => TQ_ERR_ID_RANGE,
        ErrorCode::Closed => TQ_ERR_CLOSED,
        ErrorCode::Format => TQ_ERR_FORMAT,
        ErrorCode::Version => TQ_ERR_VERSION,
        ErrorCode::Checksum => TQ_ERR_CHECKSUM,
        ErrorCode::Truncated => TQ_ERR_TRUNCATED,
        ErrorCode::Io => TQ_ERR_IO,
        ErrorCode::Limit => TQ_ERR_LIMIT,
        ErrorCode::Internal => TQ_ERR_INTERNAL,
        _ => TQ_ERR_UNKNOWN,
    }
}

/// Name of a status, `OK` or one like `ERR_TQ_DIM_MISMATCH`, the code that the same error has in the other languages.
/// Static text; `ERR_TQ_UNKNOWN` for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn tq_status_name(status: TqStatus) -> *const c_char {
    let found = NAMES.iter().find(|(known, _)| *known == status);
    found.map_or(c"ERR_TQ_UNKNOWN", |(_, name)| name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes whose errors do not arise here.
    const ABSENT: [ErrorCode; 3] = [ErrorCode::Gpu, ErrorCode::Backend, ErrorCode::NativeLoad];

    #[test]
    fn every_code_has_the_status_of_its_name() {
        for code in ErrorCode::ALL {
            let status = status_of(*code);
            let (_, name) = NAMES.iter().find(|(known, _)| *known == status).unwrap();
            if ABSENT.contains(code) {
                assert_eq!(status, TQ_ERR_UNKNOWN);
            } else {
                assert_eq!(name.to_str().unwrap(), code.as_str());
            }
        }
    }

    #[test]
    fn numbers_are_given_once() {
        for (at, (status, _)) in NAMES.iter().enumerate() {
            assert!(NAMES[..at].iter().all(|(other, _)| other != status));
        }
    }
}
