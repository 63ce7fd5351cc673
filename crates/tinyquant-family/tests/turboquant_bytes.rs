//! Serialised rows, and the same bytes on every CPU level and for every number of threads.

use proptest::prelude::*;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::turboquant::{Method, QuantizedRows, RowCodec, RowsSpec, SketchKind};
use tinyquant_kernels::{Level, force};
use tinyquant_testkit::{seeded, sha256};

const HEADER: usize = 32;

fn control() -> Control<'static> {
    Control::default()
}

fn methods() -> [Method; 4] {
    [
        Method::Mse { unbiased: false },
        Method::Mse { unbiased: true },
        Method::Prod {
            sketch: SketchKind::Gaussian,
        },
        Method::Prod {
            sketch: SketchKind::Rotation,
        },
    ]
}

fn codec(method: Method, dim: usize, bits: u8) -> RowCodec {
    RowCodec::new(RowsSpec::new(dim, bits, 9, method).unwrap()).unwrap()
}

fn quantized(method: Method, dim: usize, bits: u8, count: usize) -> QuantizedRows {
    let rows = seeded::normal(dim as u64, count * dim, 1.0);
    codec(method, dim, bits)
        .quantize(&rows, &control())
        .unwrap()
}

/// Puts a checksum that fits behind changed bytes.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn rows_come_back_from_their_bytes() {
    for method in methods() {
        for bits in 1..=8 {
            for (dim, count) in [(2, 1), (13, 5), (128, 3), (64, 0)] {
                let rows = quantized(method, dim, bits, count);
                let bytes = rows.to_bytes();
                assert_eq!(bytes.len(), HEADER + rows.nbytes() + 4);
                let back = QuantizedRows::from_bytes(&bytes).unwrap();
                assert!(back == rows && back.to_bytes() == bytes);
            }
        }
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    for method in methods() {
        let bytes = quantized(method, 13, 3, 4).to_bytes();
        for len in 0..bytes.len() {
            let error = QuantizedRows::from_bytes(&bytes[..len]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Truncated, "{len}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let error = QuantizedRows::from_bytes(&longer).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Format);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(QuantizedRows::from_bytes(&changed).is_err(), "{at} {bit}");
            }
        }
    }
}

#[test]
fn fields_that_mean_nothing_are_refused_with_their_offset() {
    let bytes = quantized(methods()[2], 13, 3, 4).to_bytes();
    let refused = |at: usize, value: &[u8], code: ErrorCode| {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(value);
        let error = QuantizedRows::from_bytes(&sealed(changed)).unwrap_err();
        assert_eq!(error.code(), code, "{at}: {error}");
        error.to_string()
    };
    assert!(refused(0, b"X", ErrorCode::Format).contains("offset 0"));
    assert!(refused(4, &[2], ErrorCode::Version).contains("offset 4"));
    for flags in [3, 4, 6, 7, 8, 255] {
        assert!(refused(5, &[flags], ErrorCode::Format).contains("offset 5"));
    }
    for bits in [0, 10, 255] {
        assert!(refused(6, &[bits], ErrorCode::Format).contains("offset 6"));
    }
    assert!(refused(7, &[1], ErrorCode::Format).contains("offset 7"));
    for dim in [0_u32, 1, 8193, u32::MAX] {
        assert!(refused(8, &dim.to_le_bytes(), ErrorCode::Format).contains("offset 8"));
    }
    assert!(refused(12, &[1], ErrorCode::Format).contains("offset 12"));
    for rows in [5_u64, 1 << 40, u64::MAX, u64::MAX / 15] {
        refused(24, &rows.to_le_bytes(), ErrorCode::Truncated);
    }
    for rows in [0_u64, 3] {
        assert!(refused(24, &rows.to_le_bytes(), ErrorCode::Format).contains("offset"));
    }
    for norm in [f32::NAN, f32::INFINITY, -1.0, -0.0] {
        assert!(refused(HEADER + 8, &norm.to_le_bytes(), ErrorCode::Format).contains("row 2"));
        assert!(refused(HEADER + 20, &norm.to_le_bytes(), ErrorCode::Format).contains("row 1"));
    }
    for residual in [2.5_f32, f32::MAX] {
        let message = refused(HEADER + 20, &residual.to_le_bytes(), ErrorCode::Format);
        assert!(message.contains("row 1"), "{message}");
    }
    // 26 bits of codes in 4 bytes a row, then 13 signs in 2.
    let codes = HEADER + 32;
    assert!(
        refused(codes + 7, &[0xff], ErrorCode::Format).contains(&format!("offset {}", codes + 7))
    );
    let signs = codes + 16;
    assert!(
        refused(signs + 3, &[0xff], ErrorCode::Format).contains(&format!("offset {}", signs + 3))
    );
    let mut unsealed = bytes.clone();
    unsealed[HEADER] ^= 1;
    let error = QuantizedRows::from_bytes(&unsealed).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Checksum);
}

/// Everything that a codec makes of the same input.
fn everything(codec: &RowCodec) -> String {
    let dim = codec.spec().dim();
    let rows = seeded::normal(1, 1500 * dim, 1.0);
    let quantized = codec.quantize(&rows, &control()).unwrap();
    let mut bytes = quantized.to_bytes();
    let back = codec.dequantize(&quantized, &control()).unwrap();
    let scores = codec
        .score(&rows[..3 * dim], &quantized, &control())
        .unwrap();
    for value in back.iter().chain(&scores) {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    sha256(&bytes)
}

#[test]
fn results_do_not_depend_on_the_level_or_the_threads() {
    let threads = |count: usize| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .build()
            .unwrap()
    };
    let (two, five) = (threads(2), threads(5));
    for method in methods() {
        for (dim, bits) in [(3, 2), (50, 4), (128, 4), (200, 7), (384, 1)] {
            let codec = codec(method, dim, bits);
            force(Some(Level::Scalar)).unwrap();
            let expected = everything(&codec);
            for level in Level::supported() {
                force(Some(level)).unwrap();
                assert_eq!(
                    everything(&codec),
                    expected,
                    "{dim} {bits} {}",
                    level.name()
                );
            }
            force(None).unwrap();
            assert_eq!(two.install(|| everything(&codec)), expected);
            assert_eq!(five.install(|| everything(&codec)), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), is_sealed: bool) {
        let head = quantized(methods()[3], 13, 3, 2).to_bytes();
        let keep = head.len().min(bytes.len()) / 2;
        bytes[..keep].copy_from_slice(&head[..keep]);
        if is_sealed && bytes.len() >= 4 {
            bytes = sealed(bytes);
        }
        if let Ok(rows) = QuantizedRows::from_bytes(&bytes) {
            prop_assert_eq!(rows.to_bytes(), bytes);
        }
    }
}
