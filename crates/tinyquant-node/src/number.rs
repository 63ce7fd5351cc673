//! Numbers that arrive from JavaScript.

use crate::error::Failure;
use napi::bindgen_prelude::BigInt;
use tinyquant_corpus::Timestamp;

/// Integers up to here are exact in a JavaScript number.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A count or an index: an integer from 0 to 2^53 - 1. Fractions and negative numbers are refused, never
/// rounded.
pub(crate) fn integer(value: f64, name: &str, kind: Option<&str>) -> Result<u64, Failure> {
    if value.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER).contains(&value) {
        return Ok(value as u64);
    }
    Err(Failure::invalid_arg(
        format!("{name} must be a non-negative integer, got {value:?}"),
        kind,
    ))
}

/// A count or an index that memory could have.
pub(crate) fn size(value: f64, name: &str, kind: Option<&str>) -> Result<usize, Failure> {
    Ok(usize::try_from(integer(value, name, kind)?).unwrap_or(usize::MAX))
}

/// A bigint from 0 to 2^64 - 1.
pub(crate) fn whole(value: &BigInt, name: &str) -> Result<u64, Failure> {
    match value.get_u64() {
        (_, whole, true) => Ok(whole),
        _ => Err(Failure::invalid_arg(
            format!("{name} must be between 0 and 2^64 - 1"),
            None,
        )),
    }
}

/// A seed: a bigint from 0 to 2^64 - 1.
pub(crate) fn seed(value: &BigInt) -> Result<u64, Failure> {
    whole(value, "seed")
}

/// A time: milliseconds since the epoch.
pub(crate) fn timestamp(millis: f64, name: &str) -> Result<Timestamp, Failure> {
    Timestamp::from_millis(millis).ok_or_else(|| {
        let message =
            format!("{name} must be a time between the years 1678 and 2262, got {millis:?} ms");
        Failure::invalid_arg(message, None)
    })
}
