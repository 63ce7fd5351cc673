//! Stored tensors, zstd frames and files of tensors: what can be read can be stored again, and memory follows the bytes.
//! The first bit says whether the checksums are made good, the second one whether the bytes are a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    Layout, Method, StoreOptions, TensorFile, TensorHead, TensorValues, compress_tensor,
    decompress_bytes, decompress_tensor,
};

/// Bytes of values that a tensor may have.
const MAX: usize = 1 << 22;
/// Bytes before the shape.
const FIXED: usize = 40;

/// Writes the checksums that the bytes ask for.
fn repair(bytes: &mut [u8]) {
    let Some(rank) = bytes.get(9).map(|rank| usize::from(*rank)) else {
        return;
    };
    let start = FIXED + 8 * rank;
    if bytes.len() < start {
        return;
    }
    let stored = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
    let end = usize::try_from(stored)
        .ok()
        .and_then(|stored| start.checked_add(stored));
    if let Some(payload) = end.and_then(|end| bytes.get(start..end)) {
        let sum = crc32fast::hash(payload);
        bytes[32..36].copy_from_slice(&sum.to_le_bytes());
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..FIXED - 4]);
    sum.update(&bytes[FIXED..start]);
    let sum = sum.finalize();
    bytes[FIXED - 4..FIXED].copy_from_slice(&sum.to_le_bytes());
}

/// Writes the checksum of the table of a file.
fn repair_table(bytes: &mut [u8]) {
    let Some(field) = bytes.get(12..16) else {
        return;
    };
    let len = u32::from_le_bytes(field.try_into().unwrap()) as usize;
    let end = 16_usize.saturating_add(len);
    if bytes.len() < end.saturating_add(4) {
        return;
    }
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Opens bytes as a file and reads all of its tensors.
fn read_file(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("tinyquant-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let file = TensorFile::open(&path);
    std::fs::remove_file(&path).unwrap();
    let Ok(file) = file else {
        return;
    };
    for info in file.tensors() {
        assert!(info.stored_len <= bytes.len() as u64);
        if let Ok(tensor) = file.read(&info.name, MAX) {
            assert_eq!(tensor.shape, info.shape);
            assert_eq!(tensor.len(), tensor.shape.iter().product::<usize>());
        }
    }
}

fn bits(values: &TensorValues) -> Vec<u32> {
    match values {
        TensorValues::Floats(values) => values.iter().map(|value| value.to_bits()).collect(),
        TensorValues::Signed(values) => values
            .iter()
            .map(|value| u32::from(value.cast_unsigned()))
            .collect(),
        TensorValues::Bytes(values) => values.iter().map(|value| u32::from(*value)).collect(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, bytes)) = bytes.split_first() else {
        return;
    };
    if mode & 2 == 2 {
        let mut image = bytes.to_vec();
        if mode & 1 == 1 {
            repair_table(&mut image);
        }
        return read_file(&image);
    }
    if let Ok(content) = decompress_bytes(bytes, MAX) {
        assert!(content.len() <= MAX);
    }
    let mut image = bytes.to_vec();
    if mode & 1 == 1 {
        repair(&mut image);
    }
    let Ok(tensor) = decompress_tensor(&image, MAX) else {
        return;
    };
    assert_eq!(tensor.len(), tensor.shape.iter().product::<usize>());
    assert_eq!(TensorHead::parse(&image).unwrap().shape(), tensor.shape);
    let options = StoreOptions {
        method: Method::Lossless,
        layout: Layout::Bytes,
        level: 0,
    };
    // Half floats and what became of a NaN among them come back as the same bits only once they were stored.
    let again = compress_tensor(&tensor, &options, &Control::default()).unwrap();
    let first = decompress_tensor(&again, MAX).unwrap();
    let second = compress_tensor(&first, &options, &Control::default()).unwrap();
    assert_eq!(again, second);
    assert_eq!(
        bits(&first.values),
        bits(&decompress_tensor(&second, MAX).unwrap().values)
    );
});
