//! Rows of TurboQuant codecs: what is read is written again byte for byte, and its codec takes it. The first byte says whether
//! the checksum is made good before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Control;
use tinyquant_family::turboquant::{QuantizedRows, RowCodec};

/// Largest vectors that are decoded: making a codec of larger ones takes too long to find anything.
const LARGEST: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((mode, bytes)) = input.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if mode % 2 == 1 && bytes.len() > 4 {
        let end = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    }
    let Ok(rows) = QuantizedRows::from_bytes(&bytes) else {
        return;
    };
    assert_eq!(rows.to_bytes(), bytes);
    let dim = rows.spec().dim();
    if dim > LARGEST {
        return;
    }
    let codec = RowCodec::new(rows.spec()).unwrap();
    let values = codec.dequantize(&rows, &Control::default()).unwrap();
    assert!(values.len() == rows.len() * dim && values.iter().all(|value| value.is_finite()));
    let scores = codec
        .score(&vec![1.0; dim], &rows, &Control::default())
        .unwrap();
    assert!(scores.len() == rows.len() && scores.iter().all(|score| !score.is_nan()));
});
