//! Golden files under `fixtures/golden/tinyquant`, and the larger data sets that a clone does not carry.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The bytes of a golden file.
///
/// # Panics
/// If it cannot be read.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = root().join("fixtures/golden/tinyquant").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A golden JSON file.
///
/// # Panics
/// If it cannot be read or parsed.
pub fn json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A golden file of f32 values.
pub fn f32s(name: &str) -> Vec<f32> {
    to_f32s(&bytes(name))
}

/// A golden file of f64 values.
pub fn f64s(name: &str) -> Vec<f64> {
    bytes(name)
        .as_chunks::<8>()
        .0
        .iter()
        .map(|value| f64::from_le_bytes(*value))
        .collect()
}

/// A golden file of u64 values.
pub fn u64s(name: &str) -> Vec<u64> {
    bytes(name)
        .as_chunks::<8>()
        .0
        .iter()
        .map(|value| u64::from_le_bytes(*value))
        .collect()
}

/// Little-endian bytes as f32 values.
pub fn to_f32s(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

/// f32 values as little-endian bytes.
pub fn from_f32s(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The bytes that hexadecimal digits stand for.
///
/// # Panics
/// If they are not digits.
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal digit") as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// The folder of the large test sets, if there is one: `TINYQUANT_DATA`, or `../shared/data` beside the project.
pub fn data_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("TINYQUANT_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    dir.is_dir().then_some(dir)
}

/// The values of a .npy file of little-endian f32 in C order, version 1.
///
/// # Panics
/// If it cannot be read.
pub fn npy_f32s(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    to_f32s(&bytes[10 + header..])
}
